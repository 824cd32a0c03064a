"""The picture of where the relaxation fails: bounds with public signals against the best dynamic mechanism."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.pivot.general_examples import correlated, correlated_shock, not_separable
from mechopt.solvers.highs import solve
from mechopt.style import BLUE, GREEN, GREY, ORANGE, canvas, dress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RHOS = tuple(k / 10 for k in range(11))
TIMES = (2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0)


def picture(rhos: Sequence[float] = RHOS, times: Sequence[float] = TIMES, plus: float = 1.5, K: int = 20) -> Figure:
    """Both examples, solved with K initial signals each: profit by correlation, and by c_times with c_plus given."""
    figure, axes = canvas(
        1, 2, "where observing later signals is worth more than buying reports", width=4.6, height=3.8
    )
    _correlation(axes[0, 0], rhos, min(K, 12))
    _times(axes[0, 1], times, plus, K)
    return figure  # type: ignore[no-any-return]


def _correlation(axis: Any, rhos: Sequence[float], K: int) -> None:
    public = [solve(correlated(rho, K).relaxed()).value for rho in rhos]
    shock = [solve(correlated_shock(rho, K).relaxed()).value for rho in rhos]
    dynamic = [solve(correlated(rho, K).primal()).value for rho in rhos]
    axis.fill_between(rhos, dynamic, public, color=GREY, alpha=0.15, linewidth=0, label="gap")
    axis.plot(rhos, public, color=BLUE, linewidth=1.5, marker=".", label="second signal public")
    axis.plot(rhos, shock, color=GREEN, linewidth=1.2, linestyle="--", marker=".", label="only the shock public")
    axis.plot(rhos, dynamic, color=ORANGE, linewidth=1.5, marker=".", label="best dynamic mechanism")
    axis.legend(fontsize=7.5, frameon=False, loc="lower left")
    dress(axis, f"correlated signals ({K} types)", r"correlation $\rho$", "profit, money")


def _times(axis: Any, times: Sequence[float], plus: float, K: int) -> None:
    public = [solve(not_separable(plus, c, K).relaxed()).value for c in times]
    dynamic = [solve(not_separable(plus, c, K).primal()).value for c in times]
    fine = np.linspace(min(times), max(times), 400)
    price = np.where(fine >= plus, plus - plus**2 / (2 * fine), 0.0)
    upfront = (1 + fine + plus) ** 2 / (8 * (1 + fine))
    axis.fill_between(times, dynamic, public, color=GREY, alpha=0.15, linewidth=0, label="gap")
    axis.plot(times, public, color=BLUE, linewidth=1.5, marker=".", label="second signal public")
    axis.plot(times, dynamic, color=ORANGE, linewidth=1.5, marker=".", label="best dynamic mechanism")
    axis.plot(fine, np.maximum(price, upfront), color=GREEN, linewidth=1, linestyle="--", label="one price, continuum")
    axis.axvline(2 * plus, color=GREY, linewidth=0.8, linestyle=":")
    axis.text(2 * plus, axis.get_ylim()[1], r" $c_\times = 2 c_+$", fontsize=8, va="top")
    axis.legend(fontsize=7.5, frameon=False, loc="lower right")
    dress(axis, rf"not separable, $c_+ = {plus:g}$ ({K} types)", r"$c_\times$", "profit, money")
