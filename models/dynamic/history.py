"""The full-history programs: allocation x and payment p after every sequence of reports, every pair of types.

h = (v^1, .., v^t) is what all buyers have reported, u_i^t = v_i^t x_i^t(h) - p_i^t(h). With U_i(h) what buyer i expects
from later periods when everybody is truthful from then on, the dual's letters in brackets:

    max   E[ sum_t sum_i p_i^t ]
    s.t.  Z_i(h, v) >= Z_i(h, v') + (v - v') E_{v_-i}[x_i(h, v', v_-i)]     for i, t, h, v, v'   [DIC_i_t(h, v, v')]
          Z_i(h, v) = E_{v_-i}[ u_i(h, v, v_-i) + U_i(h, v, v_-i) ]         for i, t, h, v       [Z_i_t]
          U_i(h)    = E_{v}[ Z_i(h, v) ]                                    (zero after period T)
          sum_t u_i^t >= 0                                                  for i, all of (v^1, .., v^T)   [IR_i]
          sum_i x_i(h) <= 1                                                 for t, h             [supply_t]
          x_i(h) >= 0                                                       for i, t, h

This is the Bayesian notion: buyer i expects the others to be truthful. Under the stricter notion *per path* she knows
all the others' values, past, present and future, and E_{v_-i} is not taken:

          Z_i(a, v, c) >= Z_i(a, v', c) + (v - v') x_i(a, v', c)    for i, t, her reports a, the others' path c

With one buyer the two are the same program.

Source: Mirrokni, Paes Leme, Tang, Zuo (2018), Section 2 (per path); the same authors, Non-clairvoyant dynamic mechanism
design (2018), for the Bayesian notion.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mechopt.solvers.memory import Size
from mechopt.solvers.program import Program

if TYPE_CHECKING:
    from mechopt.models.dynamic.dynamic_auction import DynamicAuction

Indices = NDArray[np.int64]
MOST = 10**15


def dynamic_size(model: DynamicAuction) -> Size:
    """Size of the Bayesian program, before it is built."""
    rows = columns = nonzeros = 0
    seen = 1
    for shape in model.shapes:
        seen = min(seen, MOST)
        now = seen * math.prod(shape)
        types = sum(shape)
        pairs = seen * sum(n * n for n in shape)
        columns += 2 * len(shape) * now + seen * types
        rows += pairs + seen * types + now
        nonzeros += 4 * pairs + 6 * len(shape) * now
        seen = now
    rows += len(model.shapes[0]) * seen
    nonzeros += 2 * len(model.shapes[0]) * model.horizon * seen
    return Size(rows, columns, nonzeros)


def counts(model: DynamicAuction) -> list[int]:
    """How many histories there are before period 1, 2, .. and after period T, (T + 1,)."""
    found = [1]
    for shape in model.shapes:
        found.append(found[-1] * math.prod(shape))
    return found


def profiles(model: DynamicAuction, t: int) -> Indices:
    """The types of all buyers in every profile of period t, (P_t, k), the last buyer's moving fastest."""
    shape = model.shapes[t]
    return np.stack(np.unravel_index(np.arange(math.prod(shape)), shape), axis=1).astype(np.int64)


def chances(model: DynamicAuction, t: int) -> NDArray[np.float64]:
    """The probability of every profile of period t, (P_t,)."""
    types = profiles(model, t)
    return np.prod([prior.f[types[:, i]] for i, prior in enumerate(model.periods[t])], axis=0)  # type: ignore[no-any-return]


class Histories:
    """Variables of a program over histories, and what every such program shares: supply, participation, revenue."""

    def __init__(self, model: DynamicAuction) -> None:
        self.model = model
        self.counts = counts(model)
        k, T = model.buyers, model.horizon
        named = [(t, i) for t in range(T) for i in range(k)]
        self.x = {(t, i): cp.Variable(self.counts[t + 1], name=f"x_{i + 1}_{t + 1}") for t, i in named}
        self.p = {(t, i): cp.Variable(self.counts[t + 1], name=f"p_{i + 1}_{t + 1}") for t, i in named}
        self.types = [profiles(model, t) for t in range(T)]
        self.chance = [np.ones(1)]
        for t in range(T):
            self.chance.append(np.outer(self.chance[-1], chances(model, t)).ravel())
        self.rows: dict[str, Any] = {}

    def value(self, t: int, i: int) -> NDArray[np.float64]:
        """Buyer i's value in period t, by history, (N_t,)."""
        own = self.model.periods[t][i].v[self.types[t][:, i]]
        return np.tile(own, self.counts[t])

    def utility(self, t: int, i: int) -> Any:
        """Buyer i's utility in period t, by history, (N_t,)."""
        return cp.multiply(self.value(t, i), self.x[t, i]) - self.p[t, i]

    def close(self) -> Program:
        """Supply and participation added, and the revenue as the objective."""
        T, k = self.model.horizon, self.model.buyers
        for t in range(T):
            self.rows[f"supply_{t + 1}"] = sum(self.x[t, i] for i in range(k)) <= 1
            for i in range(k):
                self.rows[f"sale_{i + 1}_{t + 1}"] = self.x[t, i] >= 0
        for i in range(k):
            total: Any = 0
            for t in range(T):
                total = total + spread(self.counts[t + 1], self.counts[T]) @ self.utility(t, i)
            self.rows[f"IR_{i + 1}"] = total >= 0
        revenue: Any = sum(self.chance[t + 1] @ self.p[t, i] for t in range(T) for i in range(k))
        return Program(cp.Maximize(revenue), self.rows)


