"""Balances and throttled auctions: theory, values by hand, brute force, guarantees, simulation, certificates."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.models.clairvoyance.asymptotic import exact_revenue, ledgers, misses, schedule, shares
from mechopt.models.clairvoyance.asymptotic_lattice import chances_of_throttling, lattice_revenue
from mechopt.models.clairvoyance.asymptotic_simulation import Asymptotic, simulate
from mechopt.models.clairvoyance.balance import Balance, count
from mechopt.models.distributions import Distribution
from mechopt.models.dynamic.bank_account import BankAccount

COIN = {"values": [1, 3], "probabilities": ["1/2", "1/2"]}
SKEW = {"values": [1, 2, 5], "probabilities": ["1/2", "1/4", "1/4"]}
RARE = {"values": [0, 1], "probabilities": ["9/10", "1/10"]}
UNIFORM = {"family": "uniform", "support": [0, 1], "points": 11}


def auction(periods, mechanism="asymptotic", **fields):
    return mo.NonClairvoyantAuction(periods=periods, mechanism=mechanism, **fields)


def random_prior(rng):
    K = int(rng.integers(1, 4))
    values = sorted(rng.choice(9, K, replace=False).tolist())
    weights = rng.integers(1, 6, K).tolist()
    return {"values": values, "probabilities": [Fraction(w, sum(weights)) for w in weights]}


def counted(model):
    return count(Balance(model), lambda message: None, lambda: False)


def test_shares_of_a_second_price_auction_by_brute_force():
    rng = np.random.default_rng(3)
    for _ in range(10):
        period = tuple(Distribution(**random_prior(rng)) for _ in range(int(rng.integers(1, 4))))
        mu, y = [Fraction(0)] * len(period), [Fraction(0)] * len(period)
        for t in itertools.product(*(zip(p.values, p.probabilities, strict=True) for p in period)):
            chance = math.prod((p for _, p in t), start=Fraction(1))
            values = [v for v, _ in t]
            i = values.index(max(values))
            mu[i] += chance * (values[i] - max([*values[:i], *values[i + 1 :], 0]))
            y[i] += chance * values[i]
        found, W = shares(period)
        assert [s.mu for s in found] == mu
        assert [s.y for s in found] == y
        assert sum(y) == W
        assert all(sum(p for _, p in s.law) == 1 for s in found)


@pytest.mark.parametrize("threshold", ["sqrt(t) ln t", "sqrt(t ln t)"])
def test_the_schedule_follows_its_definition(threshold):
    mu, W, total = Fraction(1, 2), Fraction(2, 3), 0.0
    for t, free in enumerate(schedule([mu], [W], 200, threshold), start=1):
        grows = math.sqrt(t) * math.log(t) if threshold == "sqrt(t) ln t" else math.sqrt(t * math.log(t))
        assert free == (total <= float(W) * grows)
        total += float(mu) * free


@pytest.mark.parametrize("threshold", ["sqrt(t) ln t", "sqrt(t ln t)"])
@pytest.mark.parametrize(
    ("pattern", "repeat"), [([[RARE, RARE]], 20), ([[RARE, COIN], [RARE, RARE]], 4), ([[SKEW]], 6)]
)
def test_fractions_lattice_and_the_bank_account_agree(pattern, repeat, threshold):
    model = auction(pattern, repeat=repeat, threshold=threshold)
    exact = exact_revenue(model)
    assert lattice_revenue(ledgers(model))[0] == pytest.approx(float(exact), abs=1e-12)
    if repeat < 10:
        assert BankAccount(Asymptotic(model)).expected_revenue() == exact


def test_throttling_happens_and_the_lattice_counts_it_in_every_period():
    model = auction([[RARE, RARE]], repeat=40, threshold="sqrt(t ln t)")
    book = ledgers(model)[1]
    exact = [float(x) for x in misses(book)]
    assert max(exact) > 0.25
    np.testing.assert_allclose(chances_of_throttling(book)[0], exact, atol=1e-13)


def test_simulation_meets_the_count_over_long_horizons():
    for prior, T in ((UNIFORM, 600), ({"values": [0, 50], "probabilities": ["49/50", "1/50"]}, 500)):
        model = auction([[prior, prior]], repeat=T, threshold="sqrt(t ln t)")
        value, lost = lattice_revenue(ledgers(model))
        sample = simulate(model, 3000, 7)
        assert lost < 1e-11
        assert abs(sample.mean - value) < 4 * sample.error


def test_the_asymptotic_mechanism_keeps_its_promises():
    source = Asymptotic(auction([[COIN, SKEW]], repeat=60))
    for t, state in ((0, (0, 0)), (59, (Fraction(7, 2), 0)), (40, (100, 100))):
        stage = source.stage(t, tuple(Fraction(b) for b in state))
        assert (stage.allocation.sum(axis=0) <= 1).all()
        assert (stage.after >= 0).all()
        assert (stage.spend <= np.array(state, dtype=object).reshape(2, 1, 1)).all()
    # What a buyer expects from a period does not depend on her balance (BI).
    gains = []
    for balance in (0, 1, 100):
        stage = source.stage(59, (Fraction(balance),) * 2)
        chance = BankAccount(source).chances(59)
        gains.append([(chance * (stage.after[i] - balance)).sum() for i in range(2)])
    assert gains[0] == gains[1] == gains[2]


def test_regret_over_the_rate_grows_with_the_printed_threshold_only():
    rare = {"values": [0, 50], "probabilities": ["49/50", "1/50"]}
    found = {}
    for threshold in ("sqrt(t) ln t", "sqrt(t ln t)"):
        for T in (300, 1000):
            result = mo.solve(auction([[rare, rare]], repeat=T, threshold=threshold), certificate=False)
            found[threshold, T] = result.quantities["scaled_regret"]
    assert found["sqrt(t) ln t", 1000] == pytest.approx(4.15, abs=0.01)
    assert found["sqrt(t ln t)", 1000] == pytest.approx(4.40, abs=0.01)
    assert found["sqrt(t ln t)", 1000] - found["sqrt(t ln t)", 300] > 0.5


def test_certified_bounds_close_where_throttling_is_rare_and_hold_where_it_is_not():
    tame = mo.solve(auction([[UNIFORM, UNIFORM]], repeat=3000))
    assert tame.document["method"] == "lattice"
    assert tame.bounds.certified
    assert tame.bounds.width < 1e-9 * tame.value
    rare = mo.solve(auction([[RARE, RARE]], repeat=700))
    assert rare.bounds.certified
    assert rare.bounds.lower <= rare.value <= rare.bounds.upper
    assert rare.verify().passed


def test_one_period_by_hand():
    # Myerson: virtual values -1 and 3, so 3 when someone has 3. Second price: E[min]. No balance, so free burning:
    # with caps 0 nobody may expect utility and nothing is spent.
    model = auction([[COIN, COIN]], "balance")
    assert counted(model).components[0][:2] == (Fraction(1, 5) * Fraction(9, 4), Fraction(2, 5) * Fraction(3, 2))
    single = counted(auction([[COIN]], "balance"))
    # Price 3 earns 3/2; the good for nothing earns nothing; utility 0 is left by the price 3, again 3/2.
    assert single.revenue == Fraction(1, 3) * (Fraction(3, 2) + Fraction(3, 2))


@pytest.mark.parametrize("mechanism", ["balance", "two-period-balance"])
def test_the_count_is_what_the_object_earns_and_keeps_the_guarantee(mechanism):
    rng = np.random.default_rng(5)
    for _ in range(4):
        model = auction([[random_prior(rng), random_prior(rng)] for _ in range(2)], mechanism)
        result = mo.solve(model)
        assert result.mechanism.expected_revenue() == counted(model).revenue
        assert result.bounds.certified
        assert result.bounds.lower <= counted(model).revenue <= result.bounds.upper
        if result.quantities["ratio"] is not None:
            assert result.quantities["ratio"] >= result.quantities["guarantee"]
        assert result.value <= result.quantities["welfare_bound"] + 1e-9
        assert result.verify().passed


def test_single_buyer_and_three_periods():
    result = mo.solve(auction([[SKEW]], "balance", repeat=3))
    assert result.value == pytest.approx(145 / 48)
    assert 1 / 3 <= result.quantities["ratio"] <= 1
    run = result.mechanism.start()
    first = run.bid([5])
    assert first.spend == (0,)
    assert first.balance == (Fraction(5, 3),)
    second = run.bid([1])
    assert second.spend == (Fraction(9, 4) / 3,)  # the cap, three times 5/3, is above E[theta] = 9/4
    assert second.balance == (Fraction(5, 3) - Fraction(3, 4) + Fraction(1, 3),)


def test_simulated_balances_meet_the_count(tmp_path):
    result = mo.solve(mo.load("clairvoyance/auction-balance"))
    low, high = result.quantities["simulation"]["interval"]
    assert low - (high - low) / 2 <= result.value <= high + (high - low) / 2
    folder = result.save(tmp_path / "result")
    assert mo.verify(folder).passed
    mo.Result.load(folder).plot().savefig(tmp_path / "paths.png")


def test_too_large_to_enumerate_is_simulated_where_asked():
    values = {"values": [1, 3, 8, 21], "probabilities": ["1/4"] * 4}
    large = [[values, SKEW]]
    with pytest.raises(mo.InputError, match=r"periods: expected at most 3,000 balances .* set samples = 1000"):
        mo.solve(auction(large, "balance", repeat=40), time_limit=1)
    result = mo.solve(auction(large, "balance", repeat=3, samples=50), method="simulation")
    assert result.document["bounds"] is None
    assert result.certificate is None
    low, high = result.quantities["simulation"]["interval"]
    assert low < result.value < high
