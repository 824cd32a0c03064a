"""How a `design` instance is solved: an engine, the exact optimum at its basis, the checker over all rows.

Methods, all for the same optimum: `lazy` (rows of truth generated; the default) and `all-rows`, the program as
written. A deterministic design is a mixed-integer program: HiGHS branches, the chosen allocation's payments are
optimised exactly, and a tree of exact bounds (models/composition/branching.py) proves that no other is better; where
it would be too large, the certified bound on that side is the one of lotteries.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.checking import number
from mechopt.models.composition import certificate as writing
from mechopt.models.composition.branching import leaves, proof
from mechopt.models.composition.continuum import Bracket, bracket, why_not
from mechopt.models.composition.engine import METHODS, Solved, run, split
from mechopt.models.composition.exactly import ExactPoint, fixed_at, optimum
from mechopt.models.composition.explain import conflict, require_distributions
from mechopt.models.composition.incumbent import ceiling, incumbent
from mechopt.models.composition.tables import Apart, Tables, arrays_of, continuum_arrays, linear_rules, mechanism_arrays
from mechopt.models.inputs import fail
from mechopt.models.outcome import Bounds, Labelled, Options, Outcome
from mechopt.solvers.highs import load, read_point, status_of
from mechopt.solvers.linear import LinearProgram
from mechopt.solvers.program import Status
from mechopt.solvers.rational import above, below, nearest, text

if TYPE_CHECKING:
    from mechopt.models.design import Design

SLIP = 1e-8  # by which bounds only floats have seen are widened, relative to the size of the numbers
LISTED = 50  # atoms of the worst case the result document lists


def solve(model: Design, options: Options) -> Outcome:
    """Solve an instance and bracket it. Raises InputError for a method that does not fit, SolveError for no optimum."""
    method = _check_options(options)
    model.require_fits()
    require_distributions(model)
    until = None if options.time_limit is None else time.perf_counter() + options.time_limit
    options.progress(f"solving: at most {model.size()}")
    solved = run(model, options, method)
    if not solved.status.has_point:
        raise conflict(model, solved)
    if solved.status is Status.USER_LIMIT and (solved.method == "lazy" or not np.isfinite(solved.point.x).all()):
        return _stopped(model, solved)
    sign = solved.arrays.sign
    value = sign * float(solved.arrays.cost @ solved.point.x)
    bounds, certificate, notes, inner = _floats(solved, value), None, list(_notes(model)), None
    x, y = solved.point.x, solved.point.y
    if options.certificate and solved.status is not Status.USER_LIMIT:
        options.progress("checking every row in rationals")
        found = _certify(model, solved, options, until)
        if found is None:
            notes.append("the basis could not be solved in rationals: the bounds are the solver's, not certified")
        else:
            bounds, certificate, x, y, more, inner = found
            notes += more
            low, high = (number(certificate["finite"][end]) for end in ("lower", "upper"))
            value = min(max(value, below(low)), above(high))
    arrays = arrays_of(model, *solved.whole(x, y)) | continuum_arrays(model, inner)
    quantities = _quantities(model, value, arrays)
    return Outcome(
        solved.status, value, bounds, None, quantities, arrays, solved.statistics, solved.residuals, solved.method,
        certificate, mechanism(model, arrays), tuple(notes),
    )  # fmt: skip


def _stopped(model: Design, solved: Solved) -> Outcome:
    """At a limit without a mechanism that keeps every row: one known without solving, and the bound of the rows so far.

    Raises SolveError where no such mechanism or bound is known.
    """
    found, most = incumbent(model), ceiling(model)
    proved = solved.arrays.sign * solved.bound if np.isfinite(solved.bound) else most
    if found is None or found.judgement.exact is None or proved is None:
        raise conflict(model, solved)
    value, slip = float(found.judgement.exact), SLIP * max(1.0, abs(proved))
    if most is not None:
        proved = min(proved, most) if model.maximizes else max(proved, most)
    bounds = Bounds(min(value, proved) - slip, max(value, proved) + slip, "finite", False)
    arrays = {
        **mechanism_arrays(model, found.point),
        "worst_case": Labelled(found.judgement.worst_case, ("profile",), {}, "worst_case"),
    }
    note = f"stopped before any mechanism of the program was found: the one returned {found.words}"
    return Outcome(
        solved.status, value, bounds, None, _quantities(model, value, arrays), arrays, solved.statistics,
        solved.residuals, solved.method, None, mechanism(model, arrays), (note,),
    )  # fmt: skip


def mechanism(model: Design, arrays: Mapping[str, Labelled]) -> Tables | Apart:
    """The mechanism as a function of the bidders' values."""
    return linear_rules(model, arrays) or Tables(model, arrays["allocation"].values, arrays["payment"].values)


def _check_options(options: Options) -> str:
    if options.method not in (None, *METHODS):
        raise fail("solve.method", " or ".join(METHODS), options.method)
    return options.method or METHODS[0]


def _floats(solved: Solved, value: float) -> Bounds:
    other = solved.arrays.sign * solved.bound
    slip = SLIP * max(1.0, abs(value))
    return Bounds(min(value, other) - slip, max(value, other) + slip, "finite", False)


