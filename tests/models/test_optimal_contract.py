"""Optimal contracts: closed forms, the virtual pivot with one agent, misreports by enumeration, certificates."""

import copy
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.models.pivot.contract import OptimalContract
from mechopt.models.pivot.contract_check import check
from mechopt.models.pivot.contract_menu import ContractMenu
from mechopt.models.pivot.general_examples import of_environment
from mechopt.models.pivot.mechanism import VirtualPivotMechanism
from mechopt.solvers.highs import solve as highs

ITEMS = {
    "discount": 0.9,
    "actions": ["wait", "serve"],
    "cost": {"serve": 0.3},
    "agents": [
        {
            "states": 3,
            "start": [0.3, 0.4, 0.3],
            "kernels": [[0.3, 0.4, 0.3]] * 3,
            "value": {"serve": [0.2, 0.6, 1]},
        }
    ],
}
LEARN = {"serve": [["1/2", "1/2", 0], ["1/10", "3/5", "3/10"], [0, "1/5", "4/5"]]}


def contract(agent=None, **fields):
    return OptimalContract(**{**ITEMS, **fields, "agents": [{**ITEMS["agents"][0], **(agent or {})}]})


def types(K, low="0"):
    return {"initial": {"family": "uniform", "support": [low if low != "0" else f"1/{K}", 1], "points": K}}


@pytest.mark.parametrize(("cost", "profit"), [(0, 1.35), (0.1, 0.9555), (0.3, 0.46575), (0.5, 0.18375), (0.7, 0.06075)])
def test_known_profits(cost, profit):
    result = mo.solve(contract(cost={"serve": cost}))
    assert result.value == pytest.approx(profit, abs=1e-12)
    assert result.closed_form.value == pytest.approx(profit, abs=1e-12)
    assert result.bounds.certified
    assert result.bounds.problem == "continuum"
    assert result.bounds.width < 1e-14
    assert result.quantities["upper_bound_profit"] == pytest.approx(result.quantities["profit"], abs=1e-12)
    assert result.verify().passed


def test_the_limit_of_many_equal_values():
    """B uniform on [0, 1]: profit = 9/2 (1/4 - g + 3 g^2 / 4 - g^2 ln g / 2), price menu M(p) = 9/4 (1 + g - 2 p)^2."""
    K, g = 40, 0.3
    value = [str(Fraction(2 * k + 1, 2 * K)) for k in range(K)]
    agent = {"states": K, "start": [f"1/{K}"] * K, "kernels": [[f"1/{K}"] * K] * K, "value": {"serve": value}}
    menu = ContractMenu(contract(agent))
    exact = 4.5 * (0.25 - g + 0.75 * g**2 - g**2 * np.log(g) / 2)
    assert contract(agent).closed_form().value == pytest.approx(exact, abs=2e-3)
    assert exact == pytest.approx(0.3225544929, abs=1e-10)
    for s in (0.8, 0.9, 1.0):
        offer = menu.contract(s)
        p = offer.prices[1, 0]
        assert p == pytest.approx(g * s / (2 * s - 1))
        assert offer.fee == pytest.approx(9 / 4 * (1 + g - 2 * p) ** 2, abs=3e-2)


