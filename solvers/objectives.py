"""The same rows under one objective after another: HiGHS keeps its basis, so each solve starts at the last optimum."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from mechopt.solvers.highs import load, read_point
from mechopt.solvers.linear import LinearProgram, Point
from mechopt.solvers.program import Array


def under_each(program: LinearProgram, costs: Iterable[Array]) -> Iterator[tuple[LinearProgram, Point, int]]:
    """For every cost vector, (N,), the program with it, the point HiGHS stopped at, feasible or not, and iterations.

    The caller measures the point (mechopt.solvers.linear.residuals) or repairs it: nothing here is promised.

    >>> import scipy.sparse as sp
    >>> box = LinearProgram(np.zeros(2), sp.csc_array([[1.0, 1.0]]), np.array([-np.inf]), np.array([3.0]),
    ...                     np.zeros(2), np.array([2.0, 2.0]), np.zeros(2, dtype=bool))
    >>> found = [point.x.tolist() for _, point, _ in under_each(box, [np.array([-2.0, -1.0]), np.array([-1.0, -2.0])])]
    >>> assert found == [[2.0, 1.0], [1.0, 2.0]]
    """
    highs = load(program, {})
    columns = np.arange(program.shape[1], dtype=np.int32)
    for cost in costs:
        highs.changeColsCost(len(columns), columns, cost)
        highs.run()
        changed = replace(program, cost=cost)
        yield changed, read_point(highs, changed), max(0, int(highs.getInfo().simplex_iteration_count))
