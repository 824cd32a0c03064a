"""Pictures of `non-clairvoyant-gap`: what prices earn in both scenarios and the approach to 2; or a list of futures."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.style import BLUE, GREEN, GREY, ORANGE, RED, canvas, dress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechopt.result import Result

CURVE = [Fraction(k, 8) for k in range(2, 24)] + [Fraction(k) for k in (3, 4, 5, 6, 8, 10, 13, 16, 20, 25)]


def picture(result: Result, kind: str | None = None) -> Figure:
    """Ratios of prices and the approach to 2 with mu; else ratios of futures. Raises InputError for another kind."""
    if kind not in (None, "mechanism"):
        raise fail("--kind", "mechanism", kind)
    name = result.document["name"] or "non-clairvoyant-gap"
    title = f"{name}: sure of 1 / {result.value:.6g} of what a seller who knows earns"
    figure, axes = canvas(1, 2 if result.model.mu is not None else 3, title, width=4.3, height=3.7)
    if result.model.mu is None:
        _shares(axes[0, 0], result)
        _first_period(axes[0, 1], result, "allocation", "chance of the good")
        _first_period(axes[0, 2], result, "payment", "payment, money")
    else:
        _prices(axes[0, 0], result)
        _approach(axes[0, 1], result)
    return figure  # type: ignore[no-any-return]


def _prices(axis: Any, result: Result) -> None:
    price, one, both = (result.arrays[name].values for name in ("price", "r_1", "r_12"))
    weights = result.quantities["lambda"]
    shown = price > 1e-3
    axis.semilogx(price[shown], one[shown], color=BLUE, linewidth=1.4, label="first good alone")
    axis.semilogx(price[shown], both[shown], color=ORANGE, linewidth=1.4, label="both goods")
    height = weights[0] * one + weights[1] * both
    axis.semilogx(price[shown], height[shown], color=GREEN, linewidth=1.4, label="nature's mixture")
    axis.axhline(1 / result.value, color=GREY, linewidth=0.9, linestyle="--", label=f"guarantee {1 / result.value:.4f}")
    for x, chance in zip(result.quantities["prices"], result.quantities["chances"], strict=True):
        if chance > 1e-9:
            axis.plot([x], [1 / result.value], marker="o", color=RED, markersize=6)
            left = x > np.sqrt(price[shown][0] * price[-1])
            axis.annotate(f"{chance:.3f}", (x, 1 / result.value), xytext=(-12 if left else 6, 7),
                          textcoords="offset points", fontsize=8, ha="right" if left else "left")  # fmt: skip
    axis.set_ylim(-0.03, 1.32)
    dress(axis, "share earned by a posted price (dots: the mixture)", "price today, money", "share of the optimum")
    axis.legend(fontsize=7.5, frameon=False, loc="upper center", ncols=2)


def _approach(axis: Any, result: Result) -> None:
    from mechopt.models.clairvoyance.gap_prices import factor
    from mechopt.models.clairvoyance.gap_theory import analytic_bound

    epsilon = result.model.epsilon or Fraction(0)
    axis.plot(
        [float(mu) for mu in CURVE], [factor(mu, epsilon) for mu in CURVE], color=BLUE, linewidth=1.5, label="best"
    )
    fine = np.geomspace(0.25, 25, 200)
    bound = [analytic_bound(mu, float(epsilon)) for mu in fine.tolist()]
    axis.plot(fine, bound, color=ORANGE, linewidth=1.2, label="bound of the proof")
    axis.axhline(2, color=GREY, linewidth=0.9, linestyle="--", label="limit")
    axis.plot([float(result.model.mu)], [result.value], marker="o", color=RED, markersize=6)
    axis.set_xscale("log")
    axis.set_ylim(0.97, 2.05)
    dress(axis, "what a seller who knows earns more, as a factor", "mu", "factor")
    axis.legend(fontsize=7.5, frameon=False, loc="lower right")


def _shares(axis: Any, result: Result) -> None:
    ratios = result.quantities.get("ratios", [])  # none when time ran out
    weights = result.quantities.get("lambda", [])
    places = np.arange(len(ratios))
    axis.bar(places - 0.18, ratios, width=0.34, color=BLUE, label="share of the optimum")
    axis.bar(places + 0.18, weights, width=0.34, color=ORANGE, label="nature's mixture")
    axis.axhline(1 / result.value, color=GREY, linewidth=0.9, linestyle="--")
    axis.set_xticks(places, [str(s + 1) for s in places])
    axis.set_ylim(0, 1.18)
    dress(axis, "futures", "future", "share, probability")
    axis.legend(fontsize=7.5, frameon=False, loc="upper right", ncols=2)


def _first_period(axis: Any, result: Result, name: str, label: str) -> None:
    tree = result.model.tree
    starts = list(dict.fromkeys(path[0] for path in tree.futures))
    for node, colour in zip(starts, (BLUE, ORANGE, GREEN, RED), strict=False):
        prior = tree.nodes[node][0]
        axis.plot(prior.v, result.arrays[f"{name}_{node + 1}"].values, color=colour, marker=".", label=prior.words())
    dress(axis, f"{name} of the first period", "value, money", label)
    if len(starts) > 1:
        axis.legend(fontsize=7.5, frameon=False)
