"""How a `posted-prices` instance is solved.

Prices given: their worst case, bundle by bundle (posted_prices_worst.py). Prices sought: the reference program,
whose optimum no prices beat, then the worst case of its own prices; on a grid, the mixed-integer program as well.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.models.outcome import Bounds, Options, Outcome
from mechopt.models.prices import posted_prices_check
from mechopt.models.prices.bundles import bundles, label
from mechopt.models.prices.posted_prices import PostedPrices
from mechopt.models.prices.posted_prices_search import (
    Reference,
    dearest_prices,
    on_grid,
    prices_on_the_box,
    reference,
    regret_on_grid,
    unavoidable,
)
from mechopt.models.prices.posted_prices_theory import best_random_regret, best_regret
from mechopt.models.prices.posted_prices_worst import Case, Market, Worst, worst_cases
from mechopt.models.prices.price_list import labelled, mechanism, quantities
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.program import Solution, Status
from mechopt.solvers.rational import Rational, above, below, nearest, text

EXACT = {"mip_rel_gap": 0.0, "mip_abs_gap": 1e-9, "mip_feasibility_tolerance": 1e-9}
SLIP = 1e-9  # by which bounds only floats have seen are widened, relative to the largest value
Part = dict[str, Any]


def solve(model: PostedPrices, options: Options) -> Outcome:
    """Solve an instance and bracket it. Raises InputError for options that do not fit, or too many bundles."""
    _check_options(options)
    model.require_fits()
    deadline = None if options.time_limit is None else time.monotonic() + options.time_limit
    return _evaluate(model, options, deadline) if model.prices is not None else _best(model, options, deadline)


def _check_options(options: Options) -> None:
    if options.method is not None:
        raise fail("solve.method", "none", options.method, "there is one way to solve each kind of instance")


def _evaluate(model: PostedPrices, options: Options, deadline: float | None) -> Outcome:
    options.progress(f"solving {model.programs:,} linear programs")
    worst = worst_cases(Market(model.upper, model.cost, model.offered), deadline)
    certificate = {"continuum": {"mechanism": {"bundles": _above(worst)}, "nature": _one_profile(worst)}}
    bounds = _bounds(model, certificate, options, worst, worst.regret)
    found, random = quantities(worst), best_random_regret(model.margins)
    found["best_regret"] = best_regret(model.margins)
    if random > 0:
        found["ratio"] = found["regret"] / random
    return _outcome(model, options, worst, bounds, found, certificate, {
        "status": Status.OPTIMAL, "value": found["regret"], "statistics": worst.statistics,
        "residuals": worst.residuals, "method": f"{model.programs:,} linear programs",
    })  # fmt: skip


def _best(model: PostedPrices, options: Options, deadline: float | None) -> Outcome:
    options.progress(f"solving the reference program: {model.size()}")
    scaled, unit = _scaled(model)
    solution = highs(scaled.reference(), options=options.options, verbose=options.verbose).require()
    found = reference(model, solution.primal["v"] * float(unit))
    least = unavoidable(model, found)
    options.progress("finding the worst case of its prices")
    prices = prices_on_the_box(model, found)
    worst = worst_cases(Market(model.upper, model.cost, prices), deadline)
    part = {"mechanism": {"prices": _written(prices), "bundles": _above(worst)}, "nature": _profiles(model, found)}
    certificate: dict[str, Any] = {"continuum": part}
    closed, told = least == worst.regret, quantities(worst)
    value, method = nearest(least) if closed else solution.value * float(unit), "reference program"
    if model.points is not None:
        options.progress("solving the mixed-integer program on the grid")
        left = None if deadline is None else max(deadline - time.monotonic(), 1e-3)
        settings = {**EXACT, **options.options}
        solution = highs(scaled.primal(), time_limit=left, options=settings, verbose=options.verbose)
        on_types, value = _grid_prices(model, solution, prices)
        nature = on_grid(model, found)
        nature_part = None if nature is None else _profiles(model, nature)
        certificate["finite"] = {"mechanism": {"prices": _written(on_types)}, "nature": nature_part}
        told["grid_prices"] = {label(bundle): nearest(price) for bundle, price in on_types.items() if bundle}
        method = "mixed-integer program on a grid"
    bounds = _bounds(model, certificate, options, worst, least)
    if (random := best_random_regret(model.margins)) > 0:
        told["ratio"] = best_regret(model.margins) / random
    return _outcome(model, options, worst, bounds, told, certificate, {
        "status": solution.status, "value": value, "statistics": solution.statistics,
        "residuals": solution.residuals, "method": method,
    })  # fmt: skip


def _outcome(
    model: PostedPrices, options: Options, worst: Worst, bounds: Bounds, told: Part, certificate: Part, solved: Part
) -> Outcome:
    arrays = labelled(model, worst)
    notes = []
    box = certificate["continuum"]
    if bounds.certified and box["lower"] == box["upper"]:
        notes.append("both bounds are the same fraction (certificate.json)")
    if not worst.complete:
        solved["status"] = Status.USER_LIMIT
        notes.append("some bundles were bounded without their linear programs: raise the time limit")
    if options.gap is not None and bounds.width > options.gap:
        notes.append(f"the bracket is {bounds.width:.2g} wide, not {options.gap:.2g}: raise the time limit")
    return Outcome(
        bounds=bounds, closed_form=model.closed_form(), quantities=told, arrays=arrays,
        certificate=certificate if options.certificate else None, mechanism=mechanism(model, arrays),
        notes=tuple(notes), **solved,
    )  # fmt: skip


def _scaled(model: PostedPrices) -> tuple[PostedPrices, Fraction]:
    """The instance in units of its largest value; what a good costs beyond twice its value changes nothing."""
    unit = max(model.upper)
    cost = tuple(min(c, 2 * hi) / unit for c, hi in zip(model.cost, model.upper, strict=True))
    return PostedPrices(upper=tuple(hi / unit for hi in model.upper), cost=cost, points=model.points), unit


def _grid_prices(
    model: PostedPrices, solution: Solution, fallback: Mapping[int, Rational]
) -> tuple[Mapping[int, Rational], float]:
    """The prices a point of the mixed-integer program stands for, and their exact regret on the grid as a float."""
    lists = [fallback]
    if solution.status.has_point and solution.primal:
        found = dearest_prices(model, np.argmax(solution.primal["x"], axis=1).tolist())
        lists = [fallback] if found is None else [found, fallback]
    regret, _, prices = min((regret_on_grid(model, prices), k, prices) for k, prices in enumerate(lists))
    return prices, nearest(regret)


def _bounds(model: PostedPrices, certificate: Part, options: Options, worst: Worst, least: Rational) -> Bounds:
    """What the exact checker proves, rounded outwards; without it, what the floats say, widened."""
    if not options.certificate:
        slip = SLIP * float(max(model.upper))
        return Bounds(max(0.0, nearest(least) - slip), max(c.estimate for c in worst.bought) + slip, "continuum", False)
    options.progress("checking every bundle in rationals")
    checks, proved = posted_prices_check.check(model.parameters(), certificate)
    for name, part in certificate.items():
        part |= {"lower": text(proved[name][0]), "upper": text(proved[name][1])}
    lower = max(proved["continuum"][0], proved["finite"][0])  # fewer types are a relaxation
    return Bounds(below(lower), above(proved["continuum"][1]), "continuum", all(c.passed for c in checks))


def _above(worst: Worst) -> Part:
    """Multipliers for every bundle and sign pattern, or the bundle that is always better."""

    def part(case: Case) -> Part:
        if case.beaten_by is not None:
            return {"beaten_by": label(case.beaten_by)}
        return {"patterns": {
            label(pattern): [[label(rival), text(y)] for rival, y in rows.items()]
            for pattern, rows in case.patterns.items()
        }}  # fmt: skip

    return {label(case.bundle): part(case) for case in worst.cases}


def _one_profile(worst: Worst) -> Part:
    case = max(worst.bought, key=lambda case: case.regret)
    return {"bundle": label(case.bundle), "values": [text(x) for x in case.values]}


def _profiles(model: PostedPrices, found: Reference) -> Part:
    """A reference as a certificate holds it."""
    names = [label(bundle) for bundle in bundles(model.goods)]

    def named(rows: Sequence[Any]) -> Part:
        return dict(zip(names, rows, strict=True))

    part = {"prices": named([text(p) for p in found.prices])}
    part["profiles"] = named([[text(x) for x in row] for row in found.profiles])
    return part if found.strict is None else part | {"strict": named([text(p) for p in found.strict])}


def _written(prices: Mapping[int, Rational]) -> dict[str, str]:
    return {label(bundle): text(price) for bundle, price in prices.items()}
