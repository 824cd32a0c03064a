"""How a `regret-pricing` instance is solved: the engine by structure, then the bracket, then the exact check.

Engines: `price-lottery` (one good: adjacent rows, models/price_lottery.py) and `all-pairs` (the specification, every
incentive row). Both solve program (2.6); the certificate re-checks every row of it whichever was used.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mechopt.models import price_lottery, regret_certify, regret_check
from mechopt.models.inputs import fail
from mechopt.models.outcome import Array, Bounds, Labelled, Mechanism, Options, Outcome
from mechopt.models.regret_continuum import Curve, bracket, nature_curve, trivial
from mechopt.models.regret_mechanism import MenuMechanism, SeparableMechanism
from mechopt.models.regret_pricing import RegretPricing
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.program import Residuals, Solution, Statistics, Status
from mechopt.solvers.rational import above, below, nearest, rational

METHODS = ("price-lottery", "all-pairs")
EXACT_TYPES = 501  # a fraction has about 1.44 N bits per type; beyond this the certificate rounds to 2^-56
DENSE_TYPES = 600  # the full gamma is N^2 numbers; beyond this it is left out of the arrays
SLIP = 1e-9  # by which bounds only floats have seen are widened, relative to the full surplus


@dataclass(frozen=True)
class _Finite:
    """The finite program's solution, by whichever engine: certificate part, statistics and the solver's own word."""

    part: dict[str, Any]
    solution: Solution | None
    method: str

    @property
    def status(self) -> Status:
        return self.solution.status if self.solution else Status.OPTIMAL


def solve(model: RegretPricing, options: Options) -> Outcome:
    """Solve an instance and bracket it. Raises InputError for a method or gap that does not fit the instance."""
    started = time.monotonic()
    _check_options(model, options)
    model.require_fits()
    options.progress(f"solving the finite program: {model.size()}")
    finite = _solve_finite(model, options)
    certificate: dict[str, Any] = {"finite": finite.part}
    if model.is_box:
        options.progress("bracketing the continuum optimum")
        left = None if options.time_limit is None else options.time_limit - (time.monotonic() - started)
        sellers, natures = _curves(model, replace(options, time_limit=left))
        certificate["continuum"] = regret_certify.continuum(model, sellers, natures)
    bounds, finite_bracket = None, None
    if options.certificate:
        options.progress("checking every row in rationals")
        bounds, finite_bracket = _certify(model, certificate)
    elif model.is_box:
        bounds = _float_bounds(model, sellers, natures)
    else:
        bounds = _float_finite_bounds(model, finite)
    return _outcome(model, options, finite, certificate, bounds, finite_bracket)


def _check_options(model: RegretPricing, options: Options) -> None:
    if options.method not in (None, *METHODS):
        raise fail("solve.method", " or ".join(METHODS), options.method)
    if options.method == "price-lottery" and model.goods > 1:
        raise fail("solve.method", "all-pairs", "price-lottery", "a price lottery sells one good")
    if options.gap is not None and not (np.isfinite(options.gap) and options.gap > 0):
        raise fail("solve.gap", "a positive width of the bracket, in money", str(options.gap))
    if options.time_limit is not None and not options.time_limit > 0:
        raise fail("solve.time_limit", "a positive number of seconds", str(options.time_limit))


def _solve_finite(model: RegretPricing, options: Options) -> _Finite:
    settings = {"time_limit": options.time_limit, "options": options.options, "verbose": options.verbose}
    if model.goods == 1 and options.method != "all-pairs":
        margins, _ = price_lottery.split(model)
        if not margins:
            return _Finite(regret_certify.unsold(model), None, "nothing to sell")
        floats = np.array([nearest(x) for x in margins])
        scale = floats[-1]
        solution = highs(price_lottery.program(floats / scale), **settings).require()  # type: ignore[arg-type]
        lottery = _lottery(margins, solution)
        solution = replace(solution, value=solution.value * scale, bound=solution.bound * scale)
        return _Finite(regret_certify.from_lottery(model, lottery), solution, "price-lottery")
    solution = highs(model.primal(), **settings).require()  # type: ignore[arg-type]
    dual = solution.dual or {"alpha": np.zeros(model.types), "gamma": np.zeros((1, 1))}
    return _Finite(regret_certify.from_point(model, solution.primal, dual), solution, "all-pairs")


def _lottery(margins: list[Any], solution: Solution) -> price_lottery.Lottery:
    chance = solution.primal["x"]
    if len(margins) <= EXACT_TYPES and solution.status is Status.OPTIMAL:
        found = price_lottery.from_support(margins, np.flatnonzero(chance > 1e-11).tolist())
        if found is not None:
            return found
    return price_lottery.rounded(chance, solution.dual.get("tail", np.ones(len(chance))))


def _curves(model: RegretPricing, options: Options) -> tuple[list[Curve | None], list[Curve | None]]:
    """One seller's and one of nature's curves per good; goods alike in least / largest margin share theirs."""
    worth = [float(hi - c) for c, hi in zip(model.cost, model.upper, strict=True)]
    total = sum(max(w, 0.0) for w in worth)
    gap = None if options.gap is None or total <= 0 else options.gap / total
    least = [float(regret_certify.least_margin(model, j)) if worth[j] > 0 else None for j in range(model.goods)]
    kinds = sorted({a for a in least if a is not None})
    if options.time_limit is not None and options.time_limit <= 0:
        pairs = {a: trivial(a) for a in kinds}
    else:
        pairs = {a: bracket(a, model.points or 1, gap, options) for a in kinds}
    if len(kinds) > 1:  # nature moves all goods with one quantile: give them the same nodes
        shared = np.unique(np.concatenate([pairs[a][1].nodes for a in kinds]))[::-1]
        pairs = {a: (pairs[a][0], nature_curve(shared, a, options)) for a in kinds}
    sellers = [None if a is None else pairs[a][0] for a in least]
    natures = [None if a is None else pairs[a][1] for a in least]
    return sellers, natures


def _certify(model: RegretPricing, certificate: dict[str, Any]) -> tuple[Bounds, tuple[Any, Any]]:
    """Run the exact checker, write what it proved into the certificate, and round it outwards."""
    checks, proved = regret_check.check(model.parameters(), certificate)
    for name, found in proved.items():
        certificate[name].update(regret_check.bracket_text(found))
    lower, upper = proved["continuum" if model.is_box else "finite"]
    if model.is_box:
        lower = max(lower, proved["finite"][0])  # fewer types are a relaxation: the grid's lower bound holds too
    return (
        Bounds(below(lower), above(upper), "continuum" if model.is_box else "finite", all(c.passed for c in checks)),
        proved["finite"],
    )


def _worths(model: RegretPricing) -> list[float]:
    return [max(0.0, float(hi - c)) for c, hi in zip(model.cost, model.upper, strict=True)]


def _float_bounds(model: RegretPricing, sellers: list[Curve | None], natures: list[Curve | None]) -> Bounds:
    worth = _worths(model)
    slip = SLIP * sum(worth)
    lower = sum(w * c.bound for w, c in zip(worth, natures, strict=True) if c is not None)
    upper = sum(w * c.bound for w, c in zip(worth, sellers, strict=True) if c is not None)
    return Bounds(max(0.0, lower - slip), upper + slip, "continuum", False)


def _float_finite_bounds(model: RegretPricing, finite: _Finite) -> Bounds:
    if finite.solution is None:
        return Bounds(0.0, 0.0, "finite", False)
    slip = SLIP * max(1.0, float(model.surplus.max()))
    return Bounds(finite.solution.bound - slip, finite.solution.value + slip, "finite", False)


def _tables(model: RegretPricing, part: Mapping[str, Any]) -> dict[str, Array]:
    """The certificate's finite part as floats: mechanism, and all multipliers of (2.6) by their letters."""
    count = model.types
    q = np.array([[nearest(rational(x)) for x in row] for row in part["mechanism"]["allocation"]])
    m = np.array([nearest(rational(x)) for x in part["mechanism"]["payment"]])
    alpha, beta = np.zeros(count), np.zeros(count)
    for v, mass in part["nature"]["alpha"]:
        alpha[v] = nearest(rational(mass))
    beta += alpha
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


