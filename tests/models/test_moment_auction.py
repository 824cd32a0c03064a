"""Auctions under moment sets: program against closed form, both sides of every bracket, and what the sources say."""

import itertools
import math
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mechopt as mo
from mechopt.models.auctions import moment_auction_theory as theory
from mechopt.models.auctions.moment_auction_check_price import revenue
from mechopt.models.auctions.moment_auction_mechanism import RoundedUp, SecondPrice
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.rational import rational

LOTTERY, ANY, PRICE = "highest-bidder-lottery", "any", "second-price"


def test_second_price_program_equals_closed_form_on_a_hundred_instances():
    rng = random.Random(1)
    for _ in range(100):
        bidders, mean = rng.randint(1, 5), Fraction(rng.randint(1, 99), 100)
        reserve = Fraction(rng.randint(0, 100), 100) * (mean if rng.random() < 0.9 else 1)
        result = mo.solve(mo.MomentAuction(bidders=bidders, mean=mean, reserve=reserve, points=rng.randint(1, 9)))
        theorem = theory.second_price_revenue(bidders, float(mean), float(reserve))
        assert result.value == pytest.approx(theorem, abs=1e-12)
        assert result.bounds.certified
        assert result.bounds.width < 1e-12
        assert result.bounds.lower - 1e-12 <= theorem <= result.bounds.upper + 1e-12


@pytest.mark.parametrize(("bidders", "mean", "reserve"), [(2, "3/10", "1/5"), (3, "1/2", "2/5"), (2, "3/4", "1/4")])
def test_engine_equals_the_programs_as_written(bidders, mean, reserve):
    by_mean = mo.MomentAuction(bidders=bidders, mean=mean, reserve=reserve, points=5)
    listed = mo.MomentAuction(bidders=bidders, moments=[{"at_least": mean}], reserve=reserve, points=5)
    value = mo.solve(by_mean).value
    assert mo.solve(listed).value == pytest.approx(value, abs=1e-12)
    for model in (by_mean, listed):  # pairs (a, b, ..., b), and every profile of the grid
        assert highs(model.primal()).value == pytest.approx(value, abs=1e-9)
        assert highs(model.dual()).value == pytest.approx(value, abs=1e-9)


def test_multipliers_of_the_three_regions():
    for bidders, mean, r, sigma, level in [
        (2, 0.75, 0.25, 1, -1), (3, 0.3, 0.2, 0.2 / 0.8, -3 * 0.04 / 0.8), (2, 0.75, 0.6, 1 / 0.8, -0.6 / 0.4),
    ]:  # fmt: skip
        found = mo.solve(mo.MomentAuction(bidders=bidders, mean=mean, reserve=r)).quantities
        assert sum(found["sigma"]) == pytest.approx(bidders * sigma)
        assert found["lambda"] == pytest.approx(level)


@pytest.mark.parametrize("bidders", [1, 2, 3, 7])
@pytest.mark.parametrize("mean", ["1/10", "1/2", "9/10"])
def test_best_reserve(bidders, mean):
    result = mo.solve(mo.MomentAuction(bidders=bidders, mean=mean))
    reserve, value = theory.best_reserve(bidders, float(Fraction(mean)))
    assert result.value == pytest.approx(value, abs=1e-12)
    assert result.quantities["reserve"] == pytest.approx(reserve, abs=1e-6)
    assert result.bounds.certified
    assert result.bounds.width < 1e-12
    assert result.verify().passed


def test_general_moments_against_formulas():
    """A posted price with mean at least mu and second moment at most s."""
    known = [{"at_least": "1/2"}, {"power": 2, "at_most": "3/10"}]
    for p in ("3/10", "2/5"):
        result = mo.solve(mo.MomentAuction(bidders=1, moments=known, reserve=p, points=100))
        price, mean, s = float(Fraction(p)), 0.5, 0.3
        theorem = price * (mean - price) / (min(1, (s - price * mean) / (mean - price)) - price)
        assert result.bounds.certified
        assert result.bounds.lower - 1e-9 <= theorem <= result.bounds.upper + 1e-9
        assert result.bounds.width < 2e-3


def test_moments_by_bidder():
    known = [{"bidder": 1, "at_least": 0.5}, {"bidder": 2, "at_least": 0.3, "at_most": 0.4}]
    result = mo.solve(mo.MomentAuction(bidders=2, moments=known, reserve=0.2, points=10))
    assert result.value == pytest.approx(highs(mo.MomentAuction(**result.model.parameters()).primal()).value, abs=1e-9)
    assert result.bounds.certified
    assert result.bounds.width < 1e-9


