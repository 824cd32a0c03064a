"""What is known of the bidders' values, as users write it and as rows E[f_k(v)] <= b_k, and what of it is refused."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import numpy as np

from mechopt.models.inputs import Count, Number, checked, fail, plain, require_bounds
from mechopt.models.moments import Side, room

if TYPE_CHECKING:
    from mechopt.models.auctions.moment_auction import MomentAuction

Kind = Literal["second-price", "highest-bidder-lottery", "any"]
HIGHEST_POWER = 12
MOST_BIDDERS = 1000
MOST_TOGETHER = 5  # bidders whose profiles are listed


@checked
class BidderMoment:
    """at_least <= E[v_i^power] <= at_most for bidder i (counted from 1), or for every bidder when left out.

    >>> assert BidderMoment(bidder=1, at_least="1/2").power == 1
    """

    bidder: Count | None = None
    power: Count = 1
    at_least: Number | None = None
    at_most: Number | None = None

    def __post_init__(self) -> None:
        require_bounds(self.at_least, self.at_most)
        if self.power > HIGHEST_POWER:
            raise fail("power", f"a power of at most {HIGHEST_POWER}", self.power)
        for name in ("at_least", "at_most"):
            bound = getattr(self, name)
            if bound is not None and not 0 <= bound <= 1:
                raise fail(name, "a number in [0, 1], where the values and their powers lie", bound)

    def parameters(self) -> dict[str, object]:
        """As a file has it."""
        fields: dict[str, object] = {} if self.bidder is None else {"bidder": self.bidder}
        fields["power"] = self.power
        for name in ("at_least", "at_most"):
            if getattr(self, name) is not None:
                fields[name] = plain(getattr(self, name))
        return fields


def sides(moments: Sequence[BidderMoment], bidders: int) -> tuple[Side, ...]:
    """All rows of a list of moments, `good` of a row being the bidder. Raises InputError for a bidder there is not."""
    rows = []
    for i, moment in enumerate(moments):
        if moment.bidder is not None and moment.bidder > bidders:
            raise fail(f"moments[{i}].bidder", f"a bidder from 1 to {bidders}", moment.bidder)
        for bidder in range(bidders) if moment.bidder is None else [moment.bidder - 1]:
            if moment.at_most is not None:
                rows.append(Side(bidder, moment.power, 1, moment.at_most, f"moments[{i}].at_most"))
            if moment.at_least is not None:
                rows.append(Side(bidder, moment.power, -1, -moment.at_least, f"moments[{i}].at_least"))
    return tuple(rows)


def check_fields(model: MomentAuction) -> None:
    """Raise InputError for fields that do not fit each other."""
    if model.bidders > MOST_BIDDERS:
        raise fail("bidders", f"at most {MOST_BIDDERS}", model.bidders)
    if (model.mean is None) == (not model.moments):
        got = "neither" if model.mean is None else "both"
        raise fail("mean", "mean or moments, one of them", got, "write mean = 0.5")
    if model.mean is not None and not 0 < model.mean < 1:
        raise fail("mean", "a number inside (0, 1)", model.mean, "at 0 and 1 the revenue is 0 and 1, by any auction")
    if model.moments and model.mechanism == "highest-bidder-lottery":
        expected = f"mean, which is all that {model.mechanism} is solved for"
        raise fail("moments", expected, f"{len(model.moments)} moments", 'or write mechanism = "any"')
    if model.mechanism == "any" and (named := [m.bidder for m in model.moments if m.bidder is not None]):
        hint = "leave out bidder, so that the moment holds for all"
        raise fail("moments", 'moments of all bidders with mechanism = "any"', f"one of bidder {named[0]}", hint)
    if model.reserve is not None and model.mechanism != "second-price":
        raise fail("reserve", 'no reserve unless mechanism = "second-price"', model.reserve, "leave it out")
    if model.reserve is not None and not 0 <= model.reserve <= 1:
        raise fail("reserve", "a number in [0, 1]", model.reserve, "or leave it out for the best one")
    if model.mechanism == "any" and model.bidders > MOST_TOGETHER:
        hint = "the highest-bidder-lottery takes any number, and is nearly the best for many"
        raise fail("bidders", f'at most {MOST_TOGETHER} with mechanism = "any"', model.bidders, hint)
    model.sides  # noqa: B018 - refuses bidders there are not


def check_possible(model: MomentAuction) -> None:
    """Raise InputError naming the moments in conflict when no distribution on the grid has them all."""
    nodes = {Fraction(k, model.points) for k in range(model.points + 1)} | {model.reserve or Fraction(0)}
    for bidder in range(model.bidders):
        rows = [side for side in model.sides if side.good == bidder]
        if model.moments and rows and not (bidder and all(m.bidder is None for m in model.moments)):
            room(np.array([[float(x)] * (bidder + 1) for x in sorted(nodes)]), rows)
