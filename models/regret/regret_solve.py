"""How a `regret-pricing` instance is solved: an engine, the bracket on the continuum, then the exact check."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.models.moments import room
from mechopt.models.outcome import Bounds, Labelled, Mechanism, Options, Outcome
from mechopt.models.regret import regret_certify, regret_check, regret_moments
from mechopt.models.regret.regret_check_continuum import budget_above
from mechopt.models.regret.regret_check_instance import Instance
from mechopt.models.regret.regret_continuum import Curve, bracket, nature_curve, trivial
from mechopt.models.regret.regret_engines import Finite, by_rows, choose
from mechopt.models.regret.regret_mechanism import MenuMechanism, SeparableMechanism
from mechopt.models.regret.regret_polytope import TriangulatedMechanism, steps, strictly_convex
from mechopt.models.regret.regret_polytope import program as polytope_program
from mechopt.models.regret.regret_pricing import RegretPricing
from mechopt.models.regret.regret_tables import arrays_of, curve_arrays, tables_of
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.program import Status
from mechopt.solvers.rational import above, below, nearest

ANCHOR_SHARES = (2.0**-34, 2.0**-28, 2.0**-20, 2.0**-10, 1.0)
NARROWEST = 1e-10  # bracket, relative to the highest values, that HiGHS's tolerances still allow
SLIP = 1e-9  # by which bounds only floats have seen are widened, relative to the full surplus


def solve(model: RegretPricing, options: Options) -> Outcome:
    """Solve an instance and bracket it. Raises InputError for a method or gap that does not fit the instance."""
    started = time.monotonic()
    _check_options(model, options)
    model.require_fits(options.method == "all-pairs")
    if model.sides:
        room(model.values, model.sides)  # refuses moments no distribution has
    options.progress(f"solving the finite program: {model.size(options.method == 'all-pairs')}")
    engine = choose(model, options.method)
    finite = engine(model, options) or by_rows(model, options)
    certificate: dict[str, Any] = {"finite": finite.part}
    sellers: list[Curve | None] = []
    natures: list[Curve | None] = []
    above_all = 0.0
    if model.is_box and not model.moments:
        options.progress("bracketing the continuum optimum")
        left = None if options.time_limit is None else options.time_limit - (time.monotonic() - started)
        sellers, natures = _curves(model, replace(options, time_limit=left))
        certificate["continuum"] = regret_certify.continuum(model, sellers, natures)
    elif model.is_continuum:
        options.progress("bounding the continuum optimum from above")
        left = None if options.time_limit is None else options.time_limit - (time.monotonic() - started)
        bound = regret_moments.continuum if model.is_box else _triangulated
        certificate["continuum"], above_all = bound(model, replace(options, time_limit=left))
    proved = None
    if options.certificate:
        options.progress("checking every row in rationals")
        bounds, proved = _certify(model, certificate)
    elif model.is_box and not model.moments:
        bounds = _float_bounds(model, sellers, natures)
    else:
        slip = SLIP * max(1.0, float(model.surplus.max()))
        top, problem = (above_all, "continuum") if model.is_continuum else (finite.value, "finite")
        bounds = Bounds(finite.bound - slip, top + slip, problem, False)
    return _outcome(model, options, finite, certificate, bounds, proved)


def _check_options(model: RegretPricing, options: Options) -> None:
    if options.gap is not None and model.is_continuum and options.gap < NARROWEST * float(sum(model.upper)):
        least = NARROWEST * float(sum(model.upper))
        raise fail("solve.gap", f"at least {least:.3g}, what the programs' floats can reach", str(options.gap))


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


def _triangulated(model: RegretPricing, options: Options) -> tuple[dict[str, Any], float]:
    """The continuum part under a budget: the least share of the anchor with which the checker agrees."""
    anchor, sigma = strictly_convex(model), np.zeros(len(model.sides))
    utility, value = anchor, float(model.surplus.max())  # what keeping everything would regret
    if options.time_limit is None or options.time_limit > 0:
        found = highs(
            polytope_program(model), time_limit=options.time_limit, options=options.options, memory=options.memory
        )
        if found.status.has_point:
            utility, value = found.primal["u"], found.value
            sigma = np.atleast_1d(found.primal.get("sigma", sigma))
    instance = Instance(model.parameters())
    for share in ANCHOR_SHARES:
        part = regret_certify.triangulated(model, utility, anchor, share, sigma)
        if all(check.passed for check in budget_above(instance, part["mechanism"])[1]):
            break
    return part, value


def _certify(model: RegretPricing, certificate: dict[str, Any]) -> tuple[Bounds, tuple[Any, Any]]:
    """Run the exact checker, write what it proved into the certificate, and round it outwards."""
    checks, proved = regret_check.check(model.parameters(), certificate)
    for name, found in proved.items():
        certificate[name].update(regret_check.bracket_text(found))
    lower, upper = proved["continuum" if model.is_continuum else "finite"]
    if model.is_box:
        lower = max(lower, proved["finite"][0])  # fewer types are a relaxation: the grid's lower bound holds too
    return (
        Bounds(
            below(lower), above(upper), "continuum" if model.is_continuum else "finite", all(c.passed for c in checks)
        ),
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


def mechanism(model: RegretPricing, arrays: Mapping[str, Labelled]) -> Mechanism:
    """The mechanism that proves the upper bound, as a function of any values."""
    if model.budget is not None:
        lower = np.array([float(x) for x in model.lower])
        return TriangulatedMechanism(arrays["continuum_utility"].values, lower, steps(model), model.points or 1)
    if not model.is_box:
        return MenuMechanism(arrays["allocation"].values, arrays["payment"].values, model.costs)
    curves = [arrays.get(f"continuum_allocation_{j + 1}") for j in range(model.goods)]
    return SeparableMechanism.from_curves(curves, model)


def _outcome(
    model: RegretPricing, options: Options, finite: Finite, certificate: dict[str, Any], bounds: Bounds,
    proved: tuple[Any, Any] | None,
) -> Outcome:  # fmt: skip
    tables = tables_of(model, finite.part)
    arrays = arrays_of(model, tables)
    if "continuum" in certificate:
        arrays |= curve_arrays(certificate["continuum"])
    value, notes = finite.value, []
    if proved is not None and proved[0] == proved[1] and finite.status is Status.OPTIMAL:
        value = nearest(proved[1])  # the optimum as a fraction: the float nearest it
        notes.append("the finite optimum is known as a fraction (certificate.json)")
    if options.gap is not None and bounds.width > options.gap:
        notes.append(f"the bracket is {bounds.width:.2g} wide, not {options.gap:.2g}: raise points or the time limit")
    alpha = tables["alpha"]
    atoms = [{"probability": float(alpha[v]), "values": model.values[v].tolist()} for v in np.flatnonzero(alpha > 0)]
    quantities = {"regret": value, "worst_case": atoms}
    if (grid := model.grid_closed_form()) is not None:
        quantities["grid_closed_form"] = grid
    if proved is not None and finite.status is Status.USER_LIMIT:
        quantities["regret"] = value = above(proved[1])  # the incumbent: the mechanism in hand, made feasible
    if proved is not None:
        quantities |= {"finite_lower": below(proved[0]), "finite_upper": above(proved[1])}
    return Outcome(
        finite.status, value, bounds, model.closed_form(), quantities, arrays, finite.statistics, finite.residuals,
        finite.method, certificate if options.certificate else None, mechanism(model, arrays), tuple(notes),
    )  # fmt: skip
