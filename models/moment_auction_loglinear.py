"""The best log-linear mechanism for two bidders: an O(1/n^2) bound on the continuum from below.

Chances of the good, payments, and why corners decide are in models/moment_auction_check_loglinear.py. With slopes b and
jumps J at both ends of every cell of the opponent's value, a and M what they sum to:

    max   lambda + 2 mu sigma
    s.t.  a_{k+1} - a_k = b_k L_k + J_{k+1},   M_{k+1} - M_k = b_k (x_{k+1} - x_k) + x_{k+1} J_{k+1}
          revenue at the corners of cells >= lambda + sigma (x + y)
          chances at the corners of cells + b d of both bidders <= 1
          b, J, sigma >= 0, b = 0 on the first cell

Solved by HiGHS's interior point method without crossover; the exact check makes up for its tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import scipy.sparse as sp

from mechopt.models.outcome import Array, Options
from mechopt.solvers.highs import load, read_point, status_of
from mechopt.solvers.linear import LinearProgram

UNIT = 2**40
MARGIN = 1e-10  # by which chances are scaled down beyond what floats say


@dataclass(frozen=True)
class LogLinear:
    """Both bidders' chances of a good: `slope` and `jump` (n, n, 2) by own cell, other's cell and end of it.

    >>> rule = LogLinear(np.array([0.0, 0.5, 1.0]), np.zeros((2, 2, 2)), np.array([[[0, 0]] * 2, [[0.5, 0.5]] * 2]))
    >>> q, m = rule(np.array([0.75, 0.25]))
    >>> assert q.tolist() == [0.5, 0] and m.tolist() == [0.25, 0]
    """

    nodes: Array
    slope: Array
    jump: Array

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Allocation (..., 2) and payment (..., 2) at values (..., 2)."""
        own = np.asarray(values, dtype=float)
        other = own[..., ::-1]
        n, x = len(self.nodes) - 1, self.nodes
        k, m = (np.clip(np.searchsorted(x, v, side="right") - 1, 0, n - 1) for v in (own, other))
        share = (other - x[m]) / (x[m + 1] - x[m])
        a, M = sums(self.slope, self.jump, x)
        start, paid, b = ((1 - share) * z[k, m, 0] + share * z[k, m, 1] for z in (a, M, self.slope))
        low = np.where(k > 0, x[k], 1.0)
        rise = np.where(k > 0, np.log(np.where(k > 0, own, 1.0) / low), 0.0)
        return start + b * rise, paid + b * (own - x[k])


def sums(b: Array, J: Array, x: Array) -> tuple[Array, Array]:
    """Chance and payment at the lower end of every cell, (n, n, 2) each."""
    logs = np.concatenate([[0.0], np.log(x[2:] / x[1:-1])])[:, None, None]
    widths = np.diff(x)[:, None, None]
    a, M = np.cumsum(J, axis=0), np.cumsum(J * x[:-1, None, None], axis=0)
    a[1:] += np.cumsum(b * logs, axis=0)[:-1]
    M[1:] += np.cumsum(b * widths, axis=0)[:-1]
    return a, M


def nodes_for(low: float, high: float, cells: int) -> list[Fraction]:
    """Increasing nodes from 0 to 1 with nature's two parameters among them, as fractions of 2^40, (cells + 1,).

    Cells crowd towards nature's lowest value, where the allocation bends most. Shares and exponents were fitted to the
    guarantees at means from 0.1 to 0.9; any choice is valid, these lose least.

    >>> nodes = nodes_for(0.25, 0.75, 12)
    >>> assert len(nodes) == 13 and nodes[0] == 0 and nodes[-1] == 1 and {0.25, 0.75} <= set(nodes)
    """
    first = max(1, round(cells * (0.15 + 0.33 * (low - 0.21))))
    third = max(1, round(cells * (0.3 - 0.36 * (low - 0.21))))
    second = max(1, cells - first - third)
    u, v, w = (np.linspace(0, 1, count + 1) for count in (first, second, third))
    pieces = (
        low * (1 - (1 - u) ** 2.4),
        low * (high / low) ** (v ** (1.45 - 0.45 * low)),
        high + (1 - high) * w ** (1.25 - 0.95 * low),
    )
    exact = {Fraction(round(float(x) * UNIT), UNIT) for piece in pieces for x in piece}
    return sorted(exact)


