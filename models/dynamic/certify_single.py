"""A sweep's brackets as a certificate: short binary numbers, each rounded so that the bounds still hold exactly.

Chances and slopes are integers over 2^bits, money integers over 2^fine. A tangent's parents g are rounded down and its
slope up; a point's U is rounded up, its lottery down. Intercepts are then recomputed, rounded up, and the welfare of
every point exactly, from the last period to the first: it is what the mechanism of these points earns, whose balances
are mixtures of two neighbouring points with weights that are integers over 2^share, rounded down. The denominator of
welfare grows from period to period.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.models.distributions import Distribution
from mechopt.models.dynamic.single_policy import SHARE
from mechopt.models.dynamic.value_brackets import Bracket
from mechopt.solvers.rational import rational, text

SHORT, LONG = 26, 50  # bits of a chance or a slope


class Whole:
    """A distribution in integers: values v / q, probabilities f / Q."""

    def __init__(self, prior: Distribution) -> None:
        self.q = math.lcm(*(x.denominator for x in prior.values))
        self.Q = math.lcm(*(x.denominator for x in prior.probabilities))
        self.v = [int(x * self.q) for x in prior.values]
        self.f = [int(x * self.Q) for x in prior.probabilities]
        sold = [f * v for f, v in zip(self.f, self.v, strict=True)]
        self.welfare = list(itertools.accumulate(sold[::-1]))[::-1]  # E[v; v >= v_m], over Q q


def precision(scale: float, gap: float) -> tuple[int, int]:
    """Bits of chances and of money, for a bracket of this width around money of this size."""
    bits = min(LONG, max(SHORT, 14 + math.ceil(math.log2(max(scale, 1e-300) / max(gap, 1e-300))))) if gap > 0 else LONG
    return bits, max(1, 51 - math.ceil(math.log2(max(scale, 1e-300))))


def certify(
    priors: Sequence[Distribution], brackets: Sequence[Bracket], bits: int, fine: int
) -> tuple[dict[str, Any], list[list[float]]]:
    """The certificate of a sweep, whose `lower` and `upper` are the bounds it proves, "p/q"; welfare at its points."""
    slope, intercept = [0], [0]
    worth = Worth([0], [0], 1)
    stages: list[dict[str, Any]] = []
    welfare: list[list[float]] = []
    for prior, found in zip(reversed(priors), reversed(brackets[: len(priors)]), strict=True):
        whole = Whole(prior)
        upper = _tangents(whole, found, slope, intercept, bits, fine)
        slope, intercept = upper["slope"], upper["intercept"]
        prices, worth = _points(whole, found, worth, bits, fine)
        stages.append(upper | {"U": worth.U, "prices": prices})
        welfare.append([w / worth.over for w in worth.w])
    stages.reverse()
    unit = 1 << fine
    lower, start = max((Fraction(w, worth.over) - Fraction(u, unit), u) for u, w in zip(worth.U, worth.w, strict=True))
    upper_end = rational(Fraction(conjugate(slope, intercept, 1 << bits), unit))
    ends = {"lower": text(rational(lower)), "upper": text(upper_end)}
    return {"bits": bits, "fine": fine, "share": SHARE, "stages": stages, "start": start, **ends}, welfare[::-1]


@dataclass(frozen=True)
class Worth:
    """Welfare from a period on at its points: U rising from 0 over 2^fine, w over `over`."""

    U: list[int]
    w: list[int]
    over: int

    def mixed(self, y: int, unit: int) -> int:
        """Welfare at the promise y / unit, over 2^SHARE `over`: of the two points around it, weights rounded down."""
        k = bisect_right(self.U, y // unit)
        if k == len(self.U):
            return self.w[-1] << SHARE
        share = ((y - self.U[k - 1] * unit) << SHARE) // ((self.U[k] - self.U[k - 1]) * unit)
        return (self.w[k - 1] << SHARE) + share * (self.w[k] - self.w[k - 1])


def conjugate(slope: Sequence[int], intercept: Sequence[int], g: int) -> int:
    """An intercept, rounded up, of a tangent with the slope g >= 0; slopes rise from 0 in `slope`."""
    k = bisect_left(slope, g)
    if k == len(slope):
        return intercept[-1]
    if slope[k] == g:
        return intercept[k]
    rise, part = slope[k] - slope[k - 1], g - slope[k - 1]
    return -((-(intercept[k - 1] * (rise - part) + intercept[k] * part)) // rise)


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


def _points(
    whole: Whole, found: Bracket, after: Worth, bits: int, fine: int
) -> tuple[list[list[list[int]]], Worth]:  # fmt: skip
    listed: dict[int, tuple[int, list[list[int]]]] = {}
    over = (whole.Q << SHARE) * math.lcm(after.over, whole.q)
    lotteries = np.floor(found.prices * 2.0**bits + 1e-6)
    for at, row in zip(found.U.tolist(), lotteries.tolist(), strict=True):
        prices = [[m, int(x)] for m, x in enumerate(row) if x > 0]
        excess = sum(x for _, x in prices) - (1 << bits)
        if excess > 0:
            prices[-1][1] -= excess
        mean, rent = rents(whole, prices)
        unit = whole.Q * whole.q << bits
        here = max(round(at * 2.0**fine), -((-mean << fine) // unit))
        least = here * unit - (mean << fine)
        later = sum(f * after.mixed(least + (r * whole.Q << fine), unit)
                    for f, r in zip(whole.f, rent, strict=True))  # fmt: skip
        now = sum(x * whole.welfare[m] for m, x in prices)
        value = later * (over // (whole.Q * after.over << SHARE)) + now * (over // unit)
        if here not in listed or listed[here][0] < value:
            listed[here] = (value, prices)
    order = sorted(listed)
    return [listed[u][1] for u in order], Worth(order, [listed[u][0] for u in order], over)


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
