"""Known distributions: the three ways to write them, what they mean exactly, and every wrong one."""

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from mechopt.models.distributions import MOST, Distribution
from mechopt.models.inputs import InputError, checked


@checked
class Holder:
    bidders: tuple[Distribution, ...]


def test_rationals_stay_exact():
    found = Distribution(values=[0.1, "1/3"], probabilities=["1/3", "2/3"])
    assert found.values == (Fraction(1, 10), Fraction(1, 3))
    assert found.probabilities == (Fraction(1, 3), Fraction(2, 3))
    assert found.tails == (1, Fraction(2, 3))
    assert found.parameters() == {"values": [0.1, "1/3"], "probabilities": ["1/3", "2/3"]}
    assert Distribution(**found.parameters()) == found


def test_sums_within_1e_9_are_normalised_exactly():
    found = Distribution(values=[1, 2, 3], probabilities=[0.333333333, 0.333333333, 0.333333333])
    assert found.probabilities == (Fraction(1, 3),) * 3
    assert sum(found.probabilities) == 1
    with pytest.raises(InputError, match=r"probabilities: expected numbers that sum to 1, got 0\.99999999"):
        Distribution(values=[1, 2, 3], probabilities=[0.33333333, 0.33333333, 0.33333333])


def test_values_of_probability_zero_are_left_out_and_remembered():
    found = Distribution(values=[0, 1, 2, 3], probabilities=[0, "1/2", 0, "1/2"])
    assert found.values == (1, 3)
    assert found.dropped == (0, 2)
    assert len(found) == 2


def test_uniform_is_equally_likely_and_includes_both_ends():
    found = Distribution(family="uniform", support=["1/3", 2], points=6)
    assert found.values == tuple(Fraction(1, 3) + k * Fraction(1, 3) for k in range(6))
    assert set(found.probabilities) == {Fraction(1, 6)}
    assert found.parameters() == {"family": "uniform", "support": ["1/3", 2], "points": 6}
    assert Distribution(**found.parameters()) == found


@pytest.mark.parametrize(
    ("family", "own", "support"),
    [
        ("beta", {"a": 2, "b": "5/2"}, [0, 1]),
        ("truncnorm", {"a": -1, "b": 1, "loc": 2, "scale": 0.5}, [1.5, 2.5]),
        ("expon", {}, [0, 4]),
        ("norm", {"loc": 1}, [-1, 2]),
    ],
)
def test_families_have_the_mass_of_cells_given_the_support(family, own, support):
    found = Distribution(family=family, **own, support=support, points=7)
    law = getattr(scipy.stats, family)(**{k: float(Fraction(x)) for k, x in own.items()})
    grid = np.linspace(*support, 7)
    ends = [support[0], *(grid[1:] + grid[:-1]) / 2, support[1]]
    whole = scipy.integrate.quad(law.pdf, *support, epsabs=1e-13)[0]
    for k in range(7):
        cell = scipy.integrate.quad(law.pdf, ends[k], ends[k + 1], epsabs=1e-13)[0]
        assert found.f[k] == pytest.approx(cell / whole, abs=1e-10)
    assert sum(found.probabilities) == 1
    np.testing.assert_allclose(found.v, grid, rtol=1e-15, atol=1e-15)
    assert Distribution(**found.parameters()) == found


def test_far_tails_keep_their_digits():
    found = Distribution(family="expon", support=[0, 60], points=61)
    assert found.f[-2] / found.f[-3] == pytest.approx(np.exp(-1), rel=1e-9)


def test_cells_without_mass_are_left_out():
    found = Distribution(family="beta", a=2, b=2, support=[-1, 1], points=5)
    assert found.values == (0, Fraction(1, 2), 1)
    assert found.dropped == (-1, Fraction(-1, 2))


def test_in_a_model_tables_arrays_and_objects_are_taken():
    uniform = Distribution(family="uniform", support=[0, 1], points=2)
    table = {"values": np.array([0.0, 1.0]), "probabilities": np.array([0.5, 0.5])}
    assert Holder(bidders=[uniform, table]).bidders == (uniform, uniform)


