"""`mechopt.solve`: from a model or an instance to a Result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mechopt import registry
from mechopt.instance import Instance, SolveTable
from mechopt.models.inputs import InputError, fail
from mechopt.models.outcome import Options, Progress
from mechopt.result import Result


def solve(
    problem: Any,
    *,
    time_limit: float | None = None,
    method: str | None = None,
    gap: float | None = None,
    certificate: bool | None = None,
    options: Mapping[str, Any] | None = None,
    verbose: bool = False,
    progress: Progress | None = None,
    memory: Any = None,
) -> Result:
    """Solve a model (such as RegretPricing) or an Instance, and bracket its optimum.

    `time_limit`: seconds, after which the incumbent and its bounds come back. `method`: the engine, chosen by
    structure when None. `gap`: the width of the bracket asked for, in money. `certificate`: False skips the exact
    check, and the bounds are then what floats say. `options`: HiGHS's own. `memory`: a `Retained`, in which programs
    of one structure stay compiled from one solve to the next. An Instance's [solve] table gives the
    defaults. Raises InputError for bad input and SolveError when there is no optimum to report.

    >>> import mechopt as mo
    >>> result = mo.solve(mo.RegretPricing(upper=[1], points=2))
    >>> assert result.value == 0.25
    """
    instance = problem if isinstance(problem, Instance) else None
    model = instance.model if instance else problem
    entry = registry.of(model)
    table = instance.solve if instance else SolveTable()
    chosen = Options(
        time_limit=time_limit if time_limit is not None else table.time_limit,
        method=method if method is not None else table.method,
        gap=gap if gap is not None else table.gap,
        certificate=certificate if certificate is not None else table.certificate,
        options={**table.options, **(options or {})},
        verbose=verbose,
        progress=progress or (lambda message: None),
        memory=memory,
    )
    chosen.require_sensible()
    try:
        outcome = entry.load("solve")(model, chosen)
    except InputError as error:  # the model speaks of its own fields, a file's reader wants them from the top
        raise error.within("parameters", unless="solve.") if instance else error from None
    except ValueError as error:
        if "HiGHS takes no option" in str(error):
            raise fail("solve.options", "options HiGHS takes", str(error)) from None
        raise
    return Result.of(entry, model, outcome, instance.name if instance else None)
