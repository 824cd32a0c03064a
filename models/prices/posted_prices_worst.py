"""The worst case of given bundle prices, bundle by bundle: small warm-started programs, then exact numbers.

Of the buyers of S, those who value the goods of S most are the worst for the seller, and keep buying S: v_j = vbar_j
there. Of the other goods only what keeps her from buying more matters. So for each S and each sign pattern T of the
goods whose value may be below or above a positive cost, program (2.16) is a packing program in the goods outside S:

    max   sum_{j in T} v_j
    s.t.  sum_{j in U} v_j <= b_U     for U outside S      [y(S')]
          0 <= v_j <= vbar_j          for j outside S

with b_U the least p_S' - p_S + 1_{S - S'}'vbar over the bundles S' with U = S' - S. A bundle with b_U < 0 for some U
(U empty included) is bought by nobody.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any

import flint
import numpy as np
import scipy.sparse as sp

from mechopt.models.prices.bundles import members, order, subsets, total
from mechopt.solvers.linear import LinearProgram, Point, residuals
from mechopt.solvers.objectives import under_each
from mechopt.solvers.program import Array, Residuals, Statistics
from mechopt.solvers.rational import Rational, nearest, rational

ZERO = flint.fmpq(0)
SIMPLE = 1000  # multipliers solve systems of zeros and ones: fractions with small denominators
Multipliers = dict[int, Rational]  # by the rival bundle S'


@dataclass(frozen=True)
class Case:
    """What is known of one bundle: who beats it always, or multipliers per pattern and the worst of its buyers."""

    bundle: int
    price: Rational
    beaten_by: int | None = None
    patterns: Mapping[int, Multipliers] = field(default_factory=dict)
    values: tuple[Rational, ...] = ()  # a profile that weakly prefers the bundle
    regret: Rational = ZERO  # of selling it the bundle
    strict: bool = True  # whether somebody buys it when ties are broken for the seller
    estimate: float = 0.0  # the largest regret as floats have it


@dataclass(frozen=True)
class Worst:
    """The cases of all bundles on offer, by size; `complete` unless the time was up."""

    cases: tuple[Case, ...]
    complete: bool
    statistics: Statistics
    residuals: Residuals

    @property
    def bought(self) -> list[Case]:
        """The bundles somebody buys."""
        return [case for case in self.cases if case.beaten_by is None]

    @property
    def regret(self) -> Rational:
        """The largest regret any profile was found to cause."""
        return max(case.regret for case in self.bought)

    @property
    def optimistic(self) -> Rational:
        """The same with ties broken for the seller."""
        return max(case.regret for case in self.bought if case.strict)


class Market:
    """The exact data of an evaluation: bounds, costs and prices by bundle mask, the empty bundle's included."""

    def __init__(self, upper: Sequence[object], cost: Sequence[object], prices: Mapping[int, object]) -> None:
        self.upper = [rational(x) for x in upper]
        self.cost = [rational(x) for x in cost]
        self.prices = {bundle: rational(prices[bundle]) for bundle in sorted(prices, key=order)}
        self.unit = max(self.upper)
        self.worth: Callable[[int], Rational] = cache(lambda bundle: total(self.upper, bundle) + ZERO)
        self.wavering = sum(1 << j for j, (c, hi) in enumerate(zip(self.cost, self.upper, strict=True)) if 0 < c < hi)
        self.free = sum(1 << j for j, c in enumerate(self.cost) if c == 0)

    def profit(self, bundle: int) -> Rational:
        """Price less cost."""
        return self.prices[bundle] - total(self.cost, bundle)

    def regret(self, values: Sequence[Rational], bundle: int) -> Rational:
        """Of selling the bundle to a buyer with these values."""
        surplus = sum((v - c for v, c in zip(values, self.cost, strict=True) if v > c), ZERO)
        return surplus - self.profit(bundle)

    def room(self, bundle: int) -> dict[int, tuple[Rational, int]]:
        """b_U and the rival it comes from, for every U."""
        found: dict[int, tuple[Rational, int]] = {}
        for rival, price in self.prices.items():
            if rival != bundle:
                extra, slack = rival & ~bundle, price - self.prices[bundle] + self.worth(bundle & ~rival)
                if extra not in found or slack < found[extra][0]:
                    found[extra] = (slack, rival)
        return found

    def strict(self, bundle: int) -> bool:
        """Whether somebody prefers the bundle to all that earn more, strictly, and to the rest weakly."""
        return all(
            self.prices[rival] - self.prices[bundle] + self.worth(bundle & ~rival) > 0
            for rival in self.prices
            if self.profit(rival) > self.profit(bundle)
        )


