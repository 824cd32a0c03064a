"""One buyer: the value of promised utility, period by period from the last, bounded from both sides.

With one buyer xi can be eliminated. Let W_t(U) be the best welfare after period t when the buyer is promised the total
utility U from here on (what earlier periods already gave her counts). Then W_T = 0 on U >= 0 and

    W_{t-1}(U) = max  sum_j f_j (v_j x_j + W_t(y_j))
                 s.t. y_{j+1} - y_j = (v_{j+1} - v_j) x_j,   0 <= x_1 <= .. <= x_n <= 1,   y_1 >= 0,
                      sum_j f_j y_j = U                                                           [beta]

and the best revenue is max_U W_0(U) - U. x is a lottery over posted prices, w_m the chance of the price v_m: then
y_j = y_1 + sum_m w_m (v_j - v_m)^+, and x need not be told to rise.

From above W_t is the least of tangents a + s U. Any slopes g_j >= 0 of W_t's tangents, with beta >= sum_j f_j g_j, give
a tangent of W_{t-1} with the slope beta and

    a = sum_j f_j a(g_j) + max(0, max_m S_m),     S_m = E[v; v >= v_m] - sum_j f_j (beta - g_j) (v_j - v_m)^+

S_m being the sum of virtual values from v_m upwards: their maximum irons them. From below W_t is the chord of points
(U, w), and any x gives a point of W_{t-1}. A sweep solves the linear program of a period with the tangents of the next
at few U, reads g from the multipliers and x from the solution, and adds a U where two tangents meet too high above
their chord, weighed by how likely the balance comes there.

Where W_t has many pieces, interior-point steps for many slopes at once take the place of linear programs.

Source: Mirrokni, Paes Leme, Tang, Zuo (2018), Section 4, where value functions are bounded from below.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mechopt.models.distributions import Distribution
from mechopt.models.dynamic.period_arrays import period_program
from mechopt.models.dynamic.slopes import coarse, from_slopes, plan, steepest
from mechopt.models.dynamic.value_brackets import Bracket, Period, flat, hull, least, nothing, points, tangents
from mechopt.models.dynamic.visits import Visits, forward
from mechopt.models.outcome import Progress
from mechopt.solvers.program import Array
from mechopt.solvers.resolve import Resolver

TINY = 1e-13  # heights below this, relative to the value, are rounding
POINTS = 2000  # of a period at most
COARSE, FIRST = 0.02, 3.5  # width the first pass aims at, relative to all welfare; of the second, relative to the gap
MOST_PASSES = 12
VALUES, PIECES = 16, 24  # Newton steps: from how many values and tangents on
SMOOTH, SMOOTHEST = 20, 2000  # and from how many pieces W_t may have, per slope and in all
QUICK = 5e-6  # narrower brackets than this, relative to all welfare, need linear programs everywhere
SOFT, SHARE = 0.2, 0.7  # of a period's share of the gap: by how much kinks are smoothed, and for linear programs
DENSER, SLOW = 1.25, 0.9  # more slopes per pass, and what they must leave of the gap, or linear programs go on
RATIO = 1e-7  # a new point is at least this far from its neighbours, relative to their distance


@dataclass
class _Grid:
    """The U solved so far of one period, with value, slope, lottery and parents at each."""

    U: list[float] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    slope: list[float] = field(default_factory=list)
    prices: list[Array] = field(default_factory=list)
    parents: list[Array] = field(default_factory=list)

    def sort(self) -> None:
        order = np.argsort(self.U, kind="stable").tolist()
        for name in ("U", "value", "slope", "prices", "parents"):
            column = getattr(self, name)
            setattr(self, name, [column[k] for k in order])

    def gaps(self) -> tuple[Array, Array]:
        """Per interval, where the two tangents meet and how high above the chord, (M - 1,)."""
        U, F, s = np.array(self.U), np.array(self.value), np.array(self.slope)
        width = np.diff(U)
        chord = np.diff(F) / width
        fall = s[:-1] - s[1:]
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(fall > 0, (chord - s[1:]) / fall, 0.5)
        share = np.clip(share, RATIO, 1 - RATIO)
        height = np.maximum(np.minimum(s[:-1] - chord, np.inf) * share, 0.0) * width
        return U[:-1] + share * width, height


def bracket(period: Period, after: Bracket, top: float, allowed: float, visits: Visits | None) -> Bracket:
    """W_{t-1} given W_t: points are added until the expected height of tangents over chords is at most `allowed`.

    `top`: from where on W_{t-1} is constant.
    """
    n = len(period.v)
    program = period_program(period, after)
    solver = Resolver(program, n + 1)
    grid = _Grid()

    def solve(U: float) -> None:
        x, y = solver(U)
        grid.U.append(U)
        grid.value.append(float(-program.cost @ x + after.intercept[0]))
        grid.slope.append(max(float(-y[n + 1]), 0.0))
        grid.prices.append(x[:n].copy())
        grid.parents.append(np.maximum(-y[:n] / period.f, 0.0))

    for U in dict.fromkeys((0.0, top)):
        solve(U)
    while len(grid.U) < POINTS and len(grid.U) > 1:
        grid.sort()
        where, height = grid.gaps()
        known = np.array(grid.U)
        size = max(abs(v) for v in grid.value) + 1e-300
        weight = np.ones(len(height)) if visits is None else visits.between(known[:-1], known[1:])
        matter = weight * height * (height > TINY * size)
        if (matter.sum() if visits is not None else matter.max(initial=0.0)) <= allowed:
            break
        bar = allowed if visits is None else allowed / (2 * len(matter))
        for target in where[matter > bar].tolist():
            solve(target)
    grid.sort()
    at, w, prices = points(period, after, np.array(grid.U), np.array(grid.prices))
    slope, intercept, parents = tangents(period, after, np.array(grid.slope), np.array(grid.parents))
    top_value = flat(period, after)
    slope, intercept = np.append(slope, 0.0), np.append(intercept, top_value)
    parents = np.vstack([parents, np.zeros(n)])
    touch = (np.array(grid.U), np.array(grid.slope))
    return Bracket(*least(slope, intercept, parents), *hull(at, w, prices), touch, solver.solves)


def tops(periods: Sequence[Period]) -> Array:
    """From where on W_t is constant: E[sum of (v - v_1)] over periods t + 1 to T, (T + 1,), the last 0."""
    gains = [float(p.f @ (p.v - p.v[0])) for p in periods]
    return np.append(np.cumsum(gains[::-1])[::-1], 0.0)


@dataclass(frozen=True)
class Sweep:
    """Brackets of W_0, .., W_T, the revenue's bounds in floats, and the programs solved: linear ones, and by steps."""

    brackets: list[Bracket]
    lower: float
    upper: float
    start: float
    programs: int
    steps: int
    passes: int
    finished: bool