CASES = {
    "multiplicative": {},
    "additive": {"agent": {"separation": "additive"}},
    "learning": {"agent": {"kernels": LEARN}},
    "horizon": {"horizon": 3},
    "uniform elsewhere": {"agent": {"initial": {"family": "uniform", "support": [0.5, 2]}, "worth": {"offset": 1}}},
    "two prices": {
        "actions": ["wait", "one", "two"], "cost": {"one": 0.1, "two": 0.4},
        "agent": {"value": {"one": [0.1, 0.3, 0.4], "two": [0.2, 0.6, 1]}},
    },
    "stock": {"public": {"states": 3, "next": [[0, 1, 2], [0, 0, 1]], "start": 2,
                         "feasible": [[True] * 3, [False, True, True]]}},
    "waiting costs": {"cost": {"wait": 0.1, "serve": 0.3}},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_equal_to_the_virtual_pivot(case):
    """Profit, expected payments, utilities; and period by period where doing nothing is free, the prices too."""
    model = contract(**CASES[case])
    menu, pivot = ContractMenu(model), VirtualPivotMechanism(model.environment)
    result = mo.solve(model)
    assert result.bounds.certified
    assert result.quantities["profit"] == pytest.approx(result.quantities["upper_bound_profit"], abs=1e-12)
    low, high = model.signal.initial.low, model.signal.initial.high
    for s in np.linspace(low, high, 6)[1:]:
        sub, offer = pivot.subscribe([float(s)]), menu.contract(float(s))
        if offer is None:
            assert sub.included == ()
            continue
        assert offer.utility == pytest.approx(sub.utilities[0], abs=1e-12)
        if case in ("waiting costs",):
            continue
        assert offer.fee == pytest.approx(sub.entry_payments[0], abs=1e-11)
        policy = sub.optimum.solved.policy
        paid = sub.payments(0, [float(s)], policy)
        h = np.repeat(np.arange(model.environment.H), model.environment.shape[0])
        np.testing.assert_allclose(paid, offer.prices[policy, h[None, :].repeat(len(policy), 0)], atol=1e-11)


@pytest.mark.parametrize("case", CASES)
def test_no_signal_gains_by_another_contract(case):
    menu = ContractMenu(contract(**CASES[case]))
    assert menu.largest_gain(menu.signals(31))[0] <= 1e-10


@pytest.mark.parametrize("separation", ["multiplicative", "additive"])
@pytest.mark.parametrize("K", [1, 2, 5, 20])
def test_finitely_many_types_are_incentive_compatible(K, separation):
    """At t = 0 as well, where the theorem's payments are not; and every grid here attains the bound."""
    law = {"initial": {"values": [1], "probabilities": [1]}} if K == 1 else types(K)
    model = contract({**law, "separation": separation})
    menu, result = ContractMenu(model), mo.solve(model)
    assert menu.largest_gain(menu.signals())[0] <= 1e-11
    assert result.bounds.certified
    assert result.bounds.problem == "finite"
    if K != 2:
        assert result.bounds.width < 1e-13
        assert result.value == pytest.approx(highs(model.primal()).value, abs=1e-9)


@pytest.mark.parametrize("agent", [{}, {"separation": "additive"}, {"kernels": LEARN}], ids=["mult", "add", "learn"])
def test_the_program_and_its_dual(agent):
    model = contract({**types(6), **agent})
    primal, dual = highs(model.primal()), highs(model.dual())
    assert dual.value == pytest.approx(primal.value, abs=1e-9)
    assert mo.solve(model, method="program").value == pytest.approx(mo.solve(model).value, abs=1e-9)
    for k in range(1, 7):
        assert primal.primal[f"o_{k}"].sum() == pytest.approx(10, abs=1e-8)


@pytest.mark.parametrize("law", [[0.5, 0.1, 0.4], [0.05, 0.9, 0.05]])
def test_irregular_types_are_warned_about_and_stay_incentive_compatible(law):
    model = contract({"initial": {"values": [1, 2, 3], "probabilities": law}}, cost={"serve": 1.5})
    result, menu = mo.solve(model), ContractMenu(model)
    assert menu.largest_gain(menu.signals())[0] <= 1e-11
    assert result.bounds.lower <= result.bounds.upper
    if model.signal.regularity()[0] > 0:
        assert any("not guaranteed" in note for note in result.document["notes"])


def test_a_law_without_fractions_is_bounded_by_floats():
    result = mo.solve(contract({"initial": {"family": "beta", "a": 1, "b": 2, "support": [0, 1]}}))
    assert not result.bounds.certified
    assert result.bounds.lower <= result.value <= result.bounds.upper
    assert result.bounds.width < 1e-8


def test_free_items_are_sold_by_a_fee_alone():
    """Cost 0: every contract has the price 0, and one fee, 9 E[B] / 2, for the signals above 1/2."""
    menu = ContractMenu(contract(cost={"serve": 0}))
    fees = [menu.contract(s).fee for s in (0.6, 0.8, 1.0)]
    np.testing.assert_allclose(fees, 9 * 0.6 / 2, atol=1e-12)
    assert menu.contract(0.5) is None
    with pytest.raises(mo.InputError, match="signal"):
        menu.contract(1.2)


def test_false_certificates_are_refused():
    result = mo.solve(contract(types(5)))
    instance = result.document["instance"]["parameters"]

    def passes(change):
        forged = copy.deepcopy(dict(result.certificate))
        change(forged["finite"])
        return all(c.passed for c in check(instance, forged)[0])

    assert passes(lambda part: None)
    tiny = Fraction(1, 10**12)

    def lower_rent(part):
        part["contracts"]["rents"][4] = str(Fraction(part["contracts"]["rents"][4]) - tiny)

    def move_cut(part):
        part["cuts"][1] = str(Fraction(part["cuts"][1]) + tiny)

    def other_action(part):
        part["policies"][1][0][1] = 1 - part["policies"][1][0][1]

    for change in (lower_rent, move_cut, other_action):
        assert not passes(change)


def test_saved_drawn_and_loaded(tmp_path):
    for name in ("pivot/contract-items", "pivot/contract-learning"):
        result = mo.solve(mo.load(name))
        result.save(tmp_path / name.replace("/", "-"))
        again = mo.Result.load(tmp_path / name.replace("/", "-"))
        assert mo.verify(tmp_path / name.replace("/", "-")).passed
        assert again.plot().axes
        best = again.quantities["menu"][-1]
        assert again.mechanism.contract(best["signal"]).fee == pytest.approx(best["entry_fee"])


def random_contract(seed):
    rng = np.random.default_rng(seed)

    def law(size):
        w = rng.integers(1, 9, size)
        return [f"{x}/{w.sum()}" for x in w]

    separation = ["multiplicative", "additive"][int(rng.integers(2))]
    names = ["wait", *(f"a{k}" for k in range(int(rng.integers(1, 3))))]
    L, lowest = int(rng.integers(1, 4)), 0 if separation == "multiplicative" else -10
    values = sorted(set((rng.integers(1, 20, 4) / 10).tolist()))
    agent = {
        "separation": separation, "initial": {"values": values, "probabilities": law(len(values))}, "states": L,
        "start": law(L), "kernels": {a: [law(L) for _ in range(L)] for a in names},
        "value": {a: (rng.integers(lowest, 20, L) / 10).tolist() for a in names[1:]},
    }  # fmt: skip
    cost = {a: int(rng.integers(0, 10)) / 10 for a in names[1:]}
    horizon = [None, 1, 2][int(rng.integers(3))]
    return OptimalContract(discount=0.8, horizon=horizon, actions=names, cost=cost, agents=[agent])


@pytest.mark.parametrize("seed", range(25))
def test_random_contracts_are_incentive_compatible_and_bracketed(seed):
    """Regular or not: certified, no gain by another contract, and the best mechanism of all lies in the bracket."""
    model = random_contract(seed)
    result, menu = mo.solve(model), ContractMenu(model)
    assert result.bounds.certified
    assert menu.largest_gain(menu.signals())[0] <= 1e-11
    if model.horizon is not None:
        best = highs(of_environment(model.environment).primal()).value
        assert result.bounds.lower - 1e-9 <= best <= result.bounds.upper + 1e-9


@pytest.mark.parametrize("name", ["contract-items", "contract-learning"])
def test_a_time_limit_leaves_a_true_bracket(name):
    model = mo.load(f"pivot/{name}").model
    true = mo.solve(model)
    fresh = mo.load(f"pivot/{name}").model  # the other one knows its curve already
    stopped = mo.solve(fresh, time_limit=1e-6)
    assert stopped.status == "user_limit"
    assert stopped.bounds.lower <= true.bounds.lower
    assert stopped.bounds.upper >= true.bounds.upper
    assert not stopped.bounds.certified
    assert "time limit" in stopped.summary()
    assert mo.solve(fresh).bounds == true.bounds  # the limit is not remembered
    with pytest.raises(mo.InputError, match="stopped"):
        stopped.plot()
