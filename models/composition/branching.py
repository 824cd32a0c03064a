"""A proof that no better whole allocation exists: a tree of bounds on single cells, each leaf with its own multipliers.

HiGHS finds the optimum of a deterministic design; its branching leaves no trace one could check. So the tree is grown
again around the allocation found: at every node the linear program with the cells' bounds so far, closed as soon as
its bound reaches the incumbent. The multipliers of each leaf are recomputed from its basis in rationals. An elastic
column keeps nodes without allocations feasible, so that they too close by a bound.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import flint
import numpy as np
import scipy.sparse as sp

from mechopt.models.composition.exactly import ExactProgram
from mechopt.models.composition.rows import Composition
from mechopt.solvers.highs import load, read_point, status_of
from mechopt.solvers.linear import LinearProgram, Point
from mechopt.solvers.program import Array, Status
from mechopt.solvers.rational import Rational
from mechopt.solvers.sparse_exact import Factors

MOST_NODES = 1000
MOST_SECONDS = 20.0
ELASTIC = 1000  # price of a unit by which all rows are relaxed, relative to the largest number of the program
CLOSE = 1e-9


@dataclass(frozen=True)
class Leaf:
    """Multipliers of the rows, (M,), that bound the node."""

    y: list[Rational]


@dataclass(frozen=True)
class Branch:
    """A cell of q (its column) that is at most `at` in one subtree and at least `at` + 1 in the other."""

    column: int
    at: int
    low: Leaf | Branch
    high: Leaf | Branch


class GivenUp(Exception):
    """The tree would be too large, or a leaf could not be solved in rationals."""


def proof(composition: Composition, arrays: LinearProgram, incumbent: float) -> Leaf | Branch | None:
    """A tree that bounds the minimisation by the incumbent, None when it would be too large."""
    try:
        return _Tree(composition, arrays, incumbent).grow()
    except GivenUp:
        return None


class _Tree:
    def __init__(self, composition: Composition, arrays: LinearProgram, incumbent: float) -> None:
        self.exact = ExactProgram(composition)
        self.integral, self.incumbent = np.flatnonzero(arrays.integral), incumbent
        columns = arrays.shape[1]
        price = ELASTIC * max(1.0, float(np.abs(arrays.cost).max()), abs(incumbent))
        free = np.isinf(arrays.row_upper)  # inequalities
        relax = sp.csc_array(free.astype(float).reshape(-1, 1))
        for i, (row, equal) in enumerate(zip(self.exact.rows, self.exact.equal, strict=True)):
            if not equal:
                row[columns] = flint.fmpq(1)
            assert equal != free[i]
        self.exact.cost.append(flint.fmpq(int(price)))
        self.exact.nonneg.append(True)
        self.arrays = replace(
            arrays,
            matrix=sp.hstack([arrays.matrix, relax], format="csc"),
            cost=np.append(arrays.cost, float(int(price))),
            col_lower=np.append(arrays.col_lower, 0.0),
            col_upper=np.append(arrays.col_upper, np.inf),
            integral=np.zeros(columns + 1, dtype=bool),
        )
        self.highs = load(self.arrays, {"presolve": "off"})
        self.nodes, self.until = 0, time.monotonic() + MOST_SECONDS

    def grow(self) -> Leaf | Branch:
        """The tree from the current bounds down."""
        self.nodes += 1
        if self.nodes > MOST_NODES or time.monotonic() > self.until:
            raise GivenUp
        self.highs.run()
        if status_of(self.highs) is not Status.OPTIMAL:
            raise GivenUp
        point = read_point(self.highs, self.arrays)
        value = float(self.arrays.cost @ point.x)
        scale = max(1.0, abs(self.incumbent))
        apart = np.abs(point.x[self.integral] - np.round(point.x[self.integral]))
        if value >= self.incumbent - CLOSE * scale or apart.max(initial=0.0) < 1e-7:
            return Leaf(self._price(point))
        return self._split(point.x, int(self.integral[apart.argmax()]))

    def _split(self, x: Array, column: int) -> Branch:
        at = int(np.floor(x[column]))
        low, high = self._bounds(column)
        found = []
        for ends in ((low, float(at)), (float(at + 1), high)):
            self.highs.changeColBounds(column, *ends)
            found.append(self.grow())
        self.highs.changeColBounds(column, low, high)
        return Branch(column, at, found[0], found[1])

    def _bounds(self, column: int) -> tuple[float, float]:
        lp = self.highs.getLp()
        return float(lp.col_lower_[column]), float(lp.col_upper_[column])

    def _price(self, point: Point) -> list[Rational]:
        """The multipliers of a basis, exactly."""
        if point.basic_columns is None or point.basic_rows is None:
            raise GivenUp
        columns = np.flatnonzero(point.basic_columns).tolist()
        tight = np.flatnonzero(~point.basic_rows).tolist()
        place = {j: k for k, j in enumerate(columns)}
        try:
            rows = [{place[j]: a for j, a in self.exact.rows[i].items() if j in place} for i in tight]
            prices = Factors(rows).solve_transposed([self.exact.cost[j] for j in columns])
        except (ValueError, IndexError):
            raise GivenUp from None
        y = [flint.fmpq(0)] * len(self.exact.rows)
        for i, price in zip(tight, prices, strict=True):
            y[i] = price
        return y


def leaves(tree: Leaf | Branch) -> int:
    """Number of leaves."""
    return 1 if isinstance(tree, Leaf) else leaves(tree.low) + leaves(tree.high)


def listed(tree: Leaf | Branch, goods: int, profiles: int, nature: Any) -> dict[str, Any]:
    """The tree as a certificate holds it; `nature` lists multipliers by family."""
    if isinstance(tree, Leaf):
        return {"nature": nature(tree.y)}
    seat, good = divmod(tree.column, goods)
    cell = [seat // profiles, seat % profiles, good]
    return {"cell": cell, "at": tree.at, "low": listed(tree.low, goods, profiles, nature),
            "high": listed(tree.high, goods, profiles, nature)}  # fmt: skip
