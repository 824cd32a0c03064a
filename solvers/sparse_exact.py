"""Sparse linear systems in rationals: SuperLU's pivots on the floats, elimination on the exact numbers.

A basis of a structured linear program is nearly triangular. In the order SuperLU chooses there is little fill, so that
the exact factors cost about as much as they have entries, where a dense rational solve costs the cube of the size.
"""

from __future__ import annotations

import heapq
import warnings
from collections.abc import Mapping, Sequence

import flint
import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from mechopt.solvers.rational import Rational, nearest

Row = Mapping[int, Rational]
ZERO = flint.fmpq(0)
MOST_WORK = 20_000_000  # multiplications of a factorisation, beyond which it is given up


class Factors:
    """Exact factors of a square sparse matrix, rows of {column: rational}. Raises ValueError when it is singular.

    >>> factors = Factors([{0: flint.fmpq(2), 1: flint.fmpq(1)}, {0: flint.fmpq(1)}])
    >>> assert factors.solve([flint.fmpq(3), flint.fmpq(1)]) == [1, 1]
    >>> assert factors.solve_transposed([flint.fmpq(3), flint.fmpq(1)]) == [1, 1]
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.size = len(rows)
        self.row_at, self.col_at = _order(rows)
        position = [0] * self.size
        for k, column in enumerate(self.col_at):
            position[column] = k
        self.lower: list[list[tuple[int, Rational]]] = []
        self.upper: list[dict[int, Rational]] = []
        self.pivot: list[Rational] = []
        work = 0
        for k in range(self.size):
            current = {position[j]: a for j, a in rows[self.row_at[k]].items() if a}
            left = [j for j in current if j < k]
            heapq.heapify(left)
            factors = []
            while left:
                j = heapq.heappop(left)
                value = current.pop(j, None)
                if value is None or not value:
                    continue
                factor = value / self.pivot[j]
                factors.append((j, factor))
                work += len(self.upper[j])
                for column, entry in self.upper[j].items():
                    before = current.get(column)
                    if before is None:
                        current[column] = -factor * entry
                        if column < k:
                            heapq.heappush(left, column)
                    else:
                        current[column] = before - factor * entry
            pivot = current.pop(k, ZERO)
            if not pivot or work > MOST_WORK:
                raise ValueError("the matrix is singular" if not pivot else "the matrix fills up")
            self.lower.append(factors)
            self.pivot.append(pivot)
            self.upper.append({j: a for j, a in current.items() if a})

    def solve(self, right: Sequence[Rational]) -> list[Rational]:
        """x with A x = right."""
        z = [ZERO] * self.size
        for k in range(self.size):
            total = right[self.row_at[k]]
            for j, factor in self.lower[k]:
                if z[j]:
                    total = total - factor * z[j]
            z[k] = total
        x = [ZERO] * self.size
        for k in range(self.size - 1, -1, -1):
            total = z[k]
            for j, entry in self.upper[k].items():
                if z[j]:
                    total = total - entry * z[j]
            z[k] = total / self.pivot[k] if total else ZERO
            x[self.col_at[k]] = z[k]
        return x

    def solve_transposed(self, right: Sequence[Rational]) -> list[Rational]:
        """y with A'y = right."""
        z = [right[self.col_at[k]] for k in range(self.size)]
        for k in range(self.size):
            if z[k]:
                z[k] = z[k] / self.pivot[k]
                for j, entry in self.upper[k].items():
                    z[j] = z[j] - entry * z[k]
        y = [ZERO] * self.size
        for k in range(self.size - 1, -1, -1):
            if z[k]:
                for j, factor in self.lower[k]:
                    z[j] = z[j] - factor * z[k]
            y[self.row_at[k]] = z[k]
        return y


def _order(rows: Sequence[Row]) -> tuple[list[int], list[int]]:
    """Which row and which column is eliminated at each step."""
    size = len(rows)
    if not size:
        return [], []
    at = [(i, j, nearest(a)) for i, row in enumerate(rows) for j, a in row.items()]
    if not at:
        raise ValueError("the matrix is singular")
    i, j, data = (np.array(column) for column in zip(*at, strict=True))
    matrix = sp.csc_array((data, (i, j)), shape=(size, size))
    scale = abs(matrix).max(axis=1).toarray().ravel()
    if not scale.all():
        raise ValueError("the matrix is singular")
    matrix = sp.csc_array(sp.diags_array(1 / scale) @ matrix)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            factors = splu(matrix, permc_spec="COLAMD", diag_pivot_thresh=0.01)
    except RuntimeError:
        raise ValueError("the matrix is singular") from None
    return np.argsort(factors.perm_r).tolist(), np.argsort(factors.perm_c).tolist()
