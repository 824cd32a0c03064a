"""Several goods on a grid: the largest utility the local rows allow, by one backward recursion, and no program at all.

Write program (2.6) in u(v) = q(v)'v - m(v), and keep, of its incentive rows, those from v to its neighbours v + e_j
one step h_j up. A good's chance is then at most the forward difference q_j(v) = (u(v + e_j) - u(v)) / h_j, or 1
where v + e_j leaves the set, and for margins mu_j = v_j - c_j >= 0 the seller wants it as large:

    min   r
    s.t.  r >= sum_j mu_j (1 - q_j(v)) + u(v)        for v in V       [alpha(v)]
          u(v + e_j) >= u(v)                         for v, j         [b_j(v)]
          u(v) >= 0                                  for v in V       [beta(v)]

For a fixed r the pointwise largest u satisfying the first two families falls out of one pass from the top,

    u(v) = min( [r - sum_j mu_j + sum_j mu_j (u(v + e_j) / h_j, or 1)] / (1 + sum_j mu_j / h_j), min_j u(v + e_j) ),

and the smallest r with u(lowest v) >= 0 is a lower bound of (2.6). u(lowest) is concave, increasing and piecewise
linear in r, so Newton's method from the left ends after a few passes at the exact root. The pass run forwards gives
the multipliers: alpha from the rows that decide, and gamma(v + e_j, v) = alpha(v) mu_j(v) / h_j + b_j(v), a feasible
point of nature's program (2.7). Where (u, q) satisfies the remaining rows too, it is the optimum.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mechopt.models.outcome import Progress
from mechopt.solvers.program import Array

Index = NDArray[np.int64]
PASSES = 60


@dataclass(frozen=True)
class Lattice:
    """Grid points of a set that contains, with a point, all grid points below it.

    `axes`: margins along each good, equally spaced, (n_j + 1,). `member`: which grid points belong, flat, (N_all,),
    the last good moving fastest; None for all of them.
    """

    axes: tuple[Array, ...]
    member: NDArray[np.bool_] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Grid points per good."""
        return tuple(len(axis) for axis in self.axes)

    @property
    def steps(self) -> list[float]:
        """Distance of neighbours per good; 1 where a good has a single value."""
        return [float(axis[1] - axis[0]) if len(axis) > 1 else 1.0 for axis in self.axes]

    def margins(self) -> list[Array]:
        """Margin of each good at every grid point, flat, (N_all,) each."""
        return [np.broadcast_to(axis.reshape([-1 if i == j else 1 for i in range(len(self.shape))]), self.shape).ravel()
                for j, axis in enumerate(self.axes)]  # fmt: skip


@dataclass(frozen=True)
class Sweep:
    """The least regret r of the local rows, the largest utility u (N_all,), and its chances q (N_all, J)."""

    regret: float
    utility: Array
    allocation: Array
    passes: int
    done: bool = True


@dataclass(frozen=True)
class Multipliers:
    """Nature's side: alpha (N_all,) and gamma(v + e_j, v) as (N_all, J), zero where v + e_j leaves the set."""

    alpha: Array
    gamma: Array


