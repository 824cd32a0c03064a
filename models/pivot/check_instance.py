"""A `virtual-pivot` instance in exact numbers, read from its parameters alone; part of the checker."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np


def fraction(value: Any) -> Fraction:
    """A number of a file, exactly: floats mean their shortest decimal. Raises ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("a number")
    return Fraction(repr(value) if isinstance(value, float) else value)


def _exact(content: Any) -> Any:
    """Nested lists as an array of fractions."""
    if not isinstance(content, list):
        return fraction(content)
    return np.array([_exact(row) for row in content], dtype=object)


def _whole(table: Any) -> tuple[Any, int]:
    """Fractions as whole numbers over a common denominator."""
    scale = math.lcm(*(x.denominator for x in table.ravel()))
    made = np.array([int(x * scale) for x in table.ravel()], dtype=object)
    return made.reshape(table.shape), scale


@dataclass(frozen=True)
class Party:
    """One agent: law of the first state, kernels (A, H or 1, K, K) whole over a common scale, C and D, types."""

    mu: Any
    kernel: Any
    scale: int
    C: Any
    D: Any
    additive: bool
    offset: Fraction
    slope: Fraction
    x: list[Fraction]
    f: list[Fraction]
    support: tuple[Fraction, Fraction] | None

    @cached_property
    def moves(self) -> list[list[list[list[tuple[int, int]]] | None]]:
        """By action and public state, the entries of every row of the kernel that are not 0; None where it stays."""
        made = []
        for tables in self.kernel:
            rows = [[[(j, int(p)) for j, p in enumerate(row) if p] for row in table] for table in tables]
            made.append([None if all(row == [(k, self.scale)] for k, row in enumerate(one)) else one for one in rows])
        return made

    @cached_property
    def A(self) -> list[Fraction]:
        """Worths of the types."""
        return [self.offset + self.slope * x for x in self.x]

    @cached_property
    def phi(self) -> list[Fraction]:
        """Virtual worths of the types."""
        rise = [self.tail(k + 1) / self.f[k] * (self.A[k + 1] - self.A[k]) for k in range(len(self.x) - 1)]
        return [a - r for a, r in zip(self.A, [*rise, Fraction(0)], strict=True)]

    def tail(self, k: int) -> Fraction:
        """The chance of type k or above."""
        return sum(self.f[k:], Fraction(0))

    def virtual(self, s: Fraction) -> Fraction:
        """Virtual worth of a uniform signal."""
        assert self.support is not None
        return self.offset + self.slope * (2 * s - self.support[1])

    @property
    def regular(self) -> bool:
        """Whether alpha, cut off at 0 (b if additive), never falls from type to type."""
        if self.additive:
            shares = [p - a for p, a in zip(self.phi, self.A, strict=True)]
        else:
            shares = [p / a if p > 0 else Fraction(0) for p, a in zip(self.phi, self.A, strict=True)]
        return all(low <= high for low, high in itertools.pairwise(shares))


