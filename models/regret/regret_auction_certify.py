"""From a solver's floats to a certificate of `regret-auction`: objects that are exactly feasible, near optimal.

One good: an allocation that rises exactly, within capacity, with the largest payments truth allows. Several goods: a
small step from the solver's mechanism towards one that satisfies every row strictly. Nature: alpha raised until no
participation multiplier is negative. The checker then says what they prove.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import flint
import numpy as np

from mechopt.models.regret.regret_auction import RegretAuction
from mechopt.models.regret.regret_auction_orbits import Indices, Orbits
from mechopt.models.regret.regret_continuum import Curve
from mechopt.solvers.program import Array
from mechopt.solvers.rational import rational, text

GRAIN = 2**56
FINE = 2**60
BLOCK = 2**22  # incentive rows looked at together
Move = tuple[int, int, int, float]  # bidder, profile, misreport, weight


def rising(q: Array, types: int) -> tuple[Any, int]:
    """One good: integers (P, I) and a whole they are shares of, that rise in each bidder's own type, within capacity.

    >>> shares, whole = rising(np.array([[0.5], [0.4999], [1.0]]), 3)
    >>> assert shares[1, 0] == shares[0, 0] == whole // 2
    """
    bidders = q.shape[1]
    table = np.clip(np.nan_to_num(q), 0.0, 1.0).reshape((types,) * bidders + (bidders,))
    for i in range(bidders):
        table[..., i] = np.maximum.accumulate(table[..., i], axis=i)
    shares = np.floor(table * GRAIN).astype(np.int64).reshape(-1, bidders)
    return shares, max(GRAIN, int(shares.sum(axis=1).max()))


def threshold_payments(model: RegretAuction, shares: Any) -> tuple[Any, int]:
    """One good: the largest payments at which nobody gains by reporting the value below, as integers and their whole.

    A bidder pays, for every step of her allocation, the value at which she takes it.
    """
    bidders, K = model.bidders, model.types
    axes = [model.axis(i, 0) for i in range(bidders)]
    whole = math.lcm(*(x.denominator for axis in axes for x in axis))
    table = shares.astype(object).reshape((K,) * bidders + (bidders,))
    paid = np.empty_like(table)
    for i, axis in enumerate(axes):
        share = np.moveaxis(table[..., i], i, -1)
        steps = np.concatenate([share[..., :1], np.diff(share, axis=-1)], axis=-1)
        prices = np.array([int(x * whole) for x in axis], dtype=object)
        paid[..., i] = np.moveaxis(np.add.accumulate(steps * prices, axis=-1), -1, i)
    return paid.reshape(-1, bidders), whole


def one_good_part(model: RegretAuction, q: Array) -> dict[str, Any]:
    """One good's table from floats (P, I): allocation and payment for every profile, in fractions."""
    shares, whole = rising(q, model.types)
    paid, unit = threshold_payments(model, shares)
    return {
        "goods": [0],
        "allocation": [[[_ratio(x, whole)] for x in row] for row in shares.tolist()],
        "payment": [[_ratio(x, whole * unit) for x in row] for row in paid.tolist()],
    }


def _ratio(numerator: int, denominator: int) -> str:
    return text(flint.fmpq(numerator, denominator)) if numerator else "0"


def joint_part(model: RegretAuction, q: Array, m: Array) -> dict[str, Any]:
    """Several goods' table from floats q (P, I, J) and m (P, I), money: mixed with a strictly feasible mechanism.

    In that mechanism bidder i gets good j with chance (1 + x_j) / (4 I), x_j being the place of her value in [0, 1]
    between its bounds. Her utility is then strictly convex: any misreport costs at least slack, the least over goods
    of (upper - lower) / (8 I n^2), and so much is also paid out to every bidder.
    """
    bidders, goods, n = model.bidders, model.goods, model.points
    unit = max(model.best)
    q = np.clip(np.nan_to_num(q), 0.0, 1.0)
    spans = [[(hi - lo) / unit for lo, hi in zip(model.lower, row, strict=True)] for row in model.bounds]
    slack = min(min(row) for row in spans) / (8 * bidders * n * n)
    worst = _violation(model, q, np.nan_to_num(m) / float(unit))
    step = min(1.0, (2 * worst + 2.0**-44) / float(slack))
    t = flint.fmpq(math.ceil(step * FINE), FINE)
    steps = np.stack(np.unravel_index(np.arange(model.profiles), (model.types,) * bidders), axis=1)
    safe = [_strict(model, i, slack * unit) for i in range(bidders)]
    allocation, payment = [], []
    for v, profile in enumerate(steps.tolist()):
        shares, paid = [], []
        for i, k in enumerate(profile):
            anchor, price = safe[i][k]
            shares.append([text(_grain(q[v, i, j]) * (1 - t) + t * anchor[j]) for j in range(goods)])
            paid.append(text(rational(float(m[v, i])) * (1 - t) + t * price))
        allocation.append(shares)
        payment.append(paid)
    return {"goods": list(range(goods)), "allocation": allocation, "payment": payment}


def _strict(model: RegretAuction, bidder: int, gift: Fraction) -> list[tuple[list[Any], Any]]:
    """Per type, allocation and payment of a bidder in the strictly feasible mechanism."""
    spans = [hi - lo for lo, hi in zip(model.lower, model.bounds[bidder], strict=True)]
    share = Fraction(1, 4 * model.bidders)
    found = []
    for value in model.exact_types(bidder):
        place = [(v - lo) / s for v, lo, s in zip(value, model.lower, spans, strict=True)]
        utility = share * sum((s * (x + x * x / 2) for s, x in zip(spans, place, strict=True)), Fraction(0))
        q = [share * (1 + x) for x in place]
        worth = sum((a * v for a, v in zip(q, value, strict=True)), Fraction(0))
        found.append(([rational(a) for a in q], rational(worth - utility - gift)))
    return found


