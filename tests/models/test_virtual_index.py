"""The bandit auction: programs against indices, payments by definition, incentives by best responses, certificates."""

import copy
import itertools
import json
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.models.pivot.index import VirtualIndex
from mechopt.models.pivot.index_check import check
from mechopt.models.pivot.index_mechanism import BanditAuction
from mechopt.solvers.highs import solve as highs


def arm(seed, L=3, low=0, **fields):
    rng = np.random.default_rng(seed)
    W = rng.integers(1, 9, (L, L))
    rows = [[str(Fraction(int(x), int(row.sum()))) for x in row] for row in W]
    return {"transition": rows, "reward": [int(x) / 10 for x in rng.integers(low, 20, L)], **fields}


UNIFORM = ["1/3"] * 3
AUCTION = {
    "discount": 0.8,
    "arms": [
        arm(1, report=0.8, start=UNIFORM),
        arm(2, report=0.7, start=UNIFORM, cost=0.1),
        arm(3, L=2, report=0.6, separation="additive", cost=0.7, start=["1/2", "1/2"]),
    ],
}


def bellman(model, without=()):
    """W over joint states by value iteration, some arms left out."""
    shape, delta = model.shape, model.delta
    W = np.zeros(shape)
    for _ in range(int(np.log(1e-14) / np.log(delta)) + 5):
        options = [np.zeros(shape)]
        for i, one in enumerate(model.arms):
            if one.scale > 0 and i not in without:
                flow = float(one.scale) * one.r + float(one.shift)
                ahead = np.moveaxis(np.tensordot(one.matrix, W, axes=(1, i)), 0, i)
                options.append(flow.reshape([-1 if j == i else 1 for j in range(len(shape))]) + delta * ahead)
        W = np.max(options, axis=0)
    return W


@pytest.mark.parametrize("method", ["largest-remaining", "restart", "joint"])
def test_all_methods_have_one_value(method):
    result = mo.solve(VirtualIndex(**AUCTION), method=method)
    model = result.model
    start = np.einsum("i,j,k->ijk", *[[float(p) for p in one.law] for one in model.arms])
    assert result.value == pytest.approx((bellman(model) * start).sum(), abs=1e-9)
    assert result.bounds.certified
    assert result.bounds.width < 1e-14
    assert result.verify().passed


def test_the_program_its_dual_and_the_letters():
    model = VirtualIndex(**AUCTION)
    primal, dual = highs(model.primal()), highs(model.dual())
    assert dual.value == pytest.approx(primal.value, abs=1e-9)
    np.testing.assert_allclose(np.maximum(dual.dual["W"], 0), bellman(model).ravel(), atol=1e-7)
    pulls = [dual.primal[f"pull_{i + 1}"].sum() for i in range(3)]
    np.testing.assert_allclose(pulls, model.at_start.pulls, atol=1e-7)


def test_payments_are_flow_marginal_contributions():
    model = VirtualIndex(**AUCTION)
    auction, W = BanditAuction(model), bellman(model)
    rest = [bellman(model, (i,)) for i in range(3)]
    for x in np.ndindex(*model.shape):
        i, paid = auction.served(x), auction.payments(x)
        assert [p for j, p in enumerate(paid) if j != i] == [0] * (3 - (i is not None))
        if i is None:
            assert W[x] == pytest.approx(0, abs=1e-12)
            continue
        one = model.arms[i]
        A = float(one.worth_of_report)
        value = A + one.r[x[i]] if one.additive else A * one.r[x[i]]
        flow = float(one.scale) * one.r[x[i]] + float(one.shift)
        ahead = sum(p * rest[i][(*x[:i], k, *x[i + 1 :])] for k, p in enumerate(one.matrix[x[i]]))
        m = flow - rest[i][x] + 0.8 * ahead
        assert paid[i] == pytest.approx(value - m / float(one.alpha), abs=1e-11)
        np.testing.assert_allclose(auction.continuation(x)[i], (W[x] - rest[i][x]) / float(one.alpha), atol=1e-11)


