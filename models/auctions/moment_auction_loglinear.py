"""The best log-linear mechanism for I bidders: an O(1/n^2) bound on the continuum from below.

On the cell [x_k, x_{k+1}] of the own value the chance of the good is a_k(y) + b_k(y) log(x / x_k), with a and b >= 0
linear in each other bidder's value on her cell, and jumps J_k(y) >= 0 at x_k. As x dp = b dx, the payment that makes
truth best is linear in every value on a product of cells, so corners decide. A corner belongs to a cell: end e of cell
k is the place 2k + e. With o for the I - 1 others' places, w for all, L and d as the checker has them:

    max   lambda - I b'sigma
    s.t.  a(k+1, o) - a(k, o) = b(k, o) L_k + J(k+1, o),  M(k+1, o) - M(k, o) = b(k, o) (x_{k+1} - x_k) + x_{k+1} J(k+1, o)
          sum of payments at w >= lambda - sum over bidders of sigma'(f(w_i) - bend(cell of w_i))
          sum of chances at w + b d <= 1
          b, J, sigma >= 0, b = 0 on the first cell

A convex f lies below its chord by at most bend. Solved by HiGHS's interior point method without crossover; the exact
check makes up for its tolerance.
"""  # noqa: E501 - one row of the program, one line

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.models.auctions.moment_auction_any import Multisets, Row
from mechopt.models.outcome import Array, Options
from mechopt.solvers.highs import load, read_point, status_of
from mechopt.solvers.linear import LinearProgram
from mechopt.solvers.rows import Rows

UNIT = 2**40
MARGIN = 1e-10  # by which chances are scaled down beyond what floats say


