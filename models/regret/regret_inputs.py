"""What `regret-pricing` refuses, field by field."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from mechopt.models.inputs import fail, plain

if TYPE_CHECKING:
    from mechopt.models.regret.regret_pricing import RegretPricing


def check_first(model: RegretPricing) -> None:
    """What must hold before the number of goods is known. Raises InputError."""
    if (model.points is None) == (model.profiles is None):
        got = "neither" if model.points is None else "both"
        raise fail("points", "either points or profiles", got, "points = 20 makes a grid of 20 steps per good")
    if model.profiles is not None:
        _check_profiles(model.profiles, model.upper)
    elif not model.upper:
        raise fail("upper", "one positive number per good", "none", "write upper = [1, 2] for two goods")


def check_numbers(model: RegretPricing) -> None:
    """Lengths, signs and order of every number. Raises InputError."""
    for field in ("cost", "lower"):
        given = getattr(model, field)
        if len(given) != model.goods:
            raise fail(field, f"{model.goods} numbers, one per good", f"{len(given)}", "or leave it out for zeros")
        for j, number in enumerate(given):
            if number < 0:
                raise fail(f"{field}[{j}]", "a number of at least 0", number)
    for j, number in enumerate(model.upper):
        if number <= 0:
            raise fail(f"upper[{j}]", "a positive number", number, "leave out a good nobody values")
        if model.lower[j] >= number:
            raise fail(f"lower[{j}]", f"a number below upper[{j}] = {number}", model.lower[j])
    _check_budget(model)
    if model.budget is not None and any(moment.power > 1 for moment in model.moments):
        raise fail("moments", "power 1 together with a budget", "a higher power", "drop the budget or the moment")
    _ = model.sides  # refuses goods there are not
    for i, row in enumerate(model.profiles or ()):
        for j, number in enumerate(row):
            if number < model.lower[j] or (model.upper and number > model.upper[j]):
                limits = f"[{model.lower[j]}, {model.upper[j] if model.upper else 'inf'}]"
                raise fail(f"profiles[{i}][{j}]", f"a value in {limits}", number)


def _check_budget(model: RegretPricing) -> None:
    if model.budget is None:
        return
    if model.profiles is not None:
        raise fail("budget", "a grid of points", "profiles", "list only the profiles within the budget")
    least = sum(model.lower, Fraction(0))
    if model.budget <= least:
        expected = f"more than the {plain(least)} of the lowest values"
        raise fail("budget", expected, model.budget, "the set would be empty")


def _check_profiles(profiles: Sequence[Sequence[Fraction]], upper: Sequence[Fraction]) -> None:
    if not profiles or not profiles[0]:
        raise fail("profiles", "at least one value profile", "none", "write profiles = [[1, 2], [2, 1]]")
    goods = len(upper) or len(profiles[0])
    seen: dict[Sequence[Fraction], int] = {}
    for i, row in enumerate(profiles):
        if len(row) != goods:
            raise fail(f"profiles[{i}]", f"{goods} values, one per good", f"{len(row)}")
        if row in seen:
            values = [float(x) for x in row]
            again = f"{values}, also profiles[{seen[row]}]"
            raise fail(f"profiles[{i}]", "a profile not listed before", again, "drop it")
        seen[row] = i
        for j, number in enumerate(row):
            if number < 0:
                raise fail(f"profiles[{i}][{j}]", "a value of at least 0", number)
