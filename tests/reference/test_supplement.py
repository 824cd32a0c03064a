"""Supplement to Non-clairvoyant dynamic mechanism design (2020): lemmas without a test in tests/models."""

import itertools
from fractions import Fraction

import cvxpy as cp
import numpy as np
import pytest

import mechopt as mo
from mechopt.models.clairvoyance.money_burning_values import ironed_utility_values, utility_values
from mechopt.models.distributions import Distribution
from mechopt.models.dynamic.dynamic_audit import audit

HALF = Fraction(1, 2)
COIN = (np.array([1.0, 2.0]), np.array([0.5, 0.5]))


def static(values, chances):
    """The best price's revenue in one period."""
    return max(p * chances[values >= p].sum() for p in values)


class TwoPeriods:
    """One buyer, two periods, as a program over all direct mechanisms; rows are chosen by the methods called."""

    def __init__(self, first, second):
        (self.v, self.f), (self.w, self.h) = first, second
        n, m = len(self.v), len(self.w)
        self.x, self.p = cp.Variable(n, nonneg=True), cp.Variable(n)
        self.X, self.P = cp.Variable((n, m), nonneg=True), cp.Variable((n, m))
        self.rows = [self.x <= 1, self.X <= 1]
        self.U = cp.multiply(self.X, np.tile(self.w, (n, 1))) - self.P  # utility of the second period
        for r in range(n):
            self.rows += [self.U[r, j] >= self.w[j] * self.X[r, k] - self.P[r, k] for j in range(m) for k in range(m)]

    def later(self, r):
        """Expected utility of period 2 after the report r."""
        return self.h @ self.U[r]

    def truthful(self, later):
        """Rows of period 1 when the future adds later(r)."""
        n = len(self.v)
        for j, r in itertools.product(range(n), repeat=2):
            self.rows.append(
                self.v[j] * self.x[j] - self.p[j] + later(j) >= self.v[j] * self.x[r] - self.p[r] + later(r)
            )

    def rational(self, per_period):
        """eP-IR, or PPIR."""
        own = cp.multiply(self.v, self.x) - self.p
        self.rows += [own >= 0, self.U >= 0] if per_period else [own[j] + self.U[j] >= 0 for j in range(len(self.v))]

    def best(self, goal=None):
        revenue = self.f @ self.p + self.f @ self.P @ self.h
        return cp.Problem(cp.Maximize(revenue if goal is None else goal), self.rows).solve(solver=cp.HIGHS)


def test_paying_every_period_and_not_knowing_the_end_earns_the_static_revenue():
    """Lemma B.1: DIC with and without period 2, and PPIR: 2; knowing whether there is a period 2 earns 9/4."""
    for first, second in ((COIN, COIN), ((np.array([1.0, 2, 4]), np.array([0.5, 0.25, 0.25])), COIN)):
        blind = TwoPeriods(first, second)
        blind.truthful(lambda r: 0)
        blind.truthful(blind.later)
        blind.rational(per_period=True)
        told = TwoPeriods(first, second)
        told.truthful(told.later)
        told.rational(per_period=True)
        assert blind.best() == pytest.approx(static(*first) + static(*second), abs=1e-8)
        assert told.best() > blind.best() + 0.1
    two = TwoPeriods(COIN, COIN)
    two.truthful(two.later)
    two.rational(per_period=True)
    assert two.best() == pytest.approx(9 / 4, abs=1e-8)


def test_truth_for_every_future_earns_the_static_revenue():
    """Lemma B.2: truth best for every realisation of later types, not on average, and eP-IR."""
    strict = TwoPeriods(COIN, COIN)
    for k in range(2):
        strict.truthful(lambda r, k=k: strict.U[r, k])
    strict.rational(per_period=False)
    assert strict.best() == pytest.approx(2, abs=1e-8)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_not_knowing_the_future_makes_it_independent_of_the_past(n):
    """Lemma C.1 is about an interval of types: on a grid, what later periods promise can differ by one step of it."""
    grid = (1 + np.arange(n + 1) / n, np.full(n + 1, 1 / (n + 1)))
    blind = TwoPeriods(grid, COIN)
    blind.truthful(lambda r: 0)
    blind.truthful(blind.later)
    blind.rational(per_period=False)
    apart = max(blind.best(blind.later(a) - blind.later(b)) for a, b in ((0, n), (n, 0)))
    assert apart == pytest.approx(1 / n, abs=1e-7)


