"""Support-only ambiguity: the value, both programs, dominance as a program, and what the certificate refuses."""

import copy
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.models.auctions.robust_auction import vickrey
from mechopt.models.auctions.robust_pareto import dominating, equal_revenue, improvement
from mechopt.models.audit import ex_post
from mechopt.solvers.highs import solve

CASES = [(2, 1, 2, 1), (2, 1, 2, 5), (2, "1/3", 2, 3), (2, 0, 1, 4), (3, 1, 3, 2), (3, 0, 1, 2), (4, "1/7", 1, 1)]


def auction(bidders, lower, upper, points):
    return mo.RobustAuction(bidders=bidders, lower=lower, upper=upper, points=points)


def revenue(model):
    return np.array(vickrey(model)[1], dtype=float).sum(axis=1)


@pytest.mark.parametrize("case", CASES)
def test_value_is_the_lowest_value_from_both_programs(case):
    model = auction(*case)
    primal, dual = solve(model.primal()), solve(model.dual())
    assert primal.value == pytest.approx(float(model.lower), abs=1e-9)
    assert dual.value == pytest.approx(float(model.lower), abs=1e-9)
    result = mo.solve(model)
    assert result.bounds.certified
    assert result.bounds.lower <= model.lower <= result.bounds.upper
    assert result.bounds.width <= 1e-15
    assert result.verify().passed
    assert mo.solve(model, method="all-pairs").value == pytest.approx(result.value, abs=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_duals_of_the_primal_solve_the_dual(case):
    model = auction(*case)
    primal = solve(model.primal())
    assert sum(primal.dual["alpha"]) == pytest.approx(1, abs=1e-9)
    assert sum(primal.dual["lambda"]) == pytest.approx(float(model.lower), abs=1e-9)
    dual = solve(model.dual())
    assert dual.dual["t"] == pytest.approx(primal.value, abs=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_gain_of_a_better_mechanism_is_the_programs(case):
    """Exactly zero for a positive lowest value; else what one price for the first bidder adds."""
    model = auction(*case)
    gain = mo.solve(model).quantities["pareto_gain"]
    assert solve(dominating(model, revenue(model))).value == pytest.approx(gain, abs=1e-9)
    assert (gain == 0) == (model.lower > 0)


@pytest.mark.parametrize(("points", "known"), [(2, 4 / 9), (12, 0.3590)])
def test_selling_to_one_bidder_at_the_lowest_value_is_dominated(points, known):
    model = auction(2, 1, 2, points)
    assert solve(dominating(model, np.ones(model.profiles))).value == pytest.approx(known, abs=5e-5)


@pytest.mark.parametrize(("points", "known"), [(2, 0.1667), (4, 0.1), (8, 0.0556)])
def test_payments_of_the_second_bid_itself_are_dominated_on_a_grid(points, known):
    model = auction(2, 1, 2, points)
    plain = np.sort(model.values, axis=1)[:, -2]
    assert solve(dominating(model, plain)).value == pytest.approx(known, abs=5e-5)


@pytest.mark.parametrize("lower", [0, 1])
def test_largest_gain_in_one_profile(lower):
    model = auction(2, lower, lower + 1, 4)
    weights = np.full(model.profiles, 1e-9)
    weights[4 * 5] = 1  # bidder 1 has the highest value, bidder 2 the lowest
    gain = solve(dominating(model, revenue(model), weights)).value
    assert gain == pytest.approx(1 if lower == 0 else 0, abs=1e-7)


@pytest.mark.parametrize("case", CASES)
def test_tables_pass_the_audit(case):
    model = auction(*case)
    shape = (model.points + 1,) * model.bidders
    for tables in filter(None, (vickrey(model), improvement(model))):
        allocation, payment = (
            np.moveaxis(np.array(t, dtype=object).reshape(*shape, -1), -1, 0).tolist() for t in tables
        )
        types = [model.axis] * model.bidders
        found = mo.audit({"types": types, "allocation": allocation, "payment": payment})
        assert all(f.violation == 0 for f in found.findings)
        assert found.findings == ex_post(found.brought.mechanism)


def test_equal_revenue_prior_makes_every_price_earn_the_same():
    axis = [Fraction(k, 3) for k in range(2, 9)]
    prior = equal_revenue(axis)
    assert sum(prior) == 1
    assert {x * sum(prior[k:]) for k, x in enumerate(axis)} == {axis[0]}


def test_mechanism_between_grid_points():
    result = mo.solve(auction(2, 1, 2, 4))
    rng = np.random.default_rng(3)
    values = rng.uniform(1, 2, (500, 2))
    q, m = result.mechanism(values)
    assert (q.sum(axis=1) == 1).all()
    assert (m.sum(axis=1) >= 1).all()
    own = (q * values - m)[:, 0]
    assert (own >= 0).all()
    for report in rng.uniform(1, 2, 40):
        other = np.column_stack([np.full(500, report), values[:, 1]])
        lie_q, lie_m = result.mechanism(other)
        assert (own >= lie_q[:, 0] * values[:, 0] - lie_m[:, 0] - 1e-12).all()
    assert len(result.mechanism.to_frame()) == 50


def test_large_instances_are_exact_too():
    result = mo.solve(auction(3, 1, 2, 25))
    assert result.bounds.certified
    assert result.quantities["pareto_gain"] == 0


def _with(certificate, change):
    forged = copy.deepcopy(dict(certificate))
    change(forged)
    return forged


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["finite"]["nature"].update(alpha=[[[1, 1], "1"]]),  # another profile proves less
        lambda c: c["finite"]["nature"].update(alpha=[[[0, 0], "1/2"]]),
        lambda c: c["finite"]["mechanism"]["payment"][0].__setitem__(0, "2"),
        lambda c: c["continuum"].update(mechanism=c["finite"]["mechanism"]),  # the grid's prices are too high in cells
        lambda c: c["pareto"].update(prior=["1/10", "1/10", "8/10"]),
        lambda c: c["pareto"].update(gain="1/9"),
        lambda c: c["finite"]["mechanism"]["allocation"][4].__setitem__(1, "1"),
    ],
)
def test_forged_certificates_fail(change):
    from mechopt.verification import verify_documents

    result = mo.solve(auction(2, 1, 2, 2))
    assert verify_documents(result.document, _with(result.certificate, lambda c: None)).passed
    assert not verify_documents(result.document, _with(result.certificate, change)).passed


