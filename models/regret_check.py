"""The checker of `regret-pricing`: from the instance and a certificate straight to the inequalities, in rationals.

It shares no code with the programs, CVXPY or the solver, and never sees a compiled matrix. Floats serve only to pass
over rows that hold with room to spare, by a rigorous error bound; every other row is decided in rationals.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import flint
import numpy as np

from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest, rational, text

ZERO = flint.fmpq(0)
BLOCK = 512
Bracket = tuple[Rational, Rational]


class Instance:
    """The stated problem, read again from its file: exact bounds, costs and value profiles."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        profiles = parameters.get("profiles")
        self.upper = [_number(x) for x in parameters.get("upper") or []]
        goods = len(profiles[0]) if profiles else len(self.upper)
        self.cost = [_number(x) for x in parameters.get("cost") or [0] * goods]
        self.lower = [_number(x) for x in parameters.get("lower") or [0] * goods]
        self.box = profiles is None
        if profiles is not None:
            self.types = [tuple(_number(x) for x in row) for row in profiles]
            return
        n, axes = int(parameters["points"]), []
        for lo, c, hi in zip(self.lower, self.cost, self.upper, strict=True):
            start = lo if c >= hi else max(lo, c)
            axes.append([start + (hi - start) * k / n for k in range(n + 1)])
        self.types = list(itertools.product(*axes))

    def surplus(self, value: Sequence[Rational]) -> Rational:
        """What a seller who knew the values would earn."""
        return sum((max(v - c, ZERO) for v, c in zip(value, self.cost, strict=True)), ZERO)

    def span(self, good: int) -> Bracket | None:
        """Least and largest margin of a good over the types that can buy at a profit; None when there are none."""
        most = self.upper[good] - self.cost[good]
        return (max(self.lower[good] - self.cost[good], ZERO), most) if most > 0 else None


def _number(value: Any) -> Rational:
    return rational(repr(value) if isinstance(value, float) else value)


def _dot(a: Sequence[Rational], b: Sequence[Rational]) -> Rational:
    return sum((x * y for x, y in zip(a, b, strict=True)), ZERO)


def check(parameters: Mapping[str, Any], certificate: Mapping[str, Any]) -> tuple[list[Check], dict[str, Bracket]]:
    """Every inequality of a certificate, and the brackets (lower, upper) it proves by the name of its part.

    Raises KeyError, ValueError, TypeError or IndexError on a malformed certificate; callers treat that as a failure.
    """
    instance = Instance(parameters)
    checks: list[Check] = []
    proved: dict[str, Bracket] = {}
    parts = {"finite": (_finite_above, _finite_below)}
    if instance.box:
        parts["continuum"] = (_continuum_above, _continuum_below)
    for name, (above, below) in parts.items():
        part = certificate[name]
        upper, upper_checks = above(instance, part["mechanism"])
        lower, lower_checks = below(instance, part["nature"])
        checks += [Check(f"{name}: {c.name}", c.residual, c.passed, c.detail) for c in upper_checks + lower_checks]
        for end, claimed, found in (("lower", part.get("lower"), lower), ("upper", part.get("upper"), upper)):
            if claimed is not None:
                agrees = _number(claimed) == found
                checks.append(Check(f"{name}: {end} bound as claimed", nearest(abs(_number(claimed) - found)), agrees))
        checks.append(Check(f"{name}: lower bound at most upper", max(0.0, nearest(lower - upper)), lower <= upper))
        proved[name] = (lower, upper)
    return checks, proved


def _worst(name: str, violation: Rational, where: str = "") -> Check:
    return Check(name, max(0.0, nearest(violation)), violation <= 0, where)


def _finite_above(instance: Instance, mechanism: Any) -> tuple[Rational, list[Check]]:
    q = [tuple(_number(x) for x in row) for row in mechanism["allocation"]]
    m = [_number(x) for x in mechanism["payment"]]
    types = instance.types
    if not len(types) == len(q) == len(m) or any(len(row) != len(instance.cost) for row in q):
        raise ValueError("the mechanism does not list every type and good")
    chance = max(max(max(-x, x - 1) for x in row) for row in q)
    utility = [_dot(a, v) - p for a, v, p in zip(q, types, m, strict=True)]
    truth, where = _incentives(types, q, m, utility)
    regret = max(instance.surplus(v) - (p - _dot(a, instance.cost)) for v, a, p in zip(types, q, m, strict=True))
    return regret, [
        _worst("allocation is a probability [lambda]", chance),
        _worst("individually rational [beta]", -min(utility)),
        _worst(f"incentive compatible, all {len(types)}^2 rows [gamma]", truth, where),
    ]


