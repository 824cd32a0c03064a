"""What users may write: exact numbers, and errors that say the field, what was expected, what came, what to do."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Annotated, Any, TypeVar, dataclass_transform

import pydantic
import pydantic.dataclasses
from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

T = TypeVar("T")
MOST_SHOWN = 10


@dataclass(frozen=True)
class Problem:
    """One thing wrong with an input."""

    field: str
    expected: str
    got: str
    hint: str = ""

    def inside(self, prefix: str) -> Problem:
        """The same problem with its field named from the outside."""
        dot = "." if self.field and not self.field.startswith("[") else ""
        return replace(self, field=f"{prefix}{dot}{self.field}")

    def __str__(self) -> str:
        line = f"{self.field}: expected {self.expected}, got {self.got}"
        return f"{line}; {self.hint}" if self.hint else line


class InputError(ValueError):
    """Bad input, found before any solver ran. `problems` lists all of it, one line each.

    >>> print(InputError(Problem("points", "a positive integer", "0", "use 20")))
    points: expected a positive integer, got 0; use 20
    """

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        lines = [str(problem) for problem in problems[:MOST_SHOWN]]
        if len(problems) > MOST_SHOWN:
            more = f"{len(problems) - MOST_SHOWN} more problems"
            lines.append(str(Problem("input", "valid fields", more, "mend these first")))
        super().__init__("\n".join(lines))

    def within(self, prefix: str, unless: str = "\0") -> InputError:
        """The same error with every field named from the outside, except those that start with `unless`."""
        return InputError(*(p if p.field.startswith(unless) else p.inside(prefix) for p in self.problems))


def fail(field: str, expected: str, got: object, hint: str = "") -> InputError:
    """An InputError with a single problem."""
    if isinstance(got, Fraction):
        got = plain(got)
    return InputError(Problem(field, expected, got if isinstance(got, str) else shorten(got), hint))


def shorten(value: object, width: int = 60) -> str:
    """A value on one line, cut when long."""
    shown = value if isinstance(value, str) else repr(value)
    shown = " ".join(shown.split())
    return shown if len(shown) <= width else shown[: width - 3] + "..."


def exact(value: object) -> Fraction:
    """A user's number as a fraction: "1/3", "0.1" and 0.1 mean the third and the tenth.

    A float stands for its shortest decimal, which is what its user typed. Raises ValueError for the rest.

    >>> assert exact("1/3") == Fraction(1, 3) and exact(0.1) == Fraction(1, 10)
    """
    if isinstance(value, Fraction):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("not a number")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("not finite")
        return Fraction(repr(value))
    try:
        return Fraction(value)
    except ZeroDivisionError:
        raise ValueError("division by zero") from None


def plain(value: Fraction) -> int | float | str:
    """The number as a file shows it: an integer, a decimal that means the same, or "p/q".

    >>> assert [plain(Fraction(*x)) for x in ((4, 2), (1, 4), (1, 3))] == [2, 0.25, "1/3"]
    """
    if value.denominator == 1:
        return value.numerator
    try:
        return float(value) if Fraction(repr(float(value))) == value else str(value)
    except OverflowError:
        return str(value)


def _read(value: object) -> Fraction:
    if hasattr(value, "item"):  # a NumPy number
        value = value.item()
    try:
        number = exact(value)
    except ValueError:
        hint = 'write 0.5, 3 or a rational such as "1/3"'
        raise PydanticCustomError(
            "mechopt", "{e}", {"e": "a finite number", "got": shorten(value), "hint": hint}
        ) from None
    if abs(number) > Fraction(10) ** 15:
        hint = "choose a larger unit of money"
        raise PydanticCustomError("mechopt", "{e}", {"e": "at most 1e15 in size", "got": shorten(value), "hint": hint})
    return number


Number = Annotated[
    Fraction,
    BeforeValidator(_read),
    PlainSerializer(plain),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?\d+(/\d+|\.\d+)?$"}]}),
]
Count = Annotated[int, Field(strict=True, ge=1)]


_KINDS = {
    "missing": "a value",
    "extra_forbidden": "no such field",
    "unexpected_keyword_argument": "no such field",
    "list_type": "a list",
    "tuple_type": "a list",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "dict_type": "a table",
}


def _expected(error: Mapping[str, Any]) -> str:
    context = error.get("ctx", {})
    if "e" in context:
        return str(context["e"])
    if error["type"] == "greater_than_equal":
        return f"an integer of at least {context['ge']}"
    return _KINDS.get(error["type"], str(error["msg"]).removeprefix("Input should be "))


def translate(error: pydantic.ValidationError, known: Iterable[str] = ()) -> InputError:
    """A pydantic error in our words; `known` are the fields that exist, named when an unknown one came."""
    problems: list[Problem] = []
    for item in error.errors(include_url=False):
        steps = [f"[{s}]" if isinstance(s, int) else f".{s}" for s in item["loc"] if s != "function-before"]
        field = "".join(steps).lstrip(".")
        context = item.get("ctx", {})
        if isinstance(context.get("error"), InputError):  # raised by our own __post_init__
            problems.extend(p.inside(field) if field else p for p in context["error"].problems)
            continue
        unknown = item["type"] in ("extra_forbidden", "unexpected_keyword_argument")
        got = "none" if item["type"] == "missing" else context.get("got", shorten(item["input"]))
        hint = f"the fields are {', '.join(known)}" if unknown and known else context.get("hint", "")
        problems.append(Problem(field, _expected(item), got, hint))
    return InputError(*problems)


def require_bounds(at_least: Fraction | None, at_most: Fraction | None) -> None:
    """Raise InputError when neither bound of a moment is given, or they leave nothing between them."""
    if at_least is None and at_most is None:
        raise fail("at_least", "at_least, at_most or both", "neither")
    if at_least is not None and at_most is not None and at_least > at_most:
        raise fail("at_least", f"at most at_most = {plain(at_most)}", at_least)


@dataclass_transform(kw_only_default=True, frozen_default=True)
def checked(cls: type[T]) -> type[T]:
    """A frozen pydantic dataclass whose constructor raises InputError, refusing unknown fields."""
    config = pydantic.ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    made = pydantic.dataclasses.dataclass(frozen=True, config=config, kw_only=True)(cls)
    original = made.__init__
    names = tuple(made.__dataclass_fields__)

    @functools.wraps(original)
    def __init__(self: Any, **fields: Any) -> None:
        fields = {k: v.tolist() if hasattr(v, "tolist") else v for k, v in fields.items()}  # NumPy arrays are lists
        try:
            original(self, **fields)
        except pydantic.ValidationError as error:
            raise translate(error, names) from None

    made.__init__ = __init__  # type: ignore[method-assign]
    return made  # type: ignore[return-value]
