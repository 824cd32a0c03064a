"""Nature's distribution with a density constant on products of cells: an O(1/n^2) bound on the continuum from above.

Cells are intervals and points of [0, 1]. P(w) is the mass of the cells w of the I values in any one order, B(w) that of
a price beta for the good. For the others' cells o, T(k, o) and S(k, o) are the masses of P and beta with the own value
in cell k or above. With mult(w) orders of w, h_k the length of cell k, l_k and u_k its ends, and nature's dual letters
of models/auctions/moment_auction_loglinear.py aside:

    min   sum_w mult(w) B(w)
    s.t.  sum_w mult(w) P(w) = 1,   sum_w mult(w) P(w) E[f(v) | w] <= I b
          l_k T(k, o)   + P(k, o) h_k / 4 <= S(k, o)                    for all cells k
          u_k T(k+1, o) + P(k, o) h_k / 4 <= S(k+1, o)                  for intervals k
          P, B >= 0

A bidder who faces the price t for sure pays t T(t, o) on average, so any mechanism with truth as a dominant strategy
earns a mixture of these. t T(t) is at most its chord plus P h / 4 on a cell, S is linear there: so it earns at most the
integral of beta times the chance that the good is sold, at most the sum of B.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.models.auctions.moment_auction_any import Multisets, Row
from mechopt.models.outcome import Array, Options
from mechopt.solvers.certificate import project
from mechopt.solvers.highs import load, read_point, status_of
from mechopt.solvers.linear import LinearProgram
from mechopt.solvers.rational import rational
from mechopt.solvers.rows import Rows

UNIT = 2**60
Cells = list[tuple[Fraction, Fraction]]


def cells_of(nodes: list[Fraction], points: list[Fraction]) -> Cells:
    """The intervals between nodes and some of the nodes as points, in increasing order.

    >>> assert cells_of([Fraction(0), Fraction(1)], [Fraction(1)]) == [(0, 1), (1, 1)]
    """
    return sorted([*itertools.pairwise(nodes), *((p, p) for p in points)])


def power_mean(cell: tuple[Fraction, Fraction], power: int) -> Fraction:
    """E[v^power] for v uniform on a cell."""
    low, high = cell
    if low == high:
        return low**power
    return (high ** (power + 1) - low ** (power + 1)) / ((power + 1) * (high - low))


def program(sets: Multisets, cells: Cells, known: list[Row]) -> LinearProgram:
    """The arrays; variables P, B by multiset of cells, then T and S by cell and others' cells."""
    low, high = (np.array([float(z) for z in ends]) for ends in zip(*cells, strict=True))
    count, joined, orders = len(sets.profiles), sets.joined, sets.orders
    n, extra = joined.shape[0], (high - low)[:, None] / 4
    T, S = (2 * count + z * joined.size + np.arange(joined.size).reshape(joined.shape) for z in (0, 1))
    rows = Rows()
    for tail, mass in ((T, joined), (S, joined + count)):
        rows.add([(tail[:-1], 1.0), (tail[1:], -1.0), (mass[:-1], -1.0)], 0, 0)
        rows.add([(tail[-1], 1.0), (mass[-1], -1.0)], 0, 0)
    rows.add([(T, low[:, None]), (joined, extra), (S, -1.0)], -np.inf, 0)
    wide = np.flatnonzero((high > low)[: n - 1])
    rows.add([(T[wide + 1], high[wide, None]), (joined[wide], extra[wide]), (S[wide + 1], -1.0)], -np.inf, 0)
    for features, least, most in _sums(sets, cells, known):
        rows.entries.append((np.full(count, rows.count), np.arange(count), orders * features))
        rows.low.append(np.array([least]))
        rows.high.append(np.array([most]))
        rows.count += 1
    columns = 2 * count + 2 * joined.size
    cost = np.zeros(columns)
    cost[count : 2 * count] = orders
    return rows.program(cost, np.zeros(columns), np.full(columns, np.inf))


