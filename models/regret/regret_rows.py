"""Any list of profiles: program (2.6) with its incentive rows generated where they are violated.

In u(v) = q(v)'v - m(v) the program reads

    min   r
    s.t.  r >= 1'(v - c)^+ - q(v)'(v - c) + u(v)      for v in V       [alpha(v)]
          u(v) - u(w) >= q(w)'(v - w)                 for v, w in V    [gamma(v, w)], generated
          u(v) >= 0, 0 <= q(v) <= 1                   for v in V       [beta(v)], [lambda(v)]

Two devices keep the number of rows near N. The start holds, for each profile, the rows with its neighbours along
every axis and in the Delaunay triangulation. And the tilt: minimise r - (eps / N) sum_v u(v) first. It picks the
largest utility on the optimal face, for which the rows already there imply nearly all others; the value does not
change, and the true objective is restored from that basis at the end.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.spatial import Delaunay, QhullError

from mechopt.models.moments import bounds as moment_bounds
from mechopt.models.moments import features
from mechopt.models.outcome import Options
from mechopt.models.regret.regret_pricing import RegretPricing
from mechopt.solvers.linear import LinearProgram
from mechopt.solvers.program import Array
from mechopt.solvers.row_generation import Cuts, LazySolution, solve_lazily

TILT = 0.5
BLOCK = 512
TOP = 8  # candidate rows per profile and round

Pairs = NDArray[np.int64]


def core(model: RegretPricing) -> LinearProgram:
    """Columns r, u (N,), q (N, J) row by row, sigma (K,); the regret rows; capacity and participation as bounds."""
    V, c = model.values, model.costs
    N, J = V.shape
    at = np.arange(N)
    known = features(V, model.sides)
    K = known.shape[1]
    rows = np.concatenate([at, at, np.repeat(at, J), np.repeat(at, K)])
    sigma = np.tile(1 + N + N * J + np.arange(K), N)
    columns = np.concatenate([np.zeros(N, int), 1 + at, 1 + N + np.arange(N * J), sigma])
    entries = np.concatenate([np.ones(N), -np.ones(N), (V - c).ravel(), known.ravel()])
    size = 1 + N + N * J + K
    lower = np.zeros(size)
    lower[0] = -np.inf
    upper = np.concatenate([[np.inf], np.full(N, np.inf), np.ones(N * J), np.full(K, np.inf)])
    cost = np.zeros(size)
    cost[0] = 1.0
    cost[1 + N + N * J :] = moment_bounds(model.sides)
    matrix = sp.csc_array((entries, (rows, columns)), shape=(N, size))
    return LinearProgram(cost, matrix, model.surplus, np.full(N, np.inf), lower, upper, np.zeros(size, bool))


def incentive_rows(V: Array, pairs: Pairs, size: int) -> sp.csr_array:
    """Rows u(v) - u(w) - q(w)'(v - w) for pairs (v, w), (M, 2), in a program of `size` columns."""
    N, J = V.shape
    v, w = pairs[:, 0], pairs[:, 1]
    M = len(pairs)
    rows = np.concatenate([np.arange(M), np.arange(M), np.repeat(np.arange(M), J)])
    columns = np.concatenate([1 + v, 1 + w, (1 + N + w[:, None] * J + np.arange(J)).ravel()])
    entries = np.concatenate([np.ones(M), -np.ones(M), -(V[v] - V[w]).ravel()])
    return sp.csr_array((entries, (rows, columns)), shape=(M, size))


def start_pairs(V: Array) -> Pairs:
    """Neighbours, both ways: along every axis, those that differ in that coordinate alone; and Delaunay's.

    Scattered profiles have no axis neighbours; without Delaunay's the rounds multiply by ten.
    """
    found = [_axis_neighbours(V, j) for j in range(V.shape[1])]
    if V.shape[1] > 1 and len(V) > V.shape[1] + 1:
        try:
            starts, neighbours = Delaunay(V).vertex_neighbor_vertices
            found.append(np.column_stack([np.repeat(np.arange(len(V)), np.diff(starts)), neighbours]))
        except QhullError:  # profiles on a line or a plane: their axis neighbours are what there is
            pass
    return np.unique(np.concatenate(found).astype(np.int64), axis=0)


def _axis_neighbours(V: Array, j: int) -> Pairs:
    others = np.delete(V, j, axis=1)
    order = np.lexsort((V[:, j], *others.T))
    same = (others[order[1:]] == others[order[:-1]]).all(axis=1)
    low, high = order[:-1][same], order[1:][same]
    return np.concatenate([np.column_stack([high, low]), np.column_stack([low, high])])


def violated(V: Array, u: Array, q: Array, tolerance: float, top: int = TOP) -> tuple[Pairs, Array]:
    """The worst misreports of every type that gains more than the tolerance: pairs (v, w), and the gains.

    A blocked product of types by menu entries, each distinct entry once: N x K, not N x N.
    """
    entries = np.round(np.column_stack([q, (q * V).sum(axis=1) - u]), 12)
    _, report = np.unique(entries, axis=0, return_index=True)
    Q, M = q[report], (q[report] * V[report]).sum(axis=1) - u[report]
    pairs, gains = [], []
    for start in range(0, len(V), BLOCK):
        gain = V[start : start + BLOCK] @ Q.T - M - u[start : start + BLOCK, None]
        bad = np.flatnonzero(gain.max(axis=1) > tolerance)
        if not len(bad):
            continue
        part = gain[bad]
        k = min(top, part.shape[1])
        best = np.argpartition(-part, k - 1, axis=1)[:, :k]
        worth = np.take_along_axis(part, best, axis=1)
        row, column = np.nonzero(worth > tolerance)
        pairs.append(np.column_stack([start + bad[row], report[best[row, column]]]))
        gains.append(worth[row, column])
    if not pairs:
        return np.zeros((0, 2), np.int64), np.zeros(0)
    return np.concatenate(pairs), np.concatenate(gains)


def solve_rows(model: RegretPricing, options: Options) -> LazySolution:
    """Solve program (2.6) on any profiles; labels are pairs (v, w), multipliers gamma(v, w)."""
    V = model.values
    N, J = V.shape
    pending = [start_pairs(V)]
    program = core(model)
    size = program.shape[1]

    def incentives(x: Array, tolerance: float) -> Cuts:
        if pending:  # the first call hands over the start, whatever the point
            pairs = pending.pop()
            gains = np.full(len(pairs), np.inf)
            group = np.arange(len(pairs))
        else:
            pairs, gains = violated(V, x[1 : 1 + N], x[1 + N : 1 + N + N * J].reshape(N, J), tolerance)
            group = pairs[:, 0]
        return Cuts(incentive_rows(V, pairs, size), np.zeros(len(pairs)), gains, group, pairs)

    tilted = program.cost.copy()
    tilted[1 : 1 + N] = -TILT / N
    scale = max(1.0, float(model.surplus.max()))
    return solve_lazily(
        program, {"gamma": incentives}, costs=[tilted], per_group=TOP, tolerance=1e-10 * scale,
        time_limit=options.time_limit, options=options.options, progress=options.progress,
    )  # fmt: skip
