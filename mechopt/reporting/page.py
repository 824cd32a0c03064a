"""One self-contained HTML page about a result: nothing is loaded, and it opens from a file."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Iterable, Sequence
from importlib import resources
from string import Template
from typing import TYPE_CHECKING, Any

import mechopt
from mechopt.models.inputs import InputError
from mechopt.reporting import explorer, formulas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechopt.result import Result

MOST_ATOMS = 25


def report(result: Result) -> str:
    """The page about a result: instance, program, mechanism to look up, worst case, certificate, pictures."""
    document = result.document
    title = str(document["name"] or document["model"])
    tables, large = explorer.tables(result)
    body = [
        f"<h1>{html.escape(title)}</h1>",
        f'<p class="source">{html.escape(result.entry.title)}. {html.escape(result.entry.source)}.</p>',
        headline(result),
        section("Picture", image(result.plot(), f"Picture of {title}")),
        section("Problem", words(result)),
        section("Program", program(result)),
        section("Mechanism", mechanism(tables, large)),
        section("Worst case", worst_case(document["quantities"].get("worst_case"))),
        section("Certificate", certificate(result)),
        section("Numbers", numbers(result)),
        section("Instance", f"<pre>{html.escape(json.dumps(document['instance'], indent=1))}</pre>"),
    ]
    return page(title, body, tables)


def page(title: str, body: Iterable[str], tables: Sequence[Any] = ()) -> str:
    """A whole page from its sections; `tables` are what its look-up reads."""
    script = ""
    if tables:
        data = json.dumps(tables, separators=(",", ":")).replace("</", "<\\/")
        listed = f'<script type="application/json" id="mechanism-data">{data}</script>'
        script = f"{listed}\n<script>\n{_asset('explorer.js')}</script>"
    return Template(_asset("page.html")).substitute(
        title=html.escape(title), style=_asset("page.css"), body="\n".join(filter(None, body)), script=script,
        version=mechopt.__version__,
    )  # fmt: skip


def _asset(name: str) -> str:
    return (resources.files("mechopt.reporting") / "assets" / name).read_text(encoding="utf-8")


def section(heading: str, content: str) -> str:
    """A heading with what is under it; nothing when there is nothing."""
    return f"<section><h2>{heading}</h2>\n{content}</section>" if content else ""


def image(figure: Figure, description: str) -> str:
    """A figure as an image within the page."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=130)
    data = base64.b64encode(stream.getvalue()).decode()
    return f'<img alt="{html.escape(description)}" src="data:image/png;base64,{data}">'


def table(header: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[int] = ()) -> str:
    """An HTML table of cells that are already HTML; `numeric` columns stand to the right."""

    def cell(tag: str, k: int, text: str) -> str:
        return f"<{tag}{' class=number' if k in numeric else ''}>{text}</{tag}>"

    head = "".join(cell("th", k, html.escape(text)) for k, text in enumerate(header))
    lines = ("".join(cell("td", k, text) for k, text in enumerate(row)) for row in rows)
    inside = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{inside}\n</tbody></table></div>'


def headline(result: Result) -> str:
    """Value, bracket and theorem, each with what the number is worth."""
    document = result.document
    facts = [(f"{result.value:.8g}", f"value: {result.entry.value_is}, a float")]
    if bounds := document["bounds"]:
        worth = "certified in exact arithmetic" if bounds["certified"] else "not certified"
        facts.append(
            (f"[{bounds['lower']:.8g}, {bounds['upper']:.8g}]", f"bounds on the {bounds['problem']} problem, {worth}")
        )
    closed = document["closed_form"]
    for form in closed if isinstance(closed, list) else [closed] if closed else []:
        facts.append((f"{form['value']:.8g}", f"theorem, {form['relation']}: {form['source']}"))
    facts.append((html.escape(str(document["status"])), html.escape(str(document["message"]))))
    return '<div class="headline">' + "".join(f"<div><b>{a}</b><span>{b}</span></div>" for a, b in facts) + "</div>"


def words(result: Result) -> str:
    """The problem in words, and the notes of the solve."""
    notes = "".join(f'<p class="note">{html.escape(note)}</p>' for note in result.document["notes"])
    text = result.model.words().partition("\n\n")[0].removesuffix(":")
    return f"<p>{html.escape(text)}</p>{notes}"


def program(result: Result) -> str:
    """The program and its dual as formulas; the program in plain text where it is not written in LaTeX."""
    try:
        programs = formulas.latex(result.entry.name, result.model)
    except InputError:
        return f"<pre>{html.escape(result.model.words())}</pre>"
    parts = [f'<h3>The {name}</h3><div class="scroll">{formulas.mathml(text)}</div>' for name, text in programs.items()]
    return "".join(parts) + '<p class="note">In brackets at the end of a row: the name of its multiplier.</p>'


def mechanism(tables: Sequence[Any], large: Sequence[str]) -> str:
    """Fields to type values in; the page's script answers."""
    boxes = []
    for number, one in enumerate(tables):
        fields = "".join(
            f'<label>{html.escape(x["label"])} <input type="number" step="any" value="{x["values"][-1]:.9g}"></label>'
            for x in one["inputs"]
        )
        boxes.append(f'<fieldset data-table="{number}"><legend>{html.escape(one["title"])}</legend>{fields}'
                     f'<output aria-live="polite"></output></fieldset>')  # fmt: skip
    if large:
        boxes.append(f'<p class="note">Too large for this page, in arrays.npz: {html.escape(", ".join(large))}.</p>')
    if tables:
        boxes.insert(0, "<p>Type values: the nearest ones listed are looked up.</p>")
    return "".join(boxes)


def worst_case(atoms: Any) -> str:
    """Nature's distribution, the likeliest atoms first."""
    if not isinstance(atoms, list) or not atoms:
        return ""
    ranked = sorted(atoms, key=lambda atom: -atom["probability"])
    rows = [(f"{atom['probability']:.6g}", html.escape(_profile(atom["values"]))) for atom in ranked[:MOST_ATOMS]]
    more = len(ranked) - len(rows)
    rest = f'<p class="note">and {more:,} more</p>' if more > 0 else ""
    return table(["probability", "values"], rows, numeric=[0]) + rest


def _profile(values: Any) -> str:
    return "(" + ", ".join(_profile(x) if isinstance(x, list) else f"{x:.6g}" for x in values) + ")"


def certificate(result: Result) -> str:
    """Every check of the exact verification, with its residual and verdict."""
    if result.certificate is None:
        return "<p>Solved without a certificate.</p>"
    found = result.verify()
    rows = [(f'<span class="{"pass" if c.passed else "fail"}">{"pass" if c.passed else "fail"}</span>',
             html.escape(c.name), f"{c.residual:.2g}", html.escape(c.detail)) for c in found.checks]  # fmt: skip
    verdict = "every check passed" if found.passed else "verification failed"
    return f"<p>Re-checked in rationals when this page was written: {verdict}.</p>" + table(
        ["verdict", "check", "residual", "where"], rows, numeric=[2])  # fmt: skip


def numbers(result: Result) -> str:
    """Named scalars and short lists, and the statistics of the solve."""
    rows = []
    for name, value in result.document["quantities"].items():
        text = json.dumps(value) if name != "worst_case" else ""
        if text:
            rows.append((html.escape(name), html.escape(text if len(text) < 400 else text[:400] + " ...")))
    statistics = result.document["statistics"].items()
    rows += [
        (html.escape(k.replace("_", " ")), f"{v:,.6g}" if isinstance(v, float) else f"{v:,}") for k, v in statistics
    ]
    return table(["name", "value"], rows)