def test_worst_cases_are_distributions_with_these_moments():
    known = [{"at_least": 0.5, "at_most": 0.6}, {"power": 2, "at_most": 0.4}, {"power": 3, "at_least": 0.2}]
    result = mo.solve(mo.MomentAuction(bidders=3, moments=known, reserve=0.3, points=10))
    atoms = [([rational(x) for x in v], rational(p)) for v, p in result.certificate["continuum"]["nature"]]
    assert sum(p for _, p in atoms) == 1
    assert sum(p * revenue(v, rational("3/10")) for v, p in atoms) <= rational(result.bounds.upper)
    for i, (power, low, high) in itertools.product(range(3), [(1, "1/2", "3/5"), (2, 0, "2/5"), (3, "1/5", 1)]):
        assert rational(low) <= sum(p * v[i] ** power for v, p in atoms) <= rational(high)


@pytest.mark.parametrize(("n", "low", "high"), [(10, 0.300656, 0.355216), (20, 0.309857, 0.337136),
                                                (40, 0.313905, 0.327582)])  # fmt: skip
def test_lottery_by_left_and_right_rule(n, low, high):
    model = mo.MomentAuction(bidders=2, mean="1/2", points=n, mechanism=LOTTERY)
    result = mo.solve(model, method="grid")
    assert result.bounds.lower == pytest.approx(low, abs=1e-6)
    assert result.bounds.upper == pytest.approx(high, abs=1e-6)
    assert result.bounds.certified
    assert highs(model.dual()).value == pytest.approx(result.value, abs=1e-9)


@pytest.mark.parametrize("bidders", [1, 2, 3, 1000])
@pytest.mark.parametrize("mean", ["1/1000", "1/2", "999/1000"])
def test_lottery_bracket_closes(bidders, mean):
    result = mo.solve(mo.MomentAuction(bidders=bidders, mean=mean, points=4, mechanism=LOTTERY))
    assert result.bounds.certified
    assert result.bounds.width < 1e-14
    assert result.bounds.lower - 1e-14 <= result.closed_form.value <= result.bounds.upper + 1e-14
    assert result.quantities["finite_upper"] >= result.bounds.upper
    assert result.verify().passed


def test_lottery_is_truthful_and_its_saddle_point_holds():
    rng = np.random.default_rng(3)
    for bidders, mean in [(2, 0.5), (3, 0.3), (5, 0.9)]:
        r = theory.lottery_revenue(bidders, mean)
        sigma = 1 / (bidders - 1 - math.log(r))
        rule = theory.HighestBidderLottery(r, sigma)
        values = rng.random((4000, bidders))
        q, m = rule(values)
        assert q.min() >= 0
        assert q.sum(axis=1).max() <= 1 + 1e-12
        assert (q * values - m).min() >= -1e-12
        assert (m.sum(axis=1) - sigma * (values.sum(axis=1) - r)).min() >= -1e-12  # (1.11b)
        lies = values.copy()
        lies[:, 0] = rng.random(len(values))
        bought, paid = rule(lies)
        assert (bought[:, 0] * values[:, 0] - paid[:, 0] - (q * values - m)[:, 0]).max() <= 1e-12
        equal = np.full((50, bidders), 0.0)
        equal[:, 0] = np.linspace(r, 1, 50)
        for s in (0.0, r / 2, r):  # equality where the others are equal
            equal[:, 1:] = s
            np.testing.assert_allclose(rule(equal)[1].sum(axis=1), sigma * (equal.sum(axis=1) - r), atol=1e-12)
        draws = theory.saddle_distribution(bidders, r, 200_000, rng)
        assert draws.mean() == pytest.approx(mean, abs=4e-3)
        assert rule(draws)[1].sum(axis=1).mean() == pytest.approx(r, abs=4e-3)
        for reserve in (0.0, r, 0.6, 0.9):  # no posted price for the highest bidder earns more
            assert SecondPrice(reserve)(draws)[1].sum(axis=1).mean() <= r + 4e-3


def test_only_the_winner_pays_and_truth_is_best_for_every_draw():
    r = theory.lottery_revenue(3, 0.5)
    rule = theory.HighestBidderLottery(r, 1 / (2 - math.log(r)))
    rng = np.random.default_rng(5)
    for _ in range(20):
        values = rng.random(3)
        q, m = rule(values)
        draws = (np.arange(4000) + 0.5) / 4000
        outcome = [rule.price(values, float(u)) for u in draws]
        assert np.mean([sale is not None for sale in outcome]) == pytest.approx(q.sum(), abs=1e-3)
        assert np.mean([0 if sale is None else sale[1] for sale in outcome]) == pytest.approx(m.sum(), abs=1e-3)
        for u in draws[::200]:
            truth = rule.price(values, float(u))
            gain = values[0] - truth[1] if truth and truth[0] == 0 else 0.0
            assert gain >= 0
            for lie in np.linspace(0, 1, 21):
                other = rule.price(np.array([lie, *values[1:]]), float(u))
                assert (values[0] - other[1] if other and other[0] == 0 else 0.0) <= gain + 1e-12


