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
    shown = model.buyers[: len(COLOURS)]
    for i, (buyer, colour) in enumerate(zip(shown, COLOURS, strict=False)):
        if shown.index(buyer) == i:
            _virtual(axes[0, 0], result, [k for k, other in enumerate(shown) if other == buyer], colour)
        won = result.arrays[f"interim_allocation_{i + 1}"].values
        axes[0, 1].plot(buyer.v, won, color=colour, linewidth=1.5, label=f"buyer {i + 1}", **_dots(buyer.v))
    more = "" if len(model.buyers) <= len(COLOURS) else f" (first {len(COLOURS)} buyers)"
    dress(axes[0, 0], f"virtual value for utility{more}", "value, money", "virtual value, money")
    dress(axes[0, 1], "chance of winning", "value, money", "chance")
    axes[0, 1].set_ylim(-0.03, 1.03)
    axes[0, 0].legend(fontsize=7.5, frameon=False)
    if len(set(shown)) < len(shown):  # the first panel's legend then does not tell them apart
        axes[0, 1].legend(fontsize=7.5, frameon=False)
    _caps(axes[0, 2], result)
    return figure  # type: ignore[no-any-return]


def _dots(v: Any) -> dict[str, Any]:
    return {"marker": ".", "markersize": 5} if len(v) <= 60 else {}


def _virtual(axis: Any, result: Result, group: list[int], colour: str) -> None:
    """The virtual values of buyers with one distribution, which are the same."""
    i = group[0]
    v = result.model.buyers[i].v
    raw, ironed = (result.arrays[f"{name}_{i + 1}"].values for name in ("virtual_value", "ironed"))
    name = f"buyer{'s' if len(group) > 1 else ''} {', '.join(str(k + 1) for k in group)}"
    if np.abs(raw - ironed).max() > 1e-12 * max(1.0, float(v[-1])):
        axis.plot(v, raw, color=colour, linewidth=0.9, linestyle=":", label=f"{name}: as it is", **_dots(v))
        axis.plot(v, ironed, color=colour, linewidth=1.5, label=f"{name}: ironed")
    else:
        axis.plot(v, ironed, color=colour, linewidth=1.5, label=name, **_dots(v))


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
    heading = "expected utility" + ("" if result.model.caps is None else ", caps in grey")
    dress(axis, heading, "buyer, and the weight w of her score", "money")
