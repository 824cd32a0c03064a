"""The revenue-maximising auction of one good to bidders with known, independent distributions of values.

Bidder i has the value v_i(k) with probability f_i(k); t = (t_1, ..., t_I) is a profile of types. The Bayesian program,
with the interim chances Q_i(k) and payments m_i(k), the dual's letters in brackets:

    max   sum_i sum_k f_i(k) m_i(k)
    s.t.  Q_i(k) v_i(k) - m_i(k) >= 0                               for i, k       [beta_i(k)]
          Q_i(k) v_i(k) - m_i(k) >= Q_i(l) v_i(k) - m_i(l)          for i, k, l    [gamma_i(k, l)]
          Q_i(k) = sum over t with t_i = k of f_-i(t_-i) q_i(t)     for i, k       [w_i(k)]
          sum_i q_i(t) <= 1                                         for t          [lambda(t)]
          q_i(t) >= 0                                               for i, t

Its dual, the primal's letters in brackets:

    min   sum_t lambda(t)
    s.t.  f_i(k) = beta_i(k) + sum_l gamma_i(k, l) - sum_l gamma_i(l, k)                              [m_i(k)]
          w_i(k) = beta_i(k) v_i(k) + sum_l gamma_i(k, l) v_i(k) - sum_l gamma_i(l, k) v_i(l)         [Q_i(k)]
          lambda(t) >= f_-i(t_-i) w_i(t_i)                                                            [q_i(t)]
          beta, gamma, lambda >= 0

w_i(k) / f_i(k) is a virtual value: with gamma on neighbours only, gamma_i(k, k - 1) = T_i(k) + mu and
gamma_i(k - 1, k) = mu, it is Myerson's, ironed by mu (models/virtual_values.py). The program with ex-post rows, whose
mechanism is truthful in dominant strategies, has the same value E[max(0, max_i ironed phi_i)].

Source: R. Myerson, Optimal auction design (1981); for finite types R. Vohra, Mechanism Design: A Linear Programming
Approach (2011), chapter 6.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cached_property
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mechopt.models.auctions.myerson_theory import expected_best, interim_chances, threshold_revenue, uniform_revenue
from mechopt.models.distributions import Distribution
from mechopt.models.inputs import checked, fail
from mechopt.models.outcome import ClosedForm
from mechopt.models.virtual_values import ironed_virtual_values, reserve, virtual_values
from mechopt.solvers.memory import Size, available, human
from mechopt.solvers.program import Array, Program

Indices = NDArray[np.int64]
MOST_BIDDERS = 1000
TOLD = 10**15  # profiles up to which their number is spelled out


@checked
class MyersonAuction:
    """One good; `bidders`: the distribution of each bidder's value, independent of the others'. Values are money.

    Bidders may differ and need not be regular. Raises InputError for anything that is not a list of distributions.

    >>> from mechopt.solvers.highs import solve
    >>> model = MyersonAuction(bidders=[{"values": [1, 2, 3], "probabilities": ["1/3", "1/3", "1/3"]}] * 2)
    >>> exact = model.optimum
    >>> assert exact == 2 and abs(solve(model.primal()).value - float(exact)) < 1e-9
    >>> assert abs(solve(model.primal_dsic()).value - float(exact)) < 1e-9 and model.reserves == (2, 2)
    """

    bidders: tuple[Distribution, ...]

    def __post_init__(self) -> None:
        if not self.bidders:
            hint = 'write bidders = [{family = "uniform", support = [0, 1], points = 11}]'
            raise fail("bidders", "at least one distribution", "none", hint)
        if len(self.bidders) > MOST_BIDDERS:
            raise fail("bidders", f"at most {MOST_BIDDERS:,} distributions", f"{len(self.bidders):,}")
        first = {prior: prior for prior in reversed(self.bidders)}
        object.__setattr__(
            self, "bidders", tuple(first[prior] for prior in self.bidders)
        )  # equal ones share their work

    def parameters(self) -> dict[str, Any]:
        """The instance as its file has it, every number in its shortest exact form."""
        return {"bidders": [prior.parameters() for prior in self.bidders]}

    @property
    def shape(self) -> tuple[int, ...]:
        """K_1, ..., K_I: how many types each bidder has."""
        return tuple(len(prior) for prior in self.bidders)

    @property
    def profiles(self) -> int:
        """P, the number of profiles of types."""
        return math.prod(self.shape)

    @cached_property
    def phi(self) -> list[list[Fraction]]:
        """Virtual values of every bidder's types, money."""
        known = {prior: virtual_values(prior) for prior in set(self.bidders)}
        return [known[prior] for prior in self.bidders]

    @cached_property
    def scores(self) -> list[list[Fraction]]:
        """Ironed virtual values of every bidder's types, money: the good goes to the highest that is not negative."""
        known = {prior: ironed_virtual_values(prior) for prior in set(self.bidders)}
        return [known[prior] for prior in self.bidders]

    @cached_property
    def ranks(self) -> list[Indices]:
        """The scores' places among all that are not negative, counted from zero; -1 for negative ones."""
        order = {s: n for n, s in enumerate(sorted({s for row in self.scores for s in row if s >= 0}))}
        return [np.array([order.get(s, -1) for s in row], dtype=np.int64) for row in self.scores]

    @property
    def reserves(self) -> tuple[Fraction | None, ...]:
        """The lowest value at which each bidder may win, money; None where there is none."""
        return tuple(reserve(prior) for prior in self.bidders)

    @cached_property
    def optimum(self) -> Fraction:
        """E[max(0, max_i ironed phi_i)], the value of both programs, exactly, without listing profiles."""
        return expected_best(self.scores, [prior.probabilities for prior in self.bidders])

    @cached_property
    def chances(self) -> list[list[Fraction]]:
        """Q_i(k) of the optimal auction: chance that bidder i wins with her k-th value; ties to the first bidder."""
        return interim_chances(self.scores, [prior.probabilities for prior in self.bidders])

    def revenue_of_thresholds(self) -> Fraction:
        """What the threshold payments of the optimal auction bring in, counted payment by payment: the optimum."""
        return sum(
            (threshold_revenue(p.values, p.tails, Q) for p, Q in zip(self.bidders, self.chances, strict=True)),
            Fraction(0),
        )

    def closed_form(self) -> ClosedForm | None:
        """The limit of ever finer grids where every bidder is uniform on an interval; None otherwise."""
        if any(prior.written.get("family") != "uniform" for prior in self.bidders):
            return None
        spans = [(float(prior.values[0]), float(prior.values[-1])) for prior in self.bidders]
        return ClosedForm(uniform_revenue(spans), "limit on the continuum", "Myerson (1981), uniform values")

    def size(self, method: str = "virtual-values") -> Size:
        """Size of the program a method solves, before it is built; the formula needs none."""
        P, bidders, types = min(self.profiles, 10**30), len(self.bidders), sum(self.shape)
        if method == "ex-post":
            return Size(P * (1 + 2 * bidders + types), 2 * bidders * P, P * (4 * types + 6 * bidders))
        if method == "bayesian":
            pairs = sum(K * K for K in self.shape)
            return Size(pairs + 2 * types + P * (1 + bidders), P * bidders + 2 * types, 4 * pairs + 3 * P * bidders)
        return Size(0, 0, 0)

    def require_fits(self, method: str) -> None:
        """Raise InputError, saying how large the method's program would be, when it would not fit in memory."""
        size = self.size(method)
        if not size.fits:
            expected = f"a program that fits in the {human(available())} of memory that are free"
            got = f"{self.told_profiles()} profiles of types" + (f": {size}" if self.profiles < TOLD else "")
            raise fail("bidders", expected, got, 'the method "virtual-values" needs no program')

    def told_profiles(self) -> str:
        """How many profiles there are, in words where there are too many to count."""
        return f"{self.profiles:,}" if self.profiles < TOLD else f"about 10^{sum(map(math.log10, self.shape)):.0f}"

    def words(self) -> str:
        """The problem and its program in words."""
        counts = {prior: self.bidders.count(prior) for prior in dict.fromkeys(self.bidders)}
        who = "; ".join(f"{count} with {prior.words()}" for prior, count in counts.items())
        rows = (__doc__ or "").partition("brackets:\n\n")[2].partition("\n\nIts dual")[0]
        return (
            f"Sell one good to {len(self.bidders)} bidder{'s' if len(self.bidders) > 1 else ''} with independent "
            f"values of known distributions ({who}). Find the auction, truthful and never worse than staying away, "
            f"that earns most ({self.told_profiles()} profiles of types):\n\n{rows}"
        )

    @cached_property
    def types(self) -> Indices:
        """The profiles t, (P, I): every bidder's type, counted from zero, the last bidder's moving fastest."""
        return np.stack(np.unravel_index(np.arange(self.profiles), self.shape), axis=1).astype(np.int64)

    @cached_property
    def others(self) -> Array:
        """f_-i(t_-i), (P, I): how likely the others' types are."""
        f = np.stack([prior.f[self.types[:, i]] for i, prior in enumerate(self.bidders)], axis=1)
        ones = np.ones((self.profiles, 1))
        before = np.hstack([ones, np.cumprod(f, axis=1)[:, :-1]])
        after = np.hstack([np.cumprod(f[:, ::-1], axis=1)[:, ::-1][:, 1:], ones])
        return np.asarray(before * after)

    def interim(self, bidder: int) -> Any:
        """The sparse matrix (K_i, P) that turns q_i(t) into Q_i(k)."""
        P = self.profiles
        entries = (self.others[:, bidder], (self.types[:, bidder], np.arange(P)))
        return sp.csr_array(entries, shape=(self.shape[bidder], P))

    def primal(self) -> Program:
        """The seller's Bayesian program: interim incentives, ex-post allocation."""
        self.require_fits("bayesian")
        q = cp.Variable((self.profiles, len(self.bidders)), name="q")
        revenue: Any = 0
        rows: dict[str, Any] = {}
        for i, prior in enumerate(self.bidders):
            K, v = len(prior), prior.v
            Q, m = cp.Variable(K, name=f"Q_{i + 1}"), cp.Variable(K, name=f"m_{i + 1}")
            truth = cp.multiply(v, Q) - m  # (K,)
            lie = v[:, None] @ cp.reshape(Q, (1, K), order="C") - cp.reshape(m, (1, K), order="C")  # row k, column l
            rows[f"beta_{i + 1}"] = truth >= 0
            rows[f"gamma_{i + 1}"] = cp.reshape(truth, (K, 1), order="C") >= lie
            rows[f"w_{i + 1}"] = Q - self.interim(i) @ q[:, i] == 0
            revenue += prior.f @ m
        return Program(cp.Maximize(revenue), {**rows, "lambda": cp.sum(q, axis=1) <= 1, "chance": q >= 0})

    def primal_dsic(self) -> Program:
        """The seller's program with ex-post rows: truth is best whatever the others' types are.

        max sum_t f(t) sum_i m_i(t) subject to, for every i, t and l, u_i(t) = q_i(t) v_i(t_i) - m_i(t) >= 0
        [beta_i(t)] and u_i(t) >= q_i(l, t_-i) v_i(t_i) - m_i(l, t_-i) [gamma_i(t, l)], and sum_i q_i(t) <= 1
        [lambda(t)], q >= 0.
        """
        self.require_fits("ex-post")
        P, bidders = self.profiles, len(self.bidders)
        q, m = cp.Variable((P, bidders), name="q"), cp.Variable((P, bidders), name="m")
        rows: dict[str, Any] = {}
        for i, prior in enumerate(self.bidders):
            K, own = len(prior), self.types[:, i]
            value = prior.v[own]  # (P,)
            truth = cp.multiply(value, q[:, i]) - m[:, i]
            stride = math.prod(self.shape[i + 1 :])
            lies = np.arange(P)[:, None] + (np.arange(K) - own[:, None]) * stride  # profile after the report l, (P, K)
            q_lie, m_lie = (cp.reshape(x[lies.ravel(), i], (P, K), order="C") for x in (q, m))
            rows[f"beta_{i + 1}"] = truth >= 0
            rows[f"gamma_{i + 1}"] = cp.reshape(truth, (P, 1), order="C") >= cp.multiply(value[:, None], q_lie) - m_lie
        chance = self.others[:, 0] * self.bidders[0].f[self.types[:, 0]]  # f(t), (P,)
        revenue = chance @ cp.sum(m, axis=1)
        return Program(cp.Maximize(revenue), {**rows, "lambda": cp.sum(q, axis=1) <= 1, "chance": q >= 0})

    def dual(self) -> Program:
        """The dual of the Bayesian program; the multipliers of its rows are the auction, by the letters m, Q and q."""
        self.require_fits("bayesian")
        price = cp.Variable(self.profiles, name="lambda", nonneg=True)
        rows: dict[str, Any] = {}
        for i, prior in enumerate(self.bidders):
            K, v = len(prior), prior.v
            beta = cp.Variable(K, name=f"beta_{i + 1}", nonneg=True)
            gamma = cp.Variable((K, K), name=f"gamma_{i + 1}", nonneg=True)
            w = cp.Variable(K, name=f"w_{i + 1}")
            out, into = cp.sum(gamma, axis=1), cp.sum(gamma, axis=0)
            rows[f"m_{i + 1}"] = beta + out - into == prior.f
            rows[f"Q_{i + 1}"] = w == cp.multiply(v, beta + out) - gamma.T @ v
            rows[f"q_{i + 1}"] = price >= cp.multiply(self.others[:, i], w[self.types[:, i]])
        return Program(cp.Minimize(cp.sum(price)), rows)
