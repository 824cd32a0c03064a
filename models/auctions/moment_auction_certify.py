"""From a solver's floats to exact evidence: tables that satisfy every row, distributions with the moments, curves."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar

from mechopt.models.auctions.moment_auction import MomentAuction
from mechopt.models.auctions.moment_auction_check_curve import any_upper, lottery_lower, lottery_upper
from mechopt.models.auctions.moment_auction_check_price import Instance
from mechopt.models.auctions.moment_auction_grid import Tables
from mechopt.models.outcome import Array
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import rational, text

BITS = 34  # chances are multiples of 2^-BITS: far finer than the grid, and short to write
STEPS = (0.0, *(2.0**-k for k in range(52, 9, -3)))  # relative steps to the safe side, the smallest that holds is taken
Part = dict[str, Any]


def columns_of(t: Tables, q: Array, capacity: Callable[[NDArray[np.int64]], float]) -> list[list[str]]:
    """Chances (N,) as rational columns, none falling, scaled until the most that is given away is at most one.

    `capacity` says how much a table of integers, (n + 1, n + 1) and -1 where there is no pair, gives away at most.
    """
    unit = 2**BITS
    table = np.where(t.index >= 0, np.rint(np.clip(q[t.index], 0, 1) * unit).astype(np.int64), -1)
    table = np.where(t.index >= 0, np.maximum.accumulate(table, axis=0), -1)
    most = max(int(capacity(table)), unit)
    columns = []
    for m in range(len(table)):
        rows = np.flatnonzero(t.index[:, m] >= 0)
        if len(rows):
            columns.append([str(Fraction(int(x) * unit // most, unit)) for x in table[rows, m]])
    return columns


def given_away(model: MomentAuction, left: bool) -> Callable[[NDArray[np.int64]], float]:
    """The largest sum of chances in a table, as `columns_of` wants it."""
    if model.mechanism == "any":
        return lambda table: float((table + table.T).max())
    if not left or model.bidders == 1:
        return lambda table: float(table.max())
    return lambda table: float(max(table.max(), model.bidders * int(np.diagonal(table).max())))


def nature_of(model: MomentAuction, t: Tables, P: Array, nu: Array) -> Part:
    """Nature's distribution with sum one and the mean exactly as known, mixed with everyone at 1 where it is missed."""
    pairs = t.pairs if model.mechanism != "any" else t.pairs[t.pairs[:, 0] >= t.pairs[:, 1]]
    n, count, mean = model.points, model.bidders, model.mean or Fraction(0)
    given = {(int(k), int(m)): Fraction(float(p)) for (k, m), p in zip(pairs, P, strict=True) if p > 1e-13}
    total = sum(given.values(), Fraction(0))
    mass = {pair: Fraction(int(p / total * 2**60), 2**60) for pair, p in given.items()}
    top = (n, n if count > 1 else 0)
    mass[top] = mass.get(top, Fraction(0)) + 1 - sum(mass.values(), Fraction(0))
    reached = sum((p * (k + (count - 1) * m) for (k, m), p in mass.items()), Fraction(0)) / n
    if reached < count * mean:
        share = (count * mean - reached) / (count - reached)
        mass = {pair: p * (1 - share) for pair, p in mass.items()}
        mass[top] += share
    prices = [[int(k), int(m), text(rational(float(x)))] for (k, m), x in zip(t.pairs, nu, strict=True) if x > 1e-12]
    return {"P": [[k, m, str(p)] for (k, m), p in sorted(mass.items())], "nu": prices}


def _safest(parts: Callable[[float], Part], check: Callable[[Part], list[Check]]) -> Part:
    """The part that moves least to the safe side among those the checker accepts."""
    found: Part = {}
    for step in STEPS:
        found = parts(step)
        if all(c.passed for c in check(found)):
            break
    return found


def lottery_curves(model: MomentAuction) -> tuple[Part, Part]:
    """The lottery of two parameters with the best guarantee, and nature's distribution of one with the least price."""
    count, mean, instance = model.bidders, float(model.mean or 0), Instance(model.parameters())
    promise = minimize_scalar(
        lambda r: -(count * mean - r) / (count - 1 - np.log(r)), bounds=(1e-12 * mean, 1 - 1e-12), method="bounded",
        options={"xatol": 1e-13},
    )  # fmt: skip
    r = float(promise.x)

    def rule(step: float) -> Part:
        return {"threshold": str(Fraction(r)), "slope": str(Fraction(float((1 - step) / (count - 1 - np.log(r)))))}

    least = float(brentq(lambda r: r * (count - np.log(r)) - count * mean, 1e-300, 1.0, xtol=1e-300, rtol=1e-15))

    def place(step: float) -> Part:
        return {"threshold": str(Fraction(min(least * (1 + step), 1 - 2.0**-53)))}

    return (
        _safest(rule, lambda part: lottery_lower(instance, part)[1]),
        _safest(place, lambda part: lottery_upper(instance, part)[1]),
    )


def any_curve(model: MomentAuction) -> Part:
    """Nature's distribution of two parameters against all mechanisms of two bidders, with the least price."""
    mean, instance = float(model.mean or 0), Instance(model.parameters())

    def price(r: float, a: float) -> tuple[float, float]:
        """What it costs the seller, 2 C k, and a bidder's mean value."""
        k = 1 / r - 1 / a
        C = 1 / (k * k + 2 * k / a)
        higher = C * k + C * (a - r) ** 2 / (a**2 * r) * np.log((1 - r) / (a - r))
        return 2 * C * k, C * k * np.log(a / r) + higher + C / a * np.log(a / r)

    def low(a: float) -> float:
        ends = (1e-12 * a, a * (1 - 1e-9))
        if price(ends[1], a)[1] < mean or price(ends[0], a)[1] > mean:
            return ends[1]
        return float(brentq(lambda r: price(r, a)[1] - mean, *ends, xtol=1e-300, rtol=1e-15))

    def worth(a: float) -> float:
        r = low(a)
        return price(r, a)[0] if price(r, a)[1] >= mean - 1e-12 else 2.0

    found = minimize_scalar(worth, bounds=(mean, 1 - 1e-9), method="bounded", options={"xatol": 1e-11})
    a = float(found.x)
    r = low(a)

    def part(step: float) -> Part:
        return {"low": str(Fraction(min(r * (1 + step), a * (1 - 1e-10)))), "high": str(Fraction(a))}

    return _safest(part, lambda chosen: any_upper(instance, chosen)[1])
