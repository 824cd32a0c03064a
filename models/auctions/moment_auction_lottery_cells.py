"""Highest-bidder lotteries cell by cell: bounds on the continuum from both sides that lose O(1/n^2).

FROM BELOW. Only the highest bidder may win; x is her value, s the second highest. For s in cell [x_l, x_{l+1}] let her
chance be alpha + gamma/s + beta log(x/s) on the same cell, and grow for larger x by jumps J_k at x_k and by slopes b_k:
b_k log(x/x_k) on cell k. Entering costs s, and x dq = b dx, so her payment is linear in x and s on each pair of cells:

    alpha s + gamma + beta (min(x, x_{l+1}) - s) + sum over x_k <= x of x_k J_k + b_k (min(x, x_{k+1}) - x_k)

    max   lambda + I mu sigma
    s.t.  payment - sigma (x + (I - 1) s) >= lambda         at the corners of all pairs of cells
          alpha + gamma/s >= 0                              at both ends of cell l
          largest chance <= 1                               at both ends of cell l, also with the bend between them
          beta, b, J, sigma >= 0;  beta = gamma = 0 on the first cell

The largest chance bends down in s by at most -2 gamma/s^3 - beta/s^2, so it exceeds its chord by at most h^2/8 of that.

FROM ABOVE. All bidders but one, drawn at random, are at a node s_l; she has constant density on each cell above it, and
maybe an atom at 1. With T(t, l) the mass from t on, the price t earns t T(t, l), at most its chord plus mass h / 4 on a
cell. Nature makes sum_l z_l small, z_l >= t T(t, l). Proofs: models/auctions/moment_auction_check_lottery.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.models.outcome import Array, Options
from mechopt.solvers.highs import load, read_point, status_of
from mechopt.solvers.linear import LinearProgram
from mechopt.solvers.rows import Rows

UNIT = 2**50
MARGIN = 1e-10  # by which chances are scaled down beyond what floats say


def nodes_for(low: float, cells: int) -> list[Fraction]:
    """Increasing nodes 0, low, ..., 1, geometric from `low` on, as fractions of 2^40, (cells + 1,).

    >>> assert nodes_for(0.25, 3) == [0, Fraction(1, 4), Fraction(1, 2), 1]
    """
    unit = 2**40
    return [Fraction(0), *sorted({Fraction(round(float(x) * unit), unit) for x in np.geomspace(low, 1, cells)})]


@dataclass(frozen=True)
class CellLottery:
    """Chances and payments of the highest bidder, by cells of the second highest value and of her own.

    `alpha`, `gamma`, `beta` (n,); `slope`, `jump` (n (n - 1) / 2,) by pair of cells l < k, l first.

    >>> rule = CellLottery(np.array([0.0, 0.5, 1.0]), *np.array([[0.25, 0.5], [0, 0], [0, 0]]), *np.zeros((2, 1)))
    >>> q, m = rule(np.array([[0.75, 0.25, 0.0], [0.75, 1.0, 0.75]]))
    >>> assert q.tolist() == [[0.25, 0, 0], [0, 0.5, 0]] and m.tolist() == [[0.0625, 0, 0], [0, 0.375, 0]]
    """

    nodes: Array
    alpha: Array
    gamma: Array
    beta: Array
    slope: Array
    jump: Array

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Allocation (..., I) and payment (..., I) at values (..., I); the first of the highest bidders wins ties."""
        values = np.asarray(values, dtype=float)
        x, n = self.nodes, len(self.nodes) - 1
        winner = np.arange(values.shape[-1]) == np.expand_dims(values.argmax(axis=-1), -1)
        own, s = values.max(axis=-1), np.where(winner, 0.0, values).max(axis=-1)
        c, k = (np.clip(np.searchsorted(x, v, side="right") - 1, 0, n - 1) for v in (s, own))
        slope, jump = np.zeros((2, n, n))
        slope[np.triu_indices(n, 1)], jump[np.triu_indices(n, 1)] = self.slope, self.jump
        steps = slope * np.append(0.0, np.log(x[2:] / x[1:-1]))
        rise, paid = (np.cumsum(z, axis=1) for z in (jump + steps, jump * x[:-1] + slope * np.diff(x)))
        same, safe = np.minimum(own, x[c + 1]), np.where(s > 0, s, 1.0)
        q = self.alpha[c] + self.gamma[c] / safe + self.beta[c] * np.log(np.where(s > 0, same, 1.0) / safe)
        m = self.alpha[c] * s + self.gamma[c] + self.beta[c] * (same - s)
        inside = np.log(np.where(k > 0, own, 1.0) / np.where(k > 0, x[k], 1.0))
        q = q + np.where(k > c, rise[c, k] - steps[c, k] + slope[c, k] * inside, 0.0)
        m = m + np.where(k > c, paid[c, k] - slope[c, k] * (x[k + 1] - own), 0.0)
        return np.where(winner, q[..., None], 0.0), np.where(winner, m[..., None], 0.0)


