"""Best posted prices from floats to exact numbers: reference prices for the bounds, and prices for a grid.

Who buys what fixes prices up to inequalities between pairs of bundles, p_S' >= p_S + w(S, S'). The least prices that
satisfy them are longest paths from the empty bundle, which costs nothing; they exist unless a cycle gains.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import flint
import numpy as np

from mechopt.models.prices.bundles import bundles, total
from mechopt.models.prices.posted_prices import PostedPrices
from mechopt.models.prices.posted_prices_worst import Market
from mechopt.solvers.program import Array
from mechopt.solvers.rational import Rational, rational

ZERO = flint.fmpq(0)
GRAINS = (1, 2, 3, 4, 5, 6, 12, 60)
CLOSE = 1e-9  # how near a float must be to a round number to be taken for it, relative to the largest value
SHRINKS = (None, 2**40, 2**30, 2**20, 2**10, 1)
Table = list[list[Rational | None]]  # w(S, S') by positions of bundles; None where nothing is asked


@dataclass(frozen=True)
class Reference:
    """Reference prices and one profile per bundle, in the order of `bundles(J)`; `strict` prices only on a grid."""

    prices: list[Rational]  # (2^J,)
    profiles: list[tuple[Rational, ...]]  # (2^J, J); profile S weakly prefers bundle S at `prices`
    strict: list[Rational] | None = None  # at these it strictly prefers it


def least_prices(gaps: Table) -> list[Rational] | None:
    """The least p with p_0 = 0 and p[t] >= p[s] + gaps[s][t] for all s, t; None where there is none.

    >>> least_prices([[None, rational(2)], [rational(-3), None]])
    [0, 2]
    >>> assert least_prices([[None, rational(2)], [rational(-1), None]]) is None
    """
    prices: list[Rational | None] = [ZERO, *[None] * (len(gaps) - 1)]
    changed = set(range(len(gaps)))
    for _ in range(len(gaps) + 1):
        moved: set[int] = set()
        for s in changed:
            here = prices[s]
            if here is None:
                continue
            for t, gap in enumerate(gaps[s]):
                if gap is not None and s != t and ((at := prices[t]) is None or at < here + gap):
                    prices[t] = here + gap
                    moved.add(t)
        if prices[0] != 0:
            return None
        if not moved:
            return [ZERO if price is None else price for price in prices]
        changed = moved
    return None


def round_numbers(values: Array, model: PostedPrices) -> list[Rational]:
    """Floats as nearby multiples of a simple fraction of the unit the instance is written in, where they are such."""
    unit = math.lcm(*(x.denominator for x in (*model.upper, *model.cost)))
    limit = CLOSE * float(max(model.upper))
    found = []
    for value in np.nan_to_num(values).tolist():
        near = (Fraction(round(Fraction(value) * unit * grain), unit * grain) for grain in GRAINS)
        found.append(rational(next((x for x in near if abs(float(x) - value) <= limit), Fraction(value))))
    return found


def reference(model: PostedPrices, v: Array) -> Reference:
    """A reference from the profiles of the program, (2^J, J) in money: rounded, and moved apart where that failed."""
    upper, sets = [rational(x) for x in model.upper], bundles(model.goods)
    tops = [tuple(hi if bundle >> j & 1 else ZERO for j, hi in enumerate(upper)) for bundle in sets]
    exact = [tuple(min(max(x, ZERO), hi) for x, hi in zip(round_numbers(row, model), upper, strict=True)) for row in v]
    for shrink in SHRINKS:  # type S at the top of S and nowhere else is always apart from the others
        step = ZERO if shrink is None else flint.fmpq(1, shrink)
        profiles = [
            tuple(x + step * (t - x) for x, t in zip(row, top, strict=True))
            for row, top in zip(exact, tops, strict=True)
        ]
        prices = least_prices(_gaps(profiles, sets, ZERO))
        if prices is not None:
            return Reference(prices, profiles)
    raise AssertionError("the profiles at the top of their bundles have reference prices")


def on_grid(model: PostedPrices, found: Reference) -> Reference | None:
    """The same with every profile on the grid, moved down to it; None where the profiles then fall together."""
    sets = bundles(model.goods)
    axes = [sorted({rational(v[j]) for v in model.exact_grid}) for j in range(model.goods)]
    profiles = [
        tuple(max((a for a in axis if a <= x), default=axis[0]) for x, axis in zip(row, axes, strict=True))
        for row in found.profiles
    ]
    prices = least_prices(_gaps(profiles, sets, ZERO))
    if prices is None:
        return None
    for power in range(4, 64, 4):
        strict = least_prices(_gaps(profiles, sets, rational(max(model.upper)) / 2**power))
        if strict is not None:
            return Reference(prices, profiles, strict)
    return None


def _gaps(profiles: Sequence[Sequence[Rational]], sets: Sequence[int], more: Rational) -> Table:
    """What type S's preference for S asks of prices, by at least `more`."""
    table: Table = []
    for row, bundle in zip(profiles, sets, strict=True):
        own = total(row, bundle)
        table.append([total(row, other) - own + more for other in sets])
    return table


def dearest_prices(model: PostedPrices, bought: Sequence[int]) -> dict[int, Rational] | None:
    """The largest prices at which every profile of the grid buys what it is said to, by position of the bundle.

    They earn the most of all prices with the same buyers. Bundles nobody buys are not for sale. None where the
    profiles cannot be made to buy so.
    """
    sets = bundles(model.goods)
    table: Table = [[None] * len(sets) for _ in sets]
    for values, position in zip(model.exact_grid, bought, strict=True):
        row = [rational(x) for x in values]
        own = total(row, sets[position])
        for other, bundle in enumerate(sets):
            gap = total(row, bundle) - own  # -p_own >= -p_other + gap
            here = table[other][position]
            table[other][position] = gap if here is None else max(here, gap)
    found = least_prices(table)
    return None if found is None else {sets[s]: -found[s] for s in sorted({0, *bought})}


def unavoidable(model: PostedPrices, found: Reference) -> Rational:
    """The worst-case regret no prices avoid: the least regret of a profile that buys its bundle at the reference."""
    market = Market(model.upper, model.cost, dict(zip(bundles(model.goods), found.prices, strict=True)))
    return min(market.regret(values, bundle) for values, bundle in zip(found.profiles, market.prices, strict=True))


def regret_on_grid(model: PostedPrices, prices: Mapping[int, Rational]) -> Rational:
    """The worst regret of prices on the grid, ties broken for the seller."""
    market, worst = Market(model.upper, model.cost, prices), ZERO
    for row in model.exact_grid:
        values = [rational(x) for x in row]
        best = max(market.prices, key=lambda b: (total(values, b) - market.prices[b], market.profit(b)))
        worst = max(worst, market.regret(values, best))
    return worst


def prices_on_the_box(model: PostedPrices, found: Reference) -> dict[int, Rational]:
    """The reference prices as prices to post: goods that cost more than anyone pays are added at cost."""
    sets = bundles(model.goods)
    live = sum(1 << j for j, margin in enumerate(model.margins) if margin > 0)
    at = dict(zip(sets, found.prices, strict=True))
    cost = [rational(c) for c in model.cost]
    return {bundle: at[bundle & live] + total(cost, bundle & ~live) for bundle in sets}
