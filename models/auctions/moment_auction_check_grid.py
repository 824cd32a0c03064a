"""The checker of sought allocations: tables on a grid under both rules, nature's distributions on the grid.

`table[l][j]` is the chance of a bidder at the (start + j)-th value when the highest of the others is at the l-th, with
start l in a highest-bidder lottery, else 0. Values count from 0 to n. Rationals throughout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flint

from mechopt.models.auctions.moment_auction_check_price import Instance
from mechopt.models.checking import ZERO, at_most_zero, number
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest

ONE = flint.fmpq(1)
Columns = list[list[Rational]]


class Grid:
    """The grid 0, 1/n, ..., 1, and which pairs (k, l) a table lists."""

    def __init__(self, instance: Instance) -> None:
        n = instance.points
        if not isinstance(n, int) or isinstance(n, bool) or n < 1 or instance.mean is None:
            raise ValueError("a grid has at least one step, and a Markov set its mean")
        self.g = [flint.fmpq(k, n) for k in range(n + 1)]
        self.I, self.mean = instance.bidders, instance.mean
        self.lottery = instance.mechanism == "highest-bidder-lottery"
        if not self.lottery and (instance.mechanism != "any" or self.I != 2):
            raise ValueError("all mechanisms are bounded for two bidders only")
        self.columns = 1 if self.I == 1 else n + 1

    def start(self, column: int) -> int:
        """The least own value a column lists."""
        return column if self.lottery else 0

    def read(self, table: Sequence[Sequence[Any]]) -> Columns:
        """A table in rationals; ValueError unless it lists exactly the pairs there are."""
        columns = [[number(x) for x in column] for column in table]
        if [len(c) for c in columns] != [len(self.g) - self.start(k) for k in range(self.columns)]:
            raise ValueError("the table does not list every pair of values")
        return columns

    def total(self, k: int, column: int) -> Rational:
        """The sum of all values, one at g_k and the others at the column's."""
        return self.g[k] + (self.I - 1) * self.g[column]


def lower(grid: Grid, mechanism: Mapping[str, Any], left: bool) -> tuple[Rational, list[Check]]:
    """What a table guarantees on the grid (left rule), or on the continuum (right rule)."""
    q, sigma = grid.read(mechanism["allocation"]), number(mechanism["sigma"])
    paid = [_payments(grid, column, m, left) for m, column in enumerate(q)]
    if grid.lottery:
        level, crowd = _lottery(grid, q, paid, sigma, left)
    else:
        pairs = [(k, m) for k in range(len(grid.g)) for m in range(k + 1)]
        level = min(paid[m][k] + paid[k][m] - sigma * grid.total(k, m) for k, m in pairs)
        crowd = max(q[m][k] + q[k][m] for k, m in pairs)
    falls = max(a - b for column in q for a, b in zip([ZERO, *column], column, strict=False))
    return level + grid.I * grid.mean * sigma, [
        at_most_zero("chances are nonnegative and do not fall in the own value [nu]", falls),
        at_most_zero("at most one bidder wins [beta]", crowd - 1),
        at_most_zero("sigma is nonnegative", -sigma),
    ]


def _payments(grid: Grid, column: Sequence[Rational], m: int, left: bool) -> list[Rational]:
    """Payments of a column: each step up in the chance is paid at the value, or at the one below it, right rule.

    In a lottery's first cell entering costs the second highest value, here its largest, g_l.
    """
    start, paid, total = grid.start(m), [], ZERO
    for j, chance in enumerate(column):
        gained = chance - column[j - 1] if j else chance
        here = start + j
        total += gained * (grid.g[here] if left or j == 0 else grid.g[here - 1])
        paid.append(total)
    return paid


def _lottery(grid: Grid, q: Columns, paid: Columns, sigma: Rational, left: bool) -> tuple[Rational, Rational]:
    """The least revenue less sigma (sum of values), and the largest sum of chances."""
    found, crowd = [], ZERO
    for m, (chances, payments) in enumerate(zip(q, paid, strict=True)):
        width = grid.g[m] - grid.g[m - 1] if m and not left else ZERO
        for j, (chance, payment) in enumerate(zip(chances, payments, strict=True)):
            ties = grid.I if left and j == 0 and grid.I > 1 else 1  # all bidders at g_l share the good
            crowd = max(crowd, ties * chance)
            found.append(ties * payment - sigma * grid.total(m + j, m))
            if width:  # others at the cell's lower end: entering costs less, and so do the others' values
                found.append(payment - width * chances[0] - sigma * (grid.total(m + j, m) - (grid.I - 1) * width))
    return min(found), crowd


def upper(grid: Grid, nature: Mapping[str, Any]) -> tuple[Rational, list[Check]]:
    """What no mechanism exceeds in expectation when nature draws (k, l): one bidder at g_k, the others at g_l.

    Expected revenue is linear in the chances q(k, l); nu >= 0 adds the rows that q does not fall. The bound gives the
    good, scenario by scenario, to the largest coefficient if positive.
    """
    mass = [[ZERO] * len(grid.g) for _ in range(grid.columns)]
    known = [[ZERO] * (len(grid.g) + 1) for _ in range(grid.columns)]
    total, mean, least = ZERO, ZERO, ZERO
    for k, m, text in nature["P"]:
        p = number(text)
        if not (0 <= m < grid.columns and grid.start(m) <= k < len(grid.g) and (grid.lottery or m <= k)):
            raise ValueError("no such pair of values")
        total, mean, least = total + p, mean + p * grid.total(k, m), min(least, p)
        if grid.lottery:
            mass[m][k] += p * (grid.I if k == m and grid.I > 1 else 1)
        else:  # both bidders pay; by symmetry one table serves both
            mass[m][k] += p
            mass[k][m] += p
    for k, m, text in nature["nu"]:
        if not (0 <= m < grid.columns and grid.start(m) <= k < len(grid.g)):
            raise ValueError("no such pair of values")
        known[m][k] += number(text)
        least = min(least, number(text))
    worth = [_worth(grid, mass[m], known[m], grid.start(m)) for m in range(grid.columns)]
    if grid.lottery:
        value = sum((max(w, ZERO) / (grid.I if k == m and grid.I > 1 else 1)
                     for m, column in enumerate(worth) for k, w in enumerate(column)), ZERO)  # fmt: skip
    else:
        size = range(len(grid.g))
        value = sum((max(worth[m][k], worth[k][m], ZERO) for k in size for m in range(k)), ZERO)
        value += sum((max(worth[k][k], ZERO) for k in size), ZERO) / 2
    return value, [
        Check("nature's probabilities sum to one [lambda]", nearest(abs(total - 1)), total == 1),
        at_most_zero("nature's means are as known [sigma]", grid.I * grid.mean - mean),
        at_most_zero("nature's probabilities and multipliers nu are nonnegative", -least),
    ]


def _worth(grid: Grid, mass: list[Rational], nu: list[Rational], start: int) -> list[Rational]:
    """Coefficients of the chances in expected revenue, R(k) = g_k q_k - sum over j < k of (g_{j+1} - g_j) q_j."""
    out, tail = [ZERO] * len(mass), ZERO
    for k in range(len(mass) - 1, start - 1, -1):
        step = grid.g[k + 1] - grid.g[k] if k + 1 < len(grid.g) else ZERO
        out[k] = grid.g[k] * mass[k] - step * tail + nu[k] - nu[k + 1]
        tail += mass[k]
    return out
