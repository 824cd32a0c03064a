"""Linear programs with more rows than one can write down: solve a core, ask for violated rows, add the worst, repeat.

Every relaxation's optimum bounds the full program's from below, so a run stopped at a limit still has a valid bound.
HiGHS keeps its basis between rounds. Whatever it reports, the rows it was given are measured again from the arrays
(it has returned points that violate them by 1e-4 with zero reported infeasibility) and the basis factorised afresh
when they do not hold. At the end the oracles have looked at every row there is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mechopt.solvers.highs import FEASIBILITY, load, read_point, status_of
from mechopt.solvers.linear import LinearProgram, Point, dual_objective, residuals
from mechopt.solvers.program import Array, Residuals, Statistics, Status

Progress = Callable[[str], None]
ROUNDS = 400


@dataclass(frozen=True)
class Cuts:
    """Rows lower <= a'x of one family, with how much each is violated, the group it belongs to, and its own name.

    `matrix` (M, N) CSR; `lower`, `violation` (M,); `group` (M,): rows compete within a group; `label` (M, k): what the
    family calls the row, given back with its multiplier.
    """

    matrix: Any
    lower: Array
    violation: Array
    group: NDArray[np.int64]
    label: NDArray[np.int64]


Oracle = Callable[[Array, float], Cuts]  # (point, tolerance) -> rows violated by more than the tolerance, worst first


@dataclass(frozen=True)
class LazySolution:
    """The solution over all families: status, optimum, valid bound, and the multipliers of core and generated rows."""

    status: Status
    value: float
    bound: float
    point: Point
    labels: Mapping[str, NDArray[np.int64]]
    multipliers: Mapping[str, Array]
    residuals: Residuals
    statistics: Statistics
    rounds: int
    violation: float


def solve_lazily(
    core: LinearProgram,
    families: Mapping[str, Oracle],
    *,
    costs: Sequence[Array] = (),
    per_group: int = 2,
    tolerance: float = 1e-9,
    time_limit: float | None = None,
    options: Mapping[str, Any] | None = None,
    progress: Progress = lambda message: None,
) -> LazySolution:
    """Minimise core.cost over the core's rows and every row the oracles know.

    `costs`: objectives to converge under first, each started from the last one's basis (a tilt that picks a point on
    the optimal face); the core's own cost comes last. `per_group`: most violated rows added per group and round.
    Residuals include the worst violation the oracles found at the end. Raises ValueError for unknown options.

    >>> lp = LinearProgram(np.array([-1.0]), sp.csc_array((0, 1)), np.zeros(0), np.zeros(0), np.zeros(1),
    ...                    np.array([9.0]), np.zeros(1, bool))
    >>> def below_two(x, tolerance):
    ...     bad = x[0] - 2 > tolerance
    ...     rows = 1 if bad else 0
    ...     return Cuts(sp.csr_array(np.full((rows, 1), -1.0)), np.full(rows, -2.0), np.full(rows, x[0] - 2),
    ...                 np.zeros(rows, int), np.zeros((rows, 1), int))
    >>> assert solve_lazily(lp, {"cap": below_two}).value == -2
    """
    run = _Run(core, families, per_group, tolerance, time_limit, dict(options or {}), progress)
    return run.finish([*costs, core.cost])


class _Run:
    """The growing program, its HiGHS model and the clock."""

    def __init__(
        self, core: LinearProgram, families: Mapping[str, Oracle], per_group: int, tolerance: float,
        time_limit: float | None, options: dict[str, Any], progress: Progress,
    ) -> None:  # fmt: skip
        self.started = time.monotonic()
        self.program, self.families, self.per_group = core, families, per_group
        self.tolerance, self.limit, self.progress = tolerance, time_limit, progress
        self.highs = load(core, options)
        self.rows = core.shape[0]
        self.names: list[str] = []
        self.labels: dict[str, list[NDArray[np.int64]]] = {name: [] for name in families}
        self.where: dict[str, list[NDArray[np.int64]]] = {name: [] for name in families}
        self.chunks: list[Any] = [core.matrix.tocsr()]
        self.lower, self.upper = [core.row_lower], [core.row_upper]
        self.rounds, self.iterations, self.worst = 0, 0, float("inf")
        self.build = time.monotonic() - self.started

    def left(self) -> float:
        return np.inf if self.limit is None else self.limit - (time.monotonic() - self.started)

    def full(self, cost: Array) -> LinearProgram:
        """The program with the rows generated so far."""
        matrix = sp.vstack(self.chunks, format="csc") if len(self.chunks) > 1 else self.chunks[0].tocsc()
        return replace(
            self.program, cost=cost, matrix=matrix,
            row_lower=np.concatenate(self.lower), row_upper=np.concatenate(self.upper),
        )  # fmt: skip

    def optimise(self, cost: Array) -> tuple[Status, Point, LinearProgram]:
        """One relaxation, from the last basis; measured, and factorised afresh if its rows do not hold."""
        if np.isfinite(self.left()):
            self.highs.setOptionValue("time_limit", self.highs.getRunTime() + max(self.left(), 0.0))
        self.highs.run()
        status = status_of(self.highs)
        full = self.full(cost)
        if status is Status.SOLVER_ERROR:
            self.highs.clearSolver()
            self.highs.run()
            status = status_of(self.highs)
        point = read_point(self.highs, full)
        if status is Status.OPTIMAL and residuals(full, point).primal > 100 * FEASIBILITY:
            basis = self.highs.getBasis()
            self.highs.clearSolver()
            self.highs.setBasis(basis)
            self.highs.run()
            status, point = status_of(self.highs), read_point(self.highs, full)
        return status, point, full

    def separate(self, x: Array) -> int:
        """Ask every family for violated rows at x, add the worst of each group, and say how many were added."""
        added = 0
        self.worst = 0.0
        for name, oracle in self.families.items():
            cuts = oracle(x, self.tolerance)
            if not len(cuts.lower):
                continue
            self.worst = max(self.worst, float(cuts.violation.max()))
            keep = _worst_per_group(cuts, self.per_group)
            matrix = sp.csr_array(cuts.matrix)[keep]
            lower, upper = cuts.lower[keep], np.full(len(keep), np.inf)
            self.highs.addRows(
                len(keep), lower, upper, matrix.nnz, matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32),
                matrix.data,
            )  # fmt: skip
            self.where[name].append(np.arange(self.rows, self.rows + len(keep)))
            self.labels[name].append(cuts.label[keep])
            self.chunks.append(matrix)
            self.lower.append(lower)
            self.upper.append(upper)
            self.rows += len(keep)
            added += len(keep)
        return added

    def finish(self, costs: Sequence[Array]) -> LazySolution:
        status, bound = Status.USER_LIMIT, -np.inf
        start = np.clip(np.zeros(self.program.shape[1]), self.program.col_lower, self.program.col_upper)
        self.separate(start)  # a core alone may be unbounded: begin with the rows that cut off the origin
        for stage, cost in enumerate(costs):
            self.highs.changeColsCost(len(cost), np.arange(len(cost), dtype=np.int32), cost)
            while True:
                status, point, full = self.optimise(cost)
                if status is Status.OPTIMAL and stage == len(costs) - 1:
                    bound = dual_objective(full, point)
                self.rounds += 1
                if status in (Status.UNBOUNDED, Status.SOLVER_ERROR) and stage < len(costs) - 1:
                    break  # a tilt only helps; the true cost decides
                if status is not Status.OPTIMAL:
                    return self.pack(status, bound, point, full)
                if self.left() <= 0 or self.rounds >= ROUNDS:
                    return self.pack(Status.USER_LIMIT, bound, point, full)
                added = self.separate(point.x)
                self.progress(f"round {self.rounds}: {added} rows added of {self.rows}, worst {self.worst:.1e}")
                if not added:
                    break
        return self.pack(status, bound, point, full)

    def pack(self, status: Status, bound: float, point: Point, full: LinearProgram) -> LazySolution:
        found = residuals(full, point)
        if np.isfinite(self.worst):
            found = replace(found, primal=max(found.primal, self.worst))
        info = self.highs.getInfo()
        labels = {n: np.concatenate(v) if v else np.zeros((0, 1), np.int64) for n, v in self.labels.items()}
        rows = {n: np.concatenate(v) if v else np.zeros(0, np.int64) for n, v in self.where.items()}
        sizes = Statistics(
            *full.shape, int(full.matrix.nnz), int(info.simplex_iteration_count), self.build,
            time.monotonic() - self.started - self.build,
        )  # fmt: skip
        value = float(self.program.cost @ point.x)
        multipliers = {n: point.y[r] if len(r) else np.zeros(0) for n, r in rows.items()}
        return LazySolution(
            status, value, bound, point, labels, multipliers, found, sizes, self.rounds,
            self.worst if np.isfinite(self.worst) else float("nan"),
        )  # fmt: skip


def _worst_per_group(cuts: Cuts, most: int) -> NDArray[np.int64]:
    order = np.lexsort((-cuts.violation, cuts.group))
    group = cuts.group[order]
    first = np.concatenate([[True], group[1:] != group[:-1]])
    start = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    return np.asarray(np.sort(order[np.arange(len(order)) - start < most]))
