"""Pictures of sweeps: value and bracket over an axis, convergence with its order, scaling, heat maps over two axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.style import BLUE, GREEN, GREY, MAP, ORANGE, RED, canvas, dress

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

COLOURS = (BLUE, ORANGE, GREEN, RED, "#56B4E9", "#CC79A7")  # Okabe and Ito (2008)
MARKS = ("o", "s", "^", "D", "v", "P")  # so that lines are told apart without colours too
MOST_LINES = len(COLOURS)
MOST_INSIDE = 4  # entries of a legend that fit into the axes
FEW = 8  # values of an axis up to which each has its tick
Line = tuple[str, "pandas.DataFrame"]


def picture(frame: pandas.DataFrame, axes: Sequence[str], kind: str | None = None) -> Figure:
    """The picture of a sweep's table. Raises InputError for a kind there is not, or that the sweep has no data for."""
    kind = kind or "value"
    if kind not in KINDS:
        raise fail("--kind", " or ".join(KINDS), kind)
    done = frame[(frame["state"] == "done") & frame["value"].notna()]
    if done.empty:
        raise fail("runs", "at least one finished instance", "none", "look at the column error of `mechopt export`")
    figure: Figure = KINDS[kind](done, _moving(done, axes))
    return figure


def _moving(done: pandas.DataFrame, axes: Sequence[str]) -> list[str]:
    """The axes that take more than one value."""
    return [axis for axis in axes if done[axis].nunique() > 1]


def _numeric(done: pandas.DataFrame, axes: Sequence[str]) -> list[str]:
    """Of the axes, those whose values are numbers."""
    import pandas

    return [axis for axis in axes if pandas.api.types.is_numeric_dtype(done[axis])]


def _first_numeric(done: pandas.DataFrame, axes: Sequence[str], kind: str) -> str:
    """The numeric axis with the most values; for kinds about size, of those that count something if there are any."""
    found = _numeric(done, axes)
    if not found:
        raise fail("--kind", f"a sweep with a numeric axis of two values or more, for {kind}", "one without")
    counts = [axis for axis in found if (done[axis] % 1 == 0).all()]
    return max((counts or found) if kind != "value" else found, key=lambda axis: done[axis].nunique())


def _lines(done: pandas.DataFrame, axes: Sequence[str], x: str) -> tuple[list[Line], str]:
    """The runs split by every other axis, each line sorted by x; and a remark where lines are left out."""
    others = [axis for axis in axes if axis != x and not _follows(done, axis, x)]
    if not others:
        return [("", done.sort_values(x))], ""
    groups = [(_label(others, key), part.sort_values(x)) for key, part in done.groupby(others, dropna=False)]
    groups = [group for group in groups if len(group[1]) > 1] or groups
    remark = "" if len(groups) <= MOST_LINES else f" ({MOST_LINES} of {len(groups)} lines)"
    picked = np.unique(np.linspace(0, len(groups) - 1, min(MOST_LINES, len(groups))).round().astype(int))
    return [groups[k] for k in picked], remark


def _follows(done: pandas.DataFrame, axis: str, x: str) -> bool:
    """Whether an axis moves together with x, as in a zip."""
    return bool((done.groupby(x)[axis].nunique(dropna=False) == 1).all())


def _label(names: Sequence[str], key: Any) -> str:
    parts = key if isinstance(key, tuple) else (key,)
    return ", ".join(
        f"{n} {v:g}" if isinstance(v, float | int) else f"{n} {v}" for n, v in zip(names, parts, strict=True)
    )


def _title(done: pandas.DataFrame) -> str:
    names = [str(name) for name in done["sweep"].dropna().unique()]
    models = [str(name) for name in done["model"].unique()]
    return f"{', '.join(names[:3])}: {len(done)} runs of {', '.join(models[:3])}"


def _legend(axis: Any) -> None:
    """A legend inside, or beside the axes where it would lie on the lines."""
    entries = len(axis.get_legend_handles_labels()[0])
    beside: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)} if entries > MOST_INSIDE else {}
    if entries:
        axis.legend(fontsize=7.5, frameon=False, **beside)