def worst_cases(market: Market, deadline: float | None = None) -> Worst:
    """The worst regret of every bundle on offer; after the deadline (time.monotonic) crude multipliers stand in.

    >>> half, one = Fraction(1, 2), Fraction(1)
    >>> prices = {0: Fraction(0), 1: half, 2: half, 3: Fraction(4, 5)}
    >>> assert worst_cases(Market([one, one], [Fraction(0)] * 2, prices)).regret == rational("6/5")
    """
    started = time.perf_counter()
    sizes, worst, complete, cases = np.zeros(4, dtype=int), 0.0, True, []
    for bundle, price in market.prices.items():
        room = market.room(bundle)
        slack, rival = min(room.values(), default=(ZERO, bundle))
        if slack < 0:
            cases.append(Case(bundle, price, beaten_by=rival))
        elif deadline is not None and time.monotonic() > deadline:
            complete = False
            cases.append(_crude(market, bundle))
        else:
            case, size, violation = _solved(market, bundle, room)
            cases.append(case)
            sizes += size
            worst = max(worst, violation)
    rows, columns, nonzeros, steps = sizes.tolist()
    statistics = Statistics(rows, columns, nonzeros, steps, 0.0, time.perf_counter() - started)
    return Worst(tuple(cases), complete, statistics, Residuals(primal=worst * nearest(market.unit)))


def _solved(market: Market, bundle: int, room: Mapping[int, tuple[Rational, int]]) -> tuple[Case, Any, float]:
    """A bundle's case by its programs, their rows, columns, nonzeros and iterations, and the largest violation."""
    program, columns, rows = _packing(market, bundle, room)
    patterns = list(subsets(market.wavering & ~bundle))
    costs = [_objective(market, columns, pattern) for pattern in patterns]
    sizes, worst, found = np.zeros(4, dtype=int), 0.0, {}
    best: tuple[float, Point | None] = (-np.inf, None)
    for pattern, (solved, point, steps) in zip(patterns, under_each(program, costs), strict=True):
        sizes += (*solved.shape, solved.matrix.nnz, steps)
        worst = max(worst, residuals(solved, point).primal)
        found[pattern] = {rows[i][2]: y for i, y in enumerate(_simple(point.y)) if y}
        value = -float(solved.cost @ point.x) - nearest(total(market.cost, pattern) / market.unit)
        if value > best[0]:
            best = (value, point)
    values = _profile(market, bundle, columns, rows, best[1])
    top = sum((market.upper[j] - market.cost[j] for j in members(bundle) if market.upper[j] > market.cost[j]), ZERO)
    estimate = best[0] * nearest(market.unit) + nearest(top - market.profit(bundle))
    regret, strict = market.regret(values, bundle), market.strict(bundle)
    return Case(bundle, market.prices[bundle], None, found, values, regret, strict, estimate), sizes, worst


Row = tuple[int, Rational, int]  # U, b_U and the rival it comes from


