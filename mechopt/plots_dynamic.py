"""Pictures of `dynamic-auction`: value functions from both sides, who is served at which balance, gains over time."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.dynamic.single_policy import policy_of
from mechopt.models.inputs import fail
from mechopt.plots_dynamic_path import path_picture
from mechopt.style import BLUE, GREEN, GREY, MAP, ORANGE, RED, canvas, dress, shades

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechopt.result import Result

KINDS = ("value-functions", "allocation", "horizon", "path")
COLOURS = (BLUE, ORANGE, GREEN, RED)
SHOWN = 4  # periods drawn
SURE = 0.999  # everybody is served from this chance of the lowest price on
FINE = 121  # balances of a map
FEW = 6  # values up to which each has its tick
LONGEST = 24  # horizons drawn one by one


def picture(result: Result, kind: str | None = None) -> Figure:
    """Value functions (default), allocation over value and balance, revenue over the horizon, or a sample path.

    For several buyers, whose value functions have several arguments, the sample path only. Raises InputError else.
    """
    alone = "promise_1" in result.arrays
    if kind not in (None, *(KINDS if alone else ("path",))):
        raise fail("--kind", " or ".join(KINDS) if alone else "path, the one picture for several buyers", kind)
    if not alone:
        kind = "path"
    if kind == "path":
        return path_picture(result)
    draw = {None: _values, "value-functions": _values, "allocation": _allocation, "horizon": _horizon}[kind]
    return draw(result)


def _title(result: Result) -> str:
    return result.document["name"] or "dynamic-auction"


def _chosen(horizon: int) -> list[int]:
    """At most four periods, the first and the last among them."""
    return sorted({round(x) for x in np.linspace(1, horizon, min(SHOWN, horizon)).tolist()})


def _values(result: Result) -> Figure:
    horizon = result.quantities["periods"]
    title = f"{_title(result)}: revenue {result.bounds.lower:.6g} to {result.bounds.upper:.6g}"
    figure, axes = canvas(1, 2, title, width=4.6, height=3.6)
    for t, colour in zip(_chosen(horizon), COLOURS, strict=False):
        U, w, slope, intercept = (result.arrays[f"{n}_{t}"].values for n in ("promise", "worth", "slope", "intercept"))
        grid = np.unique(np.concatenate([U, np.linspace(0, max(float(U[-1]) * 1.1, 1e-9), 400)]))
        above = (intercept[:, None] + slope[:, None] * grid).min(axis=0)
        below = np.interp(grid, U, w)
        axes[0, 0].fill_between(grid, below, above, color=colour, alpha=0.25, linewidth=0)
        axes[0, 0].plot(grid, below, color=colour, linewidth=1.3, label=f"from period {t} on")
        axes[0, 0].plot(U, w, linestyle="none", marker=".", markersize=3, color=colour)
        axes[0, 1].plot(grid, above - below, color=colour, linewidth=1.0, label=f"from period {t} on")
    dress(axes[0, 0], "welfare by promised utility, both bounds", "promised utility, money", "welfare, money")
    dress(axes[0, 1], "upper minus lower bound", "promised utility, money", "money")
    axes[0, 0].legend(fontsize=7.5, frameon=False)
    return figure  # type: ignore[no-any-return]


def _allocation(result: Result) -> Figure:
    chosen = _chosen(result.quantities["periods"])
    figure, axes = canvas(1, len(chosen), f"{_title(result)}: chance of a sale", width=3.4, height=3.4)
    source = policy_of(result.model.periods, result.arrays)
    rows = [pair for t in chosen for pair in zip(source.points[t - 1].U, source.points[t - 1].prices, strict=True)]
    partial = [float(U) for U, prices in rows if prices[0] < SURE]
    balances = np.linspace(0, max(1.25 * max(partial, default=0.0), 1e-9), FINE)
    for axis, t in zip(axes[0], chosen, strict=True):
        prior = result.model.periods[t - 1][0]
        listed = source.points[t - 1]
        table = np.array([source.decide(t - 1, listed.around(Fraction(b)))[0] for b in balances.tolist()], dtype=float)
        drawn = axis.pcolormesh(prior.v, balances, table, cmap=MAP, vmin=0, vmax=1, shading="nearest", rasterized=True)
        if len(prior) <= FEW:
            axis.set_xticks(prior.v)
        dress(axis, f"period {t}", "value, money", "balance and promise, money")
        axis.grid(False)
    shades(drawn, list(axes[0]), "chance of a sale", shrink=0.8)
    return figure  # type: ignore[no-any-return]


def _horizon(result: Result) -> Figure:
    """Revenue when selling starts late: the last s periods alone, dynamic and period by period."""
    model: Any = result.model
    last = _lengths(model.horizon)
    static, dynamic = [], []
    for s in last:
        t = model.horizon - s + 1
        dynamic.append(float((result.arrays[f"worth_{t}"].values - result.arrays[f"promise_{t}"].values).max()))
        static.append(sum(_posted(model.periods[r][0]) for r in range(t - 1, model.horizon)))
    figure, axes = canvas(1, 2, f"{_title(result)}: what a long relation is worth", width=4.6, height=3.4)
    axes[0, 0].plot(last, dynamic, color=BLUE, marker=".", label="best mechanism over time")
    axes[0, 0].plot(last, static, color=GREY, marker=".", label="best price in every period")
    welfare = [sum(float(np.maximum(p.v, 0) @ p.f) for (p,) in model.periods[model.horizon - s :]) for s in last]
    axes[0, 0].plot(last, welfare, color=GREEN, linestyle=":", label="all welfare")
    ratio = np.array(dynamic) / np.maximum(static, 1e-300)
    axes[0, 1].plot(last, ratio, color=BLUE, marker=".")
    dress(axes[0, 0], "revenue", "periods", "money")
    dress(axes[0, 1], "over the best price in every period", "periods", "ratio")
    for axis in axes[0]:
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0, 0].legend(fontsize=7.5, frameon=False)
    return figure  # type: ignore[no-any-return]


def _lengths(horizon: int) -> list[int]:
    return sorted({round(x) for x in np.linspace(1, horizon, min(LONGEST, horizon)).tolist()})


def _posted(prior: Any) -> float:
    tails = np.array([float(x) for x in prior.tails])
    return max(0.0, float((prior.v * tails).max()))
