"""Pictures of `independent-auction`: priors, mean chances under each, the rule itself, and revenues side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.style import BLUE, GREEN, GREY, MAP, ORANGE, RED, canvas, dress, shades

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechopt.result import Result

COLOURS = (BLUE, ORANGE, GREEN, RED, GREY)
RIVALS = {
    "this mechanism": "revenue",
    "second price,\nrandom reserve": "random_reserve_revenue",
    "second price,\nbest reserve": "second_price_revenue",
    "second price,\none more bidder": "one_more_bidder_revenue",
}


def picture(result: Result, kind: str | None = None) -> Figure:
    """Four panels. Raises InputError for any kind but `mechanism`."""
    if kind not in (None, "mechanism"):
        raise fail("--kind", "mechanism", kind)
    model, bounds = result.model, result.document["bounds"]
    title = f"{result.document['name'] or 'independent-auction'}: worst expected revenue "
    title += f"in [{bounds['lower']:.6g}, {bounds['upper']:.6g}]" if bounds else f"{result.value:.6g}"
    figure, axes = canvas(2, 2, title)
    v = model.distributions[0].v
    rule = result.arrays["allocation"].values.reshape((len(v),) * model.bidders + (model.bidders,))[..., 0]
    for n, prior in enumerate(model.distributions):
        style: dict[str, Any] = {"color": COLOURS[n % 5], "marker": ".", "linewidth": 1.2, "label": f"prior {n + 1}"}
        axes[0, 0].plot(v, prior.f, **style)
        mean = rule
        for _ in range(model.bidders - 1):
            mean = mean @ prior.f
        axes[0, 1].plot(v, mean, **style)
    dress(axes[0, 0], "probability of each value", "value, money", "probability")
    dress(axes[0, 1], "a bidder's mean chance of winning", "value, money", "chance")
    for axis in axes[0]:
        axis.set_ylim(bottom=0)
        axis.legend(fontsize=8, frameon=False)
    _rule(figure, axes[1, 0], model, rule)
    worth = [result.quantities[name] for name in RIVALS.values()]
    axes[1, 1].barh(list(RIVALS), worth, color=[BLUE, GREY, GREY, GREY])
    for row, amount in enumerate(worth):
        axes[1, 1].text(amount, row, f" {amount:.4g}", va="center", fontsize=8)
    axes[1, 1].invert_yaxis()
    axes[1, 1].set_xlim(0, 1.2 * max(worth))
    dress(axes[1, 1], "worst expected revenue", "money", "auction")
    return figure  # type: ignore[no-any-return]


def _rule(figure: Any, axis: Any, model: Any, rule: Any) -> None:
    """Bidder 1's chance against bidder 2's value, the others at the lowest."""
    places = np.arange(model.types)
    if model.bidders == 1:
        axis.plot(model.distributions[0].v, rule, color=BLUE, marker=".")
        dress(axis, "chance of the good", "value, money", "chance")
        return
    table = rule[(slice(None), slice(None), *(0,) * (model.bidders - 2))]
    shade = axis.pcolormesh(places, places, table.T, cmap=MAP, vmin=0, vmax=1, shading="nearest", rasterized=True)
    ticks = np.unique(np.linspace(0, model.types - 1, min(model.types, 5)).round().astype(int))
    names = [f"{model.distributions[0].v[k]:.4g}" for k in ticks]
    axis.set_xticks(ticks, names)
    axis.set_yticks(ticks, names)
    dress(axis, "chance that bidder 1 gets the good", "value of bidder 1, money", "value of bidder 2, money")
    axis.grid(False)
    shades(shade, axis, "chance")
