"""Pictures of `moment-auction`: the worst case by reserve, or the chance of the good as a map of two values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.style import BLUE, GREEN, GREY, MAP, ORANGE, RED, canvas, dress, shades

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechopt.result import Result

KINDS = ("mechanism", "worst-case")
FINE = 401


def picture(result: Result, kind: str | None = None) -> Figure:
    """The mechanism beside nature's distribution. Raises InputError for any kind but `mechanism` and `worst-case`."""
    if kind not in (None, *KINDS):
        raise fail("--kind", " or ".join(KINDS), kind)
    bracket = result.document["bounds"]
    title = f"{result.document['name'] or 'moment-auction'}: worst-case revenue "
    title += f"in [{bracket['lower']:.6g}, {bracket['upper']:.6g}]" if bracket else f"{result.value:.6g}"
    panels = [p for name, p in zip(KINDS, (_mechanism, _nature), strict=True) if kind in (None, name)]
    figure, axes = canvas(1, len(panels), title, width=4.6, height=3.8)
    for axis, panel in zip(axes[0], panels, strict=True):
        panel(result, axis)
    return figure  # type: ignore[no-any-return]


def _mechanism(result: Result, axis: Any) -> None:
    if result.model.mechanism == "second-price" and result.model.mean is not None:
        _reserves(result, axis)
    elif result.model.bidders == 1:
        values = np.linspace(0, 1, FINE)[:, None]
        axis.plot(values[:, 0], result.mechanism(values)[0][:, 0], color=BLUE, linewidth=1.4)
        dress(axis, "chance of the good", "value, money", "probability")
    else:
        _map(result, axis)


def _reserves(result: Result, axis: Any) -> None:
    """The theorem's curve over all reserves, and this result's point on it."""
    from mechopt.models.auctions.moment_auction_theory import second_price_revenue

    bidders, mean = result.model.bidders, float(result.model.mean)
    reserves = np.linspace(0, 1, FINE)
    worth = [second_price_revenue(bidders, mean, float(r)) for r in reserves]
    axis.plot(reserves, worth, color=BLUE, linewidth=1.4, label="Propositions 1.5.5 to 1.5.7")
    chosen = result.quantities["reserve"]
    label = "best reserve" if result.model.reserve is None else "this reserve"
    axis.plot([chosen], [result.value], "o", color=RED, markersize=5, label=f"{label}, {chosen:.4g}")
    axis.axvline(mean, color=GREY, linewidth=0.8, linestyle="--", label="mean")
    dress(axis, "worst-case revenue of a second price auction", "reserve, money", "expected revenue, money")
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=8, frameon=False)


def _map(result: Result, axis: Any) -> None:
    """Bidder 1's chance over her value and bidder 2's, the other bidders at zero."""
    line = np.linspace(0, 1, 241)
    values = np.zeros((len(line), len(line), result.model.bidders))
    values[..., 0], values[..., 1] = np.meshgrid(line, line, indexing="ij")
    chance = result.mechanism(values)[0][..., 0]
    shade = axis.pcolormesh(line, line, chance.T, cmap=MAP, vmin=0, vmax=1, shading="nearest", rasterized=True)
    dress(axis, "chance of bidder 1", "value of bidder 1, money", "value of bidder 2, money")
    axis.grid(False)
    shades(shade, axis, "probability")


def _nature(result: Result, axis: Any) -> None:
    """Nature's atoms on the grid: the highest value against the second highest, area by probability."""
    values = np.sort(result.arrays["worst_case_values"].values, axis=1)
    mass = result.arrays["worst_case"].values
    second = values[:, -2] if values.shape[1] > 1 and result.model.bidders > 1 else np.zeros(len(values))
    axis.scatter(values[:, -1], second, s=6 + 300 * mass, color=RED, edgecolor="white", linewidth=0.6, zorder=3)
    axis.plot([0, 1], [0, 1], color=GREEN, linewidth=0.8, label="all equal")
    if "reserve" in result.quantities:
        axis.axhline(result.quantities["reserve"], color=ORANGE, linewidth=0.8, label="reserve")
    heading = "nature's distribution, area by probability"
    dress(axis, heading, "highest value, money", "second highest value, money")
    axis.legend(fontsize=8, frameon=False)
