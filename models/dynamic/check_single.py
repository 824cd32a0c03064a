"""The checker of one buyer's value functions: from the instance to both bounds, period by period, in whole numbers.

It shares no code with the sweep, CVXPY or the solver. W_t(U) is the best welfare after period t for a buyer who is
promised the total utility U. It is concave and never falls in U. Chances and slopes are integers over 2^bits, money
integers over 2^fine.

*Above.* By induction W_t(y) <= a + s y for every listed tangent and all y >= 0, so for mixtures of two of them, so that
a(g), read between neighbouring slopes, bounds W_t(y) - g y; beyond the steepest slope its own intercept does. Take a
period's tangent with slope beta and parents g_1..g_n. Whatever lottery over prices and lowest promise y_1 >= 0,

    sum_j f_j (v_j x_j + W_t(y_j)) - beta sum_j f_j y_j <= sum_j f_j a(g_j) + (sum_j f_j g_j - beta) y_1 + sum_m w_m S_m

with S_m = E[v; v >= v_m] - sum_j f_j (beta - g_j) (v_j - v_m)^+. Where beta >= sum_j f_j g_j the right side is at most
sum_j f_j a(g_j) + max(0, max_m S_m), which has to be the listed intercept, rounded up. The revenue is at most
max_U W_0(U) - U <= a(1).

*Below.* A period's point lists U and a lottery over posted prices; y_1 is what makes the promises average to U and must
not be negative. What y_j promises is kept by a mixture of the two listed points of the next period around it, the
weight of the upper one an integer over 2^share, rounded down; beyond the last point by that point. So every point has a
welfare, an exact fraction, from the last period to the first. The mechanism that starts at the point `start` of the
first period earns its welfare less U: the lower bound is what this mechanism earns, not a number below it.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mechopt.models.check_priors import Prior
from mechopt.models.checking import at_most_zero, number
from mechopt.models.dynamic.check_periods import read
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest, rational

Curve = tuple[list[int], list[int]]
MOST_BITS = 4096


class _Whole:
    """A distribution in integers: v / q and f / Q."""

    def __init__(self, prior: Prior) -> None:
        self.q = math.lcm(*(int(x.q) for x in prior.v))
        self.Q = math.lcm(*(int(x.q) for x in prior.f))
        self.v = [int((x * self.q).p) for x in prior.v]
        self.f = [int((x * self.Q).p) for x in prior.f]


def check_single(parameters: Mapping[str, Any], part: Mapping[str, Any]) -> tuple[list[Check], Rational, Rational]:
    """Checks, lower and upper bound. Raises KeyError, ValueError, TypeError or IndexError on a malformed part."""
    priors, checks = read(parameters["periods"], part["distributions"])
    bits, fine = _integers([part["bits"], part["fine"]])
    if not (0 < bits < MOST_BITS and 0 < fine < MOST_BITS):
        raise ValueError("bits out of range")
    if len(priors[0]) != 1 or len(part["stages"]) != len(priors):
        raise ValueError("one buyer, and one stage per period")
    tangents: Curve = ([0], [0])
    points = _Points([0], [0], 1, _integers([part["share"]])[0])
    if not 0 < points.share < MOST_BITS:
        raise ValueError("bits out of range")
    for t in reversed(range(len(priors))):
        stage, whole = part["stages"][t], _Whole(priors[t][0])
        tangents, above = _upper(whole, stage, tangents, bits, fine, t + 1)
        points, below = _lower(whole, stage, points, bits, fine, t + 1)
        checks += [*above, *below]
    unit = rational(1 << fine)
    start = points.U.index(_integers([part["start"]])[0])
    lower = rational(points.w[start]) / rational(points.over) - rational(points.U[start]) / unit
    upper = rational(_conjugate(tangents, 1 << bits)) / unit
    for end, proved in (("lower", lower), ("upper", upper)):
        if (claimed := part.get(end)) is not None:
            miss = number(claimed) - proved
            checks.append(Check(f"{end} bound as claimed", nearest(abs(miss)), miss == 0))
    checks.append(at_most_zero("lower bound at most upper", lower - upper))
    return checks, lower, upper


def _integers(row: Sequence[Any]) -> list[int]:
    if any(type(x) is not int for x in row):
        raise ValueError("expected integers")
    return list(row)


def _conjugate(tangents: Curve, g: int) -> int:
    """a(g), rounded up; slopes rise from 0."""
    slope, intercept = tangents
    k = bisect_left(slope, g)
    if k == len(slope):
        return intercept[-1]
    if slope[k] == g:
        return intercept[k]
    rise, part = slope[k] - slope[k - 1], g - slope[k - 1]
    return -((-(intercept[k - 1] * (rise - part) + intercept[k] * part)) // rise)


@dataclass(frozen=True)
class _Points:
    """Promises U over 2^fine, rising from 0, and the welfare w / over of the mechanism from each on."""

    U: list[int]
    w: list[int]
    over: int
    share: int

    def at(self, promise: int, unit: int) -> int:
        """The welfare of the mixture that keeps a promise >= 0 of promise / unit, over 2^share `over`."""
        k = bisect_right(self.U, promise // unit)
        if k == len(self.U):
            return self.w[-1] << self.share
        low, high = self.U[k - 1], self.U[k]
        weight = ((promise - low * unit) << self.share) // ((high - low) * unit)
        return self.w[k - 1] * ((1 << self.share) - weight) + self.w[k] * weight


def _increases(row: Sequence[int]) -> bool:
    return all(a < b for a, b in itertools.pairwise(row))


def _upper(
    whole: _Whole, stage: Mapping[str, Any], after: Curve, bits: int, fine: int, t: int
) -> tuple[Curve, list[Check]]:
    slope, intercept = _integers(stage["slope"]), _integers(stage["intercept"])
    if not len(slope) == len(intercept) == len(stage["g"]) or not slope or slope[0] != 0 or not _increases(slope):
        raise ValueError("tangents: slopes rise from 0, each with its intercept and parents")
    off = wrong = 0
    known: dict[int, int] = {}
    for beta, a, listed in zip(slope, intercept, stage["g"], strict=True):
        g = _integers(listed)
        if len(g) != len(whole.v) or min(g) < 0:
            raise ValueError("one parent per value, none negative")
        off = max(off, sum(f * x for f, x in zip(whole.f, g, strict=True)) - beta * whole.Q)
        later = 0
        for f, x in zip(whole.f, g, strict=True):
            if x not in known:
                known[x] = _conjugate(after, x)
            later += f * known[x]
        best = first = second = welfare = 0  # sums over higher values of f (beta - g), and the same times v
        for v, f, x in zip(whole.v[::-1], whole.f[::-1], g[::-1], strict=True):
            welfare += f * v
            best = max(best, (welfare << bits) - second + v * first)
            c = f * (beta - x)
            first, second = first + c, second + c * v
        total = (later * whole.q << bits) + (best << fine)
        wrong += a != -(-total // (whole.q * whole.Q << bits))
    return (slope, intercept), [
        Check(f"period {t}: tangents are at least as steep as their parents on average", float(max(off, 0)), off <= 0),
        Check(f"period {t}: intercepts follow from the next period's", float(wrong), wrong == 0),
    ]


def _lower(
    whole: _Whole, stage: Mapping[str, Any], after: _Points, bits: int, fine: int, t: int
) -> tuple[_Points, list[Check]]:
    U, w = _integers(stage["U"]), []
    if len(U) != len(stage["prices"]) or not U or U[0] != 0 or not _increases(U):
        raise ValueError("points: U rises from 0, each with its prices")
    unit = whole.Q * whole.q << bits
    over = unit * after.over << after.share
    short = excess = 0
    for here, listed in zip(U, stage["prices"], strict=True):
        chance: dict[int, int] = {m: x for m, x in map(_integers, listed)}  # noqa: C416
        if len(chance) != len(listed) or any(not 0 <= m < len(whole.v) or x < 0 for m, x in chance.items()):
            raise ValueError("prices: each once, with a chance that is not negative")
        excess = max(excess, sum(chance.values()) - (1 << bits))
        sold = paid = now = 0
        rent = []  # of every type, over q 2^bits
        for m, v in enumerate(whole.v):
            sold, paid = sold + chance.get(m, 0), paid + chance.get(m, 0) * v
            now += sold * whole.f[m] * v
            rent.append(sold * v - paid)
        lowest = here * unit - (sum(f * r for f, r in zip(whole.f, rent, strict=True)) << fine)  # y_1 unit 2^fine
        short = max(short, -lowest)
        later = sum(f * after.at(max(lowest, 0) + (r * whole.Q << fine), unit)
                    for f, r in zip(whole.f, rent, strict=True))  # fmt: skip
        w.append((now * after.over << after.share) + (later * whole.q << bits))
    return _Points(U, w, over, after.share), [
        Check(f"period {t}: lotteries sell at most once", excess / 2**bits, excess <= 0),
        Check(f"period {t}: no balance is negative", short / unit / 2**fine, short <= 0),
    ]