def _solved(program: LinearProgram, options: Options) -> Array | None:
    """A point of HiGHS's interior point method, or of its simplex method where that has none."""
    for chosen in ({"solver": "ipm", "run_crossover": "off"}, {}):
        solver = load(program, {**chosen, **options.options})
        if options.time_limit is not None:
            solver.setOptionValue("time_limit", float(options.time_limit))
        solver.run()
        if status_of(solver).has_point:
            return read_point(solver, program).x
        if options.time_limit is not None:
            break
    return None


def seller(bidders: int, mean: float, x: Array) -> LinearProgram:
    """The arrays from below: alpha, gamma+, gamma-, beta, rise by cell c; b, J, M by pair c < k; lambda, sigma."""
    n, h = len(x) - 1, np.diff(x)
    cell, (c, k) = np.arange(n), np.triu_indices(n, 1)
    alpha, plus, minus, beta, rise = cell + n * np.arange(5)[:, None]
    b, J, M = 5 * n + np.arange(len(c)) + len(c) * np.arange(3)[:, None]
    level, sigma = 5 * n + 3 * len(c), 5 * n + 3 * len(c) + 1
    number = np.zeros((n, n), dtype=int)
    number[c, k] = np.arange(len(c))
    logs = np.append(0.0, np.log(x[2:] / x[1:-1]))
    rows = Rows()
    first = k == c + 1  # M: what is paid at the lower end of cell k, less alpha s - beta s
    own, rest = c[first], np.flatnonzero(~first)
    rows.add([(M[first], 1.0), (plus[own], -1.0), (minus[own], 1.0), (beta[own], -x[own + 1]),
              (J[first], -x[own + 1])], 0, 0)  # fmt: skip
    back = number[c[rest], k[rest] - 1]
    rows.add([(M[rest], 1.0), (M[back], -1.0), (b[back], -h[k[rest] - 1]), (J[rest], -x[k[rest]])], 0, 0)
    for e, far in ((0, 0), (0, 1), (1, 0), (1, 1)):
        s, v = x[c + e], x[k + far]
        rows.add([(M, 1.0), (b, far * h[k]), (alpha[c], s), (beta[c], -s), (np.full(len(c), level), -1.0),
                  (np.full(len(c), sigma), -(v + (bidders - 1) * s))], 0, np.inf)  # fmt: skip
    for e, far in ((0, 0), (0, 1), (1, 1)):  # the same cell, x >= s
        s, v = x[cell + e], x[cell + far]
        rows.add([(alpha, s), (plus, 1.0), (minus, -1.0), (beta, v - s), (np.full(n, level), -1.0),
                  (np.full(n, sigma), -(v + (bidders - 1) * s))], 0, np.inf)  # fmt: skip
    rows.add_sums(n, [(cell, rise, 1.0), (c, J, -1.0), (c, b, -logs[k])], 0, 0)
    safe, bend = np.where(x > 0, x, 1.0), h**2 / 8  # the first cell has neither gamma nor beta
    for e in (0, 1):
        s = safe[cell + e]
        rows.add([(alpha, 1.0), (plus, 1 / s), (minus, -1 / s)], 0, np.inf)
        for curved in (0, 1):
            rows.add([(alpha, 1.0), (plus, 1 / s), (minus, -1 / s + curved * bend * 2 / safe[:-1] ** 3), (rise, 1.0),
                      (beta, np.log(x[1:] / s) - curved * bend / x[1:] ** 2)], -np.inf, 1)  # fmt: skip
    count = sigma + 1
    cost, low, high = np.zeros(count), np.zeros(count), np.full(count, np.inf)
    cost[[level, sigma]] = -1, -bidders * mean
    low[alpha], low[level] = -np.inf, -np.inf
    high[[plus[0], minus[0], beta[0]]] = 0
    return rows.program(cost, low, high)


