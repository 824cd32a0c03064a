"""The general program: brute force over all reporting strategies, known values, where the relaxation is exact."""

import itertools

import numpy as np
import pytest

import mechopt as mo
from mechopt.models.pivot.contract import OptimalContract
from mechopt.models.pivot.environment import Environment
from mechopt.models.pivot.expectation import expectations
from mechopt.models.pivot.general import FiniteEnvironment, Party
from mechopt.models.pivot.general_examples import correlated, correlated_shock, midpoints, not_separable, of_environment
from mechopt.models.pivot.rent import Rents
from mechopt.models.pivot.welfare import Market
from mechopt.solvers.highs import solve


def random_environment(seed, K=2, L=2, A=2, T=2):
    rng = np.random.default_rng(seed)
    one = Party(
        rng.dirichlet(np.ones(K)), rng.dirichlet(np.ones(L), K), rng.dirichlet(np.ones(L), (A, L)),
        np.concatenate([np.zeros((T, 1, K, L)), rng.random((T, A - 1, K, L))], axis=1),
    )  # fmt: skip
    return FiniteEnvironment(0.9, (one,), np.concatenate([np.zeros((T, 1)), rng.random((T, A - 1)) / 3], axis=1))


def payoff(env, found, true, strategy):
    """What a type earns by a pure reporting strategy: true histories (with earlier actions) to reports."""
    one, T, A, L = env.parties[0], env.T, env.A, env.parties[0].L
    x = [None, *(found.primal[f"x_{t}"] for t in range(1, T + 1))]
    y = [found.primal[f"y_1_{t}"] for t in range(T + 1)]
    first = strategy[()]

    def walk(t, chance, signals, reports, acts):
        total = 0.0
        laws = one.start[true] if t == 1 else one.kernel[acts[-1], signals[-1]]
        for k in range(L):
            seen = (*signals, k)
            report = strategy[(seen, acts)]
            told = (*reports, report)
            h = first
            for r in told:
                h = h * L + r
            b = 0
            for a in acts:
                b = b * A + a
            got = -y[t][h * A ** (t - 1) + b]
            for a in range(A):
                place = h * A**t + b * A + a
                got += x[t][place] * one.value[t - 1, a, true, k]
            total += chance * laws[k] * env.discount**t * got
            if t < T:
                for a in range(A):
                    total += walk(t + 1, chance * laws[k], seen, told, (*acts, a))
        return total

    return -y[0][first] + walk(1, 1.0, (), (), ())


@pytest.mark.parametrize("seed", range(3))
def test_no_reporting_strategy_at_all_beats_truth(seed):
    """All pure strategies of a type over two periods; x and y are already weighted by the chance of earlier actions."""
    env = random_environment(seed)
    found = solve(env.primal())
    points = [((k,), ()) for k in range(2)]
    points += [((k, j), (a,)) for k in range(2) for j in range(2) for a in range(2)]
    for true in range(2):
        truth = payoff(env, found, true, {(): true, **{p: p[0][-1] for p in points}})
        assert truth >= -1e-9
        best = max(
            payoff(env, found, true, {(): first, **dict(zip(points, told, strict=True))})
            for first in range(2)
            for told in itertools.product(range(2), repeat=len(points))
        )
        assert best <= truth + 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_the_relaxed_program_is_above_and_welfare_above_that(seed):
    env = random_environment(seed, K=3, L=3)
    dynamic, relaxed = solve(env.primal()).value, solve(env.relaxed()).value
    one = env.parties[0]
    W = np.zeros((3, 3))
    for t in reversed(range(2)):
        W = np.max([one.value[t, a] - env.cost[t, a] + 0.9 * W @ one.kernel[a].T for a in range(2)], axis=0)
    welfare = 0.9 * float(one.chance @ (one.start * W).sum(axis=1))
    assert 0 <= dynamic <= relaxed + 1e-9 <= welfare + 2e-9


RHO = {0: 0.5, 0.1: 0.4664, 0.25: 0.426125, 0.5: 0.369, 0.75: 0.3195, 0.9: 0.29125, 1: 0.275}
SHOCK = {0.1: 0.4775, 0.25: 0.44375, 0.5: 0.3875, 0.75: 0.33125, 0.9: 0.2975, 1: 0.275}


@pytest.mark.parametrize("rho", RHO)
def test_correlated_signals(rho):
    env = correlated(rho, 10)
    assert solve(env.relaxed()).value == pytest.approx(0.5, abs=1e-9)
    assert solve(env.primal()).value == pytest.approx(RHO[rho], abs=1e-9)
    if rho in SHOCK:
        assert solve(correlated_shock(rho, 10).relaxed()).value == pytest.approx(SHOCK[rho], abs=1e-9)


