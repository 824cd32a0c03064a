"""Axes of a sweep: what a sweep file writes under `axes`, read as a product of columns, one point per instance.

A table of axes is their product. An axis is a dotted key of an instance file with a list of values, a range or random
draws; `zip` holds tables whose axes move together; a list of tables is the union of their products.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any

import numpy as np
import pydantic

from mechopt.models.inputs import Count, InputError, Number, fail, plain, translate

Point = dict[str, Any]


class Range(pydantic.BaseModel):
    """Equally spaced numbers, both ends included, exact; with scale = "log" equally spaced in logarithm, as floats."""

    model_config = pydantic.ConfigDict(extra="forbid", populate_by_name=True)

    start: Number = pydantic.Field(alias="from")
    to: Number
    count: Count | None = None
    step: Number | None = None
    scale: Annotated[str, pydantic.Field(pattern="^(linear|log)$")] = "linear"

    def size(self) -> int:
        """How many values there are. Raises InputError for a range that has none."""
        if (self.count is None) == (self.step is None):
            raise fail("count", "either count or step", "both" if self.count else "neither")
        if self.count is not None:
            if self.count == 1 and self.start != self.to:
                raise fail("count", "at least 2 values between two ends", 1)
            return self.count
        assert self.step is not None
        if self.step == 0 or (self.to - self.start) / self.step < 0:
            raise fail("step", "a step that leads from one end to the other", self.step)
        if self.scale == "log":
            raise fail("step", "count, for a range on a log scale", self.step)
        return math.floor((self.to - self.start) / self.step) + 1

    def values(self) -> list[Any]:
        """The numbers as a file would write them."""
        count = self.size()
        if self.scale == "log":
            if min(self.start, self.to) <= 0:
                raise fail("from", "positive ends on a log scale", min(self.start, self.to))
            return [float(x) for x in np.geomspace(float(self.start), float(self.to), count)]
        step = self.step if self.step is not None else (self.to - self.start) / max(count - 1, 1)
        return [plain(self.start + k * Fraction(step)) for k in range(count)]


class Draw(pydantic.BaseModel):
    """Random numbers from a family of scipy.stats conditioned on `support`, or "integers" in it, by a seed."""

    model_config = pydantic.ConfigDict(extra="allow")

    family: str
    support: tuple[Number, Number]
    count: Count
    seed: Annotated[int, pydantic.Field(strict=True, ge=0)]

    def size(self) -> int:
        """How many values are drawn."""
        return self.count

    def values(self, key: str) -> list[Any]:
        """The numbers, the same for the same seed and key on every machine. Raises InputError."""
        low, high = self.support
        if not low < high:
            raise fail("support", "[a, b] with a < b", f"[{plain(low)}, {plain(high)}]")
        random = np.random.default_rng([self.seed, zlib.crc32(key.encode())])
        if self.family == "integers":
            if low.denominator != 1 or high.denominator != 1:
                raise fail("support", "integers", f"[{plain(low)}, {plain(high)}]")
            return [int(x) for x in random.integers(int(low), int(high), self.count, endpoint=True)]
        share = random.random(self.count)
        if self.family == "uniform" and not self.model_extra:
            return [float(low) + (float(high) - float(low)) * float(x) for x in share]
        return self._by_quantile(share, float(low), float(high))

    def _by_quantile(self, share: Any, low: float, high: float) -> list[Any]:
        """Draws of a family by its quantile function on the support."""
        import scipy.stats

        family = getattr(scipy.stats, self.family, None)
        if not isinstance(family, scipy.stats.rv_continuous):
            raise fail("family", '"integers" or a continuous family of scipy.stats', self.family)
        try:
            law = family(**(self.model_extra or {}))
            ends = law.cdf(np.array([low, high]))
        except TypeError as error:
            raise fail("family", "the shapes as scipy.stats names them", str(error)) from None
        if not (np.isfinite(ends).all() and ends[1] > ends[0]):
            raise fail("support", "an interval the family gives a positive chance", f"[{low:g}, {high:g}]")
        return [float(x) for x in np.clip(law.ppf(ends[0] + share * (ends[1] - ends[0])), low, high)]


@dataclass(frozen=True)
class Axis:
    """Columns that move together: the keys, and per step one value for each."""

    keys: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]


@dataclass(frozen=True)
class Grid:
    """The union of products of axes: how many points, and the points one by one, never all at once."""

    products: tuple[tuple[Axis, ...], ...]

    @property
    def keys(self) -> list[str]:
        """Every key any axis moves, in the file's order."""
        return list(dict.fromkeys(k for product in self.products for axis in product for k in axis.keys))

    def __len__(self) -> int:
        return sum(math.prod(len(axis.rows) for axis in product) for product in self.products)

    def __iter__(self) -> Iterator[Point]:
        for product in self.products:
            names = [key for axis in product for key in axis.keys]
            for rows in itertools.product(*(axis.rows for axis in product)):
                yield dict(zip(names, itertools.chain.from_iterable(rows), strict=True))


