"""One self-contained HTML page about a sweep: what ran, every picture it has data for, its table, its failures."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING

from mechopt.models.inputs import InputError
from mechopt.reporting.page import image, page, section, table

if TYPE_CHECKING:
    import pandas

    from mechopt.sweeping.runs import Runs

MOST_ROWS = 500
HIDDEN = ("fingerprint", "error", "mechopt")  # shown elsewhere or of no use to a reader
PICTURES = {
    "value": "Value and bracket",
    "convergence": "Convergence of the bracket",
    "scaling": "Time and size",
    "heatmap": "Value over two axes",
}


def report(runs: Runs, title: str) -> str:
    """The page about the runs of a store."""
    states = ", ".join(f"{count:,} {state}" for state, count in runs.states.items() if count)
    body = [f"<h1>{html.escape(title)}</h1>", f'<p class="source">{len(runs):,} instances: {states}.</p>']
    body += [section(heading, picture(runs, kind)) for kind, heading in PICTURES.items()]
    body.append(section("Runs", rows(runs.to_frame())))
    body.append(section("Failures", failures(runs)))
    for name, file in runs.sweeps.items():
        body.append(section(f"Sweep {html.escape(name)}", f"<pre>{html.escape(json.dumps(file, indent=1))}</pre>"))
    return page(title, body)


def picture(runs: Runs, kind: str) -> str:
    """One kind of picture; nothing where the sweep has no data for it."""
    try:
        return image(runs.plot(kind), f"{PICTURES[kind]} of the sweep")
    except InputError:
        return ""


def rows(frame: pandas.DataFrame) -> str:
    """The tidy table, without columns that are empty throughout."""
    shown = frame.head(MOST_ROWS)
    columns = [c for c in shown.columns if c not in HIDDEN and shown[c].notna().any()]
    numeric = [k for k, c in enumerate(columns) if shown[c].dtype.kind in "fiu"]
    lines = [[_cell(value) for value in row] for row in shown[columns].itertuples(index=False)]
    more = len(frame) - len(shown)
    note = f'<p class="note">and {more:,} more; `mechopt export` has all</p>' if more > 0 else ""
    return table(columns, lines, numeric) + note


def _cell(value: object) -> str:
    if value is None or value != value:  # NaN
        return ""
    return f"{value:.7g}" if isinstance(value, float) else html.escape(str(value))


def failures(runs: Runs) -> str:
    """Every failed instance with its kind of failure and error."""
    found = [
        (html.escape(row["fingerprint"][:12]), html.escape(row["error_kind"]), html.escape(row["error"][:400]))
        for row in runs.failures()
    ]
    return table(["instance", "kind", "error"], found) if found else ""
