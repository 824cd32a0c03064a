"""What an environment may not be: lists that do not fit each other, and numbers out of their range."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from mechopt.models.inputs import fail, plain
from mechopt.models.regret.regret_auction_bounds import bounds_of

if TYPE_CHECKING:
    from mechopt.models.composition.environment import Environment

MOST_BIDDERS = 6
MOST_GOODS = 8
MOST_TYPES = 200_000


def check_counts(environment: Environment) -> None:
    """Raise InputError for lists whose lengths do not fit each other."""
    listed = environment.types if environment.types is not None else environment.distributions
    name = "types" if environment.types is not None else "distributions"
    if listed is not None:
        if not listed:
            raise fail(name, "a list per bidder", "none")
        if environment.bidders is not None and len(listed) not in (1, environment.bidders):
            raise fail(name, f"{environment.bidders} lists, one per bidder, or one for all", f"{len(listed)}")
    if environment.types is not None:
        goods = len(environment.types[0][0]) if environment.types[0] else 0
        for i, own in enumerate(environment.types):
            if not own:
                raise fail(f"types[{i}]", "at least one type", "none")
            seen: set[tuple[Fraction, ...]] = set()
            for k, t in enumerate(own):
                if len(t) != goods or not t:
                    raise fail(f"types[{i}][{k}]", f"{goods or 'some'} values, one per good", f"{len(t)}")
                if t in seen:
                    raise fail(f"types[{i}][{k}]", "a type not listed before", [plain(x) for x in t], "drop one")
                seen.add(t)
            if goods == 1 and list(own) != sorted(own):
                raise fail(f"types[{i}]", "types in increasing order", [plain(t[0]) for t in own])
    if environment.upper is not None:
        rows = bounds_of(1, environment.upper)
        per_bidder = isinstance(environment.upper[0], tuple)
        if per_bidder and environment.bidders not in (None, len(rows)):
            raise fail("upper", f"{environment.bidders} lists, one per bidder", f"{len(rows)}")
        for i, row in enumerate(rows):
            if len(row) != len(rows[0]) or not row:
                raise fail(f"upper[{i}]", f"{len(rows[0]) or 'some'} numbers, one per good", f"{len(row)}")
    if environment.count > MOST_BIDDERS:
        raise fail("bidders", f"at most {MOST_BIDDERS} bidders", environment.count)
    if environment.goods > MOST_GOODS:
        raise fail("upper", f"at most {MOST_GOODS} goods", environment.goods)


def check_numbers(environment: Environment) -> None:
    """Raise InputError for numbers out of their range."""
    goods = environment.goods
    for name in ("cost", "supply", "lower"):
        if len(getattr(environment, name)) != goods:
            raise fail(name, f"{goods} number{'s' * (goods > 1)}, one per good", f"{len(getattr(environment, name))}")
    for j, c in enumerate(environment.cost):
        if c < 0:
            raise fail(f"cost[{j}]", "a number of at least 0", c)
    if environment.upper is not None:
        for i, row in enumerate(environment.bounds):
            for j, (low, high) in enumerate(zip(environment.lower, row, strict=True)):
                if low < 0:
                    raise fail(f"lower[{j}]", "a number of at least 0", low)
                if high <= low:
                    place = f"upper[{i}][{j}]" if isinstance(environment.upper[0], tuple) else f"upper[{j}]"
                    raise fail(place, f"a number above lower[{j}] = {plain(low)}", high)
        if environment.sum_at_most is not None and environment.sum_at_most < sum(environment.lower):
            raise fail("sum_at_most", "at least the sum of the lowest values", environment.sum_at_most)
        if ((environment.points or 1) + 1) ** goods > MOST_TYPES:
            got = f"{environment.points} steps for {goods} goods"
            raise fail("points", f"at most {MOST_TYPES:,} types", got, "use fewer points")
    for i, own in enumerate(environment.exact):
        for k, t in enumerate(own):
            if any(x < 0 for x in t):
                raise fail(f"types[{i}][{k}]", "values of at least 0", [plain(x) for x in t])
    if environment.goods_per_bidder is not None and environment.demand > 1:
        raise fail("goods_per_bidder", "demand = 1 beside it", f"demand = {environment.demand}")
