"""Engines that solve a composed program without writing down every row of truth; the value never changes.

* `all-rows`: the whole program.
* `lazy`: rows between neighbouring types to begin with (for one good they imply all others), the most violated ones
  added until none is left; on orbits where bidders are alike (models/composition/orbits.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.composition.environment import Environment
from mechopt.models.composition.incentives import interim_rows, truth_rows
from mechopt.models.composition.orbits import Symmetry
from mechopt.models.composition.rows import Composition, Family, Indices
from mechopt.models.outcome import Options
from mechopt.models.regret.regret_rows import start_pairs
from mechopt.solvers.highs import load, read_point, status_of
from mechopt.solvers.linear import LinearProgram, Point, residuals
from mechopt.solvers.program import Array, Residuals, Statistics, Status
from mechopt.solvers.row_generation import Cuts, solve_lazily

if TYPE_CHECKING:
    from mechopt.models.design import Design

TRUTH = {3: ("bidder", "profile", "report"), 4: ("prior", "bidder", "type", "report")}  # labels of its rows
METHODS = ("lazy", "all-rows")
FEASIBLE_POINT = 2  # HiGHS's word for a primal solution status
TOP = 4  # rows added per type and round


@dataclass(frozen=True)
class Solved:
    """A solved program: the families that were used, its arrays and the solver's point."""

    composition: Composition
    arrays: LinearProgram
    point: Point
    status: Status
    bound: float  # of the minimisation
    residuals: Residuals
    statistics: Statistics
    method: str
    symmetry: Symmetry | None = None  # whose orbits the program is on
    truth: Truth | None = None

    def whole(self, x: Any, y: Any) -> tuple[Composition, Any, Any]:
        """The composition, point and multipliers for every bidder, profile and row, off the orbits."""
        if self.symmetry is None:
            return self.composition, x, y
        composition, shares = self.symmetry.unfold(self.composition, y, self.truth.family if self.truth else None)
        return composition, self.symmetry.spread(x), shares


def neighbours(environment: Environment) -> list[Indices]:
    """Per bidder the pairs (type, report) the lazy engine begins with."""
    found = []
    for own in environment.exact:
        V = np.array([[float(x) for x in t] for t in own])
        if len(V) == 1:
            found.append(np.zeros((0, 2), np.int64))
        elif V.shape[1] == 1:
            k = np.arange(len(V) - 1)
            found.append(np.concatenate([np.column_stack([k, k + 1]), np.column_stack([k + 1, k])]))
        else:
            found.append(start_pairs(V))
    return found


class Truth:
    """The rows of truth of a design, by label: those to begin with, and the most violated ones at a point."""

    def __init__(self, design: Design) -> None:
        self.environment = design.environment
        self.truth = design.incentives.truth
        self.tables = design.incentives.tables(design.environment) if self.truth == "bayesian" else []

    def start(self) -> Indices:
        """Labels of the rows to begin with: (bidder, profile, report), or (prior, bidder, type, report)."""
        environment, found = self.environment, []
        for i, pairs in enumerate(neighbours(environment)):
            if self.truth == "ex-post":
                at = np.argsort(environment.steps[:, i], kind="stable").reshape(environment.shape[i], -1)
                profile, report = at[pairs[:, 0]], np.repeat(pairs[:, 1], at.shape[1])
                found.append(np.column_stack([np.full(len(report), i), profile.ravel(), report]))
            else:
                for n, (weights, _) in enumerate(self.tables):
                    some = np.flatnonzero(self.by_type(weights, i).astype(object).sum(axis=1) != 0)
                    kept = pairs[np.isin(pairs[:, 0], some)]
                    found.append(np.column_stack([np.full(len(kept), n), np.full(len(kept), i), kept]))
        return np.concatenate(found).astype(np.int64)

    def by_type(self, table: Any, i: int) -> Any:
        """A table over profiles, own type first: (K_i, R)."""
        return np.moveaxis(table.reshape(self.environment.shape), i, 0).reshape(self.environment.shape[i], -1)

    def family(self, labels: Indices) -> Family:
        """The rows of the labels."""
        if self.truth == "ex-post":
            return truth_rows(self.environment, *(labels[:, k] for k in range(3)))
        names = TRUTH[4]
        return interim_rows(self.environment, self.tables, {n: labels[:, k] for k, n in enumerate(names)}, "gamma")

    def violated(self, q: Array, m: Array, tolerance: float) -> tuple[Indices, Array]:
        """The worst misreports at allocation (I, P, J) and payment (I, P): labels, and gains."""
        environment = self.environment
        labels: list[tuple[int, ...]] = []
        gains: list[float] = []
        for i in range(environment.count):
            V = np.array([[float(x) for x in t] for t in environment.exact[i]])
            chance = np.stack([self.by_type(q[i, :, j], i) for j in range(environment.goods)], axis=2)  # (K, R, J)
            paid = self.by_type(m[i], i)
            if self.truth == "ex-post":
                profile = self.by_type(np.arange(environment.profiles), i)
                for r in range(paid.shape[1]):
                    gain = V @ chance[:, r].T - paid[:, r]
                    gain = gain - np.diag(gain)[:, None]
                    for k, w in _worst(gain, tolerance):
                        labels.append((i, int(profile[k, r]), w))
                        gains.append(gain[k, w])
            else:
                for n, (weights, den) in enumerate(self.tables):
                    W = np.asarray(self.by_type(weights, i), dtype=float) / den  # (K, R)
                    gain = np.einsum("kr,kj,wrj->kw", W, V, chance, optimize=True) - W @ paid.T
                    gain = gain - np.diag(gain)[:, None]
                    for k, w in _worst(gain, tolerance):
                        labels.append((n, i, k, w))
                        gains.append(gain[k, w])
        width = 3 if self.truth == "ex-post" else 4
        return np.array(labels, dtype=np.int64).reshape(-1, width), np.array(gains)


