"""A solved auction as arrays with axes, quantities and notes; and its mechanism as a function of any values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mechopt.models.outcome import Array, Bounds, Labelled, Mechanism, Options, Outcome
from mechopt.models.regret.regret_auction import RegretAuction
from mechopt.models.regret.regret_auction_mechanism import OneGood, RandomReserve, RoundedUp, SoldApart
from mechopt.solvers.program import Solution, Status
from mechopt.solvers.rational import above, below, nearest, rational

DENSE = 300_000  # multipliers gamma; beyond this the duals stay in the certificate, where only nonzeros are listed
Bracket = tuple[Any, Any]


def outcome(
    model: RegretAuction, options: Options, method: str, solution: Solution, certificate: Mapping[str, Any],
    bounds: Bounds, proved: Bracket | None,
) -> Outcome:  # fmt: skip
    """Everything a solved auction knows of itself."""
    finite = certificate["finite"]
    arrays = {**_tables(model, finite["mechanism"]), **_worst_case(model, finite["nature"])}
    arrays |= _duals(model, finite["nature"], len(finite["mechanism"].get("parts", [])))
    arrays |= _continuum(model, certificate["continuum"])
    value, notes = solution.value, []
    if proved is not None and proved[0] == proved[1] and solution.status is Status.OPTIMAL:
        value = nearest(proved[1])  # the optimum as a fraction: the float nearest it
        notes.append("the finite optimum is known as a fraction (certificate.json)")
    if "reserve" in finite["mechanism"]:
        notes.append(f"the grid's table is too long to list ({model.listed(method):,} entries)")
    if model.bidders > 1 and not (model.from_zero or model.goods == 1 or model.proportional):
        notes.append("the upper bound sells the goods apart, which is not optimal here: docs/regret-auction.md")
    if options.gap is not None and bounds.width > options.gap:
        notes.append(f"the bracket is {bounds.width:.2g} wide, not {options.gap:.2g}: raise points or the time limit")
    mass, where = arrays["worst_case"].values, arrays["worst_case_values"].values
    atoms = [{"probability": float(p), "values": v.tolist()} for p, v in zip(mass, where, strict=True)]
    quantities: dict[str, Any] = {"regret": value, "worst_case": atoms}
    if (grid := model.grid_closed_form()) is not None:
        quantities["grid_closed_form"] = grid
    if proved is not None:
        quantities |= {"finite_lower": below(proved[0]), "finite_upper": above(proved[1])}
    return Outcome(
        solution.status, value, bounds, model.closed_form(), quantities, arrays, solution.statistics,
        solution.residuals, method, certificate if options.certificate else None, mechanism(model, arrays),
        tuple(notes),
    )  # fmt: skip


def _labels(model: RegretAuction) -> dict[str, Any]:
    return {
        "bidder": [f"bidder {i + 1}" for i in range(model.bidders)],
        "good": [f"good {j + 1}" for j in range(model.goods)],
    }


def _labelled(model: RegretAuction, values: Array, dims: tuple[str, ...], role: str) -> Labelled:
    return Labelled(values, dims, {k: v for k, v in _labels(model).items() if k in dims}, role)


def _floats(rows: Any) -> Array:
    known: dict[str, float] = {}

    def read(x: Any) -> Any:
        if isinstance(x, list):
            return [read(y) for y in x]
        if x not in known:
            known[x] = nearest(rational(x))
        return known[x]

    return np.array(read(rows))


def _tables(model: RegretAuction, mechanism: Mapping[str, Any]) -> dict[str, Labelled]:
    """Values, allocation, payment and regret by profile.

    Where goods are sold apart, the profiles are those of one good's values, and payments and regrets are by good.
    """
    if "reserve" in mechanism:
        chance = np.cumsum(_floats(mechanism["reserve"]))
        steps = np.arange(1, model.points + 1) / model.points
        return {"reserve": Labelled(chance, ("reserve_price",), {"reserve_price": steps}, "mechanism")}
    parts, bidders, n = mechanism["parts"], model.bidders, model.points
    apart = len(parts) > 1
    q = np.concatenate([_floats(part["allocation"]) for part in parts], axis=2)  # (P, I, J)
    paid = [_floats(part["payment"]) for part in parts]  # (P, I) each
    count = n + 1 if apart else model.types
    steps = np.stack(np.unravel_index(np.arange(count**bidders), (count,) * bidders), axis=1)
    if apart:
        axes = np.array([[[float(x) for x in model.axis(i, j)] for j in range(model.goods)] for i in range(bidders)])
        values = axes.transpose(0, 2, 1)[np.arange(bidders), steps]
    else:
        values = model.values[np.arange(bidders), steps]
    full = values.max(axis=1)  # (P, J)
    m = np.stack(paid, axis=2) if apart else paid[0]
    regret = full - m.sum(axis=1) if apart else full.sum(axis=1) - m.sum(axis=1)
    return {
        "values": _labelled(model, values, ("profile", "bidder", "good"), "types"),
        "allocation": _labelled(model, q, ("profile", "bidder", "good"), "mechanism"),
        "payment": _labelled(model, m, ("profile", "bidder", "good")[: m.ndim], "mechanism"),
        "regret": _labelled(model, regret, ("profile", "good")[: regret.ndim], "mechanism"),
    }


def _worst_case(model: RegretAuction, nature: Mapping[str, Any]) -> dict[str, Labelled]:
    """Nature's atoms: their probabilities, and every bidder's values there."""
    mass = _floats([a for _, a in nature["alpha"]])
    types = np.array([profile for profile, _ in nature["alpha"]], dtype=object)  # (A, I)
    n, goods = model.points, model.goods
    values = np.zeros((*types.shape, goods))
    for j in range(goods):
        step = (types // (n + 1) ** (goods - 1 - j) % (n + 1)).astype(np.int64)
        for i in range(model.bidders):
            low, high = float(model.lower[j]), float(model.bounds[i][j])
            values[:, i, j] = low + (high - low) * step[:, i] / n
    return {
        "worst_case": Labelled(mass, ("atom",), {}, "worst_case"),
        "worst_case_values": _labelled(model, values, ("atom", "bidder", "good"), "worst_case"),
    }


def _duals(model: RegretAuction, nature: Mapping[str, Any], parts: int) -> dict[str, Labelled]:
    """All multipliers of (3.1) by their letters, where the joint profiles are few enough to list them."""
    K, bidders, P = model.types, model.bidders, model.profiles
    if P * bidders * K > DENSE:
        return {}
    stride = K ** np.arange(bidders - 1, -1, -1)
    alpha, gamma = np.zeros(P), np.zeros((P, bidders, K))
    beta, price = np.zeros((P, bidders)), np.zeros((P, bidders, model.goods))
    for profile, mass in nature["alpha"]:
        alpha[int(np.dot(profile, stride))] += nearest(rational(mass))
    beta += alpha[:, None]
    steps = np.stack(np.unravel_index(np.arange(P), (K,) * bidders), axis=1)
    price += alpha[:, None, None] * model.values[np.arange(bidders), steps]
    for i, profile, report, weight in nature["gamma"]:
        g, v = nearest(rational(weight)), int(np.dot(profile, stride))
        lie = v + (report - profile[i]) * int(stride[i])
        gamma[v, i, report] += g
        beta[v, i] -= g
        beta[lie, i] += g
        price[lie, i] += g * (model.values[i, report] - model.values[i, profile[i]])
    axis = "joint_profile" if parts > 1 else "profile"
    tables: list[tuple[str, Array, tuple[str, ...]]] = [
        ("alpha", alpha, (axis,)), ("beta", beta, (axis, "bidder")), ("gamma", gamma, (axis, "bidder", "misreport")),
        ("lambda", np.maximum(price.max(axis=1), 0.0), (axis, "good")),
    ]  # fmt: skip
    return {name: _labelled(model, values, dims, "dual") for name, values, dims in tables}


def _continuum(model: RegretAuction, part: Mapping[str, Any]) -> dict[str, Labelled]:
    """The continuum bracket's objects, good by good, as arrays for pictures and users."""
    arrays: dict[str, Labelled] = {}
    for j, sold in enumerate(part["mechanism"], 1):
        if "cells" in sold:
            arrays[f"continuum_cells_{j}"] = _labelled(model, _floats(sold["cells"]), ("cell", "bidder"), "bound")
        else:
            axis = f"node_{j}"
            nodes = {axis: _floats(sold["nodes"])}
            arrays[f"continuum_allocation_{j}"] = Labelled(_floats(sold["allocation"]), (axis,), nodes, "bound")
    if part["nature"] is not None:
        quantiles = _floats(part["nature"]["quantiles"])[:-1]
        for j, margins in enumerate(part["nature"]["margins"], 1):
            arrays[f"continuum_margin_{j}"] = Labelled(
                _floats(margins), ("quantile",), {"quantile": quantiles}, "bound"
            )
    return arrays


def mechanism(model: RegretAuction, arrays: Mapping[str, Labelled]) -> Mechanism:
    """The auction that proves the upper bound: allocation (..., I, J) and payment (..., I) at values (..., I, J)."""
    auctions: list[OneGood] = []
    for j in range(model.goods):
        upper = np.array([float(row[j]) for row in model.bounds])
        if (curve := arrays.get(f"continuum_allocation_{j + 1}")) is not None:
            nodes = np.asarray(next(iter(curve.coords.values())))
            auctions.append(RandomReserve(nodes, curve.values, float(model.lower[j]), upper))
        else:
            grid = np.array([[float(x) for x in model.axis(i, j)] for i in range(model.bidders)])
            shape = (model.points + 1,) * model.bidders + (model.bidders,)
            auctions.append(RoundedUp(grid, arrays[f"continuum_cells_{j + 1}"].values.reshape(shape)))
    return SoldApart(tuple(auctions))
