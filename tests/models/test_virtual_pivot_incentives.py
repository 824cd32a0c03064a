"""Incentives of the virtual pivot, enumerated; and what goes wrong where the source is read literally."""

import dataclasses
import itertools

import numpy as np
import pytest

import mechopt as mo
from mechopt.models.pivot import builders
from mechopt.models.pivot.incentives import Lies, audit, lies, signal_grid
from mechopt.models.pivot.mechanism import VirtualPivotMechanism
from mechopt.models.pivot.uncontrolled import dominance, myopic
from mechopt.solvers.decision import evaluate, occupation

FEW = {"values": ["1/5", "3/5", 1], "probabilities": ["1/3", "1/3", "1/3"]}
ARMS = [
    {"kernel": [["1/2", "1/2"], ["1/5", "4/5"]], "value": [1, "1/2"]},
    {"kernel": [["3/5", "2/5"], ["1/10", "9/10"]], "value": ["1/4", "6/5"]},
]
CHAIN = ("9/10", [[1, 2], ["1/2", 3]], [[["1/2", "1/2"], ["1/4", "3/4"]]] * 2, 2, "3/5", "1/50")
FORCED = {
    "discount": "9/10", "actions": 1,
    "agents": [{"separation": "additive", "states": ["bad", "good"], "start": ["1/2", "1/2"],
                "kernels": [[1, 0], [0, 1]], "value": [[-1, 1]]}],
}  # fmt: skip
UNCONTROLLED = {
    "discount": "9/10", "actions": ["nobody", "one", "two"], "cost": [0, "1/10", "1/10"],
    "agents": [
        {"states": 2, "kernels": [["7/10", "3/10"], ["2/5", "3/5"]], "value": {"one": ["2/5", 1]}},
        {"states": 2, "kernels": [["1/2", "1/2"], ["1/10", "9/10"]], "value": {"two": ["3/10", "9/10"]}},
    ],
}  # fmt: skip
CONTINUA = {
    "bandit": lambda: builders.bandit("9/10", ARMS),
    "additive bandit": lambda: builders.bandit("9/10", [{**a, "separation": "additive"} for a in ARMS], cost="1/10"),
    "one of each": lambda: builders.bandit("9/10", [ARMS[0], {**ARMS[1], "separation": "additive"}]),
    "skewed": lambda: builders.bandit(
        "9/10", [{**arm, "initial": {"family": "beta", "a": 1, "b": 2, "support": [0, 1]}, "worth": {"power": "1/2"}}
                 for arm in ARMS]),
    "chain": lambda: builders.supply_chain(*CHAIN),
    "uncontrolled": lambda: mo.VirtualPivot(**UNCONTROLLED),
    "finite horizon": lambda: builders.bandit("9/10", ARMS, horizon=3),
    "forced": lambda: mo.VirtualPivot(**FORCED),
}  # fmt: skip
SIGNALS = [0.07, 0.64, 1.0]


@pytest.mark.parametrize("name", CONTINUA)
def test_no_lie_at_any_time_gains(name):
    """Over all reports (y, k) at all t >= 1 after any, also false, reports of t = 0, and over all reports of t = 0."""
    mechanism = VirtualPivotMechanism(CONTINUA[name]().environment)
    found = audit(mechanism, [SIGNALS] * mechanism.env.n)
    assert found.first.amount <= 1e-10
    assert found.later.amount <= 1e-10
    assert found.joining.amount >= -1e-10
    assert found.price_spread <= 1e-10  # a payment depends on the report through the action alone
    if name != "forced":
        assert found.staying.amount >= -1e-10


