"""Exact piecewise-linear value functions for one buyer, in fractions: small instances, where pieces are few.

A sweep without tolerance finds every piece in floats. Points and tangents are then read as fractions with small
denominators and worked out anew, exactly; where they meet all along, from the last period to the first, the function is
known. Pieces multiply with every period: about n^(T - t) of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from mechopt.models.distributions import Distribution
from mechopt.models.dynamic.sweep import bracket, tops
from mechopt.models.dynamic.value_brackets import Bracket, Period

DENOMINATOR = 10**6
CLOSE = 1e-7  # of slopes in floats, relative


@dataclass(frozen=True)
class Curve:
    """A concave piecewise-linear function on U >= 0: breakpoints U from 0 and its values, constant to the right."""

    U: tuple[Fraction, ...]
    w: tuple[Fraction, ...]

    def __call__(self, U: Fraction) -> Fraction:
        """Its value at U >= 0."""
        k = bisect_right(self.U, U)
        if k == len(self.U):
            return self.w[-1]
        share = (U - self.U[k - 1]) / (self.U[k] - self.U[k - 1])
        return self.w[k - 1] + share * (self.w[k] - self.w[k - 1])

    @property
    def slopes(self) -> list[Fraction]:
        """Of every piece, falling to the last one's 0."""
        pieces = pairwise(zip(self.U, self.w, strict=True))
        return [*((d - b) / (c - a) for (a, b), (c, d) in pieces), Fraction(0)]

    def conjugate(self, g: Fraction) -> Fraction:
        """max_U W(U) - g U for g >= 0: at the breakpoint where slopes pass g."""
        falling = [-s for s in self.slopes]
        k = bisect_left(falling, -g)
        return self.w[k] - g * self.U[k]


def exact_value_functions(priors: Sequence[Distribution]) -> list[Curve]:
    """W_0, .., W_T. Raises ValueError where denominators are too large for this way.

    >>> coin = Distribution(values=[1, 2], probabilities=["1/2", "1/2"])
    >>> first, *_ = exact_value_functions([coin] * 3)
    >>> assert first(Fraction(1, 2)) == 4 and exact_revenue([coin] * 3) == Fraction(7, 2)
    """
    found = [Curve((Fraction(0),), (Fraction(0),))]
    periods = [Period.of(prior) for prior in priors]
    for t in reversed(range(len(priors))):
        swept = bracket(periods[t], _floats(found[-1], len(priors[t])), tops(periods)[t], 0.0, None)
        found.append(_rational(priors[t], found[-1], swept))
    return found[::-1]


def exact_revenue(priors: Sequence[Distribution]) -> Fraction:
    """max_U W_0(U) - U, the best revenue of any dynamic mechanism for one buyer, as a fraction."""
    first = exact_value_functions(priors)[0]
    return max(w - U for U, w in zip(first.U, first.w, strict=True))


def _floats(curve: Curve, n: int) -> Bracket:
    U, w = (np.array([float(x) for x in row]) for row in (curve.U, curve.w))
    slope = np.array([float(x) for x in curve.slopes])
    return Bracket(slope, w - slope * U, np.zeros((len(U), n)), U, w, np.zeros((len(U), n)))


def _near(x: float) -> Fraction:
    return Fraction(x).limit_denominator(DENOMINATOR)


def _rational(prior: Distribution, after: Curve, swept: Bracket) -> Curve:
    """The points of a sweep in fractions, if tangents in fractions touch them all."""
    points: dict[Fraction, Fraction] = {}
    for U, row in zip(swept.U.tolist(), swept.prices.tolist(), strict=True):
        at, value = _point(prior, after, U, [_near(x) for x in row])
        points[at] = max(value, points.get(at, value))
    U = sorted(points)
    w = [points[u] for u in U]
    keep: list[int] = []
    for k in range(len(U)):
        while len(keep) > 1 and (w[k] - w[keep[-1]]) * (U[keep[-1]] - U[keep[-2]]) >= (w[keep[-1]] - w[keep[-2]]) * (
            U[k] - U[keep[-1]]
        ):
            keep.pop()
        if not keep or w[k] > w[keep[-1]]:
            keep.append(k)
    curve = Curve(tuple(U[k] for k in keep), tuple(w[k] for k in keep))
    for slope, at, value in zip(curve.slopes, curve.U, curve.w, strict=True):
        near = np.flatnonzero(np.abs(swept.slope - float(slope)) < CLOSE * max(1.0, float(slope))).tolist()
        offered = [_intercept(prior, after, slope, [_near(x) for x in swept.parents[k].tolist()]) for k in near]
        if value - slope * at not in offered:
            raise ValueError("fractions with small denominators do not give this value function")
    return curve


def _point(prior: Distribution, after: Curve, U: float, prices: list[Fraction]) -> tuple[Fraction, Fraction]:
    sold = paid = mean = welfare = Fraction(0)
    rents = []
    for v, f, w in zip(prior.values, prior.probabilities, prices, strict=True):
        sold, paid = sold + w, paid + w * v
        rents.append(sold * v - paid)
        mean, welfare = mean + f * rents[-1], welfare + f * v * sold
    if sold > 1:
        raise ValueError("fractions with small denominators sell more than once")
    at = mean if abs(float(mean) - U) < 1e-9 * max(1.0, U) else max(mean, _near(U))
    worth = sum((f * after(at - mean + r) for f, r in zip(prior.probabilities, rents, strict=True)), Fraction(0))
    return at, welfare + worth


def _intercept(prior: Distribution, after: Curve, beta: Fraction, g: list[Fraction]) -> Fraction | None:
    """Of the tangent with this slope and these parents; None where the slope is too small for them."""
    if beta < sum((f * x for f, x in zip(prior.probabilities, g, strict=True)), Fraction(0)):
        return None
    best = owed = weighed = welfare = Fraction(0)
    for v, f, x in zip(prior.values[::-1], prior.probabilities[::-1], g[::-1], strict=True):
        welfare += f * v
        best = max(best, welfare - weighed + v * owed)
        owed, weighed = owed + f * (beta - x), weighed + f * (beta - x) * v
    return best + sum((f * after.conjugate(x) for f, x in zip(prior.probabilities, g, strict=True)), Fraction(0))
