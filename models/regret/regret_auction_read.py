"""An auction's instance as its checker reads it: straight from the file, in rationals, without the model's code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mechopt.models.checking import number
from mechopt.solvers.rational import Rational


class Instance:
    """The stated problem, read again from its file: exact bounds (I, J), grids and types."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.bidders, self.points = _count(parameters["bidders"]), _count(parameters["points"])
        upper = parameters["upper"]
        rows = upper if isinstance(upper[0], list) else [upper] * self.bidders
        self.upper = [[number(x) for x in row] for row in rows]
        self.goods = len(self.upper[0])
        self.lower = [number(x) for x in parameters.get("lower") or [0] * self.goods]
        if len(self.upper) != self.bidders or any(len(row) != len(self.lower) for row in self.upper):
            raise ValueError("one upper bound per bidder and good, one lower bound per good")
        if any(lo < 0 or hi <= lo for row in self.upper for lo, hi in zip(self.lower, row, strict=True)):
            raise ValueError("lower bounds are nonnegative and below upper bounds")
        self.best = [max(column) for column in zip(*self.upper, strict=True)]
        self.from_zero = not any(self.lower)

    def value(self, bidder: int, good: int, step: int) -> Rational:
        """A bidder's value for a good at a step of the grid."""
        low = self.lower[good]
        return low + (self.upper[bidder][good] - low) * step / self.points

    def type(self, bidder: int, position: Any) -> tuple[Rational, ...]:
        """A bidder's values by the type's place in the list in which the last good moves fastest."""
        if not isinstance(position, int) or isinstance(position, bool) or position < 0:
            raise ValueError(f"no type {position!r}")
        found, left = [], position
        for good in reversed(range(self.goods)):
            left, step = divmod(left, self.points + 1)
            found.append(self.value(bidder, good, step))
        if left:
            raise ValueError(f"no type {position!r}")
        return tuple(reversed(found))


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"expected a positive integer, got {value!r}")
    return value
