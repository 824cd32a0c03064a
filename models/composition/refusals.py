"""Compositions that make no sense, refused with the reason and the nearest one that does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mechopt.models.composition.criteria import distributions
from mechopt.models.inputs import InputError, fail

if TYPE_CHECKING:
    from mechopt.models.design import Design


def refuse(design: Design) -> None:
    """Raise InputError for parts that do not fit each other."""
    environment, incentives, restrictions = design.environment, design.incentives, design.restrictions
    for suffix, goal in design.goals:
        place = "criterion" if not suffix else f"restrictions.floors[{int(suffix[1:]) - 1}]"
        try:
            distributions(goal, environment)
        except InputError as error:
            raise error.within(place) from None
    if incentives.interim:
        try:
            if environment.profiles <= 200_000:
                incentives.tables(environment)
        except InputError as error:
            raise error.within("incentives") from None
    elif incentives.priors:
        raise fail("incentives.priors", "no priors beside ex-post rows", f"{len(incentives.priors)} priors",
                   'write truth = "bayesian", or participation = "interim", to average under them')  # fmt: skip
    _payments(design)
    if restrictions.efficient:
        if restrictions.reserve and any(r > c for r, c in zip(restrictions.reserve, environment.cost, strict=False)):
            raise fail("restrictions.reserve", "no reserve above cost where the sale must be efficient", "both",
                       "keep efficient alone, or highest_bidder_only = true with the reserve")  # fmt: skip
        if environment.goods_per_bidder is None and restrictions.highest_bidder_only and max(environment.supply) > 1:
            raise fail("restrictions.highest_bidder_only", "efficient alone where several units are sold", "both",
                       "an efficient sale serves the second highest as well")  # fmt: skip
    if restrictions.anonymous and len(set(environment.exact)) > 1:
        raise fail("restrictions.anonymous", "bidders with the same types", "types that differ",
                   "leave anonymous out, or give all bidders the same types")  # fmt: skip
    for name, length in (("reserve", environment.goods), ("budgets", environment.count)):
        given = getattr(restrictions, name)
        if given and len(given) != length and not (name == "budgets" and len(given) == 1):
            what = "good" if name == "reserve" else "bidder"
            raise fail(f"restrictions.{name}", f"{length} number{'s' * (length > 1)}, one per {what}", f"{len(given)}")


def _payments(design: Design) -> None:
    """Refuse payments that nothing bounds."""
    incentives, budgets = design.incentives, design.restrictions.budgets
    pays = [goal.measure.revenue > goal.measure.utility for _, goal in design.goals[:1]]
    if incentives.participation == "none" and any(pays) and not budgets:
        raise fail("incentives.participation", "participation, or budgets, where payments count", "none",
                   'payments could grow without limit; write participation = "interim", or budgets = [1]')  # fmt: skip
    if design.criterion.measure.utility > design.criterion.measure.revenue:
        raise fail("criterion.measure", "a weight of utility at most that of revenue", design.criterion.measure.words(),
                   "paying the buyers would improve it without limit; the nearest is welfare")  # fmt: skip
