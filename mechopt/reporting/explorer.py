"""What a reader of a report can look up: tables of the mechanism by the values one types in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mechopt.models.outcome import Labelled
    from mechopt.result import Result

LARGEST = 60_000  # numbers a table may have to be put into a page
SHOWN = ("mechanism", "bound")


def tables(result: Result) -> tuple[list[dict[str, Any]], list[str]]:
    """Tables for the page's look-up, and the names of mechanism arrays that are too large for one.

    A table has `inputs`, each with a label and the values one may choose among, by position (`axis`) or jointly
    (`profile`), and `outputs`, numbers with a label, by the same positions.
    """
    arrays = {name: a for name, a in result.arrays.items() if a.role in SHOWN and a.dims}
    large = sorted(name for name, a in arrays.items() if a.values.size > LARGEST)
    kept = {name: a for name, a in arrays.items() if name not in large}
    found, used = [], set[str]()
    for dim in dict.fromkeys(a.dims[0] for a in kept.values()):
        points = _points(result, dim)
        if points is None:
            continue
        columns = {name: a for name, a in kept.items() if a.dims[0] == dim}
        used |= set(columns)
        found.append({"kind": "profile", "title": f"by {dim}", "inputs": points, "outputs": _columns(columns)})
    groups: dict[tuple[Any, ...], dict[str, Labelled]] = {}
    for name, a in kept.items():
        if name not in used and all(_numbers(a.coords.get(dim)) is not None for dim in a.dims):
            groups.setdefault(a.dims, {})[name] = a
    for dims, members in groups.items():
        first = next(iter(members.values()))
        inputs = [{"label": _words(dim), "values": _numbers(first.coords[dim])} for dim in dims]
        outputs = [{"label": _words(name), "values": _plain(a.values)} for name, a in members.items()]
        found.append(
            {"kind": "axis", "title": "by " + ", ".join(map(_words, dims)), "inputs": inputs, "outputs": outputs}
        )
    return found, large


def _points(result: Result, dim: str) -> list[dict[str, Any]] | None:
    """The values of the types a dimension runs over, one column per input; None where it runs over something else."""
    listed = result.arrays.get("values")
    if listed is not None and listed.dims[0] == dim and listed.values.size <= LARGEST:
        flat = listed.values.reshape(len(listed.values), -1)
        return [
            {"label": label, "values": _plain(column)} for label, column in zip(_labels(listed), flat.T, strict=True)
        ]
    for a in result.arrays.values():
        if a.dims and a.dims[0] == dim:
            named = {k: v[1] for k, v in a.coords.items() if isinstance(v, tuple) and k.startswith("value_")}
            if named:
                return [{"label": _words(k), "values": _plain(np.asarray(v, dtype=float))} for k, v in named.items()]
    return None


def _columns(arrays: dict[str, Labelled]) -> list[dict[str, Any]]:
    out = []
    for name, a in arrays.items():
        flat = a.values.reshape(len(a.values), -1)
        labels = _labels(a) if a.values.ndim > 1 else [""]
        for label, column in zip(labels, flat.T, strict=True):
            out.append({"label": f"{_words(name)} {label}".strip(), "values": _plain(column)})
    return out


def _labels(a: Labelled) -> list[str]:
    """One label per entry of an array beyond its first dimension: its coordinates, or its position."""
    parts = []
    for dim, length in zip(a.dims[1:], a.values.shape[1:], strict=True):
        coord = a.coords.get(dim)
        single = length == 1 and len(a.dims) > 2
        parts.append([""] * length if single else [f"{dim} {k + 1}" for k in range(length)] if coord is None else
                     [x if isinstance(x, str) else f"{dim} {float(x):g}" for x in coord])  # fmt: skip
    grid = np.meshgrid(*[np.arange(len(p)) for p in parts], indexing="ij")
    rows = zip(*(g.ravel() for g in grid), strict=True)
    return [", ".join(filter(None, (p[k] for p, k in zip(parts, row, strict=True)))) for row in rows]


def _numbers(coord: Any) -> Any:
    """Increasing numbers of a coordinate; None where it has none."""
    if coord is None or isinstance(coord, tuple):
        return None
    values = np.asarray(coord)
    if values.dtype.kind not in "fiu" or values.ndim != 1 or (np.diff(values) <= 0).any():
        return None
    return _plain(values.astype(float))


def _plain(values: Any) -> Any:
    """Nested lists of numbers with nine digits, None for what is not a finite number."""
    if isinstance(values, list):
        return [_plain(x) for x in values]
    if hasattr(values, "tolist"):
        return _plain(values.tolist())
    return float(f"{values:.9g}") if math.isfinite(values) else None


def _words(name: str) -> str:
    return name.replace("_", " ")
