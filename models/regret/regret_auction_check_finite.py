"""Every row of (3.1) on the grid in rationals, and what nature's distribution proves against any auction.

Floats serve only to pass over rows that hold with room to spare, by a rigorous error bound; every other row is decided
in rationals.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mechopt.models.checking import ZERO, at_most_zero, dot, number
from mechopt.models.regret.regret_auction_read import Instance
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest, rational

BLOCK = 2**21  # incentive rows looked at together
Found = tuple[Rational, list[Check]]
Values = tuple[Rational, ...]
Contract = tuple[Values, Rational, Rational]  # allocation, payment, utility of the type it is meant for


def finite_above(instance: Instance, mechanism: Mapping[str, Any]) -> Found:
    """The worst regret on the grid: of tables over profiles, or of second price auctions with random reserves."""
    if "reserve" in mechanism:
        return _reserve(instance, mechanism["reserve"])
    if sorted(good for part in mechanism["parts"] for good in part["goods"]) != list(range(instance.goods)):
        raise ValueError("every good in one part")
    regret: Rational = ZERO
    checks: list[Check] = []
    for part in mechanism["parts"]:
        found, rows = _table(instance, part)
        regret, checks = regret + found, [*checks, *rows]
    return regret, checks


def _reserve(instance: Instance, chances: Sequence[Any]) -> Found:
    """Per good, the highest bidder buys if she meets her own reserve, upper k/n with chance x(k).

    Rivals only raise the values at which she takes the steps of her chance, so she pays at least what she would pay
    alone, and the worst regret is the highest bound's times that of the lottery x for one buyer.
    """
    if not instance.from_zero:
        raise ValueError("random reserves are checked for lower bounds of zero only")
    x = [number(chance) for chance in chances]
    if len(x) != instance.points:
        raise ValueError("one chance per step")
    paid = itertools.accumulate((k * a for k, a in enumerate(x, 1)), initial=ZERO)
    regret = max(k - p for k, p in enumerate(paid)) / instance.points
    return sum(instance.best, ZERO) * regret, [
        at_most_zero("reserve prices have nonnegative chances", -min(x)),
        at_most_zero("reserve prices have chances of at most one [lambda]", sum(x, ZERO) - 1),
    ]


def _table(instance: Instance, part: Mapping[str, Any]) -> Found:
    """The worst regret of a table over all profiles of some goods' values, and all of its rows."""
    goods, bidders = part["goods"], instance.bidders
    steps = list(itertools.product(range(instance.points + 1), repeat=len(goods)))
    types = [[tuple(instance.value(i, j, k) for j, k in zip(goods, s, strict=True)) for s in steps]
             for i in range(bidders)]  # fmt: skip
    contracts: list[list[Contract]] = [[] for _ in range(bidders)]  # per bidder, by profile
    regret: Rational = ZERO
    least, crowd, short = ZERO, ZERO, ZERO
    for profile, rows in _entries(part, types):
        sold, earned = [ZERO] * len(goods), ZERO
        for i, (q, m, utility) in enumerate(rows):
            contracts[i].append((q, m, utility))
            sold = [a + b for a, b in zip(sold, q, strict=True)]
            earned += m
            least, short = min(least, *q), min(short, utility)
        crowd = max(crowd, *(a - 1 for a in sold))
        offers = [types[i][k] for i, k in enumerate(profile)]
        regret = max(regret, sum((max(column) for column in zip(*offers, strict=True)), ZERO) - earned)
    truth = max(_gain(types[i], contracts[i], i, bidders) for i in range(bidders))
    name = "all goods" if len(goods) == instance.goods > 1 else f"good {goods[0] + 1}"
    count = len(steps) ** bidders
    return regret, [
        at_most_zero(f"{name}: chances are nonnegative", -least),
        at_most_zero(f"{name}: sold at most once in all {count} profiles [lambda]", crowd),
        at_most_zero(f"{name}: individually rational in every profile [beta]", -short),
        at_most_zero(f"{name}: incentive compatible, all {count * bidders * len(steps)} rows [gamma]", truth),
    ]


def _entries(part: Mapping[str, Any], types: list[list[Values]]) -> Iterator[tuple[tuple[int, ...], list[Contract]]]:
    """Profile by profile, what each bidder gets and pays, and her utility. Raises ValueError when any is missing."""
    allocation, payment = part["allocation"], part["payment"]
    bidders, count = len(types), len(types[0])
    if not len(allocation) == len(payment) == count**bidders:
        raise ValueError("the mechanism does not list every profile")
    known: dict[str, Rational] = {}

    def read(value: Any) -> Rational:
        if not isinstance(value, str):
            raise ValueError(f"expected a fraction as text, got {value!r}")
        if value not in known:
            known[value] = rational(value)
        return known[value]

    for profile, shares, paid in zip(itertools.product(range(count), repeat=bidders), allocation, payment, strict=True):
        rows = []
        for own, k, share, m in zip(types, profile, shares, paid, strict=True):
            q, price = tuple(read(x) for x in share), read(m)
            rows.append((q, price, dot(q, own[k]) - price))
        yield profile, rows


