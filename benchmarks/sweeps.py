"""Sweeps: what they add to the bare solves, two jobs, kill -9, a cluster, and programs compiled once.

`python benchmarks/sweeps.py FILE STORE JOBS` is the process the benchmarks start and kill.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from registry import Row, at_most, benchmark, holds

CORES = range(os.cpu_count() or 1)
DASK = "import sys; from dask.__main__ import main; sys.argv = ['dask', *sys.argv[1:]]; main()"
SMALL = {"model": "regret-pricing", "parameters": {"upper": [1], "points": 8}}
GOODS = {"model": "regret-pricing", "parameters": {"upper": [1, 2], "points": 6, "lower": [0, 0]}}


def table(base: Mapping[str, Any], count: int, key: str, low: float, high: float, **more: Any) -> dict[str, Any]:
    """A sweep of `count` instances along one key."""
    return {"base": base, "axes": {key: {"from": low, "to": high, "count": count}}, **more}


def spread() -> None:
    """Undo the pin to one core, in a child process."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, CORES)


def start(file: Path, store: Path, jobs: int) -> subprocess.Popen[str]:
    """A sweep in a process of its own, on all cores."""
    command = [sys.executable, __file__, str(file), str(store), str(jobs)]
    return subprocess.Popen(command, preexec_fn=spread, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def seconds_of(process: subprocess.Popen[str]) -> float:
    """What the sweep says it took, from the first claim to the last commit."""
    out, _ = process.communicate()
    assert process.returncode == 0
    return float(out)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A directory that goes away."""
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def written(place: Path, sweep: Mapping[str, Any]) -> Path:
    """The sweep as a file."""
    import json

    file = place / "sweep.json"
    file.write_text(json.dumps(sweep), encoding="utf-8")
    return file


@benchmark(
    "sweep-overhead",
    "What a sweep adds to the solves",
    """1,000 instances of one good with 8 steps, each solved and certified: by a loop of `mechopt.solve`, and as a
    sweep of one job into a store on disk that compiles every program anew, as the loop does. Reading the sweep and
    forking the worker are included, the start of the server it is forked from is not. Both share one core.""",
)
def overhead(smoke: bool) -> list[Row]:
    """Seconds of the sweep over seconds of the loop."""
    import mechopt as mo
    from mechopt.instance import from_dict
    from mechopt.sweeping.files import load

    count = 20 if smoke else 1000
    sweep = table(SMALL, count, "parameters.upper.0", 1, 2, warm=False)
    instances = [task.instance for task in load(sweep).tasks()]
    mo.solve(from_dict(instances[0]))
    ratios, bare, whole = [], 0.0, 0.0
    mo.sweep(table(SMALL, 2, "parameters.upper.0", 3, 4, warm=False), jobs=1).close()  # starts the server
    for _ in range(1 if smoke else 2):
        began = time.perf_counter()
        for instance in instances:
            mo.solve(from_dict(instance))
        bare = time.perf_counter() - began
        with folder() as place:
            began = time.perf_counter()
            mo.sweep(sweep, store=place / "runs.db", jobs=1).close()
            whole = time.perf_counter() - began
        ratios.append(whole / bare)
    return [
        Row("instances", count), Row("seconds, loop", bare), Row("seconds, sweep", whole),
        at_most("time of the sweep over the loop", min(ratios), 1.10),
    ]  # fmt: skip


@benchmark(
    "sweep-two-jobs",
    "Two jobs on two cores",
    """1,500 such instances with one job and with two, each in a process of its own on all cores, the start of the
    workers included.""",
)
def two_jobs(smoke: bool) -> list[Row]:
    """Seconds with two jobs over seconds with one."""
    count = 20 if smoke else 1500
    with folder() as place:
        file = written(place, table(SMALL, count, "parameters.upper.0", 1, 2, warm=False))
        one, two = (seconds_of(start(file, place / f"{jobs}.db", jobs)) for jobs in (1, 2))
    return [
        Row("instances", count), Row("seconds, one job", one), Row("seconds, two jobs", two),
        Row("speed-up", one / two), at_most("time with two jobs over time with one", two / one, 1 / 1.7),
    ]  # fmt: skip


def finished(store: Path) -> dict[str, float]:
    """Fingerprints of finished instances and when each was finished."""
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(store, timeout=60)) as db:
        return dict(db.execute("select fingerprint, finished from runs where state = 'done'"))
    return {}


@benchmark(
    "sweep-killed",
    "kill -9 at 50 random moments",
    """A sweep of 500 instances with two jobs, its whole process killed at 50 random moments and started again each
    time, moments counted in finished instances and then by up to 50 ms more. After each kill the store is checked for
    integrity and for everything it held before.""",
)
def killed(smoke: bool) -> list[Row]:
    """Whether everything finished was kept, nothing ran twice, and the store always opened clean."""
    kills, count = (2, 30) if smoke else (50, 500)
    moments, kept, clean, held = random.Random(11), {}, True, True
    with folder() as place:
        file, store = written(place, table(SMALL, count, "parameters.upper.0", 1, 2)), place / "runs.db"
        done = 0
        while done < kills:
            process = start(file, store, 2)
            goal = len(kept) + moments.randrange(0, max(2, 2 * (count - len(kept)) // (kills - done + 1)))
            while len(finished(store)) < min(goal, count - (kills - done)) and process.poll() is None:
                time.sleep(0.002)
            time.sleep(moments.random() * 0.05)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            done += 1
            with contextlib.closing(sqlite3.connect(store, timeout=60)) as db:
                clean &= db.execute("pragma integrity_check").fetchone() == ("ok",)
            now = finished(store)
            held &= kept.items() <= now.items()
            kept = now
        last = seconds_of(start(file, store, 2))
        with contextlib.closing(sqlite3.connect(store)) as db:
            states = dict(db.execute("select state, count(*) from runs group by state"))
            most = db.execute("select max(attempts) from runs").fetchone()[0]
        held &= kept.items() <= finished(store).items()
    return [
        Row("kills", done), Row("instances finished when the last kill came", len(kept)),
        Row("seconds, last run", last), holds("the store always opened clean", clean),
        holds("every finished instance was kept", held), holds("no instance was run to its end twice", most == 1),
        holds("all instances are there at the end", states == {"done": count}),
    ]  # fmt: skip


@contextlib.contextmanager
def cluster(place: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers on the loopback: the address, and the workers' processes."""
    from distributed import Client

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    quiet = {"cwd": place, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "preexec_fn": spread}
    begin = [sys.executable, "-c", DASK]
    plain = ["--no-nanny", "--no-dashboard", "--nthreads", "1", "--local-directory", str(place)]
    made = [subprocess.Popen([*begin, "scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2],
                              "--no-dashboard"], **quiet)]  # fmt: skip
    made += [subprocess.Popen([*begin, "worker", address, *plain], **quiet) for _ in range(2)]
    try:
        with Client(address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield address, made[1:]
    finally:
        for process in reversed(made):
            process.kill()
            process.wait()


def numbers(runs: Any) -> Any:
    """Value and bounds of all instances, in the order of their fingerprints."""
    return runs.to_frame().sort_values("fingerprint")[["value", "lower", "upper"]].to_numpy(dtype=float)


@benchmark(
    "sweep-cluster",
    "A Dask cluster that loses a worker",
    """Scheduler and two workers as processes on the loopback; one worker is killed with kill -9 when a third of the
    instances are finished. Values are compared with a local sweep's.""",
)
def on_cluster(smoke: bool) -> list[Row]:
    """Whether the sweep finished, and how far its values are from the local ones."""
    import mechopt as mo

    count = 12 if smoke else 300
    sweep, lost = table(SMALL, count, "parameters.upper.0", 1, 2), []
    with folder() as place, cluster(place) as (address, workers):

        def kill_one(tally: Any) -> None:
            if not lost and 3 * tally.ran >= count:
                workers[0].send_signal(signal.SIGKILL)
                lost.append(tally.ran)

        away = mo.sweep(sweep, store=place / "away.db", cluster=address, progress=kill_one)
        here = mo.sweep(sweep, store=place / "here.db", jobs=1)
        apart = float(np.abs(numbers(away) - numbers(here)).max())
        states = away.states
    return [
        Row("instances", count), Row("finished when the worker was killed", lost[0] if lost else "none"),
        holds("a worker was killed midway", bool(lost) and lost[0] < count),
        holds("all results are present", states["done"] == count),
        at_most("largest difference from the local values", apart, 1e-12),
    ]  # fmt: skip


WARM = {
    "two goods, by default": (GOODS, "parameters.lower.0"),
    "two goods, all pairs": ({**GOODS, "solve": {"method": "all-pairs"}}, "parameters.lower.0"),
    "one good, 30 steps": (
        {"model": "regret-pricing", "parameters": {"upper": [1], "points": 30, "lower": [0]}}, "parameters.lower.0",
    ),
    "robust auction, the program": (
        {"model": "robust-auction", "parameters": {"bidders": 2, "lower": 0, "upper": 2, "points": 6},
         "solve": {"method": "all-pairs"}}, "parameters.lower",
    ),
}  # fmt: skip


@benchmark(
    "sweep-warm",
    "Programs of one structure, compiled once",
    """200 instances that differ in the lowest value of the first good, certificates included, once with every program
    compiled and solved anew and once with compiled programs, bases and repeated programs kept; one job each. Two goods
    in the default method are the target; the others show where less is gained.""",
)
def warm(smoke: bool) -> list[Row]:
    """Seconds of a warm sweep over those of a cold one, and how far their values are apart."""
    import mechopt as mo

    count, rows = 8 if smoke else 200, []
    for name, (base, key) in WARM.items():
        if smoke and name != next(iter(WARM)):
            continue
        took, found = {}, {}
        for kept in (False, True) * (1 if smoke else 2):
            sweep = table(base, count, key, 0.001, 0.2, warm=kept)
            with folder() as place:
                runs = mo.sweep(sweep, store=place / "runs.db", jobs=1)
                took[kept] = min(took.get(kept, np.inf), float(runs.to_frame()["seconds"].sum()))
                found[kept] = numbers(runs)
        apart = float(np.abs(found[True] - found[False]).max())
        ratio = took[True] / took[False]
        rows.append(Row(f"seconds, {name}: cold, warm", f"{took[False]:.2f}, {took[True]:.2f}"))
        if name == next(iter(WARM)):
            rows.append(at_most(f"time, {name}: warm over cold", ratio, 0.5))
        else:
            rows.append(Row(f"time, {name}: warm over cold", ratio))
        rows.append(at_most(f"largest difference, {name}", apart, 1e-9))
    return rows


def main() -> None:
    """Run a sweep and say how long it took."""
    import mechopt as mo

    runs = mo.sweep(sys.argv[1], store=sys.argv[2], jobs=int(sys.argv[3]))
    assert runs.tally is not None
    print(runs.tally.seconds)


if __name__ == "__main__":
    main()