def test_all_mechanisms_by_left_and_right_rule():
    model = mo.MomentAuction(bidders=2, mean="1/2", points=10, mechanism=ANY)
    primal, dual, result = highs(model.primal()), highs(model.dual()), mo.solve(model, method="grid")
    assert primal.value == pytest.approx(dual.value, abs=1e-9)
    assert result.value == pytest.approx(primal.value, abs=1e-9)
    assert result.bounds.certified
    assert result.bounds.lower == pytest.approx(0.2867186, abs=1e-6)
    assert result.bounds.upper == pytest.approx(0.3674426, abs=1e-6)


@pytest.mark.parametrize(("mean", "low", "high"), [(0.1, 0.03793762, 0.03990867), (0.3, 0.15535933, 0.16266543),
    (0.5, 0.31784443, 0.32899111), (0.7, 0.53215238, 0.54268320), (0.9, 0.81772489, 0.82109187)])  # fmt: skip
def test_all_mechanisms_lie_between_the_lottery_and_natures_two_parameters(mean, low, high):
    result = mo.solve(mo.MomentAuction(bidders=2, mean=mean, points=10, mechanism=ANY))
    assert result.bounds.certified
    assert result.bounds.lower >= low - 1e-8
    assert result.bounds.upper == pytest.approx(high, abs=1e-8)
    assert result.verify().passed


def test_all_mechanisms_by_a_log_linear_one():
    result = mo.solve(mo.MomentAuction(bidders=2, mean="1/2", points=6, mechanism=ANY), gap=5e-4)
    assert result.bounds.certified
    assert result.bounds.width <= 5e-4
    assert result.bounds.lower > 0.3284  # a mechanism that gives the lower bidder a chance beats every lottery
    rng = np.random.default_rng(2)
    values, lies = rng.random((2, 20_000, 2))
    q, m = result.mechanism(values)
    assert q.sum(axis=1).max() <= 1 + 1e-9
    utility = q * values - m
    assert utility.min() >= -1e-9
    bought, paid = result.mechanism(np.stack([lies[:, 0], values[:, 1]], axis=1))
    assert (bought[:, 0] * values[:, 0] - paid[:, 0] - utility[:, 0]).max() <= 1e-9
    sigma = float(Fraction(result.certificate["continuum"]["loglinear"]["sigma"][0]))
    assert (m.sum(axis=1) - sigma * values.sum(axis=1)).min() + sigma >= result.bounds.lower - 1e-9
    assert result.verify().passed


@pytest.mark.long
@pytest.mark.parametrize("mean", ["1/10", "3/10", "1/2", "7/10", "9/10"])
def test_all_mechanisms_to_the_fourth_digit(mean):
    result = mo.solve(mo.MomentAuction(bidders=2, mean=mean, points=10, mechanism=ANY), gap=2.5e-5)
    assert result.bounds.certified
    assert result.bounds.width <= 2.5e-5


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3), st.integers(1, 6), st.booleans(), st.randoms(use_true_random=False))
def test_rounded_up_tables_are_truthful(bidders, n, lottery, rng):
    columns = 1 if bidders == 1 else n + 1
    table = np.array([[rng.random() for _ in range(columns)] for _ in range(n + 1)])
    table = np.sort(table, axis=0)
    if lottery:
        table[np.arange(n + 1)[:, None] < np.arange(columns)] = 0
    rule = RoundedUp(table, lottery)
    for _ in range(20):
        values = np.array([rng.random() for _ in range(bidders)])
        q, m = rule(values)
        utility = (q * values - m)[0]
        assert utility >= -1e-9
        bought, paid = rule(np.array([rng.random(), *values[1:]]))
        assert bought[0] * values[0] - paid[0] <= utility + 1e-9


def test_results_have_tables_pictures_and_survive_saving(tmp_path):
    for mechanism in (PRICE, LOTTERY, ANY):
        result = mo.solve(mo.MomentAuction(bidders=2, mean="1/2", points=4, mechanism=mechanism))
        again = mo.Result.load(result.save(tmp_path / mechanism))
        assert mo.verify(tmp_path / mechanism).passed
        assert {"allocation", "payment"} <= set(result.mechanism.to_frame().columns)
        q, m = again.mechanism(np.array([[0.9, 0.4], [0.2, 0.2]]))
        assert q.shape == m.shape == (2, 2)
        assert again.plot().axes
        assert again.plot("worst-case").axes


def test_without_certificate():
    for mechanism in (PRICE, LOTTERY, ANY):
        model = mo.MomentAuction(bidders=2, mean="1/2", points=5, mechanism=mechanism)
        result = mo.solve(model, certificate=False)
        assert result.certificate is None
        assert mechanism == PRICE or not result.bounds.certified
