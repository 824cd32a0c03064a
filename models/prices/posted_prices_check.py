"""The checker of `posted-prices`: from the instance and a certificate straight to the inequalities, in rationals.

It shares no code with the programs, CVXPY or the solver. Bundles are sets of goods here, prices a table of them.

Above: every buyer of S weakly prefers it to S', so for any multipliers y >= 0 her regret is at most the maximum over
the box of

    regret + sum_S' y(S') ((1_S'v - p_S) - (1_S''v - p_S')),

a sum over goods: each is convex in v_j and largest at an end, or linear once a sign pattern says how it counts.

Below: a profile, the bundle it weakly prefers, and the regret; or, for any prices at all, reference prices and one
profile per bundle that weakly prefers it. The bundle a seller underprices most against the reference is bought by its
profile (at prices nearby, where the preference is strict), which pays at most the reference price.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import flint

from mechopt.models.checking import ZERO, at_most_zero, number
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest

Bundle = frozenset[int]
NONE: Bundle = frozenset()
Prices = dict[Bundle, Rational]
Bracket = tuple[Rational, Rational]
Found = tuple[Rational, list[Check]]


class Instance:
    """The stated problem, read again from its file."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.upper = [number(x) for x in parameters["upper"]]
        self.goods = len(self.upper)
        self.cost = [number(x) for x in parameters.get("cost") or [0] * self.goods]
        self.prices = None if parameters.get("prices") is None else self.table(parameters["prices"])
        self.points = None if parameters.get("points") is None else int(parameters["points"])

    def bundle(self, written: str) -> Bundle:
        """The goods of "1+3", from zero; "0" is the empty bundle."""
        if written == "0":
            return NONE
        goods = [int(word) - 1 for word in written.split("+")]
        if goods != sorted(set(goods)) or goods[0] < 0 or goods[-1] >= self.goods:
            raise ValueError(f"no bundle {written!r}")
        return frozenset(goods)

    def table(self, written: Mapping[str, Any]) -> Prices:
        """A price list; the empty bundle is always in it, for nothing."""
        prices = {NONE: ZERO} | {self.bundle(name): number(price) for name, price in written.items()}
        if prices[NONE] != 0:
            raise ValueError("the empty bundle costs nothing")
        return prices

    def every(self) -> Iterator[Bundle]:
        """All 2^J bundles."""
        return map(frozenset, _subsets(range(self.goods)))

    def grid(self) -> Iterator[tuple[Rational, ...]]:
        """The profiles of the finite program: n steps per good, from cost, or from zero where that is above."""
        n = self.points or 1
        pairs = [(c if c < hi else ZERO, hi) for c, hi in zip(self.cost, self.upper, strict=True)]
        return itertools.product(*([lo + (hi - lo) * k / n for k in range(n + 1)] for lo, hi in pairs))

    def regret(self, values: Sequence[Rational], bundle: Bundle, price: Rational) -> Rational:
        """Of selling the bundle at the price to a buyer with these values."""
        surplus = sum((max(v - c, ZERO) for v, c in zip(values, self.cost, strict=True)), ZERO)
        return surplus + sum((self.cost[j] for j in bundle), ZERO) - price


def _subsets(goods: Iterable[int]) -> Iterator[tuple[int, ...]]:
    listed = sorted(goods)
    return itertools.chain.from_iterable(itertools.combinations(listed, size) for size in range(len(listed) + 1))


def _worth(values: Sequence[Rational], bundle: Bundle) -> Rational:
    return sum((values[j] for j in bundle), ZERO)


