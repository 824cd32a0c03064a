"""A result in about a dozen lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mechopt.result import Result


def summary(result: Result) -> str:
    """The lines `mechopt solve` prints."""
    document = result.document
    size, residuals = document["statistics"], document["residuals"]
    lines = [
        f"{document['name'] or document['model']}  ({document['model']}, {document['method']})",
        f"status       {document['status']}: {document['message']}",
        f"value        {result.value:.12g}   {result.entry.value_is}",
    ]
    if document["bounds"]:
        bounds = result.bounds
        worth = "certified in exact arithmetic" if bounds.certified else "from floats, not certified"
        lines += [
            f"bounds       [{bounds.lower:.12g}, {bounds.upper:.12g}]   {bounds.problem} problem, {worth}",
            f"width        {bounds.width:.3g}",
        ]
    if result.closed_form:
        lines.append(f"closed form  {result.closed_form.value:.12g}   {result.closed_form.relation}")
        lines.append(f"             {result.closed_form.source}")
    if size["rows"] or size["columns"]:
        lines.append(
            f"program      {size['rows']:,} rows, {size['columns']:,} columns, {size['nonzeros']:,} nonzeros; "
            f"{size['iterations']:,} iterations"
        )
    lines.append(f"time         {size['build_seconds']:.3g} s to build, {size['solve_seconds']:.3g} s to solve")
    shown = ", ".join(f"{k} {v:.1e}" for k, v in residuals.items() if v is not None)
    lines += [f"residuals    {shown}"] if shown else []
    prices = document["quantities"].get("prices")
    if isinstance(prices, dict):
        listed = ", ".join(f"{bundle}: {price:.6g}" for bundle, price in prices.items())
        lines.append(f"prices       {listed if len(listed) < 90 else listed[:87] + '...'}")
    atoms = document["quantities"].get("worst_case")
    if atoms:
        worst = max(atoms, key=lambda atom: atom["probability"])
        at = _tuple(worst["values"])
        at = at if len(at) < 60 else at[:57] + "..."
        lines.append(f"worst case   {len(atoms)} atoms, the largest {worst['probability']:.6g} at {at}")
    lines += [f"note         {note}" for note in document["notes"]]
    return "\n".join(lines)


def _tuple(values: Any) -> str:
    """A profile of values, or one per bidder, on one line."""
    return "(" + ", ".join(_tuple(x) if isinstance(x, list) else f"{x:.6g}" for x in values) + ")"
