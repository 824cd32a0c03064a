"""`mechopt verify`, `audit`, `plot` and `report`: what one does with a result or a mechanism."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mechopt.commands.common import FAILED, Json, app, say


@app.command()
def verify(folder: Annotated[Path, typer.Argument(metavar="DIR")], as_json: Json = False) -> None:
    """Re-check a saved result from its files, in exact arithmetic, without a solver."""
    from mechopt.verification import verify as check

    found = check(folder)
    if as_json:
        say(json.dumps(found.document(), indent=1))
    else:
        for row in found.checks:
            verdict = "pass" if row.passed else "FAIL"
            say(f"{verdict}  {row.name:<70} {row.residual:>9.2g}  {row.detail}".rstrip())
        say("verified: every check passed" if found.passed else "not verified")
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
    say(json.dumps(found.document(), indent=1) if as_json else found.summary())
    if not found.passed:
        raise typer.Exit(FAILED)


@app.command()
def plot(
    folder: Annotated[Path, typer.Argument(metavar="DIR_OR_RUNS")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="A .png, .svg or .pdf file.")],
    kind: Annotated[str | None, typer.Option(
        help="Which picture: the model's own when left out; of a sweep value, convergence, scaling or heatmap.",
    )] = None,
) -> None:  # fmt: skip
    """The picture of a saved result or of a sweep."""
    from mechopt.models.inputs import fail

    if output.suffix not in (".png", ".svg", ".pdf"):
        raise fail("--output", "a file ending in .png, .svg or .pdf", str(output))
    if not output.parent.is_dir():
        raise fail("--output", "a file in a directory that exists", str(output))
    drawn: Any
    if folder.is_file():
        from mechopt.sweeping.runs import Runs

        drawn = Runs.open(folder)
    else:
        from mechopt.result import Result

        drawn = Result.load(folder)
    drawn.plot(kind).savefig(output)
    say(f"written to {output}")


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR_OR_RUNS")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.html", help="The page to write.")],
) -> None:
    """One self-contained page about a saved result or a sweep: program, mechanism, certificate, pictures."""
    from mechopt.files import write
    from mechopt.models.inputs import fail

    if output.suffix not in (".html", ".htm"):
        raise fail("--output", "a file ending in .html", str(output))
    if not output.parent.is_dir():
        raise fail("--output", "a file in a directory that exists", str(output))
    if folder.is_file():
        from mechopt.reporting import sweep
        from mechopt.sweeping.runs import Runs

        text = sweep.report(Runs.open(folder), folder.stem)
    else:
        from mechopt.reporting import page
        from mechopt.result import Result

        text = page.report(Result.load(folder))
    write(output, text.encode("utf-8"))
    say(f"written to {output}")
