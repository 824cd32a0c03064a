"""Nature against a second price auction: dual program (1.8) by row generation over all profiles of a grid.

    min   -lambda + sum_k b_k sigma_k
    s.t.  lambda - sum_k sigma_k f_k(v) <= rev(v)     for all profiles v of the grid     [P(v)]
          sigma >= 0

There are (m + 1)^I rows. Revenue depends on the two highest values only, and the moment terms add up over bidders, so
the most violated rows are found in O(I m) steps: for every bidder as the winner and every value b as the others'
highest, each takes the value she likes best. The multipliers of the rows are nature's distribution.

The infimum need not be attained: just below the reserve nothing is sold. The grid holds the reserve twice, the first
(r-) at the same place and not selling, so the value is that of the closure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mechopt.models.moments import Side
from mechopt.models.outcome import Options
from mechopt.solvers.linear import LinearProgram
from mechopt.solvers.program import Array
from mechopt.solvers.row_generation import Cuts, LazySolution, solve_lazily

LARGEST = 1e7  # multipliers beyond this mean that the moments are all but impossible
TOLERANCE = 1e-12


@dataclass(frozen=True)
class Grid:
    """A bidder's values, increasing, (m,); those before `first` do not sell. r- stands before r, at the same place.

    >>> grid = Grid.of([Fraction(k, 2) for k in range(3)], Fraction(1, 2))
    >>> assert [float(x) for x in grid.exact] == [0, 0.5, 0.5, 1] and grid.first == 2
    """

    exact: tuple[Fraction, ...]
    first: int
    reserve: Fraction

    @classmethod
    def of(cls, values: Sequence[Fraction], reserve: Fraction, gap: Fraction = Fraction(0)) -> Grid:
        """The grid of some values with the reserve added, and r- (or r less the gap) before it where r is positive."""
        below = sorted({x for x in values if x < reserve - gap})
        below += [max(reserve - gap, Fraction(0))] if reserve > 0 else []
        return cls((*below, *sorted({reserve, *(x for x in values if x > reserve)})), len(below), reserve)

    @property
    def values(self) -> Array:
        """As floats, (m,)."""
        return np.array([float(x) for x in self.exact])

    def revenue(self, profiles: NDArray[np.int64]) -> Array:
        """What the auction earns at profiles of positions, (M, I): the second highest value or the reserve, (M,)."""
        ranked = np.sort(profiles, axis=1)
        second = self.values[ranked[:, -2]] if profiles.shape[1] > 1 else np.zeros(len(profiles))
        return np.where(ranked[:, -1] >= self.first, np.maximum(second, float(self.reserve)), 0.0)


@dataclass(frozen=True)
class Reply:
    """Nature's reply: the multipliers sigma, (K,), atoms as positions in the grid, (A, I), and their masses, (A,)."""

    sigma: Array
    atoms: NDArray[np.int64]
    mass: Array
    solution: LazySolution

    @property
    def value(self) -> float:
        """Worst-case expected revenue on the grid."""
        return -self.solution.value


def reply(grid: Grid, sides: Sequence[Side], bidders: int, options: Options) -> Reply:
    """Nature's reply to the second price auction with the grid's reserve. Raises ValueError for unknown options."""
    run = _Separation(grid, sides, bidders)
    K = len(sides)
    ends = np.array([np.full(bidders, k) for k in range(len(grid.exact))])
    tops = np.where(np.eye(bidders, dtype=bool), len(grid.exact) - 1, max(grid.first - 1, 0))
    start = np.unique(np.concatenate([ends, tops]), axis=0)
    matrix, lower = run.rows(start)
    run.known |= {tuple(p) for p in start.tolist()}
    core = LinearProgram(
        np.array([-1.0, *(float(s.bound) for s in sides)]), sp.csc_array(matrix), lower,
        np.full(len(start), np.inf), np.array([-LARGEST * (1 + K)] + [0.0] * K), np.array([1.0] + [LARGEST] * K),
        np.zeros(K + 1, dtype=bool),
    )  # fmt: skip
    found = solve_lazily(
        core, {"P": run}, per_group=2, tolerance=TOLERANCE, time_limit=options.time_limit, options=options.options,
        progress=options.progress,
    )  # fmt: skip
    generated = found.labels["P"]
    atoms = np.concatenate([start, generated]) if len(generated) else start
    mass = np.maximum(np.concatenate([found.point.y[: len(start)], found.multipliers["P"]]), 0.0)
    keep = mass > 1e-13
    return Reply(np.maximum(found.point.x[1:], 0.0), atoms[keep], mass[keep], found)


class _Separation:
    """The oracle: the most violated rows at (lambda, sigma), never the same row twice."""

    def __init__(self, grid: Grid, sides: Sequence[Side], bidders: int) -> None:
        self.grid, self.sides, self.bidders = grid, sides, bidders
        self.known: set[tuple[int, ...]] = set()
        self.feature = [side.sign * grid.values**side.power for side in sides]  # f_k at every value, (K, m)

    def rows(self, profiles: NDArray[np.int64]) -> tuple[sp.csr_array, Array]:
        columns = [feature[profiles[:, side.good]] for side, feature in zip(self.sides, self.feature, strict=True)]
        matrix = np.column_stack([-np.ones(len(profiles)), *columns])
        return sp.csr_array(matrix), -self.grid.revenue(profiles)

    def worth(self, sigma: Array) -> Array:
        """psi_i(x) = -sum of bidder i's sigma_k f_k(x), (I, m)."""
        psi = np.zeros((self.bidders, len(self.grid.exact)))
        for s, side, feature in zip(sigma, self.sides, self.feature, strict=True):
            psi[side.good] -= s * feature
        return psi

    def __call__(self, x: Array, tolerance: float) -> Cuts:
        psi, m, first = self.worth(x[1:]), len(self.grid.exact), self.grid.first
        running = np.maximum.accumulate(np.where(psi >= np.maximum.accumulate(psi, axis=1), np.arange(m), 0), axis=1)
        found = [running[:, first - 1]] if first else []
        after = psi[:, ::-1]
        best = np.maximum.accumulate(np.where(after >= np.maximum.accumulate(after, axis=1), np.arange(m), 0), axis=1)
        above = m - 1 - best[:, ::-1]  # where psi_i is largest from a position on
        for i in range(self.bidders):
            for b in range(m if self.bidders > 1 else 1):
                profile = running[:, b].copy()
                profile[i] = above[i, max(b, first)]
                found.append(profile)
        profiles = np.unique(np.array(found), axis=0)
        matrix, lower = self.rows(profiles)
        violation = lower - matrix @ x
        fresh = [k for k in np.flatnonzero(violation > tolerance) if tuple(profiles[k].tolist()) not in self.known]
        keep = np.array(sorted(fresh, key=lambda k: -violation[k])[: 2 * self.bidders + 2], dtype=int)
        self.known |= {tuple(profiles[k].tolist()) for k in keep}
        return Cuts(matrix[keep], lower[keep], violation[keep], np.arange(len(keep)), profiles[keep])
