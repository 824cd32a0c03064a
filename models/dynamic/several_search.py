"""Two-sided search for several buyers: nested Benders in (balances, xi) from above, points at one xi from below.

The root program chooses period 1 and xi of all periods against cuts; its value is the upper bound. Halfway between its
choice and the best one so far, the search then follows the mechanism into later periods, always to the children where
probability times (cut bound - point bound) is large, and each program it solves there gives a cut and a point.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mechopt.models.dynamic.several_cuts import CutList, first_cut
from mechopt.models.dynamic.several_engine import PeriodProgram, Solved
from mechopt.models.dynamic.several_period import Cut, Period
from mechopt.models.dynamic.several_points import Decision, Points
from mechopt.models.dynamic.several_symmetry import Swap, alike
from mechopt.solvers.program import Array

Progress = Callable[[str], None]
CENTRE = 0.5  # weight of the best choice so far in the next one tried
SWITCH = 1e-4  # relative gap below which the root's own choice is tried
WIDTH = 3  # children followed from a node before the last period
PASSES = 60  # times the search follows the mechanism at one xi
NOISE = 1e-8  # of slopes in xi, which may not be positive at the root
TIGHT = 1e-11  # tolerance of lazy cuts, relative to the scale of money


@dataclass
class Found:
    """The best mechanism of a search and the bound it stands against."""

    upper: float
    root: Cut
    lower: float = -math.inf
    xi: Array = field(default_factory=lambda: np.zeros(0))
    decision: Decision | None = None
    points: list[Points] = field(default_factory=list)  # of periods 2 to T
    iterations: int = 0
    programs: int = 0
    finished: bool = False
    late: bool = False


class Search:
    """The programs, cuts and clock of a search over `periods`."""

    def __init__(
        self, periods: Sequence[Period], gap: float, limit: float, progress: Progress, options: Mapping[str, Any]
    ) -> None:
        """`gap`: width asked for, in the periods' unit of money; `limit`: seconds from now; `options`: HiGHS's own."""
        self.periods, self.gap, self.progress = list(periods), gap, progress
        self.end = time.monotonic() + limit
        T = len(self.periods)
        self.dimension = [sum(period.slack for period in self.periods[t:]) for t in range(T)]
        self.scale = max(1e-12, sum(period.welfare for period in self.periods))
        self.cuts = [CutList(period.k, D) for period, D in zip(self.periods, self.dimension, strict=True)]
        following = [*self.cuts[1:], None]
        self.programs = [
            PeriodProgram(period, after, self.dimension[t], t == 0, options)
            for t, (period, after) in enumerate(zip(self.periods, following, strict=True))
        ]
        self.swap = Swap(self.periods) if alike(self.periods) else None
        for t in range(T - 1, 0, -1):
            self._keep(t, first_cut(self.periods[t], following[t], self.dimension[t]))
        self.best = Found(self.scale, first_cut(self.periods[0], following[0], self.dimension[0]))

    @property
    def late(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self.end

    def offset(self, t: int) -> int:
        """Where xi of period t begins in xi of all."""
        return self.dimension[0] - self.dimension[t]

    def earns(self, t: int, allocation: Array, xi: Array) -> float:
        """Welfare of period t less the buyers' utilities; xi of all periods."""
        period, start = self.periods[t], self.offset(t)
        welfare = sum(float(period.f @ (allocation[i] * v[period.types[:, i]])) for i, v in enumerate(period.values))
        return welfare - float(period.chances @ xi[start : start + period.slack])

    def solve(self, t: int, balances: Array, xi: Array | None) -> Solved:
        """A program of period t (from 0), and its cut kept."""
        part = None if xi is None else xi[self.offset(t) :]
        found = self.programs[t].solve(balances, part, TIGHT * self.scale, self.end)
        self.best.programs += 1
        if t > 0:
            self._keep(t, found.cut)
        return found

    def _keep(self, t: int, cut: Cut) -> None:
        if self.swap is None:
            self.cuts[t].add(cut)
        else:
            self.swap.add(t, self.cuts[t], cut)

    def upper(self, t: int, Y: Array, xi: Array) -> Array:
        """The cuts' bound of periods t to T at balances Y, (N, k)."""
        cuts = self.cuts[t]
        return np.asarray((Y @ cuts.slope.T + (cuts.constant + cuts.later @ xi[self.offset(t) :])).min(axis=1))

    def run(self, start: tuple[Array, Decision, list[Points], float]) -> Found:
        """Search until the gap is closed or the time is up; `start`: xi, decision, points and value of an incumbent."""
        best = self.best
        best.xi, best.decision, best.points, best.lower = start
        zero = np.zeros(self.periods[0].k)
        while not self.late:
            root = self.solve(0, zero, None)
            if root.value < best.upper and root.cut.later.max(initial=0.0) <= NOISE:
                best.upper, best.root = root.value, root.cut
            if not root.optimal:
                break
            best.iterations += 1
            gap = best.upper - best.lower
            low, high, width = (x * self.periods[0].unit for x in (best.lower, best.upper, gap))
            self.progress(f"iteration {best.iterations}: [{low:.10g}, {high:.10g}], gap {width:.2e}")
            if gap <= self.gap or (len(self.periods) == 1 and self._alone(root)):
                best.finished = True
                break
            xi, decision = root.xi, Decision(root.allocation, np.maximum(root.after, 0.0))
            if gap > SWITCH * self.scale and best.decision is not None:
                xi, decision = self._between(xi, decision)
            if self.swap is not None:
                xi, decision = self.swap.even(xi, decision)  # points count twice only at xi that are alike
            self._explore(xi, decision)
        best.finished = best.finished or best.upper - best.lower <= self.gap
        best.late = self.late
        return best

    def _alone(self, root: Solved) -> bool:
        """One period: the root's program is the whole problem."""
        self.best.xi, self.best.decision = root.xi, Decision(root.allocation, np.maximum(root.after, 0.0))
        self.best.lower = self.earns(0, root.allocation, root.xi)
        return True

    def _between(self, xi: Array, decision: Decision) -> tuple[Array, Decision]:
        best = self.best
        assert best.decision is not None
        mixed = [
            CENTRE * a + (1 - CENTRE) * b
            for a, b in (
                (best.xi, xi), (best.decision.allocation, decision.allocation), (best.decision.after, decision.after),
            )
        ]  # fmt: skip
        return mixed[0], Decision(mixed[1], mixed[2])

    def _explore(self, xi: Array, decision: Decision) -> None:
        """Follow a choice of period 1 and xi until its own gap is small beside the whole one."""
        k = self.periods[0].k
        points = [Points(k, self.scale) for _ in self.periods[1:]]
        for t in range(len(self.periods) - 1, 0, -1):
            if not self._point(t, np.zeros(k), xi, points).optimal:
                return
        own, f, Y = self.earns(0, decision.allocation, xi), self.periods[0].f, decision.after.T
        for _ in range(PASSES):
            target = max(0.25 * self.gap, 0.1 * (self.best.upper - self.best.lower))
            left = self._descend(0, decision, xi, points, target)
            lower = own + float(f @ points[0].lower(Y))
            if lower > self.best.lower:
                self.best.lower, self.best.xi, self.best.decision, self.best.points = lower, xi, decision, points
            hopeless = own + float(f @ self.upper(1, Y, xi)) < self.best.lower - target
            if left <= target or hopeless or self.late:
                return

    def _point(self, t: int, balances: Array, xi: Array, points: list[Points]) -> Solved:
        """Solve period t at balances, and keep what it earns as a point."""
        found = self.solve(t, balances, xi)
        decision = Decision(found.allocation, np.maximum(found.after, 0.0))
        if not found.optimal:
            return found
        value = self.earns(t, found.allocation, xi)
        if t + 1 < len(self.periods):
            value += float(self.periods[t].f @ points[t].lower(decision.after.T))
        points[t - 1].add(balances, value, decision)
        if self.swap is not None:
            points[t - 1].add(balances[::-1], value, self.swap.decision(t, decision))
        return found

    def _descend(self, t: int, decision: Decision, xi: Array, points: list[Points], target: float) -> float:
        """Visit the children of a decision in period t with the largest expected gaps; the gap it had before."""
        if t + 1 == len(self.periods):
            return 0.0
        Y, f = decision.after.T, self.periods[t].f
        gaps = f * (self.upper(t + 1, Y, xi) - points[t].lower(Y))
        left, chosen, visited = float(gaps.sum()), set[tuple[float, ...]](), 0
        if left <= 0.5 * target:
            return left
        last = t + 2 == len(self.periods)
        for v in np.argsort(-gaps):
            if gaps[v] <= 0.25 * target * f[v] or (visited == WIDTH and not last) or self.late:
                break
            name = points[t].key(Y[v])
            if name in chosen:
                continue
            chosen |= {name, name[::-1]} if self.swap is not None else {name}
            visited += 1
            found = self._point(t + 1, Y[v], xi, points)
            if not last and found.optimal:
                child = Decision(found.allocation, np.maximum(found.after, 0.0))
                if self._descend(t + 1, child, xi, points, target) > 0.5 * target:
                    self._point(t + 1, Y[v], xi, points)
        return left
