"""Sweep files: a base instance, axes, limits and what to record; read, checked, turned into instances one by one."""

from __future__ import annotations

import copy
import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pydantic

from mechopt import registry
from mechopt.files import canonical
from mechopt.instance import SolveTable, from_dict, parse, raw
from mechopt.models.inputs import InputError, exact, fail, plain, translate
from mechopt.sweeping.axes import Grid, Point, read

LIMIT = 100_000  # instances of a sweep, unless its file says otherwise
TRIED = 12  # instances built before a sweep starts, to refuse one in which none can be right
UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


class Limits(pydantic.BaseModel):
    """What one instance may take: wall-clock seconds, and memory of its process, as "2 GiB"."""

    model_config = pydantic.ConfigDict(extra="forbid")

    seconds: Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)] | None = None
    memory: str | None = None

    @property
    def bytes(self) -> int | None:
        """The memory limit in bytes. Raises InputError for text that is not a size."""
        if self.memory is None:
            return None
        match = re.fullmatch(r"\s*([\d.]+)\s*([A-Za-z]*)\s*", self.memory)
        if not match or match[2].upper() not in UNITS or match[1].count(".") > 1:
            raise fail("limits.memory", 'a size such as "2 GiB"', self.memory)
        return int(float(match[1]) * UNITS[match[2].upper()])


class SweepFile(pydantic.BaseModel):
    """The fields of a sweep file."""

    model_config = pydantic.ConfigDict(extra="forbid")

    name: str = "sweep"
    source: str | None = None
    base: str | dict[str, Any]
    axes: Any
    record: list[str] = []
    arrays: bool = False
    warm: bool = True
    limit: Annotated[int, pydantic.Field(strict=True, ge=1)] = LIMIT
    limits: Limits = Limits()


@dataclass(frozen=True)
class Task:
    """One instance to run: its fingerprint, its fields, and where on the axes it stands."""

    fingerprint: str
    instance: Mapping[str, Any]
    point: Point


@dataclass(frozen=True)
class Sweep:
    """A checked sweep: its file's fields, the base instance as a table, and the grid of its axes."""

    file: SweepFile
    base: Mapping[str, Any]
    grid: Grid

    def __len__(self) -> int:
        return len(self.grid)

    def tasks(self) -> Iterator[Task]:
        """Every instance once, in the order of the axes."""
        seen = set()
        for point in self.grid:
            instance = self.at(point)
            mark = fingerprint(instance)
            if mark not in seen:
                seen.add(mark)
                yield Task(mark, instance, point)

    def at(self, point: Point) -> dict[str, Any]:
        """The base instance with the values of a point. Raises InputError for a path that leads nowhere."""
        instance: dict[str, Any] = {
            "model": self.base.get("model"),
            "parameters": copy.deepcopy(dict(self.base.get("parameters", {}))),
            "solve": copy.deepcopy(dict(self.base.get("solve", {}))),
        }
        for key, value in point.items():
            put(instance, key, value)
        return instance


def load(source: str | Path | Mapping[str, Any]) -> Sweep:
    """A sweep from a TOML or JSON file, or from a table with the same fields. Raises InputError naming the field."""
    folder = Path()
    if isinstance(source, Mapping):
        data = dict(source)
    else:
        folder = Path(source).parent
        try:
            text = Path(source).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "bytes that are not UTF-8"
            raise fail(str(source), "a readable sweep file", str(reason)) from None
        data = parse(text, str(source), str(source).endswith(".json"))
    try:
        file = SweepFile.model_validate(data)
    except pydantic.ValidationError as error:
        raise translate(error, SweepFile.model_fields) from None
    _ = file.limits.bytes
    sweep = Sweep(file, _base(file.base, folder), read(file.axes, file.limit))
    _check_keys(sweep)
    _try_some(sweep)
    return sweep


def _base(written: str | Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """The base instance as a table: inline, from the catalog, or from a file beside the sweep file."""
    if isinstance(written, str):
        beside = folder / written
        try:
            data = raw(str(beside) if beside.is_file() else written)
        except InputError as error:
            raise error.within("base") from None
    else:
        data = dict(written)
    for key in data:
        if key not in ("model", "name", "source", "parameters", "solve"):
            raise fail(f"base.{key}", "no such key", data[key], "the keys are model, name, source, parameters, solve")
    try:
        registry.find(data.get("model"))
    except InputError as error:
        raise error.within("base") from None
    for key in ("parameters", "solve"):
        if not isinstance(data.get(key, {}), Mapping):
            raise fail(f"base.{key}", "a table", data[key])
    return data


def _check_keys(sweep: Sweep) -> None:
    """Raise InputError for an axis whose key no instance of the model has."""
    fields = [*registry.find(sweep.base["model"]).load("model").__dataclass_fields__]
    for key in sweep.grid.keys:
        head, _, rest = key.partition(".")
        first = rest.partition(".")[0]
        known = {"parameters": fields, "solve": list(SolveTable.model_fields)}.get(head)
        if known is None or not first:
            hint = "axes begin with parameters. or solve., for example parameters.points"
            raise fail(f"axes.{key}", "a key of an instance file", key, hint)
        if first not in known:
            raise fail(f"axes.{key}", f"a field of {sweep.base['model']}", first, f"the fields are {', '.join(known)}")
    for product in sweep.grid.products:
        for axis in product:
            for key, value in zip(axis.keys, axis.rows[0], strict=True):
                put(copy.deepcopy({"parameters": {}, "solve": {}, **sweep.base}), key, value)


def _try_some(sweep: Sweep) -> None:
    """Raise the first instance's InputError when none of those tried can be built: the sweep is wrong, not a point."""
    first: InputError | None = None
    step = max(1, len(sweep) // TRIED)
    for point in itertools.islice(sweep.grid, 0, step * TRIED if len(sweep) < 10_000 else TRIED, step):
        try:
            from_dict(sweep.at(point))
            return
        except InputError as error:
            first = first or error
    assert first is not None
    raise first


def put(data: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key in nested tables and lists, positions counted from 0. Raises InputError naming the key."""
    *path, last = key.split(".")
    table: Any = data
    for step, then in zip(path, [*path[1:], last], strict=True):
        if isinstance(table, dict):
            if step not in table and then.isdigit():
                raise fail(f"axes.{key}", f"a list {step!r} in the base instance", "none", "write it there")
            table = table.setdefault(step, {})
        else:
            table = table[_position(table, step, key)]
        if not isinstance(table, dict | list):
            raise fail(f"axes.{key}", f"a table or a list at {step!r}", f"{table!r} in the base instance")
    if isinstance(table, list):
        table[_position(table, last, key)] = value
    else:
        table[last] = value


def _position(table: list[Any], step: str, key: str) -> int:
    if not step.isdigit() or int(step) >= len(table):
        raise fail(f"axes.{key}", f"a position from 0 to {len(table) - 1}", repr(step), "the base has no more entries")
    return int(step)


def fingerprint(instance: Mapping[str, Any]) -> str:
    """A digest of what an instance asks: model, parameters and solve table, numbers by value, not by spelling.

    >>> same = [{"model": "m", "parameters": {"x": x}} for x in (0.5, "1/2", "0.50")]
    >>> assert len({fingerprint(instance) for instance in same}) == 1
    """
    body = {key: _normal(instance.get(key) or {}) for key in ("parameters", "solve")}
    return hashlib.sha256(canonical({"model": instance.get("model"), **body})).hexdigest()


def _normal(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _normal(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_normal(v) for v in value]
    if isinstance(value, float) or (isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+|/\d+)?", value)):
        try:
            return plain(exact(value))
        except ValueError:
            return str(value)
    return value
