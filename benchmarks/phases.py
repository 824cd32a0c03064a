"""Problem families solved side by side: build, solve and verify, each timed, by mechopt and by other programs.

A family has a name, its sizes, what mechopt is asked, the same in plain CVXPY, the peers that can state it, and an
oracle: the optimum as a fraction, known from elsewhere than the solves compared.

The environment variable MECHOPT_PEERS names one Python interpreter that has the peers; `SETUP` says how to make it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cvxpy as cp
from registry import Row, at_most

import mechopt as mo

HERE = Path(__file__).resolve().parent
SETUP = """The peers live in an environment of their own, outside of mechopt's (two commands), named by a variable:

  python -m venv peers
  peers/bin/pip install linopy highspy rsome==1.3.1 mechaudit==0.1.0
  MECHOPT_PEERS=peers/bin/python python benchmarks/run.py peers

A peer that is missing there is told as "peer not installed"; without the variable, mechopt's own environment is asked.
"""
PROGRAMS = {"linopy": "peer_linopy.py", "rsome": "peer_rsome.py", "mechaudit": "peer_designs.py"}
ENOUGH = 10.0  # seconds after which no run is repeated
OURS = 1e-9  # how far mechopt's value may be from the oracle's, money
Size = Mapping[str, Any]


@dataclass(frozen=True)
class Phases:
    """Seconds to the compiled program, of the engine, of the check if there is one, and of all; the value found."""

    build: float
    solve: float
    verify: float | None
    whole: float
    value: float


@dataclass(frozen=True)
class Family:
    """The same problem for everyone: `ours` by method, `written` in CVXPY, `peers` by module, the exact optimum."""

    name: str
    smoke: Size
    full: Size
    ours: Mapping[str, Callable[[Size], tuple[Any, dict[str, Any]]]]
    written: Callable[[Size], cp.Problem]
    peers: Mapping[str, str]  # the name shown: the module that must be there
    oracle: Callable[[Size], Fraction]
    audit: Callable[[mo.Result], Any] | None = None  # what is checked besides the certificate


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """What a function returns, and its seconds."""
    started = time.perf_counter()
    found = function()
    return found, time.perf_counter() - started


def quickest(run: Callable[[], Phases], repeats: int) -> Phases:
    """The best of several runs; of fewer where they take long."""
    runs: list[Phases] = []
    while len(runs) < repeats and sum(p.whole for p in runs) < ENOUGH:
        runs.append(run())
    return min(runs, key=lambda p: p.whole)


def own(family: Family, make: Callable[[Size], tuple[Any, dict[str, Any]]], size: Size) -> Phases:
    """Ours, once: the engine alone, then the whole solve with its certificate, then the check again from the files."""
    (model, options), made = timed(lambda: make(size))
    bare, engine = timed(lambda: mo.solve(model, certificate=False, **options))
    built = bare.document["statistics"]["build_seconds"]
    (fresh, options), _ = timed(lambda: make(size))  # nothing remembered
    result, whole = timed(lambda: mo.solve(fresh, **options))
    checked, verify = timed(result.verify)
    audited, audit = (True, 0.0) if family.audit is None else timed(lambda: family.audit(result))
    if not (result.bounds.certified and checked.passed and audited):
        raise RuntimeError(f"{family.name}: the certificate does not hold")
    return Phases(made + built, engine - built, verify + audit, made + whole + audit, result.value)


def plain(written: Callable[[Size], cp.Problem], size: Size) -> Phases:
    """Plain CVXPY and HiGHS, as they come, once. Nothing is checked afterwards."""

    def compiled() -> cp.Problem:
        problem = written(size)
        problem.get_problem_data(cp.HIGHS)
        return problem

    problem, build = timed(compiled)
    _, solve = timed(lambda: problem.solve(solver=cp.HIGHS))
    return Phases(build, solve, None, build + solve, float(problem.value))


def interpreter(module: str) -> str | None:
    """The Python that has a module, if any."""
    if named := os.environ.get("MECHOPT_PEERS"):
        try:
            asked = subprocess.run([named, "-c", f"import {module}"], capture_output=True, check=False)
        except OSError:
            return None
        return named if asked.returncode == 0 else None
    return sys.executable if importlib.util.find_spec(module) else None


def foreign(family: Family, module: str, size: Size, repeats: int) -> tuple[Phases, str] | None:
    """A peer in a process of its own, warmed up on the small size, the best of several runs, and its version."""
    python = interpreter(module)
    if python is None:
        return None
    sizes = {"warm": dict(family.smoke), "size": dict(size)}
    sent = json.dumps({"family": family.name, **sizes, "repeats": repeats, "enough": ENOUGH})
    program = HERE / PROGRAMS[module]
    done = subprocess.run([python, str(program)], input=sent, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{module} failed on {family.name}: {done.stderr[-2000:]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    return Phases(**answer["phases"]), answer["version"]


def compare(family: Family, smoke: bool, repeats: int) -> list[Row]:
    """A row for each who solved it: phases in columns, and how far the value is from the oracle's."""
    size, exact = family.smoke if smoke else family.full, family.oracle(family.smoke if smoke else family.full)
    rows, reference = [], None
    for name, make in family.ours.items():
        own(family, make, family.smoke)  # imports what is imported late
        best = quickest(lambda make=make: own(family, make, size), repeats)
        reference = best if reference is None else reference
        rows.append(_row(f"{family.name}: mechopt, {name}", best, exact, reference, OURS))
    plain(family.written, family.smoke)
    best = quickest(lambda: plain(family.written, size), repeats)
    rows.append(_row(f"{family.name}: CVXPY {cp.__version__}", best, exact, reference))
    for shown, module in family.peers.items():
        found = foreign(family, module, size, repeats)
        if found is None:
            rows.append(Row(f"{family.name}: {shown}", "peer not installed"))
        else:
            rows.append(_row(f"{family.name}: {shown} {found[1]}", found[0], exact, reference))
    return rows


def _row(who: str, found: Phases, exact: Fraction, ours: Phases | None, limit: float | None = None) -> Row:
    """Seconds as columns; only our own distance has a target."""
    apart = float(abs(Fraction(found.value) - exact))
    row = Row(who, apart) if limit is None else at_most(who, apart, limit)
    columns = {"build": found.build, "solve": found.solve, "verify": found.verify, "whole": found.whole}
    over = None if ours is None else found.whole / ours.whole
    return Row(row.what, row.value, row.target, row.met, {**columns, "over first": over})
