"""Pictures of `myerson-auction`: virtual values, the revenue curve and its hull, and for two bidders who wins where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.models.virtual_values import revenue_curve
from mechopt.style import BLUE, GREEN, GREY, ORANGE, RED, canvas, dress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechopt.result import Result

COLOURS = (BLUE, ORANGE, GREEN, RED)
FINE = 401  # values per axis at which the map of winners is drawn
DOTS = 60  # values up to which single points are drawn


def picture(result: Result, kind: str | None = None) -> Figure:
    """Virtual values and revenue curves, and the winners of two bidders. Raises InputError for another kind."""
    if kind not in (None, "mechanism"):
        raise fail("--kind", "mechanism", kind)
    model = result.model
    title = f"{result.document['name'] or 'myerson-auction'}: expected revenue {result.quantities['revenue']:.6g}"
    figure, axes = canvas(1, 3 if len(model.bidders) == 2 else 2, title, width=3.9, height=3.6)
    groups = _groups(model)
    for (label, bidder), colour in zip(groups, COLOURS, strict=False):
        _virtual_values(axes[0, 0], result, bidder, label, colour)
        _revenue_curve(axes[0, 1], model, bidder, label, colour)
    more = "" if len(groups) <= len(COLOURS) else f" (first {len(COLOURS)} kinds)"
    dress(axes[0, 0], f"virtual value{more}", "value, money", "virtual value, money")
    axes[0, 0].axhline(0, color=GREY, linewidth=0.8)
    dress(axes[0, 1], "revenue curve, its hull and the reserve", "chance of a sale", "price times chance, money")
    axes[0, 0].legend(fontsize=7.5, frameon=False, loc="lower right")
    axes[0, 1].legend(fontsize=7.5, frameon=False, loc="lower center")
    if len(model.bidders) == 2:
        _winners(axes[0, 2], result)
    return figure  # type: ignore[no-any-return]


def _groups(model: Any) -> list[tuple[str, int]]:
    """Bidders alike share a line: a label and the first of them, per distribution."""
    found = []
    for prior in dict.fromkeys(model.bidders):
        alike = [i for i, other in enumerate(model.bidders) if other == prior]
        names = f"bidder {alike[0] + 1}" if len(alike) == 1 else f"bidders {', '.join(str(i + 1) for i in alike[:4])}"
        found.append((names + (", ..." if len(alike) > 4 else ""), alike[0]))
    return found


def _virtual_values(axis: Any, result: Result, bidder: int, label: str, colour: str) -> None:
    v = result.model.bidders[bidder].v
    phi, ironed = (result.arrays[f"{name}_{bidder + 1}"].values for name in ("phi", "ironed"))
    few = {"marker": ".", "markersize": 4} if len(v) <= DOTS else {}
    if np.abs(phi - ironed).max() > 1e-12 * np.abs(v).max():
        axis.plot(v, phi, color=colour, linewidth=0.9, linestyle=":", label=f"{label}: as it is", **few)
        axis.plot(v, ironed, color=colour, linewidth=1.5, label=f"{label}: ironed")
    else:
        axis.plot(v, ironed, color=colour, linewidth=1.5, label=label, **few)
    reserve = result.quantities["reserve"][bidder]
    if reserve is not None:
        axis.axvline(reserve, color=colour, linewidth=0.9, linestyle="--", label=f"reserve {reserve:.4g}")


def _revenue_curve(axis: Any, model: Any, bidder: int, label: str, colour: str) -> None:
    prior = model.bidders[bidder]
    T, R = (np.array([float(x) for x in row]) for row in revenue_curve(prior))
    scores = np.array([float(x) for x in model.scores[bidder]])
    hull = np.concatenate([[0.0], np.cumsum((scores * prior.f)[::-1])])
    few = {"marker": ".", "markersize": 4} if len(prior) <= DOTS else {}
    axis.plot(T, R, color=colour, linewidth=0.9, linestyle=":", **few)
    axis.plot(T, hull, color=colour, linewidth=1.5, label=label)
    reserve = model.reserves[bidder]
    if reserve is not None:
        sale = float(prior.tails[prior.values.index(reserve)])
        axis.plot([sale], [sale * float(reserve)], marker="o", color=colour, markersize=6, markerfacecolor="white")


def _winners(axis: Any, result: Result) -> None:
    from matplotlib.colors import ListedColormap

    model = result.model
    spans = [(prior.v[0], prior.v[-1]) for prior in model.bidders]
    x, y = (np.linspace(low, high, FINE) for low, high in spans)
    allocation, _ = result.mechanism(np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1))
    winner = (allocation @ [1.0, 2.0]).T  # 0: nobody
    shades = ListedColormap(["#f2f2f2", "#a6cbe3", "#f3d08b"])
    axis.pcolormesh(x, y, winner, cmap=shades, vmin=-0.5, vmax=2.5, shading="nearest", rasterized=True)
    for code, name in ((0, "unsold"), (1, "bidder 1"), (2, "bidder 2")):
        where = np.argwhere(winner == code)
        if len(where) > FINE:
            centre = where.mean(axis=0).round().astype(int)
            if winner[tuple(centre)] == code:
                axis.text(x[centre[1]], y[centre[0]], name, ha="center", va="center", fontsize=8.5)
    dress(axis, "who wins", "value of bidder 1, money", "value of bidder 2, money")
    axis.grid(False)