def check(parameters: Mapping[str, Any], certificate: Mapping[str, Any]) -> tuple[list[Check], dict[str, Bracket]]:
    """Every inequality of a certificate, and the brackets (lower, upper) it proves by the name of its part.

    Where no grid is asked for, the finite programs are those of the continuum problem and share its bracket.
    Raises KeyError, ValueError, TypeError or IndexError on a malformed certificate; callers treat that as a failure.
    """
    instance = Instance(parameters)
    part = certificate["continuum"]
    if instance.prices is not None:
        above = _worst_at_most(instance, instance.prices, part["mechanism"])
        below = _worst_at_least(instance, instance.prices, part["nature"])
    else:
        above = _worst_at_most(instance, instance.table(part["mechanism"]["prices"]), part["mechanism"])
        below = _any_prices(instance, part["nature"])
    checks, proved = _conclude("continuum", part, below, above)
    found = {"continuum": proved, "finite": proved}
    if instance.points is not None:
        part = certificate["finite"]
        more, found["finite"] = _conclude(
            "finite", part, _grid_below(instance, part["nature"]), _grid_above(instance, part)
        )
        checks += more
    return checks, found


def _conclude(name: str, part: Mapping[str, Any], below: Found, above: Found) -> tuple[list[Check], Bracket]:
    lower, upper = below[0], above[0]
    checks = [Check(f"{name}: {c.name}", c.residual, c.passed, c.detail) for c in above[1] + below[1]]
    for end, bound in (("lower", lower), ("upper", upper)):
        if part.get(end) is not None:
            miss = abs(number(part[end]) - bound)
            checks.append(Check(f"{name}: {end} bound as claimed", nearest(miss), miss == 0))
    checks.append(at_most_zero(f"{name}: lower bound at most upper", lower - upper))
    return checks, (lower, upper)


def _worst_at_most(instance: Instance, prices: Prices, mechanism: Mapping[str, Any]) -> Found:
    """The largest regret of any buyer of any bundle on offer, by multipliers for every bundle and sign pattern."""
    parts = {instance.bundle(name): part for name, part in mechanism["bundles"].items()}
    if set(parts) != set(prices):
        raise ValueError("one part for every bundle on offer, and no other")
    worst, least, beaten = None, ZERO, ZERO
    for bundle, part in parts.items():
        if "beaten_by" in part:  # there is always something better: even those who value all of it most leave it
            rival = instance.bundle(part["beaten_by"])
            gain = prices[bundle] - prices[rival] - _worth(instance.upper, bundle - rival)
            beaten = max(beaten, -gain) if gain else max(beaten, flint.fmpq(1))
            continue
        wavering = [j for j in range(instance.goods) if j not in bundle and 0 < instance.cost[j] < instance.upper[j]]
        patterns = {instance.bundle(name): rows for name, rows in part["patterns"].items()}
        if set(patterns) != set(map(frozenset, _subsets(wavering))):
            raise ValueError("one list of multipliers for every sign pattern")
        for counted, rows in patterns.items():
            weights = [(instance.bundle(name), number(y)) for name, y in rows]
            least = min([least, *(y for _, y in weights)])
            bound = _lagrangian(instance, prices, bundle, (frozenset(wavering), counted), weights)
            worst = bound if worst is None else max(worst, bound)
    if worst is None:
        raise ValueError("somebody buys some bundle, be it the empty one")
    return worst, [
        at_most_zero("multipliers of the buyer's preferences are nonnegative", -least),
        at_most_zero("bundles said never to be bought never are", beaten),
    ]


def _lagrangian(
    instance: Instance,
    prices: Prices,
    bundle: Bundle,
    pattern: tuple[Bundle, Bundle],
    weights: list[tuple[Bundle, Rational]],
) -> Rational:
    """An upper bound on the regret of all buyers of a bundle: the surplus plus weighted slacks of their preferences."""
    wavering, counted = pattern
    value = _worth(instance.cost, bundle) - prices[bundle]
    for rival, y in weights:
        value += y * (prices[rival] - prices[bundle])
    for j, (c, hi) in enumerate(zip(instance.cost, instance.upper, strict=True)):
        slope = sum((y * ((j in bundle) - (j in rival)) for rival, y in weights), ZERO)
        if j not in wavering:  # (v_j - c_j)^+ is convex: largest at 0 or at the upper bound
            value += max(ZERO, max(hi - c, ZERO) + slope * hi)
        elif j in counted:
            value += max(-c, hi - c + slope * hi)
        else:
            value += max(ZERO, slope * hi)
    return value


