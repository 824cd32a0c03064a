"""Pictures of `design`: the mechanism with nature's distribution, and the graph of binding incentive rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.style import BLUE, GREEN, GREY, MAP, ORANGE, RED, canvas, dress

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
    title = f"{result.document['name'] or 'design'}: {goal.kind} {goal.measure.words()} {result.value:.6g}"
    draw = _curves if environment.count == 1 and environment.goods == 1 else _maps if _flat(environment) else _bars
    return draw(result, title)


def _flat(environment: Any) -> bool:
    """Whether profiles lie on a plane grid: two bidders and one good, or one buyer and two goods."""
    return bool(environment.count * environment.goods == 2 and environment.profiles >= 9)


def _curves(result: Result, title: str) -> Figure:
    """One buyer, one good: chance and payment, and where nature puts her mass, by value."""
    figure, axes = canvas(1, 2, title)
    v = result.arrays["values"].values[0, :, 0]
    axes[0, 0].plot(v, result.arrays["allocation"].values[0, :, 0], color=BLUE, label="chance of the good")
    axes[0, 0].plot(v, result.arrays["payment"].values[0], color=ORANGE, label="payment, money")
    axes[0, 0].legend(fontsize=8, frameon=False)
    dress(axes[0, 0], "mechanism", "value, money", "")
    _stems(axes[0, 1], v, result.arrays["worst_case"].values)
    dress(axes[0, 1], "nature's distribution", "value, money", "probability")
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
    panels = [(f"chance of bidder {i + 1}", chance[i, :, 0]) for i in range(2)] if auction else [
        (f"chance of good {j + 1}", chance[0, :, j]) for j in range(2)
    ]  # fmt: skip
    panels.append(("total payment, money", result.arrays["payment"].values.sum(axis=0)))
    names = ("value of bidder 1", "value of bidder 2") if auction else ("value of good 1", "value of good 2")
    figure, axes = canvas(1, 3, title, width=3.9, height=3.4)
    mass = result.arrays["worst_case"].values
    size = np.sqrt(len(x))
    for axis, (name, z) in zip(axes[0], panels, strict=True):
        drawn = axis.scatter(x, y, c=z, cmap=MAP, marker="s", s=(150 / size) ** 2, linewidths=0)
        figure.colorbar(drawn, ax=axis, shrink=0.8)
        some = mass > SMALL
        if result.model.criterion.kind == "expected":
            some[:] = False  # the prior is the user's own
        axis.scatter(x[some], y[some], s=4 + 250 * mass[some], facecolors="none", edgecolors=RED, linewidths=1.0)
        dress(axis, name, f"{names[0]}, money", f"{names[1]}, money")
        axis.set_aspect("equal")
        axis.grid(False)
    if result.model.criterion.kind != "expected":
        axes[0, 2].set_title("total payment, money; circles: nature", fontsize=9.5, loc="left")
    return figure  # type: ignore[no-any-return]


def _bars(result: Result, title: str) -> Figure:
    """Any other environment: revenue by profile, the profiles of most weight first."""
    figure, axes = canvas(1, 2, title)
    mass = result.arrays["worst_case"].values
    order = np.argsort(-mass, kind="stable")[:60]
    at = np.arange(len(order))
    axes[0, 0].bar(at, mass[order], color=RED)
    dress(axes[0, 0], "nature's distribution, heaviest first", "profile", "probability")
    bottom = np.zeros(len(order))
    for i, (row, colour) in enumerate(zip(result.arrays["payment"].values, (BLUE, ORANGE, GREEN, GREY), strict=False)):
        axes[0, 1].bar(at, row[order], bottom=bottom, color=colour, label=f"bidder {i + 1}")
        bottom = bottom + row[order]
    axes[0, 1].legend(fontsize=8, frameon=False)
    dress(axes[0, 1], "payments there", "profile", "payment, money")
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
        1, count, f"{result.document['name'] or 'design'}: which misreports bind", width=4.4, height=3.8
    )
    for i in range(count):
        _graph(axes[0, i], environment, bindings(result, i), i)
    return figure  # type: ignore[no-any-return]


def _graph(axis: Any, environment: Any, weight: Any, bidder: int) -> None:
    types = np.array([[float(x) for x in t] for t in environment.exact[bidder]])
    line = types.shape[1] == 1
    spots = np.column_stack([types[:, 0], np.zeros(len(types)) if line else types[:, 1]])
    most = weight.max(initial=0.0)
    for k, w in np.argwhere(weight > SMALL * max(1.0, most)).tolist():
        width = 0.5 + 2.0 * weight[k, w] / most
        bend = "arc3,rad=0.5" if line else "arc3,rad=0.12"
        colour = BLUE if spots[w].sum() < spots[k].sum() else ORANGE
        axis.annotate("", spots[w], spots[k], arrowprops={
            "arrowstyle": "-|>", "color": colour, "linewidth": width, "connectionstyle": bend, "alpha": 0.8,
            "shrinkA": 2, "shrinkB": 2, "mutation_scale": 8,
        })  # fmt: skip
    axis.plot(spots[:, 0], spots[:, 1], "o", color=GREY, markersize=3.5)
    if line:
        axis.set_ylim(-0.25 * np.ptp(types) - 0.05, 0.25 * np.ptp(types) + 0.05)
        axis.set_yticks([])
    else:
        axis.margins(0.08)
    name = "buyer" if environment.count == 1 else f"bidder {bidder + 1}"
    dress(
        axis,
        f"{name}: downward blue, upward orange",
        "value of good 1, money",
        "" if line else "value of good 2, money",
    )