@pytest.mark.parametrize(("plus", "times", "limit"), [(1.5, 4, 1.21887), (1.5, 6, 1.32078), (2, 8, 1.75027)])
def test_a_value_that_does_not_separate(plus, times, limit):
    """Strictly below the relaxed value, and Richardson's limit of fine grids is near the one known."""
    dynamic = [solve(not_separable(plus, times, K).primal()).value for K in (20, 40)]
    relaxed = [solve(not_separable(plus, times, K).relaxed()).value for K in (20, 40)]
    assert dynamic[1] < relaxed[1] - 0.01
    assert 2 * dynamic[1] - dynamic[0] == pytest.approx(limit, abs=2.5e-3)
    assert 2 * relaxed[1] - relaxed[0] == pytest.approx(plus / 2 + times / 8, abs=1e-3)


def test_below_the_threshold_the_gap_closes():
    """c_times <= 2 c_plus: the relaxed value is attained in the limit though the environment is not separable."""
    gaps = [solve(not_separable(1.5, 2.8, K).relaxed()).value - solve(not_separable(1.5, 2.8, K).primal()).value
            for K in (10, 40)]  # fmt: skip
    assert gaps[1] < 2e-4
    assert solve(not_separable(1.5, 4, 40).relaxed()).value - solve(not_separable(1.5, 4, 40).primal()).value > 0.03


def grid(n):
    return {"family": "uniform", "support": [f"1/{2 * n}", f"{2 * n - 1}/{2 * n}"], "points": n}


MOVES = [["3/4", "1/4"], ["1/3", "2/3"]]


def agent(n, **fields):
    base = {"initial": grid(n), "states": 2, "start": ["1/2", "1/2"], "kernels": MOVES, "value": {"serve": [0.2, 1]}}
    return {**base, **fields}


SEPARABLE = {
    "one period": {"horizon": 1, "agents": [agent(8)]},
    "additive": {"horizon": 1, "agents": [agent(8, separation="additive")]},
    "two periods": {"horizon": 2, "agents": [agent(8)]},
    "learning": {"horizon": 2, "agents": [agent(8, kernels={"serve": MOVES})]},
    "two agents": {
        "horizon": 1, "actions": ["none", "a", "b"],
        "agents": [agent(4, value={"a": [0.2, 1]}), agent(4, value={"b": [0.3, 0.7]})],
    },
    "two agents, two periods": {
        "horizon": 2, "actions": ["none", "a", "b"],
        "agents": [agent(2, value={"a": [0.2, 1]}, kernels={"a": MOVES}),
                   agent(2, value={"b": [0.3, 0.7]}, kernels={"b": MOVES})],
    },
}  # fmt: skip


@pytest.mark.parametrize("case", SEPARABLE)
def test_separable_environments_have_no_gap(case):
    """The general optimum, the relaxed program and the bound from virtual worths are one number."""
    env = Environment(**{"discount": 0.9, "actions": ["wait", "serve"], **SEPARABLE[case]})
    finite, market = of_environment(env), Market(env)
    bound = expectations(market, Rents(market)).bound
    assert solve(finite.relaxed()).value == pytest.approx(bound, abs=1e-10)
    assert solve(finite.primal()).value == pytest.approx(bound, abs=1e-9)


def test_coarse_types_may_leave_a_gap_and_the_menu_is_between():
    """Theorem 5.1 is one of continua: with 4 types and 5 signals even the best mechanism is below the relaxed value."""
    values = [str(x) for x in range(1, 6)]
    one = {"initial": grid(4), "states": 5, "start": ["1/5"] * 5, "kernels": [["1/5"] * 5] * 5,
           "value": {"serve": [f"{x}/5" for x in values]}}  # fmt: skip
    gaps = {}
    for cost in (0.1, 0.2, 0.3, 0.4, 0.5):
        model = OptimalContract(discount=0.9, horizon=1, actions=["wait", "serve"], cost={"serve": cost}, agents=[one])
        finite = of_environment(model.environment)
        best, result = solve(finite.primal()).value, mo.solve(model)
        assert result.quantities["profit"] <= best + 1e-9 <= result.quantities["upper_bound_profit"] + 2e-9
        gaps[cost] = result.quantities["upper_bound_profit"] - best
    assert max(gaps.values()) > 1e-4
    assert min(gaps.values()) < 1e-9


def test_what_is_refused():
    env = {"discount": 0.9, "actions": ["wait", "serve"], "agents": [agent(2)]}
    with pytest.raises(mo.InputError, match="horizon"):
        of_environment(Environment(**env))
    with pytest.raises(mo.InputError, match="finitely many types"):
        of_environment(Environment(**{**env, "horizon": 1, "agents": [agent(2, initial={"family": "uniform"})]}))
    with pytest.raises(mo.InputError, match="rho"):
        correlated(1.5)
    with pytest.raises(mo.InputError, match="c_plus"):
        not_separable(0, 1)
    with pytest.raises(mo.InputError, match=r"parties\[0\].start"):
        FiniteEnvironment(1.0, (Party(np.ones(1), np.full((1, 2), 0.6), np.full((1, 2, 2), 0.5),
                                      np.zeros((1, 1, 1, 2))),), np.zeros((1, 1)))  # fmt: skip
    assert midpoints(2).tolist() == [0.25, 0.75]