def _incentives(types: list[Any], q: list[Any], m: list[Rational], utility: list[Rational]) -> tuple[Rational, str]:
    """The largest gain of any type from any report, exact wherever floats with an error bound cannot decide."""
    menu = {entry: k for k, entry in reversed(list(enumerate(zip(q, m, strict=True))))}
    report = list(menu.values())
    V = np.array([[nearest(x) for x in v] for v in types])
    Q = np.array([[nearest(x) for x in q[k]] for k in report])
    M = np.array([nearest(m[k]) for k in report])
    U = np.array([nearest(u) for u in utility])
    doubt = 16 * (V.shape[1] + 4) * 2.0**-53
    worst, where = ZERO, ""
    for start in range(0, len(types), BLOCK):
        rows = slice(start, start + BLOCK)
        gain = V[rows] @ Q.T - M - U[rows, None]
        size = np.abs(V[rows]) @ np.abs(Q.T) + np.abs(M) + np.abs(U[rows, None])
        for i, k in np.argwhere(gain > -doubt * size - 1e-300).tolist():
            v, w = start + i, report[k]
            if v == w:
                continue
            exact = _dot(q[w], types[v]) - m[w] - utility[v]
            if exact > worst:
                worst, where = exact, f"type {v} reports {w}"
    return worst, where


def _finite_below(instance: Instance, nature: Mapping[str, Any]) -> tuple[Rational, list[Check]]:
    types, cost = instance.types, instance.cost
    alpha = [ZERO] * len(types)
    for v, mass in nature["alpha"]:
        alpha[_index(v, types)] += _number(mass)
    beta = list(alpha)  # alpha(v) - sum_w gamma(v, w) + sum_w gamma(w, v)
    price = [[a * (x - c) for x, c in zip(v, cost, strict=True)] for a, v in zip(alpha, types, strict=True)]
    least = min(alpha)
    for v, w, weight in nature["gamma"]:
        g, v, w = _number(weight), _index(v, types), _index(w, types)
        least = min(least, g)
        beta[v] -= g
        beta[w] += g
        for j, (here, there) in enumerate(zip(types[w], types[v], strict=True)):
            price[w][j] += g * (here - there)
    value = sum((a * instance.surplus(v) for a, v in zip(alpha, types, strict=True) if a), ZERO)
    value -= sum((x for row in price for x in row if x > 0), ZERO)
    total = sum(alpha, ZERO)
    return value, [
        Check("nature's probabilities sum to one [r]", nearest(abs(total - 1)), total == 1),
        _worst("multipliers alpha, gamma are nonnegative", -least),
        _worst("participation multiplier beta is nonnegative [m]", -min(beta)),
    ]


def _index(position: Any, types: list[Any]) -> int:
    if not isinstance(position, int) or isinstance(position, bool) or not 0 <= position < len(types):
        raise ValueError(f"no type {position!r}")
    return position


def _continuum_above(instance: Instance, mechanism: Any) -> tuple[Rational, list[Check]]:
    """Goods sold apart, each by an allocation piecewise linear in s = margin / largest margin: its worst regret."""
    bad, order, total = ZERO, ZERO, ZERO
    for good, (span, curve) in enumerate(_goods(instance, mechanism)):
        s, q = [_number(x) for x in curve["nodes"]], [_number(x) for x in curve["allocation"]]
        if len(s) != len(q) or s[0] != span[0] / span[1] or s[-1] != 1:
            raise ValueError(f"the mechanism of good {good + 1} does not cover its values")
        bad = max(bad, -min(q), max(q) - 1)
        order = max(order, *(a - b for a, b in itertools.pairwise(q)), *(a - b for a, b in itertools.pairwise(s)))
        if any(a >= b for a, b in itertools.pairwise(s)):
            raise ValueError("nodes must increase")
        total += span[1] * _worst_regret(s, q)
    return total, [
        _worst("allocation is a probability on the continuum", bad),
        _worst("incentive compatible on the continuum: allocation rises with value", order),
    ]


def _worst_regret(s: list[Rational], q: list[Rational]) -> Rational:
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


def _continuum_below(instance: Instance, nature: Mapping[str, Any]) -> tuple[Rational, list[Check]]:
    """All goods' margins as functions of one quantile T: mean surplus less the most any mechanism can earn."""
    T = [_number(x) for x in nature["quantiles"]]
    if T[0] != 1 or T[-1] != 0 or any(a <= b for a, b in itertools.pairwise(T)):
        raise ValueError("quantiles must fall from 1 to 0")
    outside, order, total = ZERO, ZERO, ZERO
    for span, margins in _goods(instance, nature["margins"]):
        s = [_number(x) for x in margins]  # in units of the largest margin, one per quantile above zero
        if len(s) != len(T) - 1:
            raise ValueError("one margin per quantile above zero")
        outside = max(outside, span[0] / span[1] - min(s), max(s) - 1)
        order = max(order, ZERO, *(a - b for a, b in itertools.pairwise(s)))
        total += span[1] * _mean_less_revenue(T, [a * t for a, t in zip(s, T, strict=False)] + [ZERO])
    return total, [
        _worst("nature stays inside the box", outside),
        _worst("nature's margins rise as quantiles fall", order),
    ]


def _mean_less_revenue(T: list[Rational], R: list[Rational]) -> Rational:
    total = ZERO
    for k in range(len(T) - 1):
        step, fall = T[k] - T[k + 1], R[k] - R[k + 1]
        slope = fall / step
        total += fall + (R[k] - slope * T[k]) * 2 * step / (T[k] + T[k + 1]) - max(fall, ZERO)
    return total


def bracket_text(bracket: Bracket) -> dict[str, str]:
    """A bracket as a certificate holds it."""
    return {"lower": text(bracket[0]), "upper": text(bracket[1])}