def _outside(instance: Instance, values: Sequence[Rational]) -> Rational:
    if len(values) != instance.goods:
        raise ValueError("one value per good")
    return max(max(-v, v - hi) for v, hi in zip(values, instance.upper, strict=True))


def _regrets_own(instance: Instance, prices: Prices, values: Sequence[Rational], bundle: Bundle) -> Rational:
    """How much more the profile would gain from the best bundle than from the one it is said to buy."""
    own = _worth(values, bundle) - prices[bundle]
    return max(_worth(values, other) - price for other, price in prices.items()) - own


def _worst_at_least(instance: Instance, prices: Prices, nature: Mapping[str, Any]) -> Found:
    """One profile, the bundle it weakly prefers at the prices given, and the regret of selling it that."""
    bundle, values = instance.bundle(nature["bundle"]), [number(x) for x in nature["values"]]
    return instance.regret(values, bundle, prices[bundle]), [
        at_most_zero("the worst profile lies in the box", _outside(instance, values)),
        at_most_zero("the worst profile weakly prefers its bundle", _regrets_own(instance, prices, values, bundle)),
    ]


def _references(instance: Instance, nature: Mapping[str, Any]) -> tuple[Prices, dict[Bundle, list[Rational]]]:
    prices = instance.table(nature["prices"])
    profiles = {instance.bundle(name): [number(x) for x in row] for name, row in nature["profiles"].items()}
    if not set(prices) == set(profiles) == set(instance.every()):
        raise ValueError("a reference price and a profile for every bundle")
    return prices, profiles


def _any_prices(instance: Instance, nature: Mapping[str, Any]) -> Found:
    """The regret no prices avoid on the box: strict preference holds nearby, because every bound is positive."""
    prices, profiles = _references(instance, nature)
    outside = max(_outside(instance, row) for row in profiles.values())
    wrong = max(_regrets_own(instance, prices, row, bundle) for bundle, row in profiles.items())
    return min(instance.regret(row, bundle, prices[bundle]) for bundle, row in profiles.items()), [
        at_most_zero("every bundle's profile lies in the box", outside),
        at_most_zero("every bundle's profile weakly prefers it at the reference prices", wrong),
        at_most_zero("every upper bound is positive", max(-hi if hi else flint.fmpq(1) for hi in instance.upper)),
    ]


def _grid_below(instance: Instance, nature: Mapping[str, Any] | None) -> Found:
    """The same on the grid, where strict preference needs prices of its own; nothing given, regret is at least 0."""
    if nature is None:
        return ZERO, []
    prices, profiles = _references(instance, nature)
    strict, grid = instance.table(nature["strict"]), set(instance.grid())
    missing = sum(tuple(row) not in grid for row in profiles.values())
    wrong = max(_regrets_own(instance, prices, row, bundle) for bundle, row in profiles.items())
    apart = min(
        (_worth(row, bundle) - strict[bundle]) - (_worth(row, other) - strict[other])
        for bundle, row in profiles.items()
        for other in prices
        if other != bundle
    )
    return min(instance.regret(row, bundle, prices[bundle]) for bundle, row in profiles.items()), [
        Check("every bundle's profile is on the grid", float(missing), missing == 0),
        at_most_zero("every bundle's profile weakly prefers it at the reference prices", wrong),
        Check("and strictly at the prices beside them", max(0.0, -nearest(apart)), apart > 0),
    ]


def _grid_above(instance: Instance, part: Mapping[str, Any]) -> Found:
    """The worst regret of a price list on the grid, every profile buying what serves the seller best among its best."""
    prices = instance.table(part["mechanism"]["prices"])
    profit = {bundle: price - _worth(instance.cost, bundle) for bundle, price in prices.items()}
    worst = None
    for values in instance.grid():
        gains = {bundle: _worth(values, bundle) - price for bundle, price in prices.items()}
        best = max(gains.values())
        bought = max((b for b, gain in gains.items() if gain == best), key=lambda b: profit[b])
        regret = instance.regret(values, bought, prices[bought])
        worst = regret if worst is None else max(worst, regret)
    return worst, []