@pytest.mark.parametrize("i", [0, 1, 2])
def test_truth_is_a_best_response_after_any_time_0_report(i):
    """Exact best response over all state reports in every period, her true worth another than the reported one."""
    model = VirtualIndex(**AUCTION)
    auction, one = BanditAuction(model), model.arms[i]
    worth = float(one.worth_of_report)
    delta, shape = model.delta, model.shape
    served = {x: auction.served(x) for x in np.ndindex(*shape)}
    paid = {x: auction.payments(x)[i] for x in np.ndindex(*shape)}
    V = np.zeros(shape)
    for _ in range(150):
        new = np.full(shape, -np.inf)
        for x in np.ndindex(*shape):
            for report in range(shape[i]):
                y = (*x[:i], report, *x[i + 1 :])
                j = served[y]
                got = -paid[y]
                if j == i:
                    got += worth + one.r[x[i]] if one.additive else worth * one.r[x[i]]
                if j is not None:
                    law = enumerate(model.arms[j].matrix[x[j]])
                    got += delta * sum(p * V[(*x[:j], k, *x[j + 1 :])] for k, p in law)
                else:
                    got += delta * V[x]
                new[x] = max(new[x], got)
        V = new
    truth = np.array([auction.continuation(x)[i] for x in np.ndindex(*shape)]).reshape(shape)
    assert (V - truth).max() <= 1e-10
    assert truth.min() >= -1e-12


LAWS = [
    {},
    {"separation": "additive"},
    {"initial": {"family": "uniform", "support": [0.5, 1.5]}},
    {"worth": {"power": "1/2"}},
    {"initial": {"family": "beta", "a": 1, "b": 2, "support": [0, 1]}},
    {"initial": {"family": "uniform", "support": ["1/10", 1], "points": 10}},
]


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_utilities_are_the_envelope(law):
    """U(s) = integral of A'(z) Q(z), with Q from separate solutions on a grid of reports."""
    base = arm(5, report=0.8, start=UNIFORM, **law)
    other = arm(6, report=0.6, start=UNIFORM)

    def at(report):
        model = VirtualIndex(discount=0.8, arms=[{**base, "report": report}, other])
        one, auction = model.arms[0], BanditAuction(model)
        if one.scale == 0:
            return 0.0
        return 0.8 * model.at_start.pulls[0] if one.additive else auction.values[0] / float(one.worth_of_report)

    model = VirtualIndex(discount=0.8, arms=[base, other])
    signal, auction = model.arms[0].signal, BanditAuction(model)
    if (types := signal.initial.types) is not None:
        below = [x for x in types.values if x <= Fraction(4, 5)]
        expected = sum(at(x) * float(y - x) for x, y in itertools.pairwise(below))
        tolerance = 1e-12
    else:
        edges = np.linspace(signal.initial.low, 0.8, 161)
        steps = np.diff(signal.worth(edges))
        expected = sum(at(float(z)) * d for z, d in zip((edges[1:] + edges[:-1]) / 2, steps, strict=True))
        tolerance = 6 * steps.max()
    assert auction.utilities[0] == pytest.approx(expected, abs=tolerance)
    worth = 0.8 * model.at_start.added[0] / float(model.arms[0].alpha)
    assert auction.entry_fees[0] == pytest.approx(worth - auction.utilities[0], abs=1e-12)


def test_truth_at_time_0():
    """No false first signal pays, corrected later or not: U(s) - U(r) >= (W(alpha A(s) + b) - W(phi(r))) / alpha."""
    base, other = arm(5, start=UNIFORM), arm(6, report=0.6, start=UNIFORM)
    signals = np.linspace(0.52, 1, 25)
    models = [VirtualIndex(discount=0.8, arms=[{**base, "report": float(s)}, other]) for s in signals]
    U = [BanditAuction(model).utilities[0] for model in models]
    for r, model in enumerate(models):
        alpha = model.arms[0].alpha
        for s, signal in enumerate(signals):
            played = {**base, "weight": str(alpha * Fraction(repr(float(signal))))}
            moved = VirtualIndex(discount=0.8, arms=[played, other]).at_start.added[0]
            kept = 0.8 * (moved - model.at_start.added[0]) / float(alpha)
            assert U[r] + kept <= U[s] + 1e-12


