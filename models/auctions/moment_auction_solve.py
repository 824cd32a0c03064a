"""How a `moment-auction` instance is solved: by its mechanism, then the exact check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mechopt.models.auctions import moment_auction_any_solve as everyone
from mechopt.models.auctions import moment_auction_check as checker
from mechopt.models.auctions import moment_auction_lottery_cells as cells
from mechopt.models.auctions.moment_auction import MomentAuction
from mechopt.models.auctions.moment_auction_inputs import check_possible
from mechopt.models.auctions.moment_auction_loglinear import LogLinear
from mechopt.models.auctions.moment_auction_mechanism import RoundedUp, SecondPrice
from mechopt.models.auctions.moment_auction_price import Priced, priced
from mechopt.models.auctions.moment_auction_sought import arrays_of, float_bounds, sought
from mechopt.models.auctions.moment_auction_theory import HighestBidderLottery
from mechopt.models.inputs import fail
from mechopt.models.outcome import Array, Bounds, Labelled, Mechanism, Options, Outcome
from mechopt.solvers.program import Solution, SolveError, Status
from mechopt.solvers.rational import above, below, nearest, rational

SLIP = 1e-9  # by which bounds only floats have seen are widened
MOST_LISTED = 20_000  # profiles in the table of the mechanism


def solve(model: MomentAuction, options: Options) -> Outcome:
    """Solve an instance and bracket it. Raises InputError for a method or gap that does not fit the instance."""
    model.require_fits()
    check_possible(model)
    if model.mechanism == "second-price":
        return _second_price(model, options)
    return _together(model, options) if model.together else _sought(model, options)


def certified(model: MomentAuction, certificate: dict[str, Any]) -> Bounds:
    """Run the exact checker, write what it proved into the certificate, and round it outwards."""
    checks, proved = checker.check(model.parameters(), certificate)
    for name, found in proved.items():
        certificate[name].update(checker.bracket_text(found))
    lower, upper = proved["continuum"]
    return Bounds(below(lower), above(upper), "continuum", all(check.passed for check in checks))


def _second_price(model: MomentAuction, options: Options) -> Outcome:
    if options.method not in (None, "rows"):
        raise fail("solve.method", 'rows for "second-price"', options.method, "or leave it out")
    options.progress("nature's reply by row generation")
    found = priced(model, options)
    done = found.reply.solution
    if not done.status.has_point:
        raise SolveError(Solution(done.status, np.nan, np.nan, {}, {}, done.residuals, done.statistics))
    certificate: dict[str, Any] = {"continuum": found.part, "finite": {}}
    if options.certificate:
        options.progress("checking every region in rationals")
        bounds: Bounds | None = certified(model, certificate)
    elif model.reserve is not None and model.mean is not None:
        bounds = Bounds(max(found.reply.value - SLIP, 0.0), found.reply.value + SLIP, "continuum", False)
    else:  # other reserves, or what lies between the grid's values, only the checker bounds
        bounds = None
    notes = []
    if options.gap is not None and bounds is not None and bounds.width > options.gap:
        notes.append(f"the bracket is {bounds.width:.2g} wide, not {options.gap:.2g}: raise points")
    if found.reserve > 0 and done.status is Status.OPTIMAL:
        notes.append("the value is that of the closure: nature's values just below the reserve stand at it, unsold")
    arrays = _arrays(model, found)
    atoms = [{"probability": float(p), "values": v.tolist()} for p, v in zip(
        arrays["worst_case"].values, arrays["worst_case_values"].values, strict=True)]  # fmt: skip
    quantities = {
        "revenue": found.reply.value, "reserve": float(found.reserve), "sigma": found.reply.sigma.tolist(),
        "lambda": float(done.point.x[0]), "worst_case": atoms, "rounds": done.rounds,
    }  # fmt: skip
    return Outcome(
        done.status, found.reply.value, bounds, model.closed_form(), quantities, arrays, done.statistics,
        done.residuals, "rows", certificate if options.certificate else None, mechanism(model, arrays), tuple(notes),
    )  # fmt: skip


def _sought(model: MomentAuction, options: Options) -> Outcome:
    left, certificate, matrices, right = sought(model, options)
    if options.certificate:
        options.progress("checking every cell in rationals")
        bounds = certified(model, certificate)
    else:
        bounds = float_bounds(right.value, left.bound, SLIP)
    notes = ["nature's atoms are the grid's: one bidder, drawn at random, at the first value, the others at the second"]
    if options.gap is not None and bounds.width > options.gap:
        notes.append(f"the bracket is {bounds.width:.2g} wide, not {options.gap:.2g}: raise points")
    arrays = {**arrays_of(model, matrices, left, right), **_mechanism_arrays(model, certificate)}
    atoms = [{"probability": float(p), "values": v.tolist()} for p, v in zip(
        arrays["worst_case"].values, arrays["worst_case_values"].values, strict=True)]  # fmt: skip
    quantities: dict[str, Any] = {"revenue": left.value, "grid_lower": right.value, "grid_upper": left.value}
    quantities |= {"sigma": float(left.primal["sigma"]), "lambda": float(left.primal["lambda"]), "worst_case": atoms}
    if options.certificate:
        proved = certificate["finite"]
        quantities |= {
            "finite_lower": below(rational(proved["lower"])),
            "finite_upper": above(rational(proved["upper"])),
        }
    return Outcome(
        left.status, left.value, bounds, model.closed_form(), quantities, arrays, left.statistics, left.residuals,
        options.method or "curves", certificate if options.certificate else None, mechanism(model, arrays),
        tuple(notes),
    )  # fmt: skip


def _together(model: MomentAuction, options: Options) -> Outcome:
    found, certificate, stopped = everyone.sought(model, options)
    bounds: Bounds | None = certified(model, certificate)
    if not options.certificate and bounds is not None:
        bounds = Bounds(bounds.lower, bounds.upper, "continuum", False)
    notes = ["nature's atoms are the grid's: each profile in any order, equally likely"]
    if options.gap is not None and bounds is not None and bounds.width > options.gap:
        notes.append(f"the bracket is {bounds.width:.2g} wide, not {options.gap:.2g}: more cells would not fit")
    arrays = everyone.arrays_of(model, found, certificate)
    rule = mechanism(model, arrays)
    arrays |= _listed(model, rule)
    atoms = [{"probability": float(p), "values": v.tolist()} for p, v in zip(
        arrays["worst_case"].values, arrays["worst_case_values"].values, strict=True)]  # fmt: skip
    quantities: dict[str, Any] = {"revenue": found.value, "sigma": arrays["sigma"].values.tolist()}
    quantities |= {"lambda": float(arrays["lambda"].values[0]), "worst_case": atoms}
    for end, side in (("lower", below), ("upper", above)):
        quantities[f"finite_{end}"] = side(rational(certificate["finite"][end]))
    status = Status.USER_LIMIT if stopped else found.status
    return Outcome(
        status, found.value, bounds, model.closed_form(), quantities, arrays, found.statistics, found.residuals,
        "cells", certificate if options.certificate else None, rule, tuple(notes),
    )  # fmt: skip


def _listed(model: MomentAuction, rule: Mechanism) -> dict[str, Labelled]:
    """The mechanism's table at the profiles of the grid."""
    values = profiles(model, np.array([float(x) for x in model.nodes]))
    q, m = rule(values)
    names = {"bidder": [f"bidder {i + 1}" for i in range(model.bidders)]}
    return {
        "values": Labelled(values, ("profile", "bidder"), names, "types"),
        "allocation": Labelled(q, ("profile", "bidder"), names, "mechanism"),
        "payment": Labelled(m, ("profile", "bidder"), names, "mechanism"),
    }


