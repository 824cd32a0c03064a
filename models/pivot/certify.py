"""What proves a bracket of a `virtual-pivot` instance: values and policies, rounded to multiples of 2^-BITS.

Any values v bracket the optimum: by their largest excess of T v over v from above, and with a policy from below. The
checker needs them for every profile of initial types, for the weights after a false report of t = 0 (the repaired
rents), and for the worths themselves (what agents get). One agent with uniform signals needs them at the ends of every
stretch of signals instead: W0 is convex, so chords bound it from above and one policy's line from below. Two such
agents need them at the corners and centroids of polygons of weights (models/pivot/cells.py).
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.models.outcome import Array
from mechopt.models.pivot.cells import GRID, Node, Partition, centroid, rounded
from mechopt.models.pivot.environment import Environment
from mechopt.models.pivot.rent import Rents
from mechopt.models.pivot.welfare import Market
from mechopt.solvers.decision import evaluate

BITS = 48  # values are listed as whole multiples of 2^-BITS, scaled to the size of money
MOST_NUMBERS = 400_000  # listed values up to which a certificate is made
MOST_EFFORT = 12_000_000  # microseconds its checker takes, about
OVERHEAD = 250  # microseconds per period, action and public state, however few the states

Weights = tuple[Fraction, ...]


def certificate(market: Market, rents: Rents, cut: Partition | None = None) -> dict[str, Any] | None:
    """The certificate's part, or None where exact arithmetic cannot follow or would take too long.

    Raises OutOfTime after the market's deadline.
    """
    env = market.env
    if any(one.worth.power != 1 or one.initial.written.get("family", "uniform") != "uniform" for one in env.agents):
        return None
    if not any(env.continuous):
        return _types(market)
    if cut is not None:
        return _cells(market, cut)
    return _stretches(market, rents) if env.n == 1 else None


def affordable(env: Environment) -> int:
    """How many lists of values a certificate may hold."""
    return int(min(MOST_EFFORT // effort(env), MOST_NUMBERS // env.joint_states))


class _Listed:
    """The certificate's list of optima, each once."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.entries: dict[Any, dict[str, Any]] = {}

    def add(self, weights: Weights, included: tuple[int, ...], used: bool = False) -> None:
        """Values optimal for weights with these agents taking part; the policy too if a bound below uses it."""
        own = tuple(weights[i] for i in included)
        found = self.market.optimum(tuple(map(float, weights)), included).solved
        if (own, included) not in self.entries:
            self.entries[own, included] = {
                "included": list(included), "weights": [str(w) for w in own], "values": whole(found.values)
            }  # fmt: skip
        if used:
            self.entries[own, included]["policy"] = found.policy.tolist()

    def evaluated(self, weights: Weights, included: tuple[int, ...], policy: Any) -> list[list[int]]:
        """Values of a policy under other weights."""
        welfare = self.market.welfare(included)
        values = evaluate(welfare.dynamics, policy, welfare.reward(np.array([float(weights[i]) for i in included])))
        return whole(values)


def whole(values: Array) -> list[list[int]]:
    """Values as whole multiples of 2^-BITS."""
    return [[round(x * 2**BITS) for x in row] for row in values.tolist()]


def effort(env: Environment) -> int:
    """About how many microseconds it takes to check one list of values."""
    total = 0.0
    for a, h in zip(*np.nonzero(env.feasible), strict=True):
        row = 2.0
        for one in env.data:
            kernel = one.kernel[a, min(h, one.kernel.shape[1] - 1)]
            row += np.count_nonzero(kernel) / one.size
        total += OVERHEAD + row * math.prod(env.shape)
    return int(total * (env.horizon or 1))


