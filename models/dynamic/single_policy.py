"""The mechanism for one buyer that a sweep's points describe: lotteries over posted prices, mixed between points."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from mechopt.models.distributions import Distribution
from mechopt.models.dynamic.bank_account import Stage
from mechopt.models.outcome import Labelled

SHARE = 50  # weights of mixtures are integers over 2^SHARE

Mixture = tuple[tuple[int, Any], ...]  # points of a period and their weights, which sum to one


@dataclass(frozen=True)
class Points:
    """What one period does at listed promises: `U` rising from 0, `prices` (M, n): chances of the posted prices."""

    U: tuple[Fraction, ...]
    prices: tuple[tuple[Fraction, ...], ...]

    @cached_property
    def sold(self) -> list[list[tuple[int, Fraction]]]:
        """Per point the prices that are posted with some chance."""
        return [[(m, x) for m, x in enumerate(row) if x] for row in self.prices]

    def around(self, promise: Fraction) -> Mixture:
        """The mixture of two neighbouring points that keeps a promise, the upper one's weight rounded down."""
        k = bisect_right(self.U, promise)
        if k == len(self.U):
            return ((k - 1, Fraction(1)),)
        share = Fraction(((promise - self.U[k - 1]) * 2**SHARE) // (self.U[k] - self.U[k - 1]), 2**SHARE)
        return ((k - 1, 1 - share), (k, share)) if share else ((k - 1, Fraction(1)),)


@dataclass(frozen=True)
class SinglePolicy:
    """One buyer's mechanism: in every period a lottery over posted prices that depends on what she is promised.

    The promise is the balance, and in the first period xi, what she expects over all periods. A state is a mixture of
    a period's points: its lottery and its balance are the mixtures of theirs. From a point, each type goes on to the
    two points of the next period around what she is then promised; a remainder below 2^-SHARE of their distance, and
    what exceeds the last point, is given up. So welfare is linear in the mixture, and what the mechanism earns is an
    exact recursion over points. All in fractions.

    >>> coin = Distribution(values=[1, 2], probabilities=["1/2", "1/2"])
    >>> half = Fraction(1, 2)
    >>> last = Points((Fraction(0), half), ((Fraction(0), Fraction(1)), (Fraction(1), Fraction(0))))
    >>> policy = SinglePolicy(((coin,),), (last,), Fraction(0))
    >>> assert policy.decide(0, last.around(Fraction(1, 4))) == ([half, 1], [-half / 2, half / 2])
    >>> assert policy.expected_revenue() == 1
    """

    periods: tuple[tuple[Distribution, ...], ...]
    points: tuple[Points, ...]
    start: Fraction

    @property
    def xi(self) -> list[list[Fraction]]:
        """What the buyer expects from each period, [[xi_1], [0], ..]: all of it is promised in the first."""
        return [[self.start if t == 0 else Fraction(0)] for t in range(len(self.periods))]

    @property
    def first(self) -> Mixture:
        """The state before period 1: the point of the promise it starts with."""
        return ((self.points[0].U.index(self.start), Fraction(1)),)

    def decide(self, t: int, state: Mixture) -> tuple[list[Fraction], list[Fraction]]:
        """Allocation x_j and rent of every type less the mean rent, (n,) each, in period t from zero."""
        prior, listed = self.periods[t][0], self.points[t].sold
        chances = [Fraction(0)] * len(prior)
        for q, weight in state:
            for m, chance in listed[q]:
                chances[m] += weight * chance
        x: list[Fraction] = []
        rent: list[Fraction] = []
        sold = paid = Fraction(0)
        for v, w in zip(prior.values, chances, strict=True):
            sold, paid = sold + w, paid + w * v
            x.append(sold)
            rent.append(sold * v - paid)
        mean = sum((f * r for f, r in zip(prior.probabilities, rent, strict=True)), Fraction(0))
        return x, [r - mean for r in rent]

    def stage(self, t: int, state: Mixture) -> Stage:
        """Period t, counted from zero, in a state: what a BankAccount steps through."""
        prior, n = self.periods[t][0], len(self.periods[t][0])
        x, gain = self.decide(t, state)
        promised = self.start if t == 0 else Fraction(0)
        balance = sum((w * self.points[t].U[q] for q, w in state), Fraction(0)) - promised
        allocation = np.array([x], dtype=object)
        payment = np.array([[v * q - g - promised for v, q, g in zip(prior.values, x, gain, strict=True)]],
                           dtype=object)  # fmt: skip
        if t + 1 == len(self.periods):
            return Stage.of(self.periods[t], (balance,), allocation, payment)
        following = np.empty(n, dtype=object)
        mixed: list[dict[int, Fraction]] = [{} for _ in range(n)]
        for q, w in state:
            for row, parts in zip(mixed, self._next(t, q), strict=True):
                for r, share in parts:
                    row[r] = row.get(r, Fraction(0)) + w * share
        U = self.points[t + 1].U
        after = np.array([[sum((w * U[r] for r, w in row.items()), Fraction(0)) for row in mixed]], dtype=object)
        for j, row in enumerate(mixed):
            following[j] = tuple(sorted(row.items()))
        return Stage.of(self.periods[t], (balance,), allocation, payment, after, following)

    def expected_revenue(self) -> Fraction:
        """What the mechanism earns from a truthful buyer, exactly: the welfare of its points, from the last period."""
        worth = [Fraction(0)]
        for t in reversed(range(len(self.periods))):
            prior, later, worth = self.periods[t][0], worth, []
            for q in range(len(self.points[t].U)):
                x, _ = self.decide(t, ((q, Fraction(1)),))
                total = Fraction(0)
                for f, v, sold, parts in zip(prior.probabilities, prior.values, x, self._next(t, q), strict=True):
                    total += f * (v * sold + sum((w * later[r] for r, w in parts), Fraction(0)))
                worth.append(total)
        return worth[self.first[0][0]] - self.start

    def _next(self, t: int, q: int) -> Sequence[Mixture]:
        """Where every type goes from a point."""
        found: Sequence[Mixture] = self._links(t, q)
        return found

    @cached_property
    def _links(self) -> Any:
        @lru_cache(maxsize=100_000)
        def links(t: int, q: int) -> Sequence[Mixture]:
            _, gain = self.decide(t, ((q, Fraction(1)),))
            if t + 1 == len(self.periods):
                return [((0, Fraction(1)),)] * len(gain)
            return [self.points[t + 1].around(self.points[t].U[q] + g) for g in gain]

        return links


def policy_of(periods: tuple[tuple[Distribution, ...], ...], arrays: Mapping[str, Labelled]) -> SinglePolicy:
    """The mechanism from a result's arrays; their floats are binary fractions, taken as they are."""
    points = []
    for t in range(1, len(periods) + 1):
        U = tuple(Fraction(x) for x in arrays[f"promise_{t}"].values.tolist())
        prices = np.asarray(arrays[f"prices_{t}"].values).tolist()
        points.append(Points(U, tuple(tuple(Fraction(x) for x in row) for row in prices)))
    return SinglePolicy(periods, tuple(points), Fraction(float(arrays["start"].values[0])))
