"""Pictures of `design`: the mechanism with the prior or nature's distribution, and which incentive rows bind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.style import BLUE, GREEN, GREY, MAP, ORANGE, RED, canvas, dress, shades

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechopt.result import Result

KINDS = ("mechanism", "incentives")
SMALL = 1e-9


def picture(result: Result, kind: str | None = None) -> Figure:
    """Allocation, payments and the worst case, or which misreports bind. Raises InputError for another kind."""
    if kind not in (None, *KINDS):
        raise fail("--kind", " or ".join(KINDS), kind)
    if kind == "incentives":
        return incentives(result)
    environment = result.model.environment
    goal = result.model.criterion
    kind = "regret in" if goal.kind == "regret" else goal.kind
    title = f"{result.document['name'] or 'design'}: {kind} {goal.measure.words()} {result.value:.6g}"
    draw = _curves if environment.count == 1 and environment.goods == 1 else _maps if _flat(environment) else _bars
    return draw(result, title)


def _flat(environment: Any) -> bool:
    """Whether profiles lie on a plane grid: two bidders and one good, or one buyer and two goods."""
    return bool(environment.count * environment.goods == 2 and environment.profiles >= 9)


def _chosen(result: Result) -> bool:
    """Whether the probabilities are nature's choice and not the prior of the instance."""
    return bool(result.model.criterion.kind != "expected")


def _curves(result: Result, title: str) -> Figure:
    """One buyer, one good: chance and payment, and the probabilities, by value."""
    figure, axes = canvas(1, 2, title)
    v = result.arrays["values"].values[0, :, 0]
    axes[0, 0].plot(v, result.arrays["allocation"].values[0, :, 0], color=BLUE, label="chance of the good")
    axes[0, 0].plot(v, result.arrays["payment"].values[0], color=ORANGE, label="payment, money")
    axes[0, 0].legend(fontsize=8, frameon=False)
    dress(axes[0, 0], "mechanism", "value, money", "")
    _stems(axes[0, 1], v, result.arrays["worst_case"].values)
    dress(axes[0, 1], "nature's distribution" if _chosen(result) else "the prior", "value, money", "probability")
    return figure  # type: ignore[no-any-return]


def _stems(axis: Any, x: Any, mass: Any) -> None:
    axis.vlines(x, 0, mass, color=RED, linewidth=1.2)
    axis.plot(x, mass, ".", color=RED, markersize=4)
    axis.set_ylim(bottom=0)


def _maps(result: Result, title: str) -> Figure:
    """A plane of profiles: the chance of every bidder or good, the payments, and nature's mass as dots."""
    environment = result.model.environment
    values, chance = result.arrays["values"].values, result.arrays["allocation"].values
    auction = environment.count == 2
    x, y = (values[0, :, 0], values[1, :, 0]) if auction else (values[0, :, 0], values[0, :, 1])
    panels = [(f"chance of bidder {i + 1}", "chance", chance[i, :, 0]) for i in range(2)] if auction else [
        (f"chance of good {j + 1}", "chance", chance[0, :, j]) for j in range(2)
    ]  # fmt: skip
    payment = result.arrays["payment"].values.sum(axis=0)
    panels.append(("total payment; circles: nature" if _chosen(result) else "total payment", "money", payment))
    names = ("value of bidder 1", "value of bidder 2") if auction else ("value of good 1", "value of good 2")
    figure, axes = canvas(1, 3, title, width=3.9, height=3.6)
    mass = result.arrays["worst_case"].values
    some = (mass > SMALL) & _chosen(result)  # a prior is the user's own
    for axis, (name, unit, z) in zip(axes[0], panels, strict=True):
        shades(_tiles(axis, x, y, z, top=1.0 if unit == "chance" else None), axis, unit, shrink=0.8)
        axis.scatter(x[some], y[some], s=4 + 250 * mass[some], facecolors="none", edgecolors=RED, linewidths=1.0)
        dress(axis, name, f"{names[0]}, money", f"{names[1]}, money")
        axis.set_aspect("equal")
        axis.grid(False)
    return figure  # type: ignore[no-any-return]


def _tiles(axis: Any, x: Any, y: Any, z: Any, top: float | None) -> Any:
    """Heights over points of the plane: cells where the points are a whole grid, squares where they are not."""
    bottom = None if top is None else 0.0
    (columns, i), (rows, j) = (np.unique(at, return_inverse=True) for at in (x, y))
    if len(columns) * len(rows) != len(x) or min(len(columns), len(rows)) < 2:
        size = (150 / np.sqrt(len(x))) ** 2
        return axis.scatter(x, y, c=z, cmap=MAP, marker="s", s=size, linewidths=0, vmin=bottom, vmax=top)
    table = np.full((len(rows), len(columns)), np.nan)
    table[j, i] = z
    return axis.pcolormesh(columns, rows, table, cmap=MAP, shading="nearest", vmin=bottom, vmax=top, rasterized=True)


