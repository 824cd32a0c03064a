"""Minimax-regret pricing against values derived by hand, its dual, its engines, and brute force."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mechopt as mo
from mechopt.models.outcome import Options
from mechopt.models.regret import price_lottery, regret_theory
from mechopt.models.regret.regret_continuum import bracket, nature_curve, seller_curve
from mechopt.models.regret.regret_pricing import RegretPricing, grid_optimum, one_good_optimum
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.rational import nearest, rational


def _exact(result, end, part="finite"):
    return Fraction(result.certificate[part][end])


@pytest.mark.parametrize(("n", "value"), [(1, 0), (2, "1/4"), (5, "47/150"), (10, "2131/6300")])
def test_one_good_grid_values_by_hand(n, value):
    assert grid_optimum(n) == Fraction(value)
    result = mo.solve(RegretPricing(upper=[1], points=n))
    assert _exact(result, "lower") == _exact(result, "upper") == Fraction(value)
    assert result.value == float(Fraction(value))


def test_grid_formula_is_the_maximum_over_all_prices():
    for n in range(1, 40):
        harmonic = [sum((Fraction(1, i) for i in range(1, k + 1)), Fraction(0)) for k in range(n + 1)]
        assert grid_optimum(n) == max(Fraction(k, n) * (harmonic[n] - harmonic[k]) for k in range(n + 1))


@pytest.mark.parametrize("n", [3, 17, 60])
def test_engine_equals_specification_in_one_good(n):
    model = RegretPricing(upper=[3], cost=["1/2"], points=n)
    plain, lottery = highs(model.primal()), mo.solve(model)
    assert lottery.document["method"] == "price-lottery"
    assert lottery.value == pytest.approx(plain.value, rel=1e-9)
    assert mo.solve(model, method="all-pairs").value == pytest.approx(plain.value, rel=1e-9)
    assert lottery.value == pytest.approx(2.5 * float(grid_optimum(n)), rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=9, unique=True), st.integers(0, 40))
def test_engine_equals_specification_on_any_grid(values, cost):
    model = RegretPricing(profiles=[[v] for v in values], cost=[cost])
    result = mo.solve(model)
    assert result.value == pytest.approx(highs(model.primal()).value, abs=1e-8)
    assert result.bounds.certified
    assert _exact(result, "lower") == _exact(result, "upper")


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(0, 8)] * 2), min_size=1, max_size=7, unique=True),
    st.tuples(*[st.integers(0, 5)] * 2),
)
def test_primal_equals_dual_equals_certificate_on_any_profiles(profiles, cost):
    model = RegretPricing(profiles=profiles, cost=cost)
    primal, dual, result = highs(model.primal()), highs(model.dual()), mo.solve(model)
    assert dual.value == pytest.approx(primal.value, abs=1e-8)
    assert result.bounds.problem == "finite"
    assert result.bounds.certified
    assert result.bounds.lower - 1e-8 <= primal.value <= result.bounds.upper + 1e-8
    assert result.bounds.width <= 1e-6
    assert result.verify().passed


def test_duals_of_each_program_solve_the_other():
    model = RegretPricing(upper=[1, 2], cost=[0, "1/2"], points=3)
    primal, dual = highs(model.primal()), highs(model.dual())
    V, c, N = model.values, model.costs, model.types
    alpha, beta, gamma, lam = (primal.dual[k] for k in ("alpha", "beta", "gamma", "lambda"))
    assert min(a.min() for a in (alpha, beta, gamma, lam)) >= -1e-9
    assert alpha.sum() == pytest.approx(1)
    np.testing.assert_allclose(beta + gamma.sum(1) - gamma.sum(0), alpha, atol=1e-8)
    worth = (beta + gamma.sum(1))[:, None] * V - gamma.T @ V
    assert (lam + alpha[:, None] * c - worth).min() >= -1e-8
    assert alpha @ model.surplus - lam.sum() == pytest.approx(primal.value, abs=1e-8)
    r, q, m = dual.dual["r"], dual.dual["q"], dual.dual["m"]
    assert q.min() >= -1e-9
    assert q.max() <= 1 + 1e-9
    utility = (q * V).sum(1) - m
    assert utility.min() >= -1e-9
    for v, w in itertools.product(range(N), repeat=2):
        assert utility[v] >= q[w] @ V[v] - m[w] - 1e-8
    assert (model.surplus - (m - q @ c)).max() == pytest.approx(dual.value, abs=1e-8)
    assert float(r) == pytest.approx(dual.value, abs=1e-8)


def test_nonlinear_dual_with_the_sign_of_the_errata():
    """(2.8) with both terms inside the double sum equals the linear dual at the optimum."""
    model = RegretPricing(upper=[1, 1], cost=["1/4", 0], points=3)
    dual = highs(model.dual())
    alpha, gamma = dual.primal["alpha"], dual.primal["gamma"]
    V, c = model.values, model.costs
    total = 0.0
    for v in range(model.types):
        for j in range(2):
            flow = sum(gamma[w, v] * (V[v, j] - V[w, j]) for w in range(model.types))
            total += alpha[v] * max(V[v, j] - c[j], 0) - max(alpha[v] * (V[v, j] - c[j]) + flow, 0)
    assert total == pytest.approx(dual.value, abs=1e-9)


@pytest.mark.parametrize("cost", [(0, 0), ("1/4", "1/2")])
def test_product_grids_separate(cost):
    model = RegretPricing(upper=[1, 2], cost=cost, points=4)
    worth = 3 - float(sum(Fraction(c) for c in cost))
    assert highs(model.primal()).value == pytest.approx(worth * float(grid_optimum(4)), abs=1e-9)
    assert model.grid_closed_form() == pytest.approx(worth * float(grid_optimum(4)))


def test_goods_that_cost_too_much_are_never_sold():
    result = mo.solve(RegretPricing(upper=[1, 1], cost=["1/4", "3/2"], points=6))
    assert result.value == pytest.approx(0.75 * float(grid_optimum(6)), abs=1e-9)
    assert result.closed_form.value == pytest.approx(0.75 / math.e)
    assert "Remark 2.3.1" in result.closed_form.source
    assert result.bounds.lower <= result.closed_form.value <= result.bounds.upper
    allocation, payment = result.mechanism([[0.9, 1.0]])
    assert allocation[0, 1] == 0
    assert payment[0] > 0


def test_values_below_cost_change_nothing_on_a_product_set():
    plain = RegretPricing(upper=[1, 1], cost=["1/4", 0], points=3)
    types = {*plain.exact_values, *((Fraction(0), v[1]) for v in plain.exact_values)}
    wider = RegretPricing(profiles=sorted(types), cost=["1/4", 0])
    assert wider.types > plain.types
    assert highs(wider.primal()).value == pytest.approx(highs(plain.primal()).value, abs=1e-9)


def test_values_below_cost_matter_under_a_budget():
    """Errata 8: v1 + v2 <= 1 with costs; leaving out the types below cost gives too little."""
    n, cost = 8, [Fraction(1, 4), Fraction(1, 8)]
    grid = [(Fraction(i, n), Fraction(j, n)) for i in range(n + 1) for j in range(n + 1 - i)]
    above = [v for v in grid if v[0] >= cost[0] and v[1] >= cost[1]]
    full, part = (mo.solve(RegretPricing(profiles=vs, cost=cost)).value for vs in (grid, above))
    assert full > part + 0.05


def test_everything_costs_too_much():
    result = mo.solve(RegretPricing(upper=[1], cost=[2], points=5))
    assert result.value == 0
    assert result.bounds == mo.Bounds(0.0, 0.0, "continuum", True)
    assert result.verify().passed


BOXES = [
    {"upper": [1], "points": 25},
    {"upper": [1, 2], "cost": [0, "1/2"], "points": 6},
    {"upper": [1, 1], "lower": ["1/2", "1/5"], "points": 5},
    {"upper": [1], "lower": ["2/3"], "cost": ["1/3"], "points": 12},
    {"upper": [3, 1], "lower": [1, "1/2"], "cost": [2, "1/4"], "points": 5},
    {"upper": [1, 1, 1], "points": 2},
    {"upper": ["1/1000000"], "points": 30},
    {"upper": [10**9], "points": 30},
]


@pytest.mark.parametrize("fields", BOXES, ids=str)
def test_certified_continuum_bracket_contains_the_theorem(fields):
    result = mo.solve(RegretPricing(**fields))
    bounds, theorem = result.bounds, result.closed_form.value
    assert bounds.problem == "continuum"
    assert bounds.certified
    assert bounds.lower <= theorem * (1 + 1e-12)
    assert bounds.upper >= theorem * (1 - 1e-12)
    assert result.value <= bounds.upper * (1 + 1e-9)
    assert result.verify().passed


def test_positive_lower_bounds_sum_and_the_known_number():
    model = RegretPricing(upper=[1, 1], lower=[0.5, 0.2], points=2)
    assert model.closed_form().value == pytest.approx(0.714453031, abs=1e-9)
    assert one_good_optimum(0.5, 1) == pytest.approx(0.5 * math.log(2))


@pytest.mark.parametrize("least", [0.0, 0.2, 0.5, 0.9])
def test_bracket_is_second_order(least):
    theorem = one_good_optimum(least, 1.0)
    errors = []
    for n in (25, 800):
        upper, lower = bracket(least, n, None, Options())
        assert lower.bound <= theorem + 1e-12 <= upper.bound + 1e-11
        errors.append(upper.bound - lower.bound)
    order = np.log2(errors[0] / errors[-1]) / 5
    assert order >= 1.8


@pytest.mark.parametrize("least", [0.0, 0.5])
def test_refinement_reaches_the_width_asked_for(least):
    upper, lower = bracket(least, 20, 1e-5, Options())
    assert 0 < upper.bound - lower.bound <= 1e-5
    result = mo.solve(RegretPricing(upper=[1], lower=[least], points=20), gap=1e-5)
    assert result.bounds.certified
    assert result.bounds.width <= 1e-5


def test_continuum_curves_hold_between_the_nodes_by_brute_force():
    """The seller's worst regret and nature's best price, on a grid 100 times finer than the nodes."""
    upper = seller_curve(np.linspace(0.0, 1.0, 13), Options())
    fine = np.linspace(0, 1, 120_001)
    q = np.interp(fine, upper.nodes, upper.heights)
    u = np.concatenate([[0], np.cumsum(np.diff(fine) * (q[:-1] + q[1:]) / 2)])
    worst = (fine * (1 - q) + u).max()
    assert worst <= upper.bound + 1e-9
    assert worst == pytest.approx(upper.bound, abs=1e-7)
    lower = nature_curve(np.linspace(1.0, 0.0, 13), 0.0, Options())
    T = (np.arange(2_000_000) + 0.5) / 2_000_000  # quantiles at midpoints
    R = np.interp(T, lower.nodes[::-1], lower.heights[::-1])
    mean, best = float((R / T).mean()), float(lower.heights.max())
    assert mean - best >= lower.bound - 1e-9
    assert mean - best == pytest.approx(lower.bound, abs=2e-3)  # the rational logarithm is below the true one


def test_bounds_never_use_the_theorem(monkeypatch):
    def boom(*args):
        raise AssertionError("a closed form was used to compute a bound")

    for name in ("one_good_optimum", "grid_optimum"):
        monkeypatch.setattr(f"mechopt.models.regret.regret_pricing.{name}", boom)
    monkeypatch.setattr(RegretPricing, "closed_form", lambda self: None)
    monkeypatch.setattr(RegretPricing, "grid_closed_form", lambda self: None)
    result = mo.solve(RegretPricing(upper=[1], points=30))
    assert result.bounds.lower <= 1 / math.e <= result.bounds.upper


def test_saddle_point_from_both_sides():
    """(2.3) against every value; (2.10) against every price, in two goods with costs."""
    upper, cost = np.array([1.0, 2.0]), np.array([0.25, 0.5])
    value = (upper - cost).sum() / math.e
    axes = [np.linspace(0, hi, 301) for hi in upper]
    V = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    q, m = regret_theory.optimal_mechanism(V, upper, cost)
    regret = np.maximum(V - cost, 0).sum(-1) - (m - q @ cost)
    assert regret.max() == pytest.approx(value, abs=1e-12)
    s = np.linspace(0, 1, 100_001)
    cdf = regret_theory.nature_cdf(cost + s[:, None] * (upper - cost), upper, cost)
    assert (np.diff(cdf) >= 0).all()
    before = np.concatenate([[0.0], cdf[:-1]])
    assert (s * (1 - before)).max() == pytest.approx(1 / math.e, abs=1e-5)
    mean = float((s * np.diff(np.concatenate([[0.0], cdf]))).sum())
    assert mean == pytest.approx(2 / math.e, abs=1e-4)
    assert (upper - cost).sum() * (mean - 1 / math.e) == pytest.approx(value, abs=1e-3)


def test_natures_marginals_vanish_at_and_below_cost():
    cdf = regret_theory.nature_cdf(np.array([[0.0], [0.5], [0.6], [1.0]]), np.array([1.0]), np.array([0.5]))
    assert cdf[:2].tolist() == [0.0, 0.0]  # the formula as printed gives 1.368 at zero
    assert cdf[3] == 1


@pytest.mark.parametrize("n", [2, 3, 11, 100])
def test_discrete_nature_is_an_optimal_dual_point(n):
    """The corrected Lemma 2.3.3: its expected regret against the best price is the grid optimum, exactly."""
    mass = regret_theory.discrete_nature(n)
    tails = [sum(mass[k:], Fraction(0)) for k in range(n + 1)]
    surplus = sum(Fraction(k, n) * a for k, a in enumerate(mass))
    assert surplus - max(Fraction(k, n) * t for k, t in enumerate(tails)) == grid_optimum(n)


def test_price_lottery_from_support_is_a_lottery_or_nothing():
    margins = [rational(f"{k}/6") for k in range(1, 7)]
    assert price_lottery.from_support(margins, []) is None
    assert price_lottery.from_support(margins, list(range(6))) is None  # too many prices: chances exceed one
    found = price_lottery.from_support(margins, [2, 3, 4, 5])
    assert sum(found.chance) == 1
    assert min(found.chance) >= 0
    assert found.tail[0] == 1
    assert all(a >= b for a, b in itertools.pairwise(found.tail))


def test_mechanism_on_the_continuum_is_truthful_and_safe():
    result = mo.solve(RegretPricing(upper=[1, 2], cost=["1/10", "1/2"], points=5))
    rng = np.random.default_rng(0)
    V = rng.random((400, 2)) * [1, 2]
    q, m = result.mechanism(V)
    lie = V @ q.T - m
    truth = np.diag(lie)
    assert truth.min() >= -1e-12
    assert (lie - truth[:, None]).max() <= 1e-12
    regret = np.maximum(V - [0.1, 0.5], 0).sum(1) - (m - q @ [0.1, 0.5])
    assert regret.max() <= result.bounds.upper


def test_menu_of_explicit_profiles_is_truthful_everywhere():
    result = mo.solve(mo.load("regret/explicit-profiles"))
    model = result.model
    q, m = result.mechanism(model.values)
    regret = model.surplus - (m - q @ model.costs)
    assert regret.max() <= result.bounds.upper + 1e-9
    V = np.random.default_rng(1).random((200, 2)) * 1.3
    q, m = result.mechanism(V)
    lie = V @ q.T - m
    assert (lie - np.diag(lie)[:, None]).max() <= 1e-9


@pytest.mark.parametrize("method", ["all-pairs", "rows"])
def test_time_limit_still_brackets(method):
    result = mo.solve(RegretPricing(upper=[1, 1], points=9), time_limit=1e-4, method=method)
    assert result.status == "user_limit"
    assert result.bounds.certified
    assert result.bounds.lower <= 2 / math.e <= result.bounds.upper
    assert result.verify().passed


def test_without_a_certificate_bounds_are_not_called_certified():
    for fields in ({"upper": [1], "points": 30}, {"profiles": [[1, 2], [2, 1], [3, 3]]}):
        fast, full = mo.solve(RegretPricing(**fields), certificate=False), mo.solve(RegretPricing(**fields))
        assert not fast.bounds.certified
        assert fast.bounds.lower <= full.bounds.lower + 1e-8
        assert fast.bounds.upper >= full.bounds.upper - 1e-8
        assert not fast.verify().passed


def test_large_grid_is_accurate():
    result = mo.solve(RegretPricing(upper=[1], points=2000))
    assert abs(result.value / float(grid_optimum(2000)) - 1) <= 1e-12
    assert nearest(rational(result.certificate["finite"]["upper"])) == pytest.approx(result.value, rel=1e-12)
