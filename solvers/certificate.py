"""Bounds that hold whatever the solver returned: safe ones in floats, exact ones in rationals.

For   min cost'x + offset   s.t.  row_lower <= A x <= row_upper,  col_lower <= x <= col_upper:

* any row multipliers y, their wrong signs cut off, prove a lower bound: sum_i y_i * (the bound y_i points at)
  + sum_j (cost - A'y)_j * (the bound it points at);
* any point that satisfies every row proves an upper bound, its own cost.

Floats repair and round so that a bound can only lose, never gain. Rationals solve the basis exactly; where it fails,
they project the point onto the rows that must hold with equality and step back to a strictly feasible anchor.
NumPy and python-flint only: no CVXPY, no solver.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import flint
import numpy as np
from numpy.typing import NDArray

from mechopt.solvers.rational import Rational, nearest, rational

if TYPE_CHECKING:
    from mechopt.solvers.linear import LinearProgram, Point

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
_EPS = 2.0**-52
LARGEST_EXACT = 1500  # unknowns of a dense rational solve: seconds, not minutes


@dataclass(frozen=True)
class Check:
    """One line of a verification: what was checked, the residual found, and whether it passed."""

    name: str
    residual: float
    passed: bool
    detail: str = ""


@dataclass(frozen=True)
class Exact:
    """Rational bounds of a program in its own sense, None where none was proved, with the points that prove them."""

    lower: Rational | None
    upper: Rational | None
    x: list[Rational] | None
    y: list[Rational] | None

    @property
    def closed(self) -> bool:
        """Whether both bounds are known and equal: the optimum, as a fraction."""
        return self.lower is not None and self.lower == self.upper


def _down(value: float, magnitude: float, terms: int) -> float:
    """A float no larger than a sum of `terms` products whose absolute values sum to about `magnitude`."""
    return math.nextafter(value - 4 * (terms + 4) * _EPS * magnitude, -math.inf)


def _signed(y: Array, lower: Array, upper: Array) -> Array:
    y = np.where(np.isneginf(lower), np.minimum(y, 0.0), y)
    return np.where(np.isposinf(upper), np.maximum(y, 0.0), y)


def safe_bounds(
    program: LinearProgram, x: Array, y: Array, box: tuple[Array, Array] | None = None
) -> tuple[float, float]:
    """Lower and upper bounds of the compiled minimum (offset left out) that hold in spite of rounding.

    `x` and `y` need not be optimal or even feasible; a side nothing can be proved for is infinite. `box` holds bounds
    some optimal x is known to satisfy, used where a column has none of its own.

    >>> import scipy.sparse as sp
    >>> from mechopt.solvers.linear import LinearProgram
    >>> lp = LinearProgram(np.ones(1), sp.csc_array([[3.0]]), np.ones(1), np.array([np.inf]),
    ...                    np.zeros(1), np.array([9.0]), np.array([False]))
    >>> low, high = safe_bounds(lp, np.array([0.4]), np.array([1 / 3]))
    >>> assert 1 / 3 - 1e-12 < low <= 1 / 3 and 0.4 <= high < 0.4 + 1e-12
    """
    matrix, magnitude = program.matrix, abs(program.matrix)
    rows, columns = program.shape
    low, high = program.col_lower, program.col_upper
    if box is not None:
        low, high = np.where(np.isinf(low), box[0], low), np.where(np.isinf(high), box[1], high)
    y = _signed(np.nan_to_num(y), program.row_lower, program.row_upper)
    at = np.where(y > 0, program.row_lower, np.where(y < 0, program.row_upper, 0.0))
    reduced = program.cost - matrix.T @ y
    slip = 4 * (rows + 4) * _EPS * (np.abs(program.cost) + magnitude.T @ np.abs(y))
    with np.errstate(invalid="ignore"):
        ends = np.stack([(reduced + s * slip) * b for s in (-1, 1) for b in (low, high)])
    exact_zero = (reduced == 0) & (slip == 0)
    worst = np.where(exact_zero, 0.0, np.where(np.isnan(ends), 0.0, ends).min(axis=0))
    lower = _down(float(y @ at + worst.sum()), float(np.abs(y * at).sum() + np.abs(worst).sum()), rows + columns) \
        if np.isfinite(worst).all() else -math.inf  # fmt: skip
    activity = matrix @ x
    doubt = 4 * (columns + 4) * _EPS * (magnitude @ np.abs(x))
    feasible = (
        np.isfinite(x).all() and (x >= program.col_lower).all() and (x <= program.col_upper).all()
        and (activity - doubt >= program.row_lower).all() and (activity + doubt <= program.row_upper).all()
    )  # fmt: skip
    if not feasible:
        return lower, math.inf
    return lower, -_down(-float(program.cost @ x), float(np.abs(program.cost * x).sum()), columns)


class _Rows:
    """The program in rationals: rows of {column: coefficient}, its bounds None where infinite."""

    def __init__(self, program: LinearProgram) -> None:
        triplets = program.matrix.tocoo()
        self.shape = program.shape
        self.rows: list[dict[int, Rational]] = [{} for _ in range(self.shape[0])]
        for i, j, value in zip(triplets.row.tolist(), triplets.col.tolist(), triplets.data.tolist(), strict=True):
            self.rows[i][j] = self.rows[i].get(j, 0) + rational(value)
        self.cost = [rational(float(c)) for c in program.cost]
        self.row = [(_bound(a), _bound(b)) for a, b in zip(program.row_lower, program.row_upper, strict=True)]
        self.col = [(_bound(a), _bound(b)) for a, b in zip(program.col_lower, program.col_upper, strict=True)]

    def activity(self, x: Sequence[Rational]) -> list[Rational]:
        return [sum((a * x[j] for j, a in row.items()), flint.fmpq(0)) for row in self.rows]

    def reduced(self, y: Sequence[Rational]) -> list[Rational]:
        d = list(self.cost)
        for price, row in zip(y, self.rows, strict=True):
            if price:
                for j, a in row.items():
                    d[j] -= price * a
        return d

    def upper(self, x: Sequence[Rational]) -> Rational | None:
        """The cost of x when it satisfies every row and bound, else None."""
        values = [*zip(x, self.col, strict=True), *zip(self.activity(x), self.row, strict=True)]
        if any((lo is not None and v < lo) or (hi is not None and v > hi) for v, (lo, hi) in values):
            return None
        return sum((c * v for c, v in zip(self.cost, x, strict=True)), flint.fmpq(0))

    def lower(self, y: Sequence[Rational]) -> Rational | None:
        """The bound y proves, None when a multiplier points at a bound that is not there."""
        total = flint.fmpq(0)
        for price, (lo, hi) in [*zip(y, self.row, strict=True), *zip(self.reduced(y), self.col, strict=True)]:
            if price:
                end = lo if price > 0 else hi
                if end is None:
                    return None
                total += price * end
        return total


def _bound(value: float) -> Rational | None:
    return rational(float(value)) if math.isfinite(value) else None


def _solve(matrix: list[list[Rational]], right: list[Rational]) -> list[Rational] | None:
    """The exact solution of a square system; None when it is singular or too large."""
    size = len(right)
    if size == 0:
        return []
    if size > LARGEST_EXACT:
        return None
    try:
        found = flint.fmpq_mat(matrix).solve(flint.fmpq_mat(size, 1, right))
    except ZeroDivisionError:
        return None
    return [found[i, 0] for i in range(size)]


def _from_basis(exact: _Rows, point: Point, y_side: bool) -> list[Rational] | None:
    """The primal (or dual) point of a basis: tight rows x basic columns, solved exactly."""
    if point.basic_columns is None or point.basic_rows is None:
        return None
    columns = np.flatnonzero(point.basic_columns).tolist()
    tight = np.flatnonzero(~point.basic_rows).tolist()
    if len(columns) != len(tight):
        return None
    zero = flint.fmpq(0)
    square = [[exact.rows[i].get(j, zero) for j in columns] for i in tight]
    if y_side:
        transposed = [list(column) for column in zip(*square, strict=True)] if square else []
        found = _solve(transposed, [exact.cost[j] for j in columns])
        y = [zero] * exact.shape[0]
        for i, value in zip(tight, found or [], strict=found is not None):
            y[i] = value
        return None if found is None else y
    x = [_resting(exact.col[j], float(point.x[j])) for j in range(exact.shape[1])]
    for j in columns:
        x[j] = zero
    activity = exact.activity(x)
    resting = [_resting(exact.row[i], nearest(activity[i])) if None in exact.row[i] else exact.row[i][0] for i in tight]
    found = _solve(square, [value - activity[i] for value, i in zip(resting, tight, strict=True)])
    if found is None:
        return None
    for j, value in zip(columns, found, strict=True):
        x[j] = value
    return x


def _resting(bounds: tuple[Rational | None, Rational | None], near: float) -> Rational:
    """The finite bound a nonbasic variable rests at, the one nearest `near`; zero when it has none."""
    finite = [b for b in bounds if b is not None]
    return min(finite, key=lambda b: abs(nearest(b) - near)) if finite else flint.fmpq(0)


def project(
    rows: list[dict[int, Rational]], right: list[Rational], start: list[Rational], order: list[int]
) -> list[Rational] | None:
    """`start` moved in as few unknowns as there are independent rows, so that rows @ x = right exactly.

    `order` lists the unknowns that may move, the freest first. None when the rows cannot be met.
    """
    if not rows:
        return start
    zero = flint.fmpq(0)
    miss = [b - sum((a * start[j] for j, a in row.items()), zero) for row, b in zip(rows, right, strict=True)]
    table = flint.fmpq_mat([[row.get(j, zero) for j in order] + [gap] for row, gap in zip(rows, miss, strict=True)])
    reduced, rank = table.rref()
    moved = list(start)
    for i in range(rank):
        pivot = next(k for k in range(len(order) + 1) if reduced[i, k])
        if pivot == len(order):
            return None
        moved[order[pivot]] += reduced[i, len(order)]
    return moved


def _clip(values: Sequence[float], bounds: Sequence[tuple[Rational | None, Rational | None]]) -> list[Rational]:
    out = []
    for value, (lo, hi) in zip(values, bounds, strict=True):
        exact = rational(float(value)) if math.isfinite(value) else flint.fmpq(0)
        exact = lo if lo is not None and exact < lo else exact
        out.append(hi if hi is not None and exact > hi else exact)
    return out


def _room(value: Rational, bounds: tuple[Rational | None, Rational | None]) -> float:
    return min((abs(nearest(value - b)) for b in bounds if b is not None), default=math.inf)


def _primal_repair(exact: _Rows, x: Array, anchor: Array | None) -> list[Rational] | None:
    """x on the equality rows, then towards the anchor by the least step that satisfies every row."""
    equal = [i for i, (lo, hi) in enumerate(exact.row) if lo is not None and lo == hi]

    def onto(values: Array) -> list[Rational] | None:
        clipped = _clip(values.tolist(), exact.col)
        order = sorted(range(len(clipped)), key=lambda j: -_room(clipped[j], exact.col[j]))
        return project([exact.rows[i] for i in equal], [exact.row[i][0] for i in equal], clipped, order)

    start = onto(x)
    if start is None or anchor is None or exact.upper(start) is not None:
        return start
    safe = onto(anchor)
    if safe is None or exact.upper(safe) is None:
        return None
    step = flint.fmpq(0)
    pairs = zip([*start, *exact.activity(start)], [*safe, *exact.activity(safe)], [*exact.col, *exact.row], strict=True)
    for value, inner, (lo, hi) in pairs:
        end = lo if lo is not None and value < lo else hi if hi is not None and value > hi else None
        if end is not None:
            step = max(step, (end - value) / (inner - value))
    return [v + step * (s - v) for v, s in zip(start, safe, strict=True)]


def _dual_repair(exact: _Rows, y: Array) -> list[Rational] | None:
    """y with its wrong signs cut off, then moved so that columns without a bound price out exactly."""
    zero = flint.fmpq(0)
    signs = [(zero if hi is None else None, zero if lo is None else None) for lo, hi in exact.row]
    clipped = _clip(y.tolist(), signs)
    free = [j for j, (lo, hi) in enumerate(exact.col) if lo is None or hi is None]
    reduced = exact.reduced(clipped)
    wrong = [j for j in free if reduced[j] and exact.col[j][reduced[j] < 0] is None]
    if not wrong:
        return clipped
    held = [j for j in free if exact.col[j] == (None, None) or j in set(wrong)]
    columns: dict[int, dict[int, Rational]] = {j: {} for j in held}
    for i, row in enumerate(exact.rows):
        for j, a in row.items():
            if j in columns:
                columns[j][i] = a
    order = sorted(range(len(clipped)), key=lambda i: -_room(clipped[i], signs[i]))
    return project([columns[j] for j in held], [exact.cost[j] for j in held], clipped, order)


def exact_bounds(program: LinearProgram, point: Point, anchor: Array | None = None) -> Exact:
    """Bounds of a linear program in rational arithmetic, about the very floats in its arrays (offset included).

    Tries the basis first; where its point is not feasible, projects and steps back to `anchor`, a point known to
    satisfy every row strictly. In the program's own sense: lower and upper are swapped back for a maximisation.
    """
    exact = _Rows(program)
    lower = upper = x = y = None
    for candidate in (_from_basis(exact, point, y_side=False), _primal_repair(exact, point.x, anchor)):
        if candidate is not None and (upper := exact.upper(candidate)) is not None:
            x = candidate
            break
    for candidate in (_from_basis(exact, point, y_side=True), _dual_repair(exact, point.y)):
        if candidate is not None and (lower := exact.lower(candidate)) is not None:
            y = candidate
            break
    offset = rational(program.offset)
    lower, upper = (None if b is None else program.sign * (b + offset) for b in (lower, upper))
    return Exact(lower, upper, x, y) if program.sign > 0 else Exact(upper, lower, x, y)
