"""Minimax-regret auctions against values known exactly, the dual, the engines, and brute force on the continuum."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mechopt as mo
from mechopt.models.regret import regret_auction_certify as certify
from mechopt.models.regret import regret_auction_theory as theory
from mechopt.models.regret.regret_auction import RegretAuction
from mechopt.models.regret.regret_auction_check import check
from mechopt.models.regret.regret_auction_orbits import orbits, program, rounding
from mechopt.models.regret.regret_pricing import RegretPricing, grid_optimum
from mechopt.solvers.highs import solve as highs


def _exact(result, end, part="finite"):
    return Fraction(result.certificate[part][end])


def _by_orbits(model):
    return highs(program(model, orbits(model))).value * float(max(model.best))


@pytest.mark.parametrize(("bidders", "goods", "n"), [(1, 1, 5), (2, 1, 6), (3, 1, 4), (4, 1, 2), (2, 2, 2), (3, 2, 1)])
def test_with_lower_bounds_of_zero_the_number_of_bidders_does_not_matter(bidders, goods, n):
    """Corollary 3.3.1 holds exactly on grids: the specification, and the default engine as a fraction."""
    model = RegretAuction(bidders=bidders, upper=[1, 2][:goods], points=n)
    worth = sum(model.best)
    assert highs(model.primal()).value == pytest.approx(float(worth * grid_optimum(n)), abs=1e-9)
    result = mo.solve(model)
    assert _exact(result, "lower") == _exact(result, "upper") == worth * grid_optimum(n)
    assert result.value == float(worth * grid_optimum(n))
    assert result.closed_form.value == pytest.approx(float(worth) / math.e)


@pytest.mark.parametrize(("bidders", "value"), [(1, 0.33817230), (2, 0.32010769), (3, 0.30315026)])
def test_with_positive_lower_bounds_it_does(bidders, value):
    model = RegretAuction(bidders=bidders, upper=[1], lower=["1/4"], points=8)
    assert mo.solve(model).value == pytest.approx(value, abs=1e-8)
    assert (model.closed_form() is None) == (bidders > 1)


def test_one_bidder_is_the_buyer_of_regret_pricing():
    auction = RegretAuction(bidders=1, upper=[1, 2], lower=["3/5", 0], points=3)
    pricing = RegretPricing(upper=[1, 2], lower=["3/5", 0], points=3)
    assert highs(auction.primal()).value == pytest.approx(highs(pricing.primal()).value, abs=1e-9)
    result = mo.solve(auction)
    assert result.bounds.lower <= result.closed_form.value <= result.bounds.upper
    assert result.closed_form.value == pytest.approx(pricing.closed_form().value)


@pytest.mark.parametrize("upper", [[[1], [2]], [[1], ["3/2"]], [[1], ["3/10"]], [[1, 2], [2, 1]]])
def test_bidders_that_differ_regret_what_the_best_would_pay(upper):
    n = 3 if len(upper[0]) == 1 else 2
    model = RegretAuction(bidders=2, upper=upper, points=n)
    expected = sum(model.best) * grid_optimum(n)
    assert highs(model.primal()).value == pytest.approx(float(expected), abs=1e-9)
    result = mo.solve(model)
    assert _exact(result, "lower") == _exact(result, "upper") == expected
    assert result.bounds.lower <= float(sum(model.best)) / math.e <= result.bounds.upper


SMALL = st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 3)).filter(
    lambda size: (size[2] + 1) ** (size[0] * size[1]) <= 64
)


@st.composite
def auctions(draw):
    bidders, goods, n = draw(SMALL)
    lower = [draw(st.integers(0, 3)) for _ in range(goods)]
    rows = [[low + draw(st.integers(1, 5)) for low in lower] for _ in range(bidders)]
    anonymous = draw(st.booleans())
    return RegretAuction(bidders=bidders, upper=rows[0] if anonymous else rows, lower=lower, points=n)


@settings(max_examples=40, deadline=None)
@given(auctions())
def test_engines_equal_the_specification_and_its_dual(model):
    plain, dual = highs(model.primal()).value, highs(model.dual()).value
    assert dual == pytest.approx(plain, abs=1e-7)
    assert _by_orbits(model) == pytest.approx(plain, abs=1e-7)
    result = mo.solve(model)
    assert result.value == pytest.approx(plain, abs=1e-7)
    assert result.bounds.certified
    assert result.quantities["finite_lower"] - 1e-7 <= plain <= result.quantities["finite_upper"] + 1e-7
    assert result.quantities["finite_upper"] - result.quantities["finite_lower"] <= 1e-6
    assert result.verify().passed


METHODS = {  # the default first
    "from zero": ({"bidders": 2, "upper": [1], "points": 6}, ["reserve", "apart", "orbits", "all-pairs"]),
    "from a quarter": ({"bidders": 2, "upper": [1], "lower": ["1/4"], "points": 5}, ["orbits", "apart", "all-pairs"]),
    "multiples": (
        {"bidders": 2, "upper": [[1, 3], [2, 6]], "lower": ["1/4", "3/4"], "points": 2},
        ["apart", "orbits", "all-pairs"],
    ),
}


@pytest.mark.parametrize("case", METHODS)
def test_every_method_certifies_the_same_value(case):
    fields, methods = METHODS[case]
    model = RegretAuction(**fields)
    assert model.engine == mo.solve(model).document["method"] == methods[0]
    for method in methods:
        result = mo.solve(model, method=method)
        assert result.document["method"] == method
        assert result.value == pytest.approx(highs(model.primal()).value, abs=1e-9)
        assert result.quantities["finite_upper"] - result.quantities["finite_lower"] <= 1e-8
        assert result.bounds.certified
        assert result.verify().passed


def test_orbits_are_far_fewer_and_count_everyone():
    model = RegretAuction(bidders=3, upper=[[1], [2], [1]], points=3)
    found = orbits(model)
    assert found.weight.sum() == model.profiles * model.bidders
    assert found.size.sum() == model.profiles
    assert len(found.size) == math.comb(4 + 1, 2) * 4
    for i, v in itertools.product(range(3), range(model.profiles)):
        assert found.seat[v, i] % 4 == found.steps[v, i]
        assert found.kinds[found.owner[found.seat[v, i]]] == found.kinds[i]
    assert model.size("orbits").columns == 1 + 2 * len(found.weight)


def test_duals_of_each_program_solve_the_other():
    model = RegretAuction(bidders=2, upper=[[1], [2]], lower=["1/4"], points=3)
    primal, dual = highs(model.primal()), highs(model.dual())
    K, P = model.types, model.profiles
    V, surplus, total, moves = model._tables
    alpha, beta, gamma, lam = (primal.dual[k] for k in ("alpha", "beta", "gamma", "lambda"))
    assert min(a.min() for a in (alpha, beta, gamma, lam)) >= -1e-9
    assert alpha.sum() == pytest.approx(1)
    into = (moves.T @ gamma.ravel()).reshape(P, 2)
    np.testing.assert_allclose(beta + gamma.sum(1) - into.ravel(), np.repeat(alpha, 2), atol=1e-8)
    back = moves.T @ (gamma * V).ravel()
    assert (np.repeat(lam[:, 0], 2) - (V[:, 0] * (beta + gamma.sum(1)) - back)).min() >= -1e-8
    assert alpha @ surplus - lam.sum() == pytest.approx(primal.value, abs=1e-8)
    q, m = dual.dual["q"], dual.dual["m"]
    utility = (q * V).sum(1) - m
    assert utility.min() >= -1e-8
    assert q.min() >= -1e-9
    assert (total @ q).max() <= 1 + 1e-8
    lie = (np.repeat(V, K, axis=0) * (moves @ q)).sum(1) - moves @ m
    assert (lie.reshape(-1, K) - utility[:, None]).max() <= 1e-8
    assert (surplus - total @ m).max() == pytest.approx(dual.value, abs=1e-8)


def test_multipliers_by_their_letters_prove_the_value():
    for fields in (
        {"bidders": 2, "upper": [1, 2], "points": 2},
        {"bidders": 2, "upper": [1], "lower": [1 / 4], "points": 4},
    ):
        result = mo.solve(RegretAuction(**fields))
        _, surplus, _, moves = result.model._tables
        alpha, beta, gamma, lam = (result.dual[k].values for k in ("alpha", "beta", "gamma", "lambda"))
        assert min(a.min() for a in (alpha, beta, gamma, lam)) >= -1e-12
        flow = gamma.sum(-1) - (moves.T @ gamma.ravel()).reshape(beta.shape)
        np.testing.assert_allclose(beta + flow, alpha[:, None] * np.ones(2), atol=1e-12)
        assert alpha @ surplus - lam.sum() == pytest.approx(result.value, abs=1e-9)


def test_separation_fails_where_lower_bounds_are_positive_and_goods_unlike():
    """Goods that are multiples of one another are worth their sum; with other lower bounds, bundling helps."""

    def value(lower, upper):
        return mo.solve(RegretAuction(bidders=2, upper=upper, lower=lower, points=2)).value

    alike = value(["1/4", "1/2"], [1, 2])
    assert alike == pytest.approx(3 * value(["1/4"], [1]), abs=1e-9)
    unlike = RegretAuction(bidders=2, upper=[1, 1], lower=["1/4", "1/2"], points=2)
    apart = value(["1/4"], [1]) + value(["1/2"], [1])
    assert highs(unlike.primal()).value == pytest.approx(apart - 0.0037246, abs=1e-7)
    assert any("not optimal" in note for note in mo.solve(unlike).document["notes"])


BOXES = [
    {"bidders": 2, "upper": [1], "points": 25},
    {"bidders": 5, "upper": [1, 2, "1/2"], "points": 4},
    {"bidders": 2, "upper": [[1, "3/2"], [2, "1/2"]], "points": 8},
    {"bidders": 1, "upper": [1], "lower": ["1/2"], "points": 12},
    {"bidders": 2, "upper": ["1/1000000"], "points": 12},
    {"bidders": 2, "upper": [10**9], "points": 12},
]


@pytest.mark.parametrize("fields", BOXES, ids=str)
def test_certified_continuum_bracket_contains_the_theorem(fields):
    result = mo.solve(RegretAuction(**fields))
    bounds, value = result.bounds, result.closed_form.value
    assert bounds.problem == "continuum"
    assert bounds.certified
    assert bounds.lower <= value * (1 + 1e-12)
    assert bounds.upper >= value * (1 - 1e-12)
    assert result.verify().passed


def test_bracket_reaches_the_width_asked_for():
    result = mo.solve(RegretAuction(bidders=3, upper=[1, 3], points=10), gap=1e-5)
    assert result.bounds.certified
    assert result.bounds.width <= 1e-5
    assert result.bounds.lower <= 4 / math.e <= result.bounds.upper


@pytest.mark.parametrize("scale", [1, "1/1000000", 10**9])
def test_bracket_with_positive_lower_bounds_tightens_and_nests(scale):
    widths = []
    for n in (4, 12):
        scale = Fraction(scale)
        result = mo.solve(RegretAuction(bidders=2, upper=[scale], lower=[scale / 4], points=n))
        assert result.bounds.certified
        assert result.bounds.lower <= 0.3482 * float(scale) <= result.bounds.upper  # n = 80 gives [.3453, .3511]
        assert result.quantities["finite_upper"] - result.quantities["finite_lower"] <= 1e-9 * scale
        widths.append(result.bounds.width)
    assert widths[1] < 0.7 * widths[0]


def test_rounded_auctions_are_dearer_than_the_grid_and_within_a_step():
    model = RegretAuction(bidders=3, upper=[[1], [2], [1]], lower=["1/4"], points=5)
    found = orbits(model)
    above = highs(rounding(model, found)).value * 2
    below = _by_orbits(model)
    assert below <= above <= below + 2 / 5


def _check_on_the_continuum(model, result, seed, count=150):
    """Draw profiles and misreports: truthful, safe, within capacity, and regret no more than the upper bound."""
    rng = np.random.default_rng(seed)
    low = np.array([float(x) for x in model.lower])
    high = np.array([[float(x) for x in row] for row in model.bounds])
    V = low + rng.random((count, model.bidders, model.goods)) * (high - low)
    V[: count // 3] = np.round(V[: count // 3] * 4) / 4  # ties, and the corners of cells
    V = np.clip(V, low, high)
    q, m = result.mechanism(V)
    assert q.min() >= 0
    assert q.sum(axis=1).max() <= 1 + 1e-12
    utility = (q * V).sum(-1) - m
    assert utility.min() >= -1e-12
    for i in range(model.bidders):
        for _ in range(20):
            lie = V.copy()
            lie[:, i] = low + rng.random((count, model.goods)) * (high[i] - low)
            taken, paid = result.mechanism(lie)
            assert ((taken[:, i] * V[:, i]).sum(-1) - paid[:, i] - utility[:, i]).max() <= 1e-12
    assert (V.max(axis=1).sum(-1) - m.sum(-1)).max() <= result.bounds.upper


CONTINUA = {
    "random reserves": {"bidders": 3, "upper": [1, 2], "points": 7},
    "bidders that differ": {"bidders": 2, "upper": [[1, "3/2"], [2, "1/2"]], "points": 7},
    "rounded up": {"bidders": 2, "upper": [1], "lower": ["1/4"], "points": 12},
    "rounded up, bidders that differ": {"bidders": 3, "upper": [[1], ["3/2"], [1]], "lower": ["3/4"], "points": 4},
    "random reserves above zero": {"bidders": 2, "upper": [1], "lower": ["1/4"], "points": 2},
    "one bidder": {"bidders": 1, "upper": [1, 2], "lower": ["1/2", 0], "points": 3},
}


@pytest.mark.parametrize("case", CONTINUA)
def test_the_mechanism_of_the_upper_bound_holds_on_the_continuum(case):
    model = RegretAuction(**CONTINUA[case])
    result = mo.solve(model)
    kind = "cells" if case.startswith("rounded") else "allocation"
    assert f"continuum_{kind}_1" in result.arrays
    _check_on_the_continuum(model, result, seed=3)


def test_winners_of_ties_are_served_and_values_outside_the_box_are_cut():
    result = mo.solve(RegretAuction(bidders=3, upper=[1], points=10))
    q, m = result.mechanism(np.array([[0.8], [0.9], [0.9]]))
    assert q[:, 0].tolist() == [0.0, pytest.approx(q.sum()), 0.0]
    assert m[1] == pytest.approx(0.9 * q[1, 0])
    beyond = result.mechanism(np.array([[2.0], [1.5], [0.0]]))
    at = result.mechanism(np.array([[1.0], [1.0], [0.0]]))
    for a, b in zip(beyond, at, strict=True):
        np.testing.assert_array_equal(a, b)


def test_second_price_with_random_reserve_is_the_optimal_auction():
    """Proposition 3.3.1: (3.3) averaged over reserve prices is (3.2), erratum 21 included."""
    upper = np.array([1.0, 2.0])
    V = np.random.default_rng(1).random((60, 3, 2)) * upper
    V[:10, 1] = V[:10, 0]  # ties
    chances = (np.arange(20_000) + 0.5) / 20_000
    reserves = theory.reserve_quantile(chances, 1.0)[:, None] * upper
    q, m = theory.optimal_auction(V, upper)
    for v, share, paid in zip(V, q, m, strict=True):
        drawn = theory.auction_with_reserves(v, reserves)
        np.testing.assert_allclose(drawn[0].mean(axis=0), share, atol=1e-4)
        np.testing.assert_allclose(drawn[1].mean(axis=0), paid, atol=1e-4)
    np.testing.assert_allclose(theory.reserve_cdf(reserves[:, 0], 1.0), chances, atol=1e-12)
    _, paid = theory.optimal_auction(np.array([[0.9], [0.6]]), np.array([1.0]))
    assert paid[0] == pytest.approx(0.5935, abs=1e-4)


def test_optimal_auction_is_truthful_safe_and_regrets_one_over_e():
    upper = np.array([1.0, 0.5])
    rng = np.random.default_rng(2)
    V = rng.random((2000, 3, 2)) * upper
    V[:5] = upper * np.array([[[1.0], [x], [0.0]] for x in (0.0, 0.2, 1 / math.e, 0.6, 1.0)])
    q, m = theory.optimal_auction(V, upper)
    utility = (q * V).sum(-1) - m
    assert utility.min() >= -1e-12
    assert q.sum(axis=1).max() <= 1
    for i in range(3):
        lie = V.copy()
        lie[:, i] = rng.random((2000, 2)) * upper
        taken, paid = theory.optimal_auction(lie, upper)
        assert ((taken[:, i] * V[:, i]).sum(-1) - paid[:, i] - utility[:, i]).max() <= 1e-12
    regret = V.max(axis=1).sum(-1) - m.sum(-1)
    assert regret.max() == pytest.approx(1.5 / math.e, abs=1e-12)


def test_a_tie_rule_that_serves_nobody_would_regret_everything():
    tie = np.array([[1.0], [1.0]])
    served = theory.optimal_auction(tie, np.array([1.0]))[1].sum()
    assert 1 - served == pytest.approx(0)
    nobody = np.where((tie == tie.max()).sum() > 1, 0.0, served)
    assert 1 - nobody == 1


def test_saddle_point_from_natures_side():
    """(3.6), rounded down to a grid: no auction regrets less, on average, than the value, up to a step."""
    n, model = 24, RegretAuction(bidders=2, upper=[1], points=24)
    tails = (np.arange(200_000) + 0.5) / 200_000
    draws = theory.nature_draw(tails, np.zeros(200_000, int), 2, np.array([1.0]))
    assert draws[:, 1].max() == 0
    assert draws[:, 0].min() >= 1 / math.e - 1e-9
    points = np.array([[[x], [0.0]] for x in (0.3, 0.5, 0.8, 0.999)])
    found = [(draws <= p).all(axis=(1, 2)).mean() / 2 for p in points]  # bidder 1 is drawn half of the time
    np.testing.assert_allclose(theory.nature_cdf(points, np.array([1.0])), found, atol=1e-4)
    step = np.floor(draws[:, 0, 0] * n + 1e-9).astype(int)
    mass = np.bincount(step, minlength=n + 1) / len(step)
    alpha = np.zeros((n + 1, n + 1))
    alpha[:, 0] += mass / 2
    alpha[0] += mass / 2
    q, m = mo.solve(model).mechanism(np.zeros((1, 2, 1)))  # an auction sells nothing to nobody
    assert q.sum() == m.sum() == 0
    best = _most_revenue(model, alpha.ravel())
    surplus = float(alpha.ravel() @ model._tables[1])
    assert surplus == pytest.approx(2 / math.e, abs=1 / n)
    assert best <= 1 / math.e + 1e-4  # draws at midpoints of 200,000 cells
    assert surplus - best >= 1 / math.e - 1 / n


def _most_revenue(model, alpha):
    """The most any auction earns when the profiles' probabilities are known."""
    import cvxpy as cp

    from mechopt.solvers.program import Program

    plain = model.primal()
    m, total = plain.variables["m"], model._tables[2]
    rows = {name: row for name, row in plain.constraints.items() if name != "alpha"}
    return highs(Program(cp.Maximize(alpha @ (total @ m)), rows)).value