def _packing(
    market: Market, bundle: int, room: Mapping[int, tuple[Rational, int]]
) -> tuple[LinearProgram, list[int], list[Row]]:
    """The packing program of a bundle in units of the largest value, its columns (goods) and its rows."""
    columns = [j for j in range(len(market.upper)) if not bundle >> j & 1]
    rows = [(extra, slack, rival) for extra, (slack, rival) in room.items() if extra]
    matrix = np.array([[row[0] >> j & 1 for j in columns] for row in rows], dtype=float).reshape(
        len(rows), len(columns)
    )
    limits = np.array([nearest(row[1] / market.unit) for row in rows])
    tops = np.array([nearest(market.upper[j] / market.unit) for j in columns])
    none = np.zeros(len(columns))
    return LinearProgram(
        none, sp.csc_array(matrix), np.full(len(rows), -np.inf), limits, none, tops, np.zeros(len(columns), dtype=bool)
    ), columns, rows  # fmt: skip


def _objective(market: Market, columns: Sequence[int], pattern: int) -> Array:
    counted = pattern | market.free
    return np.array([-1.0 if counted >> j & 1 else 0.0 for j in columns])


def _simple(y: Array) -> list[Rational]:
    """Multipliers of a minimisation as the simplest fractions near them, their sign turned and never negative."""
    return [
        rational(Fraction(-price).limit_denominator(SIMPLE)) if price < -1e-9 else ZERO
        for price in np.nan_to_num(y).tolist()
    ]


def _crude(market: Market, bundle: int) -> Case:
    """Bounds without multipliers, every other good counted, and the buyer of the bundle who wants nothing else."""
    values = tuple(hi if bundle >> j & 1 else ZERO for j, hi in enumerate(market.upper))
    regret, most = market.regret(values, bundle), market.regret(market.upper, bundle)
    return Case(
        bundle, market.prices[bundle], None, {part: {} for part in subsets(market.wavering & ~bundle)}, values, regret,
        market.strict(bundle), nearest(most),
    )  # fmt: skip


def _profile(
    market: Market, bundle: int, columns: Sequence[int], rows: Sequence[Row], point: Point | None
) -> tuple[Rational, ...]:
    """The vertex of a packing program in exact numbers, shrunk into its rows where the basis is not feasible."""
    tops = [market.upper[j] for j in columns]
    x = [ZERO] * len(columns) if point is None else _vertex(tops, rows, columns, point, market.unit)
    x = [min(max(value, ZERO), hi) for value, hi in zip(x, tops, strict=True)]
    for extra, slack, _ in rows:
        held = sum((x[k] for k, j in enumerate(columns) if extra >> j & 1), ZERO)
        if held > slack:
            x = [value * slack / held if extra >> j & 1 else value for value, j in zip(x, columns, strict=True)]
    outside = dict(zip(columns, x, strict=True))
    return tuple(outside.get(j, hi) for j, hi in enumerate(market.upper))


def _vertex(
    tops: Sequence[Rational], rows: Sequence[Row], columns: Sequence[int], point: Point, unit: Rational
) -> list[Rational]:
    near = [rational(float(value)) * unit for value in np.nan_to_num(point.x).tolist()]
    if point.basic_columns is None or point.basic_rows is None:
        return near
    basic, tight = np.flatnonzero(point.basic_columns).tolist(), np.flatnonzero(~point.basic_rows).tolist()
    x = [hi if 2 * value > hi else ZERO for value, hi in zip(near, tops, strict=True)]  # where nonbasic ones rest
    if not basic or len(basic) != len(tight):
        return near if basic else x
    goods = [columns[k] for k in basic]
    square = flint.fmpq_mat([[flint.fmpq(rows[i][0] >> j & 1) for j in goods] for i in tight])
    resting = [(x[k], j) for k, j in enumerate(columns) if k not in basic]
    right = [rows[i][1] - sum((value for value, j in resting if rows[i][0] >> j & 1), ZERO) for i in tight]
    try:
        solved = square.solve(flint.fmpq_mat(len(right), 1, right))
    except ZeroDivisionError:
        return near
    for position, k in enumerate(basic):
        x[k] = solved[position, 0]
    return x
