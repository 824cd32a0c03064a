"""The checker of `regret-pricing`: from the instance and a certificate straight to the inequalities, in rationals.

It shares no code with the programs, CVXPY or the solver, and never sees a compiled matrix. Floats serve only to pass
over rows that hold with room to spare, by a rigorous error bound; every other row is decided in rationals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mechopt.models.checking import ZERO, at_most_zero, dot, largest_gain, number
from mechopt.models.regret.regret_check_continuum import (
    budget_above,
    continuum_above,
    continuum_below,
    moments_above,
)
from mechopt.models.regret.regret_check_instance import Bracket, Instance
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest, text


def check(parameters: Mapping[str, Any], certificate: Mapping[str, Any]) -> tuple[list[Check], dict[str, Bracket]]:
    """Every inequality of a certificate, and the brackets (lower, upper) it proves by the name of its part.

    Raises KeyError, ValueError, TypeError or IndexError on a malformed certificate; callers treat that as a failure.
    """
    instance = Instance(parameters)
    checks: list[Check] = []
    proved: dict[str, Bracket] = {}
    finite, whole = certificate["finite"], certificate.get("continuum", {})
    parts = {"finite": (_finite_above, _finite_below, finite["mechanism"], finite["nature"])}
    if instance.box and instance.sides:
        parts["continuum"] = (moments_above, _finite_below, whole["mechanism"], finite["nature"])
    elif instance.box:
        parts["continuum"] = (continuum_above, continuum_below, whole["mechanism"], whole["nature"])
    elif instance.budget is not None:  # nature's distribution on the grid is one on the continuum
        parts["continuum"] = (budget_above, _finite_below, whole["mechanism"], finite["nature"])
    for name, (above, below, mechanism, nature) in parts.items():
        part = certificate[name]
        upper, upper_checks = above(instance, mechanism)
        lower, lower_checks = below(instance, nature)
        checks += [Check(f"{name}: {c.name}", c.residual, c.passed, c.detail) for c in upper_checks + lower_checks]
        for end, claimed, found in (("lower", part.get("lower"), lower), ("upper", part.get("upper"), upper)):
            if claimed is not None:
                agrees = number(claimed) == found
                checks.append(Check(f"{name}: {end} bound as claimed", nearest(abs(number(claimed) - found)), agrees))
        checks.append(Check(f"{name}: lower bound at most upper", max(0.0, nearest(lower - upper)), lower <= upper))
        proved[name] = (lower, upper)
    return checks, proved


def _finite_above(instance: Instance, mechanism: Any) -> tuple[Rational, list[Check]]:
    """Worst regret of a mechanism on the grid: one table over all types, or, on a box, one per good sold apart.

    Sold apart, what a type gains by a misreport is the sum of what it gains good by good, and so is its regret: the
    rows of each good's own table imply every row of the product.
    """
    if "goods" not in mechanism:
        rows = [tuple(number(x) for x in row) for row in mechanism["allocation"]]
        return _table(instance.types, rows, mechanism["payment"], instance, mechanism.get("sigma", []))
    if not instance.box or instance.sides:
        raise ValueError("only a box is a product of its goods' values")
    regret = ZERO
    checks: list[Check] = []
    for good, part in enumerate(_each(mechanism["goods"], instance.goods)):
        axis, cost = [(x,) for x in instance.axes[good]], [instance.cost[good]]
        column = [(number(x),) for x in part["allocation"]]
        worst, found = _rows(axis, column, part["payment"], cost, f"good {good + 1}: ")
        regret, checks = regret + worst, checks + found
    return regret, checks


def _each(parts: Sequence[Any], goods: int) -> Sequence[Any]:
    if len(parts) != goods:
        raise ValueError("one part per good")
    return parts


def _table(
    types: list[Any], q: list[Any], payment: Sequence[Any], instance: Instance, multipliers: Sequence[Any]
) -> tuple[Rational, list[Check]]:
    """One table over all types; where moments are known, their multipliers pay for part of the regret."""
    sigma = [number(x) for x in multipliers]
    paid = [instance.known(v, sigma) for v in types]
    worst, checks = _rows(types, q, payment, instance.cost, "", paid)
    worst += sum((s * bound for s, (*_, bound) in zip(sigma, instance.sides, strict=True)), ZERO)
    if sigma:
        checks.append(at_most_zero("moment multipliers sigma are nonnegative", -min(sigma)))
    return worst, checks


def _rows(
    types: list[Any],
    q: list[Any],
    payment: Sequence[Any],
    cost: list[Rational],
    name: str,
    paid: Sequence[Rational] = (),
) -> tuple[Rational, list[Check]]:
    m = [number(x) for x in payment]
    if not len(types) == len(q) == len(m) or any(len(row) != len(cost) for row in q):
        raise ValueError("the mechanism does not list every type and good")
    chance = max(max(max(-x, x - 1) for x in row) for row in q)
    utility = [dot(a, v) - p for a, v, p in zip(q, types, m, strict=True)]
    truth, where = largest_gain(types, utility, list(zip(q, m, strict=True)))
    full = [sum((max(x - c, ZERO) for x, c in zip(v, cost, strict=True)), ZERO) for v in types]
    regrets = [s - (p - dot(a, cost)) for s, a, p in zip(full, q, m, strict=True)]
    regret = max(r - k for r, k in zip(regrets, paid, strict=True)) if paid else max(regrets)
    return regret, [
        at_most_zero(f"{name}allocation is a probability [lambda]", chance),
        at_most_zero(f"{name}individually rational [beta]", -min(utility)),
        at_most_zero(f"{name}incentive compatible, all {len(types)}^2 rows [gamma]", truth, where),
    ]


def _finite_below(instance: Instance, nature: Mapping[str, Any]) -> tuple[Rational, list[Check]]:
    """Nature's expected surplus less what any mechanism can earn, from the nonzeros of alpha and gamma."""
    alpha: dict[int, Rational] = {}
    beta: dict[int, Rational] = {}  # alpha(v) - sum_w gamma(v, w) + sum_w gamma(w, v)
    price: dict[int, list[Rational]] = {}
    types: dict[int, tuple[Rational, ...]] = {}

    def know(v: int) -> int:
        if v not in types:
            types[v] = instance.type(v)
            beta[v], price[v] = ZERO, [ZERO] * instance.goods
        return v

    least, value = ZERO, ZERO
    for v, mass in nature["alpha"]:
        a = number(mass)
        least = min(least, a)
        alpha[know(v)] = alpha.get(v, ZERO) + a
        beta[v] += a
        price[v] = [p + a * (x - c) for p, x, c in zip(price[v], types[v], instance.cost, strict=True)]
        value += a * instance.surplus(types[v])
    for v, w, weight in nature["gamma"]:
        g = number(weight)
        least = min(least, g)
        beta[know(v)] -= g
        beta[know(w)] += g
        price[w] = [p + g * (here - there) for p, here, there in zip(price[w], types[w], types[v], strict=True)]
    value -= sum((x for row in price.values() for x in row if x > 0), ZERO)
    total = sum(alpha.values(), ZERO)
    held = [
        at_most_zero(f"nature's moment row {k + 1} [sigma]", sum(
            (sign * a * types[v][good] ** power for v, a in alpha.items()), ZERO) - bound)
        for k, (good, power, sign, bound) in enumerate(instance.sides)
    ]  # fmt: skip
    return value, [
        *held,
        Check("nature's probabilities sum to one [r]", nearest(abs(total - 1)), total == 1),
        at_most_zero("multipliers alpha, gamma are nonnegative", -least),
        at_most_zero("participation multiplier beta is nonnegative [m]", -min(beta.values())),
    ]


def bracket_text(bracket: Bracket) -> dict[str, str]:
    """A bracket as a certificate holds it."""
    return {"lower": text(bracket[0]), "upper": text(bracket[1])}