def test_leaving_later_may_pay_without_free_disposal():
    """By hand: the bad state is worth -1 + (2 s - 1) for ever, 10 times over, from t = 1; joining still pays."""
    mechanism = VirtualPivotMechanism(mo.VirtualPivot(**FORCED).environment)
    found = audit(mechanism, [[0.6, 0.9]])
    assert found.staying.amount == pytest.approx(10 * (-1 + 2 * 0.6 - 1))
    assert found.joining.amount > 0
    assert found.first.amount <= 1e-12
    notes = mo.solve(mo.VirtualPivot(**FORCED)).document["notes"]
    assert any("leaving later pays" in note for note in notes)


def all_strategies(found, start):
    """The best of every stationary map from (own state) to reports, by listing them; one agent only."""
    reports, _, S = found.actions.shape
    best = -np.inf
    for choice in itertools.product(range(reports), repeat=S):
        best = max(best, float(start @ found.continuation(np.array(choice))[0]))
    return best


def test_the_dynamic_program_over_lies_is_the_best_of_all_strategies():
    """Against listing every strategy, where lies do pay: payments spoiled by noise."""
    mechanism = VirtualPivotMechanism(
        builders.stream_of_items("4/5", [1, 2], [["1/2", "1/2"], ["1/4", "3/4"]], "3/10").environment
    )
    sub = mechanism.subscribe([0.8])
    honest = lies(sub, 0, (0.8,), [0.6, 0.95])
    rng = np.random.default_rng(1)
    spoiled = dataclasses.replace(honest, payments=honest.payments + rng.normal(size=honest.payments.shape))
    assert isinstance(spoiled, Lies)
    value = float(sub.welfare.start @ spoiled.continuation()[0])
    assert value == pytest.approx(all_strategies(spoiled, sub.welfare.start), rel=1e-12)
    assert value > float(sub.welfare.start @ spoiled.continuation(spoiled.truth)[0]) + 0.1


def types_of(K):
    law = {"values": [f"{2 * k + 1}/{2 * K}" for k in range(K)], "probabilities": [f"1/{K}"] * K}
    return builders.stream_of_items(
        "9/10", ["1/5", "3/5", 1], None, "3/10", start=["3/10", "2/5", "3/10"], initial=law
    ).environment


@pytest.mark.parametrize("K", [4, 8, 16])
def test_types_gain_from_correcting_themselves_until_rents_are_repaired(K):
    """The theorem is about a continuum: with K types the gain at t = 0 is O(1/K), and repaired rents remove it."""
    env = types_of(K)
    plain = VirtualPivotMechanism(env)
    found = audit(plain, signal_grid(plain, K))
    assert 0.2 / K < found.first.amount < 0.6 / K
    assert found.later.amount <= 1e-12
    repaired = VirtualPivotMechanism(env, repaired=True)
    assert audit(repaired, signal_grid(repaired, K)).first.amount <= 1e-12


@pytest.mark.parametrize("make", [
    lambda: builders.bandit("9/10", [{**arm, "initial": FEW} for arm in ARMS]),
    lambda: builders.bandit("9/10", [{**arm, "initial": FEW, "separation": "additive"} for arm in ARMS], cost="1/10"),
    lambda: builders.supply_chain(*CHAIN, initial=FEW),
])  # fmt: skip
def test_repaired_rents_with_several_agents(make):
    mechanism = VirtualPivotMechanism(make().environment, repaired=True)
    found = audit(mechanism, signal_grid(mechanism, 3), others_lied=False)
    assert found.first.amount <= 1e-10
    assert found.later.amount <= 1e-10
    assert found.joining.amount >= -1e-10


def literal_continuation(sub, agent, signals, policy):
    """Payments as (20) and (21) print them: W_-i goes on under the action that would be best without i."""
    dynamics, at = sub.welfare.dynamics, np.arange(sub.welfare.dynamics.states)
    own, weights = sub.included.index(agent), sub.alpha_times(signals)[list(sub.included)]
    without = sub.without(agent)
    own_flow = weights[own] * sub.welfare.C[own] + sub.welfare.D[own]
    best = np.where(dynamics.allowed, sub.welfare.reward(weights) - own_flow, -np.inf)
    best = best + dynamics.discount * (dynamics.matrix @ without[0]).reshape(best.shape)
    alone, a = best.argmax(axis=0), policy[0]
    m = sub.welfare.reward(weights)[a, at] - without[0] + dynamics.discount * (dynamics.under(alone) @ without[0])
    worth = float(sub.env.data[agent].signal.worth(signals[agent]))
    return (worth * sub.welfare.C[own][a, at] + sub.welfare.D[own][a, at] - m / sub.alpha[agent])[None]