def value(done: pandas.DataFrame, axes: list[str]) -> Figure:
    """Optimum, bracket and theorem over the axis with the most values; one line per value of the others."""
    x = _first_numeric(done, axes, "value")
    lines, remark = _lines(done, axes, x)
    figure, grid = canvas(1, 1, _title(done), width=6.2, height=4.0)
    axis = grid[0, 0]
    for (label, part), colour, mark in zip(lines, COLOURS, MARKS, strict=False):
        at = part[x].to_numpy(dtype=float)
        low, high = (part[end].to_numpy(dtype=float) for end in ("lower", "upper"))
        axis.fill_between(at, low, high, color=colour, alpha=0.25, linewidth=0, label=_once("bracket", colour))
        axis.plot(at, part["value"], color=colour, marker=mark, markersize=3.5, linewidth=1.2,
                  label=label or "finite optimum")  # fmt: skip
        theory = part["closed_form"].to_numpy(dtype=float)
        if np.isfinite(theory).any():
            last = colour == COLOURS[len(lines) - 1]
            axis.plot(at, theory, color=GREY, linewidth=1.0, linestyle="--", label="theorem" if last else None)
    heading = "optimum of the finite program and proven bracket" if len(lines) > 1 else "optimum and proven bracket"
    dress(axis, heading + remark, x, "money")
    _legend(axis)
    return figure  # type: ignore[no-any-return]


def _once(label: str, colour: str) -> str | None:
    """The label for the first line only: what it says of all lines it says once."""
    return label if colour == COLOURS[0] else None


def convergence(done: pandas.DataFrame, axes: list[str]) -> Figure:
    """Width of the bracket over the axis with the most values, both on log scales, with the fitted order."""
    x = _first_numeric(done, axes, "convergence")
    lines, remark = _lines(done, axes, x)
    figure, grid = canvas(1, 1, _title(done), width=6.2, height=4.0)
    axis = grid[0, 0]
    drawn = 0
    for (label, part), colour, mark in zip(lines, COLOURS, MARKS, strict=False):
        drawn += _loglog(axis, part[x], part["width"], label, colour, mark, lambda slope: f"order {0.0 - slope:.2f}")
    if not drawn:
        raise fail("--kind", "brackets of positive width on a positive axis, for convergence", "none")
    dress(axis, f"width of the bracket{remark}", x, "upper less lower bound, money")
    _legend(axis)
    return figure  # type: ignore[no-any-return]


def scaling(done: pandas.DataFrame, axes: list[str]) -> Figure:
    """Seconds and nonzeros over the axis with the most values, on log scales, with the fitted powers.

    A worker's first run, whose seconds include loading and first compilations, is drawn hollow and not fitted.
    """
    x = _first_numeric(done, axes, "scaling")
    lines, remark = _lines(done, axes, x)
    figure, grid = canvas(1, 2, _title(done), width=4.6, height=3.8)
    shown = (("seconds", "time, certificate included", "seconds"), ("nonzeros", "size of the program", "nonzeros"))
    for axis, (column, title, unit) in zip(grid[0], shown, strict=True):
        for (label, part), colour, mark in zip(lines, COLOURS, MARKS, strict=False):
            spoilt = _warming(part, x) if column == "seconds" else None
            _loglog(axis, part[x], part[column], label, colour, mark, lambda slope: f"power {slope:.2f}", spoilt)
        dress(axis, title + remark + (_about_warming(lines, x) if column == "seconds" else ""), x, unit)
        _legend(axis)
        if not axis.lines:
            axis.text(0.5, 0.5, "no program was built", transform=axis.transAxes, ha="center", fontsize=9, color=GREY)
    return figure  # type: ignore[no-any-return]


def _warming(part: pandas.DataFrame, x: str) -> Any:
    """The runs that include a worker's warm-up, as far as the store says; none if fewer than two sizes were left."""
    first = part["warm_up"].eq(True).to_numpy(dtype=bool)
    return first if part[x][~first].nunique() > 1 else np.zeros(len(part), dtype=bool)


