"""Known moments: the worst expected regret, its dual, exact certificates and bounds on the continuum."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mechopt as mo
from mechopt.models.moments import Moment, features, room, sides
from mechopt.models.regret.regret_pricing import RegretPricing
from mechopt.solvers.highs import solve as highs

CASES = [
    {"upper": [1], "points": 12, "moments": [{"at_least": 0.5}]},
    {"upper": [1], "cost": ["1/5"], "points": 10, "moments": [{"at_least": 0.5}, {"power": 2, "at_most": 0.3}]},
    {"upper": [1], "lower": ["1/4"], "points": 8, "moments": [{"at_most": "1/2"}]},
    {"upper": [1, 1], "points": 5, "moments": [{"at_least": "2/5", "at_most": "2/5"}]},
    {"upper": [1, 2], "points": 4, "cost": [0, "1/2"], "moments": [{"good": 2, "at_most": 1}]},
    {"upper": [1, 1], "cost": [0, 2], "points": 4, "moments": [{"at_most": "1/2"}]},
    {"upper": [1, 1], "points": 5, "budget": 1, "moments": [{"at_least": "2/5"}]},
    {"profiles": [[1, 2], [2, 1], [3, 3]], "moments": [{"at_most": 2}]},
    {"upper": [1], "points": 40, "moments": [{"at_most": "1/5"}]},
    {"upper": [1], "points": 20, "moments": [{"at_least": "4/5"}]},
    {"upper": [1], "points": 20, "moments": [{"at_least": 0.3, "at_most": 0.3}, {"power": 2, "at_most": 0.15}]},
    {"upper": [1, 1], "points": 8, "moments": [{"at_most": "3/10"}]},
    {"profiles": [[1, 1], [2, 2], [4, 4]], "moments": [{"at_most": 3}]},
]


@pytest.mark.parametrize("fields", CASES, ids=str)
def test_primal_dual_engines_and_certificates_agree(fields):
    model = RegretPricing(**fields)
    primal, dual = highs(model.primal()), highs(model.dual())
    assert dual.value == pytest.approx(primal.value, abs=1e-9)
    for method in (None, "all-pairs"):
        result = mo.solve(model, method=method)
        assert result.value == pytest.approx(primal.value, abs=1e-8)
        assert result.bounds.certified
        assert result.verify().passed
        assert result.quantities["finite_lower"] <= primal.value + 1e-9
        assert result.quantities["finite_upper"] >= primal.value - 1e-9
        assert result.quantities["finite_upper"] - result.quantities["finite_lower"] <= 1e-7
        assert result.bounds.problem == ("continuum" if "points" in fields else "finite")
        alpha = result.worst_case.to_numpy()
        known = features(model.values, model.sides).T @ alpha
        assert (known <= [float(s.bound) + 1e-12 for s in model.sides]).all()


def test_a_mean_separates_on_the_grid_tried():
    one = mo.solve(RegretPricing(upper=[1], points=10, moments=[{"at_least": 0.5, "at_most": 0.5}]))
    two = mo.solve(RegretPricing(upper=[1, 1], points=10, moments=[{"at_least": 0.5, "at_most": 0.5}]))
    assert one.value == pytest.approx(0.290058317, abs=1e-8)
    assert two.value == pytest.approx(2 * one.value, abs=1e-8)


def test_moments_that_do_not_bind_change_nothing():
    free = mo.solve(RegretPricing(upper=[1], points=9))
    held = mo.solve(RegretPricing(upper=[1], points=9, moments=[{"at_most": 1}]))
    assert held.value == pytest.approx(free.value, abs=1e-9)
    assert held.bounds.upper >= 1 / math.e >= held.bounds.lower


@pytest.mark.parametrize("power", [1, 2, 3])
def test_continuum_bound_holds_against_fine_grids(power):
    """The certified bracket of a coarse grid contains the optimum of grids four times as fine."""
    moments = [{"at_least": "1/2"}, {"power": power, "at_most": "3/5"}]
    coarse = mo.solve(RegretPricing(upper=[1], points=8, moments=moments))
    fine = mo.solve(RegretPricing(upper=[1], points=32, moments=moments))
    assert coarse.bounds.lower - 1e-9 <= fine.value <= coarse.bounds.upper + 1e-9
    assert fine.bounds.width < coarse.bounds.width


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_room_is_a_distribution_with_the_moments(seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 9, (12, 2)).astype(float)
    truth = rng.dirichlet(np.ones(12))
    means = (truth @ values).round(6)
    moments = [Moment(good=1, at_least=float(means[0]) - 0.1), Moment(good=2, at_most=float(means[1]) + 0.1)]
    rows = sides(moments, 2)
    alpha = room(values, rows)
    assert alpha.sum() == pytest.approx(1)
    assert alpha.min() >= -1e-9
    assert (features(values, rows).T @ alpha <= [float(r.bound) + 1e-8 for r in rows]).all()


def test_moments_in_conflict_are_named():
    clash = [{"at_least": 0.9}, {"power": 2, "at_most": 0.3}]
    with pytest.raises(mo.InputError, match=r"moments\[.\].*E\[v_1.*missed by"):
        mo.solve(RegretPricing(upper=[1], points=10, moments=clash))


@pytest.mark.parametrize(
    ("moments", "field"),
    [
        ([{}], "moments[0].at_least"),
        ([{"at_least": 2, "at_most": 1}], "moments[0].at_least"),
        ([{"good": 3, "at_most": 1}], "moments[0].good"),
        ([{"good": 0, "at_most": 1}], "moments[0].good"),
        ([{"power": 0, "at_most": 1}], "moments[0].power"),
        ([{"at_most": float("nan")}], "moments[0].at_most"),
        ([{"mean": 1}], "moments[0].mean"),
    ],
)
def test_bad_moments_are_refused(moments, field):
    with pytest.raises(mo.InputError) as error:
        RegretPricing(upper=[1, 1], points=3, moments=moments)
    assert str(error.value).startswith(f"{field}: expected")


def test_a_budget_takes_means_only():
    with pytest.raises(mo.InputError, match="power 1"):
        RegretPricing(upper=[1, 1], points=3, budget=1, moments=[{"power": 2, "at_most": 1}])
