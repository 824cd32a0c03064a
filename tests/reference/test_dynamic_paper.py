"""Optimal dynamic auctions are virtual welfare maximizers (2018): its lemmas one by one, errata included."""

import itertools
from fractions import Fraction

import cvxpy as cp
import numpy as np
import pytest
from scipy.integrate import quad

import mechopt as mo
from mechopt.models.distributions import Distribution
from mechopt.models.dynamic.exact import exact_value_functions
from mechopt.models.dynamic.history_accounts import account_program
from mechopt.models.dynamic.period import PeriodProgram
from mechopt.solvers.highs import solve
from mechopt.solvers.program import Program

COIN = Distribution(values=[1, 2], probabilities=["1/2", "1/2"])
THREE = Distribution(values=[1, 3, 4], probabilities=["1/4", "1/2", "1/4"])
PRIORS = [[COIN] * 4, [THREE, COIN, THREE], [COIN, THREE]]


@pytest.mark.parametrize("priors", PRIORS)
def test_value_functions_rise_and_are_concave(priors):
    """Lemmas 3.4 and 3.6 in fractions, every period of one buyer."""
    for curve in exact_value_functions(priors):
        assert curve.slopes == sorted(curve.slopes, reverse=True)
        assert min(curve.slopes) >= 0


def tangents(rng, buyers=2, count=4):
    """A concave rising function of balances: intercepts and slopes of its tangents."""
    return rng.random(count) * 2, rng.random((count, buyers)) * np.arange(count)[:, None] / count


def value(priors, b, xi, a, s):
    """What the period and the future earn: program (12)."""
    return solve(PeriodProgram(priors, b, xi, a, s).primal()).value


@pytest.mark.parametrize("seed", range(3))
def test_the_period_program_keeps_both_properties_for_two_buyers(seed):
    """Lemmas 3.3, 3.4 and 3.6: rising and concave in the balances, jointly, and concave in the promises xi."""
    rng = np.random.default_rng(seed)
    priors, (a, s) = (COIN, THREE), tangents(rng)
    for _ in range(4):
        low, high = rng.random((2, 2)) * 1.5
        promised = [(rng.random(3), rng.random(2)) for _ in range(2)]
        middle = tuple((p + q) / 2 for p, q in zip(*promised, strict=True))
        ends = [value(priors, b, xi, a, s) for b, xi in zip((low, high), promised, strict=True)]
        assert value(priors, (low + high) / 2, middle, a, s) >= sum(ends) / 2 - 1e-8
        assert value(priors, np.maximum(low, high), promised[0], a, s) >= ends[0] - 1e-8


def test_expected_utility_is_expected_vartheta():
    """Lemma 3.5 in fractions for every monotone allocation of quarters: E[u'] = E[vartheta x], lower slopes."""
    v, f = THREE.values, THREE.probabilities
    vartheta = [(v[j + 1] - v[j]) * THREE.tails[j + 1] / f[j] if j < 2 else Fraction(0) for j in range(3)]
    for x in itertools.combinations_with_replacement([Fraction(k, 4) for k in range(5)], 3):
        u = [sum(x[m] * (v[m + 1] - v[m]) for m in range(j)) for j in range(3)]
        mean = sum(p * w for p, w in zip(f, u, strict=True))
        assert mean == sum(p * t * q for p, t, q in zip(f, vartheta, x, strict=True))


def test_the_printed_vartheta_has_a_factor_too_many():
    """Erratum to Lemma 3.5: uniform on [0, 1] and x = v gives 1/6, with v (1 - F) / f it would be 1/12."""
    utility = quad(lambda v: v**2 / 2, 0, 1)[0]
    assert quad(lambda v: (1 - v) * v, 0, 1)[0] == pytest.approx(utility) == pytest.approx(1 / 6)
    assert quad(lambda v: v * (1 - v) * v, 0, 1)[0] == pytest.approx(1 / 12)


def two_coins(literal):
    """Two coins as one program: balances never negative, or, as (6) is printed, never falling."""
    f, rows, goal = np.array([0.5, 0.5]), [], 0
    first, promised = cp.Variable(2, nonneg=True), cp.Variable(2, nonneg=True)
    deposit = promised[0] + cp.hstack([0, first[0]]) - first[0] / 2
    rows += [first[1] >= first[0], first <= 1, deposit >= 0]
    goal += f @ cp.multiply([1, 2], first) - promised[0]
    for j in range(2):
        x = cp.Variable(2, nonneg=True)
        change = promised[1] + cp.hstack([0, x[0]]) - x[0] / 2
        rows += [x[1] >= x[0], x <= 1, change >= 0 if literal else deposit[j] + change >= 0]
        goal += f[j] * (f @ cp.multiply([1, 2], x) - promised[1])
    problem = cp.Problem(cp.Maximize(goal), rows)
    return problem.solve(solver=cp.HIGHS)


def test_balances_may_fall():
    """Erratum to (6): with Delta b >= 0 nothing is ever spent, and two coins earn 2, what they earn apart."""
    assert two_coins(literal=False) == pytest.approx(2.25, abs=1e-8)
    assert two_coins(literal=True) == pytest.approx(2, abs=1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_approximations_of_the_future_bracket_the_present(seed):
    """Lemma 4.3: h_low <= g <= h_high <= h_low + max(g_high - g_low), g the least of four tangents."""
    rng = np.random.default_rng(seed)
    a, s = rng.random(4) + np.arange(4) / 2, np.sort(rng.random((4, 1)) * 2, axis=0)[::-1].copy()
    s[-1] = 0
    few = [0, 3]  # fewer tangents are above; a chord between 0 and 3 and a flat piece beyond are below
    at = lambda y, rows: (a[rows] + s[rows, 0] * np.asarray(y)[..., None]).min(axis=-1)  # noqa: E731
    everything = list(range(4))
    left, right = at([0.0, 3.0], everything)
    below = np.array([left, right]), np.array([[(right - left) / 3], [0.0]])
    grid = np.linspace(0, 10, 4001)
    low = np.minimum(left + grid * (right - left) / 3, right)
    assert (low <= at(grid, everything) + 1e-12).all()
    width = (at(grid, few) - low).max()
    for b in (0.0, 0.4, 1.5):
        spot = (THREE,), np.array([b]), (np.array([0.3]),)
        found = [value(*spot, *below), value(*spot, a, s), value(*spot, a[few], s[few])]
        assert found[0] - 1e-9 <= found[1] <= found[2] + 1e-9 <= found[0] + width + 1e-6


def test_exact_pieces_multiply_with_every_period():
    """Lemma 4.2 is about approximations: the exact function of T = 2..6 coins, T periods before the end."""
    counts = [len(exact_value_functions([COIN] * T)[0].slopes) for T in range(2, 7)]
    assert counts == [4, 7, 12, 20, 33]  # each more than 1.6 times the one before


def test_promises_may_depend_on_the_others_values():
    """Erratum to (BI), constant in the balance only: two buyers, two coins each, 25/8; with constant xi it is 3."""
    model = mo.DynamicAuction(periods=[[COIN.parameters()] * 2] * 2)
    program = account_program(model)
    flat = {name: xi[1:] == xi[:-1] for name, xi in program.variables.items() if name.startswith("xi")}
    assert len(flat) == 4
    assert solve(program).value == pytest.approx(25 / 8, abs=1e-8)
    assert solve(Program(program.objective, {**program.constraints, **flat})).value == pytest.approx(3, abs=1e-8)
