"""`mechopt solve`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import mechopt
from mechopt.commands.common import ERROR, LIMIT, NO_OPTIMUM, Changes, Json, Name, app, complain, say, spinner

if TYPE_CHECKING:
    from mechopt.solvers.program import SolveError


@app.command()
def solve(
    name: Name,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="DIR", help="Write the result here.")] = None,
    as_json: Json = False,
    changes: Changes = None,
    time_limit: Annotated[float | None, typer.Option(help="Seconds.")] = None,
    method: Annotated[str | None, typer.Option(help="The engine; chosen by structure when left out.")] = None,
    gap: Annotated[float | None, typer.Option(help="Width of the bracket asked for, in money.")] = None,
    no_certificate: Annotated[bool, typer.Option("--no-certificate", help="Skip the exact check.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a result already in DIR.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="The solver's own log, on stderr.")] = False,
) -> None:
    """Solve an instance; print a summary, or with --json the result document."""
    from mechopt.files import require_free
    from mechopt.instance import load

    instance = load(name, changes or ())
    if output is not None:
        require_free(output, force)
    from mechopt.solvers.program import SolveError

    try:
        with spinner() as progress, _log_to_stderr(verbose):
            result = mechopt.solve(
                instance, time_limit=time_limit, method=method, gap=gap,
                certificate=False if no_certificate else None, verbose=verbose, progress=progress,
            )  # fmt: skip
    except SolveError as error:
        _fail_to_solve(instance, error, as_json)
        return
    if output is not None:
        result.save(output, force)
    say(result.to_json() if as_json else result.summary())
    if output is not None and not as_json:
        say(f"written to   {output}")
    if result.status == "user_limit":
        raise typer.Exit(LIMIT)


@contextmanager
def _log_to_stderr(verbose: bool) -> Iterator[None]:
    """HiGHS writes to the process's stdout; with -v its log goes to stderr, so that stdout stays the result's."""
    if not verbose:
        yield
        return
    import os

    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)


def _fail_to_solve(instance: Any, error: SolveError, as_json: bool) -> None:
    """Say why there is no optimum, as a document where one was asked for, and exit by the table of the interface."""
    from mechopt.instance import finite

    status = error.solution.status.word
    if as_json:
        say(json.dumps({
            "mechopt": mechopt.__version__, "model": instance.entry.name, "name": instance.name,
            "instance": {"model": instance.entry.name, "parameters": instance.model.parameters()},
            "status": status, "message": str(error), "value": finite(error.solution.value), "bounds": None,
            "closed_form": None, "quantities": {}, "statistics": vars(error.solution.statistics), "files": {},
        }, indent=1))  # fmt: skip
    else:
        complain(str(error))
    codes = {"user_limit": LIMIT, "solver_error": ERROR}
    raise typer.Exit(codes.get(status, NO_OPTIMUM))
