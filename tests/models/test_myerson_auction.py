"""Myerson's optimal auction: the formula against both programs, known values, ironing, mechanism and certificate."""

import copy
import itertools
import math
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

import mechopt as mo
from mechopt.models.auctions.myerson_auction import MyersonAuction
from mechopt.models.auctions.myerson_check import check
from mechopt.models.auctions.myerson_mechanism import auction_of, mechanism_file
from mechopt.models.auctions.myerson_theory import expected_best, interim_chances, uniform_revenue
from mechopt.models.auctions.standard_auctions import all_pay, first_price, second_price
from mechopt.models.distributions import Distribution
from mechopt.models.virtual_values import ironed_virtual_values, ironing_flows, pooled, revenue_curve, virtual_values
from mechopt.solvers.certificate import exact_bounds
from mechopt.solvers.highs import solve as highs

UNIT = {"family": "uniform", "support": [0, 1], "points": 11}


def random_prior(rng, whole=64):
    """Two to six integer values with probabilities in 64ths: floats hold every product of three exactly."""
    K = int(rng.integers(2, 7))
    values = sorted(rng.choice(12, size=K, replace=False).tolist())
    cuts = sorted(rng.choice(np.arange(1, whole), size=K - 1, replace=False).tolist())
    return {
        "values": values,
        "probabilities": [Fraction(b - a, whole) for a, b in itertools.pairwise([0, *cuts, whole])],
    }


def random_auction(seed):
    rng = np.random.default_rng(seed)
    return MyersonAuction(bidders=[random_prior(rng) for _ in range(int(rng.integers(2, 4)))])


def is_regular(model):
    return all(list(row) == sorted(row) for row in model.phi)


@pytest.mark.parametrize("start", range(0, 100, 20))
def test_formula_equals_both_programs_on_random_instances(start):
    regular = 0
    for seed in range(start, start + 20):
        model = random_auction(seed)
        exact = float(model.optimum)
        regular += is_regular(model)
        assert highs(model.primal()).value == pytest.approx(exact, abs=1e-9), seed
        assert highs(model.primal_dsic()).value == pytest.approx(exact, abs=1e-9), seed
    assert regular < 20  # irregular ones are among them


def test_formula_equals_the_programs_as_fractions():
    closed = 0
    for seed in range(200, 300):
        model = random_auction(seed)
        if model.profiles > 40:
            continue
        for program in (model.primal(), model.primal_dsic()):
            solution = highs(program)
            found = exact_bounds(solution.compiled, solution.point)
            assert found.closed, seed
            assert Fraction(str(found.lower)) == model.optimum, seed
        if (closed := closed + 1) == 20:
            return
    raise AssertionError("fewer than 20 instances")


@pytest.mark.parametrize("seed", range(6))
def test_the_dual_and_the_letters(seed):
    model = random_auction(seed)
    primal, dual = highs(model.primal()), highs(model.dual())
    assert dual.value == pytest.approx(primal.value, abs=1e-8)
    assert primal.dual["lambda"].sum() == pytest.approx(primal.value, abs=1e-8)
    for solution in (primal.dual, dual.primal):  # nature's letters, from either program
        w = [solution[f"w_{i + 1}"] / prior.f for i, prior in enumerate(model.bidders)]
        scores = [[Fraction(x) for x in row.tolist()] for row in w]
        best = expected_best(scores, [prior.probabilities for prior in model.bidders])
        assert float(best) == pytest.approx(primal.value, abs=1e-8)
        assert min(solution[f"beta_{i + 1}"].min() for i in range(len(model.bidders))) >= -1e-9
        assert min(solution[f"gamma_{i + 1}"].min() for i in range(len(model.bidders))) >= -1e-9
    revenue = sum(prior.f @ dual.dual[f"m_{i + 1}"] for i, prior in enumerate(model.bidders))
    assert revenue == pytest.approx(primal.value, abs=1e-8)
    for i in range(len(model.bidders)):
        np.testing.assert_allclose(model.interim(i) @ dual.dual[f"q_{i + 1}"], dual.dual[f"Q_{i + 1}"], atol=1e-8)


