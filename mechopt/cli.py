"""The command line. Heavy imports happen inside the commands, so that `mechopt --help` is instant."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import mechopt

if TYPE_CHECKING:
    from mechopt.solvers.program import SolveError

DONE, ERROR, BAD_INPUT, NO_OPTIMUM, LIMIT, FAILED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

app = typer.Typer(
    help="Optimal mechanisms as convex programs, with two-sided certified bounds.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Name = Annotated[str, typer.Argument(metavar="NAME_OR_FILE", help="A path, - for standard input, or a catalog name.")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the instance, as parameters.points=100.")
]


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _version(wanted: bool) -> None:
    if wanted:
        _say(f"mechopt {mechopt.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Optimal mechanisms as convex programs, with two-sided certified bounds."""


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """A spinner on a terminal's stderr; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda message: None
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        yield lambda message: status.update(message)


@app.command("list")
def list_models(as_json: Json = False) -> None:
    """The models and the catalog of named instances."""
    from mechopt.instance import catalog, parse
    from mechopt.registry import ENTRIES

    named = [{"name": name, **{k: data.get(k) for k in ("model", "name", "source")}, "key": name}
             for name, data in ((n, parse(t, n, False)) for n, t in catalog().items())]  # fmt: skip
    rows = [{"name": row["key"], "model": row["model"], "title": row["name"], "source": row["source"]} for row in named]
    models = [{"name": e.name, "title": e.title, "source": e.source} for e in ENTRIES]
    if as_json:
        _say(json.dumps({"models": models, "catalog": rows}, indent=1))
        return
    _say("models")
    for model in models:
        _say(f"  {model['name']:<24} {model['title']} ({model['source']})")
    _say("catalog")
    for row in rows:
        _say(f"  {row['name']:<30} {row['title']} ({row['source']})")


@app.command()
def show(name: Name, changes: Changes = None) -> None:
    """An instance, its program in words, and its size before building it."""
    from mechopt.instance import load

    instance = load(name, changes or ())
    _say(f"model       {instance.entry.name}: {instance.entry.title}")
    if instance.name:
        _say(f"name        {instance.name}")
    _say(f"source      {instance.source or instance.entry.source}")
    for key, value in instance.model.parameters().items():
        text = json.dumps(value)
        _say(f"{key:<11} {text if len(text) < 90 else text[:87] + '...'}")
    size = instance.model.size()
    _say(f"size        {size}{'' if size.fits else ', more than is free'}")
    _say("")
    _say(instance.model.words())


@app.command()
def schema(model: Annotated[str, typer.Argument(metavar="MODEL")]) -> None:
    """The JSON Schema of a model's instance file."""
    from mechopt.instance import schema as build

    _say(json.dumps(build(model), indent=1))


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
        with _progress() as progress, _log_to_stderr(verbose):
            result = mechopt.solve(
                instance, time_limit=time_limit, method=method, gap=gap,
                certificate=False if no_certificate else None, verbose=verbose, progress=progress,
            )  # fmt: skip
    except SolveError as error:
        _fail_to_solve(instance, error, as_json)
        return
    if output is not None:
        result.save(output, force)
    _say(result.to_json() if as_json else result.summary())
    if output is not None and not as_json:
        _say(f"written to   {output}")
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
        _say(json.dumps({
            "mechopt": mechopt.__version__, "model": instance.entry.name, "name": instance.name,
            "instance": {"model": instance.entry.name, "parameters": instance.model.parameters()},
            "status": status, "message": str(error), "value": finite(error.solution.value), "bounds": None,
            "closed_form": None, "quantities": {}, "statistics": vars(error.solution.statistics), "files": {},
        }, indent=1))  # fmt: skip
    else:
        _complain(str(error))
    codes = {"user_limit": LIMIT, "solver_error": ERROR}
    raise typer.Exit(codes.get(status, NO_OPTIMUM))


@app.command()
def verify(folder: Annotated[Path, typer.Argument(metavar="DIR")], as_json: Json = False) -> None:
    """Re-check a saved result from its files, in exact arithmetic, without a solver."""
    from mechopt.verification import verify as check

    found = check(folder)
    if as_json:
        _say(json.dumps(found.document(), indent=1))
    else:
        for row in found.checks:
            verdict = "pass" if row.passed else "FAIL"
            _say(f"{verdict}  {row.name:<70} {row.residual:>9.2g}  {row.detail}".rstrip())
        _say("verified: every check passed" if found.passed else "not verified")
    if not found.passed:
        raise typer.Exit(FAILED)


@app.command()
def audit(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A mechanism file in JSON, or - for standard input.")],
    notion: Annotated[list[str] | None, typer.Option(
        metavar="N", help="ex-post, bayesian, distributionally-robust, maxmin or hurwicz:ALPHA; may be repeated.",
    )] = None,
    tolerance: Annotated[str, typer.Option(help="Largest gain that passes, in money.")] = "1e-9",
    as_json: Json = False,
) -> None:  # fmt: skip
    """Audit a mechanism you bring: who gains most by a misreport or by staying away, in exact arithmetic."""
    from mechopt.auditing import audit as examine

    found = examine(file, notion or None, tolerance)
    _say(json.dumps(found.document(), indent=1) if as_json else found.summary())
    if not found.passed:
        raise typer.Exit(FAILED)


@app.command()
def plot(
    folder: Annotated[Path, typer.Argument(metavar="DIR_OR_RUNS")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="A .png, .svg or .pdf file.")],
    kind: Annotated[str | None, typer.Option(help="Which picture; the model's own when left out.")] = None,
) -> None:
    """The picture of a saved result."""
    from mechopt.models.inputs import fail
    from mechopt.result import Result

    if output.suffix not in (".png", ".svg", ".pdf"):
        raise fail("--output", "a file ending in .png, .svg or .pdf", str(output))
    if not output.parent.is_dir():
        raise fail("--output", "a file in a directory that exists", str(output))
    Result.load(folder).plot(kind).savefig(output)
    _say(f"written to {output}")


def _complain(message: str) -> None:
    for line in message.splitlines():
        sys.stderr.write(f"error: {line}\n")


def main() -> None:
    """The console script: commands, with every error turned into a line on stderr and an exit code."""
    from mechopt.models.inputs import InputError

    try:
        app()
    except InputError as error:
        _complain(str(error))
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        _complain("interrupted")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(ERROR)
    except OSError as error:
        _complain(f"{error.filename or 'file'}: expected a file one can read or write, got {error.strerror}")
        sys.exit(BAD_INPUT)
    except Exception as error:
        _complain(f"{type(error).__name__}: {error}")
        sys.exit(ERROR)


if __name__ == "__main__":
    main()
