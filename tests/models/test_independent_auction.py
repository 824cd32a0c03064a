"""Independent values, several priors: full against reduced program, rivals, the certificate, bad input."""

import copy
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.models.auctions.independent_theory import best_reserve, random_reserve, second_price
from mechopt.models.virtual_values import virtual_values
from mechopt.solvers.highs import solve

SHAPES = [(1, 4, 2), (2, 3, 2), (2, 5, 2), (2, 4, 3), (2, 2, 3), (3, 3, 2), (2, 6, 1)]


def random_model(bidders, values, priors, seed=0, most=20):
    rng = np.random.default_rng([bidders, values, priors, seed])
    own = sorted(int(x) for x in rng.choice(30, size=values, replace=False))
    weights = rng.integers(1, most, (priors, values))
    listed = [{"values": own, "probabilities": [f"{x}/{row.sum()}" for x in row]} for row in weights]
    return mo.IndependentAuction(bidders=bidders, distributions=listed)


@pytest.mark.parametrize("shape", SHAPES)
def test_full_reduced_and_dual_programs_agree(shape):
    model = random_model(*shape)
    full, reduced, dual = (solve(p) for p in (model.primal(), model.reduced(), model.dual()))
    assert reduced.value == pytest.approx(full.value, abs=1e-8)
    assert dual.value == pytest.approx(reduced.value, abs=1e-8)
    assert np.sum(reduced.dual["pi"]) == pytest.approx(1, abs=1e-9)


def test_sizes_are_known_before_building():
    for shape in SHAPES[1:]:
        model = random_model(*shape)
        for full, program in ((True, model.primal()), (False, model.reduced())):
            counted = solve(program).statistics
            said = model.size(full)
            assert (said.rows, said.columns) == (counted.rows, counted.columns)
            assert counted.nonzeros <= said.nonzeros


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", [1, 2])
def test_certified_bracket_and_rivals(shape, seed):
    model = random_model(*shape, seed)
    result = mo.solve(model)
    assert result.bounds.certified
    assert result.bounds.width <= 1e-7
    assert result.bounds.lower <= result.value <= result.bounds.upper
    assert result.verify().passed
    found = result.quantities
    assert found["second_price_revenue"] <= found["random_reserve_revenue"] + 1e-9
    assert found["random_reserve_revenue"] <= result.bounds.upper + 1e-9
    if all(list(phi) == sorted(phi) for phi in model.phi):  # Theorem 1.4.3
        assert found["one_more_bidder_revenue"] >= result.bounds.lower - 1e-12
    for n in range(len(model.distributions)):  # no prior alone is worth less than all of them
        alone = mo.IndependentAuction(bidders=model.bidders, distributions=[model.distributions[n]])
        assert alone.closed_form().value >= result.bounds.lower - 1e-12


def test_one_prior_is_myerson():
    model = random_model(2, 6, 1)
    result = mo.solve(model)
    assert result.value == pytest.approx(result.closed_form.value, abs=1e-9)
    same = mo.solve(mo.MyersonAuction(bidders=[model.distributions[0]] * 2))
    assert same.value == pytest.approx(result.value, abs=1e-9)


def test_one_more_bidder_is_worth_it_for_regular_priors():
    """Theorem 1.4.3 with threshold payments; with the second bid itself it fails for two values and one bidder."""
    coin = mo.Distribution(values=[0, 1], probabilities=["1/2", "1/2"])
    assert second_price(coin, 2)[0] == Fraction(1, 2) >= best_reserve([coin], 1)[1]
    rng = np.random.default_rng(8)
    tried = 0
    while tried < 25:
        weights = rng.integers(1, 9, 5)
        prior = mo.Distribution(values=[0, 1, 2, 3, 4], probabilities=[f"{x}/{weights.sum()}" for x in weights])
        phi = virtual_values(prior)
        if phi != sorted(phi):
            continue
        tried += 1
        for bidders in (1, 2, 3):
            best = max(second_price(prior, bidders))
            assert second_price(prior, bidders + 1)[0] >= best


def test_second_price_revenue_by_counting():
    prior = mo.Distribution(values=[1, 2, 4], probabilities=["1/5", "1/2", "3/10"])
    v, f = prior.values, prior.probabilities
    for k, reserve in enumerate(v):
        total = Fraction(0)
        for a in range(3):
            for b in range(3):
                high, low = max(a, b), min(a, b)
                if high >= k:  # ties are shared: half the time the other one would have won at a tie
                    tie = max(low, k)
                    if high == low:
                        pay = v[high]
                    elif low < k:
                        pay = reserve
                    else:  # half a unit at the second value, half at the next one
                        pay = (v[tie] + v[tie + 1]) / 2
                    total += f[a] * f[b] * pay
        assert second_price(prior, 2)[k] == total


