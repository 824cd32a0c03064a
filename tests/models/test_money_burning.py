"""Money burning with caps: each convention against its brute-force program, values by hand, truth at every profile."""

import itertools
import json
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

import mechopt as mo
from mechopt.models.clairvoyance.money_burning import CONVENTIONS, MoneyBurning
from mechopt.models.clairvoyance.money_burning_auction import burning_auction
from mechopt.models.clairvoyance.money_burning_values import ironed_utility_values, pooling_flows, utility_values
from mechopt.solvers.highs import solve as highs


def random_burning(seed, convention="upper", most=3):
    rng = np.random.default_rng(seed)
    buyers = []
    for _ in range(int(rng.integers(1, most + 1))):
        K = int(rng.integers(1, 5))
        weights = rng.integers(1, 10, K).tolist()
        chances = [Fraction(w, sum(weights)) for w in weights]
        buyers.append({"values": sorted(rng.choice(12, K, replace=False).tolist()), "probabilities": chances})
    caps = [None if rng.random() < 0.2 else Fraction(int(rng.integers(0, 30)), 10) for _ in buyers]
    return MoneyBurning(buyers=buyers, caps=caps, convention=convention)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_convention_is_exact_for_its_own_class(convention):
    undetermined = fractional = 0
    for seed in range(25):
        model = random_burning(seed, convention)
        auction = model.auction
        exact = float(auction.value)
        assert auction.value == auction.bound
        for program in (model.primal(), model.dual(), model.primal_bayesian()):
            assert highs(program).value == pytest.approx(exact, rel=1e-12, abs=1e-12), seed
        undetermined += not auction.determined
        fractional += any(0 < w < 1 for w in auction.weights)
    assert undetermined >= 3
    assert fractional >= 3


def audit(model):
    """The auction's tables against every misreport at every profile, in fractions; what each buyer expects of it."""
    auction, shape = model.auction, model.shape
    won, paid = auction.at_types(model.types)
    assert max(won.sum(axis=1)) <= 1
    assert won.min() >= 0
    chance = [Fraction(1)]
    for prior in model.buyers:
        chance = [c * f for c in chance for f in prior.probabilities]
    expected = []
    for i, prior in enumerate(model.buyers):
        q, m = (np.moveaxis(table[:, i].reshape(shape), i, 0).reshape(shape[i], -1) for table in (won, paid))
        v = np.array(prior.values, dtype=object)
        truth = v[:, None] * q - m
        assert truth.min() >= 0
        for k in range(len(v)):
            assert (truth >= v[:, None] * q[k] - m[k]).all()
        if model.convention == "upper":
            assert m.min() >= 0
        else:
            assert set(truth[0]) == {0}
        if model.convention == "lower":
            assert (truth[1:] - truth[:-1] == np.diff(v)[:, None] * q[:-1]).all()
        here = np.array(chance, dtype=object).reshape(shape)
        expected.append((np.moveaxis(here, i, 0).reshape(shape[i], -1) * truth).sum())
        assert auction.payments[i] == (np.moveaxis(here, i, 0).reshape(shape[i], -1) * m).sum()
    return tuple(expected)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(CONVENTIONS))
def test_the_auction_is_truthful_at_every_profile_and_gives_what_it_says(seed, convention):
    model = random_burning(seed, convention)
    expected = audit(model)
    assert expected == model.auction.utilities
    assert all(cap is None or u <= cap for u, cap in zip(expected, model.caps, strict=True))


def test_vertices_of_the_program_need_not_be_truthful():
    """Why the auction does not come from the program's vertices: some allocate less to higher types."""
    falls = 0
    for seed in range(25):
        model = random_burning(seed)
        x = highs(model.primal()).primal["x"]
        for i, K in enumerate(model.shape):
            table = np.moveaxis(x[:, i].reshape(model.shape), i, 0).reshape(K, -1)
            falls += bool((np.diff(table, axis=0) < -1e-9).any())
    assert falls > 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(CONVENTIONS))
def test_ironing_is_isotonic_regression(seed, convention):
    for prior in random_burning(seed).buyers:
        vt, ironed = utility_values(prior, convention), ironed_utility_values(prior, convention)
        assert ironed == sorted(ironed)
        found = isotonic_regression(np.array([float(x) for x in vt]), weights=prior.f).x
        np.testing.assert_allclose([float(x) for x in ironed], found, atol=1e-9)
        assert min(pooling_flows(prior, convention), default=0) >= 0
        give = {"upper": sum(v * f for v, f in zip(prior.values, prior.probabilities, strict=True))}
        mean = sum(x * f for x, f in zip(vt, prior.probabilities, strict=True))
        assert mean == give["upper"] - (0 if convention == "upper" else prior.values[0])  # given away for the least