def subsets(market: Market, base: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Every set of agents that may take part: those of `base`, with or without any who could do harm."""
    loose = [i for i in base if i in market.droppable]
    return [tuple(i for i in base if i not in out)
            for count in range(len(loose) + 1) for out in itertools.combinations(loose, count)]  # fmt: skip


def _types(market: Market) -> dict[str, Any] | None:
    env = market.env
    phis = [one.signal.exact_virtual_worths for one in env.data]
    worths = [one.signal.exact_worths for one in env.data]
    count = int(np.prod([len(row) for row in phis], dtype=float))
    if count * (1 + env.n + 2 ** len(market.droppable)) > affordable(env):
        return None
    listed = _Listed(market)
    listed.add(tuple(row[0] for row in phis), (), used=True)
    profiles = []
    for k in itertools.product(*(range(len(row)) for row in phis)):
        phi = tuple(row[j] for row, j in zip(phis, k, strict=True))
        base = tuple(i for i, w in enumerate(phi) if env.data[i].additive or w > 0)
        for included in subsets(market, base):
            listed.add(phi, included)
        best = market.best(tuple(map(float, phi)))
        listed.add(phi, best.included, used=True)
        worth = tuple(row[j] for row, j in zip(worths, k, strict=True))
        profiles.append({
            "included": list(best.included), "worth": listed.evaluated(worth, best.included, best.solved.policy),
        })  # fmt: skip
        for i in best.included:
            if k[i] + 1 < len(phis[i]):
                alpha = Fraction(1) if env.data[i].additive else phi[i] / worth[i]
                lie = phi[i] + alpha * (worths[i][k[i] + 1] - worth[i])
                listed.add((*phi[:i], lie, *phi[i + 1 :]), best.included)
    return {"bits": BITS, "optima": list(listed.entries.values()), "profiles": profiles}


def _stretches(market: Market, rents: Rents) -> dict[str, Any] | None:
    env = market.env
    signal = env.data[0].signal
    cuts = rents.cuts(0, [signal.initial.high])
    if 3 * len(cuts) > affordable(env):
        return None
    listed = _Listed(market)
    listed.add((Fraction(0),), (), used=True)
    rows = []
    edges = [Fraction(repr(cut.low)) for cut in cuts]
    span = env.agents[0].initial.written["support"]
    edges = [Fraction(str(span[0])), *edges[1:], Fraction(str(span[1]))]
    for cut, low, high in zip(cuts, edges[:-1], edges[1:], strict=True):
        included = cut.optimum.included
        row: dict[str, Any] = {"low": str(low), "high": str(high), "included": list(included)}
        if included:
            policy = cut.optimum.solved.policy
            row["policy"] = policy.tolist()
            row["values"] = [listed.evaluated((virtual_worth(env, z),), (0,), policy) for z in (low, high)]
        else:  # that taking part would be worth no more has to be shown too
            found = [market.optimum((float(virtual_worth(env, z)),), (0,)).solved.values for z in (low, high)]
            row["values"] = [whole(values) for values in found]
        rows.append(row)
    return {"bits": BITS, "optima": list(listed.entries.values()), "stretches": rows}


def virtual_worth(env: Environment, s: Fraction) -> Fraction:
    """phi(s) of a single agent with uniform signals and a linear worth, exactly."""
    worth = env.data[0].signal.worth
    high = Fraction(str(env.agents[0].initial.written["support"][1]))
    return worth.exactly(s) - (high - s) * worth.scale


def _cells(market: Market, cut: Partition) -> dict[str, Any] | None:
    """The tree of cells, values at corners for who may take part there, and a policy for every cell."""
    env = market.env
    cells = cut.root.leaves()
    corners = dict.fromkeys(rounded(point, True) for cell in cells for point in cell.corners)
    if len(cells) + len(corners) * 2 ** len(market.droppable) > affordable(env):
        return None
    listed = _Listed(market)
    for point in corners:
        for included in subsets(market, tuple(i for i in range(2) if env.data[i].additive or point[i] > 0)):
            listed.add(point, included)
    nodes: list[dict[str, Any]] = []
    todo: list[tuple[Node, int, int]] = [(cut.root, -1, 0)]  # with its parent, and on which side of it
    while todo:
        node, parent, side = todo.pop()
        place = len(nodes)
        if parent >= 0:
            nodes[parent]["sides"][side] = place
        if node.line is not None and node.sides is not None:
            nodes.append({"cut": [str(x) for x in node.line], "sides": [0, 0]})
            todo += [(one, place, k) for k, one in enumerate(node.sides)]
        else:
            middle = rounded(centroid(node.cell.corners), False)
            included = market.best((float(middle[0]), float(middle[1]))).included
            listed.add(middle, included, used=True)
            nodes.append({"included": list(included)})
    return {"bits": BITS, "grid": GRID, "optima": list(listed.entries.values()), "cells": nodes}
