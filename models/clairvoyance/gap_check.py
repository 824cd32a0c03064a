"""The checker of `non-clairvoyant-gap`: Theorem 5.1's two scenarios in ball arithmetic, finite futures in rationals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flint

from mechopt.models.checking import at_most_zero, number
from mechopt.models.clairvoyance import gap_check_price, scenarios_check
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest

Bracket = tuple[Rational, Rational]


def check(parameters: Mapping[str, Any], certificate: Mapping[str, Any]) -> tuple[list[Check], dict[str, Bracket]]:
    """Every inequality of a certificate, and the brackets (lower, upper) of the factor a it proves.

    Raises KeyError, ValueError, TypeError or IndexError on a malformed certificate; callers treat that as a failure.
    """
    found: dict[str, tuple[Rational, Rational, list[Check]]] = {}
    if "mu" in parameters:
        mu, epsilon = number(parameters["mu"]), number(parameters["epsilon"])
        with flint.ctx.workprec(gap_check_price.bits(mu)):
            law = gap_check_price.Law.of(mu, epsilon)
            found["continuum"] = gap_check_price.continuum(law, certificate["continuum"])
            points = int(parameters["points"])
            found["finite"] = gap_check_price.finite(law, certificate["finite"], points)
    else:
        found["finite"] = scenarios_check.finite(parameters, certificate["finite"])
    checks: list[Check] = []
    for name, (lower, upper, more) in found.items():
        checks += [Check(f"{name}: {c.name}", c.residual, c.passed, c.detail) for c in more]
        for end, proved in (("lower", lower), ("upper", upper)):
            if (claimed := certificate[name].get(end)) is not None:
                gap = number(claimed) - proved
                checks.append(Check(f"{name}: {end} bound as claimed", nearest(abs(gap)), gap == 0))
        checks.append(at_most_zero(f"{name}: lower bound at most upper", lower - upper))
    return checks, {name: (lower, upper) for name, (lower, upper, _) in found.items()}