@pytest.mark.parametrize(("name", "breaks"), [("bandit", True), ("chain", True), ("uncontrolled", False)])
def test_the_continuation_without_an_agent_is_under_the_action_taken(name, breaks, monkeypatch):
    """Erratum: the printed continuation gives large gains where actions have a future, and none where they do not."""
    mechanism = VirtualPivotMechanism(CONTINUA[name]().environment)
    signals = (0.7, 0.6)
    sub = mechanism.subscribe(signals)
    gain = 0.0
    monkeypatch.setattr(sub, "payments", lambda i, said, policy: literal_continuation(sub, i, said, policy))
    for agent in range(2):
        found = lies(sub, agent, signals, [0.55, 0.75, 1.0])
        gain = max(gain, float((found.continuation() - found.continuation(found.truth)).max()))
    assert (gain > 0.05) if breaks else (gain < 1e-12)


def test_the_sign_of_beta_is_plus():
    """Erratum: (18) prints - beta. An additive buyer then gets her rent added to the objective instead of taken off."""
    buyer = {"separation": "additive", "states": 2, "kernels": [["1/2", "1/2"]] * 2, "value": {"sell": ["-4/5", "1/2"]}}
    model = mo.VirtualPivot(discount="9/10", actions=["wait", "sell"], agents=[buyer])
    sub = VirtualPivotMechanism(model.environment).subscribe([0.7])
    welfare = sub.welfare
    literal = sub.worths([0.7]) - sub.b  # A - b in place of A + b
    policy = welfare.solve(literal)[0].policy
    worth = 0.9 * float(welfare.start @ evaluate(welfare.dynamics, policy, welfare.reward(sub.weights))[0])
    # By hand, from the state -4/5: weight .4 serves the state 1/2 only, weight 1.0 serves both.
    assert sub.optimum.value == pytest.approx(9 * 0.9 * 0.9 / 2, rel=1e-12)
    assert worth == pytest.approx(0.9 * -0.4 + 8.1 * (0.9 - 0.4) / 2, rel=1e-12)
    assert worth < sub.optimum.value


def test_agents_are_left_out_inside_the_optimum():
    """Erratum: choosing the policy first and dropping agents with phi <= 0 afterwards serves the wrong agents."""
    law = {"values": ["3/5", 1], "probabilities": ["1/5", "4/5"]}  # phi of the lower type is 3/5 - 4 * 2/5 = -1
    arms = [{**ARMS[0], "value": [2, "3/2"], "initial": law}, {**ARMS[1], "initial": law}]
    mechanism = VirtualPivotMechanism(builders.bandit("9/10", arms).environment)
    sub = mechanism.subscribe([0.6, 1.0])
    assert sub.included == (1,)
    assert sub.entry_payments[0] == 0 == sub.utilities[0]
    full = mechanism.market.welfare((0, 1))
    policy = full.solve(np.array([0.6, 1.0]))[0].policy  # the best for everybody's worths
    visits = 0.9 * occupation(full.dynamics, policy, full.start)[0]
    left = float(visits @ full.C[1][policy[0], np.arange(full.dynamics.states)])  # agent 2 alone counts, with weight 1
    assert left < sub.optimum.value - 0.05


