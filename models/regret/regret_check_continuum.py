"""The continuum half of the checker: what a certificate proves between the grid points too, in rationals."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mechopt.models.checking import ZERO, at_most_zero, dot, largest_gain, number
from mechopt.models.regret.regret_check_instance import Bracket, Instance
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, floor_to


def continuum_above(instance: Instance, mechanism: Any) -> tuple[Rational, list[Check]]:
    """Goods sold apart, each by an allocation piecewise linear in s = margin / largest margin: its worst regret."""
    bad, order, total = ZERO, ZERO, ZERO
    for good, (span, curve) in enumerate(_goods(instance, mechanism)):
        s, q = [number(x) for x in curve["nodes"]], [number(x) for x in curve["allocation"]]
        if len(s) != len(q) or s[0] != span[0] / span[1] or s[-1] != 1:
            raise ValueError(f"the mechanism of good {good + 1} does not cover its values")
        bad = max(bad, -min(q), max(q) - 1)
        order = max(order, *(a - b for a, b in itertools.pairwise(q)), *(a - b for a, b in itertools.pairwise(s)))
        if any(a >= b for a, b in itertools.pairwise(s)):
            raise ValueError("nodes must increase")
        total += span[1] * worst_regret(s, q)
    return total, [
        at_most_zero("allocation is a probability on the continuum", bad),
        at_most_zero("incentive compatible on the continuum: allocation rises with value", order),
    ]


def worst_regret(s: list[Rational], q: list[Rational]) -> Rational:
    """Maximum of s (1 - q(s)) + u(s), u the integral of q: a concave quadratic on every cell."""
    u, worst = ZERO, s[0] * (1 - q[0])
    for k in range(len(s) - 1):
        step = s[k + 1] - s[k]
        slope = (q[k + 1] - q[k]) / step
        here = s[k] * (1 - q[k]) + u
        if slope > 0 and s[k] * slope < 1 < s[k + 1] * slope:
            worst = max(worst, here + (1 - s[k] * slope) ** 2 / (2 * slope))
        u += step * (q[k] + q[k + 1]) / 2
        worst = max(worst, s[k + 1] * (1 - q[k + 1]) + u)
    return worst


def _goods(instance: Instance, parts: Sequence[Any]) -> Iterator[tuple[Bracket, Any]]:
    """Span and part of every good that can be sold at a profit; the others are never sold and have no part."""
    if len(parts) != len(instance.cost):
        raise ValueError("one part per good")
    for good, part in enumerate(parts):
        span = instance.span(good)
        if (span is None) != (part is None):
            raise ValueError(f"good {good + 1} is sold exactly if its upper bound exceeds its cost")
        if span is not None:
            yield span, part


def continuum_below(instance: Instance, nature: Mapping[str, Any]) -> tuple[Rational, list[Check]]:
    """All goods' margins as functions of one quantile T: mean surplus less the most any mechanism can earn."""
    T = [number(x) for x in nature["quantiles"]]
    if T[0] != 1 or T[-1] != 0 or any(a <= b for a, b in itertools.pairwise(T)):
        raise ValueError("quantiles must fall from 1 to 0")
    outside, order, total = ZERO, ZERO, ZERO
    for span, margins in _goods(instance, nature["margins"]):
        s = [number(x) for x in margins]  # in units of the largest margin, one per quantile above zero
        if len(s) != len(T) - 1:
            raise ValueError("one margin per quantile above zero")
        outside = max(outside, span[0] / span[1] - min(s), max(s) - 1)
        order = max(order, ZERO, *(a - b for a, b in itertools.pairwise(s)))
        total += span[1] * mean_less_revenue(T, [a * t for a, t in zip(s, T, strict=False)] + [ZERO])
    return total, [
        at_most_zero("nature stays inside the box", outside),
        at_most_zero("nature's margins rise as quantiles fall", order),
    ]


def mean_less_revenue(T: list[Rational], R: list[Rational]) -> Rational:
    """At most the mean margin less the best revenue of a revenue curve R, linear between falling quantiles T."""
    total = ZERO
    for k in range(len(T) - 1):
        step, fall = T[k] - T[k + 1], R[k] - R[k + 1]
        slope = fall / step
        term = fall + (R[k] - slope * T[k]) * 2 * step / (T[k] + T[k + 1]) - max(fall, ZERO)
        total += floor_to(term)  # the denominators have nothing in common: keep the sum short
    return total


def moments_above(instance: Instance, mechanism: Sequence[Any]) -> tuple[Rational, list[Check]]:
    """Goods sold apart where moments are known: worst expected regret is a sum, good by good, of regret less moments.

    Between two nodes regret is a concave quadratic, and sigma_k f_k at least its tangent where convex, its chord
    where concave: what is left is a concave quadratic whose peak is exact.
    """
    bad, order, total, least = ZERO, ZERO, ZERO, ZERO
    for good, part in enumerate(mechanism):
        span = instance.span(good)
        if (span is None) != (part is None):
            raise ValueError("a good is sold exactly if its upper bound exceeds its cost")
        if span is None:
            continue
        cost, most = instance.cost[good], span[1]
        v = [cost + most * number(x) for x in part["nodes"]]
        q, sigma = [number(x) for x in part["allocation"]], [number(x) for x in part["sigma"]]
        own = [(power, sign, bound) for j, power, sign, bound in instance.sides if j == good]
        if v[0] != instance.lower[good] or v[-1] != instance.upper[good] or (cost not in v and v[0] < cost):
            raise ValueError(f"the mechanism of good {good + 1} does not cover its values")
        if len(v) != len(q) or len(own) != len(sigma) or any(a >= b for a, b in itertools.pairwise(v)):
            raise ValueError("nodes must increase, with one allocation each and one multiplier per moment")
        bad, least = max(bad, -min(q), max(q) - 1), min([least, *sigma])
        order = max(order, *(a - b for a, b in itertools.pairwise(q)))
        weights = [(power, sign * s) for (power, sign, _), s in zip(own, sigma, strict=True)]
        total += _worst_less_moments(v, q, cost, weights)
        total += sum((s * bound for (*_, bound), s in zip(own, sigma, strict=True)), ZERO)
    return total, [
        at_most_zero("allocation is a probability on the continuum", bad),
        at_most_zero("incentive compatible on the continuum: allocation rises with value", order),
        at_most_zero("moment multipliers sigma are nonnegative on the continuum", -least),
    ]


