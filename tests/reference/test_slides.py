"""A. Makarin's slides on optimal auctions, claim by claim, on densities: one good, values in [0, omega]."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.integrate import dblquad, quad
from scipy.optimize import brentq

import mechopt as mo


@dataclass(frozen=True)
class Law:
    """A distribution function with its density on [0, top]."""

    F: Callable[[float], float]
    f: Callable[[float], float]
    top: float

    def psi(self, v):
        return v - (1 - self.F(v)) / self.f(v)

    def mean(self, g):
        return quad(lambda v: g(v) * self.f(v), 0, self.top, epsabs=1e-12)[0]


UNIT = Law(lambda v: v, lambda v: 1.0, 1.0)
DOUBLE = Law(lambda v: v / 2, lambda v: 0.5, 2.0)
RISING = Law(lambda v: v * v, lambda v: 2 * v, 1.0)
LAWS = [UNIT, DOUBLE, RISING]
RULES = [lambda v: v / 2, lambda v: min(v, 1.0) ** 3 / 2, lambda v: 0.2 if v < 0.5 else 0.9]


def utility(q, v):
    return quad(q, 0, v, points=[0.5] if v > 0.5 else None, epsabs=1e-13)[0]


@pytest.mark.parametrize("q", RULES)
def test_truth_makes_utility_convex_with_the_chance_as_its_slope(q):
    """Rising chances and the payments of revenue equivalence: no lie gains, and U is the maximum of its tangents."""
    v = np.linspace(0, 1, 41)
    U = np.array([utility(q, x) for x in v])
    chance = np.array([q(x) for x in v])
    paid = chance * v - U
    lies = np.outer(v, chance) - paid  # true value by row, report by column
    assert (lies.max(axis=1) <= U + 1e-12).all()
    np.testing.assert_allclose(lies.max(axis=1), U, atol=1e-12)
    assert (np.diff(U, 2) >= -1e-12).all()


def test_falling_chances_cannot_be_truthful():
    """Both types' rows add up to (v - w)(q(v) - q(w)) >= 0, which payments do not enter."""
    for v, w in itertools.combinations(np.linspace(0, 1, 9), 2):
        assert (v - w) * ((1 - v) - (1 - w)) < 0


@pytest.mark.parametrize(("law", "q"), list(itertools.product(LAWS, RULES)))
def test_expected_payments_are_expected_virtual_values(law, q):
    """Erratum: the density belongs outside of the inner integral, f(v) and not f(x)."""
    if q is RULES[2]:
        split = lambda g: quad(g, 0, 0.5)[0] + quad(g, 0.5, law.top)[0]  # noqa: E731
    else:
        split = lambda g: quad(g, 0, law.top)[0]  # noqa: E731
    paid = split(lambda v: (q(v) * v - utility(q, v)) * law.f(v))
    virtual = split(lambda v: (v * law.f(v) - (1 - law.F(v))) * q(v))
    assert paid == pytest.approx(virtual, abs=1e-9)


def test_the_printed_double_integral_is_another_number():
    """F = v^2 and q = v: payments 1/4, virtual values 1/4, with q(x) f(x) inside 1/2 - 1/6 = 1/3."""
    inside = quad(lambda v: quad(lambda x: x * 2 * x, 0, v)[0], 0, 1)[0]
    own = RISING.mean(lambda v: v * v)
    assert own - inside == pytest.approx(1 / 3, abs=1e-12)
    assert own - RISING.mean(lambda v: v * v / 2) == pytest.approx(1 / 4, abs=1e-12)
    assert RISING.mean(lambda v: RISING.psi(v) * v) == pytest.approx(1 / 4, abs=1e-12)


@pytest.mark.parametrize("law", LAWS)
def test_virtual_values_have_mean_zero(law):
    assert quad(lambda v: v * law.f(v) - (1 - law.F(v)), 0, law.top)[0] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("law", LAWS)
