"""W0 as a function of the agent's weight: convex, piecewise linear, one line per policy; in floats or in fractions.

A policy earns the line w Q + rest, with Q = delta E sum_t delta^(t-1) C and rest the same of D - cost. The envelope is
found in floats; where it is small its policies are evaluated again in rationals, and neighbours' lines cut exactly.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flint
import numpy as np

from mechopt.models.pivot.environment import Environment
from mechopt.models.pivot.pieces import pieces
from mechopt.models.pivot.welfare import Market
from mechopt.solvers.rational import rational

MOST_STATES = 150  # up to which policies are evaluated in fractions
MOST_WORK = 3_000_000  # pieces times states times actions times successors, likewise


@dataclass(frozen=True)
class Envelope:
    """Lines (Q, rest) of rising slope, line l optimal on [cuts[l], cuts[l + 1]]; `policies`: (periods, S) each."""

    cuts: Sequence[Any]
    lines: Sequence[tuple[Any, Any]]
    policies: Sequence[Any]

    def place(self, w: Any) -> int:
        """Which line is the optimum at w; at a cut, the one to its right (weights outside count as the ends)."""
        return min(max(bisect.bisect_right(self.cuts, w) - 1, 0), len(self.lines) - 1)

    def value(self, w: Any, line: int | None = None) -> Any:
        """W0(w), or what one line earns at w."""
        Q, rest = self.lines[self.place(w) if line is None else line]
        return w * Q + rest


def envelope(market: Market, low: float, high: float) -> Envelope:
    """The pieces of W0 on [low, high], in floats."""
    found = pieces(market, (0.0,), 0, low, high)
    lines, policies = [], []
    for piece in found:
        best = piece.optimum
        states = market.env.H * market.env.shape[0]
        own = best.solved.policy  # of an agent left out it lists public states only
        policies.append(np.repeat(own, states // own.shape[1], axis=1))
        Q = float(best.Q[0])
        lines.append((Q, best.value - Q * best.weights[0]))
    return Envelope([low, *(piece.high for piece in found)], lines, policies)


def provable(env: Environment, count: int) -> bool:
    """Whether so many policies of an environment are evaluated in fractions in a moment."""
    states = env.H * env.shape[0]
    entries = int((env.data[0].P != 0).sum()) * (1 if env.data[0].P.shape[1] > 1 else env.H)
    return states <= MOST_STATES and count * (entries + states**2) * (env.horizon or 1) <= MOST_WORK


def exactly(env: Environment, found: Envelope) -> Envelope:
    """The same envelope in fractions: policies' own lines, cut where neighbours meet."""
    made = [(line_of(env, policy), policy) for policy in found.policies]
    kept: list[Any] = []
    for line, policy in sorted(made, key=lambda item: item[0]):
        if kept and kept[-1][0][0] == line[0]:
            kept.pop()
        kept.append((line, policy))
    low, high = rational(float(found.cuts[0])), rational(float(found.cuts[-1]))
    meet = [(b[1] - a[1]) / (a[0] - b[0]) for (a, _), (b, _) in itertools.pairwise(kept)]
    first = sum(w <= low for w in meet)  # lines that meet at an end, or past it, rule nothing
    last = len(meet) - sum(w >= high for w in meet)
    rest = kept[first : last + 1]
    return Envelope([low, *meet[first:last], high], [line for line, _ in rest], [policy for _, policy in rest])


def line_of(env: Environment, policy: Any) -> tuple[Any, Any]:
    """(Q, rest) of a policy, exactly: its discounted rewards solve a linear system, or a backward recursion."""
    one, H, K = env.data[0], env.H, env.shape[0]
    S, delta = H * K, rational(env.discount)
    start = [rational(p) for p in one.mu]

    def at(table: Any, a: int, h: int, k: int) -> Any:
        return rational(table[min(a, len(table) - 1), min(h, table.shape[1] - 1), k])

    def step(row: Any, x: int) -> tuple[Any, Any, list[tuple[int, Any]]]:
        a, (h, k) = int(row[x]), divmod(x, K)
        law = one.P[a, min(h, one.P.shape[1] - 1), k]
        to = [(int(env.next[a, h]) * K + j, rational(p)) for j, p in enumerate(law) if p]
        return at(one.C, a, h, k), at(one.D, a, h, k) - rational(env.cost_table[a, h]), to

    if env.horizon is None:
        matrix, right = flint.fmpq_mat(S, S), flint.fmpq_mat(S, 2)
        for x in range(S):
            C, rest, to = step(policy[0], x)
            for y, p in to:
                matrix[x, y] = matrix[x, y] - delta * p
            matrix[x, x] = matrix[x, x] + 1
            right[x, 0], right[x, 1] = C, rest
        solved = matrix.solve(right)
        values = [(solved[x, 0], solved[x, 1]) for x in range(S)]
    else:
        values = [(rational(0), rational(0))] * S
        for t in reversed(range(env.horizon)):
            rows = [step(policy[t], x) for x in range(S)]
            after = [[delta * sum((p * values[y][c] for y, p in to), rational(0)) for c in (0, 1)] for *_, to in rows]
            values = [(C + a, rest + b) for (C, rest, _), (a, b) in zip(rows, after, strict=True)]
    first = env.public_start * K
    Q, rest = (delta * sum((p * values[first + k][c] for k, p in enumerate(start)), rational(0)) for c in (0, 1))
    return Q, rest


def as_lists(policy: Any) -> list[list[int]]:
    """A policy as a certificate holds it."""
    return [[int(a) for a in row] for row in np.asarray(policy)]