def _worst_less_moments(
    v: list[Rational], q: list[Rational], cost: Rational, weights: list[tuple[int, Rational]]
) -> Rational:
    u, worst = ZERO, None
    for k in range(len(v) - 1):
        a, b = v[k], v[k + 1]
        step, middle = b - a, (a + b) / 2
        slope = (q[k + 1] - q[k]) / step
        here = max(a - cost, ZERO) - q[k] * (a - cost) + u
        rise = (1 if a >= cost else 0) - slope * (a - cost)
        for power, w in weights:
            if w >= 0:  # convex: the tangent at the middle lies below
                pitch = power * middle ** (power - 1)
                here, rise = here - w * (middle**power - pitch * step / 2), rise - w * pitch
            else:  # concave: the chord lies below
                here, rise = here - w * a**power, rise - w * (b**power - a**power) / step
        x = ZERO if rise <= 0 else step if rise >= slope * step else rise / slope
        peak = here + rise * x - slope * x * x / 2
        worst = peak if worst is None or peak > worst else worst
        u += step * (q[k] + q[k + 1]) / 2
    if worst is None:
        raise ValueError("a curve needs two nodes")
    return worst


def budget_above(instance: Instance, mechanism: Mapping[str, Any]) -> tuple[Rational, list[Check]]:
    """Worst regret on a box cut by a budget, from utilities at the grid's nodes, linear on simplices between them.

    Each simplex is a contract: its gradient q, and the payment that makes its corners' utilities what they are. If no
    corner gains from another simplex's contract, utility is the maximum over contracts on every simplex, and the
    buyer's choice is her own simplex's. Regret is convex there, so the corners hold the worst.
    """
    n, goods = len(instance.axes[0]) - 1, instance.goods
    utility = [number(x) for x in mechanism["utility"]]
    if len(utility) != (n + 1) ** goods or instance.budget is None:
        raise ValueError("one utility per point of the grid")
    step = [axis[1] - axis[0] for axis in instance.axes]
    menu: list[tuple[tuple[Rational, ...], Rational]] = []
    sigma = [number(x) for x in mechanism.get("sigma", [])]
    used: set[tuple[int, ...]] = set()
    regret, outside = None, ZERO
    for corners in _simplices(instance, n):
        points = [tuple(axis[k] for axis, k in zip(instance.axes, corner, strict=True)) for corner in corners]
        if not any(sum(p, ZERO) <= instance.budget for p in points):
            continue
        at = [utility[_flat(corner, n)] for corner in corners]
        q = _gradient(corners, at, step)
        m = dot(q, points[0]) - at[0]
        menu.append((q, m))
        used.update(corners)
        outside = max(outside, *(max(-x, x - 1) for x in q))
        profit = m - dot(q, instance.cost)
        worst = max(instance.surplus(p) - instance.known(p, sigma) for p in points) - profit
        regret = worst if regret is None or worst > regret else regret
    nodes = sorted(used)
    types = [tuple(axis[k] for axis, k in zip(instance.axes, corner, strict=True)) for corner in nodes]
    own = [utility[_flat(corner, n)] for corner in nodes]
    gain, where = largest_gain(types, own, menu)
    if regret is None or any(power > 1 for _, power, *_ in instance.sides):
        raise ValueError("no simplex meets the budget, or a moment is not linear on it")
    regret += sum((s * bound for s, (*_, bound) in zip(sigma, instance.sides, strict=True)), ZERO)
    return regret, [
        at_most_zero("moment multipliers sigma are nonnegative on the continuum", -min([ZERO, *sigma])),
        at_most_zero("allocation is a probability on the continuum", outside),
        at_most_zero("individually rational on the continuum", -min(own)),
        at_most_zero(f"incentive compatible: {len(types)} corners x {len(menu)} contracts", gain, where),
    ]


def _simplices(instance: Instance, n: int) -> Iterator[list[tuple[int, ...]]]:
    """The grid cut along integer sums of consecutive indices: from every point, the J moves in every order."""
    goods = instance.goods
    for base in itertools.product(range(n + 1), repeat=goods):
        for order in itertools.permutations(range(goods)):
            corners, here = [base], list(base)
            for move in order:
                here[move] += 1
                if move + 1 < goods:
                    here[move + 1] -= 1
                corners.append(tuple(here))
            if all(0 <= k <= n for corner in corners for k in corner):
                yield corners


def _flat(corner: Sequence[int], n: int) -> int:
    position = 0
    for k in corner:
        position = position * (n + 1) + k
    return position


def _gradient(corners: list[tuple[int, ...]], at: list[Rational], step: list[Rational]) -> tuple[Rational, ...]:
    """Chances q with q'(difference of corners) = difference of utilities, corner by corner."""
    goods = len(step)
    rise = [ZERO] * goods
    for before, after, low, high in zip(corners, corners[1:], at, at[1:], strict=False):
        move = next(j for j in range(goods) if after[j] > before[j])
        rise[move] = high - low
    q, total = [], ZERO
    for j in reversed(range(goods)):
        total += rise[j]
        q.append(total / step[j])
    return tuple(reversed(q))