Certified = tuple[Bounds, dict[str, Any], Any, Any, list[str], Bracket | None]


def _certify(model: Design, solved: Solved, options: Options, until: float | None) -> Certified | None:
    if solved.arrays.integral.any():
        return _certify_whole(model, solved, options)
    point = optimum(solved.composition, solved.arrays, solved.point, {})
    if point is None:
        return None
    if len(labels := writing.missed(model, solved, point.x)) and point.primal:
        again = run(model, options, "all-rows")  # rounding hid rows: the whole program has them all
        point = optimum(again.composition, again.arrays, again.point, {})
        solved = again
        if point is None:
            return None
        assert len(labels)
    return _sealed(model, solved, point, None, options, until, [])


def _certify_whole(model: Design, solved: Solved, options: Options) -> Certified | None:
    """Whole allocations: their payments exactly, and the bound of the relaxation to lotteries."""
    arrays = solved.arrays
    fixed = fixed_at(solved.point.x, arrays.integral)
    low, high = arrays.col_lower.copy(), arrays.col_upper.copy()
    for j, value in fixed.items():
        low[j] = high[j] = nearest(value)
    none = np.zeros(len(low), dtype=bool)
    chosen = _basis(replace(arrays, integral=none, col_lower=low, col_upper=high))
    relaxed = _basis(replace(arrays, integral=none))
    if chosen is None or relaxed is None:
        return None
    primal = optimum(solved.composition, chosen[0], chosen[1], fixed)
    dual = optimum(solved.composition, relaxed[0], relaxed[1], {})
    if primal is None or dual is None:
        return None
    tree = proof(solved.composition, arrays, nearest(primal.value))
    if tree is not None:
        note = f"no whole allocation is better: proved by a tree of {leaves(tree):,} exact bounds"
    else:
        note = (f"HiGHS's branching proves {arrays.sign * solved.bound:.12g} in floats; the tree is too large to "
                "check, and the certified bound on that side is that of lotteries")  # fmt: skip
    return _sealed(model, solved, primal, dual, options, None, [note], tree)


def _basis(arrays: LinearProgram) -> tuple[LinearProgram, Any] | None:
    highs = load(arrays, {})
    highs.run()
    return (arrays, read_point(highs, arrays)) if status_of(highs) is Status.OPTIMAL else None


def _sealed(
    model: Design, solved: Solved, primal: ExactPoint, dual: ExactPoint | None, options: Options, until: float | None,
    notes: list[str], tree: Any = None,
) -> Certified:  # fmt: skip
    certificate: dict[str, Any] = {"finite": writing.part(model, solved, primal, dual)}
    if tree is not None:
        certificate["finite"] |= {"tree": writing.listed_tree(model, solved, tree)}
        del certificate["finite"]["nature"]  # the relaxation's, which the tree improves on
    inner = None
    if why_not(model) is None:
        finite = (dual or primal).bound
        inner = bracket(model, -finite if model.maximizes else finite, options, until)
        if inner is not None:
            certificate["continuum"] = writing.continuum_part(inner)
            notes = [*notes, inner.note] if inner.note else notes
    checks, proved = writing.checked(model, certificate)
    lower, upper = proved["finite"]
    certificate["finite"] |= {"lower": text(lower), "upper": text(upper)}
    problem = "finite" if inner is None else "continuum"
    ends = proved[problem]
    bounds = Bounds(below(ends[0]), above(ends[1]), problem, all(c.passed for c in checks))
    if lower == upper and bounds.certified:
        notes = [*notes, "the finite optimum is known as a fraction (certificate.json); every row of it was checked"]
    failed = [c.name for c in checks if not c.passed]
    if failed:
        notes = [*notes, f"not certified: {failed[0]}"]
    x = np.array([nearest(v) for v in primal.x])
    y = np.array([nearest(v) for v in (dual or primal).y])
    return bounds, certificate, x, y, notes, inner


def _notes(model: Design) -> tuple[str, ...]:
    reason = why_not(model)
    return (f"the bounds are the finite program's, not the continuum's: {reason}",) if reason else ()


def _quantities(model: Design, value: float, arrays: Mapping[str, Labelled]) -> dict[str, Any]:
    goal = model.criterion
    name = goal.kind if goal.kind in ("regret", "ratio") else goal.measure.words()
    found: dict[str, Any] = {name if name in ("regret", "ratio", "revenue", "welfare") else "goal": value}
    atoms = arrays["worst_case"].values
    where = np.argsort(-atoms)[:LISTED]
    where = where[atoms[where] > 1e-9]
    if goal.kind != "expected":
        values = model.environment.values
        listed = [
            {
                "probability": float(atoms[v]),
                "values": values[:, v, 0].tolist() if values.shape[2] == 1 else values[:, v].tolist(),
            }
            for v in where.tolist()
        ]
        found["worst_case"] = listed if model.environment.count > 1 else [
            {**atom, "values": atom["values"] if model.environment.goods == 1 else atom["values"][0]} for atom in listed
        ]  # fmt: skip
    return found


__all__ = ["mechanism", "solve", "split"]