class _Rows:
    """Rows of a sparse matrix, gathered block by block."""

    def __init__(self) -> None:
        self.entries: list[tuple[Any, Any, Any]] = []
        self.low: list[Array] = []
        self.high: list[Array] = []
        self.count = 0

    def add(self, terms: list[tuple[Any, Any]], low: float, high: float) -> None:
        size = np.size(terms[0][0])
        for columns, values in terms:
            filled = np.broadcast_to(values, np.shape(columns)).ravel()
            self.entries.append((self.count + np.arange(size), np.ravel(columns), filled))
        self.low.append(np.full(size, low))
        self.high.append(np.full(size, high))
        self.count += size


def program(x: Array, mean: float) -> LinearProgram:
    """The arrays; variables b, J, a, M by cell, other's cell and end, then lambda and sigma."""
    n, widths = len(x) - 1, np.diff(x)
    L, d = np.zeros(n), np.zeros(n)
    L[1:] = np.log(x[2:] / x[1:-1])
    ratio = widths[1:] / x[1:-1]
    d[1:] = np.log(ratio / L[1:]) - 1 + L[1:] / ratio
    size = 2 * n * n
    b, J, a, M = (np.arange(size).reshape(n, n, 2) + size * z for z in range(4))
    level, sigma = 4 * size, 4 * size + 1
    rows = _Rows()
    rows.add([(a[0], 1.0), (J[0], -1.0)], 0, 0)
    rows.add([(M[0], 1.0)], 0, 0)
    tall = [z[:-1, None, None] for z in (L, widths)]
    rows.add([(a[1:], 1.0), (a[:-1], -1.0), (b[:-1], -tall[0]), (J[1:], -1.0)], 0, 0)
    rows.add([(M[1:], 1.0), (M[:-1], -1.0), (b[:-1], -tall[1]), (J[1:], -x[1:-1, None, None])], 0, 0)
    k, m = np.tril_indices(n)
    for s, t in ((0, 0), (0, 1), (1, 0), (1, 1)):
        total = x[k + s] + x[m + t]
        rows.add([
            (M[k, m, t], 1.0), (b[k, m, t], s * widths[k]), (M[m, k, s], 1.0), (b[m, k, s], t * widths[m]),
            (np.full(len(k), level), -1.0), (np.full(len(k), sigma), -total)], 0, np.inf)  # fmt: skip
        rows.add([
            (a[k, m, t], 1.0), (b[k, m, t], s * L[k] + d[k]), (a[m, k, s], 1.0), (b[m, k, s], t * L[m] + d[m])],
            -np.inf, 1)  # fmt: skip
    where, columns, values = (np.concatenate(z) for z in zip(*rows.entries, strict=True))
    matrix = sp.coo_array((values, (where, columns)), (rows.count, 4 * size + 2)).tocsc()
    matrix.sum_duplicates()
    cost, low, high = np.zeros(4 * size + 2), np.zeros(4 * size + 2), np.full(4 * size + 2, np.inf)
    cost[level], cost[sigma], low[level] = -1, -2 * mean, -np.inf
    high[b[0].ravel()] = 0
    none = np.zeros(len(cost), dtype=bool)
    return LinearProgram(cost, matrix, np.concatenate(rows.low), np.concatenate(rows.high), low, high, none)


def best(mean: float, nodes: list[Fraction], options: Options) -> dict[str, Any] | None:
    """The certificate's part: nodes, sigma, slopes and jumps as multiples of 2^-40; None when stopped before any."""
    x = np.array([float(z) for z in nodes])
    compiled = program(x, mean)
    solver = load(compiled, {"solver": "ipm", "run_crossover": "off", **options.options})
    if options.time_limit is not None:
        solver.setOptionValue("time_limit", float(options.time_limit))
    solver.run()
    if not status_of(solver).has_point:
        return None
    point = read_point(solver, compiled).x
    n = len(x) - 1
    size = 2 * n * n
    b, J = (np.maximum(point[z * size : (z + 1) * size], 0).reshape(n, n, 2) for z in (0, 1))
    b[0] = 0
    flat = np.concatenate([b.ravel(), J.ravel(), *(z.ravel() for z in sums(b, J, x)), np.zeros(2)])
    crowd = float((compiled.matrix @ flat)[np.isneginf(compiled.row_lower)].max())
    scale = (1 - MARGIN) / max(1.0, crowd)
    tables = {name: np.floor(z * scale * UNIT).astype(np.int64).tolist() for name, z in (("slope", b), ("jump", J))}
    return {"nodes": [str(z) for z in nodes], "sigma": str(Fraction(max(float(point[-1]), 0.0) * scale)), **tables}
