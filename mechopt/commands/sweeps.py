"""`mechopt sweep` and `export`: many instances, kept in one file, and their table."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mechopt.commands.common import LIMIT, Json, app, complain, say

if TYPE_CHECKING:
    from mechopt.sweeping.runs import Runs

Stored = Annotated[Path, typer.Argument(metavar="RUNS", help="The store a sweep wrote.")]


@app.command()
def sweep(
    file: Annotated[Path, typer.Argument(metavar="SWEEP_FILE", help="A sweep file in TOML or JSON.")],
    store: Annotated[Path, typer.Option("--store", metavar="RUNS", help="The file that keeps every finished run.")],
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", help="Worker processes; all cores if none.")] = None,
    cluster: Annotated[str | None, typer.Option(metavar="ADDRESS", help="A Dask scheduler: tcp://host:8786.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Run again what failed before.")] = False,
    as_json: Json = False,
) -> None:
    """Run every instance of a sweep that is not in the store yet; can be stopped and resumed at any point."""
    from mechopt.sweeping import runs as library
    from mechopt.sweeping.cost import forecast
    from mechopt.sweeping.progress import shown
    from mechopt.sweeping.store import Store

    plan = library.prepare(file)
    library.require_jobs(jobs)
    opened = Store(store)
    try:
        marks = library.register(plan, opened, retry)
        slots = library.slots_for(plan, opened, marks, jobs, cluster)
        sys.stderr.write(forecast(plan, opened, marks, library.workers(slots)) + "\n")
        with shown() as report:
            runs = library.run(plan, opened, marks, slots, report)
    except KeyboardInterrupt:
        _stopped(library.Runs(opened), store, as_json)
        raise typer.Exit(LIMIT) from None
    say(json.dumps(runs.document(), indent=1) if as_json else _summary(runs))
    runs.close()


def _stopped(runs: Runs, store: Path, as_json: bool) -> None:
    """What stands, and how to go on."""
    states = runs.states
    done = states["done"] + states["failed"]
    if as_json:
        say(json.dumps(runs.document(), indent=1))
    complain(f"interrupted: {done} of {len(runs)} instances are in {store}; run the same command again to go on")
    runs.close()


def _summary(runs: Runs) -> str:
    """What the sweep did, in a few lines."""
    from mechopt.sweeping.progress import duration

    assert runs.tally is not None
    tally, failed = runs.tally, runs.failures()
    lines = [
        f"instances    {tally.total}: {tally.ran} run now, {tally.found} found in the store"
        + (f", {tally.elsewhere} run by another process" if tally.elsewhere else ""),
        f"time         {duration(tally.seconds)}, {tally.rate:.3g} a second",
        f"failed       {len(failed)}",
    ]
    for row in failed[:5]:
        first = row["error"].partition("\n")[0]
        lines.append(f"             {row['fingerprint'][:12]}  {row['error_kind']}: {first}")
    if len(failed) > 5:
        lines.append(f"             and {len(failed) - 5} more; see `mechopt export`")
    return "\n".join(lines)


@app.command()
def export(
    runs: Stored,
    form: Annotated[str, typer.Option("--format", help="csv, parquet or json.")] = "csv",
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE")] = None,
    name: Annotated[str | None, typer.Option("--sweep", metavar="NAME", help="One sweep of the store.")] = None,
) -> None:
    """The tidy table of a sweep: one row per instance."""
    from mechopt.sweeping.frame import write
    from mechopt.sweeping.runs import Runs as Opened

    opened = Opened.open(runs)
    text = write(opened.to_frame(name), output, form)
    opened.close()
    if output is None:
        sys.stdout.write(text)
    else:
        say(f"written to {output}")
