"""Nested lists of numbers a user wrote, as arrays of exact fractions: shapes checked, every entry named when wrong."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import WithJsonSchema

from mechopt.models.inputs import exact, fail, plain, shorten

Exact = NDArray[np.object_]  # of fractions
SUM = Fraction(1, 10**9)  # how far a row of probabilities may miss one before it is refused
_NUMBER = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?\d+(/\d+|\.\d+)?$"}]}
Nested = Annotated[Any, WithJsonSchema({"type": "array", "items": {"anyOf": [*_NUMBER["anyOf"], {"type": "array"}]}})]


def table(field: str, content: object, axes: Sequence[tuple[tuple[str, int], ...]]) -> Exact:
    """Nested lists as an array of fractions whose shape is one of `axes`, each a tuple of (what is counted, how many).

    Raises InputError naming the first list of a wrong length, or the first entry that is not a finite number.

    >>> made = table("cost", [0, "1/3"], [(("action", 2),)])
    >>> assert made.shape == (2,) and made[1] == Fraction(1, 3)
    """
    if isinstance(content, np.ndarray):
        content = content.tolist()
    depth = _depth(content)
    fitting = [option for option in axes if len(option) == depth]
    if not fitting:
        expected = " or ".join(_told(option) for option in axes)
        raise fail(field, expected, f"{depth} levels of lists" if depth else shorten(content))
    made = np.empty(tuple(size for _, size in fitting[0]), dtype=object)
    _fill(made, field, content, fitting[0], ())
    return made


def _told(option: tuple[tuple[str, int], ...]) -> str:
    return ", each of ".join(f"a list with one entry per {name} ({size})" for name, size in option) or "a number"


def _depth(content: object) -> int:
    depth = 0
    while isinstance(content, list | tuple):
        depth += 1
        content = content[0] if content else 0
    return depth


def _fill(made: Exact, field: str, content: Any, axes: tuple[tuple[str, int], ...], at: tuple[int, ...]) -> None:
    place = field + "".join(f"[{k}]" for k in at)
    if len(at) == len(axes):
        made[at] = number(place, content)
        return
    name, size = axes[len(at)]
    if not isinstance(content, list | tuple):
        raise fail(place, f"a list with one entry per {name} ({size})", shorten(content))
    if len(content) != size:
        raise fail(place, f"{size} entries, one per {name}", f"{len(content)}")
    for k, inner in enumerate(content):
        _fill(made, field, inner, axes, (*at, k))


def number(field: str, content: Any) -> Fraction:
    """One number, exactly. Raises InputError for anything that is not one."""
    try:
        found = exact(content.item() if hasattr(content, "item") else content)
    except ValueError:
        raise fail(field, "a finite number", shorten(content), 'write 0.5, 3 or a rational such as "1/3"') from None
    if abs(found) > 10**15:
        raise fail(field, "at most 1e15 in size", shorten(content), "choose a larger unit of money")
    return found


def probabilities(field: str, row: Exact, what: str) -> Exact:
    """A row of probabilities, normalised exactly. Raises InputError naming `what` and the sum when it is not one."""
    for k, chance in enumerate(row):
        if chance < 0:
            raise fail(f"{field}[{k}]", f"a number of at least 0 ({what})", chance)
    total = sum(row, Fraction(0))
    if abs(total - 1) > SUM:
        got = f"the sum {plain(total) if total.denominator < 10**9 else float(total)}"
        raise fail(field, f"probabilities that sum to 1 ({what})", got, 'write thirds as "1/3"')
    return row if total == 1 else np.array([p / total for p in row], dtype=object)


def lists(made: Exact) -> Any:
    """The array as nested lists in the shortest exact form, as files hold it."""
    if made.ndim == 0:
        return plain(made.item())
    return [lists(np.asarray(row, dtype=object)) if made.ndim > 1 else plain(row) for row in made]


def floats(made: Exact) -> NDArray[np.float64]:
    """The array in floats."""
    return made.astype(float)