def test_the_results_multipliers_are_a_dual_point():
    model = random_auction(7)
    result = mo.solve(model)
    for i, prior in enumerate(model.bidders, 1):
        gamma, w = result.dual[f"gamma_{i}"].values, result.dual[f"w_{i}"].values
        beta = prior.f - gamma.sum(axis=1) + gamma.sum(axis=0)
        assert min(beta.min(), gamma.min()) >= -1e-12
        np.testing.assert_allclose(w, prior.v * (beta + gamma.sum(axis=1)) - gamma.T @ prior.v, atol=1e-12)
        np.testing.assert_allclose(w / prior.f, result.quantities["ironed_virtual_values"][i - 1], atol=1e-9)


def test_uniform_values_tend_to_five_twelfths():
    errors = []
    for n in (101, 1001):
        result = mo.solve(MyersonAuction(bidders=[{**UNIT, "points": n}] * 2))
        assert result.closed_form.value == pytest.approx(5 / 12, abs=1e-15)
        assert result.quantities["reserve"] == [0.5, 0.5]
        assert result.bounds.certified
        errors.append(result.value - 5 / 12)
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.02)  # of first order


def test_asymmetric_uniform_values():
    bidders = [{**UNIT, "points": 401}, {**UNIT, "support": [0, 2], "points": 801}]
    result = mo.solve(MyersonAuction(bidders=bidders))
    assert result.closed_form.value == pytest.approx(31 / 48, abs=1e-15)
    assert result.value == pytest.approx(31 / 48, abs=2e-3)
    assert result.quantities["reserve"] == [0.5, 1.0]


@pytest.mark.parametrize("bidders", [1, 2, 3, 7])
def test_uniform_revenue_against_the_integral(bidders):
    """E[max(0, max 2v - 1)] with the density of the highest of I uniform values."""
    x = np.linspace(0.5, 1, 200_001)
    y = (2 * x - 1) * bidders * x ** (bidders - 1)
    assert uniform_revenue([(0, 1)] * bidders) == pytest.approx(np.trapezoid(y, x), abs=1e-9)
    assert uniform_revenue([(3, 4)]) == pytest.approx(3)
    assert uniform_revenue([(2, 3), (0, 1)]) == pytest.approx(2.0)


def step_down(cells, end):
    """The density 1.6 below 1/2 and 0.4 above, each cell's mass at its lower (0) or upper (1) end or its middle."""
    values = [(k + Fraction(end)) / cells for k in range(cells)]
    return {"values": values, "probabilities": [Fraction(8 if 2 * k < cells else 2, 5 * cells) for k in range(cells)]}


def test_an_irregular_density_is_ironed_where_theory_says():
    cells, limit = 640, Fraction(266041667, 10**9)
    models = {end: MyersonAuction(bidders=[step_down(cells, end)] * 2) for end in (0, "1/2", 1)}
    assert models[0].optimum < limit < models[1].optimum  # revenue rises with values: floor and ceiling bracket it
    assert limit - models[0].optimum < Fraction(1, cells**2)  # prices at lower ends sell to whole cells: second order
    assert models[1].optimum - limit < Fraction(1, cells)
    prior = models["1/2"].bidders[0]
    scores = np.array([float(x) for x in models["1/2"].scores[0]])
    flat = prior.v[np.abs(scores - 0.25) < 2e-3]
    assert flat[0] == pytest.approx(0.4375, abs=4e-3)
    assert flat[-1] == pytest.approx(0.625, abs=4e-3)
    assert float(models["1/2"].reserves[0]) == pytest.approx(0.3125, abs=2e-3)
    raw = expected_best(models["1/2"].phi, [prior.probabilities] * 2)
    assert float(raw) == pytest.approx(0.268229167, abs=1e-3)  # without ironing: too high
    assert raw > models["1/2"].optimum


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_ironing_is_isotonic_regression_and_the_hulls_slope(seed):
    prior = Distribution(**random_prior(np.random.default_rng(seed)))
    phi, ironed = virtual_values(prior), ironed_virtual_values(prior)
    assert sum(p * x for p, x in zip(prior.probabilities, phi, strict=True)) == prior.values[0]  # E[phi] = v_1
    assert ironed == sorted(ironed)
    found = isotonic_regression(np.array([float(x) for x in phi]), weights=prior.f).x
    np.testing.assert_allclose([float(x) for x in ironed], found, atol=1e-9)
    T, R = revenue_curve(prior)
    hull = list(
        itertools.accumulate([s * p for s, p in zip(reversed(ironed), reversed(prior.probabilities), strict=True)])
    )
    assert all(h >= r for h, r in zip(hull, R[1:], strict=True))
    assert hull[-1] == R[-1] == prior.values[0]
    assert min(ironing_flows(prior), default=0) >= 0
    assert all(a < b for a, b in itertools.pairwise(T))


