"""The linear program of one buyer's period as plain arrays, for solving it again and again as the promise moves."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from mechopt.models.dynamic.value_brackets import Bracket, Period
from mechopt.solvers.linear import LinearProgram


def period_program(period: Period, after: Bracket) -> LinearProgram:
    """The program of a period with W_t the least of tangents, as arrays; its last row fixes U.

    Columns: w_m (n), y_1, then the segments z_jk of every y_j; rows: y_j (n), sum w <= 1, U.
    """
    n, K = len(period.v), len(after.slope)
    meet = np.diff(after.intercept) / -np.diff(after.slope)  # where tangents k and k + 1 cross
    length = np.append(np.diff(np.concatenate([[0.0], np.maximum.accumulate(np.maximum(meet, 0.0))])), np.inf)
    rows = sp.vstack([
        sp.hstack([sp.csr_array(-period.rent), sp.csr_array(-np.ones((n, 1))),
                   sp.kron(sp.identity(n), np.ones((1, K)), format="csr")]),
        sp.csr_array((np.ones(n), (np.zeros(n, int), np.arange(n))), shape=(1, n + 1 + n * K)),
        sp.csr_array((np.append(period.f @ period.rent, 1.0), (np.zeros(n + 1, int), np.arange(n + 1))),
                     shape=(1, n + 1 + n * K)),
    ], format="csc")  # fmt: skip
    cost = -np.concatenate([period.welfare, [0.0], np.outer(period.f, after.slope).ravel()])
    lower = np.concatenate([np.zeros(n), [-np.inf], [0.0]])
    upper = np.concatenate([np.zeros(n), [1.0], [0.0]])
    high = np.concatenate([np.full(n + 1, np.inf), np.tile(length, n)])
    return LinearProgram(cost, rows, lower, upper, np.zeros(len(cost)), high, np.zeros(len(cost), bool))