def _bars(result: Result, title: str) -> Figure:
    """Any other environment: payments by profile, the most probable profiles first."""
    figure, axes = canvas(1, 2, title)
    mass = result.arrays["worst_case"].values
    order = np.argsort(-mass, kind="stable")[:60]
    at = np.arange(1, len(order) + 1)
    axes[0, 0].bar(at, mass[order], color=RED)
    what = "nature's distribution" if _chosen(result) else "the prior"
    dress(axes[0, 0], f"{what}, most probable profiles first", "place of the profile", "probability")
    bottom = np.zeros(len(order))
    for i, (row, colour) in enumerate(zip(result.arrays["payment"].values, (BLUE, ORANGE, GREEN, GREY), strict=False)):
        axes[0, 1].bar(at, row[order], bottom=bottom, color=colour, label=f"bidder {i + 1}")
        bottom = bottom + row[order]
    axes[0, 1].legend(fontsize=8, frameon=False)
    dress(axes[0, 1], "payments there", "place of the profile", "payment, money")
    return figure  # type: ignore[no-any-return]


def bindings(result: Result, bidder: int = 0) -> Any:
    """How much each misreport of a bidder's binds: the multipliers gamma summed over the others' types, (K, K)."""
    environment = result.model.environment
    K = environment.shape[bidder]
    found = np.zeros((K, K))
    gamma = result.arrays.get("gamma")
    if gamma is None:
        return found
    label = {name.removeprefix("gamma_"): content[1] for name, content in gamma.coords.items()}
    own = label["type"] if "type" in label else environment.steps[label["profile"].astype(int), bidder]
    mine = label["bidder"] == bidder
    np.add.at(found, (own[mine].astype(int), label["report"][mine].astype(int)), gamma.values[mine])
    return found


def incentives(result: Result) -> Figure:
    """The graph of binding incentive rows: an arrow from every type to the misreport that tempts it."""
    environment = result.model.environment
    count = min(environment.count, 3)
    figure, axes = canvas(
        1, count, f"{result.document['name'] or 'design'}: which misreports bind", width=4.4 if count > 1 else 5.2,
        height=3.6,
    )  # fmt: skip
    for i in range(count):
        draw = _arches if len(environment.exact[i][0]) == 1 else _graph
        draw(axes[0, i], environment, bindings(result, i), i)
    return figure  # type: ignore[no-any-return]


def _graph(axis: Any, environment: Any, weight: Any, bidder: int) -> None:
    """Arrows between types in the plane of the first two goods; the wider, the larger the multiplier."""
    spots = np.array([[float(x) for x in t[:2]] for t in environment.exact[bidder]])
    most = weight.max(initial=0.0)
    for k, w in np.argwhere(weight > SMALL * max(1.0, most)).tolist():
        colour = BLUE if spots[w].sum() < spots[k].sum() else ORANGE
        axis.annotate("", spots[w], spots[k], arrowprops={
            "arrowstyle": "-|>", "color": colour, "linewidth": 0.5 + 2.0 * weight[k, w] / most, "alpha": 0.8,
            "connectionstyle": "arc3,rad=0.12", "shrinkA": 2, "shrinkB": 2, "mutation_scale": 8,
        })  # fmt: skip
    axis.plot(spots[:, 0], spots[:, 1], "o", color=GREY, markersize=3.5)
    axis.margins(0.08)
    name = _name(environment, bidder)
    dress(axis, f"{name}: downward blue, upward orange", "value of good 1, money", "value of good 2, money")


def _name(environment: Any, bidder: int) -> str:
    return "buyer" if environment.count == 1 else f"bidder {bidder + 1}"


def _arches(axis: Any, environment: Any, weight: Any, bidder: int) -> None:
    """One good: an arch from every value to the report that tempts it, as high as the multiplier; upward ones hang."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path
    from matplotlib.ticker import FuncFormatter

    v = np.array([float(x) for (x,) in environment.exact[bidder]])
    found = np.argwhere(weight > SMALL * max(1.0, weight.max(initial=0.0))).tolist()
    for k, w in found:
        down = w < k
        bend = weight[k, w] * (4 if down else -4) / 3  # of a cubic curve's middle points: its top is the multiplier
        curve = Path([(v[k], 0), (v[k], bend), (v[w], bend), (v[w], 0)], [Path.MOVETO] + 3 * [Path.CURVE4])
        axis.add_patch(FancyArrowPatch(path=curve, arrowstyle="-|>", color=BLUE if down else ORANGE, linewidth=1.2,
                                       fill=False, mutation_scale=6))  # fmt: skip
    axis.plot(v, np.zeros(len(v)), "o", color=GREY, markersize=3, zorder=3)
    top, bottom = (max((weight[k, w] for k, w in found if (w < k) == down), default=0.0) for down in (True, False))
    reach = (top + bottom) or 1.0
    axis.set_ylim(-bottom - 0.08 * reach, top + 0.08 * reach)
    axis.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{abs(y):g}"))
    own = "value, money" if environment.count == 1 else f"value of bidder {bidder + 1}, money"
    dress(axis, f"{_name(environment, bidder)}: downward above, upward below", own, "multiplier")
