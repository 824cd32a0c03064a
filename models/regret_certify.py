"""From a solver's floats to a certificate of `regret-pricing`: objects that are exactly feasible, near optimal.

Whatever the floats are, what leaves here is feasible in rationals: menus from which every type picks the best entry
itself, distributions that sum to one, multipliers with the right signs. The checker then says what they prove.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flint
import numpy as np

from mechopt.models.price_lottery import Lottery, fraction, split
from mechopt.models.regret_continuum import Curve
from mechopt.models.regret_pricing import RegretPricing
from mechopt.solvers.program import Array
from mechopt.solvers.rational import Rational, rational, text

GRAIN = 2**60
DISCOUNTS = tuple(2.0**-k for k in (46, 42, 38, 34, 30, 26, 20))


def _grain(value: float) -> Rational:
    return flint.fmpq(round(value * GRAIN), GRAIN) if np.isfinite(value) else flint.fmpq(0)


def from_lottery(model: RegretPricing, lottery: Lottery) -> dict[str, Any]:
    """The finite part of a certificate from a price lottery: its mechanism, and nature's distribution with gamma."""
    margins, order = split(model)
    count, zero = model.types, flint.fmpq(0)
    cost = fraction(model.cost[0])
    q, m = [zero] * count, [zero] * count
    sold, profit = zero, zero
    for k, i in enumerate(order):
        sold += lottery.chance[k]
        profit += lottery.chance[k] * margins[k]
        q[i], m[i] = sold, profit + sold * cost
    after = [*lottery.tail[1:], zero]
    alpha = [[i, text(t - s)] for i, t, s in zip(order, lottery.tail, after, strict=True) if t > s]
    gamma = [[v, w, text(t)] for w, v, t in zip(order, order[1:], lottery.tail[1:], strict=False) if t]
    return {
        "mechanism": {"allocation": [[text(x)] for x in q], "payment": [text(x) for x in m]},
        "nature": {"alpha": alpha, "gamma": gamma},
    }


def unsold(model: RegretPricing) -> dict[str, Any]:
    """The finite part of a certificate when nothing can be sold at a profit: sell nothing, regret nothing."""
    return {
        "mechanism": {"allocation": [["0"] * model.goods] * model.types, "payment": ["0"] * model.types},
        "nature": {"alpha": [[0, "1"]], "gamma": []},
    }


def from_point(model: RegretPricing, primal: Mapping[str, Array], dual: Mapping[str, Array]) -> dict[str, Any]:
    """The finite part of a certificate from the floats of program (2.6), optimal or not."""
    q, m = _menu(model, np.clip(np.nan_to_num(primal["q"]), 0, 1), np.nan_to_num(primal["m"]))
    alpha, gamma = _nature(np.nan_to_num(dual["alpha"]), np.nan_to_num(dual["gamma"]))
    return {
        "mechanism": {"allocation": [[text(x) for x in row] for row in q], "payment": [text(x) for x in m]},
        "nature": {"alpha": alpha, "gamma": gamma},
    }


def _menu(model: RegretPricing, q: Array, m: Array) -> tuple[list[list[Rational]], list[Rational]]:
    """Every type picks the entry it likes best from the menu with a discount on the seller's profit, or nothing.

    The discount makes near-ties break for the seller; the best of a few sizes is kept.
    """
    entries = np.unique(np.round(np.column_stack([q, m]), 13), axis=0)
    entries = np.vstack([np.zeros(entries.shape[1]), entries])  # the null contract first
    Q, M = entries[:, :-1], entries[:, -1]
    profit = M - Q @ model.costs

    def regret(discount: float) -> float:
        pick = np.argmax(model.values @ Q.T - (M - discount * profit), axis=1)
        return float((model.surplus - (1 - discount) * profit[pick]).max())

    discount = rational(min(DISCOUNTS, key=regret))
    cost = [fraction(c) for c in model.cost]
    menu = []
    for row in entries.tolist():
        share = [_grain(x) for x in row[:-1]]
        earned = _grain(row[-1]) - sum((a * c for a, c in zip(share, cost, strict=True)), flint.fmpq(0))
        menu.append((share, _grain(row[-1]) - discount * earned, earned))
    utility = model.values @ Q.T - M
    near = utility >= utility.max(axis=1, keepdims=True) - 2 * float(discount.p) / float(discount.q) * (
        1 + np.abs(profit).max()
    ) - 1e-9  # fmt: skip
    allocation, payment = [], []
    for value, close in zip(model.exact_values, near, strict=True):
        exact = [fraction(x) for x in value]

        def worth(k: int, exact: list[Rational] = exact) -> tuple[Rational, Rational]:
            share, price, earned = menu[k]
            return sum((a * x for a, x in zip(share, exact, strict=True)), flint.fmpq(0)) - price, earned

        best = max(np.flatnonzero(close).tolist(), key=worth)
        allocation.append(menu[best][0])
        payment.append(menu[best][1])
    return allocation, payment


def _nature(alpha: Array, gamma: Array) -> tuple[list[list[Any]], list[list[Any]]]:
    """alpha raised until every beta is nonnegative, then everything scaled until alpha sums to one."""
    zero = flint.fmpq(0)
    mass = [max(_grain(a), zero) for a in alpha.tolist()]
    moves = [(int(v), int(w), _grain(float(gamma[v, w]))) for v, w in np.argwhere(gamma > 1e-15) if v != w]
    beta = list(mass)
    for v, w, weight in moves:
        beta[v] -= weight
        beta[w] += weight
    mass = [a - min(b, zero) for a, b in zip(mass, beta, strict=True)]
    total = sum(mass, zero)
    if not total:
        return [[0, "1"]], []
    masses = [[v, text(a / total)] for v, a in enumerate(mass) if a]
    return masses, [[v, w, text(weight / total)] for v, w, weight in moves]


def continuum(model: RegretPricing, sellers: Sequence[Curve | None], natures: Sequence[Curve | None]) -> dict[str, Any]:
    """The continuum part of a certificate: one seller's curve and one of nature's per good, None where unsold.

    Nature's curves share their quantiles. Nodes and heights are the floats themselves, made exactly feasible.
    """
    mechanism: list[Any] = []
    margins: list[Any] = []
    quantiles = next((c.nodes for c in natures if c is not None), np.array([1.0, 0.0]))
    for good, (top, low) in enumerate(zip(sellers, natures, strict=True)):
        if top is None or low is None:
            mechanism.append(None)
            margins.append(None)
            continue
        least = fraction(least_margin(model, good))
        nodes = [least, *(rational(x) for x in top.nodes[1:-1].tolist()), flint.fmpq(1)]
        mechanism.append({
            "nodes": [text(x) for x in nodes],
            "allocation": [text(rational(x)) for x in top.heights.tolist()],
        })  # fmt: skip
        share = np.minimum(low.heights[:-1] / quantiles[:-1], 1.0)
        share = np.maximum.accumulate(share).tolist()
        margins.append([text(max(least, rational(x))) for x in share])
    return {
        "mechanism": mechanism,
        "nature": {"quantiles": [text(rational(x)) for x in quantiles.tolist()], "margins": margins},
    }


def least_margin(model: RegretPricing, good: int) -> Any:
    """The least margin of a good over its largest, as a Fraction in [0, 1)."""
    return (model.floor(good) - model.cost[good]) / (model.upper[good] - model.cost[good])
