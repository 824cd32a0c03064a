"""Upper bounds of an auction's values as users write them: one list for every bidder, or one list per bidder."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, TypeAdapter, ValidationError, WithJsonSchema

from mechopt.models.inputs import InputError, Number, Problem, fail, plain, shorten, translate

Bounds = tuple[Fraction, ...] | tuple[tuple[Fraction, ...], ...]
MOST_BIDDERS = 1000
_READER: TypeAdapter[Fraction] = TypeAdapter(Number)


def _number(value: object, field: str, problems: list[Problem]) -> Fraction:
    try:
        return _READER.validate_python(value)
    except ValidationError as error:
        problems.extend(problem.inside(field) for problem in translate(error).problems)
        return Fraction(1)


def _read(value: object) -> Bounds:
    """One number per good, or a list per bidder of such lists; every wrong entry is reported by its own place."""
    if not isinstance(value, list | tuple):
        raise fail("", "a list", shorten(value), "write upper = [1, 2] for two goods")
    if not value:
        raise fail("", "one positive number per good", "none", "write upper = [1, 2] for two goods")
    problems: list[Problem] = []
    nested = any(isinstance(row, list | tuple) for row in value)
    found: list[Any] = []
    for i, row in enumerate(value):
        if not nested:
            found.append(_number(row, f"[{i}]", problems))
        elif isinstance(row, list | tuple):
            found.append(tuple(_number(x, f"[{i}][{j}]", problems) for j, x in enumerate(row)))
        else:
            hint = "either one number per good, or one list per bidder"
            problems.append(Problem(f"[{i}]", "a list, as for the other bidders", shorten(row), hint))
    if problems:
        raise InputError(*problems)
    return tuple(found)


def _write(bounds: Bounds) -> list[Any]:
    return [[plain(x) for x in row] if isinstance(row, tuple) else plain(row) for row in bounds]


_LIST = {"type": "array", "items": _READER.json_schema(), "minItems": 1}
Upper = Annotated[
    Bounds,
    PlainValidator(_read),
    PlainSerializer(_write),
    WithJsonSchema({"anyOf": [_LIST, {"type": "array", "items": _LIST, "minItems": 1}]}),
]


def bounds_of(bidders: int, upper: Bounds) -> tuple[tuple[Fraction, ...], ...]:
    """The bounds per bidder and good, (I, J), whichever way they were written.

    >>> assert bounds_of(2, (Fraction(1),)) == ((1,), (1,))
    """
    rows = [row for row in upper if isinstance(row, tuple)]
    numbers = tuple(x for x in upper if not isinstance(x, tuple))
    return tuple(rows) if rows else (numbers,) * bidders


def check_bounds(bidders: int, upper: Bounds, lower: Sequence[Fraction]) -> None:
    """Raise InputError unless there is a list per bidder, all of one length, positive, and above the lower bounds."""
    if bidders > MOST_BIDDERS:
        raise fail("bidders", f"at most {MOST_BIDDERS:,} bidders", bidders)
    per_bidder = isinstance(upper[0], tuple)
    if per_bidder and len(upper) != bidders:
        raise fail("upper", f"{bidders} lists, one per bidder", f"{len(upper)}", "or one list for every bidder")
    goods = len(bounds_of(1, upper)[0])
    if not goods:
        raise fail("upper[0]", "one positive number per good", "none", "write upper = [[1], [2]] for one good")
    numbers = "number" if goods == 1 else "numbers"
    if len(lower) != goods:
        raise fail("lower", f"{goods} {numbers}, one per good", f"{len(lower)}", "or leave it out for zeros")
    for j, number in enumerate(lower):
        if number < 0:
            raise fail(f"lower[{j}]", "a number of at least 0", number)
    for i, row in enumerate(bounds_of(1, upper)):
        place = f"upper[{i}]" if per_bidder else "upper"
        if len(row) != goods:
            raise fail(place, f"{goods} {numbers}, one per good", f"{len(row)}")
        for j, number in enumerate(row):
            if number <= 0:
                raise fail(f"{place}[{j}]", "a positive number", number, "leave out a good nobody values")
            if lower[j] >= number:
                raise fail(f"lower[{j}]", f"a number below {place}[{j}] = {plain(number)}", lower[j])
