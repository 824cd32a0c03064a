"""The linear program of one period in HiGHS, kept alive: cuts enter only for the profile where they are violated."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
import scipy.sparse as sp

from mechopt.models.dynamic.several_cuts import CutList, make_cut
from mechopt.models.dynamic.several_period import Cut, Indices, Period
from mechopt.solvers.highs import FEASIBILITY, load
from mechopt.solvers.linear import LinearProgram
from mechopt.solvers.program import Array

ROUNDS = 200  # rounds of lazy cuts per solve: each adds at most one per profile
MANY = 5  # lazy rows per profile beyond which slack ones are dropped
SLACK = 1e-3


@dataclass(frozen=True)
class Solved:
    """A solved period program: its value, allocation and balances after (k, N), theta (N,), and the cut it gives."""

    value: float
    allocation: Array
    after: Array
    theta: Array
    cut: Cut
    xi: Array
    optimal: bool  # else stopped by the clock: the cut holds all the same, the tables are nobody's


class PeriodProgram:
    """The program of period t with the cuts of period t + 1; the root has all xi as variables, the others as data."""

    def __init__(
        self,
        period: Period,
        following: CutList | None,
        dimension: int,
        root: bool,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """`dimension`: D_t, of xi from this period on; `options`: HiGHS's own."""
        self.options = {"presolve": "off", "threads": 1, **(options or {})}
        self.period, self.following, self.root, self.dimension = period, following, root, dimension
        self.program: highspy.Highs | None = None
        self.profile: list[int] = []  # of the lazy rows
        self.cut: list[int] = []
        self.known: set[tuple[int, int]] = set()
        self.iterations = 0

    def _load(self) -> highspy.Highs:
        """The rows mu and beta over columns w, z, theta and, at the root, xi."""
        period = self.period
        _, _, at = period.columns()
        theta = period.N if self.following is not None else 0
        xi = self.dimension if self.root else 0
        blocks = [period.rows, sp.csr_array((period.rows.shape[0], theta))]
        cost = [-np.concatenate([worth.ravel() for worth in period.worth]), np.zeros(period.slack), -period.f[:theta]]
        if self.root:
            rows = np.arange(period.slack)
            entries = (-np.ones(period.slack), (period.N + rows, rows))
            blocks.append(sp.csr_array(entries, shape=(period.rows.shape[0], xi)))
            cost += [period.chances, np.zeros(xi - period.slack)]  # later xi cost what the cuts say
        columns = at + theta + xi
        lower = np.zeros(columns)
        lower[at : at + theta] = -np.inf
        matrix = sp.hstack(blocks, format="csc")
        height = matrix.shape[0]
        upper = np.concatenate([np.ones(period.N), np.zeros(period.slack)])
        program = LinearProgram(
            np.concatenate(cost), matrix, np.full(height, -np.inf), upper, lower, np.full(columns, np.inf),
            np.zeros(columns, dtype=bool),
        )  # fmt: skip
        self.theta_at, self.xi_at, self.base = at, at + theta, height
        self.balance = [m.tocsr() for m in period.balance]
        return load(program, self.options)

    def solve(self, balances: Array, xi: Array | None, tolerance: float, end: float = math.inf) -> Solved:
        """Optimise at balances (k,) and xi (D_t,) of this and later periods; None leaves the root's xi free.

        `end`: when to stop, on the monotonic clock.
        """
        if self.program is None:
            self.program = self._load()
            if self.following is not None:
                self._add(np.arange(self.period.N), np.zeros(self.period.N, dtype=np.int64), xi)
        self._purge()
        self._place(balances, xi)
        renewed = False
        while True:
            x, duals, optimal = self._run(end)
            if not optimal and not renewed and time.monotonic() < end:
                renewed = True
                self._renew(balances, xi)
                continue
            if not optimal or self.following is None or not self._separate(x, xi, tolerance):
                break
        return self._read(x, duals, balances, xi, optimal)

    def _place(self, balances: Array, xi: Array | None) -> None:
        """Balances and xi into the right sides."""
        program, period = self.program, self.period
        assert program is not None
        before = np.repeat(balances, np.diff(period.start))
        if self.root:
            lower = np.zeros(self.dimension) if xi is None else xi
            upper = np.full(self.dimension, np.inf) if xi is None else xi
            which = np.arange(self.xi_at, self.xi_at + self.dimension, dtype=np.int32)
            program.changeColsBounds(len(which), which, lower, upper)
            return
        assert xi is not None
        limit = before + xi[: period.slack]
        rows = np.arange(period.N, period.N + period.slack, dtype=np.int32)
        if self.following is not None and self.cut:
            cuts = np.array(self.cut)
            ends = self.following.constant[cuts] + self.following.later[cuts] @ xi[period.slack :]
            limit = np.concatenate([limit, ends])
            rows = np.concatenate([rows, np.arange(self.base, self.base + len(cuts), dtype=np.int32)])
        program.changeRowsBounds(len(rows), rows, np.full(len(rows), -np.inf), limit)

    def _run(self, end: float) -> tuple[Array, Array, bool]:
        """The point, the multipliers (nonnegative for rows) and whether they are optimal."""
        program = self.program
        assert program is not None
        if math.isfinite(end):
            program.setOptionValue("time_limit", program.getRunTime() + max(0.0, end - time.monotonic()))
        program.run()
        for tolerance in (FEASIBILITY, FEASIBILITY, 10 * FEASIBILITY, 1000 * FEASIBILITY):
            if program.getModelStatus() == highspy.HighsModelStatus.kOptimal or time.monotonic() >= end:
                break
            program.clearSolver()  # warm starts at tight tolerances sometimes end without a verdict
            program.setOptionValue("primal_feasibility_tolerance", tolerance)
            program.setOptionValue("dual_feasibility_tolerance", tolerance)
            program.run()
        solution = program.getSolution()
        self.iterations += max(0, program.getInfo().simplex_iteration_count)
        optimal = program.getModelStatus() == highspy.HighsModelStatus.kOptimal
        x, duals = np.asarray(solution.col_value), -np.asarray(solution.row_dual)
        if len(x) != program.numVariables or len(duals) != program.numConstrs:
            return np.zeros(program.numVariables), np.zeros(program.numConstrs), False
        return x, duals, optimal

    def _renew(self, balances: Array, xi: Array | None) -> None:
        """The same rows in a new solver, for when the old one gave up."""
        profile, cut = (np.array(rows, dtype=np.int64) for rows in (self.profile, self.cut))
        self.profile, self.cut, self.known = [], [], set()
        self.program = self._load()
        if self.following is not None:
            self._add(profile, cut, xi)
        self._place(balances, xi)

    def _purge(self) -> None:
        """Drop lazy rows that were slack at the last point, once there are many of them."""
        program = self.program
        assert program is not None
        if len(self.cut) <= MANY * self.period.N or program.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return
        solution = program.getSolution()
        if len(solution.row_value) != self.base + len(self.cut):
            return
        slack = np.asarray(program.getLp().row_upper_)[self.base :] - np.asarray(solution.row_value)[self.base :]
        drop = np.flatnonzero(slack > SLACK * (1.0 + np.abs(slack).max()))
        if not len(drop):
            return
        program.deleteRows(len(drop), (self.base + drop).astype(np.int32))
        keep = np.setdiff1d(np.arange(len(self.cut)), drop)
        self.profile, self.cut = [self.profile[r] for r in keep], [self.cut[r] for r in keep]
        self.known = set(zip(self.profile, self.cut, strict=True))

    def _after(self, x: Array) -> Array:
        part = x[: self.period.prices + self.period.slack]
        return np.stack([matrix @ part for matrix in self.balance])

    def _separate(self, x: Array, xi: Array | None, tolerance: float) -> bool:
        """Add the lowest cut of every profile where theta stands above it; whether there was one."""
        period, cuts = self.period, self.following
        assert cuts is not None
        later = x[self.xi_at :][period.slack :] if self.root else xi[period.slack :]  # type: ignore[index]
        bounds = self._after(x).T @ cuts.slope.T + (cuts.constant + cuts.later @ later)
        lowest = bounds.argmin(axis=1)
        theta = x[self.theta_at : self.theta_at + period.N]
        wrong = np.flatnonzero(theta > bounds[np.arange(period.N), lowest] + tolerance)
        wrong = np.array([v for v in wrong if (int(v), int(lowest[v])) not in self.known], dtype=np.int64)
        if not len(wrong):
            return False
        self._add(wrong, lowest[wrong], xi)
        return True

    def _add(self, profiles: Indices, which: Indices, xi: Array | None) -> None:
        """Rows theta(v) - s'y(v) - r'xi <= a, xi a variable at the root and data elsewhere."""
        period, cuts, program = self.period, self.following, self.program
        assert cuts is not None
        assert program is not None
        count = len(profiles)
        blocks = sp.csr_array((count, period.prices + period.slack))
        for i, matrix in enumerate(self.balance):
            blocks = blocks - sp.diags_array(cuts.slope[which, i]) @ matrix[profiles]
        unit = sp.csr_array((np.ones(count), (np.arange(count), profiles)), shape=(count, period.N))
        parts = [blocks, unit]
        ends = cuts.constant[which]
        if self.root:
            parts.append(sp.csr_array(np.hstack([np.zeros((count, period.slack)), -cuts.later[which]])))
        else:
            assert xi is not None
            ends = ends + cuts.later[which] @ xi[period.slack :]
        matrix = sp.hstack(parts, format="csr")
        matrix.eliminate_zeros()
        program.addRows(
            count, np.full(count, -np.inf), ends, matrix.nnz, matrix.indptr.astype(np.int32),
            matrix.indices.astype(np.int32), matrix.data,
        )  # fmt: skip
        self.profile += profiles.tolist()
        self.cut += which.tolist()
        self.known.update(zip(profiles.tolist(), which.tolist(), strict=True))

    def _read(self, x: Array, duals: Array, balances: Array, xi: Array | None, optimal: bool) -> Solved:
        """Tables and the cut of the multipliers."""
        period = self.period
        allocation, after = period.allocation(x), self._after(x)
        theta, found = np.zeros(period.N), x[self.xi_at :] if self.root else np.asarray(xi)
        profiles = cuts = np.zeros(0, dtype=np.int64)
        weights = np.zeros(0)
        if self.following is not None:
            theta = x[self.theta_at : self.theta_at + period.N]
            pi = np.maximum(duals[self.base :], 0.0)
            keep = np.flatnonzero(pi > 0)
            profiles, cuts = (np.array(where, dtype=np.int64)[keep] for where in (self.profile, self.cut))
            weights = pi[keep] / np.bincount(profiles, pi[keep], period.N)[profiles]
            missing = np.setdiff1d(np.arange(period.N), profiles)
            if len(missing):  # a profile whose multipliers a solver lost stands on the first cut
                profiles = np.concatenate([profiles, missing])
                cuts, weights = np.append(cuts, 0 * missing), np.append(weights, 1.0 + 0 * missing)
        cut = make_cut(period, self.following, self.dimension, (profiles, cuts, weights), duals[: self.base])
        value = cut.constant + float(cut.slope @ balances) + float(cut.later @ found)
        return Solved(value, allocation, after, theta, cut, found, optimal)