@dataclass(frozen=True)
class LogLinear:
    """Every bidder's chance of the good: `slope` and `jump` by own cell and the others' places, (n, O).

    >>> rule = LogLinear(2, np.array([0.0, 0.5, 1.0]), np.zeros((2, 4)), np.array([[0.0] * 4, [0.5] * 4]))
    >>> q, m = rule(np.array([0.75, 0.25]))
    >>> assert q.tolist() == [0.5, 0] and m.tolist() == [0.25, 0]
    """

    bidders: int
    nodes: Array
    slope: Array
    jump: Array

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Allocation (..., I) and payment (..., I) at values (..., I)."""
        values = np.asarray(values, dtype=float)
        x, n = self.nodes, len(self.nodes) - 1
        number = np.zeros((2 * n,) * (self.bidders - 1), dtype=int)
        for index, places in enumerate(Multisets(self.bidders, 2 * n).others):
            number[places] = index
        a, M = sums(self.slope, self.jump, x)
        cell = np.clip(np.searchsorted(x, values, side="right") - 1, 0, n - 1)
        share = (values - x[cell]) / (x[cell + 1] - x[cell])
        q, m = np.zeros_like(values), np.zeros_like(values)
        for i in range(self.bidders):
            rest = [j for j in range(self.bidders) if j != i]
            k, own = cell[..., i], values[..., i]
            rise = np.where(k > 0, np.log(np.where(k > 0, own, 1.0) / np.where(k > 0, x[k], 1.0)), 0.0)
            for ends in np.ndindex(*(2,) * len(rest)):
                e = np.array(ends, dtype=int)
                weight = np.where(e == 1, share[..., rest], 1 - share[..., rest]).prod(axis=-1)
                o = number[tuple(np.moveaxis(np.sort(2 * cell[..., rest] + e, axis=-1), -1, 0))]
                q[..., i] += weight * (a[k, o] + self.slope[k, o] * rise)
                m[..., i] += weight * (M[k, o] + self.slope[k, o] * (own - x[k]))
        return q, m


def sums(b: Array, J: Array, x: Array) -> tuple[Array, Array]:
    """Chance and payment at the lower end of every cell, (n, O) each."""
    logs = np.concatenate([[0.0], np.log(x[2:] / x[1:-1])])[:, None]
    a, M = np.cumsum(J, axis=0), np.cumsum(J * x[:-1, None], axis=0)
    a[1:] += np.cumsum(b * logs, axis=0)[:-1]
    M[1:] += np.cumsum(b * np.diff(x)[:, None], axis=0)[:-1]
    return a, M


def bends(x: Array, power: int, sign: int) -> Array:
    """How far sign x^power can lie below its chord on each cell, (n,)."""
    return np.diff(x) ** 2 * (power * (power - 1) * x[1:] ** max(power - 2, 0) / 8 if sign > 0 else 0.0)


def program(bidders: int, x: Array, known: list[Row]) -> LinearProgram:
    """The arrays; variables b, J, a, M by cell and others' places, then lambda and sigma."""
    sets, widths = Multisets(bidders, 2 * (len(x) - 1)), np.diff(x)
    L, d = np.zeros(len(widths)), np.zeros(len(widths))
    L[1:] = np.log(x[2:] / x[1:-1])
    ratio = widths[1:] / x[1:-1]
    d[1:] = np.log(ratio / L[1:]) - 1 + L[1:] / ratio
    size = len(widths) * len(sets.others)
    b, J, a, M = (np.arange(size).reshape(len(widths), -1) + size * z for z in range(4))
    level, sigma = 4 * size, 4 * size + 1 + np.arange(len(known))
    rows = Rows()
    rows.add([(a[0], 1.0), (J[0], -1.0)], 0, 0)
    rows.add([(M[0], 1.0)], 0, 0)
    rows.add([(a[1:], 1.0), (a[:-1], -1.0), (b[:-1], -L[:-1, None]), (J[1:], -1.0)], 0, 0)
    rows.add([(M[1:], 1.0), (M[:-1], -1.0), (b[:-1], -widths[:-1, None]), (J[1:], -x[1:-1, None])], 0, 0)
    cell, end = np.divmod(sets.profiles, 2)
    where = x[cell + end]
    paid: list[tuple[Any, Any]] = [(np.full(len(cell), level), -1.0)]
    chance: list[tuple[Any, Any]] = []
    for i in range(bidders):
        k, o, e = cell[:, i], sets.rest[:, i], end[:, i]
        paid += [(M[k, o], 1.0), (b[k, o], e * widths[k])]
        chance += [(a[k, o], 1.0), (b[k, o], e * L[k] + d[k])]
    for column, (power, sign, _) in zip(sigma, known, strict=True):
        worth = (sign * where**power - bends(x, power, sign)[cell]).sum(axis=1)
        paid.append((np.full(len(cell), column), worth))
    rows.add(paid, 0, np.inf)
    rows.add(chance, -np.inf, 1)
    count = 4 * size + 1 + len(known)
    cost, low, high = np.zeros(count), np.zeros(count), np.full(count, np.inf)
    cost[level], low[level] = -1, -np.inf
    cost[sigma] = [bidders * float(bound) for _, _, bound in known]
    high[b[0]] = 0
    return rows.program(cost, low, high)


def best(bidders: int, nodes: list[Fraction], known: list[Row], options: Options) -> dict[str, Any] | None:
    """The certificate's part: nodes, sigma, slopes and jumps as multiples of 2^-40; None when stopped before any."""
    x = np.array([float(z) for z in nodes])
    compiled = program(bidders, x, known)
    solver = load(compiled, {"solver": "ipm", "run_crossover": "off", **options.options})
    if options.time_limit is not None:
        solver.setOptionValue("time_limit", float(options.time_limit))
    solver.run()
    if not status_of(solver).has_point:
        return None
    point = read_point(solver, compiled).x
    size = (len(point) - 1 - len(known)) // 4
    b, J = (np.maximum(point[z * size : (z + 1) * size], 0).reshape(len(x) - 1, -1) for z in (0, 1))
    b[0] = 0
    flat = np.concatenate([b.ravel(), J.ravel(), *(z.ravel() for z in sums(b, J, x)), np.zeros(1 + len(known))])
    crowd = float((compiled.matrix @ flat)[np.isneginf(compiled.row_lower)].max())
    scale = (1 - MARGIN) / max(1.0, crowd)
    tables = {name: np.floor(z * scale * UNIT).astype(np.int64).tolist() for name, z in (("slope", b), ("jump", J))}
    sigma = [str(Fraction(max(float(s), 0.0) * scale)) for s in point[4 * size + 1 :]]
    return {"nodes": [str(z) for z in nodes], "sigma": sigma, **tables}
