"""One period of a bank account auction with several buyers: its linear program, and bounds from its multipliers.

Types of buyer i are v_i(1) < .. < v_i(n_i), with probabilities f_i; v is a profile, o = v_-i the others' types. Buyer i
faces a lottery w_i(o, m) over prices v_i(m); she buys with probability x_i(v) = sum over m <= v_i of w_i(o, m), which
is monotone, and her balance after the period is y_i(v) = z_i(o) + sum over m of (v_i - v_i(m))^+ w_i(o, m). With the
balances b before it and the expected utilities xi_i(o), dual letters in brackets,

    max   sum_v f(v) [ sum_i v_i x_i(v) + theta(v) ] - sum_i sum_o f(o) xi_i(o)
    s.t.  sum_i x_i(v) <= 1                                     for v           [mu(v)]
          E over v_i of y_i(v) <= b_i + xi_i(o)                 for i, o        [beta_i(o)]
          theta(v) <= a_c + s_c'y(v) + r_c'xi_later             for v, c        [pi(v, c)]
          w, z >= 0

where (a_c, s_c, r_c) are cuts: upper bounds of what later periods earn, affine in balances and later xi. What is not
spent may be thrown away, so slopes s are nonnegative. Any multipliers give a bound of the program that is affine in
(b, xi): a cut for the period before (`bound`). Prices need no row: their weights for one o sum to at most one, so what
a price is short of in the dual is added to the constant.

Source: V. Mirrokni, R. Paes Leme, P. Tang, S. Zuo, Optimal dynamic auctions are virtual welfare maximizers (2018),
programs (8) and (12), Lemmas 4.2 and 4.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mechopt.models.distributions import Distribution
from mechopt.solvers.program import Array

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Cut:
    """An upper bound of what period t and later earn: constant + slope'b + later'xi, for b >= 0 and xi >= 0.

    `slope`: (k,); `later`: (D,), of xi of periods t to T. `weights`: per profile the cuts of the next period it stands
    on, as (profile, cut, weight) with weights summing to one; `beta`, `mu`: the other multipliers, which prove it.
    """

    constant: float
    slope: Array
    later: Array
    profiles: Indices
    cuts: Indices
    weights: Array
    beta: Array  # (sum of M_i,)
    mu: Array  # (N,)


class Period:
    """Indices and coefficients of a period: N profiles, for buyer i the M_i = N / n_i profiles of the others.

    >>> two = Distribution(values=[1, 2], probabilities=["1/2", "1/2"])
    >>> period = Period([two, two])
    >>> assert period.N == 4 and period.M == [2, 2] and period.prices == 8
    """

    def __init__(self, buyers: Sequence[Distribution], unit: float = 1.0) -> None:
        """`unit`: of money, a power of two: solvers like numbers of a middling size, and it costs no digit."""
        self.buyers, self.unit = tuple(buyers), unit
        self.k = len(self.buyers)
        self.shape = tuple(len(prior) for prior in self.buyers)
        self.N = math.prod(self.shape)
        self.M = [self.N // n for n in self.shape]
        grid = np.arange(self.N).reshape(self.shape)
        self.types = np.stack(np.unravel_index(np.arange(self.N), self.shape), axis=1).astype(np.int64)  # (N, k)
        self.place = [np.moveaxis(grid, i, -1).reshape(m, -1) for i, m in enumerate(self.M)]  # profile of (o, j)
        self.values = [prior.v / unit for prior in self.buyers]
        self.f = np.ones(self.N)  # f(v)
        for i, prior in enumerate(self.buyers):
            self.f = self.f * prior.f[self.types[:, i]]
        self.others = [self.f[rows].sum(axis=1) for rows in self.place]  # f(o)
        self.gains = [np.maximum(v[:, None] - v[None, :], 0.0) for v in self.values]  # (v_j - v_m)^+, row j
        self.surplus = [prior.f @ g for prior, g in zip(self.buyers, self.gains, strict=True)]  # E (v - v_m)^+
        self.prices = self.k * self.N
        self.start = np.concatenate([[0], np.cumsum(self.M)])  # where buyer i's (o) begin in z, beta and xi

    @property
    def slack(self) -> int:
        """D, how many numbers xi_i(o) the period has: as many as rows beta."""
        return int(self.start[-1])

    @cached_property
    def chances(self) -> Array:
        """f(o), (D,), for all buyers in a row."""
        return np.concatenate(self.others)

    @cached_property
    def worth(self) -> list[Array]:
        """What a price earns in welfare, sum over j >= m of f(v) v_j, (M_i, n_i) per buyer."""
        found = []
        for i, rows in enumerate(self.place):
            each = self.f[rows] * self.values[i]
            found.append(each[:, ::-1].cumsum(axis=1)[:, ::-1])
        return found

    @cached_property
    def welfare(self) -> float:
        """E of the highest value: no auction of this period earns more."""
        best = np.max([v[self.types[:, i]] for i, v in enumerate(self.values)], axis=0)
        return float(self.f @ np.maximum(best, 0.0))

    def columns(self) -> tuple[list[int], list[int], int]:
        """Where buyer i's w begins, where her z begins, and where theta does."""
        w = [i * self.N for i in range(self.k)]
        z = [self.prices + int(start) for start in self.start[:-1]]
        return w, z, self.prices + self.slack

    @cached_property
    def rows(self) -> sp.csr_array:
        """The rows mu, then beta, over the columns w, z, (N + D, k N + D)."""
        width = self.prices + self.slack
        w, z, _ = self.columns()
        row, column, entry = list[Any](), list[Any](), list[Any]()
        for i, place in enumerate(self.place):
            n, m = self.shape[i], self.M[i]
            lower, upper = np.tril_indices(n)  # j >= price
            for other in range(m):
                row.append(place[other, lower])
                column.append(w[i] + other * n + upper)
                entry.append(np.ones(len(lower)))
            o = np.arange(m)
            row.append(np.repeat(self.N + self.start[i] + o, n))
            column.append(w[i] + np.arange(m * n))
            entry.append(np.tile(self.surplus[i], m))
            row.append(self.N + self.start[i] + o)
            column.append(z[i] + o)
            entry.append(np.ones(m))
        entries = np.concatenate(entry), (np.concatenate(row), np.concatenate(column))
        return sp.csr_array(entries, shape=(self.N + self.slack, width))

    @cached_property
    def balance(self) -> list[sp.csr_array]:
        """y_i as a matrix of the columns w, z: one (N, k N + D) per buyer."""
        w, z, width = self.columns()
        found = []
        for i, place in enumerate(self.place):
            n, m = self.shape[i], self.M[i]
            j, price = np.nonzero(self.gains[i])
            o = np.repeat(np.arange(m), len(j))
            every = np.arange(m * n)
            row = np.concatenate([place[o, np.tile(j, m)], place.ravel()])
            column = np.concatenate([w[i] + o * n + np.tile(price, m), z[i] + every // n])
            entry = np.concatenate([np.tile(self.gains[i][j, price], m), np.ones(m * n)])
            found.append(sp.csr_array((entry, (row, column)), shape=(self.N, width)))
        return found

    def allocation(self, x: Array) -> Array:
        """x_i(v), (k, N), of a program's point: the weights of all prices up to the value."""
        found = np.zeros((self.k, self.N))
        for i, place in enumerate(self.place):
            w = x[i * self.N : (i + 1) * self.N].reshape(place.shape)
            found[i, place] = np.cumsum(w, axis=1)
        return found

    def bound(self, S: Array, beta: Array, mu: Array) -> tuple[float, Array]:
        """The constant (without that of later cuts) and beta, raised where it must be, of any multipliers.

        `S`: slopes of the later bound at each profile, times f(v), (k, N); `beta` (D,); `mu` (N,).
        """
        mu, raised, constant = np.maximum(mu, 0.0), np.empty(self.slack), 0.0
        constant += float(mu.sum())
        for i, place in enumerate(self.place):
            part = slice(self.start[i], self.start[i + 1])
            s = S[i, place]  # (M_i, n_i)
            raised[part] = np.maximum(np.maximum(beta[part], 0.0), s.sum(axis=1))
            taken = mu[place][:, ::-1].cumsum(axis=1)[:, ::-1]
            short = self.worth[i] + s @ self.gains[i] - np.outer(raised[part], self.surplus[i]) - taken
            constant += float(np.maximum(short.max(axis=1), 0.0).sum())
        return constant, raised
