"""The picture of `money-burning`: virtual values for utility, chances of winning, expected utilities below caps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.style import BLUE, GREEN, GREY, ORANGE, RED, canvas, dress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechopt.result import Result

COLOURS = (BLUE, ORANGE, GREEN, RED)


def picture(result: Result, kind: str | None = None) -> Figure:
    """Three panels for the first four buyers. Raises InputError for another kind."""
    if kind not in (None, "mechanism"):
        raise fail("--kind", "mechanism", kind)
    model = result.model
    title = f"{result.document['name'] or 'money-burning'}: expected utility {result.value:.6g}"
    figure, axes = canvas(1, 3, title, width=3.9, height=3.6)
    for i, colour in zip(range(len(model.buyers)), COLOURS, strict=False):
        _buyer(axes[0], result, i, colour)
    more = "" if len(model.buyers) <= len(COLOURS) else f" (first {len(COLOURS)} buyers)"
    dress(axes[0, 0], f"virtual value for utility{more}", "value, money", "virtual value, money")
    dress(axes[0, 1], "chance of winning", "value, money", "chance")
    axes[0, 1].set_ylim(-0.03, 1.03)
    axes[0, 0].legend(fontsize=7.5, frameon=False)
    _caps(axes[0, 2], result)
    return figure  # type: ignore[no-any-return]


def _buyer(axes: Any, result: Result, i: int, colour: str) -> None:
    v = result.model.buyers[i].v
    raw, ironed, won = (
        result.arrays[f"{name}_{i + 1}"].values for name in ("virtual_value", "ironed", "interim_allocation")
    )
    few = {"marker": ".", "markersize": 5} if len(v) <= 60 else {}
    if np.abs(raw - ironed).max() > 1e-12 * max(1.0, float(v[-1])):
        axes[0].plot(v, raw, color=colour, linewidth=0.9, linestyle=":", label=f"buyer {i + 1}: as it is", **few)
        axes[0].plot(v, ironed, color=colour, linewidth=1.5, label=f"buyer {i + 1}: ironed")
    else:
        axes[0].plot(v, ironed, color=colour, linewidth=1.5, label=f"buyer {i + 1}", **few)
    axes[1].plot(v, won, color=colour, linewidth=1.5, label=f"buyer {i + 1}", **few)


def _caps(axis: Any, result: Result) -> None:
    utilities, weights = (result.quantities[name] for name in ("utilities", "weights"))
    caps = result.model.caps or [None] * len(utilities)
    places = np.arange(len(utilities))
    axis.bar(places, utilities, width=0.6, color=[COLOURS[i % len(COLOURS)] for i in places])
    for place, cap in enumerate(caps):
        if cap is not None:
            axis.plot([place - 0.38, place + 0.38], [float(cap)] * 2, color=GREY, linewidth=1.6)
    names = [f"{place + 1}\nw = {w:.3g}" for place, w in zip(places, weights, strict=True)]
    axis.set_xticks(places, names if len(places) <= 8 else [str(p + 1) for p in places])
    dress(axis, "expected utility, caps in grey", "buyer, and the weight of her score", "money")
