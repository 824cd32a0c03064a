"""The auction's program by orbits with lazily generated incentive rows: several goods, where neighbours do not suffice.

In utilities, u = q'v - m at every seat (models/regret/regret_auction_orbits.py), the program is

    min   r
    s.t.  r - sum_i u^i + sum_i q^i'v^i >= sum_j max_i v_j^i      one row per orbit           [alpha]
          u(v) - u(w) - q(w)'(v - w) >= 0                         own types v, w of a line    [gamma]
          sum_i q^i <= 1                                          orbits and goods            [lambda]
          u >= 0,  0 <= q <= 1

It starts from reports one grid step away in one good and adds the most violated others, two per seat and round.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from mechopt.models.outcome import Options
from mechopt.models.regret.regret_auction import RegretAuction
from mechopt.models.regret.regret_auction_orbits import Indices, Orbits, pairs
from mechopt.solvers.linear import LinearProgram
from mechopt.solvers.program import Array, Solution
from mechopt.solvers.row_generation import Cuts, solve_lazily

TOP = 2  # rows added per seat and round
TOLERANCE = 1e-10  # money in units of the highest bound


@dataclass
class _Incentives:
    """The rows gamma of a program with S seats: the axis neighbours when first asked, then whatever is violated."""

    values: Array  # (S, J)
    types: int
    start: list[tuple[Indices, Indices]] = field(default_factory=list)

    def __call__(self, x: Array, tolerance: float) -> Cuts:
        seats, goods = self.values.shape
        if self.start:
            here, there = self.start.pop()
            return self._cuts(here, there, np.full(len(here), np.inf), np.arange(len(here)))
        V = self.values.reshape(-1, self.types, goods)
        u = x[1 : 1 + seats].reshape(-1, self.types)
        q = x[1 + seats :].reshape(V.shape)
        paid = (q * V).sum(axis=2) - u
        gain = V @ q.transpose(0, 2, 1) - paid[:, None, :] - u[:, :, None]
        line, true, report = np.nonzero(gain > tolerance)
        here, there = line * self.types + true, line * self.types + report
        return self._cuts(here, there, gain[line, true, report], here)

    def _cuts(self, here: Indices, there: Indices, violation: Array, group: Indices) -> Cuts:
        seats, goods = self.values.shape
        step = self.values[here] - self.values[there]
        row = np.arange(len(here))
        columns = [1 + here, 1 + there, *(1 + seats + there * goods + j for j in range(goods))]
        entries = [np.ones(len(here)), -np.ones(len(here)), *(-step[:, j] for j in range(goods))]
        place = (np.tile(row, 2 + goods), np.concatenate(columns))
        matrix = sp.csr_array((np.concatenate(entries), place), shape=(len(here), 1 + seats * (1 + goods)))
        return Cuts(matrix, np.zeros(len(here)), violation, group, np.column_stack([here, there]))


def core(model: RegretAuction, found: Orbits, V: Array) -> LinearProgram:
    """The program without its rows gamma; columns r, u (S), q (S J); rows alpha (O), then lambda (O J)."""
    seats, goods = V.shape
    values = model.values / float(max(model.best))
    offers = values[np.arange(model.bidders), found.steps[found.first]]  # (O, I, J)
    surplus = offers.max(axis=1).sum(axis=1)
    place = np.repeat(np.arange(seats), goods)
    worth = sp.csr_array((V.ravel(), (place, np.arange(seats * goods))), shape=(seats, seats * goods))
    regret = sp.hstack([np.ones((len(surplus), 1)), -found.total, found.total @ worth])
    crowd = sp.kron(found.total, sp.eye_array(goods))
    capacity = sp.hstack([sp.csr_array((crowd.shape[0], 1 + seats)), -crowd])
    size = 1 + seats * (1 + goods)
    high = np.concatenate([np.full(1 + seats, np.inf), np.ones(seats * goods)])
    lower = np.concatenate([surplus, -np.ones(crowd.shape[0])])
    matrix: Any = sp.vstack([regret, capacity], format="csc")
    return LinearProgram(
        np.eye(1, size)[0], matrix, lower, np.full(len(lower), np.inf), np.zeros(size), high, np.zeros(size, bool)
    )


def solve_rows(model: RegretAuction, found: Orbits, options: Options) -> tuple[Solution, Indices, Indices]:
    """The solution by the letters q, m, alpha and gamma, and the seats (true, reported) of the multipliers gamma.

    Money in units of the highest bound.
    """
    V = found.per_seat(model.values / float(max(model.best)))
    seats, goods = V.shape
    here, there = pairs(found, adjacent=False)
    steps = np.stack(np.unravel_index(np.arange(model.types), (model.points + 1,) * goods), axis=1)
    near = np.abs(steps[here % model.types] - steps[there % model.types]).sum(axis=1) == 1
    solution = solve_lazily(
        core(model, found, V), {"gamma": _Incentives(V, model.types, [(here[near], there[near])])}, per_group=TOP,
        tolerance=TOLERANCE, time_limit=options.time_limit, options=options.options, progress=options.progress,
    )  # fmt: skip
    x = solution.point.x
    q = x[1 + seats :].reshape(seats, goods)
    primal = {"q": q, "m": (q * V).sum(axis=1) - x[1 : 1 + seats]}
    dual = {"alpha": solution.point.y[: len(found.first)], "gamma": solution.multipliers["gamma"]}
    labels = solution.labels["gamma"].reshape(-1, 2) if len(dual["gamma"]) else np.zeros((0, 2), np.int64)
    made = Solution(
        solution.status, solution.value, solution.bound, primal, dual, solution.residuals, solution.statistics
    )
    return made, labels[:, 0], labels[:, 1]