def _grain(value: float) -> Any:
    return flint.fmpq(math.floor(value * GRAIN), GRAIN)


def _violation(model: RegretAuction, q: Array, m: Array) -> float:
    """The worst violation of any row of (3.1) but the regret's, in floats; money in units of the highest bound."""
    K, bidders, goods = model.types, model.bidders, model.goods
    values = model.values / float(max(model.best))
    worst = max(0.0, float((q.sum(axis=1) - 1).max()))
    shape = (K,) * bidders
    for i in range(bidders):
        share = np.moveaxis(q[:, i].reshape(*shape, goods), i, -2).reshape(-1, K, goods)
        paid = np.moveaxis(m[:, i].reshape(shape), i, -1).reshape(-1, K)
        utility = (share * values[i]).sum(axis=2) - paid
        worst = max(worst, -float(utility.min()))
        for start in range(0, len(share), max(1, BLOCK // K**2)):
            rows = slice(start, start + max(1, BLOCK // K**2))
            gain = values[i] @ share[rows].transpose(0, 2, 1) - paid[rows, None, :] - utility[rows, :, None]
            worst = max(worst, float(gain.max()))
    return worst


def nature(model: RegretAuction, alpha: Array, moves: Iterable[Move]) -> dict[str, Any]:
    """alpha (P,) raised until every beta is nonnegative, then everything scaled until alpha sums to one."""
    K, bidders = model.types, model.bidders
    stride = [K ** (bidders - 1 - i) for i in range(bidders)]
    mass = {v: int(alpha[v] * FINE) for v in np.flatnonzero(np.nan_to_num(alpha) > 0).tolist()}
    kept = [(i, v, w, int(g * FINE)) for i, v, w, g in moves]
    balance: dict[tuple[int, int], int] = {}
    for i, v, w, g in kept:
        there = v + (w - v // stride[i] % K) * stride[i]
        balance[i, v] = balance.get((i, v), 0) - g
        balance[i, there] = balance.get((i, there), 0) + g
    short: dict[int, int] = {}
    for (_, v), net in balance.items():
        short[v] = max(short.get(v, 0), -net - mass.get(v, 0))
    for v, gap in short.items():
        mass[v] = mass.get(v, 0) + gap
    total = sum(mass.values())
    if not total:
        return {"alpha": [[[0] * bidders, "1"]], "gamma": []}
    profile = {v: [v // s % K for s in stride] for v in {*mass, *(move[1] for move in kept)}}
    return {
        "alpha": [[profile[v], _ratio(a, total)] for v, a in sorted(mass.items()) if a],
        "gamma": [[i, profile[v], w, _ratio(g, total)] for i, v, w, g in kept if g],
    }


def unfold(
    found: Orbits, alpha: Array, gamma: Array, here: Indices, there: Indices
) -> tuple[Array, list[Move]]:  # fmt: skip
    """Nature's multipliers of the orbits' program shared out equally among the profiles and bidders they stand for.

    `here` and `there`: the true and the reported seat of each row gamma.
    """
    everyone = np.nan_to_num(alpha)[found.orbit] / found.size[found.orbit]
    order = np.argsort(found.seat.ravel(), kind="stable")
    starts = np.concatenate([[0], np.cumsum(found.weight)]).astype(int)
    bidders = found.seat.shape[1]
    moves: list[Move] = []
    for row in np.flatnonzero(np.nan_to_num(gamma) > 1e-15).tolist():
        seat, report = int(here[row]), int(there[row]) % found.types
        weight = float(gamma[row] / found.weight[seat])
        for place in order[starts[seat] : starts[seat + 1]].tolist():
            moves.append((place % bidders, place // bidders, report, weight))
    return everyone, moves


def curve_part(model: RegretAuction, good: int, curve: Curve) -> dict[str, Any]:
    """The continuum mechanism of a good sold by second price with a random reserve: its allocation at each node."""
    least = rational(model.lower[good] / model.best[good])
    nodes = [least, *(rational(x) for x in curve.nodes[1:-1].tolist()), flint.fmpq(1)]
    return {"nodes": [text(x) for x in nodes], "allocation": [text(rational(x)) for x in curve.heights.tolist()]}


def cells_part(q: Array, types: int) -> dict[str, Any]:
    """The continuum mechanism of a good whose reports are rounded up to the grid: each bidder's chance, by cells."""
    shares, whole = rising(q, types)
    return {"cells": [[_ratio(x, whole) for x in row] for row in shares.tolist()]}


def curves_of_nature(model: RegretAuction, curves: Sequence[Curve]) -> Mapping[str, Any]:
    """Nature's continuum distribution: per good, margins over the highest bound as quantiles fall from 1 to 0."""
    quantiles, margins = curves[0].nodes, []
    for good, curve in enumerate(curves):
        least = rational(model.lower[good] / model.best[good])
        share = np.maximum.accumulate(np.minimum(curve.heights[:-1] / quantiles[:-1], 1.0))
        margins.append([text(max(least, rational(x))) for x in share.tolist()])
    return {"quantiles": [text(rational(x)) for x in quantiles.tolist()], "margins": margins}
