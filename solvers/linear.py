"""A compiled linear program: plain arrays, and the residuals of a point measured on them.

    min  cost'x + offset    s.t.  row_lower <= A x <= row_upper,  col_lower <= x <= col_upper

A maximisation is compiled with the sign of its cost changed; `sign` is -1 then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechopt.solvers.program import Array, Residuals


@dataclass(frozen=True)
class LinearProgram:
    """The arrays of a linear program with M rows and N columns; infinite bounds where there are none."""

    cost: Array  # (N,)
    matrix: Any  # scipy CSC, (M, N)
    row_lower: Array  # (M,)
    row_upper: Array  # (M,)
    col_lower: Array  # (N,)
    col_upper: Array  # (N,)
    integral: NDArray[np.bool_]  # (N,)
    offset: float = 0.0
    sign: int = 1

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.matrix.shape[0], self.matrix.shape[1]


@dataclass(frozen=True)
class Point:
    """A primal point, row multipliers (rate of change of the minimum with the row's bound) and, if any, a basis.

    `basic_columns` and `basic_rows` are boolean masks; a row is basic when its slack is.
    """

    x: Array  # (N,)
    y: Array  # (M,)
    basic_columns: NDArray[np.bool_] | None = None
    basic_rows: NDArray[np.bool_] | None = None


def _excess(values: Array, lower: Array, upper: Array) -> float:
    worst = np.maximum(lower - values, values - upper)
    return max(0.0, float(worst.max(initial=0.0)))


def dual_objective(program: LinearProgram, point: Point) -> float:
    """The bound the multipliers point at, ignoring wrong signs: meaningful where the dual residual is small."""
    total = 0.0
    for price, lower, upper in _prices(program, point):
        at = np.where(price > 0, lower, np.where(price < 0, upper, 0.0))
        total += float(price[np.isfinite(at)] @ at[np.isfinite(at)])
    return total


def _prices(program: LinearProgram, point: Point) -> list[tuple[Array, Array, Array]]:
    reduced = program.cost - program.matrix.T @ point.y
    return [(point.y, program.row_lower, program.row_upper), (reduced, program.col_lower, program.col_upper)]


def residuals(program: LinearProgram, point: Point) -> Residuals:
    """Violations of a point, recomputed from the arrays. Integer programs have no dual side: NaN there.

    >>> import scipy.sparse as sp
    >>> lp = LinearProgram(np.ones(1), sp.csc_array([[1.0]]), np.array([2.0]), np.array([np.inf]),
    ...                    np.array([-np.inf]), np.array([np.inf]), np.array([False]))
    >>> found = residuals(lp, Point(np.array([1.5]), np.array([1.0])))
    >>> assert found.primal == 0.5 and found.dual == 0.0
    """
    if not (np.isfinite(point.x).all() and np.isfinite(point.y).all()):
        return Residuals(float("inf"), float("inf"), float("inf"))
    activity = program.matrix @ point.x
    primal = max(
        _excess(activity, program.row_lower, program.row_upper),
        _excess(point.x, program.col_lower, program.col_upper),
    )
    if program.integral.any():
        return Residuals(primal=primal)
    dual = max(
        max(float(price[np.isneginf(lower)].max(initial=0.0)), float((-price[np.isposinf(upper)]).max(initial=0.0)))
        for price, lower, upper in _prices(program, point)
    )
    return Residuals(primal, dual, abs(float(program.cost @ point.x) - dual_objective(program, point)))