def test_by_hand():
    """One buyer: give the good away. The lower convention, for revenue, is too small: it gives nothing to one value."""
    die = {"values": [1, 2, 3], "probabilities": ["1/3", "1/3", "1/3"]}
    assert MoneyBurning(buyers=[die]).auction.value == 2
    assert MoneyBurning(buyers=[die], convention="upper-zero").auction.value == 1
    assert MoneyBurning(buyers=[die], convention="lower").auction.value == 1
    sure = {"values": [3], "probabilities": [1]}
    assert [MoneyBurning(buyers=[sure], convention=c).auction.value for c in CONVENTIONS] == [3, 0, 0]
    # Two buyers with 0 or 8: vt = (0, 8): the second price auction burns the second value, and vt wins 3/4 of the time.
    coin = {"values": [0, 8], "probabilities": ["1/2", "1/2"]}
    assert MoneyBurning(buyers=[coin] * 2).auction.value == 6
    # 1 or 2: vt = (2, 1) is ironed to 3/2; by lot or to the first, the value given away is worth 3/2.
    assert MoneyBurning(buyers=[{"values": [1, 2], "probabilities": ["1/2", "1/2"]}] * 2).auction.value == Fraction(
        3, 2
    )


def test_rising_hazard_rates_give_the_good_away_and_thick_tails_hold_an_auction():
    uniform = mo.solve(MoneyBurning(buyers=[{"family": "uniform", "support": [0, 1], "points": 101}] * 3))
    assert uniform.bounds.certified
    assert uniform.quantities["revenue"] == 0
    assert uniform.value == pytest.approx(0.5, abs=6e-3)
    thick = {"values": [1, 2, 4, 8], "probabilities": ["1/2", "1/4", "1/8", "1/8"]}
    assert MoneyBurning(buyers=[thick] * 2).auction.payments[0] > 0


@pytest.mark.parametrize("seed", range(12))
def test_weights_of_the_auction_are_dual_optimal_and_settle_who_wins(seed):
    model = random_burning(seed, most=2)
    auction = model.auction
    caps = model.caps
    assert all(0 <= w <= 1 for w in auction.weights)
    assert all(w == 1 for w, cap in zip(auction.weights, caps, strict=True) if cap is None)
    assert all(u == cap for u, w, cap in zip(auction.utilities, auction.weights, caps, strict=True) if w < 1)
    won, _ = auction.at_types(model.types)
    for t, row in zip(model.types.tolist(), won, strict=True):
        scaled = [w * model.scores[i][k] for i, (w, k) in enumerate(zip(auction.weights, t, strict=True))]
        assert all(scaled[i] == max(scaled) for i in range(len(t)) if row[i] > 0)


def test_zero_weights_are_reported():
    model = MoneyBurning(buyers=[{"values": [1, 2], "probabilities": [0.5, 0.5]}] * 2, caps=[0.25, 0.5])
    result = mo.solve(model)
    assert result.quantities["weights"] == [0, 0]
    assert not result.quantities["determined"]
    assert result.quantities["utilities"] == [0.25, 0.5]
    assert any("decide nothing" in note for note in result.document["notes"])
    free = mo.solve(MoneyBurning(buyers=list(model.buyers), caps=[None, None]))
    assert free.quantities["determined"]
    assert free.closed_form.value == free.value == 1.5


def test_caps_of_zero_and_no_buyers_worth():
    nothing = MoneyBurning(buyers=[{"values": [1, 2], "probabilities": [0.5, 0.5]}] * 2, caps=[0, 0])
    assert audit(nothing) == (0, 0)
    worthless = MoneyBurning(buyers=[{"values": [0], "probabilities": [1]}] * 2)
    assert audit(worthless) == (0, 0)
    assert mo.solve(worthless).bounds.upper == 0


def test_values_between_the_listed_ones_are_truthful_too():
    model = random_burning(17, most=2)
    rng = np.random.default_rng(0)
    for convention in CONVENTIONS:
        auction = MoneyBurning(buyers=list(model.buyers), caps=model.caps, convention=convention).auction
        shape = (300, len(model.buyers))
        true, lies = rng.uniform(0, 13, shape), rng.uniform(0, 13, shape)
        q, m = auction(true)
        for i in range(shape[1]):
            reported = true.copy()
            reported[:, i] = lies[:, i]
            q_lie, m_lie = auction(reported)
            utility = true[:, i] * q[:, i] - m[:, i]
            assert (utility >= true[:, i] * q_lie[:, i] - m_lie[:, i] - 1e-12).all()
            assert utility.min() >= -1e-12
        listed = np.stack([prior.v[model.types[:, i]] for i, prior in enumerate(model.buyers)], axis=1)
        won, paid = auction.at_types(model.types)
        np.testing.assert_allclose(auction(listed)[0], won.astype(float), atol=1e-14)
        np.testing.assert_allclose(auction(listed)[1], paid.astype(float), atol=1e-12)


