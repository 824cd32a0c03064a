"""Pictures of `regret-pricing`: curves for one good, maps for two, one curve per good beyond."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.style import BLUE, GREEN, GREY, MAP, ORANGE, RED, canvas, dress, shades

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechopt.result import Result

FINE = 1601  # values at which continuum curves are drawn
CELLS = 200  # values per good at which maps are drawn
UNSOLD = 1e-6  # chances below this count as none


def picture(result: Result, kind: str | None = None) -> Figure:
    """The picture that fits the number of goods. Raises InputError for any kind but `mechanism`."""
    if kind not in (None, "mechanism"):
        raise fail("--kind", "mechanism", kind)
    model = result.model
    bracket = result.document["bounds"]
    title = f"{result.document['name'] or 'regret-pricing'}: worst-case regret "
    title += f"in [{bracket['lower']:.6g}, {bracket['upper']:.6g}]" if bracket else f"{result.value:.6g}"
    if model.goods == 1:
        return _one_good(result, title)
    if model.goods == 2:
        return _two_goods(result, title)
    return _many_goods(result, title)


def _span(model: Any, good: int) -> tuple[float, float]:
    if model.is_box:
        return float(model.lower[good]), float(model.upper[good])
    return float(model.values[:, good].min()), float(model.values[:, good].max())


def _one_good(result: Result, title: str) -> Figure:
    model = result.model
    types = model.values[:, 0]
    order = np.argsort(types)
    low, high = _span(model, 0)
    fine = np.linspace(low, high, FINE)
    q, m = result.mechanism(fine[:, None])
    cost = float(model.cost[0])
    regret = np.maximum(fine - cost, 0) - (m - q[:, 0] * cost)
    figure, axes = canvas(2, 2, title)
    dots: dict[str, Any] = {"marker": ".", "linestyle": "none", "markersize": 3, "color": ORANGE, "label": "grid"}
    line: dict[str, Any] = {"color": BLUE, "linewidth": 1.4, "label": "continuum" if model.is_box else "menu"}
    panels = (
        (axes[0, 0], q[:, 0], "allocation", "allocation: chance of the good", "chance"),
        (axes[0, 1], m, "payment", "expected payment", "payment, money"),
    )
    for axis, curve, name, heading, unit in panels:
        axis.plot(types[order], np.ravel(result.arrays[name].values)[order], **dots)
        axis.plot(fine, curve, **line)
        dress(axis, heading, "value, money", unit)
        axis.legend(fontsize=8, frameon=False)
    axis = axes[1, 0]
    mass = result.arrays["worst_case"].values[order]
    axis.step(types[order], np.cumsum(mass), where="post", color=RED, linewidth=1.4)
    dress(axis, f"nature's distribution: largest atom {mass.max():.4g}", "value, money", "P(value <= v)")
    axis.set_ylim(0, 1.03)
    axis = axes[1, 1]
    axis.plot(types[order], result.arrays["regret"].values[order], **dots)
    axis.plot(fine, regret, **line)
    axis.axhline(result.document["bounds"]["upper"] if result.document["bounds"] else result.value,
                 color=GREY, linewidth=0.8, linestyle="--")  # fmt: skip
    dress(axis, "regret: flat where nature plays", "value, money", "regret, money")
    axis.set_ylim(bottom=0)
    return figure  # type: ignore[no-any-return]


def _support(result: Result) -> tuple[Any, Any]:
    mass = result.arrays["worst_case"].values
    return result.model.values[mass > 1e-12], mass[mass > 1e-12]


def _cells(low: float, high: float) -> Any:
    """Middles of equal cells: no picture is taken on the edge of a set, where a menu's choice is not unique."""
    return low + (high - low) * (np.arange(CELLS) + 0.5) / CELLS


def _two_goods(result: Result, title: str) -> Figure:
    model = result.model
    figure, axes = canvas(1, 2, title, width=4.6, height=4.0)
    x, y = _cells(*_span(model, 0)), _cells(*_span(model, 1))
    values = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
    allocation, _ = result.mechanism(values)
    allocation = np.where(_possible(model, values)[..., None], allocation, np.nan)
    where, mass = _support(result)
    for good in range(2):
        axis = axes[0, good]
        chance = allocation[:, :, good].T
        shade = axis.pcolormesh(x, y, chance, cmap=MAP, vmin=0, vmax=1, shading="nearest", rasterized=True)
        sold = allocation.sum(axis=2).T
        if np.nanmin(sold) < UNSOLD < np.nanmax(sold):
            axis.contour(x, y, sold, levels=[UNSOLD], colors="white", linewidths=1.6, linestyles="--")
        if model.budget is not None:
            _budget_line(axis, model)
        dots = {"color": RED, "edgecolor": "white", "linewidth": 0.6, "zorder": 3, "clip_on": False}
        axis.scatter(where[:, 0], where[:, 1], s=12 + 240 * mass, **dots)
        if model.profiles is not None:
            mark = {"color": "black", "edgecolor": "white", "linewidth": 0.5, "zorder": 4, "clip_on": False}
            axis.scatter(model.values[:, 0], model.values[:, 1], s=12, **mark)
        dress(axis, f"chance of good {good + 1}", "value of good 1, money", "value of good 2, money")
        axis.grid(False)
    shades(shade, axes[0, :], "probability")
    caption = "red: nature's distribution, area by probability; dashed: below it nothing is sold"
    caption += "" if model.budget is None else "; black: the budget"
    figure.supxlabel(caption + ("" if model.profiles is None else "; black: the profiles"), fontsize=8)
    return figure  # type: ignore[no-any-return]


def _possible(model: Any, values: Any) -> Any:
    """Which values (..., J) the buyer may have: under a budget, not those above it."""
    return values.sum(axis=-1) <= (np.inf if model.budget is None else float(model.budget))


def _budget_line(axis: Any, model: Any) -> None:
    (x0, x1), (y0, y1) = _span(model, 0), _span(model, 1)
    budget = float(model.budget)
    ends = np.clip([budget - y1, budget - y0], x0, x1)
    axis.plot(ends, budget - ends, color="black", linewidth=1.4, zorder=2)


def _many_goods(result: Result, title: str) -> Figure:
    model = result.model
    figure, axes = canvas(1, 2, title)
    colours = (BLUE, ORANGE, GREEN, RED, GREY)
    spans = np.array([_span(model, j) for j in range(model.goods)])  # (J, 2)
    half = np.diff(spans, axis=1)[:, 0] / 2
    if model.budget is not None:  # an equal share of the budget, where half of every good is beyond it
        half = np.minimum(half, (float(model.budget) - spans[:, 0].sum()) / model.goods)
    for j in range(model.goods):
        fine = _cells(*spans[j])
        values = np.tile(spans[:, 0] + half, (len(fine), 1))
        values[:, j] = fine
        allocation, _ = result.mechanism(values)
        chance = np.where(_possible(model, values), allocation[:, j], np.nan)
        width = 1.4 + 1.2 * (model.goods - 1 - j)  # goods alike lie upon each other: the first stays visible below
        axes[0, 0].plot(fine, chance, color=colours[j % 5], linewidth=width, label=f"good {j + 1}")
    held = "mid value" if model.budget is None else "equal shares of the budget"
    dress(axes[0, 0], f"chance of each good, others at {held}", "value, money", "chance")
    axes[0, 0].legend(fontsize=8, frameon=False)
    where, mass = _support(result)
    axes[0, 1].scatter(where.sum(axis=1), mass, s=14, color=RED)
    dress(axes[0, 1], "nature's distribution", "sum of values, money", "probability")
    return figure  # type: ignore[no-any-return]