def test_pools_are_settled_in_rationals_where_floats_cannot_tell():
    tiny = Fraction(1, 10**30)
    half = [Fraction(1, 2)] * 2
    assert pooled([Fraction(1), 1 + tiny], half) == [(1, 1), (1 + tiny, 1)]
    assert pooled([1 + tiny, Fraction(1)], half) == [(1 + tiny / 2, 2)]
    assert pooled([Fraction(3), 2 + tiny, 2 - tiny, Fraction(7)], [Fraction(1, 4)] * 4) == [(Fraction(7, 3), 3), (7, 1)]
    assert pooled([Fraction(2), Fraction(2)], half) == [(2, 2)]


@pytest.mark.parametrize("seed", range(8))
def test_the_auction_is_truthful_and_earns_the_optimum_profile_by_profile(seed):
    model = random_auction(seed)
    file = mechanism_file(model)
    q, m = (np.vectorize(Fraction)(np.array(file[name], dtype=object)) for name in ("allocation", "payment"))
    assert model.revenue_of_thresholds() == model.optimum
    revenue, welfare = Fraction(0), Fraction(0)
    for t in itertools.product(*(range(K) for K in model.shape)):
        chance = math.prod((p.probabilities[k] for p, k in zip(model.bidders, t, strict=True)), start=Fraction(1))
        assert sum(q[(i, *t)] for i in range(len(t))) <= 1
        for i, prior in enumerate(model.bidders):
            utility = q[(i, *t)] * prior.values[t[i]] - m[(i, *t)]
            assert utility >= 0
            for k in range(len(prior)):
                lie = (*t[:i], k, *t[i + 1 :])
                assert utility >= q[(i, *lie)] * prior.values[t[i]] - m[(i, *lie)]
            revenue += chance * m[(i, *t)]
            welfare += chance * q[(i, *t)] * prior.values[t[i]]
    assert revenue == model.optimum
    result = mo.solve(model)
    assert result.quantities["welfare"] == pytest.approx(float(welfare), rel=1e-14)
    frame = result.mechanism.to_frame()
    assert len(frame) == model.profiles * len(model.bidders)
    assert set(frame.columns) >= {"values", "allocation", "payment"}


def test_interim_chances_count_profiles():
    model = random_auction(3)
    wins, _ = auction_of(model).at_types(model.types)
    scores, f = model.scores, [prior.probabilities for prior in model.bidders]
    for i, row in enumerate(interim_chances(scores, f)):
        np.testing.assert_allclose(model.interim(i) @ wins[:, i], [float(x) for x in row], atol=1e-12)


def test_the_mechanism_is_truthful_between_the_listed_values():
    result = mo.solve(mo.load("auctions/myerson-asymmetric"))
    rng = np.random.default_rng(5)
    V = rng.random((4000, 2)) * [1.1, 2.2]
    q, m = result.mechanism(V)
    assert ((q * V - m) >= -1e-12).all()
    for i in range(2):
        lies = V.copy()
        lies[:, i] = rng.permutation(lies[:, i])
        q_lie, m_lie = result.mechanism(lies)
        assert ((q * V - m)[:, i] >= (q_lie * V - m_lie)[:, i] - 1e-12).all()
    assert m.sum(axis=1).mean() == pytest.approx(31 / 48, abs=0.1)
    with pytest.raises(ValueError, match="one value per bidder"):
        result.mechanism([[0.5]])


