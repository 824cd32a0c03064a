"""The virtual pivot: values known by hand, two independent routes to the profit, and the exact bracket."""

import itertools
from fractions import Fraction
from importlib import resources

import numpy as np
import pytest
import scipy.integrate

import mechopt as mo
from mechopt.models.pivot import builders
from mechopt.models.pivot.environment import Environment
from mechopt.models.pivot.expectation import expectations
from mechopt.models.pivot.initial import Initial, Signal, Worth
from mechopt.models.pivot.mechanism import VirtualPivotMechanism
from mechopt.models.pivot.pieces import pieces
from mechopt.models.pivot.welfare import Market
from mechopt.solvers.highs import solve as highs

ITEMS = {"0": 1.35, "1/10": 0.9555, "3/10": 0.46575, "1/2": 0.18375, "7/10": 0.06075}
LOWS, CHANCES = ["1/5", "3/5", 1], ["3/10", "2/5", "3/10"]
ARMS = [
    {"kernel": [["1/2", "1/2"], ["1/5", "4/5"]], "value": [1, "1/2"]},
    {"kernel": [["3/5", "2/5"], ["1/10", "9/10"]], "value": ["1/4", "6/5"]},
]
FEW = {"values": ["1/5", "3/5", 1], "probabilities": ["1/3", "1/3", "1/3"]}


def items(cost, initial=None):
    return builders.stream_of_items("9/10", LOWS, None, cost, start=CHANCES, initial=initial)


@pytest.mark.parametrize("cost", ITEMS)
def test_a_stream_of_items_has_the_profit_of_the_integral(cost):
    """E sum delta^t max(0, (2 s - 1) B - g) = 9 sum p_B (B - g)^2 / (4 B) over B > g, for uniform s."""
    g = Fraction(cost)
    by_hand = 9 * sum(Fraction(p) * max(0, Fraction(b) - g) ** 2 / (4 * Fraction(b))
                      for b, p in zip(LOWS, CHANCES, strict=True))  # fmt: skip
    assert float(by_hand) == pytest.approx(ITEMS[cost], abs=1e-12)
    result = mo.solve(items(cost))
    assert result.bounds.certified
    assert result.bounds.problem == "continuum"
    assert result.bounds.lower <= ITEMS[cost] <= result.bounds.upper
    assert result.bounds.width < 1e-13
    assert result.quantities["profit"] == pytest.approx(ITEMS[cost], rel=1e-12)
    assert result.verify().passed


@pytest.mark.parametrize(("types", "value"), [(5, 0.6048), (20, 0.502875), (80, 0.47503125)])
def test_finitely_many_types_approach_the_continuum_from_above(types, value):
    law = {"values": [f"{2 * k + 1}/{2 * types}" for k in range(types)], "probabilities": [f"1/{types}"] * types}
    env = items("3/10", law).environment
    mechanism = VirtualPivotMechanism(env)
    found = expectations(mechanism.market, mechanism.rents)
    assert found.bound == pytest.approx(value, rel=1e-12)
    assert found.profit == pytest.approx(value, rel=1e-12)
    assert found.repaired_profit < found.profit


def test_one_continuum_with_any_law_against_plain_quadrature():
    env = items("3/10", {"family": "beta", "a": 2, "b": 3, "support": [0, 1]}).environment
    market = Market(env)
    mechanism = VirtualPivotMechanism(env)
    found = expectations(mechanism.market, mechanism.rents)
    signal = env.data[0].signal
    plainly, _ = scipy.integrate.quad(
        lambda s: market.best((float(signal.phi(s)),)).value * float(signal.initial.pdf(s)), 0, 1, limit=400,
        epsabs=1e-11,
    )  # fmt: skip
    assert found.bound == pytest.approx(plainly, abs=1e-8)
    assert found.profit == pytest.approx(found.bound, rel=1e-9)


def test_two_continua_against_a_fine_grid():
    env = builders.bandit("9/10", ARMS).environment
    mechanism = VirtualPivotMechanism(env)
    found = expectations(mechanism.market, mechanism.rents)
    assert found.profit == pytest.approx(found.bound, rel=1e-9)
    market, grid = Market(env), (np.arange(60) + 0.5) / 60
    plainly = np.mean([market.best((2 * s - 1, 2 * t - 1)).value for s in grid for t in grid])
    assert found.bound == pytest.approx(plainly, rel=2e-3)


