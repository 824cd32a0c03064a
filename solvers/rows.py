"""Building the arrays of a linear program block by block, where the columns are numbered beforehand."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from mechopt.solvers.linear import LinearProgram
from mechopt.solvers.program import Array


class Rows:
    """Rows of a sparse matrix, gathered block by block.

    >>> rows = Rows()
    >>> rows.add([(np.array([0, 1]), 1.0), (np.array([2, 2]), [3.0, 4.0])], 0.0, 1.0)
    >>> rows.add_sums(1, [(np.array([0, 0]), np.array([1, 2]), 5.0)], 0.0, 1.0)
    >>> program = rows.program(np.zeros(3), np.zeros(3), np.ones(3))
    >>> assert program.matrix.toarray().tolist() == [[1, 0, 3], [0, 1, 4], [0, 5, 5]]
    """

    def __init__(self) -> None:
        self.entries: list[tuple[Any, Any, Any]] = []
        self.low: list[Array] = []
        self.high: list[Array] = []
        self.count = 0

    def add(self, terms: list[tuple[Any, Any]], low: float, high: float) -> None:
        """As many rows as a term has columns; terms are columns and their coefficients."""
        many = np.size(terms[0][0])
        for columns, values in terms:
            filled = np.broadcast_to(values, np.shape(columns)).ravel()
            self.entries.append((self.count + np.arange(many), np.ravel(columns), filled))
        self.low.append(np.full(many, low))
        self.high.append(np.full(many, high))
        self.count += many

    def add_sums(self, many: int, terms: list[tuple[Any, Any, Any]], low: float, high: float) -> None:
        """`many` rows, each the sum of all the terms with its number; terms are numbers, columns and coefficients."""
        for numbers, columns, values in terms:
            filled = np.broadcast_to(values, np.shape(columns)).ravel()
            self.entries.append((self.count + np.ravel(numbers), np.ravel(columns), filled))
        self.low.append(np.full(many, low))
        self.high.append(np.full(many, high))
        self.count += many

    def program(self, cost: Array, low: Array, high: Array) -> LinearProgram:
        """With these rows, costs and bounds of the columns."""
        where, columns, values = (np.concatenate(z) for z in zip(*self.entries, strict=True))
        matrix = sp.coo_array((values, (where, columns)), (self.count, len(cost))).tocsc()
        matrix.sum_duplicates()
        none = np.zeros(len(cost), dtype=bool)
        return LinearProgram(cost, matrix, np.concatenate(self.low), np.concatenate(self.high), low, high, none)