def test_one_bidder_faces_the_best_price():
    prior = Distribution(values=[1, 2, 5], probabilities=["1/2", "1/4", "1/4"])
    result = mo.solve(MyersonAuction(bidders=[prior]))
    assert result.value == max(float(v * t) for v, t in zip(prior.values, prior.tails, strict=True)) == 1.25
    assert result.quantities["reserve"] == [5]


def test_values_below_zero_are_never_served():
    result = mo.solve(MyersonAuction(bidders=[{"values": [-3, -1], "probabilities": ["1/2", "1/2"]}] * 2))
    assert result.value == 0
    assert result.quantities["reserve"] == [None, None]
    assert result.bounds.certified
    assert result.mechanism([[5.0, -1.0]])[0].tolist() == [[0, 0]]
    assert result.verify().passed


def test_a_single_type_pays_its_value():
    result = mo.solve(MyersonAuction(bidders=[{"values": ["1/3"], "probabilities": [1]}, UNIT]))
    assert result.bounds.certified
    assert result.value == pytest.approx(float(result.model.optimum), abs=1e-15)


def test_zero_probabilities_are_noted():
    result = mo.solve(MyersonAuction(bidders=[{"values": [1, 2, 3], "probabilities": [0.5, 0, 0.5]}]))
    assert any("bidder 1: 1 values of probability zero" in note for note in result.document["notes"])


@pytest.mark.parametrize("method", ["virtual-values", "bayesian", "ex-post"])
def test_methods_agree(method):
    result = mo.solve(mo.load("auctions/myerson-irregular"), method=method)
    assert result.document["method"] == method
    assert result.value == pytest.approx(float(result.model.optimum), abs=1e-9)
    assert result.bounds.lower <= result.model.optimum <= result.bounds.upper
    assert result.verify().passed


def test_many_bidders_with_many_values_list_no_profiles():
    started = time.monotonic()
    bidders = [{"family": "uniform", "support": [0, 1], "points": 201}] * 20 + [
        {"family": "beta", "a": 2, "b": 3, "support": [0, 1], "points": 201}
    ] * 5
    result = mo.solve(MyersonAuction(bidders=bidders))
    assert result.bounds.certified
    assert result.bounds.width < 1e-15 * 4
    assert result.verify().passed
    assert "allocation" not in result.arrays
    assert time.monotonic() - started < 60


def test_save_load_verify_plot(tmp_path):
    for name in ("uniform", "asymmetric", "irregular"):
        result = mo.solve(mo.load(f"auctions/myerson-{name}"))
        folder = result.save(tmp_path / name)
        again = mo.Result.load(folder)
        assert mo.verify(folder).passed
        assert again.model.optimum == result.model.optimum
        again.plot().savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000


FAMILY = {"family": "beta", "a": 2, "b": 3, "support": [0, 1], "points": 9}


def test_the_checker_compares_a_families_probabilities_with_scipys():
    result = mo.solve(MyersonAuction(bidders=[FAMILY, UNIT]))
    checks, proved = check(result.document["instance"]["parameters"], result.certificate)
    assert all(c.passed for c in checks)
    assert any("those of beta" in c.name for c in checks)
    assert Fraction(str(proved["finite"][0])) == result.model.optimum
    forged = copy.deepcopy(dict(result.certificate))
    listed = forged["finite"]["distributions"][0]["probabilities"]
    shift = Fraction(1, 10**9)
    listed[2], listed[3] = str(Fraction(listed[2]) + shift), str(Fraction(listed[3]) - shift)
    checks, _ = check(result.document["instance"]["parameters"], forged)
    assert not all(c.passed for c in checks)


def large_and_small():
    irregular = [{"values": [1, 2, 3, 6], "probabilities": ["1/2", "1/8", "1/8", "1/4"]}] * 2
    large = [{"family": "uniform", "support": [0, 1], "points": 151}] * 2
    return [irregular, large]


