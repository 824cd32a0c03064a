"""A sweep's brackets as a certificate: short binary numbers, each rounded so that the bounds still hold exactly.

Chances and slopes are integers over 2^bits, money integers over 2^fine. A tangent's parents g are rounded down and its
slope up; a point's U is rounded up, its lottery down. Intercepts and values are then recomputed exactly, from the last
period to the first, with the same integer arithmetic the checker does anew from the instance.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.models.distributions import Distribution
from mechopt.models.dynamic.value_brackets import Bracket

SHORT, LONG = 26, 50  # bits of a chance or a slope


class Whole:
    """A distribution in integers: values v / q, probabilities f / Q."""

    def __init__(self, prior: Distribution) -> None:
        self.q = math.lcm(*(x.denominator for x in prior.values))
        self.Q = math.lcm(*(x.denominator for x in prior.probabilities))
        self.v = [int(x * self.q) for x in prior.values]
        self.f = [int(x * self.Q) for x in prior.probabilities]


def precision(scale: float, gap: float) -> tuple[int, int]:
    """Bits of chances and of money, for a bracket of this width around money of this size."""
    bits = min(LONG, max(SHORT, 14 + math.ceil(math.log2(max(scale, 1e-300) / max(gap, 1e-300))))) if gap > 0 else LONG
    return bits, max(1, 51 - math.ceil(math.log2(max(scale, 1e-300))))


def certify(priors: Sequence[Distribution], brackets: Sequence[Bracket], bits: int, fine: int) -> dict[str, Any]:
    """The certificate of a sweep; `lower` and `upper` are the bounds it proves, "p/q"."""
    slope, intercept, U, w = [0], [0], [0], [0]
    stages: list[dict[str, Any]] = []
    for prior, found in zip(reversed(priors), reversed(brackets[: len(priors)]), strict=True):
        whole = Whole(prior)
        upper = _tangents(whole, found, slope, intercept, bits, fine)
        lower = _points(whole, found, U, w, bits, fine)
        slope, intercept = upper["slope"], upper["intercept"]
        U, w = lower["U"], lower["w"]
        stages.append(upper | lower)
    stages.reverse()
    best = max(range(len(U)), key=lambda k: w[k] - U[k])
    one = 1 << bits
    proved = (Fraction(w[best] - U[best], 1 << fine), Fraction(conjugate(slope, intercept, one), 1 << fine))
    ends = {"lower": str(proved[0]), "upper": str(proved[1])}
    return {"bits": bits, "fine": fine, "stages": stages, "start": U[best], **ends}


def conjugate(slope: Sequence[int], intercept: Sequence[int], g: int) -> int:
    """An intercept, rounded up, of a tangent with the slope g >= 0; slopes rise from 0 in `slope`."""
    k = bisect_left(slope, g)
    if k == len(slope):
        return intercept[-1]
    if slope[k] == g:
        return intercept[k]
    rise, part = slope[k] - slope[k - 1], g - slope[k - 1]
    return -((-(intercept[k - 1] * (rise - part) + intercept[k] * part)) // rise)


def chord(U: Sequence[int], w: Sequence[int], y: int) -> int:
    """The value of points at y >= U[0], rounded down."""
    k = bisect_right(U, y)
    if k == len(U):
        return w[-1]
    width, part = U[k] - U[k - 1], y - U[k - 1]
    return (w[k - 1] * (width - part) + w[k] * part) // width


def _tangents(
    whole: Whole, found: Bracket, slope: list[int], intercept: list[int], bits: int, fine: int
) -> dict[str, Any]:
    parents = np.floor(np.clip(found.parents[::-1], 0, None) * 2.0**bits)
    listed: dict[int, tuple[int, list[int]]] = {}
    known: dict[int, int] = {}
    for s, row in zip(found.slope[::-1].tolist(), parents.tolist(), strict=True):
        g = [min(int(x), slope[-1]) for x in row]
        mean = sum(f * x for f, x in zip(whole.f, g, strict=True))
        beta = max(math.ceil(s * 2.0**bits), -(-mean // whole.Q))
        first, second, best, welfare = 0, 0, 0, 0
        for j in reversed(range(len(g))):
            welfare += whole.f[j] * whole.v[j]
            best = max(best, (welfare << bits) - second + whole.v[j] * first)
            c = whole.f[j] * (beta - g[j])
            first, second = first + c, second + c * whole.v[j]
        total = 0
        for f, x in zip(whole.f, g, strict=True):
            if x not in known:
                known[x] = conjugate(slope, intercept, x)
            total += f * known[x]
        top = total * whole.q << bits
        a = -(-(top + (best << fine)) // (whole.q * whole.Q << bits))
        if beta not in listed or listed[beta][0] > a:
            listed[beta] = (a, g)
    order = sorted(listed)
    return {"slope": order, "intercept": [listed[s][0] for s in order], "g": [listed[s][1] for s in order]}


def _points(whole: Whole, found: Bracket, U: list[int], w: list[int], bits: int, fine: int) -> dict[str, Any]:
    listed: dict[int, tuple[int, list[list[int]]]] = {}
    lotteries = np.floor(found.prices * 2.0**bits + 1e-6)
    for at, row in zip(found.U.tolist(), lotteries.tolist(), strict=True):
        prices = [[m, int(x)] for m, x in enumerate(row) if x > 0]
        over = sum(x for _, x in prices) - (1 << bits)
        if over > 0:
            prices[-1][1] -= over
        mean, rent = rents(whole, prices)
        least = -((-mean << fine) // (whole.Q * whole.q << bits))
        here = max(round(at * 2.0**fine), least)
        value = worth(whole, prices, here, mean, rent, U, w, bits, fine)
        if here not in listed or listed[here][0] < value:
            listed[here] = (value, prices)
    order = sorted(listed)
    return {"U": order, "w": [listed[u][0] for u in order], "prices": [listed[u][1] for u in order]}


def rents(whole: Whole, prices: Sequence[Sequence[int]]) -> tuple[int, list[int]]:
    """Every type's rent from a lottery over prices, over q 2^bits, and the mean, over Q q 2^bits."""
    rent = [0] * len(whole.v)
    total = spent = 0
    ahead = {m: x for m, x in prices}  # noqa: C416
    for j, v in enumerate(whole.v):
        if j in ahead:
            total, spent = total + ahead[j], spent + ahead[j] * v
        rent[j] = total * v - spent
    return sum(f * r for f, r in zip(whole.f, rent, strict=True)), rent


def worth(
    whole: Whole, prices: Sequence[Sequence[int]], here: int, mean: int, rent: Sequence[int], U: Sequence[int],
    w: Sequence[int], bits: int, fine: int,
) -> int:  # fmt: skip
    """Welfare of a lottery from a promise `here` on, rounded down, over 2^fine."""
    unit = whole.Q * whole.q << bits
    base = here * unit - (mean << fine)
    later = sum(f * chord(U, w, (base + (r * whole.Q << fine)) // unit) for f, r in zip(whole.f, rent, strict=True))
    now = sum(x * sum(f * v for f, v in zip(whole.f[m:], whole.v[m:], strict=True)) for m, x in prices)
    return ((later * whole.q << bits) + (now << fine)) // unit