ENVIRONMENTS = {
    "stream": lambda: items("3/10"),
    "bandit": lambda: builders.bandit("9/10", [{**arm, "initial": FEW} for arm in ARMS]),
    "additive bandit": lambda: builders.bandit(
        "9/10", [{**arm, "separation": "additive", "initial": FEW} for arm in ARMS], cost="1/10"
    ),
    "search": lambda: builders.sponsored_search(
        "4/5", 2, 2, initial={"family": "uniform", "support": [0, 1], "points": 3}
    ),
    "chain": lambda: builders.supply_chain(
        "9/10", [[1, 2], ["1/2", 3]], [[["1/2", "1/2"], ["1/4", "3/4"]]] * 2, 2, "1/5", "1/50", FEW
    ),
    "autoregressive": lambda: builders.autoregressive("9/10", 2, ["1/2"], ["-1/2", "1/2"], 2, initial=FEW),
    "second order": lambda: builders.autoregressive("9/10", 1, ["1/2", "1/4"], ["-1/2", "1/2"], 3, initial=FEW),
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_profit_is_the_bound_and_the_bracket_holds(name):
    model = ENVIRONMENTS[name]()
    result = mo.solve(model)
    found = result.quantities
    assert found["profit"] == pytest.approx(found["upper_bound_profit"], rel=1e-12)
    assert (
        result.bounds.lower <= found["repaired_profit"] + 1e-12 <= result.value + 2e-12 <= result.bounds.upper + 3e-12
    )
    assert result.bounds.certified == (result.certificate is not None)
    if result.certificate:
        assert result.verify().passed
        assert result.bounds.upper - result.value < 1e-11
        assert found["repaired_profit"] - result.bounds.lower < 1e-9
    again = Environment(**model.parameters())
    assert again.parameters() == model.parameters()


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_bellman_program_and_its_dual_have_the_engines_value(name):
    model = ENVIRONMENTS[name]()
    env = model.environment
    reports = [one.signal.initial.high for one in env.data]
    found = Market(env).best(tuple(float(one.signal.phi(s)) for one, s in zip(env.data, reports, strict=True)))
    for program in (model.primal(), model.dual()):
        assert env.delta * highs(program).value == pytest.approx(found.value, rel=1e-9)


def test_relaxed_program_over_all_types_at_once():
    """Corollary 4.1 with finitely many types, as one linear program over policies that know the initial types."""
    model = ENVIRONMENTS["bandit"]()
    env = model.environment
    total = 0.0
    for k in itertools.product(range(3), repeat=2):
        reports = [float(one.signal.initial.types.v[j]) for one, j in zip(env.data, k, strict=True)]
        total += highs(model.primal(reports)).value * env.delta / 9
    assert mo.solve(model).value == pytest.approx(total, rel=1e-9)


def test_pieces_are_the_convex_function_they_cut():
    env = builders.bandit("9/10", ARMS).environment
    market = Market(env)
    found = pieces(market, (0.0, 0.3), 0, 0.0, 1.0)
    assert found[0].low == 0
    assert found[-1].high == 1
    slopes = [p.optimum.Q[0] for p in found]
    assert slopes == sorted(slopes)
    fresh = Market(env)
    for w in np.linspace(0, 1, 97):
        piece = next(p for p in found if w <= p.high)
        assert piece.optimum.at(0, w) == pytest.approx(fresh.best((w, 0.3)).value, abs=1e-12)


def test_entry_payments_of_uniform_signals_have_a_short_formula():
    """Multiplicative: U = (W0 - W0_-i) / 2 and p_0 = (W0 - W0_-i) / (2 phi). Additive: U = (W0(phi) - W0(-1)) / 2."""
    mechanism = VirtualPivotMechanism(builders.bandit("9/10", ARMS).environment)
    reports = (0.83, 0.71)
    sub = mechanism.subscribe(reports)
    for i in range(2):
        alone = [s if j != i else 0.0 for j, s in enumerate(2 * np.array(reports) - 1)]
        gap = sub.optimum.value - mechanism.market.best(tuple(alone)).value
        assert sub.utilities[i] == pytest.approx(gap / 2, abs=1e-13)
        assert sub.entry_payments[i] == pytest.approx(gap / 2 / (2 * reports[i] - 1), abs=1e-13)
    additive = [{**arm, "separation": "additive"} for arm in ARMS]
    mechanism = VirtualPivotMechanism(builders.bandit("9/10", additive).environment)
    sub = mechanism.subscribe(reports)
    for i in range(2):
        weights = list(2 * np.array(reports) - 1)
        weights[i] = -1.0
        gap = sub.optimum.value - mechanism.market.best(tuple(weights)).value
        assert sub.utilities[i] == pytest.approx(gap / 2, abs=1e-13)


def test_simulated_plays_average_to_the_promised_utilities():
    mechanism = VirtualPivotMechanism(builders.bandit("4/5", ARMS).environment)
    signals = (0.9, 0.8)
    sub = mechanism.subscribe(signals)
    plays = [mechanism.simulate(signals, 70, seed) for seed in range(400)]
    kept = np.array([p.utilities for p in plays])
    slack = 5 * kept.std(axis=0) / np.sqrt(len(plays)) + 1e-6
    assert (abs(kept.mean(axis=0) - sub.utilities) <= slack).all()
    profit = np.array([p.profit for p in plays])
    expected = float(sub.expected_payments.sum() - sub.optimum.cost)
    assert abs(profit.mean() - expected) <= 5 * profit.std() / np.sqrt(len(plays)) + 1e-6


def test_warnings_say_by_how_much_assumptions_fail():
    bumpy = {"values": [2, 3, 4], "probabilities": ["2/5", "1/10", "1/2"]}  # phi = 1/2, -2, 4
    result = mo.solve(builders.stream_of_items("9/10", [1], [[1]], 0, initial=bumpy))
    assert any(
        "optimality is not guaranteed: alpha = phi / A falls by up to" in note for note in result.document["notes"]
    )
    assert result.bounds.lower == 0
    assert result.verify().passed
    fall, rise = Signal(Initial(family="beta", a=0.5, b=0.5, support=[0.01, 0.99]), Worth()).regularity()
    assert rise > 0
    assert fall >= 0
    assert Signal(Initial(family="beta", a=2, b=3, support=[0, 1]), Worth()).regularity() == (0.0, 0.0)


def test_one_forced_action_earns_myerson_profit_not_nothing():
    """Exclusion belongs into the optimum (erratum): v = s, one action, earns 9 E max(0, 2 s - 1) = 2.25."""
    model = mo.VirtualPivot(discount="9/10", actions=1, agents=[{"states": 1, "kernels": [[1]], "value": [[1]]}])
    assert mo.solve(model).value == pytest.approx(2.25, rel=1e-12)
    literal = 9 * np.mean(2 * (np.arange(1000) + 0.5) / 1000 - 1)  # q* that may not exclude anybody
    assert literal == pytest.approx(0, abs=1e-12)


def test_time_limit_keeps_a_bracket():
    exact = mo.solve(builders.bandit("9/10", ARMS)).value
    stopped = mo.solve(builders.bandit("9/10", ARMS), time_limit=1e-6)
    assert stopped.status == "user_limit"
    assert stopped.bounds.lower - 1e-9 <= exact <= stopped.bounds.upper + 1e-9


@pytest.mark.parametrize(
    "name",
    sorted(entry.name.removesuffix(".toml") for entry in (resources.files("mechopt") / "catalog" / "pivot").iterdir()),
)
def test_every_catalog_instance_has_a_certificate_that_verifies(name):
    result = mo.solve(mo.load(f"pivot/{name}"))
    assert result.status == "optimal"
    assert result.bounds.certified
    assert result.verify().passed
    if "profit" in result.quantities and result.bounds.problem == "continuum":
        assert result.bounds.width < 1e-12 * (1 + abs(result.value))
        assert result.quantities["profit"] == pytest.approx(result.value, rel=1e-10)
