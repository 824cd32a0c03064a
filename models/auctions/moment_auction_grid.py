"""The best allocation under a Markov set, on a grid 0 = g_0 < ... < g_n = 1: the left and the right rule.

By symmetry one table will do: q(k, l) is the chance of a bidder at g_k when the highest of the others is at g_l,
R(k, l) her payment. Truth as a dominant strategy fixes R(., l) by q(., l), which must not fall. The dual's letters are
in brackets:

    max   lambda + I mu sigma
    s.t.  R(k, l) - R(k-1, l) = t_k (q(k, l) - q(k-1, l))                                     [rho(k, l)]
          total revenue >= lambda + sigma (g_k + (I - 1) g_l)    all others at g_l            [P(k, l)]
          q(k, l) >= q(k-1, l) >= 0                                                           [nu(k, l)]
          the chances of all bidders sum to at most one                                       [beta(k, l)]
          sigma >= 0

    min   sum beta
    s.t.  sum P = 1 [lambda],  sum P(k, l) (g_k + (I - 1) g_l) >= I mu [sigma],  the rows of R and q

LEFT rule, t_k = g_k: the largest payments that keep truth best among grid values. With nature on the grid too this is
the problem of discrete types, and it bounds the continuum from above. RIGHT rule, t_k = g_{k-1}: reports are rounded up
to the grid. That is a mechanism for all of [0, 1]^I; on a cell revenue is constant and sigma (sum of values) largest at
its upper corner, so one row per cell bounds the continuum from below. Both are off by O(1/n).

In the highest-bidder lottery q(k, l) = 0 for k < l. Under the right rule the truly highest wins within a cell: entering
costs the second highest value s itself, revenue is linear in s, and both ends of its cell get a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mechopt.solvers.program import Array, Program

if TYPE_CHECKING:
    from mechopt.models.auctions.moment_auction import MomentAuction


@dataclass(frozen=True)
class Tables:
    """The program's matrices over the N pairs (k, l): D R = E q, W R + U q >= lambda + sigma h, F q >= 0, C q <= 1."""

    pairs: NDArray[np.int64]  # (N, 2)
    index: NDArray[np.int64]  # (n + 1, n + 1), -1 where there is no pair
    D: Any  # (N, N)
    E: Any  # (N, N)
    W: Any  # (M, N)
    U: Any  # (M, N)
    h: Array  # (M,)
    F: Any  # (N, N)
    C: Any  # (B, N)


def tables(bidders: int, lottery: bool, nodes: Sequence[Fraction], left: bool) -> Tables:
    """The matrices for a grid and a rule.

    >>> t = tables(2, True, [Fraction(k, 4) for k in range(5)], left=True)
    >>> assert len(t.pairs) == 15 and t.W.shape == (15, 15) and t.C.shape == (15, 15)
    """
    g = np.array([float(x) for x in nodes])
    size = len(g)
    k, m = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    mask = (m == 0) if bidders == 1 else (k >= m) if lottery else np.ones((size, size), dtype=bool)
    pairs = np.argwhere(mask)
    index = np.full((size, size), -1)
    index[mask] = np.arange(len(pairs))
    N, (K, L) = len(pairs), pairs.T
    start = (K == 0) | (lottery & (bidders > 1) & (K == L))
    before = np.where(start, 0, index[K - 1, L])
    back = sp.csr_array((np.where(start, 0.0, 1.0), (np.arange(N), before)), (N, N))
    step = sp.eye_array(N, format="csr") - back
    threshold = np.where(start, g[L] if bidders > 1 and lottery else 0.0, g[K] if left else g[K - 1])
    D, E = step, sp.diags_array(threshold) @ step
    if not lottery:
        half = [(a, b) for a, b in pairs.tolist() if a >= b]
        here, there = ([index[a, b] for a, b in half], [index[b, a] for a, b in half])
        rows = np.arange(len(half))
        both = sp.coo_array((np.ones(2 * len(half)), (np.r_[rows, rows], np.r_[here, there])), (len(half), N)).tocsr()
        h = np.array([g[a] + g[b] for a, b in half])
        return Tables(pairs, index, D, E, both, sp.csr_array((len(half), N)), h, step, both)
    eye = sp.eye_array(N, format="csr")
    ties = np.where((K == L) & (bidders > 1), float(bidders), 1.0)
    h = g[K] + (bidders - 1) * g[L]
    if left or bidders == 1:
        W = sp.diags_array(ties, format="csr") if left else eye
        return Tables(pairs, index, D, E, W, sp.csr_array((N, N)), h, step, W if left else eye)
    low = np.flatnonzero(L > 0)  # the cell of s = g_l has a lower end, where the winner enters more cheaply
    width = g[L[low]] - g[L[low] - 1]
    diagonal = index[L[low], L[low]]
    cheaper = sp.csr_array((-width, (np.arange(len(low)), diagonal)), (len(low), N))
    W = sp.vstack([eye, eye[low]], format="csr")
    U = sp.vstack([sp.csr_array((N, N)), cheaper], format="csr")
    return Tables(pairs, index, D, E, W, U, np.append(h, h[low] - (bidders - 1) * width), step, eye)


def seller(model: MomentAuction, nodes: Sequence[Fraction], left: bool) -> Program:
    """The seller's program under the left or the right rule."""
    t = tables(model.bidders, model.mechanism != "any", nodes, left)
    N = len(t.pairs)
    q, R = cp.Variable(N, name="q"), cp.Variable(N, name="R")
    level, sigma = cp.Variable(name="lambda"), cp.Variable(name="sigma")
    return Program(cp.Maximize(level + model.bidders * float(model.mean or 0) * sigma), {
        "rho": t.E @ q == t.D @ R,
        "P": t.W @ R + t.U @ q >= level + sigma * t.h,
        "nu": t.F @ q >= 0,
        "beta": t.C @ q <= 1,
        "sign": sigma >= 0,
    })  # fmt: skip


def nature(model: MomentAuction, nodes: Sequence[Fraction]) -> Program:
    """Nature's program under the left rule; the multipliers of its rows are lambda, sigma, R and q."""
    t = tables(model.bidders, model.mechanism != "any", nodes, left=True)
    P, rho = cp.Variable(len(t.h), name="P", nonneg=True), cp.Variable(len(t.pairs), name="rho")
    nu = cp.Variable(len(t.pairs), name="nu", nonneg=True)
    beta = cp.Variable(t.C.shape[0], name="beta", nonneg=True)
    return Program(cp.Minimize(cp.sum(beta)), {
        "lambda": cp.sum(P) == 1,
        "sigma": cp.sum(cp.multiply(t.h, P)) >= model.bidders * float(model.mean or 0),
        "R": t.D.T @ rho == t.W.T @ P,
        "q": t.C.T @ beta == t.E.T @ rho + t.F.T @ nu + t.U.T @ P,
    })  # fmt: skip
