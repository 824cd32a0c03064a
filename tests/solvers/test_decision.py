"""Decision processes: the Bellman program, its dual and the three engines have one value; brackets hold."""

import numpy as np
import pytest

from mechopt.solvers.decision import Dynamics, evaluate, occupation, policy_iteration, solve
from mechopt.solvers.decision_program import bellman_program, occupation_program, size
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.value_iteration import value_iteration


def random_process(seed, shape=(2, 3), A=3, H=2, horizon=None, discount=0.9):
    rng = np.random.default_rng(seed)
    kernels = []
    for K in shape:
        P = rng.random((A, H, K, K)) ** 3
        P[0] = np.eye(K)  # one action leaves everything in place
        kernels.append(P / P.sum(axis=3, keepdims=True))
    feasible = rng.random((A, H)) < 0.8
    feasible[0] = True
    made = Dynamics(tuple(kernels), rng.integers(0, H, (A, H)), feasible, discount, horizon)
    tables = [rng.normal(size=(A, H, K)) for K in shape]
    common = rng.normal(size=(A, H))
    reward = made.joint(tables) + np.repeat(common, made.states // H, axis=1)
    return made, tables, common, reward


def brute(made, reward):
    """Values by plain iteration on explicit joint kernels, built without the code under test."""
    A, H = made.next.shape
    K = made.states // H
    P = np.zeros((A, made.states, made.states))
    for a in range(A):
        for h in range(H):
            joint = np.ones((1, 1))
            for one in made.kernels:
                joint = np.kron(joint, one[a, h])
            P[a, h * K : (h + 1) * K, made.next[a, h] * K : (made.next[a, h] + 1) * K] = joint
    blocked = np.repeat(~made.feasible, K, axis=1)
    v = np.zeros(made.states)
    for _ in range(made.horizon or 2000):
        v = np.where(blocked, -np.inf, reward + made.discount * (P @ v)).max(axis=0)
    return v


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("horizon", [None, 1, 4])
def test_engines_and_programs_agree(seed, horizon):
    made, _, _, reward = random_process(seed, horizon=horizon)
    start = np.full(made.states, 1 / made.states)
    found = solve(made, reward)
    assert abs(found.values[0] - brute(made, reward)).max() < 1e-11
    primal = highs(bellman_program(made, reward, start))
    dual = highs(occupation_program(made, reward, start))
    assert primal.value == pytest.approx(start @ found.values[0], abs=1e-9)
    assert dual.value == pytest.approx(primal.value, abs=1e-9)
    assert abs(primal.primal["v"][0] - found.values[0]).max() < 1e-8
    assert abs(evaluate(made, found.policy, reward) - found.values).max() < 1e-11


@pytest.mark.parametrize("seed", range(4))
def test_the_occupation_measure_is_the_dual(seed):
    made, _, _, reward = random_process(seed)
    start = np.full(made.states, 1 / made.states)
    found = solve(made, reward)
    visits = occupation(made, found.policy, start)[0]
    assert visits.sum() == pytest.approx(1 / (1 - made.discount), rel=1e-12)
    dual = highs(bellman_program(made, reward, start)).dual["occupation"]
    rows = np.flatnonzero(made.allowed.ravel())
    by_state = np.bincount(rows % made.states, weights=dual, minlength=made.states)
    assert abs(by_state - visits).max() < 1e-8
    assert visits @ reward[found.policy[0], np.arange(made.states)] == pytest.approx(start @ found.values[0], rel=1e-11)


@pytest.mark.parametrize("seed", range(6))
def test_value_iteration_brackets_the_optimum(seed):
    made, tables, common, reward = random_process(seed, shape=(3, 2, 2))
    exact = solve(made, reward).values[0]
    for tolerance in (1e-2, 1e-6, 1e-11):
        found = value_iteration(made, tables, common, tolerance)
        assert found.settled
        assert abs(found.values.ravel() - exact).max() <= found.radius + 1e-12


def test_value_iteration_stops_at_the_limit_with_a_true_radius():
    made, tables, common, reward = random_process(1, discount=0.999)
    found = value_iteration(made, tables, common, 1e-12, time_limit=1e-9)
    assert not found.settled
    assert abs(found.values.ravel() - solve(made, reward).values[0]).max() <= found.radius + 1e-9


def test_policy_iteration_does_not_cycle_on_ties():
    made, _, _, reward = random_process(2)
    reward[:] = 1.0
    assert policy_iteration(made, reward).iterations == 1


def test_sparse_and_dense_factorisations_agree(monkeypatch):
    made, _, _, reward = random_process(3, shape=(3, 4))
    dense = solve(made, reward).values
    monkeypatch.setattr("mechopt.solvers.decision.DENSE", 0)
    assert abs(solve(made, reward).values - dense).max() < 1e-12


def test_sizes_are_known_before_building():
    made, _, _, _ = random_process(0)
    assert made.nonzeros == made.matrix.nnz
    told = size(made)
    assert told.rows == made.allowed.sum()
    assert told.columns == made.states


def test_value_iteration_refuses_a_horizon():
    made, tables, common, _ = random_process(0, horizon=3)
    with pytest.raises(ValueError, match="horizon"):
        value_iteration(made, tables, common)
