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

*Below.* By induction W_t(U) >= w at every listed point, so on chords between them, and to the right of the last. A
period's point lists U and a lottery over posted prices; y_1 is what makes the promises average to U and must not be
negative. Its welfare now and on the chords must be the listed w, rounded down. The revenue is at least w - U at the
point `start` of the first period.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from mechopt.models.checking import at_most_zero, number
from mechopt.models.dynamic.check_priors import Prior, read
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
    points: Curve = ([0], [0])
    for t in reversed(range(len(priors))):
        stage, whole = part["stages"][t], _Whole(priors[t][0])
        tangents, above = _upper(whole, stage, tangents, bits, fine, t + 1)
        points, below = _lower(whole, stage, points, bits, fine, t + 1)
        checks += [*above, *below]
    unit = rational(1 << fine)
    U, w = points
    start = U.index(_integers([part["start"]])[0])
    lower, upper = rational(w[start] - U[start]) / unit, rational(_conjugate(tangents, 1 << bits)) / unit
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


def _chord(points: Curve, y: int) -> int:
    """The chord's value at y >= 0, rounded down."""
    U, w = points
    k = bisect_right(U, y)
    if k == len(U):
        return w[-1]
    width, part = U[k] - U[k - 1], y - U[k - 1]
    return (w[k - 1] * (width - part) + w[k] * part) // width


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
    whole: _Whole, stage: Mapping[str, Any], after: Curve, bits: int, fine: int, t: int
) -> tuple[Curve, list[Check]]:
    U, w = _integers(stage["U"]), _integers(stage["w"])
    if not len(U) == len(w) == len(stage["prices"]) or not U or U[0] != 0 or not _increases(U):
        raise ValueError("points: U rises from 0, each with its value and prices")
    unit = whole.Q * whole.q << bits
    short = wrong = over = 0
    for here, value, listed in zip(U, w, stage["prices"], strict=True):
        chance: dict[int, int] = {m: x for m, x in map(_integers, listed)}  # noqa: C416
        if len(chance) != len(listed) or any(not 0 <= m < len(whole.v) or x < 0 for m, x in chance.items()):
            raise ValueError("prices: each once, with a chance that is not negative")
        over = max(over, sum(chance.values()) - (1 << bits))
        sold = paid = now = 0
        rent = []  # of every type, over q 2^bits
        for m, v in enumerate(whole.v):
            sold, paid = sold + chance.get(m, 0), paid + chance.get(m, 0) * v
            now += sold * whole.f[m] * v
            rent.append(sold * v - paid)
        lowest = here * unit - (sum(f * r for f, r in zip(whole.f, rent, strict=True)) << fine)  # y_1 unit 2^fine
        short = max(short, -lowest)
        if lowest < 0:
            continue
        later = sum(f * _chord(after, (lowest + (r * whole.Q << fine)) // unit)
                    for f, r in zip(whole.f, rent, strict=True))  # fmt: skip
        wrong += value != ((later * whole.q << bits) + (now << fine)) // unit
    return (U, w), [
        Check(f"period {t}: lotteries sell at most once", over / 2**bits, over <= 0),
        Check(f"period {t}: no balance is negative", short / unit / 2**fine, short <= 0),
        Check(f"period {t}: values follow from the next period's", float(wrong), wrong == 0),
    ]