def test_second_price_auctions_gain_nothing_against_nature():
    tails = (np.arange(100_000) + 0.5) / 100_000
    bidder = np.arange(100_000) % 3
    V = theory.nature_draw(tails, bidder, 3, np.array([1.0]))
    surplus = V.max(axis=1).sum(-1).mean()
    for reserve in (0.0, 0.2, 1 / math.e, 0.5, 0.9, 1.0):
        revenue = theory.auction_with_reserves(V, np.array([reserve]))[1].sum(-1).mean()
        assert surplus - revenue >= 1 / math.e - 1e-3
        if 1 / math.e <= reserve < 1:
            assert surplus - revenue == pytest.approx(1 / math.e, abs=1e-3)


def test_bounds_never_use_the_theorem(monkeypatch):
    def boom(*args):
        raise AssertionError("a closed form was used to compute a bound")

    for name in ("one_good_optimum", "grid_optimum"):
        monkeypatch.setattr(f"mechopt.models.regret.regret_auction.{name}", boom)
    monkeypatch.setattr(RegretAuction, "closed_form", lambda self: None)
    monkeypatch.setattr(RegretAuction, "grid_closed_form", lambda self: None)
    result = mo.solve(RegretAuction(bidders=2, upper=[1], points=20))
    assert result.bounds.lower <= 1 / math.e <= result.bounds.upper