BAD = [
    ({"bidders": 1}, "bidders: expected at least 2 bidders, got 1"),
    ({"bidders": 0}, "bidders: expected an integer of at least 1"),
    ({"bidders": 2.5}, "bidders: expected an integer"),
    ({"lower": -1}, "lower: expected a number of at least 0, got -1"),
    ({"lower": 2}, "upper: expected a number above lower, which is 2, got 2"),
    ({"upper": "1/2"}, "upper: expected a number above lower, which is 1, got 0.5"),
    ({"upper": float("nan")}, "upper: expected a finite number"),
    ({"points": 0}, "points: expected an integer of at least 1"),
    ({"costs": 1}, "costs: expected no such field"),
    ({"points": 10**6}, "points: expected at most 1,000,000 allocations and payments"),
    ({"bidders": 10**9}, "points: expected at most 1,000,000 allocations and payments"),
]


@pytest.mark.parametrize(("fields", "words"), BAD)
def test_bad_input(fields, words):
    with pytest.raises(mo.InputError) as caught:
        mo.solve(mo.RobustAuction(**({"bidders": 2, "lower": 1, "upper": 2, "points": 3} | fields)))
    assert words in str(caught.value)


def test_bad_options():
    with pytest.raises(mo.InputError, match=r"solve.method: expected one of vickrey, all-pairs, got magic"):
        mo.solve(auction(2, 1, 2, 2), method="magic")
    with pytest.raises(mo.InputError, match="positive width"):
        mo.solve(auction(2, 1, 2, 2), gap=-1)
    with pytest.raises(mo.InputError, match="a program that fits"):
        mo.solve(auction(2, 1, 2, 499), method="all-pairs")