def spread(few: int, many: int) -> Any:
    """The sparse matrix (many, few) that gives every continuation its history's number."""
    return sp.csr_array((np.ones(many), (np.arange(many), np.arange(many) // (many // few))), shape=(many, few))


def truth(Z: Any, X: Any, v: NDArray[np.float64], starts: int) -> Any:
    """All rows Z(v) >= Z(v') + (v - v') X(v'), one block of (v, v') per start, (starts * n, n)."""
    n = len(v)
    base = np.repeat(np.arange(starts) * n, n * n)
    own, lie = base + np.tile(np.repeat(np.arange(n), n), starts), base + np.tile(np.arange(n), starts * n)
    step = (v[:, None] - v[None, :]).ravel()
    return cp.reshape(Z[own] - Z[lie] - cp.multiply(np.tile(step, starts), X[lie]), (starts * n, n), order="C") >= 0


def dynamic_program(model: DynamicAuction) -> Program:
    """The full-history program under the Bayesian notion; for one buyer, the ground truth.

    >>> from mechopt.models.dynamic.dynamic_auction import DynamicAuction
    >>> from mechopt.solvers.highs import solve
    >>> coin = {"values": [1, 2], "probabilities": ["1/2", "1/2"]}
    >>> assert abs(solve(dynamic_program(DynamicAuction(periods=[[coin]] * 2))).value - 2.25) < 1e-9
    """
    tree = Histories(model)
    for i in range(model.buyers):
        later: Any = None  # Z of the next period, (N_t * n,)
        for t in reversed(range(model.horizon)):
            prior, starts = model.periods[t][i], tree.counts[t]
            n, P, own = len(prior), len(tree.types[t]), tree.types[t][:, i]
            alike = sp.csr_array((chances(model, t) / prior.f[own], (own, np.arange(P))), shape=(n, P))
            interim = sp.kron(sp.identity(starts), alike, format="csr")  # E_{v_-i}, (starts * n, N_t)
            content = tree.utility(t, i)
            if later is not None:
                mean = sp.kron(sp.identity(tree.counts[t + 1]), model.periods[t + 1][i].f[None, :], format="csr")
                content = content + mean @ later
            Z = cp.Variable(starts * n, name=f"Z_{i + 1}_{t + 1}")
            tree.rows[f"Z_{i + 1}_{t + 1}"] = interim @ content == Z
            tree.rows[f"DIC_{i + 1}_{t + 1}"] = truth(Z, interim @ tree.x[t, i], prior.v, starts)
            later = Z
    return tree.close()


def per_path_program(model: DynamicAuction) -> Program:
    """The full-history program with truth best on every path of the others' values, which she may know."""
    tree = Histories(model)
    for i in range(model.buyers):
        places = _places(model, i)
        later: Any = None
        for t in reversed(range(model.horizon)):
            prior, at = model.periods[t][i], places[t]  # at: (A_t, C), the history of her reports and the others' path
            A, C = at.shape
            n = len(prior)
            content = tree.utility(t, i)[at.ravel()]
            if later is not None:
                mean = sp.kron(sp.kron(sp.identity(A), model.periods[t + 1][i].f[None, :]), sp.identity(C))
                content = content + mean.tocsr() @ later
            Z = cp.Variable(A * C, name=f"Z_{i + 1}_{t + 1}")
            tree.rows[f"Z_{i + 1}_{t + 1}"] = content == Z
            order = np.arange(A * C).reshape(A // n, n, C).swapaxes(1, 2).ravel()  # her type moves fastest
            tree.rows[f"DIC_{i + 1}_{t + 1}"] = truth(Z[order], tree.x[t, i][at.ravel()[order]], prior.v, A // n * C)
            later = Z
    return tree.close()


def _places(model: DynamicAuction, i: int) -> list[Indices]:
    """Per period t the history of buyer i's reports a up to t and the others' whole path c, (A_t, C)."""
    tables, own, others = [], [], []
    for t in range(model.horizon):
        types, shape = profiles(model, t), model.shapes[t]
        rest = np.ravel_multi_index(tuple(np.delete(types, i, axis=1).T), _without(shape, i)) if len(shape) > 1 else 0
        table = np.zeros((shape[i], math.prod(_without(shape, i))), dtype=np.int64)
        table[types[:, i], rest] = np.arange(len(types))
        tables.append(table)
        own.append(shape[i])
        others.append(table.shape[1])
    digits = np.stack(np.unravel_index(np.arange(math.prod(others)), others), axis=1)
    found: list[Indices] = []
    before = np.zeros((1, math.prod(others)), dtype=np.int64)
    for t in range(model.horizon):
        step = tables[t][:, digits[:, t]]  # (n, C)
        before = (before[:, None, :] * tables[t].size + step[None, :, :]).reshape(-1, before.shape[1])
        found.append(before)
    return found


def _without(shape: tuple[int, ...], i: int) -> tuple[int, ...]:
    return shape[:i] + shape[i + 1 :]