@pytest.mark.parametrize("lower", [0, "1/4"])
def test_time_limit_still_brackets(lower):
    result = mo.solve(RegretAuction(bidders=2, upper=[1], lower=[lower], points=12), time_limit=1e-6)
    assert result.status == "user_limit"
    assert result.bounds.certified
    assert 0 <= result.bounds.lower <= 1 / math.e <= result.bounds.upper <= 1
    assert result.verify().passed


@pytest.mark.parametrize("lower", [0, "1/4"])
def test_without_a_certificate_bounds_are_not_called_certified(lower):
    model = RegretAuction(bidders=2, upper=[1], lower=[lower], points=6)
    fast, full = mo.solve(model, certificate=False), mo.solve(model)
    assert not fast.bounds.certified
    assert fast.bounds.lower <= full.bounds.lower + 1e-8
    assert fast.bounds.upper >= full.bounds.upper - 1e-8
    assert not fast.verify().passed


def test_many_bidders_need_no_table():
    result = mo.solve(RegretAuction(bidders=40, upper=[1, 2], points=30))
    assert _exact(result, "lower") == _exact(result, "upper") == 3 * grid_optimum(30)
    assert result.verify().passed
    assert "too long to list" in " ".join(result.document["notes"])
    assert result.array("reserve").values[-1] == pytest.approx(1)
    with pytest.raises(KeyError, match="reserve"):
        _ = result.mechanism.allocation
    q, m = result.mechanism(np.full((40, 2), 0.5))
    assert q.shape == (40, 2)
    assert m.shape == (40,)