def _labelled(model: RegretPricing, tables: Mapping[str, Array]) -> dict[str, Labelled]:
    goods = [f"good {j + 1}" for j in range(model.goods)]
    coords: dict[str, Any] = {"type": np.arange(model.types), "good": goods}
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


def mechanism(model: RegretPricing, arrays: Mapping[str, Labelled]) -> Mechanism:
    """The mechanism that proves the upper bound, as a function of any values."""
    if not model.is_box:
        return MenuMechanism(arrays["allocation"].values, arrays["payment"].values, model.costs)
    curves = [arrays.get(f"continuum_allocation_{j + 1}") for j in range(model.goods)]
    return SeparableMechanism.from_curves(curves, model)


def _curve_arrays(part: Mapping[str, Any]) -> dict[str, Labelled]:
    """The continuum bracket's two objects, good by good, as arrays for pictures and users."""
    arrays = {}
    for j, curve in enumerate(part["mechanism"]):
        if curve is not None:
            nodes = np.array([nearest(rational(x)) for x in curve["nodes"]])
            q = np.array([nearest(rational(x)) for x in curve["allocation"]])
            axis = f"node_{j + 1}"
            arrays[f"continuum_allocation_{j + 1}"] = Labelled(q, (axis,), {axis: nodes}, "bound")
    quantiles = np.array([nearest(rational(x)) for x in part["nature"]["quantiles"]])
    for j, margins in enumerate(part["nature"]["margins"]):
        if margins is not None:
            s = np.array([nearest(rational(x)) for x in margins])
            arrays[f"continuum_margin_{j + 1}"] = Labelled(s, ("quantile",), {"quantile": quantiles[:-1]}, "bound")
    return arrays


