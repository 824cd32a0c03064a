"""Pictures of `robust-auction`: revenue by profile, and where a better mechanism gains, if there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.style import BLUE, MAP, ORANGE, RED, canvas, dress, shades

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechopt.result import Result


def picture(result: Result, kind: str | None = None) -> Figure:
    """Revenue against two bidders' values, the others at the lowest. Raises InputError for a kind but `mechanism`."""
    if kind not in (None, "mechanism"):
        raise fail("--kind", "mechanism", kind)
    model = result.model
    bounds = result.document["bounds"]
    title = f"{result.document['name'] or 'robust-auction'}: worst-case revenue "
    title += f"in [{bounds['lower']:.6g}, {bounds['upper']:.6g}]" if bounds else f"{result.value:.6g}"
    figure, axes = canvas(1, 2, title, width=4.6, height=3.9)
    axis = np.array([float(x) for x in model.axis])
    revenue = _two_bidders(model, result.arrays["payment"].values.sum(axis=1))
    _map(figure, axes[0, 0], axis, revenue, "revenue of the second price auction")
    if "dominating_payment" in result.arrays:
        better = _two_bidders(model, result.arrays["dominating_payment"].values.sum(axis=1))
        _map(figure, axes[0, 1], axis, better - revenue, "what a better mechanism adds")
    else:
        least, most = revenue.min(axis=1), revenue.max(axis=1)
        axes[0, 1].fill_between(axis, least, most, color=BLUE, alpha=0.25, linewidth=0, label="range over bidder 2")
        axes[0, 1].plot(axis, revenue.mean(axis=1), color=ORANGE, label="mean over bidder 2")
        axes[0, 1].axhline(float(model.lower), color=RED, linewidth=1.0, linestyle="--", label="optimal worst case")
        dress(axes[0, 1], "revenue", "value of bidder 1, money", "revenue, money")
        axes[0, 1].set_ylim(bottom=0)
        axes[0, 1].legend(fontsize=8, frameon=False)
    return figure  # type: ignore[no-any-return]


def _two_bidders(model: Any, by_profile: Any) -> Any:
    """A table by the values of bidders 1 and 2, (n + 1, n + 1), the others at their lowest."""
    table = by_profile.reshape((model.points + 1,) * model.bidders)
    return table[(slice(None), slice(None), *(0,) * (model.bidders - 2))]


def _map(figure: Any, axis: Any, grid: Any, table: Any, heading: str) -> None:
    shade = axis.pcolormesh(grid, grid, table.T, cmap=MAP, shading="nearest", rasterized=True)
    dress(axis, heading, "value of bidder 1, money", "value of bidder 2, money")
    axis.scatter([grid[0]], [grid[0]], s=60, color=RED, edgecolor="white", linewidth=0.6, zorder=3, clip_on=False)
    axis.grid(False)
    shades(shade, axis, "money")
