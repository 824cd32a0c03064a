"""The benchmarks there are, the rows they give, and the one way times are compared.

A benchmark is a function `smoke -> rows` with a name and a few sentences about it; `@benchmark` registers it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One measured number or fact; `met` is None where there is no target."""

    what: str
    value: float | bool | str
    target: str = ""
    met: bool | None = None
    phases: dict[str, float | None] | None = None  # seconds by phase, and ratios of them, where they were taken apart

    def shown(self) -> str:
        """The value for people."""
        if isinstance(self.value, bool):
            return "yes" if self.value else "no"
        return f"{self.value:.3g}" if isinstance(self.value, float) else str(self.value)

    def verdict(self) -> str:
        """Met, or missed and by how much."""
        if self.met is None:
            return ""
        if self.met or isinstance(self.value, bool | str):
            return "met" if self.met else "missed"
        limit = float(self.target.removeprefix("<= ").removeprefix(">= "))
        factor = limit / self.value if self.target.startswith(">") else self.value / limit
        return f"missed by a factor of {factor:.3g}"


def at_most(what: str, value: float, limit: float) -> Row:
    """A number with a target it must not exceed."""
    return Row(what, float(value), f"<= {limit:g}", bool(value <= limit))


def at_least(what: str, value: float, limit: float) -> Row:
    """A number with a target it must reach."""
    return Row(what, float(value), f">= {limit:g}", bool(value >= limit))


def holds(what: str, fact: bool) -> Row:
    """A fact that must hold."""
    return Row(what, bool(fact), "yes", bool(fact))


Measure = Callable[[bool], list[Row]]


@dataclass(frozen=True)
class Benchmark:
    """A name, a title, what is measured and against what, and the function that measures."""

    name: str
    title: str
    what: str
    run: Measure


BENCHMARKS: list[Benchmark] = []


def benchmark(name: str, title: str, what: str) -> Callable[[Measure], Measure]:
    """Register a function as a benchmark."""

    def register(function: Measure) -> Measure:
        BENCHMARKS.append(Benchmark(name, title, " ".join(what.split()), function))
        return function

    return register


@dataclass(frozen=True)
class Race:
    """Best and median seconds of two functions run in turns, and what each returned last."""

    ours: Any
    theirs: Any
    best: tuple[float, float]
    median: tuple[float, float]

    @property
    def ratio(self) -> float:
        """Best time of ours over best time of theirs."""
        return self.best[0] / self.best[1]

    def rows(self, ours: str, theirs: str) -> list[Row]:
        """The times, without targets."""
        return [
            Row(f"seconds, {name} (best, median)", f"{best:.4f}, {median:.4f}")
            for name, best, median in zip((ours, theirs), self.best, self.median, strict=True)
        ]


def race(ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int) -> Race:
    """Run two functions in turns, once unmeasured and then `repeats` times each."""
    results = [ours(), theirs()]
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for which, function in enumerate((ours, theirs)):
            started = time.perf_counter()
            results[which] = function()
            seconds[which].append(time.perf_counter() - started)
    middle = [statistics.median(times) for times in seconds]
    return Race(results[0], results[1], (min(seconds[0]), min(seconds[1])), (middle[0], middle[1]))