def test_virtual_values_are_marginal_revenues(law):
    """d/dq of q F^{-1}(1 - q) at the quantity that the price v sells; the best price has it zero."""
    revenue = lambda q: q * brentq(lambda v: law.F(v) - (1 - q), 0, law.top, xtol=1e-14)  # noqa: E731
    for v in np.linspace(0.2, 0.9, 8) * law.top:
        q, step = 1 - law.F(v), 1e-5
        assert (revenue(q + step) - revenue(q - step)) / (2 * step) == pytest.approx(law.psi(v), abs=1e-6)
    best = brentq(law.psi, 1e-9, law.top)
    prices = np.linspace(0, law.top, 2001)
    earned = [p * (1 - law.F(p)) for p in prices]
    assert max(earned) <= best * (1 - law.F(best)) + 1e-12
    assert prices[int(np.argmax(earned))] == pytest.approx(best, abs=1e-3 * law.top)


def threshold(own, rival, v):
    """y_i(v_-i) for one rival: the least value whose virtual value is at least zero and the rival's."""
    goal = max(rival.psi(v), 0.0)
    return brentq(lambda x: own.psi(x) - goal, 1e-12, own.top) if own.psi(own.top) >= goal else math.inf


@pytest.mark.parametrize(("one", "two", "known"), [(UNIT, UNIT, 5 / 12), (UNIT, DOUBLE, 31 / 48)])
def test_winners_pay_the_least_value_that_wins_and_nobody_earns_more(one, two, known):
    """E max(psi_1, psi_2, 0) is what threshold payments earn."""
    surplus = dblquad(lambda y, x: max(one.psi(x), two.psi(y), 0) * one.f(x) * two.f(y), 0, one.top, 0, two.top,
                      epsabs=1e-5)[0]  # fmt: skip
    assert surplus == pytest.approx(known, abs=1e-4)
    paid = 0.0
    for own, rival in ((one, two), (two, one)):

        def earned(v, own=own, rival=rival):
            price = threshold(own, rival, v)
            return price * (1 - own.F(price)) * rival.f(v) if price < math.inf else 0.0

        kink = brentq(rival.psi, 1e-9, rival.top)
        paid += sum(quad(earned, *ends, epsabs=1e-10)[0] for ends in ((0, kink), (kink, rival.top)))
    assert paid == pytest.approx(known, abs=1e-8)


@pytest.mark.parametrize("law", LAWS)
def test_alike_bidders_face_one_reserve_and_each_other(law):
    """y_i = max(psi^{-1}(0), highest rival): the second price auction with a reserve."""
    reserve = brentq(law.psi, 1e-9, law.top)
    for v in np.linspace(0.05, 1, 20) * law.top:
        assert threshold(law, law, v) == pytest.approx(max(reserve, v), abs=1e-9)


def test_both_sources_of_inefficiency():
    """Unsold at (0.4, 0.9), and sold to the lower value at (0.9, 1.2), where psi is 0.8 and 0.4."""
    assert max(UNIT.psi(0.4), DOUBLE.psi(0.9)) < 0
    assert UNIT.psi(0.9) > DOUBLE.psi(1.2) > 0


def test_the_printed_rule_leaves_profiles_undecided():
    """Erratum: a highest virtual value below zero is in neither branch; with `or psi_i < 0` in the second it is."""
    psi = [UNIT.psi(0.4), UNIT.psi(0.3)]
    assert not (psi[0] > psi[1] and psi[0] >= 0)
    assert not psi[0] < psi[1]
    assert psi[0] < psi[1] or psi[0] < 0


def test_equal_virtual_values_need_not_share():
    """Erratum: Q_i > 0 only if psi_i is highest, not if and only if; here both are 1, and the first buyer gets all."""
    sure = {"values": [1], "probabilities": [1]}
    result = mo.solve(mo.MyersonAuction(bidders=[sure, sure]))
    assert result.value == result.bounds.upper == 1
    given_away = {"types": [[1], [1]], "allocation": [[[1]], [[0]]], "payment": [[[1]], [[0]]]}
    assert all(f.violation == 0 for f in mo.audit(given_away).findings)