def _sums(sets: Multisets, cells: Cells, known: list[Row]) -> list[tuple[Array, float, float]]:
    """Rows over the masses: that they sum to one, and the moments, each scaled by 1 / I."""
    found: list[tuple[Array, float, float]] = [(np.ones(len(sets.profiles)), 1.0, 1.0)]
    for power, sign, bound in known:
        each = np.array([float(power_mean(cell, power)) for cell in cells])
        found.append((sign * each[sets.profiles].mean(axis=1), -np.inf, float(bound)))
    return found


def best(bidders: int, cells: Cells, known: list[Row], options: Options) -> dict[str, Any] | None:
    """The certificate's part: cells, and the masses of nature and price by multiset of cells; None when stopped."""
    sets = Multisets(bidders, len(cells))
    compiled = program(sets, cells, known)
    solver = load(compiled, {"solver": "ipm", "run_crossover": "off", **options.options})
    if options.time_limit is not None:
        solver.setOptionValue("time_limit", float(options.time_limit))
    solver.run()
    if not status_of(solver).has_point:
        return None
    point, count = read_point(solver, compiled).x, len(sets.profiles)
    if point[:count].max() < 1e-12:  # stopped before nature had any mass
        return None
    P = _feasible(sets, cells, known, np.maximum(point[:count], 0.0))
    B = _paid(sets, cells, P, np.maximum(point[count : 2 * count], 0.0))
    return {
        "cells": [[str(low), str(high)] for low, high in cells],
        "nature": [str(p) for p in P],
        "price": [str(Fraction(b, UNIT)) for b in B],
    }


def _feasible(sets: Multisets, cells: Cells, known: list[Row], mass: Array) -> list[Fraction]:
    """Rational masses with sum one and the moments: mixed with all at the top or bottom, else projected."""
    orders = [int(x) for x in sets.orders]
    P = [Fraction(int(x * UNIT), UNIT) for x in mass]
    total = sum((m * p for m, p in zip(orders, P, strict=True)), Fraction(0))
    P = [p / total for p in P]
    each = [[sum((sign * power_mean(cells[k], power) for k in w), Fraction(0)) for w in sets.profiles.tolist()]
            for power, sign, _ in known]  # fmt: skip
    miss = [sum((m * p * f for m, p, f in zip(orders, P, line, strict=True)), Fraction(0)) - sets.bidders * bound
            for line, (_, _, bound) in zip(each, known, strict=True)]  # fmt: skip
    if max(miss, default=Fraction(0)) <= 0:
        return P
    signs = {sign for _, sign, _ in known}
    if len(signs) == 1:
        end = len(P) - 1 if signs == {-1} else 0
        share = max(m / (m + sets.bidders * bound - line[end])
                    for m, line, (_, _, bound) in zip(miss, each, known, strict=True) if m > 0)  # fmt: skip
        return [p * (1 - share) + (share if k == end else 0) for k, p in enumerate(P)]
    lines = [{k: rational(m) for k, m in enumerate(orders)}]
    goal = [rational(1)]
    for line, m, (_, _, bound) in zip(each, miss, known, strict=True):
        if m > -Fraction(1, 10**9):
            lines.append({k: rational(o * f) for k, (o, f) in enumerate(zip(orders, line, strict=True))})
            goal.append(rational(sets.bidders * bound))
    order = sorted(range(len(P)), key=lambda k: -P[k])
    moved = project(lines, goal, [rational(p) for p in P], order)
    return P if moved is None else [Fraction(str(p)) for p in moved]


def _paid(sets: Multisets, cells: Cells, P: list[Fraction], price: Array) -> list[int]:
    """The price in multiples of 2^-60, raised where the top cell meets the others' so that every row holds."""
    B = [int(x * UNIT) for x in price]
    raised = dict[int, int]()
    for column in sets.joined.T.tolist():
        worst = T = Fraction(0)
        S = 0
        for k in range(len(cells) - 1, -1, -1):
            low, high = cells[k]
            mass = P[column[k]]
            extra = mass * (high - low) / 4
            if high > low:
                worst = max(worst, high * T + extra - Fraction(S, UNIT))
            T, S = T + mass, S + B[column[k]]
            worst = max(worst, low * T + extra - Fraction(S, UNIT))
        top = column[-1]
        raised[top] = max(raised.get(top, 0), -int(-worst * UNIT // 1))
    for k, more in raised.items():
        B[k] += more
    return B
