"""Pictures of `posted-prices`: the map of bundles for two goods, the regret curve for one, bars by bundle for any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.style import BLUE, GREY, MAP, RED, canvas, dress, shades

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechopt.result import Result

FINE = 801  # values per good at which maps and curves are drawn
PALE = ("#f4f1ea", "#a6cee3", "#fdd49e", "#b2dfb8")  # nobody, good 1, good 2, both
NAMES = ("0", "1", "2", "1+2")
GOODS = {"curve": 1, "map": 2}


def picture(result: Result, kind: str | None = None) -> Figure:
    """The picture that fits the number of goods, or the `kind` asked for: "curve", "map" or "bundles".

    Raises InputError for another kind, or one for another number of goods.
    """
    goods = result.model.goods
    fitting = [name for name, number in GOODS.items() if number == goods] + ["bundles"]
    if kind is not None and kind not in fitting:
        raise fail("--kind", f"{' or '.join(fitting)} for {goods} goods", kind)
    bracket = result.document["bounds"]
    title = f"{result.document['name'] or 'posted-prices'}: worst-case regret "
    low, high = (f"{bracket[end]:.6g}" for end in ("lower", "upper"))
    title += low if low == high else f"in [{low}, {high}]"
    return {"curve": _curve, "map": _map, "bundles": _bars}[kind or fitting[0]](result, title)


def _regret(result: Result, values: Any) -> tuple[Any, Any, Any]:
    """Allocation, payment and regret at values (..., J)."""
    cost = np.array(result.model.cost, dtype=float)
    allocation, payment = result.mechanism(values)
    surplus = np.maximum(values - cost, 0).sum(axis=-1)
    return allocation, payment, surplus - payment + allocation @ cost


def _worst(result: Result) -> tuple[Any, Any]:
    """The profiles of the worst case, (atoms, J), and their regret."""
    atoms = np.array([atom["values"] for atom in result.quantities["worst_case"]])
    return atoms, result.quantities["regret"]


def _curve(result: Result, title: str) -> Figure:
    top = float(result.model.upper[0])
    values = np.linspace(0, top, FINE)
    allocation, _, regret = _regret(result, values[:, None])
    figure, axes = canvas(1, 1, title, width=5.4, height=3.6)
    axis = axes[0, 0]
    step = np.flatnonzero(np.diff(allocation[:, 0])) + 1
    for part in np.split(np.arange(FINE), step):  # the regret jumps where the buyer starts to buy
        axis.plot(values[part], regret[part], color=BLUE, linewidth=1.6, clip_on=False)
    price = float(result.quantities["prices"]["1"])
    if price <= top:
        axis.axvline(price, color=GREY, linewidth=0.9, linestyle="--")
    where, worst = _worst(result)
    axis.scatter(where[:, 0], np.full(len(where), worst), s=34, color=RED, zorder=3, clip_on=False)
    dress(axis, "regret: what a seller who knew the value would earn more", "value, money", "regret, money")
    axis.set_ylim(bottom=min(-0.02 * worst, float(regret.min())))  # a curve at zero is seen above the frame
    figure.supxlabel(f"dashed: the price, {price:.4g}; red: the worst case, ties broken against the seller", fontsize=8)
    return figure  # type: ignore[no-any-return]


def _one(name: str) -> Any:
    return np.array([good in name.split("+") for good in ("1", "2")], dtype=float)


def _map(result: Result, title: str) -> Figure:
    from matplotlib.colors import ListedColormap

    x, y = (np.linspace(0, float(hi), FINE) for hi in result.model.upper)
    values = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
    allocation, _, regret = _regret(result, values)
    bundle = allocation[..., 0] + 2 * allocation[..., 1]
    figure, axes = canvas(1, 2, title, width=4.5, height=4.0)
    left, right = axes[0]
    left.pcolormesh(x, y, bundle.T, cmap=ListedColormap(PALE), vmin=-0.5, vmax=3.5, shading="nearest", rasterized=True)
    shade = right.pcolormesh(x, y, regret.T, cmap=MAP, shading="nearest", rasterized=True)
    prices = {"0": 0.0, **result.quantities["prices"]}
    gain = np.stack([values @ _one(name) - prices.get(name, np.inf) for name in NAMES])
    for code, name in enumerate(NAMES):
        bought = bundle == code
        if not bought.any():
            continue
        lead = gain[code] - np.delete(gain, code, axis=0).max(axis=0)  # positive where it is liked best
        for axis in (left, right):
            if lead.min() < 0 < lead.max():
                axis.contour(x, y, lead.T, levels=[0.0], colors="black", linewidths=0.7)
        at = values[bought].mean(axis=0)
        cramped = bought.mean() < 0.06
        words = "nothing" if name == "0" else f"{name}\nat {prices[name]:.4g}"
        left.annotate(
            words if cramped else f"buys {words}", at, ha="center", va="center", fontsize=6.5 if cramped else 8.5
        )
    where, _ = _worst(result)
    dots = {"s": 46, "color": RED, "edgecolor": "white", "linewidth": 0.8, "zorder": 4, "clip_on": False}
    for axis, heading in ((left, "what the buyer takes"), (right, "the seller's regret")):
        axis.scatter(where[:, 0], where[:, 1], **dots)
        dress(axis, heading, "value of good 1, money", "value of good 2, money")
        axis.grid(False)
        axis.set_aspect("equal" if 0.8 < x[-1] / y[-1] < 1.25 else "auto")
    shades(shade, right, "regret, money", 0.85)
    figure.supxlabel("red: the worst case; ties broken against the seller", fontsize=8)
    return figure  # type: ignore[no-any-return]


def _bars(result: Result, title: str) -> Figure:
    regrets = result.quantities["regret_by_bundle"]
    prices = {"0": 0.0, **result.quantities["prices"]}
    names, heights = list(regrets), list(regrets.values())
    figure, axes = canvas(1, 1, title, width=min(14.0, max(5.4, 0.42 * len(names) + 2)), height=3.8)
    axis = axes[0, 0]
    worst = max(heights)
    axis.bar(range(len(names)), heights, color=[RED if h == worst else BLUE for h in heights], width=0.72)
    if len(names) <= 32:
        told = [f"{name}\nat {prices[name]:.4g}" if name != "0" else "nothing" for name in names]
        axis.set_xticks(range(len(names)), told, rotation=90 if len(names) > 8 else 0)
    dress(axis, "worst regret among the buyers of each bundle; red: the worst of all", "bundle, price", "regret, money")
    return figure  # type: ignore[no-any-return]