def read(tables: Any, limit: int) -> Grid:
    """The grid a file's `axes` describe, its size held against `limit` before anything long is made.

    Raises InputError naming the axis for one that is empty, repeated or unreadable, and for too many points.

    >>> grid = read({"parameters.points": [2, 4], "parameters.cost.0": {"from": 0, "to": 1, "count": 3}}, 100)
    >>> assert len(grid) == 6 and list(grid)[1] == {"parameters.points": 2, "parameters.cost.0": 0.5}
    """
    if isinstance(tables, Mapping):
        tables = [tables]
    if not isinstance(tables, list) or not tables or not all(isinstance(t, Mapping) for t in tables):
        raise fail("axes", "a table of axes, or a list of such tables", tables or "none", "see docs/sweeps.md")
    written = [_flatten(table) for table in tables]
    total = sum(math.prod(_length(key, axis) for key, axis in table) for table in written)
    if total > limit:
        hint = f"write limit = {total} in the sweep file to run them all"
        raise fail("axes", f"at most {limit:,} instances", f"{total:,}", hint)
    grid = Grid(tuple(tuple(_axis(key, axis) for key, axis in table) for table in written))
    for product in grid.products:
        names = [key for axis in product for key in axis.keys]
        for key in names:
            if names.count(key) > 1:
                raise fail(f"axes.{key}", "a key once", f"{names.count(key)} times", "put one of them elsewhere")
    return grid


def _flatten(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """The axes of a table with their dotted keys, however TOML nested them; zips last, as lists of such lists."""
    found: list[tuple[str, Any]] = []
    for key, value in table.items():
        name = f"{prefix}{key}"
        if name == "zip":
            if not isinstance(value, list) or not value or not all(isinstance(z, Mapping) and z for z in value):
                raise fail("axes.zip", "a list of tables, each with axes that move together", value)
            found += [("zip", _flatten(group)) for group in value]
        elif isinstance(value, Mapping) and not {"from", "to", "family"} & value.keys():
            inner = _flatten(value, f"{name}.")
            if not inner:
                raise fail(f"axes.{name}", "a list, a range or draws", "an empty table")
            found += inner
        else:
            found.append((name, _column(name, value)))
    if not found and not prefix:
        raise fail("axes", "at least one axis", "none", 'for example "parameters.points" = [10, 20]')
    return found


def _column(key: str, value: Any) -> list[Any] | Range | Draw:
    """One axis as written, checked but not yet expanded."""
    if isinstance(value, list):
        if not value:
            raise fail(f"axes.{key}", "at least one value", "an empty list")
        return value
    if not isinstance(value, Mapping):
        raise fail(f"axes.{key}", "a list, a range or draws", value, f"write [{value}] for one value")
    kind: type[Range] | type[Draw] = Draw if "family" in value else Range
    try:
        made = kind.model_validate(dict(value))
        made.size()
    except pydantic.ValidationError as error:
        known = ["from", "to", "count", "step", "scale"] if kind is Range else list(Draw.model_fields)
        raise translate(error, known).within(f"axes.{key}") from None
    except InputError as error:
        raise error.within(f"axes.{key}") from None
    return made


def _length(key: str, axis: Any) -> int:
    """Steps of an axis. Raises InputError for a zip of different lengths."""
    if key != "zip":
        return len(axis) if isinstance(axis, list) else int(axis.size())
    sizes = {name: _length(name, column) for name, column in axis}
    if len(set(sizes.values())) > 1:
        got = ", ".join(f"{size} for {name}" for name, size in sizes.items())
        raise fail("axes.zip", "axes of one length", got)
    return next(iter(sizes.values()))


def _axis(key: str, axis: Any) -> Axis:
    if key == "zip":
        if any(name == "zip" for name, _ in axis):
            raise fail("axes.zip", "lists, ranges or draws", "a zip within a zip")
        columns = [_values(name, column) for name, column in axis]
        return Axis(tuple(name for name, _ in axis), list(zip(*columns, strict=True)))
    return Axis((key,), [(value,) for value in _values(key, axis)])


def _values(key: str, axis: Any) -> list[Any]:
    try:
        return axis if isinstance(axis, list) else axis.values(key) if isinstance(axis, Draw) else axis.values()
    except InputError as error:
        raise error.within(f"axes.{key}") from None