def test_price_of_an_action_shifts_by_what_the_others_could_have():
    """By hand: waiting costs .1, selling .3, s = .9, alpha = 8/9: the pivot charges 0 and (.3 - .1) / alpha = .225."""
    model = mo.VirtualPivot(
        discount="9/10", actions=["wait", "sell"], cost=["1/10", "3/10"],
        agents=[{"states": 2, "kernels": [["1/2", "1/2"]] * 2, "value": {"sell": [0, 1]}}],
    )  # fmt: skip
    run = VirtualPivotMechanism(model.environment).start([0.9])
    assert run.step([0]).payments[0] == pytest.approx(0, abs=1e-13)
    assert run.step([1]).payments[0] == pytest.approx(0.225, rel=1e-12)


def test_reports_of_the_past_do_not_matter_later():
    mechanism = VirtualPivotMechanism(builders.bandit("9/10", ARMS).environment)
    one, two = mechanism.start([0.9, 0.8]), mechanism.start([0.9, 0.8])
    one.step([0, 0])
    two.step([1, 1], signals=[0.6, 0.9])
    assert one.step([0, 1]).payments.tolist() == two.step([0, 1]).payments.tolist()


def test_bandits_who_are_not_served_pay_nothing_whatever_is_re_reported():
    """Corollary 6.3: p_i = ((1 - delta) W_-i - beta_i) / alpha_i for the winner, W_-i at the re-reported signals."""
    mechanism = VirtualPivotMechanism(builders.bandit("9/10", ARMS).environment)
    for signals in itertools.product([0.55, 0.7, 0.95], repeat=2):
        for states in itertools.product([0, 1], repeat=2):
            turn = mechanism.start([0.9, 0.8]).step(states, signals)
            sub = mechanism.subscribe([0.9, 0.8])
            for i, paid in enumerate(turn.payments):
                served = turn.action == f"serve {i + 1}"
                alone = float(sub.without(i, signals)[0, sub.state(0, states)])
                assert paid == pytest.approx(0.1 * alone / sub.alpha[i] if served else 0.0, abs=1e-12)


def test_uncontrolled_environments_are_myopic_and_dominant():
    mechanism = VirtualPivotMechanism(mo.VirtualPivot(**UNCONTROLLED).environment)
    tried = 0
    for reports in itertools.product([0.6, 0.75, 1.0], repeat=2):
        sub = mechanism.subscribe(reports)
        found = myopic(sub, reports)
        full = sub.optimum.solved.policy[0]
        flows = sub.welfare.reward(sub.weights[list(sub.included)])
        at = np.arange(len(full))
        assert abs(flows[full, at] - flows[found.action, at]).max() < 1e-12
        for place, i in enumerate(sub.included):
            paid = sub.payments(i, reports, found.action[None])[0]
            assert abs(paid - found.payments[place]).max() < 1e-12
            gain, count = dominance(sub, i, [[0.3, 0.6, 0.8, 1.0]] * 2)
            tried += count
            assert gain < 1e-12
    assert tried > 5000


def test_dominance_is_refused_where_actions_have_a_future():
    mechanism = VirtualPivotMechanism(builders.bandit("9/10", ARMS).environment)
    with pytest.raises(mo.InputError, match="uncontrolled"):
        dominance(mechanism.subscribe([0.9, 0.9]), 0, [[0.9]] * 2)


def test_kernels_that_ignore_actions_are_not_enough_to_be_uncontrolled():
    """Erratum: with unit demand the past action matters through the public state."""
    model = mo.VirtualPivot(
        discount="9/10", actions=["wait", "sell"],
        public={"states": ["open", "sold"], "next": [[0, 1], [1, 1]], "feasible": [[True, True], [True, False]]},
        agents=[{"states": 2, "kernels": [["1/2", "1/2"]] * 2, "value": {"sell": [["1/5", 1], [0, 0]]}}],
    )  # fmt: skip
    assert not model.environment.uncontrolled
    env = model.environment
    sub = VirtualPivotMechanism(env).subscribe([1.0])
    assert env.action_names[int(sub.optimum.solved.policy[0, 0])] == "wait"  # a myopic seller would sell for 1/5
