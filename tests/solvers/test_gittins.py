"""Gittins indices: definition by enumeration, two independent methods, fractions, known values, the bandit's worths."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mechopt.solvers.bandit import Bandit, stacked
from mechopt.solvers.beta_bernoulli import beta_bernoulli_index
from mechopt.solvers.gittins import index_tables
from mechopt.solvers.gittins_exact import exact_indices
from mechopt.solvers.gittins_program import restart_dual, restart_indices, restart_program
from mechopt.solvers.highs import solve
from mechopt.solvers.rational import nearest, rational


def chain(seed, L, spread=1.0):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(L, spread), L), rng.normal(size=L)


def by_definition(P, r, delta, k):
    """max over all sets on which one keeps pulling: optimal stopping of a finite chain needs no more."""
    L, best = len(r), -np.inf
    for size in range(L + 1):
        for C in itertools.combinations(range(L), size):
            inside = sorted({*C, k})
            A = np.eye(len(inside)) - delta * P[np.ix_(inside, inside)]
            R, T = np.linalg.solve(A, r[inside]), np.linalg.solve(A, np.ones(len(inside)))
            best = max(best, R[inside.index(k)] / T[inside.index(k)])
    return best


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("delta", [0.3, 0.9, 0.99])
def test_indices_are_the_best_stopping_sets(seed, delta):
    P, r = chain(seed, 5, 0.4)
    found = index_tables(P[None], r[None], delta).indices[0]
    np.testing.assert_allclose(found, [by_definition(P, r, delta, k) for k in range(5)], atol=1e-12)


@pytest.mark.parametrize("L", [1, 2, 7, 15])
@pytest.mark.parametrize("delta", [0.0, 0.5, 0.9, 0.99])
def test_two_independent_methods_agree(L, delta):
    P, r = chain(L, L)
    found = index_tables(P[None], r[None], delta).indices[0]
    primal = solve(restart_program(P, r, delta))
    np.testing.assert_allclose(restart_indices(primal, delta), found, atol=1e-12)
    assert solve(restart_dual(P, r, delta)).value == pytest.approx(primal.value, rel=1e-9, abs=1e-9)


def test_the_duals_letters_are_the_occupation():
    P, r = chain(3, 4)
    primal, dual = solve(restart_program(P, r, 0.8)), solve(restart_dual(P, r, 0.8))
    for solution in (primal.dual, dual.primal):
        go, back = solution["go"], solution["restart"]
        earned = (go @ r).sum() + (back.sum(axis=1) * r).sum()
        assert earned == pytest.approx(primal.value, abs=1e-8)
        assert (go + back).sum() == pytest.approx(16 / 0.2, abs=1e-7)  # L^2 arms, each for 1 / (1 - delta) periods
    np.testing.assert_allclose(dual.dual["V"], primal.primal["V"], atol=1e-8)


@pytest.mark.parametrize("L", [3, 8, 20])
def test_fractions_and_floats_agree(L):
    rng = np.random.default_rng(L)
    W, r = rng.integers(0, 9, (L, L)) + np.eye(L, dtype=int), rng.integers(-50, 50, L)
    exact = exact_indices(
        [[rational(int(x)) / int(row.sum()) for x in row] for row in W],
        [rational(int(x)) / 10 for x in r],
        rational("9/10"),
    )
    found = index_tables((W / W.sum(axis=1, keepdims=True))[None], r[None] / 10, 0.9).indices[0]
    np.testing.assert_allclose(found, [nearest(x) for x in exact], atol=1e-13)


def test_special_arms():
    still = index_tables(np.eye(3)[None], np.array([[3.0, 1.0, 2.0]]), 0.9)
    np.testing.assert_allclose(still.indices[0], [3, 1, 2], atol=1e-14)
    rises = np.eye(4)[[1, 2, 3, 3]]  # rewards only rise: go on for ever
    r = np.array([0.0, 1.0, 2.0, 3.0])
    found = index_tables(rises[None], r[None], 0.5).indices[0]
    np.testing.assert_allclose(found, [0.5 * (0 + 0.5 + 0.5 + 0.75), 0.5 * (1 + 1 + 1.5), 2.5, 3], atol=1e-14)
    falls = np.eye(4)[[0, 0, 1, 2]]  # rewards only fall: the index is the reward
    np.testing.assert_allclose(index_tables(falls[None], r[None], 0.9).indices[0], r, atol=1e-14)
    # Nothing, then 1 for ever or 0 for ever: the ratio of expectations is 0.45 / 0.55, not the expectation of a ratio.
    gamble = np.array([[0, 0.5, 0.5], [0, 1, 0], [0, 0, 1]])
    assert index_tables(gamble[None], np.array([[0.0, 1, 0]]), 0.9).indices[0, 0] == pytest.approx(0.45 / 0.55)


def test_shapes_are_refused():
    with pytest.raises(ValueError, match=r"expected \(n, L, L\)"):
        index_tables(np.eye(3), np.ones(3), 0.9)
    with pytest.raises(ValueError, match="discount"):
        index_tables(np.eye(3)[None], np.ones((1, 3)), 1.0)


def joint_values(arms, delta):
    """Value iteration over joint states, the slow way."""
    shape = [len(r) for _, r in arms]
    V = np.zeros(shape)
    for _ in range(int(np.log(1e-14) / np.log(delta)) + 5):
        options = [np.zeros(shape)]
        for i, (P, r) in enumerate(arms):
            ahead = np.moveaxis(np.tensordot(P, V, axes=(1, i)), 0, i)
            options.append(r.reshape([-1 if j == i else 1 for j in range(len(arms))]) + delta * ahead)
        V = np.max(options, axis=0)
    return V


@pytest.mark.parametrize("seed", range(5))
def test_worths_without_joint_states(seed):
    rng = np.random.default_rng(seed)
    arms = [chain(10 * seed + i, int(rng.integers(1, 5)), 0.5) for i in range(3)]
    if seed == 0:
        arms[0] = (np.eye(len(arms[0][1])), np.abs(arms[0][1]))  # never leaves: a factor of zero
    tables = [index_tables(P[None], r[None], 0.8) for P, r in arms]
    bandit = Bandit(stacked([t.levels[0] for t in tables], -np.inf), 0.8)
    V = joint_values(arms, 0.8)
    without = [joint_values([a for j, a in enumerate(arms) if j != i], 0.8) for i in range(3)]
    for x in np.ndindex(*V.shape):
        worth = bandit.at(stacked([t.stay[0, k] for t, k in zip(tables, x, strict=True)]))
        assert worth.total == pytest.approx(V[x], abs=1e-12)
        for i in range(3):
            assert worth.added[i] == pytest.approx(V[x] - without[i][x[:i] + x[i + 1 :]], abs=1e-12)
        assert worth.parts.sum() == pytest.approx(worth.total, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_any_arm_added_helps_and_never_more_than_alone(seed):
    rng = np.random.default_rng(seed)
    P, r = rng.dirichlet(np.full(4, 0.3), (3, 4)), rng.normal(size=(3, 4))
    table = index_tables(P, r, 0.9)
    worth = Bandit(table.levels, 0.9).at(table.stay[:, 0])
    alone = [Bandit(table.levels[i : i + 1], 0.9).at(table.stay[i : i + 1, 0]).total for i in range(3)]
    assert (worth.added >= -1e-12).all()
    assert (worth.added <= np.array(alone) + 1e-12).all()
    assert worth.pulls.sum() <= 10 + 1e-12


KNOWN = {(1, 1): 0.70288919, (1, 2): 0.50012878, (2, 1): 0.80005628, (2, 2): 0.63463302, (3, 1): 0.84519578}


@pytest.mark.parametrize("prior", KNOWN)
def test_coins_are_bracketed_from_both_sides(prior):
    found = beta_bernoulli_index(*prior, "9/10")
    assert found.lower <= found.upper <= found.lower + 1e-14
    assert found.middle == pytest.approx(KNOWN[prior], abs=1e-8)


def test_brackets_contain_each_other_and_frozen_arms_are_below():
    found = [beta_bernoulli_index(1, 1, "9/10", pulls) for pulls in (5, 20, 80)]
    for wide, tight in itertools.pairwise(found):
        assert wide.lower <= tight.lower <= tight.upper <= wide.upper
    assert found[0].lower == pytest.approx(0.70288919 - 4.8e-3, abs=1e-4)  # frozen after five pulls
    assert beta_bernoulli_index("1/2", "1/2", 0, 3).middle == pytest.approx(0.5, abs=1e-12)
    with pytest.raises(ValueError, match="positive prior"):
        beta_bernoulli_index(0, 1, 0.9)


def test_a_bracket_is_not_wider_than_its_proof():
    """A charge just inside of the bracket must not pass for a bound of either side."""
    from mechopt.solvers.beta_bernoulli import _proved

    found = beta_bernoulli_index(1, 1, "9/10", 40)
    a, delta = Fraction(1), Fraction(9, 10)
    assert _proved(a, a, delta, Fraction(found.lower), 40, told=False)
    assert not _proved(a, a, delta, Fraction(found.lower) + Fraction(1, 10**12), 40, told=False)
    assert _proved(a, a, delta, Fraction(found.upper), 40, told=True)
    assert not _proved(a, a, delta, Fraction(found.upper) - Fraction(1, 10**12), 40, told=True)