class Instance:
    """Everything the inequalities need, exactly. Raises ValueError or KeyError for parameters that do not fit."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.delta = fraction(parameters["discount"])
        if not 0 < self.delta < 1:
            raise ValueError("discount")
        self.horizon = parameters.get("horizon")
        public = parameters.get("public")
        self.H = 1 if public is None else len(public["states"])
        A = len(parameters["actions"])
        self.next = np.zeros((A, 1), dtype=int) if public is None else np.array(public["next"], dtype=int)
        self.feasible = np.ones((A, self.H), dtype=bool) if public is None else np.array(public["feasible"], dtype=bool)
        if self.next.shape != (A, self.H) or self.feasible.shape != (A, self.H) or not self.feasible.any(axis=0).all():
            raise ValueError("public states")
        self.start = 0 if public is None else int(public["start"])
        cost = _exact(parameters["cost"])
        self.cost = cost if cost.ndim == 2 else cost[:, None]
        self.agents = [self._party(one, A) for one in parameters["agents"]]
        self.n = len(self.agents)

    def _party(self, one: Mapping[str, Any], A: int) -> Party:
        mu, P = _exact(one["start"]), _exact(one["kernels"])
        P = P if P.ndim == 4 else P[:, None]
        K = len(mu)
        if P.shape[0] != A or P.shape[1] not in (1, self.H) or P.shape[2:] != (K, K):
            raise ValueError("kernels")
        if (P < 0).any() or any(x != 1 for x in P.sum(axis=3).ravel()) or mu.sum() != 1 or (mu < 0).any():
            raise ValueError("kernels must be stochastic")
        kernel, scale = _whole(P)
        B = _exact(one["value"])
        B = B if B.ndim == 3 else B[:, None]
        additive = one["separation"] == "additive"
        if not additive and one["separation"] != "multiplicative":
            raise ValueError("separation")
        C, D = B, np.full_like(B, Fraction(0))
        if additive:
            share = _exact(one["exposure"])
            share = share if share.ndim == 2 else share[:, None]
            C, D = np.broadcast_to(share[:, :, None], (*share.shape, K)), B
        if (C < 0).any() or one["worth"]["power"] != 1 or fraction(one["worth"]["scale"]) <= 0:
            raise ValueError("values")
        offset, slope = fraction(one["worth"]["offset"]), fraction(one["worth"]["scale"])
        x, f, support = _law(one["initial"])
        lowest = support[0] if support else x[0]
        if not additive and offset + slope * lowest < 0:
            raise ValueError("worth")
        return Party(mu, kernel, scale, C, D, additive, offset, slope, x, f, support)

    @cached_property
    def harmless(self) -> frozenset[int]:
        """Agents beside every action of whom there is one that differs only in giving them nothing, for no more."""
        pairs = [(a, h) for a in range(len(self.next)) for h in range(self.H) if self.feasible[a, h]]
        return frozenset(
            i for i in range(self.n)
            if all(any(self.feasible[b, h] and self._spares(i, a, b, h) for b in range(len(self.next)))
                   for a, h in pairs)
        )  # fmt: skip

    def _spares(self, agent: int, a: int, b: int, h: int) -> bool:
        """Whether action b does what a does, for no more, except that the agent gets nothing."""
        at = min(h, self.cost.shape[1] - 1)
        if self.next[a, h] != self.next[b, h] or self.cost[b, at] > self.cost[a, at]:
            return False
        for i, one in enumerate(self.agents):
            tables = [(table, min(h, table.shape[1] - 1)) for table in (one.kernel, one.C, one.D)]
            if i == agent:
                if any(np.any(table[b, k] != 0) for table, k in tables[1:]):
                    return False
            elif any(np.any(table[a, k] != table[b, k]) for table, k in tables):
                return False
        return True

    def flow(self, weights: Sequence[Fraction], included: Sequence[int], a: int, h: int) -> tuple[Any, int]:
        """The flow of an action over the states of those taking part, whole over a common denominator."""
        common = -self.cost[a, min(h, self.cost.shape[1] - 1)]
        parts = [np.array([common], dtype=object)]
        for i in included:
            C, D = (table[a, min(h, table.shape[1] - 1)] for table in (self.agents[i].C, self.agents[i].D))
            parts.append(weights[i] * C + D)
        scale = math.lcm(*(x.denominator for part in parts for x in part))
        wholes = [np.array([x.numerator * (scale // x.denominator) for x in part], dtype=object) for part in parts]
        total: Any = np.array(wholes[0][0], dtype=object)
        for place, part in enumerate(wholes[1:]):
            ends = [1] * len(included)
            ends[place] = len(part)
            total = total + part.reshape(ends)
        return total, scale

    def future(self, included: Sequence[int], after: Any, a: int, h: int) -> tuple[Any, int]:
        """E of listed values of the next state, times the scale returned."""
        scale = 1
        for place, i in enumerate(included):
            one = self.agents[i]
            moves = one.moves[a][min(h, one.kernel.shape[1] - 1)]
            if moves is not None:
                front = np.moveaxis(after, place, 0)
                rows = [sum((p * front[j] for j, p in row[1:]), row[0][1] * front[row[0][0]]) for row in moves]
                after = np.moveaxis(np.array(rows, dtype=object).reshape(front.shape), 0, place)
                scale *= one.scale
        return after, scale

    def first(self, included: Sequence[int], values: Any) -> Fraction:
        """E of listed values at t = 1."""
        found = values[self.start]
        for i in included:
            found = np.tensordot(self.agents[i].mu, found, axes=(0, 0))
        return Fraction(found if not isinstance(found, np.ndarray) else found.item())

    def some_policy(self, included: Sequence[int]) -> Any:
        """The first feasible action everywhere, per period."""
        sizes = math.prod(len(self.agents[i].mu) for i in included)
        row = [int(np.flatnonzero(self.feasible[:, h])[0]) for h in range(self.H) for _ in range(sizes)]
        return [row] * (self.horizon or 1)


def _law(written: Mapping[str, Any]) -> tuple[list[Fraction], list[Fraction], tuple[Fraction, Fraction] | None]:
    """Types with their chances, or the support of a uniform continuum."""
    if "values" in written:
        x, f = ([fraction(v) for v in written[name]] for name in ("values", "probabilities"))
    else:
        if written["family"] != "uniform":
            raise ValueError("only uniform families are exact")
        low, high = (fraction(v) for v in written["support"])
        if "points" not in written:
            return [], [], (low, high)
        n = int(written["points"])
        x, f = [low + (high - low) * Fraction(k, n - 1) for k in range(n)], [Fraction(1, n)] * n
    if len(x) != len(f) or any(p <= 0 for p in f) or sum(f) != 1 or any(a >= b for a, b in itertools.pairwise(x)):
        raise ValueError("types")
    return x, f, None
