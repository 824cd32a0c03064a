"""Closed forms for auctions under a Markov set: values in [0, 1], every mean at least mu. NumPy only, no program.

The second price auction is that of Propositions 1.5.5 to 1.5.7 and Theorem 1.5.2 of Kocyigit's thesis, the
highest-bidder lottery that of Theorem 1.5.3; all are limits on the continuum, none computes a bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from mechopt.models.outcome import Array


def second_price_revenue(bidders: int, mean: float, reserve: float) -> float:
    """Worst-case expected revenue of a second price auction with a reserve (Propositions 1.5.5 to 1.5.7).

    An infimum, not attained where the reserve binds.

    >>> assert abs(second_price_revenue(2, 0.3, 0.2) - 0.05) < 1e-15 and second_price_revenue(2, 0.75, 0.1) == 0.5
    """
    if reserve > mean:
        return 0.0
    flat = (bidders * mean - 1) / (bidders - 1) if bidders > 1 else -np.inf
    if reserve <= min(1 / bidders, flat):
        return flat
    return (min(bidders * reserve, 1.0) if reserve <= 1 / bidders else 1.0) * (mean - reserve) / (1 - reserve)


def best_reserve(bidders: int, mean: float) -> tuple[float, float]:
    """A best reserve, the smallest where many are, and its worst-case revenue (Theorem 1.5.2).

    >>> r, z = best_reserve(2, 0.5)
    >>> assert abs(z - second_price_revenue(2, 0.5, r)) < 1e-15 and best_reserve(2, 0.9) == (0.0, 0.8)
    """
    if mean <= (2 * bidders - 1) / bidders**2:
        reserve = mean / (1 + np.sqrt(1 - mean))  # 1 - sqrt(1 - mu), without the cancellation
        return float(reserve), float(bidders * reserve**2)
    return 0.0, (bidders * mean - 1) / (bidders - 1)


def lottery_revenue(bidders: int, mean: float) -> float:
    """The root r of r (1 - log(r) / I) = mu: the revenue of the best highest-bidder lottery (Theorem 1.5.3).

    The same number as -mu I / (W_{-1}(-mu I e^{-I})), which underflows from I = 740 on.

    >>> assert abs(lottery_revenue(2, 0.5) - 0.3178444329) < 1e-10 and 0.499 < lottery_revenue(10**4, 0.5) < 0.5
    """
    return float(brentq(lambda r: r * (1 - np.log(r) / bidders) - mean, 1e-300, 1.0, xtol=1e-300, rtol=1e-15))


@dataclass(frozen=True)
class HighestBidderLottery:
    """The lottery (1.12) with parameters r and sigma: only the highest bidder, the first on ties, may win.

    `threshold` r and `slope` sigma; feasible when sigma (I - 1 - log r) <= 1, optimal with equality and r the root of
    Theorem 1.5.3. The expected payment is sigma (v + (I - 1) s - r) for a highest value v >= r and second highest s,
    and sigma (I - 1) min(s, v) below r: never less than sigma (sum_i v_i - r).

    >>> r = lottery_revenue(2, 0.5)
    >>> rule = HighestBidderLottery(r, 1 / (1 - np.log(r)))
    >>> q, m = rule(np.array([1.0, r]))
    >>> assert abs(q[0] - 1) < 1e-12 and q[1] == 0 and abs(m[0] - rule.slope) < 1e-12
    """

    threshold: float
    slope: float

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Allocation (..., I) and expected payment (..., I) at values (..., I)."""
        values = np.asarray(values, dtype=float)
        bidders, r = values.shape[-1], self.threshold
        winner = np.expand_dims(values.argmax(axis=-1), -1)
        others = np.where(np.arange(bidders) == winner, 0.0, values)
        s = others.max(axis=-1, keepdims=True)
        v = np.take_along_axis(values, winner, axis=-1)
        low = np.maximum(s, r)
        chance = (bidders - 1) + np.log(np.maximum(v, low) / low) + np.where(s >= r, 1 - r / low, 0.0)
        paid = (bidders - 1) * s + np.where(v >= r, v - r, 0.0)
        here = np.arange(bidders) == winner
        return np.where(here, self.slope * chance, 0.0), np.where(here, self.slope * paid, 0.0)

    def price(self, values: Array, draw: float) -> tuple[int, float] | None:
        """The auction as it is run: who wins and what she pays when the lot drawn is `draw` in (0, 1], else None.

        The highest bidder buys at the least value with which she would have won with a chance of at least `draw`. Only
        the winner pays, never above her value, and truth is best for every draw, not only on average.

        >>> r = lottery_revenue(2, 0.5)
        >>> who, paid = HighestBidderLottery(r, 1 / (1 - np.log(r))).price(np.array([0.2, 0.9]), 0.5)
        >>> assert who == 1 and 0.2 <= paid <= 0.9
        """
        values = np.asarray(values, dtype=float)
        who = int(values.argmax())
        s = max((float(x) for i, x in enumerate(values) if i != who), default=0.0)
        allocation, _ = self(values)
        if not 0 < draw <= allocation[who]:
            return None
        low = max(s, self.threshold)
        start = (len(values) - 1) + (1 - self.threshold / low if s >= self.threshold else 0.0)
        if draw <= self.slope * start:  # the chance jumps to this at the second highest value
            return who, s
        return who, min(float(low * np.exp(draw / self.slope - start)), float(values[who]))


def saddle_distribution(bidders: int, threshold: float, size: int, rng: np.random.Generator) -> Array:
    """Draws, (size, I), of nature's side of Theorem 1.5.3: one bidder at random has P(v >= x) = r / x, the others r.

    >>> v = saddle_distribution(3, 0.25, 4, np.random.default_rng(0))
    >>> assert v.shape == (4, 3) and (np.sort(v, axis=1)[:, :2] == 0.25).all() and v.max() <= 1
    """
    values = np.full((size, bidders), threshold)
    with np.errstate(divide="ignore"):
        tall = np.minimum(threshold / rng.random(size), 1.0)
    values[np.arange(size), rng.integers(bidders, size=size)] = tall
    return values