def _outcome(
    model: RegretPricing, options: Options, finite: _Finite, certificate: dict[str, Any], bounds: Bounds | None,
    proved: tuple[Any, Any] | None,
) -> Outcome:  # fmt: skip
    tables = _tables(model, finite.part)
    arrays = _labelled(model, tables)
    if "continuum" in certificate:
        arrays |= _curve_arrays(certificate["continuum"])
    solution = finite.solution
    value = 0.0 if solution is None else solution.value
    notes = []
    if proved is not None and proved[0] == proved[1] and finite.status is Status.OPTIMAL:
        value = nearest(proved[1])  # the optimum as a fraction: the float nearest it
        notes.append("the finite optimum is known as a fraction (certificate.json)")
    if options.gap is not None and bounds is not None and bounds.width > options.gap:
        notes.append(f"the bracket is {bounds.width:.2g} wide, not {options.gap:.2g}: raise points or the time limit")
    atoms = [
        {"probability": float(p), "values": v.tolist()}
        for p, v in zip(tables["alpha"], model.values, strict=True)
        if p > 0
    ]
    quantities = {"regret": value, "worst_case": atoms}
    if (grid := model.grid_closed_form()) is not None:
        quantities["grid_closed_form"] = grid
    if proved is not None:
        quantities |= {"finite_lower": below(proved[0]), "finite_upper": above(proved[1])}
    return Outcome(
        finite.status, value, bounds, model.closed_form(), quantities, arrays,
        solution.statistics if solution else Statistics(), solution.residuals if solution else Residuals(),
        finite.method, certificate if options.certificate else None, mechanism(model, arrays), tuple(notes),
    )  # fmt: skip