def _mechanism_arrays(model: MomentAuction, certificate: Mapping[str, Any]) -> dict[str, Labelled]:
    """The parameters of the mechanism that proves the lower bound, and its table at the profiles of the grid."""
    found: dict[str, Labelled] = {}
    if "curve" in (part := certificate["continuum"]):
        for name, value in part["curve"].items():
            found[name] = Labelled(np.array([nearest(rational(value))]), ("one",), {}, "mechanism")
    elif "cells" in part:
        found["log_nodes"] = Labelled(np.array([nearest(rational(x)) for x in part["cells"]["nodes"]]), ("log_node",))
        for name in ("alpha", "gamma", "beta", "slope", "jump"):
            numbers = np.array(part["cells"][name], dtype=float) / cells.UNIT
            found[name] = Labelled(numbers, ("pair" if name in ("slope", "jump") else "log_cell",), {}, "mechanism")
    elif "loglinear" in part:
        found |= everyone.loglinear_arrays(part["loglinear"])
    else:
        chances = part["mechanism"]["allocation"]
        table = np.zeros((model.points + 1, len(chances)))
        for j, column in enumerate(chances):
            table[len(table) - len(column) :, j] = [nearest(rational(x)) for x in column]
        found["cells"] = Labelled(table, ("own_cell", "highest_other_cell"), {}, "mechanism")
    return found | _listed(model, mechanism(model, found))


