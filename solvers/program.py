"""The contract: a model gives a Program, a solver gives a Solution, and a Status says why it stopped.

A model is anything with `primal() -> Program` and, where its paper has it, `dual() -> Program`.
A solver is a function `Program -> Solution`. Signs of multipliers are defined once, in docs/duality.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mechopt.solvers.linear import LinearProgram, Point

Array = NDArray[np.float64]


class Status(Enum):
    """Why a solver stopped. The value is the sentence the user reads; `word` is CVXPY's word for it."""

    OPTIMAL = "solved to optimality"
    OPTIMAL_INACCURATE = (
        "solved, but the recomputed residuals exceed the tolerance; rescale the data or do not rely on the value"
    )
    INFEASIBLE = "no point satisfies every row; relax or drop one of them"
    UNBOUNDED = "the objective improves without limit; a row or a bound is missing"
    INFEASIBLE_OR_UNBOUNDED = (
        "infeasible or unbounded, the solver could not tell which; solve again with a constant objective"
    )
    USER_LIMIT = "stopped at a limit; the incumbent and the bound are reported, raise the limit to close the gap"
    SOLVER_ERROR = "the solver failed; run again with verbose output and report the instance"

    @property
    def word(self) -> str:
        """The status as CVXPY spells it.

        >>> Status.OPTIMAL.word
        'optimal'
        """
        return self.name.lower()

    @property
    def has_point(self) -> bool:
        """Whether a solution with this status carries an optimum or an incumbent."""
        return self in (Status.OPTIMAL, Status.OPTIMAL_INACCURATE, Status.USER_LIMIT)


@dataclass(frozen=True)
class Program:
    """A CVXPY objective, constraints by the paper's letters, and the variables found in them by name.

    >>> x = cp.Variable(name="x")
    >>> program = Program(cp.Minimize(x), {"floor": x >= 2})
    >>> assert list(program.variables) == ["x"] and program.problem.is_dcp()
    """

    objective: cp.Minimize | cp.Maximize
    constraints: Mapping[str, cp.Constraint]

    @cached_property
    def problem(self) -> cp.Problem:
        """The CVXPY problem; yours to change before solving it yourself."""
        return cp.Problem(self.objective, list(self.constraints.values()))

    @cached_property
    def variables(self) -> dict[str, cp.Variable]:
        """The variables by name. Raises ValueError when two of them share one."""
        found: dict[str, cp.Variable] = {}
        for variable in self.problem.variables():
            if variable.name() in found:
                raise ValueError(f"two variables are named {variable.name()!r}; give each its own name")
            found[variable.name()] = variable
        return found

    @property
    def maximizes(self) -> bool:
        """Whether the objective is to be made large."""
        return isinstance(self.objective, cp.Maximize)


@dataclass(frozen=True)
class Residuals:
    """Recomputed from the program's own data, in its own units: how far the point is from what it claims.

    `primal` is the largest violation of a row or a bound, `dual` the largest wrong sign of a multiplier or a
    reduced cost, `gap` the absolute difference of the two objectives. NaN where there is nothing to measure.
    """

    primal: float = float("nan")
    dual: float = float("nan")
    gap: float = float("nan")


@dataclass(frozen=True)
class Statistics:
    """Size of the compiled program, iterations and seconds."""

    rows: int = 0
    columns: int = 0
    nonzeros: int = 0
    iterations: int = 0
    build_seconds: float = 0.0
    solve_seconds: float = 0.0


@dataclass(frozen=True)
class Solution:
    """What a solver returns. Stopping status, primal quality and dual quality are three separate facts.

    `value` is the objective at the returned point, `bound` the solver's proof for the other side (a lower bound
    when minimising; infinite when it has none). `primal` and `dual` are by the names of the program.
    """

    status: Status
    value: float
    bound: float
    primal: Mapping[str, Array]
    dual: Mapping[str, Array]
    residuals: Residuals
    statistics: Statistics
    compiled: LinearProgram | None = field(default=None, repr=False)
    point: Point | None = field(default=None, repr=False)
    raw: Any = field(default=None, repr=False)

    def require(self) -> Solution:
        """Itself when it carries a point, else a SolveError that holds the whole summary."""
        if self.status.has_point and self.primal:
            return self
        raise SolveError(self)


class SolveError(RuntimeError):
    """A solve that gave no point. `solution` holds what is known of it."""

    def __init__(self, solution: Solution) -> None:
        self.solution = solution
        size = solution.statistics
        super().__init__(
            f"{solution.status.word}: {solution.status.value} "
            f"({size.rows} rows, {size.columns} columns, {size.nonzeros} nonzeros, "
            f"{size.iterations} iterations, {size.solve_seconds:.3g} s)"
        )