def lottery(bidders: int, mean: float, nodes: list[Fraction], options: Options) -> dict[str, Any] | None:
    """The certificate's part from below, numbers as multiples of 2^-50; None when stopped before any."""
    x = np.array([float(z) for z in nodes])
    n = len(x) - 1
    point = _solved(seller(bidders, mean, x), options)
    if point is None:
        return None
    alpha, plus, minus, beta, rise = point[: 5 * n].reshape(5, n)
    gamma, beta = np.maximum(plus, 0) - np.maximum(minus, 0), np.maximum(beta, 0)
    pairs = n * (n - 1) // 2
    slope, jump = np.maximum(point[5 * n : 5 * n + 2 * pairs], 0).reshape(2, pairs)
    gamma[0] = beta[0] = 0
    low, high = np.where(x > 0, x, 1.0)[:-1], x[1:]
    alpha = np.maximum(alpha, np.maximum(-gamma / low, -gamma / high) + 2**-45)
    top = np.maximum(alpha + gamma / low + beta * np.log(high / low), alpha + gamma / high) + rise
    bend = (high - x[:-1]) ** 2 / 8 * np.maximum(2 * np.maximum(-gamma, 0) / low**3 - beta / high**2, 0)
    scale = (1 - MARGIN) / max(1.0, float((top + bend).max()))
    found = {"alpha": alpha, "gamma": gamma, "beta": beta, "slope": slope, "jump": jump}
    numbers = {name: np.floor(z * scale * UNIT).astype(np.int64).tolist() for name, z in found.items()}
    return {"nodes": [str(z) for z in nodes], "sigma": str(Fraction(max(float(point[-1]), 0.0) * scale)), **numbers}


def nature(bidders: int, mean: float, x: Array) -> LinearProgram:
    """The arrays from above: P, T by pair of node c and place k >= c (cells, then the point 1), z by node."""
    n = len(x) - 1
    c, k = np.triu_indices(n + 1)
    size, number = len(c), np.zeros((n + 1, n + 2), dtype=int)
    number[c, k] = np.arange(size)
    P, T, z = np.arange(size), size + np.arange(size), 2 * size + np.arange(n + 1)
    low, h = x[k], np.append(np.diff(x), 0.0)[k]
    inner, last = k < n, k == n
    rows = Rows()
    rows.add([(T[inner], 1.0), (T[number[c, k + 1][inner]], -1.0), (P[inner], -1.0)], 0, 0)
    rows.add([(T[last], 1.0), (P[last], -1.0)], 0, 0)
    rows.add([(T, low), (P, h / 4), (z[c], -1.0)], -np.inf, 0)
    rows.add([(T[number[c, k + 1][inner]], (low + h)[inner]), (P[inner], h[inner] / 4), (z[c[inner]], -1.0)],
             -np.inf, 0)  # fmt: skip
    rows.add_sums(1, [(np.zeros(size, dtype=int), P, 1.0)], 1, 1)
    rows.add_sums(1, [(np.zeros(size, dtype=int), P, low + h / 2 + (bidders - 1) * x[c])], bidders * mean, np.inf)
    count = 2 * size + n + 1
    cost = np.zeros(count)
    cost[z] = 1
    return rows.program(cost, np.zeros(count), np.full(count, np.inf))


def densities(bidders: int, mean: Fraction, nodes: list[Fraction], options: Options) -> dict[str, Any] | None:
    """The certificate's part from above: [c, k, mass] in rationals with the mean; None when stopped before any."""
    x = np.array([float(z) for z in nodes])
    n = len(x) - 1
    point = _solved(nature(bidders, float(mean), x), options)
    c, k = np.triu_indices(n + 1)
    if point is None or point[: len(c)].max() < 1e-12:
        return None
    mass = {(int(a), int(b)): Fraction(int(p * UNIT), UNIT) for a, b, p in zip(c, k, point[: len(c)], strict=True)}
    mass = {pair: p for pair, p in mass.items() if p > 0}
    total = sum(mass.values(), Fraction(0))
    mass = {pair: p / total for pair, p in mass.items()}
    ends = [*nodes, Fraction(1)]
    reached = sum((p * ((ends[b] + ends[b + 1]) / 2 + (bidders - 1) * nodes[a]) for (a, b), p in mass.items()),
                  Fraction(0))  # fmt: skip
    if (missing := bidders * mean - reached) > 0:  # mixed with everyone at 1
        share = missing / (bidders - reached)
        mass = {pair: p * (1 - share) for pair, p in mass.items()}
        mass[n, n] = mass.get((n, n), Fraction(0)) + share
    return {"nodes": [str(z) for z in nodes], "nature": [[a, b, str(p)] for (a, b), p in sorted(mass.items())]}
