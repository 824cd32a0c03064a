"""From a solver's basis to exact optima: the same families in rationals, solved, and refined where floats erred."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import flint
import numpy as np

from mechopt.models.composition.rows import Composition
from mechopt.solvers.highs import load, read_point, status_of
from mechopt.solvers.linear import LinearProgram, Point
from mechopt.solvers.program import Array, Status
from mechopt.solvers.rational import Rational, nearest, rational
from mechopt.solvers.sparse_exact import Factors

ZERO = flint.fmpq(0)
ROUNDS = 4  # of refinement
ZOOM = 2**30  # by which residuals are blown up each round


@dataclass(frozen=True)
class ExactPoint:
    """A primal and a dual point in rationals, of the minimisation, and whether they are feasible."""

    x: list[Rational]
    y: list[Rational]
    primal: bool
    dual: bool
    value: Rational  # cost'x
    bound: Rational  # right'y, with fixed columns at their values

    @property
    def optimal(self) -> bool:
        """Both feasible, hence both optimal: at a basis the two goals agree."""
        return self.primal and self.dual


class ExactProgram:
    """A composition's numbers as rationals: rows of {column: coefficient}, right sides, costs of the minimisation."""

    def __init__(self, composition: Composition) -> None:
        self.rows: list[dict[int, Rational]] = []
        self.right: list[Rational] = []
        self.equal: list[bool] = []
        for family in composition.families:
            start = len(self.rows)
            self.rows += [{} for _ in range(len(family))]
            for name, block in family.blocks.items():
                offset, den = composition.offsets[name], block.den
                known: dict[int, Rational] = {}
                for i, j, a in zip(block.rows.tolist(), block.cols.tolist(), block.whole.tolist(), strict=True):
                    number = known.get(a)
                    if number is None:
                        number = known[a] = flint.fmpq(a, den)
                    row = self.rows[start + i]
                    row[offset + j] = row[offset + j] + number if offset + j in row else number
            self.right += [flint.fmpq(int(b), family.den) for b in family.right.tolist()]
            self.equal += [family.equal] * len(family)
        sign = -1 if composition.maximizes else 1
        self.cost: list[Rational] = []
        self.nonneg: list[bool] = []
        for v in composition.variables:
            if v.goal is None:
                self.cost += [ZERO] * v.size
            else:
                self.cost += [flint.fmpq(sign * int(c), v.goal[1]) for c in v.goal[0].tolist()]
            self.nonneg += [v.nonneg] * v.size

    def slack(self, x: list[Rational]) -> list[Rational]:
        """Row by row, left less right side."""
        found = []
        for row, b in zip(self.rows, self.right, strict=True):
            total = -b
            for j, a in row.items():
                if x[j]:
                    total = total + a * x[j]
            found.append(total)
        return found

    def reduced(self, y: list[Rational]) -> list[Rational]:
        """cost - A'y."""
        d = list(self.cost)
        for price, row in zip(y, self.rows, strict=True):
            if price:
                for j, a in row.items():
                    d[j] = d[j] - price * a
        return d


def solve_basis(program: ExactProgram, point: Point, fixed: dict[int, Rational]) -> ExactPoint | None:
    """The exact point of a basis; `fixed` columns rest at their values. None when the basis cannot be solved."""
    if point.basic_columns is None or point.basic_rows is None:
        return None
    columns = np.flatnonzero(point.basic_columns).tolist()
    tight = np.flatnonzero(~point.basic_rows).tolist()
    if len(columns) != len(tight):
        return None
    place = {j: k for k, j in enumerate(columns)}
    rows, right = [], []
    for i in tight:
        row, b = program.rows[i], program.right[i]
        rows.append({place[j]: a for j, a in row.items() if j in place})
        for j, a in row.items():
            if j in fixed and j not in place:
                b = b - a * fixed[j]
        right.append(b)
    try:
        factors = Factors(rows)
    except ValueError:
        return None
    x = [ZERO] * len(program.cost)
    for j, value in fixed.items():
        x[j] = value
    for j, value in zip(columns, factors.solve(right), strict=True):
        x[j] = value
    y = [ZERO] * len(program.rows)
    for i, value in zip(tight, factors.solve_transposed([program.cost[j] for j in columns]), strict=True):
        y[i] = value
    return judged(program, x, y, fixed)