@pytest.mark.parametrize("bidders", large_and_small(), ids=["tables", "scores"])
def test_false_multipliers_and_tables_are_refused(bidders):
    result = mo.solve(MyersonAuction(bidders=bidders))
    parameters, exact = result.document["instance"]["parameters"], result.model.optimum

    def failed(change):
        forged = copy.deepcopy(dict(result.certificate))
        change(forged["finite"])
        forged["finite"].pop("lower"), forged["finite"].pop("upper")  # claims aside: the mathematics alone
        checks, proved = check(parameters, forged)
        return [c.name for c in checks if not c.passed], {
            k: Fraction(str(v)) for k, v in zip("lu", proved["finite"], strict=True)
        }

    def less_truth(part):  # a multiplier too small makes the bound too low, and participation's negative
        part["gamma"][0]["down"][0] = "0"
        part["gamma"][0]["up"][0] = "-1"

    names, _ = failed(less_truth)
    assert "bidder 1: multipliers of truth are nonnegative" in names

    def slack(part):  # more of both ways is a valid, worse bound
        for way in ("down", "up"):
            part["gamma"][0][way][0] = str(Fraction(part["gamma"][0][way][0]) + Fraction(1, 100))

    names, proved = failed(slack)
    assert proved["u"] >= exact
    if "mechanism" in result.certificate["finite"]:

        def dearer(part):
            row = part["mechanism"]["payment"][0]
            k = max(range(len(row)), key=lambda t: Fraction(row[t]))
            row[k] = str(Fraction(row[k]) + Fraction(1, 1000))

        names, _ = failed(dearer)
        assert any("lie gains" in name or "taking part loses" in name for name in names)

        def twice(part):
            part["mechanism"]["allocation"] = [["1"] * len(row) for row in part["mechanism"]["allocation"]]

        names, _ = failed(twice)
        assert "the good is given at most once, never less than nothing" in names
    else:

        def unsteady(part):  # scores that fall: the threshold auction would not be truthful
            part["gamma"][0]["down"][75] = str(Fraction(part["gamma"][0]["down"][75]) + 1)
            part["gamma"][0]["up"][75] = "1"

        names, _ = failed(unsteady)
        assert names


def expected(rows, priors):
    """Expected revenue of tables under independent priors."""
    total = Fraction(0)
    for t in itertools.product(*(range(len(p)) for p in priors)):
        chance = math.prod((p[k] for p, k in zip(priors, t, strict=True)), start=Fraction(1))
        for table in rows:
            entry = table
            for k in t:
                entry = entry[k]
            total += chance * Fraction(entry)
    return total


def test_standard_auctions_on_types():
    types = [[1, 2, 3, 4, 5]] * 2
    even = [[Fraction(1, 5)] * 5] * 2
    assert expected(second_price(types)["payment"], even) == Fraction(11, 5)
    assert expected(first_price(types)["payment"], even) == Fraction(19, 5)
    assert expected(all_pay(types)["payment"], even) == 6
    for make in (first_price, second_price, all_pay):
        file = make(types, reserve=3)
        assert file["allocation"][0][1] == [0, 0, 0, 0, 0]
        assert file["allocation"][0][2] == [1, 1, 0.5, 0, 0]
    half = first_price(types, bids=[["1/2", 1, "3/2", 2, "5/2"]] * 2)
    assert expected(half["payment"], even) == Fraction(19, 10)
    with pytest.raises(mo.InputError, match="one bid per type"):
        first_price(types, bids=[[1], [1]])
    with pytest.raises(mo.InputError, match=r"types\[0\]\[1\]: expected a number above 1"):
        second_price([[1, 1], [0, 1]])
    with pytest.raises(mo.InputError, match="at least one number per bidder"):
        all_pay([[], [1]])
    with pytest.raises(mo.InputError, match=r"reserve: expected a finite number, got nan"):
        all_pay([[1], [1]], reserve=float("nan"))
