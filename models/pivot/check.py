"""The checker of `virtual-pivot`: from the instance and listed values straight to a bracket of the profit, exactly.

Listed values bracket weighted welfares (check_values.py). From these:

* finitely many initial types: the bound of Corollary 4.1 is a sum over profiles; the mechanism with repaired rents
  earns what agents get, less costs, less those rents, each bounded from its own side;
* one or two agents with uniform signals: W0 is convex in the weights, so that means over corners are above it, and the
  worth of single policies is below (check_continua.py).

It shares no code with the model, its engines or the solver: Python's integers and fractions only.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from mechopt.models.pivot.check_continua import cells, stretches
from mechopt.models.pivot.check_instance import Instance, fraction
from mechopt.models.pivot.check_values import Optima, most, subsets
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, rational

Bracket = tuple[Rational, Rational]
ZERO = Fraction(0)


def check(parameters: Mapping[str, Any], certificate: Mapping[str, Any]) -> tuple[list[Check], dict[str, Bracket]]:
    """Every inequality of a certificate, and the bracket (lower, upper) of the optimal profit it proves.

    Raises KeyError, ValueError, TypeError or IndexError on a malformed certificate; callers treat that as a failure.
    """
    instance = Instance(parameters)
    part = certificate["finite"]
    optima = Optima(instance, int(part["bits"]), part["optima"])
    names: tuple[str, ...]
    if "stretches" in part:
        lower, upper, checks = stretches(instance, optima, part["stretches"])
        names = ("finite", "continuum")
    elif "cells" in part:
        lower, upper, checks = cells(instance, optima, part["cells"], int(part["grid"]))
        names = ("finite", "continuum")
    else:
        lower, upper, checks = _types(instance, optima, part["profiles"])
        names = ("finite",)
    for end, found in (("lower", lower), ("upper", upper)):
        gap = fraction(part[end]) - found if end in part else ZERO
        checks.append(Check(f"{end} bound as claimed", abs(float(gap)), gap == 0))
    checks.append(Check("lower bound at most upper", max(0.0, float(lower - upper)), lower <= upper))
    return checks, {name: (rational(lower), rational(upper)) for name in names}


def _types(instance: Instance, optima: Optima, profiles: Any) -> tuple[Fraction, Fraction, list[Check]]:
    agents = instance.agents
    every = list(itertools.product(*(range(len(one.A)) for one in agents)))
    if len(every) != len(profiles):
        raise ValueError("one entry per profile of types")
    listed = dict(zip(every, profiles, strict=True))
    upper, gross, kept = ZERO, ZERO, ZERO
    gains: dict[Any, Fraction] = {}
    for k, row in listed.items():
        phi = [one.phi[j] for one, j in zip(agents, k, strict=True)]
        chance = Fraction(1)
        for one, j in zip(agents, k, strict=True):
            chance *= one.f[j]
        base = tuple(i for i, one in enumerate(agents) if one.additive or phi[i] > 0)
        included = tuple(row["included"])
        if included not in set(subsets(instance, base)):
            raise ValueError("who takes part")
        upper += chance * most(instance, optima, phi)
        policy = optima.entry(phi, included).policy
        gross += chance * optima.bounds([one.A[j] for one, j in zip(agents, k, strict=True)], included,
                                        row["worth"], policy)[1]  # fmt: skip
        for i in included:
            one = agents[i]
            if k[i] + 1 == len(one.A):
                continue
            alpha = Fraction(1) if one.additive else phi[i] / one.A[k[i]]
            lie = list(phi)
            lie[i] = phi[i] + alpha * (one.A[k[i] + 1] - one.A[k[i]])
            gain = (optima.entry(lie, included).upper - optima.entry(phi, included).sure) / alpha
            gains[i, k] = gain
            kept += gain * chance / one.f[k[i]] * one.tail(k[i] + 1)
    least = min(gains.values(), default=ZERO)
    checks = [Check("gains from reporting the type below are not negative", max(0.0, -float(least)), least >= 0)]
    lower = gross - kept
    if not all(one.regular for one in agents):  # truth may fail at t = 0: all that is sure is to deal with nobody
        lower = optima.entry([one.phi[0] for one in agents], ()).sure
    return lower, upper, checks