def _about_warming(lines: Sequence[Line], x: str) -> str:
    """The remark that says what became of the workers' first runs."""
    if any(_warming(part, x).any() for _, part in lines):
        return "\nhollow: a worker's first run, not fitted"
    known = all(part["warm_up"].eq(False).all() for _, part in lines)
    return "" if known else "\nworkers' first runs are fitted too"


def slope_of(x: Any, y: Any) -> float:
    """The slope of log y in log x by least squares; NaN with fewer than two different points.

    >>> assert abs(slope_of([1, 2, 4], [1, 4, 16]) - 2) < 1e-12
    """
    at, height = np.log(np.asarray(x, dtype=float)), np.log(np.asarray(y, dtype=float))
    return float(np.polyfit(at, height, 1)[0]) if len(np.unique(at)) > 1 else float("nan")


def _loglog(
    axis: Any, x: Any, y: Any, label: str, colour: str, mark: str, say: Callable[[float], str], spoilt: Any = None
) -> bool:
    """Points with their power law, fitted to those not spoilt; whether there was anything positive to draw."""
    at, height = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    good = (at > 0) & (height > 0)
    if not good.any():
        return False
    hollow = np.zeros(len(at), dtype=bool) if spoilt is None else spoilt
    if hollow.any():
        axis.loglog(at[hollow], height[hollow], color=colour, marker=mark, markersize=4, linewidth=0, mfc="none")
    marked, good = at[good], good & ~hollow
    at, height = at[good], height[good]
    slope = round(slope_of(at, height), 9) + 0.0
    words = ", ".join(part for part in (label, "" if np.isnan(slope) else say(slope)) if part)
    axis.loglog(at, height, color=colour, marker=mark, markersize=4, linewidth=0, label=words or None)
    if np.isfinite(slope):
        middle = np.exp(np.log(height).mean() + slope * (np.log(at) - np.log(at).mean()))
        axis.loglog(at, middle, color=colour, linewidth=1.1)
    axis.tick_params(which="both", labelsize=8)
    _ticks(axis, marked)
    return True


def _ticks(axis: Any, at: Any) -> None:
    """Few values are marked themselves, in plain numbers; many are left to Matplotlib."""
    values = np.unique(at)
    if len(values) <= FEW:
        axis.xaxis.minorticks_off()
        axis.set_xticks(values, [f"{x:g}" for x in values])


def heatmap(done: pandas.DataFrame, axes: list[str]) -> Figure:
    """The optimum over the first two numeric axes; where others move too, its mean over them."""
    found = _numeric(done, axes)
    if len(found) < 2:
        raise fail("--kind", "a sweep with two numeric axes, for heatmap", f"one with {len(found)}")
    x, y = found[:2]
    pivot = done.pivot_table(index=y, columns=x, values="value", aggfunc="mean")
    figure, grid = canvas(1, 1, _title(done), width=6.0, height=4.4)
    axis = grid[0, 0]
    heights = np.ma.masked_invalid(pivot.to_numpy(dtype=float))
    mesh = axis.pcolormesh(_edges(pivot.columns), _edges(pivot.index), heights, cmap=MAP, rasterized=True)
    bar = figure.colorbar(mesh, ax=axis)
    bar.set_label("optimum, money", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    mean = ", mean over the other axes" if len(done) > pivot.size else ""
    dress(axis, f"optimum of the finite program{mean}", x, y)
    axis.grid(False)
    return figure  # type: ignore[no-any-return]


def _edges(centres: Any) -> Any:
    """Borders of cells around increasing centres, half way between neighbours."""
    at = np.asarray(centres, dtype=float)
    middle = (at[1:] + at[:-1]) / 2
    return np.concatenate([[2 * at[0] - middle[0]], middle, [2 * at[-1] - middle[-1]]])


KINDS: dict[str, Callable[..., Any]] = {
    "value": value, "convergence": convergence, "scaling": scaling, "heatmap": heatmap,
}  # fmt: skip