@pytest.mark.parametrize("method", ["orbits", "all-pairs"])
def test_rough_floats_still_make_a_certificate(method, monkeypatch):
    """Noise of 1e-6 on the solver's point: the certificate is feasible all the same, and only a little wider."""
    rng = np.random.default_rng(4)

    def noisy(built, **settings):
        solution = highs(built, **settings)
        for side in (solution.primal, solution.dual):
            for values in side.values():
                values += 1e-6 * rng.standard_normal(values.shape)
        return solution

    for fields in ({"upper": [1], "points": 4}, {"upper": [1, 1], "lower": [0, "1/2"], "points": 1}):
        model = RegretAuction(bidders=2, **fields)
        clean = mo.solve(model, method=method)
        with monkeypatch.context() as patch:
            patch.setattr("mechopt.models.regret.regret_auction_solve.highs", noisy)
            rough = mo.solve(model, method=method)
        assert rough.bounds.certified
        assert rough.quantities["finite_lower"] >= clean.quantities["finite_lower"] - 1e-3
        assert rough.quantities["finite_upper"] <= clean.quantities["finite_upper"] + 1e-2


def test_rising_is_feasible_whatever_comes():
    rng = np.random.default_rng(5)
    for q in (rng.random((27, 3)), np.full((27, 3), np.nan), 1e9 * rng.standard_normal((27, 3))):
        shares, whole = certify.rising(q, 3)
        assert shares.min() >= 0
        assert shares.sum(axis=1).max() <= whole
        for i in range(3):
            assert np.diff(shares.reshape(3, 3, 3, 3)[..., i], axis=i).min() >= 0


