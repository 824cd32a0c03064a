"""Pictures of `regret-pricing`: curves for one good, maps for two, one curve per good beyond."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.style import BLUE, GREEN, GREY, MAP, ORANGE, RED, canvas, dress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechopt.result import Result

FINE = 1601  # values at which continuum curves are drawn


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
        (axes[0, 0], q[:, 0], "allocation", "allocation: chance of the good"),
        (axes[0, 1], m, "payment", "payment: expected, money"),
    )
    for axis, curve, name, heading in panels:
        axis.plot(types[order], np.ravel(result.arrays[name].values)[order], **dots)
        axis.plot(fine, curve, **line)
        dress(axis, heading, "value, money", name)
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


def _two_goods(result: Result, title: str) -> Figure:
    model = result.model
    figure, axes = canvas(1, 2, title, width=4.6, height=4.0)
    (x0, x1), (y0, y1) = _span(model, 0), _span(model, 1)
    x, y = np.linspace(x0, x1, 241), np.linspace(y0, y1, 241)
    values = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
    allocation, _ = result.mechanism(values)
    where, mass = _support(result)
    for good in range(2):
        axis = axes[0, good]
        chance = allocation[:, :, good].T
        shade = axis.pcolormesh(x, y, chance, cmap=MAP, vmin=0, vmax=1, shading="nearest", rasterized=True)
        sold = allocation.sum(axis=2).T
        if sold.min() < 1e-9 < sold.max():
            axis.contour(x, y, sold, levels=[1e-9], colors="white", linewidths=1.6, linestyles="--")
        dots = {"color": RED, "edgecolor": "white", "linewidth": 0.6, "zorder": 3, "clip_on": False}
        axis.scatter(where[:, 0], where[:, 1], s=12 + 240 * mass, **dots)
        if not model.is_box:
            axis.scatter(model.values[:, 0], model.values[:, 1], s=10, color="black", zorder=4)
        dress(axis, f"chance of good {good + 1}", "value of good 1, money", "value of good 2, money")
        axis.grid(False)
    figure.colorbar(shade, ax=axes[0, :], label="probability", shrink=0.9)
    figure.supxlabel("red: nature's distribution, area by probability; dashed: below it nothing is sold", fontsize=8)
    return figure  # type: ignore[no-any-return]


def _many_goods(result: Result, title: str) -> Figure:
    model = result.model
    figure, axes = canvas(1, 2, title)
    colours = (BLUE, ORANGE, GREEN, RED, GREY)
    others = np.mean([_span(model, j) for j in range(model.goods)], axis=1)
    for j in range(model.goods):
        fine = np.linspace(*_span(model, j), 401)
        values = np.tile(others, (len(fine), 1))
        values[:, j] = fine
        allocation, _ = result.mechanism(values)
        axes[0, 0].plot(fine, allocation[:, j], color=colours[j % 5], linewidth=1.4, label=f"good {j + 1}")
    dress(axes[0, 0], "allocation of each good, the others at mid value", "value, money", "chance")
    axes[0, 0].legend(fontsize=8, frameon=False)
    where, mass = _support(result)
    axes[0, 1].scatter(where.sum(axis=1), mass, s=14, color=RED)
    dress(axes[0, 1], "nature's distribution", "sum of values, money", "probability")
    return figure  # type: ignore[no-any-return]