def _worst(gain: Array, tolerance: float) -> list[tuple[int, int]]:
    """Up to TOP misreports per type that gain more than the tolerance."""
    if gain.max(initial=0.0) <= tolerance:
        return []
    found = []
    for k in np.flatnonzero(gain.max(axis=1) > tolerance).tolist():
        order = np.argsort(-gain[k])[:TOP]
        found += [(k, int(w)) for w in order if gain[k, w] > tolerance]
    return found


def split(design: Design, x: Array) -> tuple[Array, Array]:
    """Allocation (I, P, J) and payment (I, P) of a point; they are the first columns."""
    B, P, J = design.environment.count, design.environment.profiles, design.environment.goods
    size = B * P * J
    return x[:size].reshape(B, P, J), x[size : size + B * P].reshape(B, P)


def run(design: Design, options: Options, method: str) -> Solved:
    """Solve the program by a method."""
    integral = design.restrictions.deterministic
    if method == "all-rows" or design.incentives.truth == "none" or integral:
        return _direct(design.composition, options, "all-rows")
    solved = _lazily(design, options)
    if solved.status in (Status.OPTIMAL, Status.USER_LIMIT):
        return solved
    return _direct(design.composition, options, "all-rows")


def _direct(composition: Composition, options: Options, method: str) -> Solved:
    started = time.perf_counter()
    arrays = composition.arrays()
    highs = load(arrays, options.options, options.verbose)
    if options.time_limit is not None:
        highs.setOptionValue("time_limit", float(options.time_limit))
    built = time.perf_counter()
    highs.run()
    status = status_of(highs)
    if status in (Status.INFEASIBLE_OR_UNBOUNDED, Status.SOLVER_ERROR):
        highs.clearSolver()
        highs.setOptionValue("presolve", "off")
        highs.run()
        status = status_of(highs)
    point = read_point(highs, arrays)
    info = highs.getInfo()
    if status is Status.USER_LIMIT and info.primal_solution_status != FEASIBLE_POINT:
        point = replace(point, x=np.full(arrays.shape[1], np.nan))  # no incumbent
    bound = float(info.mip_dual_bound) if arrays.integral.any() else float(arrays.cost @ point.x)
    statistics = Statistics(*arrays.shape, int(arrays.matrix.nnz), max(0, int(info.simplex_iteration_count)),
                            built - started, time.perf_counter() - built)  # fmt: skip
    return Solved(composition, arrays, point, status, bound, residuals(arrays, point), statistics, method)


def _lazily(design: Design, options: Options) -> Solved:
    truth, symmetry = Truth(design), Symmetry.of(design)
    core = design.core if symmetry is None else symmetry.fold(design.core, symmetry.rows)
    scale = max(1.0, float(design.tightest))
    pending: list[Callable[[], Indices]] = [truth.start]

    def family_of(labels: Indices) -> Family:
        family = truth.family(labels)
        return family if symmetry is None else symmetry.folded(family)

    def incentives(x: Array, tolerance: float) -> Cuts:
        if pending:
            labels = pending.pop()()
            gains = np.full(len(labels), np.inf)
        else:
            point = x if symmetry is None else np.array(symmetry.spread(x.tolist()))
            labels, gains = truth.violated(*split(design, point), tolerance)
        if symmetry is not None and len(labels):
            names = TRUTH[labels.shape[1]]
            first = symmetry.orbits({n: labels[:, k] for k, n in enumerate(names)}).first
            labels, gains = labels[first], gains[first]
        family = family_of(labels)
        matrix = core.matrix(family) if family.blocks else np.zeros((0, core.columns))
        return Cuts(matrix, family.rhs, gains, np.arange(len(labels)), labels)

    found = solve_lazily(
        core.arrays(), {"gamma": incentives}, tolerance=1e-10 * scale, time_limit=options.time_limit,
        options=options.options, progress=options.progress,
    )  # fmt: skip
    used = [family_of(found.labels["gamma"])] if len(found.labels["gamma"]) else []
    composition = core.with_families([*core.families, *used])
    return Solved(
        composition, composition.arrays(), found.point, found.status, found.bound, found.residuals, found.statistics,
        "lazy", symmetry, truth,
    )  # fmt: skip
