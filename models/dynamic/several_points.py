"""Lower bounds of a period's value from points: what balances with a known decision earn, and all mixtures of them.

The value is concave and rises in every balance, so at balances y a mixture of points whose mean balances are at most y
earns at least the mixture of their values: the same mixture of their decisions is one at y.
"""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np

from mechopt.models.dynamic.several_period import Indices
from mechopt.solvers.highs import FEASIBILITY
from mechopt.solvers.program import Array

NEAR = 1e-11  # balances closer than this, relative to the scale of money, are one point
TINY = 1e-9  # balances below this, relative to the scale of money, are none


@dataclass(frozen=True)
class Decision:
    """What a period does at given balances: allocation and balances after, both (k, N)."""

    allocation: Array
    after: Array


class Points:
    """The points of one period at one xi; the first is at balances zero, so that every y has a mixture."""

    def __init__(self, buyers: int, scale: float) -> None:
        self.k, self.scale = buyers, scale
        self.balances: list[Array] = []
        self.values: list[float] = []
        self.decisions: list[Decision] = []
        self.found: dict[tuple[float, ...], int] = {}
        self._program: highspy.Highs | None = None

    def key(self, balances: Array) -> tuple[float, ...]:
        """Balances rounded so that close ones are one."""
        return tuple((np.round(balances / (NEAR * self.scale)) + 0.0).tolist())

    def add(self, balances: Array, value: float, decision: Decision) -> None:
        """Keep a point, or what is better at a known one. Tiny balances are none, or zero could not be mixed to it."""
        balances = np.where(balances < TINY * self.scale, 0.0, balances)
        name = self.key(balances)
        self._program = None
        if name not in self.found:
            self.found[name] = len(self.values)
            self.balances.append(balances)
            self.values.append(value)
            self.decisions.append(decision)
        elif value > self.values[place := self.found[name]]:
            self.values[place], self.decisions[place], self.balances[place] = value, decision, balances

    def _mixture(self) -> highspy.Highs:
        """max sum_q w_q V_q over mixtures w with sum_q w_q b_q <= y."""
        if self._program is None:
            program = highspy.Highs()
            program.setOptionValue("output_flag", False)
            program.setOptionValue("presolve", "off")
            program.setOptionValue("primal_feasibility_tolerance", FEASIBILITY)
            count = len(self.values)
            columns = np.vstack([np.array(self.balances).T, np.ones(count)])  # (k + 1, P)
            program.addVars(count, np.zeros(count), np.full(count, np.inf))
            program.changeColsCost(count, np.arange(count, dtype=np.int32), -np.array(self.values))
            starts = np.arange(self.k + 2, dtype=np.int32) * count
            indices = np.tile(np.arange(count, dtype=np.int32), self.k + 1)
            lower = np.append(np.full(self.k, -np.inf), 1.0)
            upper = np.append(np.zeros(self.k), 1.0)
            program.addRows(self.k + 1, lower, upper, columns.size, starts, indices, columns.ravel())
            self._program = program
        return self._program

    def mixture(self, y: Array) -> tuple[Indices, Array, float]:
        """The best mixture at balances y, (points, weights, value)."""
        place = self.found.get(self.key(y))
        if place is not None:
            return np.array([place]), np.ones(1), self.values[place]
        if len(self.values) == 1:
            return np.zeros(1, dtype=np.int64), np.ones(1), self.values[0]
        program = self._mixture()
        rows = np.arange(self.k, dtype=np.int32)
        program.changeRowsBounds(self.k, rows, np.full(self.k, -np.inf), np.maximum(y, 0.0))
        program.run()
        if program.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return np.zeros(1, dtype=np.int64), np.ones(1), self.values[0]
        w = np.asarray(program.getSolution().col_value)
        which = np.flatnonzero(w > 0)
        return which, w[which], float(w @ np.array(self.values))

    def lower(self, Y: Array) -> Array:
        """What balances Y, (N, k), earn at least, (N,)."""
        known: dict[tuple[float, ...], float] = {}
        found = np.empty(len(Y))
        for v, y in enumerate(Y):
            name = self.key(y)
            if name not in known:
                known[name] = self.mixture(y)[2]
            found[v] = known[name]
        return found