def _gain(types: list[Values], contracts: list[Contract], bidder: int, bidders: int) -> Rational:
    """A bidder's largest gain from any report at any others' reports, exact wherever floats cannot decide."""
    K = len(types)
    index = np.moveaxis(np.arange(len(contracts)).reshape((K,) * bidders), bidder, -1).reshape(-1, K)
    V = np.array([[nearest(x) for x in v] for v in types])
    Q = np.array([[nearest(x) for x in q] for q, _, _ in contracts])
    M = np.array([nearest(m) for _, m, _ in contracts])
    U = np.array([nearest(u) for _, _, u in contracts])
    names: dict[Any, int] = {}
    same = np.array([names.setdefault((*q, m), len(names)) for q, m, _ in contracts])
    doubt = 16 * (V.shape[1] + 4) * 2.0**-53
    gained, height = ZERO, max(1, BLOCK // K**2)
    for start in range(0, len(index), height):
        rows = index[start : start + height]  # (L, K), profiles that differ in the bidder's own report
        share, paid, utility = Q[rows].transpose(0, 2, 1), M[rows][:, None, :], U[rows][:, :, None]
        gain = V @ share - paid - utility
        size = np.abs(V) @ np.abs(share) + np.abs(paid) + np.abs(utility)
        mark = same[rows]
        new = np.ones_like(mark, dtype=bool)
        new[:, 1:] = mark[:, 1:] != mark[:, :-1]  # of neighbouring reports with one contract, look at the first
        near = (gain > -doubt * size - 1e-300) & new[:, None, :] & (mark[:, :, None] != mark[:, None, :])
        for line, true, report in np.argwhere(near).tolist():
            q, m, _ = contracts[rows[line, report]]
            kept = contracts[rows[line, true]][2]
            gained = max(gained, dot(q, types[true]) - m - kept)
    return gained


class _Ledger:
    """beta and the price of every allocation, by profile: what (alpha, gamma) leave of the rows [m] and [q]."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.beta: dict[tuple[int, ...], list[Rational]] = {}
        self.price: dict[tuple[int, ...], list[list[Rational]]] = {}
        self.types: dict[tuple[int, int], Values] = {}

    def own(self, bidder: int, position: int) -> Values:
        """A bidder's values by her type's place. Raises ValueError when there is none."""
        if (bidder, position) not in self.types:
            self.types[bidder, position] = self.instance.type(bidder, position)
        return self.types[bidder, position]

    def know(self, profile: Sequence[Any]) -> tuple[int, ...]:
        """The profile, every type in it checked."""
        v = tuple(profile)
        if v not in self.beta:
            if len(v) != self.instance.bidders:
                raise ValueError("one type per bidder")
            for i, t in enumerate(v):
                self.own(i, t)
            self.beta[v] = [ZERO] * len(v)
            self.price[v] = [[ZERO] * self.instance.goods for _ in v]
        return v

    def move(self, bidder: int, v: tuple[int, ...], report: Any, g: Rational) -> None:
        """Take the multiplier of one incentive row to account."""
        if not isinstance(bidder, int) or isinstance(bidder, bool) or not 0 <= bidder < len(v):
            raise ValueError(f"no bidder {bidder!r}")
        lie = self.know((*v[:bidder], report, *v[bidder + 1 :]))
        self.beta[v][bidder] -= g
        self.beta[lie][bidder] += g
        row = zip(self.price[lie][bidder], self.own(bidder, report), self.own(bidder, v[bidder]), strict=True)
        self.price[lie][bidder] = [p + g * (here - there) for p, here, there in row]


def finite_below(instance: Instance, nature: Mapping[str, Any]) -> Found:
    """Nature's expected surplus less what any auction can earn, from the nonzeros of alpha and gamma."""
    ledger = _Ledger(instance)
    value, least, total = ZERO, ZERO, ZERO
    for profile, mass in nature["alpha"]:
        a, v = number(mass), ledger.know(profile)
        values = [ledger.own(i, t) for i, t in enumerate(v)]
        value += a * sum((max(column) for column in zip(*values, strict=True)), ZERO)
        least, total = min(least, a), total + a
        for i in range(instance.bidders):
            ledger.beta[v][i] += a
            ledger.price[v][i] = [p + a * x for p, x in zip(ledger.price[v][i], values[i], strict=True)]
    for bidder, profile, report, weight in nature["gamma"]:
        g = number(weight)
        least = min(least, g)
        ledger.move(bidder, ledger.know(profile), report, g)
    short = min(min(row) for row in ledger.beta.values())
    for rows in ledger.price.values():  # lambda_j(v), the least that covers every bidder's price
        value -= sum((max(ZERO, *column) for column in zip(*rows, strict=True)), ZERO)
    return value, [
        Check("nature's probabilities sum to one [r]", nearest(abs(total - 1)), total == 1),
        at_most_zero("multipliers alpha, gamma are nonnegative", -least),
        at_most_zero("participation multipliers beta are nonnegative [m]", -short),
    ]
