"""`mechopt.assess`: a mechanism of the user's own inside a composed problem."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mechopt.instance import Instance
from mechopt.models.composition.assess import Judgement, judge
from mechopt.models.design import Design
from mechopt.models.inputs import exact, fail
from mechopt.models.outcome import Bounds
from mechopt.result import Result
from mechopt.solvers.rational import above, below, rational
from mechopt.solving import solve


def assess(problem: Design | Instance, candidate: Any, *, compare: bool = True, tolerance: Any = 1e-9) -> Judgement:
    """Judge a mechanism inside a design: which rows it breaks, its worst case, how far it is from the best.

    `candidate`: a path to a mechanism file, a table with `allocation` and `payment` (and `types`, which must then be
    the design's), or anything with these two attributes, such as the mechanism of a result. `compare`: also solve the
    design, so that the gap is bracketed. `tolerance`: the most a row may be missed by, for tables that were rounded.
    Raises InputError for tables that do not fit.

    >>> import mechopt as mo
    >>> design = mo.Design(environment={"upper": [1], "points": 2},
    ...                    criterion={"kind": "regret", "ambiguity": {"kind": "support"}})
    >>> price = mo.assess(design, {"allocation": [[0, 1, 1]], "payment": [[0, "1/2", "1/2"]]})
    >>> assert price.feasible and price.exact == 1 / 2 and price.gap[0] > 0.2
    """
    model = problem.model if isinstance(problem, Instance) else problem
    if not isinstance(model, Design):
        raise fail(
            "problem", "a Design", type(model).__name__, "other models have bounds of their own; see `mechopt audit`"
        )
    allocation, payment = _tables(model, candidate)
    best = _finite(solve(problem)) if compare else None
    return judge(model, allocation, payment, best, exact(tolerance))


def _finite(result: Result) -> Bounds:
    """The bounds of the finite program, which a table on the types is compared with."""
    bounds = result.bounds
    if bounds.problem == "finite" or result.certificate is None:
        return bounds
    low, high = (rational(result.certificate["finite"][end]) for end in ("lower", "upper"))
    return Bounds(below(low), above(high), "finite", bounds.certified)


def _tables(model: Design, candidate: Any) -> tuple[Any, Any]:
    if isinstance(candidate, str | Path):
        try:
            candidate = json.loads(Path(candidate).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise fail(str(candidate), "a mechanism file in JSON", str(error)) from None
    if isinstance(candidate, Mapping):
        for name in ("allocation", "payment"):
            if name not in candidate:
                raise fail(name, "a table", "none", "a mechanism file has types, allocation and payment")
        if "types" in candidate:
            _same_types(model, candidate["types"])
        return candidate["allocation"], candidate["payment"]
    if hasattr(candidate, "allocation") and hasattr(candidate, "payment"):
        return candidate.allocation, candidate.payment
    raise fail("candidate", "a path, a table, or a mechanism", type(candidate).__name__)


def _same_types(model: Design, given: Any) -> None:
    exactly = [[tuple(exact(x) for x in (t if isinstance(t, list | tuple) else [t])) for t in own] for own in given]
    if [list(own) for own in model.environment.exact] != exactly:
        raise fail("types", "the types of the design", "others", "write the mechanism on the design's own types")