@pytest.mark.parametrize("method", ["columns", "profiles", "bayesian"])
def test_results(method, tmp_path):
    result = mo.solve(mo.load("clairvoyance/money-burning-capped"), method=method)
    assert result.bounds.certified
    assert result.value == pytest.approx(4.756535947712418, abs=1e-9)
    assert result.quantities["weights"] == pytest.approx([4 / 9, 1, 32 / 51])
    assert result.mechanism.allocation.shape == (27, 3)
    q, m = result.mechanism([[8.0, 9.0, 2.0]])
    assert q.sum() == pytest.approx(1)
    result.save(tmp_path / "saved")
    assert mo.verify(tmp_path / "saved").passed
    again = mo.Result.load(tmp_path / "saved")
    assert json.loads(again.to_json()) == json.loads(result.to_json())
    assert again.plot().axes
    assert m.min() >= 0


def test_profiles_beyond_counting():
    model = MoneyBurning(buyers=[{"values": [1, 2, 8], "probabilities": ["1/2", "1/4", "1/4"]}] * 20, caps=["1/4"] * 20)
    result = mo.solve(model)
    assert result.bounds.certified
    assert "mechanism" not in result.certificate["finite"]
    assert model.profiles == 3**20
    with pytest.raises(mo.InputError, match="lists no profiles"):
        mo.solve(model, method="profiles")
    with pytest.raises(mo.InputError, match="lists no profiles"):
        mo.solve(model, method="bayesian")


def test_a_time_limit_leaves_an_auction_and_a_bound_above_it():
    rng = np.random.default_rng(3)
    buyers = []
    for _ in range(12):  # thick tails, so that the ranking of scores changes often
        values = np.cumsum((5 * 1.35 ** np.arange(20) * rng.uniform(0.6, 1.4, 20)).astype(int) + 1).tolist()
        weights = [int(1e5 / 1.3**k) + 1 for k in range(20)]
        chances = [Fraction(w, sum(weights)) for w in weights]
        buyers.append({"values": values, "probabilities": chances})
    model = MoneyBurning(buyers=buyers, caps=[30 + 4 * i for i in range(12)])
    started = time.monotonic()
    auction = burning_auction(model.buyers, model.caps, time_limit=0.5)
    assert time.monotonic() - started < 10
    assert 0 < auction.value < auction.bound
    result = mo.solve(model, time_limit=0.5)
    assert result.status == "user_limit"
    assert result.bounds.certified
    assert result.bounds.lower < result.bounds.upper


def test_without_a_certificate_the_bounds_are_still_fractions_rounded():
    model = random_burning(3)
    result = mo.solve(model, certificate=False)
    assert not result.bounds.certified
    assert result.certificate is None
    assert result.bounds.lower <= float(model.auction.value) <= result.bounds.upper


def test_the_worst_of_two_conventions_is_never_better():
    for seed in range(30):
        upper, zero, lower = (random_burning(seed, c).auction.value for c in CONVENTIONS)
        assert lower <= zero <= upper


@pytest.mark.parametrize("seed", [1, 8, 12])
def test_the_audit_of_any_mechanism_finds_nothing(seed):
    for convention in CONVENTIONS:
        auction = random_burning(seed, convention).auction
        assert mo.audit(auction.mechanism_file(), ["ex-post", "bayesian"]).passed


def test_no_cap_is_none_or_infinite():
    prior = {"values": [1, 2, 8], "probabilities": ["1/2", "1/4", "1/4"]}
    a, b = (MoneyBurning(buyers=[prior] * 2, caps=[1, cap]) for cap in (None, float("inf")))
    assert a == b
    assert b.parameters()["caps"] == [1, None]
    assert MoneyBurning(**b.parameters()) == a


def test_permuting_buyers_changes_nothing():
    for seed in range(20):
        model = random_burning(seed)
        pairs = list(zip(model.buyers, model.caps, strict=True))
        values = set()
        for order in itertools.permutations(pairs):
            values.add(burning_auction([p for p, _ in order], [c for _, c in order]).value)
        assert len(values) == 1
