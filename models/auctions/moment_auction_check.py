"""The checker of `moment-auction`: from the instance and a certificate straight to the inequalities, exactly.

It shares no code with the programs, CVXPY or the solver. Rationals throughout; logarithms by ball arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mechopt.models.auctions import moment_auction_check_any as together
from mechopt.models.auctions import moment_auction_check_curve as curve
from mechopt.models.auctions import moment_auction_check_grid as tables
from mechopt.models.auctions import moment_auction_check_lottery as lottery
from mechopt.models.auctions import moment_auction_check_price as price
from mechopt.models.auctions.moment_auction_check_reserves import upper_cover
from mechopt.models.checking import ZERO, number
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest, text

Bracket = tuple[Rational, Rational]
LOWER_CURVES = {"highest-bidder-lottery": curve.lottery_lower, "any": curve.lottery_lower}
UPPER_CURVES = {"highest-bidder-lottery": curve.lottery_upper, "any": curve.any_upper}


def check(parameters: Mapping[str, Any], certificate: Mapping[str, Any]) -> tuple[list[Check], dict[str, Bracket]]:
    """Every inequality of a certificate, and the brackets (lower, upper) it proves by the name of its part.

    Raises KeyError, ValueError, TypeError or IndexError on a malformed certificate; callers treat that as a failure.
    """
    instance = price.Instance(parameters)
    if instance.mechanism == "second-price":
        checks, proved = _second_price(instance, certificate)
    elif instance.mechanism == "any" and (instance.bidders != 2 or instance.mean is None):
        checks, proved = _any(instance, certificate)
    else:
        checks, proved = _sought(instance, certificate)
    for name, (lower, upper) in proved.items():
        part = certificate[name]
        for end, claimed, found in (("lower", part.get("lower"), lower), ("upper", part.get("upper"), upper)):
            if claimed is not None:
                agrees = number(claimed) == found
                checks.append(Check(f"{name}: {end} bound as claimed", nearest(abs(number(claimed) - found)), agrees))
        checks.append(Check(f"{name}: lower bound at most upper", max(0.0, nearest(lower - upper)), lower <= upper))
    return checks, proved


def _second_price(instance: price.Instance, certificate: Mapping[str, Any]) -> tuple[list[Check], dict[str, Bracket]]:
    """One bracket for the grid, with the reserve also approached from below, and for the continuum."""
    part = certificate["continuum"]
    reserve = number(part["reserve"])
    fixed = instance.reserve is not None
    same = instance.reserve == reserve if fixed else 0 <= reserve <= 1
    checks = [Check("the reserve is the one given" if fixed else "the reserve lies in [0, 1]", 0.0, bool(same))]
    low, found = price.lower(instance, reserve, part)
    checks += _named("multipliers", found)
    high, found = price.upper(instance, reserve, part["nature"])
    checks += _named("nature", found)
    if not fixed:
        high = number(part["every_reserve"])
        if instance.mean is None:
            checks += _named("every reserve", upper_cover(instance, high, part["cover"]))
        else:
            checks += _named("every reserve", price.upper_all(instance, high))
    bracket = (low, high)
    return checks, {"continuum": bracket, "finite": bracket}


def _sought(instance: price.Instance, certificate: Mapping[str, Any]) -> tuple[list[Check], dict[str, Bracket]]:
    """The grid's bracket by the left rule; the continuum's by the right rule and the grid's nature, or by curves."""
    grid = tables.Grid(instance)
    finite, whole = certificate["finite"], certificate["continuum"]
    low, checks = tables.lower(grid, finite["mechanism"], left=True)
    high, found = tables.upper(grid, finite["nature"])
    checks = _named("grid", checks) + _named("nature on the grid", found)
    rounded, found = tables.lower(grid, whole["mechanism"], left=False)
    checks += _named("reports rounded up", found)
    best, least = rounded, high  # fewer types only help the seller: the grid's upper bound holds on the continuum
    if "curve" in whole:
        found_low, found = LOWER_CURVES[instance.mechanism](instance, whole["curve"])
        best, checks = max(best, found_low), checks + _named("curve", found)
    if "loglinear" in whole:
        found_low, found = together.lower(instance, whole["loglinear"])
        best, checks = max(best, found_low), checks + _named("log-linear", found)
    if "cells" in whole and instance.mechanism == "highest-bidder-lottery":
        found_low, found = lottery.lower(instance, whole["cells"])
        best, checks = max(best, found_low), checks + _named("cells", found)
    if "cells_nature" in whole and instance.mechanism == "highest-bidder-lottery":
        found_high, found = lottery.upper(instance, whole["cells_nature"])
        least, checks = min(least, found_high), checks + _named("nature on cells", found)
    if "nature_curve" in whole:
        found_high, found = UPPER_CURVES[instance.mechanism](instance, whole["nature_curve"])
        least, checks = min(least, found_high), checks + _named("curve", found)
    return checks, {"continuum": (best, least), "finite": (low, high)}


def _any(instance: price.Instance, certificate: Mapping[str, Any]) -> tuple[list[Check], dict[str, Bracket]]:
    """The grid's bracket, and the continuum's by a log-linear mechanism and by densities, or by the grid's nature."""
    finite, whole = certificate["finite"], certificate["continuum"]
    low, checks = together.grid_lower(instance, finite["mechanism"])
    high, found = together.grid_upper(instance, finite["nature"])
    checks = _named("grid", checks) + _named("nature on the grid", found)
    best, least = ZERO, high  # fewer types only help the seller: the grid's upper bound holds on the continuum
    if "loglinear" in whole:
        found_low, found = together.lower(instance, whole["loglinear"])
        best, checks = max(best, found_low), checks + _named("log-linear", found)
    if "density" in whole:
        found_high, found = together.upper(instance, whole["density"])
        least, checks = min(least, found_high), checks + _named("densities", found)
    return checks, {"continuum": (best, least), "finite": (low, high)}


def _named(name: str, checks: list[Check]) -> list[Check]:
    return [Check(f"{name}: {c.name}", c.residual, c.passed, c.detail) for c in checks]


def bracket_text(bracket: Bracket) -> dict[str, str]:
    """A bracket as a certificate holds it."""
    return {"lower": text(bracket[0]), "upper": text(bracket[1])}
