"""The mechanism for one buyer that a sweep's points describe: lotteries over posted prices, mixed between points."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.models.distributions import Distribution
from mechopt.models.dynamic.bank_account import Stage
from mechopt.models.outcome import Labelled


@dataclass(frozen=True)
class Points:
    """What one period does at listed promises: `U` rising from 0, `prices` (M, n): chances of the posted prices."""

    U: tuple[Fraction, ...]
    prices: tuple[tuple[Fraction, ...], ...]


@dataclass(frozen=True)
class SinglePolicy:
    """One buyer's mechanism: in every period a lottery over posted prices that depends on what she is promised.

    The promise is the balance, and in the first period xi, what she expects over all periods. Between two listed
    promises the lotteries of both are mixed, beyond the last its own stays. All in fractions.

    >>> coin = Distribution(values=[1, 2], probabilities=["1/2", "1/2"])
    >>> half = Fraction(1, 2)
    >>> last = Points((Fraction(0), half), ((Fraction(0), Fraction(1)), (Fraction(1), Fraction(0))))
    >>> policy = SinglePolicy(((coin,),), (last,), Fraction(0))
    >>> assert policy.decide(0, Fraction(1, 4)) == ([half, 1], [0, half])
    """

    periods: tuple[tuple[Distribution, ...], ...]
    points: tuple[Points, ...]
    start: Fraction

    @property
    def xi(self) -> list[list[Fraction]]:
        """What the buyer expects from each period, [[xi_1], [0], ..]: all of it is promised in the first."""
        return [[self.start if t == 0 else Fraction(0)] for t in range(len(self.periods))]

    def decide(self, t: int, promise: Fraction) -> tuple[list[Fraction], list[Fraction]]:
        """Allocation x_j and balance after y_j of every type, (n,) each, for a promise U >= 0; E[y] = U.

        Raises ValueError for a negative promise.
        """
        if promise < 0:
            raise ValueError(f"a promise is never negative, got {promise}")
        prior, listed = self.periods[t][0], self.points[t]
        chances = _between(listed, promise)
        x: list[Fraction] = []
        rent: list[Fraction] = []
        sold = paid = Fraction(0)
        for v, w in zip(prior.values, chances, strict=True):
            sold, paid = sold + w, paid + w * v
            x.append(sold)
            rent.append(sold * v - paid)
        mean = sum((f * r for f, r in zip(prior.probabilities, rent, strict=True)), Fraction(0))
        return x, [promise - mean + r for r in rent]

    def stage(self, t: int, balances: tuple[Any, ...]) -> Stage:
        """Period t, counted from zero, at the buyer's balance: what a BankAccount steps through."""
        (balance,) = (Fraction(b) for b in balances)
        prior = self.periods[t][0]
        x, y = self.decide(t, balance + (self.start if t == 0 else 0))
        allocation = np.array([x], dtype=object)
        payment = np.array([[v * q - (b - balance) for v, q, b in zip(prior.values, x, y, strict=True)]], dtype=object)
        return Stage.of(self.periods[t], (balance,), allocation, payment)


def _between(listed: Points, promise: Fraction) -> Sequence[Fraction]:
    """The lottery at a promise: the two neighbouring ones, mixed."""
    k = bisect_right(listed.U, promise)
    if k == len(listed.U):
        return listed.prices[-1]
    share = (promise - listed.U[k - 1]) / (listed.U[k] - listed.U[k - 1])
    if not share:
        return listed.prices[k - 1]
    pairs = zip(listed.prices[k - 1], listed.prices[k], strict=True)
    return [a if a == b else (1 - share) * a + share * b for a, b in pairs]


def policy_of(periods: tuple[tuple[Distribution, ...], ...], arrays: Mapping[str, Labelled]) -> SinglePolicy:
    """The mechanism from a result's arrays; their floats are binary fractions, taken as they are."""
    points = []
    for t in range(1, len(periods) + 1):
        U = tuple(Fraction(x) for x in arrays[f"promise_{t}"].values.tolist())
        prices = np.asarray(arrays[f"prices_{t}"].values).tolist()
        points.append(Points(U, tuple(tuple(Fraction(x) for x in row) for row in prices)))
    first = arrays["promise_1"].values
    best = int(np.argmax(arrays["worth_1"].values - first))
    return SinglePolicy(periods, tuple(points), Fraction(float(first[best])))
