"""A bound from above for regret on a box cut by a budget: convex utilities on a triangulation.

The grid's cells are cut into simplices along the planes where a sum of consecutive goods' grid indices is an integer
(Freudenthal's triangulation in partial sums), so a budget on the sum of all goods meets them along their facets when
the goods have equal steps. The buyer's utility u is linear on each simplex, its gradient q the chances there:

    min   r
    s.t.  r >= 1'(v - c)^+ - q(s)'(v - c) + u(v)     simplex s meeting the budget, its corners v   [alpha(s, v)]
          u(a) + u(b) >= u(c) + u(d)                 parallelograms a + b = c + d of neighbours    [gamma]
          0 <= q(s) <= 1                             every simplex s                               [lambda], [chance]
          u >= 0

The second family makes u convex, so picking the utility's gradient is incentive compatible on the whole box; regret
on a simplex is convex (u - q'v is constant there), so its corners decide. The optimum is an upper bound, O(1/n).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mechopt.models.moments import bounds as moment_bounds
from mechopt.models.moments import features
from mechopt.models.regret.regret_pricing import RegretPricing
from mechopt.solvers.program import Array, Program

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Triangulation:
    """Freudenthal's triangulation, in partial sums, of the grid 0..n in J dimensions.

    `simplices` (M, J + 1): flat positions of each simplex's corners, each a move from the one before; `moves` (M, J):
    which of the J moves it is: move i raises good i and lowers good i + 1, the last only raises the last good.

    >>> Triangulation(2, 2).simplices.shape
    (8, 3)
    """

    n: int
    goods: int

    @cached_property
    def strides(self) -> list[int]:
        """Distance in flat positions of neighbours along each good."""
        return [(self.n + 1) ** (self.goods - 1 - j) for j in range(self.goods)]

    @cached_property
    def _both(self) -> tuple[Index, Index]:
        shape = (self.n + 1,) * self.goods
        base = np.stack([x.ravel() for x in np.meshgrid(*(np.arange(s) for s in shape), indexing="ij")], axis=1)
        steps = np.eye(self.goods, dtype=np.int64) - np.eye(self.goods, k=1, dtype=np.int64)
        corners, moves = [], []
        for order in itertools.permutations(range(self.goods)):
            path = [base]
            for move in order:
                path.append(path[-1] + steps[move])
            inside = np.all([((p >= 0) & (p <= self.n)).all(axis=1) for p in path], axis=0)
            corners.append(np.stack([p[inside] @ np.array(self.strides) for p in path], axis=1))
            moves.append(np.tile(order, (int(inside.sum()), 1)))
        return np.concatenate(corners), np.concatenate(moves)

    @property
    def simplices(self) -> Index:
        """Corners of every simplex, (M, J + 1)."""
        return self._both[0]

    @property
    def moves(self) -> Index:
        """The moves from corner to corner, (M, J)."""
        return self._both[1]

    def gradient(self, simplices: Index, moves: Index, steps: Array) -> sp.csr_array:
        """The matrix that takes utilities at the nodes to chances: row s * J + j is good j's on simplex s."""
        M, J = moves.shape
        place = np.argsort(moves, axis=1)  # where along the path each move happens
        rows, columns, entries = [], [], []
        for j in range(J):
            for move in range(j, J):  # q_j h_j is the sum of u's rises along moves j, ..., J
                at = place[:, move]
                for end, sign in ((at + 1, 1.0), (at, -1.0)):
                    rows.append(np.arange(M) * J + j)
                    columns.append(simplices[np.arange(M), end])
                    entries.append(np.full(M, sign / steps[j]))
        triplets = (np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns)))
        return sp.csr_array(triplets, shape=(M * J, (self.n + 1) ** self.goods))

    @cached_property
    def parallelograms(self) -> Index:
        """(a, b, c, d) with a + b = c + d across every inner facet, (P, 4): u is convex iff u_a + u_b >= u_c + u_d."""
        corner, J = self.simplices, self.goods
        found = [np.column_stack([corner[:, i], corner[:, i - 1] + corner[:, i + 1] - corner[:, i],
                                  corner[:, i - 1], corner[:, i + 1]]) for i in range(1, J)]  # fmt: skip
        far = corner[:, J] + corner[:, 1] - corner[:, 0]
        found.append(np.column_stack([corner[:, 0], far, corner[:, 1], corner[:, J]]))
        rows = np.concatenate(found)
        index = self._indices(rows)
        straight = (index[:, 0] + index[:, 1] == index[:, 2] + index[:, 3]).all(axis=1)
        rows = rows[straight & (rows >= 0).all(axis=1) & (rows < (self.n + 1) ** J).all(axis=1)]
        return np.unique(np.column_stack([np.sort(rows[:, :2], axis=1), np.sort(rows[:, 2:], axis=1)]), axis=0)

    def _indices(self, flat: Index) -> Index:
        return np.stack([(flat // s) % (self.n + 1) for s in self.strides], axis=-1)


def nodes(model: RegretPricing) -> Array:
    """All grid points of the box, budget or not, (N_all, J), money."""
    axes = [np.array([float(x) for x in axis]) for axis in model.axes]
    return np.stack([x.ravel() for x in np.meshgrid(*axes, indexing="ij")], axis=1)


def steps(model: RegretPricing) -> Array:
    """Distance of neighbouring values per good, (J,), money."""
    return np.array([float(axis[1] - axis[0]) for axis in model.axes])


def meets_budget(model: RegretPricing, mesh: Triangulation) -> NDArray[np.bool_]:
    """Which simplices hold a point within the budget: those with a corner within it, (M,)."""
    return np.asarray(model.member[mesh.simplices].any(axis=1))


def program(model: RegretPricing) -> Program:
    """The seller's program on the triangulated box."""
    mesh = Triangulation(model.points or 1, model.goods)
    V, c = nodes(model), model.costs
    u = cp.Variable(len(V), name="u")
    r = cp.Variable(name="r")
    gradient = mesh.gradient(mesh.simplices, mesh.moves, steps(model))
    kept = np.flatnonzero(meets_budget(model, mesh))
    corners = mesh.simplices[kept]  # (K, J + 1)
    J = model.goods
    spend = sp.csr_array(
        (
            (V[corners] - c).ravel(),
            (np.repeat(np.arange(corners.size), J), (kept[:, None, None] * J + np.arange(J)).repeat(J + 1, 1).ravel()),
        ),
        shape=(corners.size, gradient.shape[0]),
    )
    at = sp.csr_array((np.ones(corners.size), (np.arange(corners.size), corners.ravel())), shape=(corners.size, len(V)))
    surplus = np.maximum(V - c, 0).sum(axis=1)[corners].ravel()
    a, b, low, high = mesh.parallelograms.T
    sigma = cp.Variable(len(model.sides), name="sigma") if model.sides else np.zeros(0)
    known = features(V, model.sides)[corners.ravel()] @ sigma
    return Program(cp.Minimize(r + moment_bounds(model.sides) @ sigma), {
        "alpha": r + known >= surplus + (at - spend @ gradient) @ u,
        "gamma": u[a] + u[b] >= u[low] + u[high],
        "lambda": gradient @ u <= 1,
        "chance": gradient @ u >= 0,
        "beta": u >= 0,
        **({"sigma": sigma >= 0} if model.sides else {}),
    })  # fmt: skip


def strictly_convex(model: RegretPricing) -> Array:
    """A utility with room in every row: half of every good, and a little curvature across every facet, (N_all,)."""
    n, J = model.points or 1, model.goods
    index = np.stack([x.ravel() for x in np.meshgrid(*(np.arange(n + 1),) * J, indexing="ij")], axis=1)
    sums = np.cumsum(index, axis=1)
    curved = (sums**2).sum(axis=1) + sum((sums[:, i] - sums[:, j]) ** 2 for i in range(J) for j in range(i))
    h = steps(model)
    steep = 8.0 * J**3 * n  # no gradient of `curved` per step exceeds this
    return np.asarray((index * h).sum(axis=1) / 2 + h.min() / (4 * steep) * curved + h.min() / 8)


@dataclass(frozen=True)
class TriangulatedMechanism:
    """The buyer gets the gradient of a convex utility, linear on every simplex; the lower corner's when on an edge.

    `utility` (N_all,) at the nodes, `lower`, `step` (J,), money, n steps per good.
    """

    utility: Array
    lower: Array
    step: Array
    n: int

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Allocation (..., J) and payment (...) at values (..., J) of the box."""
        values = np.asarray(values, dtype=float)
        J = len(self.step)
        v = values.reshape(-1, J)
        x = np.clip((v - self.lower) / self.step, 0, self.n)
        inside = self.n / 2 + (x - self.n / 2) * (1 - 1e-9)  # a hair off the box's faces, where simplices end
        sums = np.cumsum(inside, axis=1)
        whole = np.floor(sums + 1e-12)
        base = np.diff(whole, axis=1, prepend=0.0).astype(np.int64)
        order = np.argsort(-(sums - whole), axis=1, kind="stable")
        moves = np.eye(J, dtype=np.int64) - np.eye(J, k=1, dtype=np.int64)
        strides = np.array([(self.n + 1) ** (J - 1 - j) for j in range(J)])
        table = self.utility
        rise = np.zeros((len(v), J))
        here = base
        for i in range(J):
            following = here + moves[order[:, i]]
            rise[np.arange(len(v)), order[:, i]] = (
                table[np.clip(following, 0, self.n) @ strides] - table[np.clip(here, 0, self.n) @ strides]
            )
            here = following
        q = np.cumsum(rise[:, ::-1], axis=1)[:, ::-1] / self.step
        start = np.clip(base, 0, self.n)
        u = table[start @ strides] + (q * (v - self.lower - start * self.step)).sum(axis=1)
        return q.reshape(values.shape), ((q * v).sum(axis=1) - u).reshape(values.shape[:-1])
