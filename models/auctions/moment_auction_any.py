"""All mechanisms for I bidders under moments that are the same for every bidder, on a grid 0 = g_0 < ... < g_n = 1.

Nature and the seller may treat bidders alike without loss, so one table will do: q(k, o) is the chance of a bidder at
g_k when the others' values are o, a multiset of I - 1 grid values, and R(k, o) her payment. Truth as a dominant
strategy fixes R(., o) by q(., o), which must not fall. With w for a multiset of I values, f_k(w) the sum over bidders
of the k-th moment's terms, the dual's letters in brackets:

    max   lambda - I b'sigma
    s.t.  R(k, o) - R(k-1, o) = g_k (q(k, o) - q(k-1, o))                                      [rho(k, o)]
          sum over the bidders i of R(w_i, w without w_i) >= lambda - sum_k sigma_k f_k(w)     [P(w)]
          q(k, o) >= q(k-1, o) >= 0                                                            [nu(k, o)]
          sum over the bidders i of q(w_i, w without w_i) <= 1                                 [beta(w)]
          sigma >= 0

    min   sum beta
    s.t.  sum P = 1 [lambda],  sum_w P(w) f_k(w) <= I b_k [sigma],  the rows of R and q

This is the LEFT rule of moment_auction_grid.py: exact for values on the grid, above the continuum's optimum.
The continuum is bounded by moment_auction_loglinear.py and moment_auction_any_upper.py.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import comb, factorial, prod
from typing import TYPE_CHECKING, Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mechopt.solvers.memory import Size
from mechopt.solvers.program import Array, Program

if TYPE_CHECKING:
    from mechopt.models.auctions.moment_auction import MomentAuction

Row = tuple[int, int, Fraction]  # sign E[v_i^power] <= bound for every bidder i: power, sign, bound


@dataclass(frozen=True)
class Multisets:
    """Profiles of I positions out of `places`, and of the I - 1 others, both without order.

    >>> sets = Multisets(2, 3)
    >>> assert sets.profiles.tolist() == [[0, 0], [0, 1], [0, 2], [1, 1], [1, 2], [2, 2]]
    >>> assert sets.rest[4].tolist() == [2, 1] and sets.orders.tolist() == [1, 2, 2, 1, 2, 1]
    """

    bidders: int
    places: int

    @cached_property
    def others(self) -> list[tuple[int, ...]]:
        """The multisets of I - 1 positions, in lexicographic order."""
        return list(itertools.combinations_with_replacement(range(self.places), self.bidders - 1))

    @cached_property
    def profiles(self) -> NDArray[np.int64]:
        """The multisets of I positions, (W, I), each increasing, in lexicographic order."""
        return np.array(list(itertools.combinations_with_replacement(range(self.places), self.bidders)))

    @cached_property
    def rest(self) -> NDArray[np.int64]:
        """For every profile and bidder the number of the others' multiset, (W, I)."""
        number = {o: k for k, o in enumerate(self.others)}
        rows = self.profiles.tolist()
        return np.array([[number[(*w[:i], *w[i + 1 :])] for i in range(self.bidders)] for w in rows])

    @cached_property
    def joined(self) -> NDArray[np.int64]:
        """The number of the profile of an own position and the others', (places, O)."""
        number = {tuple(w): k for k, w in enumerate(self.profiles.tolist())}
        return np.array([[number[tuple(sorted((k, *o)))] for o in self.others] for k in range(self.places)])

    @cached_property
    def orders(self) -> Array:
        """In how many orders a profile can be written, (W,)."""
        whole = factorial(self.bidders)
        counts = [prod(map(factorial, Counter(w).values())) for w in self.profiles.tolist()]
        return np.array([whole / c for c in counts])


def common_rows(model: MomentAuction) -> list[Row]:
    """What is known of each bidder's value."""
    return [(side.power, side.sign, side.bound) for side in model.sides if side.good == 0]


def size(bidders: int, points: int) -> Size:
    """Size of the program on the grid."""
    table, profiles = (points + 1) * comb(points + bidders - 1, bidders - 1), comb(points + bidders, bidders)
    return Size(2 * table + 2 * profiles, 2 * table, 6 * table + 2 * bidders * profiles)


def terms(model: MomentAuction, values: Array) -> Array:
    """f_k(w) for profiles of values (W, I): the moments' terms summed over bidders, (W, K)."""
    return np.stack([sign * (values**power).sum(axis=1) for power, sign, _ in common_rows(model)], axis=1)


def _matrices(sets: Multisets) -> tuple[Any, Any]:
    """The table's steps in the own value, and what a profile's bidders get together: (N, N) and (W, N)."""
    n, count = sets.places, len(sets.others)
    number = np.arange(n * count).reshape(n, count)
    ones, rows = np.ones(number[1:].size), number[1:].ravel()
    back = sp.csr_array((ones, (rows, number[:-1].ravel())), (n * count, n * count))
    where = number[sets.profiles, sets.rest]
    line = np.repeat(np.arange(len(where)), sets.bidders)
    together = sp.csr_array((np.ones(where.size), (line, where.ravel())), (len(where), n * count))
    return sp.eye_array(n * count, format="csr") - back, together


def seller(model: MomentAuction) -> Program:
    """The seller's program on the grid."""
    sets, g = Multisets(model.bidders, model.points + 1), np.array([float(x) for x in model.nodes])
    step, together = _matrices(sets)
    price = sp.diags_array(np.repeat(g, len(sets.others)))
    f, b = terms(model, g[sets.profiles]), np.array([float(bound) for _, _, bound in common_rows(model)])
    q, R = cp.Variable(step.shape[0], name="q"), cp.Variable(step.shape[0], name="R")
    level, sigma = cp.Variable(name="lambda"), cp.Variable(len(b), name="sigma")
    return Program(cp.Maximize(level - model.bidders * (b @ sigma)), {
        "rho": (price @ step) @ q == step @ R,
        "P": together @ R >= level - f @ sigma,
        "nu": step @ q >= 0,
        "beta": together @ q <= 1,
        "sign": sigma >= 0,
    })  # fmt: skip


def nature(model: MomentAuction) -> Program:
    """Nature's program on the grid; the multipliers of its rows are lambda, sigma, R and q."""
    sets, g = Multisets(model.bidders, model.points + 1), np.array([float(x) for x in model.nodes])
    step, together = _matrices(sets)
    price = sp.diags_array(np.repeat(g, len(sets.others)))
    f, b = terms(model, g[sets.profiles]), np.array([float(bound) for _, _, bound in common_rows(model)])
    count = len(sets.profiles)
    P, beta = cp.Variable(count, name="P", nonneg=True), cp.Variable(count, name="beta", nonneg=True)
    rho, nu = cp.Variable(step.shape[0], name="rho"), cp.Variable(step.shape[0], name="nu", nonneg=True)
    return Program(cp.Minimize(cp.sum(beta)), {
        "lambda": cp.sum(P) == 1,
        "sigma": cp.matmul(f.T, P) <= model.bidders * b,
        "R": step.T @ rho == together.T @ P,
        "q": together.T @ beta == (price @ step).T @ rho + step.T @ nu,
    })  # fmt: skip