LISTED = {"values": [1, 2], "probabilities": ["1/2", "1/2"]}
SPREAD = {"family": "uniform", "support": [0, 1], "points": 3}
BETA = {"family": "beta", "a": 2, "b": 2, "support": [0, 1], "points": 3}
BAD = {
    "NaN value": ({**LISTED, "values": [1, float("nan")]}, "values[1]", "finite"),
    "infinite value": ({**LISTED, "values": [1, float("inf")]}, "values[1]", "finite"),
    "huge value": ({**LISTED, "values": [1, 1e300]}, "values[1]", "1e15"),
    "NaN chance": ({**LISTED, "probabilities": [float("nan"), 1]}, "probabilities[0]", "finite"),
    "negative chance": ({**LISTED, "probabilities": [-0.5, 1.5]}, "probabilities[0]", "at least 0"),
    "text": ({**LISTED, "values": ["one", 2]}, "values[0]", "finite number"),
    "boolean": ({**LISTED, "values": [True, 2]}, "values[0]", "number"),
    "unsorted": ({**LISTED, "values": [2, 1]}, "values[1]", "above 2"),
    "repeated": ({**LISTED, "values": [1, 1.0]}, "values[1]", "above 1"),
    "empty": ({"values": [], "probabilities": []}, "values", "at least one"),
    "not a list": ({**LISTED, "values": 1}, "values", "a list"),
    "lengths": ({**LISTED, "probabilities": [1]}, "probabilities", "2 numbers"),
    "sum": ({**LISTED, "probabilities": [0.5, 0.4]}, "probabilities", "sum to 1"),
    "all zero": ({**LISTED, "probabilities": [0, 0]}, "probabilities", "sum to 1"),
    "no probabilities": ({"values": [1, 2]}, "probabilities", "a value"),
    "both forms": ({**LISTED, **SPREAD}, "family", "write one of the two forms"),
    "neither form": ({"support": [0, 1]}, "family", "or list values"),
    "empty table": ({}, "family", "or list values"),
    "unknown field": ({**LISTED, "weights": [1]}, "weights", "no such field"),
    "unknown family": ({**SPREAD, "family": "gaussian"}, "family", "continuous family"),
    "discrete family": ({**SPREAD, "family": "poisson"}, "family", "continuous family"),
    "not a family": ({**SPREAD, "family": "mean"}, "family", "continuous family"),
    "family a number": ({**SPREAD, "family": 3}, "family", "string"),
    "no support": ({"family": "uniform", "points": 3}, "support", "a value"),
    "support turned": ({**SPREAD, "support": [1, 0]}, "support", "below the highest"),
    "support a point": ({**SPREAD, "support": [1, 1]}, "support", "below the highest"),
    "three ends": ({**SPREAD, "support": [0, 1, 2]}, "support", "two numbers"),
    "infinite support": ({**SPREAD, "support": [0, float("inf")]}, "support[1]", "finite"),
    "one point": ({**SPREAD, "points": 1}, "points", "from 2 to"),
    "no points": ({**SPREAD, "points": 0}, "points", "at least 1"),
    "half a point": ({**SPREAD, "points": 2.5}, "points", "integer"),
    "too many points": ({**SPREAD, "points": MOST + 1}, "points", "from 2 to 100,000"),
    "uniform with shapes": ({**SPREAD, "a": 1}, "a", "no such field"),
    "shape missing": ({**BETA, "c": 1}, "c", "beta has a, b, loc, scale"),
    "shape left out": ({**SPREAD, "family": "beta", "a": 1}, "b", "a value"),
    "shape negative": ({**BETA, "a": -1}, "a", "scipy.stats.beta allows"),
    "shape NaN": ({**BETA, "a": float("nan")}, "a", "finite"),
    "scale zero": ({**BETA, "scale": 0}, "scale", "scipy.stats.beta allows"),
    "no mass": ({**BETA, "support": [2, 3]}, "support", "has mass"),
    "not a table": (3, "", "a distribution"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_distributions(case):
    fields, field, hint = BAD[case]
    with pytest.raises(InputError) as caught:
        Holder(bidders=[LISTED, fields])
    where = f"bidders[1].{field}" if field else "bidders[1]"
    assert any(str(problem).startswith(f"{where}: expected ") for problem in caught.value.problems), caught.value
    assert hint in str(caught.value)


def test_every_problem_is_listed():
    with pytest.raises(InputError) as caught:
        Holder(bidders=[{**LISTED, "values": [float("nan"), "x"]}, {**SPREAD, "points": 0}])
    assert [p.field for p in caught.value.problems] == [
        "bidders[0].values[0]",
        "bidders[0].values[1]",
        "bidders[1].points",
    ]


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 9)), min_size=1, max_size=8, unique_by=lambda x: x[0]))
def test_any_list_of_weights(pairs):
    pairs = sorted(pairs)
    total = sum(w for _, w in pairs)
    found = Distribution(values=[v for v, _ in pairs], probabilities=[Fraction(w, total) for _, w in pairs])
    assert found.tails[0] == 1
    assert found.tails[-1] == found.probabilities[-1]
    assert Distribution(**found.parameters()) == found


def test_listed_and_uniform_need_no_scipy():
    code = (
        "import sys; from mechopt.models.distributions import Distribution as D;"
        "D(family='uniform', support=[0, 1], points=3); D(values=[1], probabilities=[1]);"
        "assert 'scipy' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
