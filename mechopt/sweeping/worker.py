"""What a worker does: solve one instance, whatever happens, and say in plain data what came of it.

The same function runs in a local process and on a cluster. Nothing it returns needs mechopt to be read.
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from multiprocessing.connection import Connection, wait
from typing import Any

import mechopt
from mechopt.files import pack
from mechopt.instance import from_dict
from mechopt.models.inputs import InputError
from mechopt.solvers.program import SolveError
from mechopt.solvers.retained import Retained
from mechopt.solving import solve
from mechopt.sweeping.store import Finished

PACKAGES = ("cvxpy", "highspy", "numpy", "scipy", "python-flint")
ALONE = threading.Lock()  # CVXPY is not made for threads: where a cluster's worker has several, they take turns
SOLVED: set[str] = set()  # models this process has solved an instance of
GRACE = 5.0  # seconds after a time limit before a process that does not react is ended


class OutOfTime(Exception):
    """The time limit of an instance ran out."""


@functools.cache
def versions() -> dict[str, str]:
    """mechopt's version and those of the packages whose numbers it reports."""
    return {"mechopt": mechopt.__version__, "python": ".".join(map(str, sys.version_info[:3]))} | {
        name: version(name) for name in PACKAGES
    }


@functools.lru_cache(maxsize=1)
def retained(sweep: str) -> Retained:
    """What this process keeps between the instances of one sweep; another sweep begins afresh."""
    return Retained()


def start(memory: int | None, lifeline: Connection) -> None:
    """Prepare a local worker: its parent handles Ctrl-C, its memory is limited, it ends when the lifeline does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow() -> None:
        wait([lifeline])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    if memory is not None:
        with contextlib.suppress(ImportError, ValueError, OSError):
            import resource

            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            resource.setrlimit(resource.RLIMIT_DATA, (memory, hard))


def run(
    mark: str, instance: Mapping[str, Any], sweep: str, warm: bool = True, arrays: bool = False,
    seconds: float | None = None,
) -> Finished:  # fmt: skip
    """Solve an instance; a failure is described, not raised.

    `sweep` names what may share compiled programs, `warm` whether to share them, `arrays` whether to keep arrays and
    certificate, `seconds` how long it may take.
    """
    started = time.perf_counter()

    def done(**found: Any) -> Finished:
        return Finished(mark, time.perf_counter() - started, versions(), **found)

    try:
        with ALONE, _limited(seconds):
            first = str(instance["model"]) not in SOLVED  # its seconds include loading and first compilations
            result = solve(from_dict(instance), time_limit=_own_limit(instance, seconds),
                           memory=retained(sweep) if warm else None)  # fmt: skip
            SOLVED.add(str(instance["model"]))
        document = {key: value for key, value in result.document.items() if key != "arrays" or arrays}
        return done(
            status=result.status, document=json.dumps(document, allow_nan=False),
            statistics=json.dumps({**document["statistics"], "warm_up": first}),
            arrays=pack(result.arrays) if arrays else None,
            certificate=json.dumps(result.certificate).encode() if arrays and result.certificate else None,
        )  # fmt: skip
    except InputError as error:
        return done(error_kind="input", error=str(error))
    except SolveError as error:
        statistics = json.dumps(vars(error.solution.statistics))
        return done(status=error.solution.status.word, statistics=statistics, error_kind="solve", error=str(error))
    except OutOfTime:
        return done(error_kind="time", error=f"stopped after {seconds:g} s, the sweep's limits.seconds")
    except MemoryError:
        retained.cache_clear()
        return done(error_kind="memory", error="out of memory; raise limits.memory or run fewer jobs")
    except Exception as error:
        return done(error_kind="error", error=f"{type(error).__name__}: {error}")


def _own_limit(instance: Mapping[str, Any], seconds: float | None) -> float | None:
    """The time limit handed to the solver where it cannot be interrupted: not beyond the sweep's own."""
    if seconds is None or threading.current_thread() is threading.main_thread():
        return None
    own = (instance.get("solve") or {}).get("time_limit")
    return seconds if not isinstance(own, int | float) else min(seconds, own)


@contextlib.contextmanager
def _limited(seconds: float | None) -> Iterator[None]:
    """Raise OutOfTime in Python code when time is up, and end the process a little later if that was not heard."""
    if seconds is None or threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(*_: Any) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    with open(os.devnull, "w") as nowhere:
        faulthandler.dump_traceback_later(seconds + GRACE, exit=True, file=nowhere)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            faulthandler.cancel_dump_traceback_later()
            signal.signal(signal.SIGALRM, before)