@pytest.mark.parametrize("separation", ["multiplicative", "additive"])
def test_expected_profit_is_the_virtual_welfare(separation):
    """Over finitely many types of agent 1, her expected payments are her part of the expected virtual welfare."""
    law = {"values": [0.2, 0.5, 0.7, 1], "probabilities": [0.1, 0.4, 0.2, 0.3]}
    base = arm(5, start=UNIFORM, initial=law, separation=separation, cost=0.3)
    pays = virtual = 0.0
    for s, chance in zip(law["values"], law["probabilities"], strict=True):
        model = VirtualIndex(discount=0.8, arms=[{**base, "report": s}, arm(6, weight="2/5", start=UNIFORM)])
        auction, worth = BanditAuction(model), model.at_start
        costs = 0.8 * 0.3 * worth.pulls[0]
        pays += chance * (auction.values[0] - auction.utilities[0] - costs)
        virtual += chance * 0.8 * worth.parts[0]
    assert pays == pytest.approx(virtual, abs=1e-12)


def test_agents_alike_and_ties():
    model = VirtualIndex(discount=0.9, arms=[arm(7)] * 3)
    auction = BanditAuction(model)
    assert model.kinds == [0, 0, 0]
    assert auction.served([1, 1, 1]) == 0
    none = VirtualIndex(discount=0.9, arms=[{"transition": [[1]], "reward": [-1]}])
    assert BanditAuction(none).served([0]) is None
    assert mo.solve(none).value == 0


def test_the_simulated_auction_earns_what_is_expected():
    model = VirtualIndex(discount=0.8, arms=[arm(8, weight=1), arm(9, weight=1)])
    auction, rng = BanditAuction(model), np.random.default_rng(4)
    runs = [auction.simulate(40, rng) for _ in range(150)]
    earned = [
        sum(0.8**t * model.arms[p.served].r[p.states[p.served]] for t, p in enumerate(run) if p.served is not None)
        for run in runs
    ]
    assert np.mean(earned) == pytest.approx(model.at_start.total, abs=4 * np.std(earned) / 150**0.5)


def test_a_thousand_agents_without_joint_states():
    model = VirtualIndex(discount=0.9, arms=[arm(k % 40, L=3) for k in range(1000)])
    result = mo.solve(model)
    assert model.joint_states == 3**1000
    assert result.bounds.certified
    assert len(result.quantities["entry_fee"]) == 1000
    assert result.quantities["welfare"] <= 10 * max(max(row) for row in result.quantities["indices"]) + 1e-9


def test_learning_arms_are_frozen_coins():
    result = mo.solve(VirtualIndex(discount=0.9, arms=[{"beta": [1, 1], "pulls": 10}]))
    assert result.bounds.certified
    assert result.quantities["indices"][0][0] == pytest.approx(0.70288919 - 6.4e-4, abs=1e-5)
    assert result.model.arms[0].states[:3] == ("(1, 1)", "(2, 1)", "(1, 2)")


def test_saved_and_loaded(tmp_path):
    result = mo.solve(mo.load("pivot/index-auction"))
    result.save(tmp_path / "run")
    again = mo.Result.load(tmp_path / "run")
    assert mo.verify(tmp_path / "run").passed
    assert again.mechanism.payments([0, 0, 0, 0]).tolist() == result.mechanism.payments([0, 0, 0, 0]).tolist()
    assert json.loads(again.to_json())["quantities"]["weights"][3] == 0
    assert again.plot().axes


def test_false_indices_are_refused():
    result = mo.solve(VirtualIndex(**AUCTION))
    instance = result.document["instance"]["parameters"]
    for shift in ("1/1000000000000", "-1/1000000000000"):
        for k in range(3):
            forged = copy.deepcopy(dict(result.certificate))
            row = forged["finite"]["indices"]["0"]
            row[k] = str(Fraction(row[k]) + Fraction(shift))
            assert not all(c.passed for c in check(instance, forged)[0])


def test_a_time_limit_skips_the_proof_and_says_how_long_it_would_take():
    model = mo.load("pivot/index-learning").model
    true, stopped = mo.solve(model), mo.solve(model, time_limit=1e-6)
    assert stopped.status == "user_limit"
    assert stopped.bounds.lower <= true.bounds.lower
    assert stopped.bounds.upper >= true.bounds.upper
    assert true.bounds.certified
    assert not stopped.bounds.certified
    assert any("more than the time limit leaves" in note for note in stopped.document["notes"])