def judged(program: ExactProgram, x: list[Rational], y: list[Rational], fixed: dict[int, Rational]) -> ExactPoint:
    """A pair of points with their verdicts."""
    slack, reduced = program.slack(x), program.reduced(y)
    primal = all(s == 0 if e else s >= 0 for s, e in zip(slack, program.equal, strict=True))
    primal = primal and all(v >= 0 for v, n in zip(x, program.nonneg, strict=True) if n)
    dual = all(v >= 0 for v, e in zip(y, program.equal, strict=True) if not e)
    dual = dual and all(
        j in fixed or (d >= 0 if n else d == 0) for j, (d, n) in enumerate(zip(reduced, program.nonneg, strict=True))
    )
    value = sum((c * v for c, v in zip(program.cost, x, strict=True) if v), ZERO)
    bound = sum((b * v for b, v in zip(program.right, y, strict=True) if v), ZERO)
    bound += sum((reduced[j] * v for j, v in fixed.items()), ZERO)
    return ExactPoint(x, y, primal, dual, value, bound)


def optimum(
    composition: Composition, arrays: LinearProgram, point: Point, fixed: dict[int, Rational]
) -> ExactPoint | None:
    """The exact optimum near a solver's point: its basis, refined where the exact point is not feasible."""
    program = ExactProgram(composition)
    found = best = solve_basis(program, point, fixed)
    for _ in range(ROUNDS):
        if found is None or found.optimal:
            break
        point = _refined(program, arrays, point, found, fixed)
        found = solve_basis(program, point, fixed)
        best = found if found is not None else best
    return best


def _refined(
    program: ExactProgram, arrays: LinearProgram, point: Point, at: ExactPoint, fixed: dict[int, Rational]
) -> Point:
    """The basis of the program around an exact point, its residuals blown up: what floats could not see before."""
    slack, reduced = program.slack(at.x), program.reduced(at.y)
    zoom = flint.fmpq(ZOOM)
    lower = np.array([_cut(-s * zoom) for s in slack])
    col_lower = np.array([_cut(-v * zoom) if n else -np.inf for v, n in zip(at.x, program.nonneg, strict=True)])
    col_upper = np.full(len(at.x), np.inf)
    for j in fixed:
        col_lower[j] = col_upper[j] = 0.0
    moved = replace(
        arrays, cost=np.array([_cut(d * zoom) for d in reduced]), row_lower=lower,
        row_upper=np.where(np.array(program.equal), lower, np.inf), col_lower=col_lower, col_upper=col_upper,
        integral=np.zeros(len(at.x), dtype=bool),
    )  # fmt: skip
    import highspy

    highs = load(moved, {"presolve": "off"})
    basis = highspy.HighsBasis()
    basic, low, zero = (getattr(highspy.HighsBasisStatus, s) for s in ("kBasic", "kLower", "kZero"))
    assert point.basic_columns is not None
    assert point.basic_rows is not None
    basis.col_status = [
        basic if b else (low if n else zero) for b, n in zip(point.basic_columns, program.nonneg, strict=True)
    ]
    basis.row_status = [basic if b else low for b in point.basic_rows]
    basis.valid = True
    highs.setBasis(basis)
    highs.run()
    if status_of(highs) is not Status.OPTIMAL:
        return point
    return read_point(highs, moved)


def _cut(number: Rational) -> float:
    return max(-1e12, min(1e12, nearest(number)))


def fixed_at(values: Array, integral: Any) -> dict[int, Rational]:
    """Columns of whole numbers fixed at the nearest ones."""
    return {int(j): rational(round(float(values[j]))) for j in np.flatnonzero(integral)}