def test_the_checker_sees_every_kind_of_wrong_auction():
    model = RegretAuction(bidders=2, upper=[1], lower=["1/4"], points=2)
    good = mo.solve(model).certificate

    def verdict(change):
        table = good["finite"]["mechanism"]["parts"][0]
        part = {**table, "allocation": [[list(q) for q in row] for row in table["allocation"]],
                "payment": [list(row) for row in table["payment"]]}  # fmt: skip
        change(part)
        finite = {**good["finite"], "mechanism": {"parts": [part]}, "lower": None, "upper": None}
        checks, _ = check(model.parameters(), {**good, "finite": finite})
        return {c.name.split(":")[-1].split(",")[0].strip() for c in checks if not c.passed}

    def dearer(part):
        part["payment"][8][0] = "2"

    def twice(part):
        part["allocation"][8] = [["1"], ["1"]]

    def negative(part):
        part["allocation"][0][0] = ["-1/8"]

    def tempting(part):
        part["payment"][8][0] = "0"

    assert verdict(lambda part: None) == set()
    assert "individually rational in every profile [beta]" in verdict(dearer)
    assert "sold at most once in all 9 profiles [lambda]" in verdict(twice)
    assert "chances are nonnegative" in verdict(negative)
    assert "incentive compatible" in verdict(tempting)


def test_result_saves_loads_and_frames(tmp_path):
    for fields in CONTINUA.values():
        result = mo.solve(RegretAuction(**{**fields, "points": min(fields["points"], 3)}))
        again = mo.Result.load(result.save(tmp_path / "out", force=True))
        V = np.random.default_rng(6).random((4, result.model.bidders, result.model.goods))
        for a, b in zip(result.mechanism(V), again.mechanism(V), strict=True):
            np.testing.assert_array_equal(a, b)
        frame = again.mechanism.to_frame()
        assert {"profile", "bidder", "good", "values", "allocation", "payment"} <= set(frame.columns)
        assert len(frame) == result.arrays["allocation"].values.size
        assert mo.verify(tmp_path / "out").passed
        atoms = result.quantities["worst_case"]
        assert sum(atom["probability"] for atom in atoms) == pytest.approx(1)
        assert np.shape(atoms[0]["values"]) == (result.model.bidders, result.model.goods)
        assert "worst case" in again.summary()
