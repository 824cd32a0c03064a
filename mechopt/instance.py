"""Instance files: read, checked, changed by --set, and the catalog of named ones that ships with mechopt."""

from __future__ import annotations

import json
import math
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import pydantic

from mechopt import registry
from mechopt.models.inputs import InputError, fail, translate

_KEYS = ("model", "name", "source", "parameters", "solve")


class SolveTable(pydantic.BaseModel):
    """The [solve] table: the options of `mechopt solve`, and HiGHS's own under `options`."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True)

    time_limit: Annotated[float, pydantic.Field(strict=False, gt=0, allow_inf_nan=False)] | None = None
    method: str | None = None
    gap: Annotated[float, pydantic.Field(strict=False, gt=0, allow_inf_nan=False)] | None = None
    certificate: bool = True
    options: dict[str, bool | int | float | str] = {}


@dataclass(frozen=True)
class Instance:
    """A checked instance: the model object, the parameters as written, and how to solve it."""

    entry: registry.Entry
    model: Any
    parameters: Mapping[str, Any]
    name: str | None = None
    source: str | None = None
    solve: SolveTable = field(default_factory=SolveTable)


def catalog() -> dict[str, str]:
    """Named instances: name -> TOML text."""
    root = resources.files("mechopt") / "catalog"
    found = {}
    for folder in root.iterdir():
        if folder.is_dir():
            for file in folder.iterdir():
                if file.name.endswith(".toml"):
                    found[f"{folder.name}/{file.name.removesuffix('.toml')}"] = file.read_text(encoding="utf-8")
    return dict(sorted(found.items()))


def load(name_or_file: str | Path, changes: Sequence[str] = ()) -> Instance:
    """An instance from a path, "-" (standard input) or a catalog name, with KEY=VALUE changes applied.

    Raises InputError naming the field for anything that is not a valid instance.

    >>> load("regret/one-good", ["parameters.points=7"]).model.points
    7
    """
    data = raw(str(name_or_file))
    for change in changes:
        _apply(data, change)
    return from_dict(data)


def from_dict(data: Mapping[str, Any]) -> Instance:
    """An instance from a parsed file. Raises InputError."""
    for key in data:
        if key not in _KEYS:
            raise fail(key, "no such key", data[key], f"the keys are {', '.join(_KEYS)}")
    entry = registry.find(data.get("model"))
    if "parameters" not in data:
        raise fail("parameters", "a table", "none", f"see `mechopt schema {entry.name}`")
    for key, kind in (("parameters", dict), ("solve", dict), ("name", str), ("source", str)):
        if key in data and not isinstance(data[key], kind):
            raise fail(key, "a table" if kind is dict else "text", data[key])
    try:
        model = entry.load("model")(**data["parameters"])
    except InputError as error:
        raise error.within("parameters") from None
    try:
        table = SolveTable.model_validate(data.get("solve", {}))
    except pydantic.ValidationError as error:
        raise translate(error, SolveTable.model_fields).within("solve") from None
    return Instance(entry, model, data["parameters"], data.get("name"), data.get("source"), table)


def raw(where: str) -> dict[str, Any]:
    """The table of an instance file, "-" or a catalog name, parsed but not checked. Raises InputError."""
    named = catalog()
    if where == "-":
        return parse(sys.stdin.read(), "standard input", where.endswith(".json"))
    if where in named and not Path(where).exists():
        return parse(named[where], where, False)
    try:
        text = Path(where).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise fail(where, "a file or a catalog name", "neither", f"the catalog has {', '.join(named)}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "bytes that are not UTF-8"
        raise fail(where, "a readable text file", str(reason)) from None
    return parse(text, where, where.endswith(".json"))


def parse(text: str, where: str, as_json: bool) -> dict[str, Any]:
    """TOML or JSON text as a table. Raises InputError with line and column."""
    if as_json or text.lstrip().startswith("{"):
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise fail(where, "valid JSON", f"{error.msg} (at line {error.lineno}, column {error.colno})") from None
        except RecursionError:
            raise fail(where, "valid JSON", "brackets nested too deeply") from None
        if not isinstance(data, dict):
            raise fail(where, "a JSON object", data)
        return data
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        if "at end of document" in message:
            lines = text.split("\n")
            message = message.replace("at end of document", f"at line {len(lines)}, column {len(lines[-1]) + 1}")
        raise fail(where, "valid TOML", message) from None
    except RecursionError:
        raise fail(where, "valid TOML", "brackets nested too deeply") from None


def _apply(data: dict[str, Any], change: str) -> None:
    key, equals, raw = change.partition("=")
    if not equals or not key.strip():
        raise fail("--set", "KEY=VALUE", change, "for example --set parameters.points=100")
    try:
        value = tomllib.loads(f"x = {raw}")["x"]
    except tomllib.TOMLDecodeError:
        value = raw
    *path, last = key.strip().split(".")
    table: Any = data
    for step in path:
        table = _enter(table, step, key)
    if isinstance(table, list):
        table[_position(table, last, key)] = value
    else:
        table[last] = value


def _enter(table: Any, step: str, key: str) -> Any:
    inner = table[_position(table, step, key)] if isinstance(table, list) else table.setdefault(step, {})
    if not isinstance(inner, dict | list):
        raise fail("--set", f"a table or a list at {step!r}", f"{key}, where it is {inner!r}")
    return inner


def _position(table: list[Any], step: str, key: str) -> int:
    if not step.isdigit() or int(step) >= len(table):
        raise fail("--set", f"a position from 0 to {len(table) - 1}", f"{step!r} in {key}")
    return int(step)


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema of a model's instance file."""
    entry = registry.find(name)
    parameters = pydantic.TypeAdapter(entry.load("model")).json_schema()
    solve = SolveTable.model_json_schema()
    definitions = parameters.pop("$defs", {}) | solve.pop("$defs", {})
    for part, text in ((parameters, entry.title), (solve, "the options of `mechopt solve`")):
        part["description"] = text
    whole: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"mechopt {entry.name} instance",
        "type": "object",
        "additionalProperties": False,
        "required": ["model", "parameters"],
        "properties": {
            "model": {"const": entry.name},
            "name": {"type": "string"},
            "source": {"type": "string"},
            "parameters": parameters,
            "solve": solve,
        },
    }
    return whole | ({"$defs": definitions} if definitions else {})


def finite(value: float | None) -> float | None:
    """A float as JSON can hold it: None for NaN and the infinities."""
    return None if value is None or not math.isfinite(value) else value
