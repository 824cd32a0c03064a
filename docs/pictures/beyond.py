"""The two curves of docs/beyond-the-theorems.md: regret against the budget, and against a known mean.

Run as `python docs/pictures/beyond.py` in the checkout; it takes about half a minute.
"""

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy.optimize import brentq

import mechopt as mo
from mechopt.style import BLUE, GREY, RED, canvas, dress

HERE = Path(__file__).parent
STEPS = 24
COSTS = {"no costs": ("0", "0"), "costs 1/4 and 1/8": ("1/4", "1/8")}


def budgets() -> None:
    """Two goods with values in [0, 1]: the certified bracket for budgets from 1/2 to 2, and the largest surplus / e."""
    figure, axes = canvas(1, 2, "Two goods in [0, 1], their values summing to at most B: worst-case regret")
    line = np.linspace(0.5, 2, 301)
    share = np.linspace(0, 1, 601)
    for axis, (title, cost) in zip(axes[0], COSTS.items(), strict=True):
        c = [float(Fraction(x)) for x in cost]
        ends = []
        for k in range(STEPS // 2, 2 * STEPS + 1, STEPS // 8):
            model = mo.RegretPricing(upper=[1, 1], cost=cost, points=STEPS, budget=Fraction(k, STEPS))
            bounds = mo.solve(model).bounds
            assert bounds.certified
            ends.append((k / STEPS, bounds.lower, bounds.upper))
        B, low, high = np.array(ends).T
        rest = np.minimum(line[:, None] - share, 1)  # what is left for good 2
        surplus = np.maximum(share - c[0], 0) + np.maximum(rest - c[1], 0)
        most = np.where(rest >= 0, surplus, 0).max(axis=1) / math.e
        axis.vlines(B, low, high, color=BLUE, linewidth=3, label=f"certified bracket, n = {STEPS}")
        axis.plot(line, most, color=RED, linewidth=1.4, label="largest surplus / e")
        apart = (2 - sum(c)) / math.e
        axis.axhline(apart, color=GREY, linestyle="--", linewidth=1, label="goods apart")
        dress(axis, title, "budget B, money", "regret, money")
        axis.set_ylim(0, 0.85)
        axis.legend(fontsize=8, frameon=False, loc="lower right")
    figure.savefig(HERE / "budgets.png")


def least_revenue(mean: float) -> float:
    """The R with R (1 + log(1/R)) = mean."""
    return float(brentq(lambda R: R * (1 - math.log(R)) - mean, 1e-12, 1.0))


def means() -> None:
    """One good with values in [0, 1]: the certified bracket when the mean is m, at most m, at least m."""
    n = 40
    kinds = {"mean = m": (1, 1), "mean <= m": (0, 1), "mean >= m": (1, 0)}
    figure, axes = canvas(1, 3, "One good in [0, 1], something known of its mean: worst-case regret", width=3.6)
    m = np.linspace(0.02, 0.98, 97)
    exact = np.array([x - least_revenue(x) for x in m])
    peak = int(exact.argmax())
    curves = (exact, np.maximum.accumulate(exact), np.where(m <= m[peak], exact[peak], exact))
    for axis, (title, (low, high)), curve in zip(axes[0], kinds.items(), curves, strict=True):
        ends = []
        for k in range(1, 20):
            known = {"at_least": Fraction(k, 20)} if low else {}
            known |= {"at_most": Fraction(k, 20)} if high else {}
            bounds = mo.solve(mo.RegretPricing(upper=[1], points=n, moments=[known]), method="all-pairs").bounds
            assert bounds.certified
            ends.append((k / 20, bounds.lower, bounds.upper))
        x, lower, upper = np.array(ends).T
        axis.vlines(x, lower, upper, color=BLUE, linewidth=3, label=f"certified bracket, n = {n}")
        axis.plot(m, curve, color=RED, linewidth=1.4, label="closed form")
        dress(axis, title, "m, money", "regret, money")
        axis.set_ylim(0, 0.42)
        axis.legend(fontsize=8, frameon=False, loc="lower center")
    figure.savefig(HERE / "means.png")


if __name__ == "__main__":
    budgets()
    means()
