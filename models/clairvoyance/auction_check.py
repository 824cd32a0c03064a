"""The checker of `non-clairvoyant-auction`: what a mechanism earns, counted again from the instance, in rationals.

It shares no code with the mechanisms, and loads neither CVXPY nor a solver.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from mechopt.models.checking import number
from mechopt.models.clairvoyance.auction_check_asymptotic import throttled
from mechopt.models.clairvoyance.auction_check_balance import balanced
from mechopt.models.distributions import Distribution
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest, rational

Bracket = tuple[Rational, Rational]


def check(parameters: Mapping[str, Any], certificate: Mapping[str, Any]) -> tuple[list[Check], dict[str, Bracket]]:
    """Every inequality of a certificate, and the bracket (lower, upper) of the expected revenue it proves.

    Raises KeyError, ValueError, TypeError or IndexError on a malformed certificate; callers treat that as a failure.
    """
    part = certificate["finite"]
    periods = [[Distribution(**dict(prior)) for prior in period] for period in parameters["periods"]]
    horizon = len(periods) * int(parameters.get("repeat", 1))
    profiles = max(math.prod(len(prior) for prior in period) for period in periods)
    if profiles > 10**6 or horizon > 10**7:
        raise ValueError("too many periods or profiles")
    if parameters["mechanism"] == "asymptotic":
        checks, (low, high) = throttled(periods, horizon, parameters["threshold"], part)
    else:
        checks, low = balanced(periods, horizon, parameters["mechanism"], part)
        high = low
    lower, upper = _rational(low), _rational(high)
    for end, proved in (("lower", lower), ("upper", upper)):
        if (claimed := part.get(end)) is not None:
            gap = number(claimed) - proved
            checks.append(Check(f"{end} bound as claimed", nearest(abs(gap)), gap == 0))
    return checks, {"finite": (lower, upper)}


def _rational(x: Fraction) -> Rational:
    return rational(x)
