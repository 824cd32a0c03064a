"""How large an auction's program and its mechanism are, counted before anything is built."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mechopt.solvers.memory import Size

if TYPE_CHECKING:
    from mechopt.models.regret.regret_auction import RegretAuction

MANY = 10**18  # counts stop about here: what is larger is refused all the same
LARGEST_TABLE = 1_000_000  # allocations and payments a mechanism may list, one by one


def program_size(model: RegretAuction, method: str) -> Size:
    """The program a method solves: a price lottery, (3.1) by orbits of the bidders, or (3.1) with every row."""
    n, goods = model.points, model.goods
    if method == "reserve":
        return Size(3 * n + 2, 2 * n + 1, 8 * n)
    if method == "all-pairs":
        return _rows(model.profiles, model.profiles * model.bidders, goods, model.types)
    types, goods = (n + 1, 1) if method == "apart" else (model.types, goods)
    kinds = [model.bidders] if model.anonymous else [model.bounds.count(b) for b in dict.fromkeys(model.bounds)]
    orbits = min(MANY, math.prod(choose(types + size - 1, size) for size in kinds))
    seats = sum(orbits * size * types // (types + size - 1) for size in kinds)  # own type, and the others' orbit
    return _rows(orbits, seats, goods, 2 if goods == 1 else 4 * goods)  # in several goods generated, so about


def _rows(orbits: int, seats: int, goods: int, reports: int) -> Size:
    rows = orbits * (1 + goods) + seats * (1 + goods + reports)
    return Size(rows, 1 + seats * (1 + goods), seats * (reports * (2 * goods + 2) + 4 * goods + 2))


def table_size(model: RegretAuction, method: str) -> int:
    """Allocations and payments in the mechanism's table: by good where goods are sold apart, else by joint profile."""
    if method in ("reserve", "apart"):
        return min(MANY, power(model.points + 1, model.bidders) * model.bidders * model.goods * 2)
    return min(MANY, model.profiles * model.bidders * (model.goods + 1))


def power(base: int, exponent: int) -> int:
    """base^exponent, or MANY where that is less.

    >>> assert power(21, 2) == 441 and power(10**9, 10**9) == MANY
    """
    return MANY if exponent * math.log10(base) >= 18 else int(base**exponent)


def choose(n: int, k: int) -> int:
    """The binomial coefficient, or about MANY where that is less.

    >>> assert choose(22, 2) == 231 and choose(10**9, 10**8) == MANY
    """
    k = min(k, n - k)
    return MANY if k > 64 else min(MANY, math.comb(n, k))


def counted(number: int, thing: str) -> str:
    """A number of things in words.

    >>> counted(2, "bidder")
    '2 bidders'
    """
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
