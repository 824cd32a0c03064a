"""One linear program solved over and over while the right side of one row moves: HiGHS keeps its basis in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import highspy
import numpy as np

from mechopt.solvers.highs import FEASIBILITY, load, status_of
from mechopt.solvers.linear import LinearProgram
from mechopt.solvers.program import Array, Status


class Resolver:
    """A linear program, and its solution for any right side of row `moving`.

    Raises ValueError for unknown options. HiGHS may lose its way from an old basis at tight tolerances; it then
    starts afresh.

    >>> import scipy.sparse as sp
    >>> lp = LinearProgram(np.array([1.0, 3.0]), sp.csc_array([[1.0, 1.0]]), np.zeros(1), np.zeros(1), np.zeros(2),
    ...                    np.array([1.0, 9.0]), np.zeros(2, bool))
    >>> at = Resolver(lp, 0)
    >>> assert [at(b)[1].tolist() for b in (0.5, 2.0)] == [[1.0], [3.0]]
    """

    def __init__(self, program: LinearProgram, moving: int, options: Mapping[str, Any] | None = None) -> None:
        self.program, self.moving = program, moving
        self.highs = load(program, options or {})
        self.solves = self.iterations = 0

    def __call__(self, right: float) -> tuple[Array, Array]:
        """The optimal point and the row multipliers (rate of change of the minimum) for this right side.

        Raises RuntimeError when there is no optimum.
        """
        self.highs.changeRowBounds(self.moving, right, right)
        self.highs.run()
        status = status_of(self.highs)
        self.iterations += max(0, int(self.highs.getInfo().simplex_iteration_count))
        for tolerance in (FEASIBILITY, 100 * FEASIBILITY, 1e4 * FEASIBILITY):
            if status is Status.OPTIMAL:
                break
            self.highs.clearSolver()
            self.highs.setOptionValue("primal_feasibility_tolerance", tolerance)
            self.highs.setOptionValue("dual_feasibility_tolerance", tolerance)
            self.highs.run()
            status = status_of(self.highs)
        self.solves += 1
        if status is not Status.OPTIMAL:
            raise RuntimeError(f"the program has no optimum at the right side {right:g}: {status.value}")
        solution: highspy.HighsSolution = self.highs.getSolution()
        return np.asarray(solution.col_value, dtype=float), np.asarray(solution.row_dual, dtype=float)
