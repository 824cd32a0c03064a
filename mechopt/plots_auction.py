"""Pictures of `regret-auction`: maps for two bidders and one good, curves beyond."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.style import BLUE, GREEN, GREY, MAP, ORANGE, RED, canvas, dress, shades

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechopt.result import Result

FINE = 241  # values per axis of the maps
CURVE = 801  # values at which curves are drawn
COLOURS = (BLUE, ORANGE, GREEN, RED, GREY)


def picture(result: Result, kind: str | None = None) -> Figure:
    """The picture that fits the numbers of bidders and goods. Raises InputError for any kind but `mechanism`."""
    if kind not in (None, "mechanism"):
        raise fail("--kind", "mechanism", kind)
    model = result.model
    bracket = result.document["bounds"]
    title = f"{result.document['name'] or 'regret-auction'}: worst-case regret "
    title += f"in [{bracket['lower']:.6g}, {bracket['upper']:.6g}]" if bracket else f"{result.value:.6g}"
    figure, axes = canvas(2, 2, title, width=4.4, height=3.5)
    if model.bidders == 2 and model.goods == 1:
        _maps(result, figure, axes[0])
    else:
        _curves(result, axes[0])
    _reserves(result, axes[1, 0])
    _nature(result, axes[1, 1])
    return figure  # type: ignore[no-any-return]


def _span(model: Any, bidder: int, good: int) -> tuple[float, float]:
    return float(model.lower[good]), float(model.bounds[bidder][good])


def _maps(result: Result, figure: Figure, axes: Any) -> None:
    """What bidder 1 gets and pays, against both bidders' values; nature's atoms in red."""
    model = result.model
    x, y = (np.linspace(*_span(model, i, 0), FINE) for i in range(2))
    values = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)[..., None]
    allocation, payment = result.mechanism(values)
    tables = (
        ("chance that bidder 1 gets the good", allocation[:, :, 0, 0], "chance"),
        ("payment of bidder 1", payment[:, :, 0], "payment, money"),
    )
    where, mass = (result.arrays[name].values for name in ("worst_case_values", "worst_case"))
    for axis, (heading, table, unit) in zip(axes, tables, strict=True):
        shade = axis.pcolormesh(x, y, table.T, cmap=MAP, vmin=0, shading="nearest", rasterized=True)
        dots: dict[str, Any] = {"color": RED, "edgecolor": "white", "linewidth": 0.5, "zorder": 3, "clip_on": False}
        axis.scatter(where[:, 0, 0], where[:, 1, 0], s=10 + 160 * mass, **dots)
        dress(axis, heading, "value of bidder 1, money", "value of bidder 2, money")
        axis.grid(False)
        shades(shade, axis, unit)
    figure.supxlabel("red: nature's atoms on the grid, area by probability", fontsize=8)


def _profiles(model: Any, good: int, rivals: float) -> tuple[Any, Any]:
    """Values of bidder 1 for a good, and profiles with rivals at that share of their range, other goods lowest."""
    x = np.linspace(*_span(model, 0, good), CURVE)
    values = np.tile(np.array([float(low) for low in model.lower]), (CURVE, model.bidders, 1))
    for i in range(1, model.bidders):
        low, high = _span(model, i, good)
        values[:, i, good] = low + rivals * (high - low)
    values[:, 0, good] = x
    return x, values


def _curves(result: Result, axes: Any) -> None:
    """What bidder 1 gets and pays as her value of one good moves against rivals at 40 % of their range."""
    model = result.model
    for j in range(model.goods):
        x, values = _profiles(model, j, 0.4)
        allocation, payment = result.mechanism(values)
        line: dict[str, Any] = {"color": COLOURS[j % 5], "linewidth": 1.4, "label": f"good {j + 1}"}
        axes[0].plot(x, allocation[:, 0, j], **line)
        axes[1].plot(x, payment[:, 0], **line)
    rest = "; rivals at 40 % of their range" if model.bidders > 1 else ""
    dress(axes[0], f"chance of bidder 1{rest}", "value of bidder 1, money", "chance")
    dress(axes[1], "payment of bidder 1, one good at a time", "value of bidder 1, money", "payment, money")
    axes[0].legend(fontsize=8, frameon=False)


def _reserves(result: Result, axis: Any) -> None:
    """The chance of bidder 1 without rivals: her reserve prices' distribution, in money."""
    model = result.model
    for j in range(model.goods):
        x, values = _profiles(model, j, 0.0)
        label = f"good {j + 1}" + ("" if model.goods > 1 else ", continuum")
        axis.plot(x, result.mechanism(values)[0][:, 0, j], color=COLOURS[j % 5], linewidth=1.4, label=label)
    if model.goods == 1 and "allocation" in result.arrays:
        table = result.arrays["allocation"].values[:, 0, 0].reshape((model.points + 1,) * model.bidders)
        alone = table[(slice(None), *(0,) * (model.bidders - 1))]
        x = np.linspace(*_span(model, 0, 0), model.points + 1)
        axis.step(x, alone, where="post", color=GREY, linewidth=0.8, label="good 1, grid")
    heading = "P(reserve of bidder 1 <= x)" if model.from_zero else "chance of bidder 1, rivals at their lowest"
    dress(axis, heading, "x, money", "chance")
    axis.set_ylim(-0.03, 1.03)
    axis.legend(fontsize=8, frameon=False)


def _nature(result: Result, axis: Any) -> None:
    """Distribution of what a seller who knew the values would earn, under nature's choice."""
    model = result.model
    mass = result.arrays["worst_case"].values
    full = result.arrays["worst_case_values"].values.max(axis=1).sum(axis=1)
    order = np.argsort(full)
    ends = np.array([float(sum(model.lower)), float(sum(model.best))])
    x = np.concatenate([ends[:1], full[order], ends[1:]])
    axis.step(x, np.concatenate([[0.0], np.cumsum(mass[order]), [1.0]]), where="post", color=RED, linewidth=1.2,
              label="grid")  # fmt: skip
    margins = [result.arrays.get(f"continuum_margin_{j + 1}") for j in range(model.goods)]
    if len(model.favourites) == 1 and all(margin is not None for margin in margins):
        curves = [m for m in margins if m is not None]
        worth = np.sum([float(most) * m.values for most, m in zip(model.best, curves, strict=True)], axis=0)
        tail = np.asarray(next(iter(curves[0].coords.values())))
        rising = np.append(1 - tail, 1.0)  # the highest value goes with the smallest quantiles, down to zero
        axis.plot(np.append(worth, worth[-1]), rising, color=BLUE, linewidth=1.2, label="continuum")
    name = "highest value" if model.goods == 1 else "sum of highest values"
    dress(axis, f"nature's distribution of the {name}", f"{name}, money", "P(at most x)")
    axis.set_ylim(-0.03, 1.03)
    axis.legend(fontsize=8, frameon=False)