class _Levels:
    """Grid points by the sum of their indices, with their upper neighbours: what both passes walk over."""

    def __init__(self, lattice: Lattice) -> None:
        shape = lattice.shape
        count, goods = math.prod(shape), len(shape)
        strides = [math.prod(shape[j + 1 :]) for j in range(goods)]
        level = np.zeros(shape, dtype=np.int32)
        for j, size in enumerate(shape):
            level = level + np.arange(size, dtype=np.int32).reshape([-1 if i == j else 1 for i in range(goods)])
        inside = np.ones(count, bool) if lattice.member is None else lattice.member
        points = np.flatnonzero(inside)
        order = points[np.argsort(level.ravel()[points], kind="stable")]
        cuts = np.flatnonzero(np.diff(level.ravel()[order])) + 1
        self.margin = lattice.margins()
        self.weight = [m / h for m, h in zip(self.margin, lattice.steps, strict=True)]
        self.lists: list[tuple[Index, list[Index], list[NDArray[np.bool_]]]] = []
        padded = np.append(inside, False)
        for rows in np.split(order, cuts):
            ups, has = [], []
            for j in range(goods):
                room = (rows // strides[j]) % shape[j] < shape[j] - 1
                up = np.where(room, rows + strides[j], count)
                exists = padded[up]
                ups.append(np.where(exists, up, count))
                has.append(exists)
            self.lists.append((rows, ups, has))
        self.count, self.goods = count, goods


def _backward(levels: _Levels, r: float) -> tuple[Array, Array]:
    """Largest utility for a given r, and its derivative in r; a spare last entry stands for 'outside'."""
    u, du = np.full(levels.count + 1, np.inf), np.zeros(levels.count + 1)
    for rows, ups, has in reversed(levels.lists):
        top, slope, share = np.full(len(rows), r), np.ones(len(rows)), np.ones(len(rows))
        least, least_slope = np.full(len(rows), np.inf), np.zeros(len(rows))
        for j in range(levels.goods):
            next_u, weight = u[ups[j]], levels.weight[j][rows]
            top += np.where(has[j], weight * np.where(has[j], next_u, 0.0) - levels.margin[j][rows], 0.0)
            slope += np.where(has[j], weight * du[ups[j]], 0.0)
            share += np.where(has[j], weight, 0.0)
            lower = has[j] & (next_u < least)
            least_slope = np.where(lower, du[ups[j]], least_slope)
            least = np.where(lower, next_u, least)
        own = top / share
        decides = own <= least
        u[rows] = np.where(decides, own, least)
        du[rows] = np.where(decides, slope / share, least_slope)
    return u, du


def sweep(
    lattice: Lattice, progress: Progress = lambda message: None, time_limit: float | None = None
) -> tuple[Sweep, Multipliers]:
    """Solve the local program on a lattice with nonnegative margins. Raises ValueError for negative ones.

    Stopped by the limit (seconds), the regret found so far and its multipliers are still a lower bound; `done` says so.

    >>> found, _ = sweep(Lattice((np.arange(6) / 5, np.arange(6) / 5)))
    >>> assert abs(found.regret - 2 * 47 / 150) < 1e-14
    """
    if any(axis.min() < 0 for axis in lattice.axes):
        raise ValueError("the sweep needs margins of at least zero")
    started = time.monotonic()
    levels = _Levels(lattice)
    origin = levels.lists[0][0][0]
    r, taken, done = 0.0, 0, False
    for taken in range(1, PASSES + 1):
        u, du = _backward(levels, r)
        progress(f"sweep {taken}: regret at least {r:.9g}")
        moved = r - u[origin] / du[origin]
        done = not moved > r * (1 + 1e-16)
        if done or (time_limit is not None and time.monotonic() - started > time_limit):
            break
        r = moved
    return _read(lattice, levels, r, u, taken, done), _forward(levels, u, r, int(origin))


def _read(lattice: Lattice, levels: _Levels, r: float, u: Array, passes: int, done: bool) -> Sweep:
    q = np.ones((levels.count, levels.goods))
    for rows, ups, has in levels.lists:
        for j, step in enumerate(lattice.steps):
            rise = (np.where(has[j], u[ups[j]], 0.0) - u[rows]) / step
            q[rows, j] = np.where(has[j], rise, 1.0)
    return Sweep(r, np.maximum(np.where(np.isfinite(u[:-1]), u[:-1], 0.0), 0.0), np.clip(q, 0.0, 1.0), passes, done)


def _forward(levels: _Levels, u: Array, r: float, origin: int) -> Multipliers:
    """Push one unit from the lowest point up through the rows that decided u; what stays behind is alpha."""
    mass = np.zeros(levels.count + 1)
    mass[origin] = 1.0
    alpha, gamma = np.zeros(levels.count), np.zeros((levels.count, levels.goods))
    for rows, ups, has in levels.lists:
        top, share = np.full(len(rows), r), np.ones(len(rows))
        least, which = np.full(len(rows), np.inf), np.zeros(len(rows), dtype=int)
        for j in range(levels.goods):
            next_u = u[ups[j]]
            top += np.where(
                has[j], levels.weight[j][rows] * np.where(has[j], next_u, 0.0) - levels.margin[j][rows], 0.0
            )
            share += np.where(has[j], levels.weight[j][rows], 0.0)
            which = np.where(has[j] & (next_u < least), j, which)
            least = np.where(has[j], np.minimum(least, next_u), least)
        decides = top / share <= least
        stays = np.where(decides, mass[rows] / share, 0.0)
        alpha[rows] = stays
        for j in range(levels.goods):
            flow = np.where(has[j], stays * levels.weight[j][rows], 0.0)
            flow += np.where(~decides & has[j] & (which == j), mass[rows], 0.0)
            gamma[rows, j] = flow
            np.add.at(mass, ups[j], flow)
    total = alpha.sum()
    return Multipliers(alpha / total, gamma / total)


def separable_utilities(lattice: Lattice, utility: Array) -> list[Array]:
    """Utility along each good's own axis, the others at their lowest: u(v) = sum_j u_j(v_j) where goods separate."""
    table = utility.reshape(lattice.shape)
    lowest = table[(0,) * len(lattice.shape)]
    lines = []
    for j in range(len(lattice.shape)):
        line: Sequence[int | slice] = [slice(None) if i == j else 0 for i in range(len(lattice.shape))]
        lines.append(np.maximum.accumulate(table[tuple(line)] - lowest))
    return lines