def revenue_bounds(first: Bracket) -> tuple[float, float, float]:
    """max_U W_0(U) - U from both sides, and the U of the lower one."""
    best = int(np.argmax(first.w - first.U))
    meet = np.diff(first.intercept) / -np.diff(first.slope)
    corners = np.append(np.concatenate([[0.0], meet[meet > 0]]), first.U[-1])
    return float(first.w[best] - first.U[best]), float((first.upper(corners) - corners).max()), float(first.U[best])


def sweep(
    priors: Sequence[Distribution], gap: float, limit: float = np.inf, progress: Progress = lambda message: None
) -> Sweep:
    """Passes over the periods, each finer where balances go, until upper minus lower is at most `gap` (money).

    `limit`: seconds, after which the narrowest bracket so far is returned; the first pass is always finished.
    """
    return _Sweeping([Period.of(prior) for prior in priors], gap, limit, progress).run()


class _Sweeping:
    """The passes of a sweep and what each learns for the next."""

    def __init__(self, periods: list[Period], gap: float, limit: float, progress: Progress) -> None:
        self.started = time.monotonic()
        self.periods, self.gap, self.limit, self.progress = periods, gap, limit, progress
        self.top, self.steep = tops(periods), steepest(periods)
        self.scale = float(sum(p.f @ np.abs(p.v) for p in periods)) + 1e-300
        self.programs = self.steps = 0
        self.slopes: list[Array] | None = [coarse(float(s)) for s in self.steep[:-1]]  # None: linear programs only
        self.density, self.best, self.misses = 1.0, np.inf, 0

    def late(self) -> bool:
        return time.monotonic() - self.started > self.limit

    def run(self) -> Sweep:
        """All passes."""
        found, visits = None, None
        allowed = max(self.gap * 8, COARSE * self.scale)
        for passes in range(1, MOST_PASSES + 1):
            brackets = self.sweep_back(allowed / len(self.periods), visits, found is not None)
            if brackets is None:
                break
            low, high, start = revenue_bounds(brackets[0])
            if found is None or high - low < found.upper - found.lower:
                met = high - low <= self.gap
                found = Sweep(brackets, low, high, start, self.programs, self.steps, passes, met)
            self.progress(f"pass {passes}: [{low:.9g}, {high:.9g}], {self.programs} programs, {self.steps} by steps")
            if found.finished or self.late():
                break
            visits = forward(self.periods, brackets[:-1])
            stepped = self.slopes is not None
            self.aim(brackets, visits, high - low, passes)
            if self.slopes is not None:
                allowed = SHARE * self.gap
            elif stepped:
                allowed = min(FIRST * self.gap, 0.5 * COARSE * self.scale)
            else:
                allowed *= 0.8 * min(1.0, self.gap / (high - low))
        assert found is not None
        return found

    def aim(self, brackets: list[Bracket], visits: list[Visits], width: float, passes: int) -> None:
        """Slopes for the next pass, more of them when this one was too wide; none when more do not help."""
        quick = self.gap > QUICK * self.scale and any(len(p.v) >= VALUES for p in self.periods)
        self.misses += width > SLOW * self.best
        if self.slopes is None or not quick or self.misses > 1:
            self.slopes = None
            return
        if passes > 1:
            self.best = min(width, self.best)
            self.density *= max(DENSER, 1.05 * float(np.sqrt(width / self.gap)))
        self.slopes = plan(brackets, visits, self.steep, self.gap, self.density)

    def sweep_back(self, allowed: float, visits: list[Visits] | None, may_stop: bool) -> list[Bracket] | None:
        """One pass from the last period to the first; None when it was stopped."""
        brackets = [nothing()]
        for t in reversed(range(len(self.periods))):
            made = self.by_steps(t, brackets[-1], allowed, visits is None)
            if made is None:
                made = bracket(self.periods[t], brackets[-1], self.top[t], allowed, visits[t] if visits else None)
                self.programs += made.programs
            brackets.append(made)
            if may_stop and self.late():
                return None
        return brackets[::-1]

    def by_steps(self, t: int, after: Bracket, allowed: float, first: bool) -> Bracket | None:
        """W_{t-1} without a linear program; None where kinks are few and matter, or where steps do not arrive."""
        period, slopes = self.periods[t], self.slopes
        if slopes is None or len(period.v) < VALUES or len(after.slope) < PIECES or period.v[-1] <= 0:
            return None
        pieces = math.prod(len(p.v) for p in self.periods[t + 1 :])
        if not first and pieces < max(SMOOTH * len(slopes[t]), SMOOTHEST):
            return None
        self.steps += len(slopes[t])
        return from_slopes(period, after, slopes[t], self.top[t], SOFT * allowed)
