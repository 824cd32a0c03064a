"""Auctions of one good to independent bidders who are alike, when their distribution is one of several.

Values v_1 < ... < v_K, N priors P; under P every bidder has v_k with probability f^P_k > 0, independently. q_i(v) and
m_i(v) are bidder i's chance and payment in the profile v, Q^P_i(k) and M^P_i(k) their means over the others' values
under P. The full program (thesis, problem (IMDP)), the dual's letters in brackets:

    max   t
    s.t.  E_P sum_i m_i(v) >= t                                              for P                 [pi_P]
          Q^P_i(k) v_k - M^P_i(k) >= 0                                       for P, i, k           [beta]
          Q^P_i(k) v_k - M^P_i(k) >= Q^P_i(l) v_k - M^P_i(l)                 for P, i, k, l        [gamma]
          sum_i q_i(v) <= 1                                                  for v                 [lambda(v)]
          q >= 0

Payments follow from the chances. With m_i(v) = q_i(v) v_i - sum over v_j < v_i of q_i(v_j, v_-i) (v_{j+1} - v_j) the
rows of all priors hold at once when every Q^P_i rises, and no payments take more under any of them. Bidders who are
alike may be treated alike. What remains is the reduced program, in one rule q(k, w) for a bidder with value v_k against
others w, with the virtual values phi^P_k = v_k - (v_{k+1} - v_k) P(V > v_k) / f^P_k:

    max   t
    s.t.  I sum_k f^P_k phi^P_k Q^P(k) >= t                                  for P                 [pi_P]
          Q^P(k + 1) >= Q^P(k)                                               for P, k < K          [mu_P(k)]
          sum over the bidders of v of q <= 1                                for profiles v        [lambda(v)]
          q >= 0

Its dual minimises sum_v lambda(v) over pi, mu, lambda >= 0 with sum pi = 1 and, for every value v_k and others w,

    sum of lambda(v) over the bidders of profiles v that see (k, w)  >=
        (orders of w) sum_P f^P(w) [I pi_P f^P_k phi^P_k + mu_P(k - 1) - mu_P(k)].                     [q(k, w)]

Source: C. Kocyigit's thesis (EPFL), Section 1.4, Propositions 1.4.1 and 1.4.2.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from mechopt.models.distributions import Distribution
from mechopt.models.inputs import Count, checked, fail, plain, shorten
from mechopt.models.outcome import ClosedForm
from mechopt.models.regret.regret_auction import RegretAuction
from mechopt.models.regret.regret_auction_orbits import Orbits, orbits
from mechopt.models.regret.regret_auction_size import LARGEST_TABLE, MANY, choose, power
from mechopt.models.virtual_values import ironed_virtual_values, virtual_values
from mechopt.solvers.memory import Size, available, human
from mechopt.solvers.program import Array, Program


@checked
class IndependentAuction:
    """One good, I bidders whose values are drawn independently from the same distribution, one of `distributions`.

    `bidders`: I, at least 1. `distributions`: N priors of one bidder's value, money, all with the same values and a
    positive probability for each. Raises InputError for anything else.

    >>> coins = [{"values": [1, 2], "probabilities": p} for p in (["1/2", "1/2"], ["1/4", "3/4"])]
    >>> model = IndependentAuction(bidders=2, distributions=coins)
    >>> assert model.phi[0] == [0, 2] and model.types == 2
    """

    bidders: Count
    distributions: tuple[Distribution, ...]

    def __post_init__(self) -> None:
        if not self.distributions:
            raise fail("distributions", "at least one distribution", "none")
        first = self.distributions[0].values
        if len(first) < 2:
            raise fail("distributions[0]", "at least 2 values of positive probability", f"{len(first)}")
        if first[0] < 0:
            raise fail("distributions[0].values[0]", "a number of at least 0", first[0])
        for n, prior in enumerate(self.distributions):
            if prior.values != first:
                got = shorten(", ".join(str(plain(x)) for x in prior.values))
                hint = "write every distribution on the same grid, with positive probabilities"
                raise fail(f"distributions[{n}]", "the values of the first distribution", got, hint)

    def parameters(self) -> dict[str, Any]:
        """The instance as its file has it, every number in its shortest exact form."""
        return {"bidders": self.bidders, "distributions": [prior.parameters() for prior in self.distributions]}

    @property
    def types(self) -> int:
        """K, the number of values."""
        return len(self.distributions[0])

    @property
    def profiles(self) -> int:
        """Number of profiles of values, at most MANY."""
        return power(self.types, self.bidders)

    @property
    def others(self) -> int:
        """Number of profiles of a bidder's rivals up to their order."""
        return choose(self.types + self.bidders - 2, self.bidders - 1)

    @cached_property
    def phi(self) -> list[list[Fraction]]:
        """Virtual values under every prior, (N, K), money."""
        return [virtual_values(prior) for prior in self.distributions]

    def size(self, full: bool = False) -> Size:
        """Size of the reduced program, or of the full one, before anything is built."""
        K, N, bidders = self.types, len(self.distributions), self.bidders
        if full:
            seats = min(MANY, self.profiles * bidders)
            rows = N + N * bidders * K * (1 + K) + self.profiles + seats
            return Size(rows, 1 + 2 * seats, seats * (2 + 4 * N * K))
        seats, profiles = min(MANY, self.others * K), choose(K + bidders - 1, bidders)
        return Size(N * K + profiles + seats, 1 + seats, seats * (3 * N + 1 + bidders))

    def require_fits(self, full: bool = False) -> None:
        """Raise InputError when a program, or the table of profiles it is built from, would be too large."""
        got = f"{self.types} values for {self.bidders} bidders"
        if self.profiles * self.bidders > LARGEST_TABLE:
            wanted = f"at most {LARGEST_TABLE:,} chances by profile"
            raise fail("distributions", wanted, f"{got}: {min(self.profiles * self.bidders, MANY):,}", "use fewer")
        if not (size := self.size(full)).fits:
            wanted = f"a program that fits in the {human(available())} of memory that are free"
            raise fail("distributions", wanted, f"{got}: {size}", "use fewer values")

    def words(self) -> str:
        """The problem and its program in words."""
        rows = (__doc__ or "").partition("brackets:\n\n")[2].partition("\n\nPayments follow")[0]
        low, high = self.distributions[0].values[0], self.distributions[0].values[-1]
        return (
            f"Sell one good to {self.bidders} independent bidders, each with one of {self.types:,} values in "
            f"[{plain(low)}, {plain(high)}], drawn from one of {len(self.distributions)} distributions. Find the "
            "mechanism, truthful and worth joining under every one of them, whose expected revenue is largest under "
            f"the worst:\n\n{rows}"
        )

    @cached_property
    def orbits(self) -> Orbits:
        """Which profiles look alike; seats are pairs of a bidder's own value and the others'."""
        self.require_fits()
        return orbits(RegretAuction(bidders=self.bidders, upper=(Fraction(1),), points=self.types - 1))

    @cached_property
    def tables(self) -> tuple[Array, Any]:
        """What a unit of q brings under each prior, (N, C), and Q^P of every value, sparse (N K, C)."""
        steps, seat = self.orbits.steps, self.orbits.seat
        C, K = len(self.orbits.weight), self.types
        revenue, means = np.zeros((len(self.distributions), C)), []
        for n, prior in enumerate(self.distributions):
            chance = prior.f[steps].prod(axis=1)  # (P,)
            worth = np.array([float(x) for x in self.phi[n]])
            mass = np.bincount(seat.ravel(), weights=np.repeat(chance, self.bidders), minlength=C)
            own = np.arange(C) % K
            revenue[n] = mass * worth[own]
            means.append(sp.csr_array((mass / (self.bidders * prior.f[own]), (own, np.arange(C))), shape=(K, C)))
        return revenue, sp.vstack(means, format="csr")

    @property
    def rises(self) -> Any:
        """Steps of a list per prior, sparse (N (K - 1), N K)."""
        step = sp.diags_array([-1.0, 1.0], offsets=[0, 1], shape=(self.types - 1, self.types))
        return sp.kron(sp.eye_array(len(self.distributions)), step, format="csr")

    def reduced(self) -> Program:
        """The reduced program: one rule for all bidders, payments eliminated."""
        self.require_fits()
        revenue, means = self.tables
        t, q = cp.Variable(name="t"), cp.Variable(revenue.shape[1], name="q")
        rows = {
            "pi": revenue @ q >= t,
            "mu": (self.rises @ means) @ q >= 0,
            "lambda": self.orbits.total @ q <= 1,
            "chance": q >= 0,
        }
        return Program(cp.Maximize(t), rows)

    def dual(self) -> Program:
        """The dual of the reduced program; the multiplier of its row q is the mechanism."""
        self.require_fits()
        revenue, means = self.tables
        N, K = len(self.distributions), self.types
        pi, lam = (
            cp.Variable(N, name="pi", nonneg=True),
            cp.Variable(len(self.orbits.first), name="lambda", nonneg=True),
        )
        mu = cp.Variable(N * (K - 1), name="mu", nonneg=True)
        earned = revenue.T @ pi + (self.rises @ means).T @ mu
        rows = {"t": cp.sum(pi) == 1, "q": self.orbits.total.T @ lam >= earned}
        return Program(cp.Minimize(cp.sum(lam)), rows)

    def primal(self) -> Program:
        """The full program (IMDP): every bidder's own rule, free ex-post payments; row v I + i is bidder i in v."""
        self.require_fits(full=True)
        K, bidders, P = self.types, self.bidders, self.profiles
        steps = np.stack(np.unravel_index(np.arange(P), (K,) * bidders), axis=1)
        seats, row = P * bidders, (np.arange(bidders) * K + steps).ravel()  # row: bidder and own value
        t, q, m = cp.Variable(name="t"), cp.Variable(seats, name="q"), cp.Variable(seats, name="m")
        v = np.tile(self.distributions[0].v, bidders)  # (IK,)
        pick = np.repeat(np.arange(bidders * K), K)
        there = (np.arange(bidders)[:, None, None] * K + np.zeros((1, K, 1), int) + np.arange(K)).ravel()
        earned, stay, truth = [], [], []
        for prior in self.distributions:
            chance = prior.f[steps].prod(axis=1)
            mass = (chance[:, None] / prior.f[steps]).ravel()
            mean = sp.csr_array((mass, (row, np.arange(seats))), shape=(bidders * K, seats))
            Q, M = mean @ q, mean @ m
            utility = cp.multiply(v, Q) - M
            earned.append(np.repeat(chance, bidders) @ m)
            stay.append(utility)
            truth.append(utility[pick] - cp.multiply(v[pick], Q[there]) + M[there])
        total = sp.kron(sp.eye_array(P), np.ones((1, bidders)), format="csr")
        return Program(cp.Maximize(t), {
            "pi": cp.hstack(earned) >= t, "beta": cp.vstack(stay) >= 0, "gamma": cp.vstack(truth) >= 0,
            "lambda": total @ q <= 1, "chance": q >= 0,
        })  # fmt: skip

    def closed_form(self) -> ClosedForm | None:
        """Myerson's revenue, for a single prior: equal on the grid; None for several."""
        if len(self.distributions) > 1:
            return None
        prior = self.distributions[0]
        below = [1 - t for t in prior.tails] + [Fraction(1)]
        ironed = ironed_virtual_values(prior)
        value = sum(max(x, Fraction(0)) * (below[k + 1] ** self.bidders - below[k] ** self.bidders)
                    for k, x in enumerate(ironed))  # fmt: skip
        return ClosedForm(float(value), "finite optimum", "Myerson (1981), ironed virtual values on finite types")