def _arrays(model: MomentAuction, found: Priced) -> dict[str, Labelled]:
    """Nature's atoms, the multipliers, and the auction at the profiles of the grid, or at (a, b, ..., b) where many."""
    names = {"bidder": [f"bidder {i + 1}" for i in range(model.bidders)]}
    nature = found.part["nature"]
    where = np.array([[nearest(rational(x)) for x in v] for v, _ in nature])
    values = profiles(model, found.grid.values)
    q, m = SecondPrice(float(found.reserve))(values)
    rows = [str(side) for side in model.sides]
    return {
        "worst_case": Labelled(np.array([nearest(rational(p)) for _, p in nature]), ("atom",), {}, "worst_case"),
        "worst_case_values": Labelled(where, ("atom", "bidder"), names, "worst_case"),
        "sigma": Labelled(found.reply.sigma, ("moment",), {"moment": rows}, "dual"),
        "lambda": Labelled(np.array([found.reply.solution.point.x[0]]), ("one",), {}, "dual"),
        "reserve": Labelled(np.array([float(found.reserve)]), ("one",), {}, "mechanism"),
        "values": Labelled(values, ("profile", "bidder"), names, "types"),
        "allocation": Labelled(q, ("profile", "bidder"), names, "mechanism"),
        "payment": Labelled(m, ("profile", "bidder"), names, "mechanism"),
    }


def profiles(model: MomentAuction, axis: Array) -> Array:
    """Profiles at which a result lists its mechanism, (N, I)."""
    axis = np.unique(axis)
    if len(axis) ** min(model.bidders, 40) <= MOST_LISTED:
        grids = np.meshgrid(*[axis] * model.bidders, indexing="ij")
        return np.stack([g.ravel() for g in grids], axis=1)
    high, low = (g.ravel() for g in np.meshgrid(axis, axis, indexing="ij"))
    return np.concatenate([high[:, None], np.repeat(low[:, None], model.bidders - 1, axis=1)], axis=1)[high >= low]


def mechanism(model: MomentAuction, arrays: Mapping[str, Labelled]) -> Mechanism:
    """The mechanism that proves the lower bound: allocation (..., I) and payment (..., I) at values (..., I)."""
    if model.mechanism == "second-price":
        return SecondPrice(float(arrays["reserve"].values[0]))
    if "alpha" in arrays:
        names = ("log_nodes", "alpha", "gamma", "beta", "slope", "jump")
        return cells.CellLottery(*(arrays[name].values for name in names))
    if "log_nodes" in arrays:
        return LogLinear(model.bidders, *(arrays[z].values for z in ("log_nodes", "log_slope", "log_jump")))
    if "threshold" in arrays:
        return HighestBidderLottery(float(arrays["threshold"].values[0]), float(arrays["slope"].values[0]))
    return RoundedUp(arrays["cells"].values, model.mechanism != "any")
