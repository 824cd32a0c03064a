"""One period given what balances are worth later: programs (8) and (12), their dual, and ironed virtual values.

Values of one period, for buyer i and the others' v_-i: vartheta_i(v_j) = (v_{j+1} - v_j) P(V_i > v_j) / f_i(v_j). The
revenue after the period is a concave function of the balances, g(y) = min_k a_k + s_k'y on y >= 0. Given balances b and
promises xi_i(v_-i), the dual's letters in brackets:

    max   E[ sum_i (v_i x_i(v) - xi_i(v_-i)) + g(y(v)) ]
    s.t.  y_i(v_j) = b_i + xi_i(v_-i) + u'_i(v_j) - E_{v_i}[u'_i]         for i, v
          E_{v_i}[vartheta_i x_i] <= b_i + xi_i(v_-i)                     for i, v_-i      [lambda_i(v_-i)]
          x_i(v_{j+1}) >= x_i(v_j)                                        for i, j, v_-i   [eta_i(v)]
          sum_i x_i(v) <= 1                                               for v            [mu(v)]
          x_i(v) >= 0
          theta(v) <= a_k + s_k'y(v)                                      for k, v         [gamma_k(v)]

where u'_i(v_j) = sum_{l<j} (v_{l+1} - v_l) x_i(v_l), and theta(v) stands for g(y(v)). With
g_i(v) = sum_k gamma_k(v) s_ki / f(v), a supergradient of g at y(v), the dual is

    min   sum_v mu(v) + sum_k,v gamma_k(v) a_k + sum_{i, v_-i} f(v_-i) beta_i(v_-i) (b_i + xi_i(v_-i)) - E[sum_i xi_i]
    s.t.  f(v) phit_i(v) <= mu(v)                                         for i, v         [x_i(v)]
          beta_i(v_-i) = lambda_i(v_-i) / f(v_-i) + E_{v_i}[g_i(v)]       for i, v_-i
          sum_k gamma_k(v) = f(v)                                         for v            [theta(v)]
          lambda, eta, mu, gamma >= 0
    where phi_i(v_j)  = v_j - (beta_i(v_-i) - G_i(v_j)) vartheta_i(v_j),   G_i(v_j) = E[g_i(v) | v_i > v_j],
          phit_i(v_j) = phi_i(v_j) - (eta_i(v_j) - eta_i(v_{j-1})) / f(v).

beta_i is the derivative in b_i. The printed virtual value (Lemma 3.7), (1 + g_i(v)) v_i - beta_i vartheta_i, takes
x_i(v_j) to raise the balance of v_j itself, but it raises those of all higher types, which is what G_i counts.

Source: Mirrokni, Paes Leme, Tang, Zuo (2018), Sections 3.1 to 3.3 and Appendix B.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from mechopt.models.distributions import Distribution
from mechopt.solvers.program import Array, Program


@dataclass(frozen=True)
class PeriodProgram:
    """One period: `buyers`, balances `b` (k,), promises `xi[i]` (profiles of the others,), g as `a` (K,), `s` (K, k).

    >>> from mechopt.solvers.highs import solve
    >>> coin = Distribution(values=[1, 2], probabilities=["1/2", "1/2"])
    >>> last = PeriodProgram((coin,), np.array([0.25]), (np.zeros(1),), np.zeros(1), np.zeros((1, 1)))
    >>> assert abs(solve(last.primal()).value - 1.25) < 1e-9  # x = (1/2, 1): the balance pays for selling at 1
    """

    buyers: tuple[Distribution, ...]
    b: Array
    xi: tuple[Array, ...]
    a: Array
    s: Array

    def __post_init__(self) -> None:
        shape = tuple(len(prior) for prior in self.buyers)
        types = np.stack(np.unravel_index(np.arange(int(np.prod(shape))), shape), axis=1)
        f = np.prod([prior.f[types[:, i]] for i, prior in enumerate(self.buyers)], axis=0)
        for name, content in (("shape", shape), ("types", types), ("f", f)):
            object.__setattr__(self, name, content)

    shape: Any = None
    types: Any = None
    f: Any = None

    def others(self, i: int) -> tuple[Any, Array]:
        """Which profile of the others every profile has, (P,), and their chances, (others,)."""
        rest = self.shape[:i] + self.shape[i + 1 :]
        columns = tuple(np.delete(self.types, i, axis=1).T)
        index = np.ravel_multi_index(columns, rest) if rest else np.zeros(len(self.f), dtype=int)
        return index, np.asarray(np.bincount(index, self.f), dtype=float)

    def rents(self, i: int) -> Any:
        """The matrix (P, P) from x_i to u'_i."""
        n, v = self.shape[i], self.buyers[i].v
        lower = np.tril(np.ones((n, n)), -1) * np.append(np.diff(v), 0.0)
        left, right = int(np.prod(self.shape[:i])), int(np.prod(self.shape[i + 1 :]))
        return sp.kron(sp.kron(sp.identity(left), lower), sp.identity(right), format="csr")

    def mean(self, i: int) -> Any:
        """The matrix (others, P) that takes E_{v_i}."""
        index, chance = self.others(i)
        own = self.buyers[i].f[self.types[:, i]]
        return sp.csr_array((own, (index, np.arange(len(self.f)))), shape=(len(chance), len(self.f)))

    def vartheta(self, i: int) -> Array:
        """(v_{j+1} - v_j) P(V > v_j) / f(v_j) by profile, (P,), money."""
        prior = self.buyers[i]
        tail = np.append(np.array([float(x) for x in prior.tails])[1:], 0.0)
        return np.asarray((np.append(np.diff(prior.v), 0.0) * tail / prior.f)[self.types[:, i]])

    def neighbours(self, i: int) -> tuple[Any, Any]:
        """Profiles in which buyer i has not her highest type, and the same with her next one."""
        low = np.flatnonzero(self.types[:, i] < self.shape[i] - 1)
        return low, low + int(np.prod(self.shape[i + 1 :]))

    def primal(self) -> Program:
        """Program (12): the period's best auction and what it leaves for later."""
        theta = cp.Variable(len(self.f), name="theta")
        rows: dict[str, Any] = {}
        objective: Any = self.f @ theta
        supply: Any = 0
        worth: Any = self.a[None, :]
        for i, prior in enumerate(self.buyers):
            x, (index, chance) = cp.Variable(len(self.f), name=f"x_{i + 1}"), self.others(i)
            room = self.b[i] + self.xi[i]  # (others,)
            low, high = self.neighbours(i)
            rents = self.rents(i) @ x
            y = room[index] + rents - (self.mean(i) @ rents)[index]
            rows[f"lambda_{i + 1}"] = self.mean(i) @ cp.multiply(self.vartheta(i), x) <= room
            if len(low):
                rows[f"eta_{i + 1}"] = x[high] - x[low] >= 0
            rows[f"phit_{i + 1}"] = x >= 0
            supply += x
            worth = worth + cp.reshape(y, (len(self.f), 1), order="C") @ self.s[None, :, i]
            objective += (self.f * prior.v[self.types[:, i]]) @ x - chance @ self.xi[i]
        rows["mu"] = supply <= 1
        rows["gamma"] = cp.reshape(theta, (len(self.f), 1), order="C") <= worth
        return Program(cp.Maximize(objective), rows)

    def dual(self) -> Program:
        """Its dual, with phit_i(v) <= mu(v) / f(v); the multipliers of its rows are the allocation."""
        P, K = len(self.f), len(self.a)
        mu = cp.Variable(P, name="mu", nonneg=True)
        gamma = cp.Variable((P, K), name="gamma", nonneg=True)
        rows: dict[str, Any] = {"theta": cp.sum(gamma, axis=1) == self.f}
        cost: Any = cp.sum(mu) + cp.sum(gamma @ self.a)
        for i, prior in enumerate(self.buyers):
            (index, chance), (low, high) = self.others(i), self.neighbours(i)
            lam = cp.Variable(len(chance), name=f"lambda_{i + 1}", nonneg=True)
            g = gamma @ self.s[:, i]  # f(v) g_i(v), (P,)
            one = sp.csr_array((np.ones(P), (index, np.arange(P))), shape=(len(chance), P))
            beta = lam + one @ g  # f(v_-i) beta_i(v_-i)
            value = cp.multiply(self.f, prior.v[self.types[:, i]]) - cp.multiply(
                prior.f[self.types[:, i]] * self.vartheta(i), beta[index]
            )
            value = value + self.rents(i).T @ g
            if len(low):
                eta = cp.Variable(len(low), name=f"eta_{i + 1}", nonneg=True)
                move = sp.csr_array((np.ones(len(low)), (low, np.arange(len(low)))), shape=(P, len(low)))
                into = sp.csr_array((np.ones(len(low)), (high, np.arange(len(low)))), shape=(P, len(low)))
                value = value - move @ eta + into @ eta
            rows[f"x_{i + 1}"] = value <= mu
            cost += beta @ (self.b[i] + self.xi[i]) - chance @ self.xi[i]
        return Program(cp.Minimize(cost), rows)

    def virtual_values(self, i: int, dual: Mapping[str, Array]) -> dict[str, Array]:
        """beta (others,), and by profile (P,) g, gain G, phi, phit and the printed formula, from the primal's dual."""
        index, chance = self.others(i)
        prior, (low, high) = self.buyers[i], self.neighbours(i)
        own = prior.f[self.types[:, i]]
        g = dual["gamma"] @ self.s[:, i] / self.f
        beta = dual[f"lambda_{i + 1}"] / chance + self.mean(i) @ g
        step = np.append(np.diff(prior.v), 0.0)[self.types[:, i]]
        above = self.rents(i).T @ (own * g)  # (v_{j+1} - v_j) sum over higher types of f g
        v = prior.v[self.types[:, i]]
        phi = v - beta[index] * self.vartheta(i) + above / own
        eta = np.zeros(len(self.f))
        if len(low):
            eta[low] = dual[f"eta_{i + 1}"]
        before = np.zeros(len(self.f))
        before[high] = eta[low]
        tail = np.append([float(x) for x in prior.tails][1:], 0.0)[self.types[:, i]]
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = np.where(step * tail > 0, above / (step * tail), 0.0)
        printed = (1 + g) * v - beta[index] * self.vartheta(i)
        return {
            "beta": beta,
            "g": g,
            "gain": gain,
            "phi": phi,
            "phit": phi - (eta - before) / self.f,
            "printed": printed,
        }
