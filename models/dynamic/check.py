"""The checker of `dynamic-auction`: which of the three kinds of certificate it is, and the bracket it proves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mechopt.models.dynamic import several_check
from mechopt.models.dynamic.check_history import check_history
from mechopt.models.dynamic.check_single import check_single
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational


def check(
    parameters: Mapping[str, Any], certificate: Mapping[str, Any]
) -> tuple[list[Check], dict[str, tuple[Rational, Rational]]]:
    """Every inequality of a certificate, and the bracket (lower, upper) of the finite problem it proves.

    Raises KeyError, ValueError, TypeError or IndexError on a malformed certificate; callers treat that as a failure.
    """
    part = certificate["finite"]
    if "stages" in part and len(parameters["periods"][0]) == 1:
        checks, lower, upper = check_single(parameters, part)
    elif "eta" in part:
        checks, lower, upper = check_history(parameters, part)
    else:
        return several_check.check(parameters, certificate)
    return checks, {"finite": (lower, upper)}
