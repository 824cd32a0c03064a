"""The certificate of `regret-pricing` as labelled arrays of floats, for users and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mechopt.models.outcome import Array, Labelled
from mechopt.models.regret.regret_pricing import RegretPricing
from mechopt.solvers.rational import nearest, rational

DENSE_TYPES = 600  # the full gamma is N^2 numbers; beyond this it is left out of the arrays


def _floats(numbers: list[str]) -> Array:
    return np.array([nearest(rational(x)) for x in numbers])


def _mechanism(model: RegretPricing, part: Mapping[str, Any]) -> tuple[Array, Array]:
    """Allocation (N, J) and payment (N,) of the finite part, goods sold apart put together."""
    if "goods" not in part:
        return np.array([_floats(row) for row in part["allocation"]]), _floats(part["payment"])
    q = np.meshgrid(*(_floats(good["allocation"]) for good in part["goods"]), indexing="ij")
    m = np.meshgrid(*(_floats(good["payment"]) for good in part["goods"]), indexing="ij")
    return np.stack([x.ravel() for x in q], axis=1), np.sum([x.ravel() for x in m], axis=0)


def tables_of(model: RegretPricing, part: Mapping[str, Any]) -> dict[str, Array]:
    """The finite part as floats: the mechanism, and all multipliers of (2.6) by their letters."""
    count = model.types
    q, m = _mechanism(model, part["mechanism"])
    alpha = np.zeros(count)
    for v, mass in part["nature"]["alpha"]:
        alpha[v] = nearest(rational(mass))
    beta = alpha.copy()
    price = alpha[:, None] * (model.values - model.costs)
    moves = [(v, w, nearest(rational(g))) for v, w, g in part["nature"]["gamma"]]
    for v, w, g in moves:
        beta[v] -= g
        beta[w] += g
        price[w] += g * (model.values[w] - model.values[v])
    tables = {"allocation": q, "payment": m, "alpha": alpha, "beta": beta, "lambda": np.maximum(price, 0.0)}
    if count <= DENSE_TYPES:
        gamma = np.zeros((count, count))
        for v, w, g in moves:
            gamma[v, w] = g
        tables["gamma"] = gamma
    return tables


def arrays_of(model: RegretPricing, tables: Mapping[str, Array]) -> dict[str, Labelled]:
    """The tables with their axes named, the regret of every type, and nature's distribution."""
    coords: dict[str, Any] = {"type": np.arange(model.types), "good": [f"good {j + 1}" for j in range(model.goods)]}
    for j in range(model.goods):
        coords[f"value_{j + 1}"] = ("type", model.values[:, j])
    arrays = {}
    for name, table in tables.items():
        dims = ("type", "misreport") if name == "gamma" else ("type", "good") if table.ndim == 2 else ("type",)
        role = "mechanism" if name in ("allocation", "payment") else "dual"
        kept = {k: v for k, v in coords.items() if k in dims or k.startswith("value_")}
        arrays[name] = Labelled(table, dims, kept, role)
    regret = model.surplus - tables["payment"] + tables["allocation"] @ model.costs
    kept = {k: v for k, v in coords.items() if k != "good"}
    arrays["regret"] = Labelled(regret, ("type",), kept, "mechanism")
    arrays["worst_case"] = Labelled(tables["alpha"], ("type",), kept, "worst_case")
    return arrays


def curve_arrays(part: Mapping[str, Any]) -> dict[str, Labelled]:
    """The continuum bracket's two objects, good by good."""
    arrays: dict[str, Labelled] = {}
    if "utility" in part["mechanism"]:
        return {"continuum_utility": Labelled(_floats(part["mechanism"]["utility"]), ("node",), {}, "bound")}
    for j, curve in enumerate(part["mechanism"]):
        if curve is not None:
            axis = f"node_{j + 1}"
            heights = _floats(curve["allocation"])
            arrays[f"continuum_allocation_{j + 1}"] = Labelled(
                heights, (axis,), {axis: _floats(curve["nodes"])}, "bound"
            )
    if "nature" not in part:
        return arrays
    quantiles = _floats(part["nature"]["quantiles"])
    for j, margins in enumerate(part["nature"]["margins"]):
        if margins is not None:
            coords = {"quantile": quantiles[:-1]}
            arrays[f"continuum_margin_{j + 1}"] = Labelled(_floats(margins), ("quantile",), coords, "bound")
    return arrays
