"""Bundles of goods: as users write them ("1+3"), and as bit masks for everything else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from mechopt.models.inputs import InputError, fail, shorten

NOTHING = 0  # the empty bundle
_WRITTEN = re.compile(r"[0-9]{1,9}(\+[0-9]{1,9})*", re.ASCII)


def read(written: str, goods: int) -> int:
    """The mask of a bundle written as "1+3"; "" and "0" are the empty one. Raises ValueError saying what is wrong.

    >>> assert read("2 + 1", 2) == 3 and read("", 2) == read("0", 2) == NOTHING
    """
    compact = "".join(written.split())
    if compact in ("", "0"):
        return NOTHING
    if not _WRITTEN.fullmatch(compact):
        raise ValueError('goods joined by "+", such as "1+2"')
    mask = 0
    for good in map(int, compact.split("+")):
        if not 1 <= good <= goods:
            raise ValueError(f"goods from 1 to {goods}")
        if mask >> (good - 1) & 1:
            raise ValueError(f"good {good} once")
        mask |= 1 << (good - 1)
    return mask


def members(bundle: int) -> list[int]:
    """The goods of a bundle, counted from zero.

    >>> members(0b101)
    [0, 2]
    """
    return [j for j in range(bundle.bit_length()) if bundle >> j & 1]


def label(bundle: int) -> str:
    """A bundle as users write it.

    >>> label(0b101), label(NOTHING)
    ('1+3', '0')
    """
    return "+".join(str(j + 1) for j in members(bundle)) or "0"


def bundles(goods: int) -> list[int]:
    """All bundles, the smallest first.

    >>> [label(bundle) for bundle in bundles(2)]
    ['0', '1', '2', '1+2']
    """
    return sorted(range(1 << goods), key=order)


def order(bundle: int) -> tuple[int, list[int]]:
    """The key that sorts bundles by size, then by their goods."""
    return bundle.bit_count(), members(bundle)


def subsets(bundle: int) -> Iterator[int]:
    """Every subset of a bundle, itself first, nothing last.

    >>> list(subsets(0b101))
    [5, 4, 1, 0]
    """
    part = bundle
    while part:
        yield part
        part = (part - 1) & bundle
    yield NOTHING


def total(numbers: Sequence[Any], bundle: int) -> Any:
    """The sum of one number per good over the goods of a bundle.

    >>> total([1, 10, 100], 0b101)
    101
    """
    return sum(numbers[j] for j in members(bundle))


def canonical(prices: Mapping[str, Fraction], goods: int) -> dict[str, Fraction]:
    """A price table with its bundles in one spelling and order, the empty one left out.

    Raises InputError listing every bundle that cannot be, is listed twice, or has a price that cannot be.
    """
    found: dict[int, tuple[str, Fraction]] = {}
    problems: list[InputError] = []
    for written, price in prices.items():
        field = f"prices.{written}"
        try:
            bundle = read(written, goods)
        except ValueError as error:
            hint = f'name bundles of {goods} goods as "1" or "{label(2**goods - 1)}"'
            problems.append(fail(field, str(error), f'"{written}"', hint))
            continue
        if bundle in found:
            hint = f'"{found[bundle][0]}" is the same one; drop either'
            problems.append(fail(field, "a bundle not listed before", f'"{written}"', hint))
        elif bundle == NOTHING and price != 0:
            why = "a buyer must be free to leave" if price > 0 else "nobody would be paid to leave"
            problems.append(fail(field, "0 for the empty bundle", price, f"{why}; leave it out, it is 0"))
        elif price < 0:
            problems.append(fail(field, "a price of at least 0", price))
        found.setdefault(bundle, (written, price))
    everything = (1 << goods) - 1
    if everything not in found and not problems:
        hint = "a bundle left out is not for sale; to refuse this one, price it above the sum of upper"
        expected = f'a price for the bundle of all goods, "{label(everything)}"'
        problems.append(fail("prices", expected, shorten(", ".join(prices)) or "none", hint))
    if problems:
        raise InputError(*(line for problem in problems for line in problem.problems))
    return {label(bundle): found[bundle][1] for bundle in sorted(found, key=order) if bundle}
