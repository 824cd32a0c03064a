"""Results as tidy tables: one row per instance, one column per axis, number or fact."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechopt.models.inputs import exact, fail

if TYPE_CHECKING:
    import pandas

FORMATS = ("csv", "parquet", "json")

# The columns every table has, with their units; money is in the instance's own unit.
COLUMNS = {
    "sweep": "name of the sweep",
    "fingerprint": "first 12 digits of the digest of model, parameters and solve table",
    "model": "name of the model",
    "state": "waiting, running, done or failed",
    "status": "why the solver stopped, in CVXPY's words",
    "value": "optimum of the finite program, money",
    "lower": "proven lower bound, money",
    "upper": "proven upper bound, money",
    "width": "upper less lower, money",
    "problem": "what the bounds are of: continuum or finite",
    "certified": "whether both bounds passed the exact check",
    "closed_form": "the theorem's number, money; empty where no theorem covers the instance",
    "method": "the engine",
    "rows": "rows of the compiled program, a count",
    "columns": "columns of the compiled program, a count",
    "nonzeros": "nonzeros of the compiled program, a count",
    "iterations": "iterations of the solver, a count",
    "build_seconds": "time to build the program, seconds",
    "solve_seconds": "time to solve it, seconds",
    "seconds": "time of the instance from its fields to its result, certificate included, seconds",
    "warm_up": "whether its worker had solved none of the model, so that seconds include loading; empty: unknown",
    "error_kind": "input, solve, time, memory, died or error",
    "error": "what went wrong, in words",
    "mechopt": "version of mechopt that ran it",
}
FIRST, LAST = list(COLUMNS)[:3], list(COLUMNS)[3:]
SIZES = ("rows", "columns", "nonzeros", "iterations", "build_seconds", "solve_seconds")


def axis_name(key: str) -> str:
    """The column of an axis: its key without `parameters.`, dots as underscores.

    >>> [axis_name(k) for k in ("parameters.cost.0", "solve.method", "parameters.rows")]
    ['cost_0', 'solve_method', 'parameters_rows']
    """
    short = key.removeprefix("parameters.").replace(".", "_")
    return key.replace(".", "_") if short in COLUMNS else short


def row(document: Mapping[str, Any], record: Sequence[str] = ()) -> dict[str, Any]:
    """The numbers of a result document by the names of COLUMNS, and its own scalar quantities or those in `record`."""
    bounds, closed = document.get("bounds") or {}, document.get("closed_form")
    if isinstance(closed, list):
        closed = closed[0] if closed else None
    found: dict[str, Any] = {
        "model": document["model"], "status": document["status"], "value": document["value"],
        "lower": bounds.get("lower"), "upper": bounds.get("upper"),
        "width": bounds["upper"] - bounds["lower"] if bounds else None,
        "problem": bounds.get("problem"), "certified": bounds.get("certified"),
        "closed_form": closed["value"] if closed else None, "method": document.get("method"),
        "mechopt": document["mechopt"],
    }  # fmt: skip
    found |= {name: document["statistics"].get(name) for name in SIZES}
    if record:
        return found | {_column(key): _scalar(_find(document, key)) for key in record}
    scalars = {k: v for k, v in document["quantities"].items() if isinstance(v, bool | int | float | str)}
    return found | {_column(f"quantities.{name}"): value for name, value in scalars.items()}


def _column(key: str) -> str:
    short = key.removeprefix("quantities.").replace(".", "_")
    return key.replace(".", "_") if short in COLUMNS else short


def _find(document: Any, key: str) -> Any:
    """What stands at a dotted key; None where nothing does."""
    for step in key.split("."):
        if isinstance(document, Mapping):
            document = document.get(step)
        elif isinstance(document, list) and step.isdigit() and int(step) < len(document):
            document = document[int(step)]
        else:
            return None
    return document


def _scalar(value: Any) -> Any:
    """A cell: numbers written as rationals become floats, lists and tables JSON."""
    if isinstance(value, str):
        try:
            return float(exact(value))
        except (ValueError, OverflowError):
            return value
    return json.dumps(value) if isinstance(value, list | dict) else value


def table(rows: Sequence[Mapping[str, Any]], axes: Sequence[str]) -> pandas.DataFrame:
    """A frame of rows, its columns in one order: who, axes, quantities, the rest; units in `frame.attrs["columns"]`."""
    import pandas

    own = list(dict.fromkeys(k for r in rows for k in r if k not in COLUMNS and k not in axes))
    axes = [axis for axis in axes if axis not in COLUMNS]
    names = [*FIRST, *axes, *LAST[:9], *own, *LAST[9:]]
    data = {name: _same_kind([_scalar(r.get(name)) if name in axes else r.get(name) for r in rows]) for name in names}
    frame = pandas.DataFrame(data, columns=names)
    about = {**dict.fromkeys(axes, "axis, in the unit of the parameter"), **dict.fromkeys(own, "see the model's page")}
    frame.attrs["columns"] = {name: COLUMNS.get(name, about.get(name, "")) for name in names}
    return frame


def _same_kind(values: list[Any]) -> list[Any]:
    """Text where numbers and words would share a column."""
    kinds = {str if isinstance(v, str) else float for v in values if v is not None}
    return [v if v is None else str(v) for v in values] if len(kinds) > 1 else values


def write(frame: pandas.DataFrame, path: Path | None, form: str) -> str:
    """The table in a format: its text, or with a path nothing and a file. Raises InputError."""
    if form not in FORMATS:
        raise fail("--format", " or ".join(FORMATS), form)
    if path is not None and not path.parent.is_dir():
        raise fail("--output", "a file in a directory that exists", str(path))
    if form == "parquet":
        if path is None:
            raise fail("--output", "a file for parquet", "none", "parquet is not text")
        try:
            frame.to_parquet(path)
        except ImportError:
            raise fail("--format", "pyarrow for parquet", "none", "pip install 'mechopt[parquet]'") from None
        return ""
    if form == "csv":
        text = str(frame.to_csv(index=False))
    else:
        cells = json.loads(frame.to_json(orient="records", double_precision=15))
        text = json.dumps({"columns": frame.attrs["columns"], "rows": cells}, indent=1) + "\n"
    if path is not None:
        path.write_text(text, encoding="utf-8")
        return ""
    return text
