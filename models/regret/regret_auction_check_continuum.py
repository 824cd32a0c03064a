"""The continuum's bounds in rationals: goods sold apart above, nature's curves below.

Above, a good with bounds lower < upper^i, highest bound `best`, is sold in one of two ways.

Second price with a random reserve ("nodes"): Q is piecewise linear and rises on [lower / best, 1]. The highest bidder
i (the first, on a tie) gets the good with chance Q(v / upper^i) at the value v; with s the second highest value she
pays v Q(v / upper^i) less the integral of Q(x / upper^i) over x from s to v. Her chance rises in v and she pays its
threshold prices: truth is dominant. The regret is v (1 - Q) plus that integral. It is largest at s = lower, at most
upper^i times rho(v / upper^i), where rho(t) = t (1 - Q(t)) + integral of Q from lower / best to t; so at most
best times max rho, whatever the number of bidders.

Reports rounded up ("cells"): a value in (g_{k-1}, g_k] of a bidder's grid counts as g_k, the lowest as itself. Her
chance rises from cell to cell, and for entering cell k she pays g_{k-1} for each unit gained (g_0 at the bottom).
Reporting cell l instead of l - 1 is worth (v - g_{l-1}) times a nonnegative number: truth is dominant, and nobody
loses. Payments are constant on the product of cells and the full surplus is largest at its upper corner.

Below, nature gives each good to a bidder with its highest bound; all other values are zero. One quantile T moves all
goods of a bidder, different bidders are independent. Given the others' types a bidder faces a truthful menu, her
goods' allocations are at most one and the others are worth nothing to her: she pays at most what one buyer would,
sum over her goods of sum_k (R_k - R_{k+1})^+. Expected surplus less these sums adds up over goods. With lower bounds
above zero this holds for one bidder only.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from mechopt.models.checking import ZERO, at_most_zero, number
from mechopt.models.regret.regret_auction_read import Instance
from mechopt.models.regret.regret_check_continuum import mean_less_revenue, worst_regret
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational

Found = tuple[Rational, list[Check]]


def continuum_above(instance: Instance, mechanism: Sequence[Any]) -> Found:
    """The worst regret on the continuum of goods sold apart."""
    if len(mechanism) != instance.goods:
        raise ValueError("one part per good")
    total: Rational = ZERO
    checks: list[Check] = []
    for good, part in enumerate(mechanism):
        bound, rows = _cells(instance, good, part["cells"]) if "cells" in part else _curve(instance, good, part)
        total, checks = total + bound, [*checks, *rows]
    return total, checks


def _curve(instance: Instance, good: int, curve: Mapping[str, Any]) -> Found:
    t, q = [number(x) for x in curve["nodes"]], [number(x) for x in curve["allocation"]]
    if len(t) != len(q) or t[0] != instance.lower[good] / instance.best[good] or t[-1] != 1:
        raise ValueError(f"the mechanism of good {good + 1} does not cover its values")
    if any(a >= b for a, b in itertools.pairwise(t)):
        raise ValueError("nodes must increase")
    fall = max(a - b for a, b in itertools.pairwise(q))
    return instance.best[good] * worst_regret(t, q), [
        at_most_zero(f"good {good + 1}: chance of meeting the reserve is a probability", max(-min(q), max(q) - 1)),
        at_most_zero(f"good {good + 1}: that chance rises with the value", fall),
    ]


def _cells(instance: Instance, good: int, table: Sequence[Any]) -> Found:
    K, bidders = instance.points + 1, instance.bidders
    q = [[number(x) for x in row] for row in table]
    if len(q) != K**bidders or any(len(row) != bidders for row in q):
        raise ValueError(f"the mechanism of good {good + 1} does not list every cell")
    grid = [[instance.value(i, good, k) for k in range(K)] for i in range(bidders)]
    stride = [K ** (bidders - 1 - i) for i in range(bidders)]
    paid = [[ZERO] * bidders for _ in q]
    fall, regret = ZERO, ZERO
    for cell, profile in enumerate(itertools.product(range(K), repeat=bidders)):
        for i, k in enumerate(profile):
            if k == 0:
                paid[cell][i] = grid[i][0] * q[cell][i]
                continue
            before = cell - stride[i]
            gained = q[cell][i] - q[before][i]
            fall = max(fall, -gained)
            paid[cell][i] = paid[before][i] + grid[i][k - 1] * gained
        regret = max(regret, max(grid[i][k] for i, k in enumerate(profile)) - sum(paid[cell], ZERO))
    return regret, [
        at_most_zero(f"good {good + 1}: chances are nonnegative", -min(min(row) for row in q)),
        at_most_zero(f"good {good + 1}: sold at most once in every cell", max(sum(row, ZERO) for row in q) - 1),
        at_most_zero(f"good {good + 1}: each bidder's chance rises with her cell", fall),
    ]


def continuum_below(instance: Instance, nature: Mapping[str, Any]) -> Found:
    """Every good's margins as functions of one quantile T: mean less the most one buyer can be made to pay."""
    if instance.bidders > 1 and not instance.from_zero:
        raise ValueError("curves of nature need one bidder, or lower bounds of zero")
    T = [number(x) for x in nature["quantiles"]]
    if T[0] != 1 or T[-1] != 0 or any(a <= b for a, b in itertools.pairwise(T)):
        raise ValueError("quantiles must fall from 1 to 0")
    if len(nature["margins"]) != instance.goods:
        raise ValueError("one curve per good")
    outside, order, total = ZERO, ZERO, ZERO
    for good, margins in enumerate(nature["margins"]):
        s = [number(x) for x in margins]  # in units of the highest bound, one per quantile above zero
        if len(s) != len(T) - 1:
            raise ValueError("one margin per quantile above zero")
        outside = max(outside, instance.lower[good] / instance.best[good] - min(s), max(s) - 1)
        order = max(order, ZERO, *(a - b for a, b in itertools.pairwise(s)))
        total += instance.best[good] * mean_less_revenue(T, [a * t for a, t in zip(s, T, strict=False)] + [ZERO])
    return total, [
        at_most_zero("nature stays inside the box", outside),
        at_most_zero("nature's values rise as quantiles fall", order),
    ]
