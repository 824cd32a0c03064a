"""From a solver's floats to a certificate of `regret-pricing`: objects that are exactly feasible, near optimal.

Whatever the floats are, what leaves here is feasible in rationals: menus from which every type picks the best entry
itself, distributions that sum to one, multipliers with the right signs. The checker then says what they prove.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import flint
import numpy as np
from numpy.typing import NDArray

from mechopt.models.moments import Side, features, room
from mechopt.models.regret.price_lottery import Lottery, fraction, split
from mechopt.models.regret.regret_continuum import Curve
from mechopt.models.regret.regret_pricing import RegretPricing
from mechopt.solvers.certificate import project
from mechopt.solvers.program import Array
from mechopt.solvers.rational import Rational, rational, text

Index = NDArray[np.int64]
GRAIN = 2**60
MIXED = 2.0**-34  # of the distribution with most room, mixed into nature's where moments bind
DISCOUNTS = tuple(2.0**-k for k in (46, 42, 38, 34, 30, 26, 20))


def _grain(value: float) -> Rational:
    return flint.fmpq(round(value * GRAIN), GRAIN) if np.isfinite(value) else flint.fmpq(0)


def from_lottery(model: RegretPricing, lottery: Lottery) -> dict[str, Any]:
    """The finite part for one good on explicit profiles: the lottery's mechanism as a table over them."""
    _, order = split(model)
    q, m = ["0"] * model.types, ["0"] * model.types
    table = _columns(model, 0, lottery)
    for k, i in enumerate(order):
        q[i], m[i] = table[0][k], table[1][k]
    mechanism = {"allocation": [[x] for x in q], "payment": m}
    return {"mechanism": mechanism, "nature": _chain(lottery, order)}


def from_lotteries(model: RegretPricing, lotteries: list[Lottery | None], nature: Mapping[str, Any]) -> dict[str, Any]:
    """The finite part for a box whose goods are sold apart, each by a lottery over its prices; None: never sold."""
    goods = []
    for j, lottery in enumerate(lotteries):
        q, m = (["0"] * len(model.axes[j]) for _ in range(2))
        if lottery is not None:
            first = len(model.axes[j]) - len(lottery.chance)
            q[first:], m[first:] = _columns(model, j, lottery)
        goods.append({"allocation": q, "payment": m})
    return {"mechanism": {"goods": goods}, "nature": nature}


def _columns(model: RegretPricing, good: int, lottery: Lottery) -> tuple[list[str], list[str]]:
    """Allocation and payment per positive margin: a type pays, on average, every price up to its value."""
    cost, axis = fraction(model.cost[good]), positive_margins(model, good)
    sold, profit = flint.fmpq(0), flint.fmpq(0)
    q, m = [], []
    for chance, margin in zip(lottery.chance, axis, strict=True):
        sold += chance
        profit += chance * margin
        q.append(text(sold))
        m.append(text(profit + sold * cost))
    return q, m


def positive_margins(model: RegretPricing, good: int) -> list[Rational]:
    """Margins above cost of one good's values, increasing, exactly."""
    if model.is_continuum:
        return [fraction(x - model.cost[good]) for x in model.axes[good] if x > model.cost[good]]
    return split(model)[0]


def _chain(lottery: Lottery, order: Sequence[int]) -> dict[str, Any]:
    """Nature on a chain of types, from her tail probabilities: gamma(v, v-) is the chance of v or more."""
    after = [*lottery.tail[1:], flint.fmpq(0)]
    return {
        "alpha": [[i, text(t - s)] for i, t, s in zip(order, lottery.tail, after, strict=True) if t > s],
        "gamma": [[v, w, text(t)] for (w, v), t in zip(itertools.pairwise(order), lottery.tail[1:], strict=True) if t],
    }


def comonotone(model: RegretPricing, lottery: Lottery, sold: Sequence[int]) -> dict[str, Any]:
    """Nature on the diagonal of a box whose sold goods have proportional margins: all values rise together."""
    shape = [len(axis) for axis in model.axes]
    strides = [math.prod(shape[j + 1 :]) for j in range(len(shape))]
    step = sum(strides[j] for j in sold)
    first = shape[sold[0]] - len(lottery.tail)
    return _chain(lottery, [k * step for k in range(first, shape[sold[0]])])


def unsold(model: RegretPricing) -> dict[str, Any]:
    """The finite part when nothing can be sold at a profit: sell nothing, regret nothing."""
    nature = {"alpha": [[0, "1"]], "gamma": []}
    if model.is_box:
        return from_lotteries(model, [None] * model.goods, nature)
    mechanism = {"allocation": [["0"] * model.goods] * model.types, "payment": ["0"] * model.types}
    return {"mechanism": mechanism, "nature": nature}


def from_point(
    model: RegretPricing, q: Array, m: Array, nature: Mapping[str, Any], sigma: Array | None = None
) -> dict[str, Any]:
    """The finite part from any floats q (N, J) and m (N,), optimal or not: everyone picks from the menu they make."""
    sigma = np.zeros(len(model.sides)) if sigma is None else np.nan_to_num(sigma)
    rows, payment = _menu(
        model, np.clip(np.nan_to_num(q), 0, 1), np.nan_to_num(m), features(model.values, model.sides) @ sigma
    )
    mechanism: dict[str, Any] = {
        "allocation": [[text(x) for x in row] for row in rows],
        "payment": [text(x) for x in payment],
    }
    if model.sides:
        mechanism["sigma"] = [text(_grain(x)) for x in sigma.tolist()]
    return {"mechanism": mechanism, "nature": nature}


