"""The best bank account mechanism, written over all histories of reports: the oracle for several buyers.

h = (v^1, .., v^{t-1}) is what all buyers reported before period t, b_i(h) buyer i's balance then, xi_i^t(v_-i) what
she expects from period t alone, which may depend on the others' values of that period and on nothing else (BI):

    max   E[ sum_t sum_i v_i^t x_i(h, v) ] - E[ sum_t sum_i xi_i^t(v_-i) ]
    s.t.  b_i(h, v_{j+1}) - b_i(h, v_j) = (v_{j+1} - v_j) x_i(h, v_j)      for i, t, h, j < n, v_-i      [slope_i_t]
          E_{v_i}[ b_i(h, v) ] = b_i(h) + xi_i^t(v_-i)                     for i, t, h, v_-i             [beta_i_t]
          x_i(h, v_{j+1}) >= x_i(h, v_j)                                   for i, t, h, j < n, v_-i      [eta_i_t]
          b_i(h, v) >= 0                                                   for i, t, h, v                [lambda_i_t]
          sum_i x_i(h, v) <= 1                                             for t, h, v                   [mu_t]
          x_i(h, v) >= 0,  xi_i^t(v_-i) >= 0,  b_i at the start = 0

Divided by the chance of (h, v_-i), beta_i_t is the paper's beta_i(v_-i) after h, because what a unit of balance is
worth later comes back through the later rows' own multipliers. By (BI), E[sum_i xi] is what buyers get in period t
whatever their balances, so the objective is the revenue. The slopes between neighbouring values are the lower ones,
u(v_{j+1}) - u(v_j) = (v_{j+1} - v_j) x(v_j), which cost the seller least.

Source: Mirrokni, Paes Leme, Tang, Zuo (2018), Sections 2.3 and 3, programs (8) and (12).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from mechopt.models.dynamic.history import MOST, chances, counts, profiles
from mechopt.solvers.memory import Size
from mechopt.solvers.program import Program

if TYPE_CHECKING:
    from mechopt.models.dynamic.dynamic_auction import DynamicAuction


def account_size(model: DynamicAuction) -> Size:
    """Size of the program, before it is built."""
    rows = columns = nonzeros = 0
    seen = 1
    for shape in model.shapes:
        seen = min(seen, MOST)
        P, k = math.prod(shape), len(shape)
        others = sum(P // n for n in shape)
        columns += 2 * k * P * seen + others
        rows += seen * (4 * k * P + P)
        nonzeros += seen * (k * P * 9 + 3 * others)
        seen *= P
    return Size(rows, columns, nonzeros)


def others_of(model: DynamicAuction, t: int, i: int) -> tuple[Any, int]:
    """Which profile of the others belongs to every profile of period t, (P_t,), and how many there are."""
    shape = model.shapes[t]
    rest = shape[:i] + shape[i + 1 :]
    types = np.delete(profiles(model, t), i, axis=1)
    index = np.ravel_multi_index(tuple(types.T), rest) if rest else np.zeros(shape[i], dtype=np.int64)
    return index, math.prod(rest)


def neighbours(model: DynamicAuction, t: int, i: int) -> tuple[Any, Any]:
    """Profiles of period t in which buyer i has not her highest type, and the same with her next one, (M,) each."""
    types, shape = profiles(model, t), model.shapes[t]
    low = np.flatnonzero(types[:, i] < shape[i] - 1)
    return low, low + math.prod(shape[i + 1 :])


def account_program(model: DynamicAuction) -> Program:
    """The best bank account mechanism over all histories; b_i_t, x_i_t by history (N_t,), xi_i_t by v_-i.

    >>> from mechopt.models.dynamic.dynamic_auction import DynamicAuction
    >>> from mechopt.solvers.highs import solve
    >>> coin = {"values": [1, 2], "probabilities": ["1/2", "1/2"]}
    >>> assert abs(solve(account_program(DynamicAuction(periods=[[coin]] * 2))).value - 2.25) < 1e-9
    """
    N, T, k = counts(model), model.horizon, model.buyers
    rows: dict[str, Any] = {}
    revenue: Any = 0
    before: list[Any] = [np.zeros(1)] * k
    chance = np.ones(1)
    for t in range(T):
        P, starts = N[t + 1] // N[t], N[t]
        chance = np.outer(chance, chances(model, t)).ravel()
        supply: Any = 0
        for i, prior in enumerate(model.periods[t]):
            name = f"{i + 1}_{t + 1}"
            types, (index, many) = profiles(model, t), others_of(model, t, i)
            x, b = cp.Variable(N[t + 1], name=f"x_{name}"), cp.Variable(N[t + 1], name=f"b_{name}")
            xi = cp.Variable(many, name=f"xi_{name}")
            low, high = (_everywhere(m, starts, P) for m in neighbours(model, t, i))
            mean = sp.csr_array((prior.f[types[:, i]], (index, np.arange(P))), shape=(many, P))
            start, after = np.repeat(np.arange(starts), many), sp.kron(sp.identity(starts), mean, format="csr")
            if len(low):
                gap = np.tile(np.diff(prior.v)[types[neighbours(model, t, i)[0], i]], starts)
                rows[f"slope_{name}"] = b[high] - b[low] == cp.multiply(gap, x[low])
                rows[f"eta_{name}"] = x[high] - x[low] >= 0
            rows[f"beta_{name}"] = after @ b == before[i][start] + xi[np.tile(np.arange(many), starts)]
            rows[f"lambda_{name}"] = b >= 0
            rows[f"sale_{name}"] = x >= 0
            rows[f"promise_{name}"] = xi >= 0
            value = np.tile(prior.v[types[:, i]], starts)
            revenue += (chance * value) @ x - np.bincount(index, chances(model, t)) @ xi
            supply += x
            before[i] = b
        rows[f"mu_{t + 1}"] = supply <= 1
    return Program(cp.Maximize(revenue), rows)


def _everywhere(marked: Any, starts: int, P: int) -> Any:
    return (np.arange(starts)[:, None] * P + marked[None, :]).ravel()