def test_averaging_over_histories_of_equal_utility():
    """Lemma C.2 in fractions: types 1 and 2 are not served at first and have had the same utility, 0."""
    weights = [HALF, Fraction(1, 4)]
    values, chances = [1, 3], [HALF, HALF]
    fee = {0: Fraction(0), 1: Fraction(-1, 2)}  # after type 1 the price 1 and its fee, after type 2 the price 3
    sold = [[Fraction(1), Fraction(1)], [Fraction(0), Fraction(1)]]
    paid = [[1 + fee[0], 1 + fee[0]], [Fraction(0), Fraction(3)]]
    promise = sum(p * (v * x - m) for p, v, x, m in zip(chances, values, sold[0], paid[0], strict=True))
    paid[1] = [m - promise for m in paid[1]]  # the same promised utility, as Lemma C.1 says
    total = sum(weights)
    mixed = [[sum(w * t[j] for w, t in zip(weights, table, strict=True)) / total for j in range(2)]
             for table in (sold, paid)]  # fmt: skip
    utility = [v * x - m for v, x, m in zip(values, *mixed, strict=True)]
    for j, k in itertools.product(range(2), repeat=2):
        assert utility[j] >= values[j] * mixed[0][k] - mixed[1][k]
    assert min(utility) >= 0
    assert sum(p * u for p, u in zip(chances, utility, strict=True)) == promise
    before = sum(
        w * sum(p * m for p, m in zip(chances, row, strict=True)) for w, row in zip(weights, paid, strict=True)
    )
    assert total * sum(p * m for p, m in zip(chances, mixed[1], strict=True)) == before


@pytest.mark.parametrize("mechanism", ["balance", "two-period-balance"])
def test_balance_mechanisms_are_truthful_and_rational(mechanism):
    """Lemma 6.2, exactly: nobody gains by any report, whatever the others' values, and no path loses."""
    first, second = (
        {"values": [1, 3], "probabilities": ["1/2", "1/2"]},
        {"values": [1, 4], "probabilities": ["3/4", "1/4"]},
    )
    model = mo.NonClairvoyantAuction(periods=[[first, second], [second, first]], mechanism=mechanism)
    found = audit(mo.solve(model).mechanism)
    for name in ("PPIC", "DBIC", "eP-IR", "BU"):
        assert found[name].violation == 0, name


def test_ironed_virtual_values_only_bound_utility():
    """Erratum to Theorem E.1: with ironing E[u] <= E[vt x], equal where x is constant on every ironed pool."""
    prior = Distribution(values=[1, 2, 6, 7], probabilities=["1/4", "1/2", "1/8", "1/8"])
    plain, ironed = (make(prior, "lower") for make in (utility_values, ironed_utility_values))
    assert plain != ironed
    v, f = prior.values, prior.probabilities
    kinds = set()
    for x in itertools.combinations_with_replacement([Fraction(k, 3) for k in range(4)], 4):
        u = [sum(x[m] * (v[m + 1] - v[m]) for m in range(j)) for j in range(4)]
        mean = sum(p * w for p, w in zip(f, u, strict=True))
        bound = sum(p * t * q for p, t, q in zip(f, ironed, x, strict=True))
        flat = all(x[j] == x[j + 1] for j in range(3) if ironed[j] == ironed[j + 1])
        assert mean <= bound
        assert mean == bound or not flat
        kinds.add((flat, mean < bound))
    assert kinds == {(True, False), (False, True)}