def test_the_catalog_pair_beats_every_second_price_auction():
    result = mo.solve(mo.load("auctions/independent-two-priors"))
    found = result.quantities
    assert result.value / found["second_price_revenue"] == pytest.approx(1.18598, abs=1e-5)
    assert result.value / found["random_reserve_revenue"] == pytest.approx(1.07545, abs=1e-5)
    priors = result.model.distributions
    assert float(random_reserve(priors, 2)[1]) == found["random_reserve_revenue"]


def test_tables_pass_the_audit_under_every_prior():
    model = random_model(2, 4, 2, 5)
    result = mo.solve(model)
    shape = (4, 4, 2)
    tables = {name: np.moveaxis(result.arrays[name].values.reshape(shape), -1, 0) for name in ("allocation", "payment")}
    priors = [{"marginals": [[str(x) for x in p.probabilities]] * 2} for p in model.distributions]
    types = [[str(x) for x in model.distributions[0].values]] * 2
    audited = mo.audit({"types": types, **tables, "ambiguity": priors}, ["distributionally-robust", "maxmin"])
    assert audited.passed
    revenue = [float(Fraction(x)) for x in audited.document()["revenue"]]
    assert min(revenue) == pytest.approx(result.bounds.lower, abs=1e-9)


def test_tiny_probabilities_keep_the_bounds_true():
    tiny = ["1/100000000", "1/2", "49999999/100000000"]
    listed = [{"values": [0, 1, 3], "probabilities": p} for p in (tiny, ["1/3", "1/3", "1/3"])]
    result = mo.solve(mo.IndependentAuction(bidders=2, distributions=listed))
    assert result.bounds.certified
    assert result.bounds.width < 1e-6
    full = mo.solve(result.model, method="all-pairs")
    assert full.bounds.lower <= full.value <= full.bounds.upper


def test_mechanism_between_values_and_frames():
    result = mo.solve(random_model(2, 4, 2, 7))
    v = result.model.distributions[0].v
    q, m = result.mechanism(np.array([[v[3] + 1, v[0] - 1], [v[1], v[1]]]))
    assert q[0, 1] == m[0, 1] == 0
    assert q[1, 0] == q[1, 1]
    assert len(result.mechanism.to_frame()) == 32
    assert result.dual["mu"].shape == (2, 3)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["finite"]["nature"]["pi"].__setitem__(0, "1"),
        lambda c: c["finite"]["nature"]["mu"][0].__setitem__(0, "-1"),
        lambda c: c["finite"]["mechanism"]["chances"][0].__setitem__(2, "2"),
        lambda c: c["finite"]["mechanism"]["chances"][2].reverse(),
        lambda c: c["finite"]["mechanism"]["chances"].pop(),
        lambda c: c["finite"].update(lower="3"),
    ],
)
def test_forged_certificates_fail(change):
    from mechopt.verification import verify_documents

    result = mo.solve(mo.load("auctions/independent-two-priors"))
    forged = copy.deepcopy(dict(result.certificate))
    change(forged)
    assert not verify_documents(result.document, forged).passed


COIN = {"values": [0, 1], "probabilities": ["1/2", "1/2"]}
BAD = [
    ({"bidders": 0}, "bidders: expected an integer of at least 1"),
    ({"distributions": []}, "distributions: expected at least one distribution"),
    ({"distributions": [{"values": [1], "probabilities": [1]}]}, "distributions[0]: expected at least 2 values"),
    (
        {"distributions": [COIN, {"values": [0, 2], "probabilities": [0.5, 0.5]}]},
        "distributions[1]: expected the values",
    ),
    ({"distributions": [COIN, {"values": [0, 1], "probabilities": [0, 1]}]}, "distributions[1]: expected the values"),
    ({"distributions": [{"values": [0, 1], "probabilities": [0.5, 0.4]}]}, "numbers that sum to 1, got 0.9"),
    ({"distributions": [{"values": [-1, 1], "probabilities": [0.5, 0.5]}]}, "at least 0, got -1"),
    ({"distributions": [{"values": [1, 0], "probabilities": [0.5, 0.5]}]}, "a number above 1"),
    ({"distributions": 3}, "distributions: expected a list"),
    ({"reserve": 1}, "reserve: expected no such field"),
    ({"bidders": 25}, "distributions: expected at most 1,000,000 chances by profile"),
    ({"bidders": 10**8}, "distributions: expected at most 1,000,000 chances by profile"),
]


@pytest.mark.parametrize(("fields", "words"), BAD)
def test_bad_input(fields, words):
    with pytest.raises(mo.InputError) as caught:
        mo.solve(mo.IndependentAuction(**({"bidders": 2, "distributions": [COIN]} | fields)))
    assert words in str(caught.value)


def test_bad_options():
    model = mo.IndependentAuction(bidders=2, distributions=[COIN])
    with pytest.raises(mo.InputError, match=r"solve.method: expected one of reduced, all-pairs, got magic"):
        mo.solve(model, method="magic")
    with pytest.raises(mo.InputError, match="positive width"):
        mo.solve(model, gap=0)
    loose = mo.solve(model, certificate=False)
    assert not loose.bounds.certified
    assert loose.bounds.lower <= 0.75 <= loose.bounds.upper