def _menu(model: RegretPricing, q: Array, m: Array, known: Array) -> tuple[list[list[Rational]], list[Rational]]:
    """Every type picks the entry it likes best from the menu with a discount on the seller's profit, or nothing.

    The discount makes near-ties break for the seller; the best of a few sizes is kept.
    """
    entries = np.unique(np.round(np.column_stack([q, m]), 13), axis=0)
    entries = np.vstack([np.zeros(entries.shape[1]), entries])  # the null contract first
    Q, M = entries[:, :-1], entries[:, -1]
    profit = M - Q @ model.costs

    def regret(discount: float) -> float:
        pick = np.argmax(model.values @ Q.T - (M - discount * profit), axis=1)
        return float((model.surplus - known - (1 - discount) * profit[pick]).max())

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


def nature_of(model: RegretPricing, alpha: Array, pairs: Index, gamma: Array) -> dict[str, Any]:
    """Nature's part from floats; where moments are known, a distribution that has them exactly.

    A little of the distribution with most room is mixed in, so that the last correction, in rationals, finds every
    probability and every beta above zero.
    """
    if not model.sides:
        return nature(alpha, pairs, gamma)
    even = room(model.values, model.sides)
    total = alpha.sum()
    mixed = even if total <= 0.5 else (1 - MIXED) * alpha / total + MIXED * np.maximum(even, 0)
    kept = gamma * 0 if total <= 0.5 else (1 - MIXED) * gamma / total
    start = [_grain(x) for x in mixed.tolist()]
    order = np.argsort(-even).tolist()
    known = [{v: _power(value, row) for v, value in enumerate(model.exact_values)} for row in model.sides]
    held: list[int] = []
    for _ in range(len(model.sides) + 1):
        rows = [{v: flint.fmpq(1) for v in range(len(start))}, *(known[k] for k in held)]
        right = [flint.fmpq(1), *(fraction(model.sides[k].bound) for k in held)]
        moved = project(rows, right, start, order)
        if moved is None:
            break
        found = [sum((f[v] * a for v, a in enumerate(moved)), flint.fmpq(0)) for f in known]
        over = [k for k, row in enumerate(model.sides) if found[k] > fraction(row.bound)]
        start = moved
        if not over:
            break
        held += over
    large = np.flatnonzero((kept > 1e-15) & (pairs[:, 0] != pairs[:, 1]))
    moves = [[int(pairs[k, 0]), int(pairs[k, 1]), text(_grain(float(kept[k])))] for k in large]
    return {"alpha": [[v, text(a)] for v, a in enumerate(start) if a], "gamma": moves}


def _power(value: Sequence[Fraction], row: Side) -> Rational:
    return fraction(row.sign * value[row.good] ** row.power)


def nature(alpha: Array, pairs: Index, gamma: Array) -> dict[str, Any]:
    """Nature's part from floats: alpha (N,) raised until every beta is nonnegative, all scaled until it sums to one.

    `pairs` (M, 2) are the (v, w) of `gamma` (M,).
    """
    zero = flint.fmpq(0)
    mass = {int(v): _grain(float(alpha[v])) for v in np.flatnonzero(alpha > 1e-15)}
    large = np.flatnonzero((gamma > 1e-15) & (pairs[:, 0] != pairs[:, 1]))
    moves = [(int(pairs[k, 0]), int(pairs[k, 1]), _grain(float(gamma[k]))) for k in large]
    beta = dict(mass)
    for v, w, weight in moves:
        beta[v] = beta.get(v, zero) - weight
        beta[w] = beta.get(w, zero) + weight
    for v, left in beta.items():
        if left < 0:
            mass[v] = mass.get(v, zero) - left
    total = sum(mass.values(), zero)
    if not total:
        return {"alpha": [[0, "1"]], "gamma": []}
    return {
        "alpha": [[v, text(a / total)] for v, a in sorted(mass.items()) if a],
        "gamma": [[v, w, text(weight / total)] for v, w, weight in moves],
    }


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


def triangulated(model: RegretPricing, utility: Array, anchor: Array, share: float, sigma: Array) -> dict[str, Any]:
    """The continuum part under a budget: utilities at the nodes, moved a share of the way to the anchor."""
    mixed = (1 - share) * np.nan_to_num(utility) + share * anchor
    part: dict[str, Any] = {"utility": [text(_grain(x)) for x in mixed.tolist()]}
    if model.sides:
        part["sigma"] = [text(_grain(x)) for x in np.maximum(np.nan_to_num(sigma), 0).tolist()]
    return {"mechanism": part}


def least_margin(model: RegretPricing, good: int) -> Any:
    """The least margin of a good over its largest, as a Fraction in [0, 1)."""
    return (model.floor(good) - model.cost[good]) / (model.upper[good] - model.cost[good])
