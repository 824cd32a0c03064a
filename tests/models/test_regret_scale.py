"""Several goods: every engine equals the specification, and what the engines skip is checked all the same."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mechopt as mo
from mechopt.models.regret.regret_engines import lattice
from mechopt.models.regret.regret_polytope import (
    TriangulatedMechanism,
    Triangulation,
    nodes,
    program,
    steps,
    strictly_convex,
)
from mechopt.models.regret.regret_pricing import RegretPricing, grid_optimum
from mechopt.models.regret.regret_rows import violated
from mechopt.models.regret.regret_sweep import Lattice, sweep
from mechopt.solvers.highs import solve as highs

SMALL = [
    {"upper": [1, 1], "points": 5},
    {"upper": [1, 2], "cost": ["1/4", "1/2"], "points": 4},
    {"upper": [1, 1], "lower": ["1/2", "1/5"], "points": 4},
    {"upper": [3, 1], "lower": [1, "1/2"], "cost": [2, "1/4"], "points": 4},
    {"upper": [1, 1], "cost": ["1/2", 2], "points": 4},
    {"upper": [1, 1, 1], "points": 2},
    {"upper": [1, 1], "points": 6, "budget": 1},
    {"upper": [1, 1], "points": 6, "budget": "3/2"},
    {"upper": [1, 2], "points": 4, "budget": "7/4", "lower": ["1/4", 0]},
    {"upper": [1, 1], "cost": ["1/4", "1/8"], "points": 6, "budget": 1},
    {"upper": [1, 1, 1], "points": 3, "budget": 2},
]


@pytest.mark.parametrize("fields", SMALL, ids=str)
def test_every_engine_solves_the_same_program(fields):
    model = RegretPricing(**fields)
    plain = highs(model.primal())
    for method in (None, "rows", "all-pairs"):
        result = mo.solve(model, method=method)
        assert result.value == pytest.approx(plain.value, abs=1e-8), result.document["method"]
        assert result.quantities["finite_lower"] <= plain.value + 1e-8
        assert result.quantities["finite_upper"] >= plain.value - 1e-8
        assert result.quantities["finite_upper"] - result.quantities["finite_lower"] <= 1e-6
        assert result.bounds.certified
        assert result.verify().passed


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 3).flatmap(lambda J: st.tuples(*[st.tuples(st.integers(0, 3), st.integers(1, 5))] * J)),
    st.integers(1, 3),
)
def test_sweep_equals_specification_on_random_boxes(bounds, n):
    model = RegretPricing(upper=[lo + width for lo, width in bounds], lower=[lo for lo, _ in bounds], points=n)
    if model.types > 70:
        return
    found, _ = sweep(lattice(model))
    assert found.regret == pytest.approx(highs(model.primal()).value, abs=1e-8)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_rows_equal_specification_on_scattered_profiles(seed):
    rng = np.random.default_rng(seed)
    profiles = np.unique(rng.integers(0, 20, (rng.integers(3, 30), rng.integers(1, 4))), axis=0)
    model = RegretPricing(profiles=profiles, cost=rng.integers(0, 6, profiles.shape[1]))
    result = mo.solve(model, method="rows")
    assert result.value == pytest.approx(highs(model.primal()).value, abs=1e-7)
    assert result.bounds.certified
    assert result.bounds.width <= 1e-5


def test_the_sweeps_multipliers_are_a_dual_point():
    grid = Lattice((np.arange(5) / 4, 0.2 + np.arange(4) / 5))
    found, multipliers = sweep(grid)
    margins, (h1, h2) = grid.margins(), grid.steps
    surplus = multipliers.alpha @ sum(margins)
    price = sum(
        np.maximum(multipliers.alpha * mu - multipliers.gamma[:, j] * h, 0).sum()
        for j, (mu, h) in enumerate(zip(margins, (h1, h2), strict=True))
    )
    assert multipliers.alpha.sum() == pytest.approx(1)
    assert multipliers.gamma.min() >= 0
    assert surplus - price == pytest.approx(found.regret, abs=1e-12)


def test_large_boxes_are_exact_and_every_row_is_checked():
    for fields, total in (({"upper": [1, 1], "points": 120}, 2), ({"upper": [1, 2, 3], "points": 12}, 6)):
        result = mo.solve(RegretPricing(**fields))
        assert result.document["method"] == "sweep"
        expected = total * grid_optimum(fields["points"])
        finite = result.certificate["finite"]
        assert Fraction(finite["lower"]) == Fraction(finite["upper"]) == expected
        assert result.verify().passed


def test_budget_of_the_unit_simplex_is_bundling():
    """With no costs and v1 + v2 <= 1 the grand bundle is optimal: the one-good value."""
    result = mo.solve(RegretPricing(upper=[1, 1], points=12, budget=1))
    assert result.value == pytest.approx(float(grid_optimum(12)), abs=1e-9)
    assert result.bounds.problem == "continuum"
    assert result.bounds.lower <= np.exp(-1) <= result.bounds.upper


def test_budget_bracket_closes_at_first_order():
    widths = [mo.solve(RegretPricing(upper=[1, 1], points=n, budget=1)).bounds.width for n in (8, 16)]
    assert 1.7 <= widths[0] / widths[1] <= 2.6


@pytest.mark.parametrize("goods", [2, 3])
def test_triangulation_tiles_the_box(goods):
    mesh = Triangulation(3, goods)
    corners = nodes(RegretPricing(upper=[3] * goods, points=3))[mesh.simplices]
    volume = np.abs(np.linalg.det(np.diff(corners, axis=1)))
    assert volume.sum() / [1, 1, 2, 6][goods] == pytest.approx(3**goods)
    assert (volume > 0).all()


@pytest.mark.parametrize(
    "fields", [{"upper": [1, 2], "points": 5, "budget": 2}, {"upper": [1, 1, 1], "points": 3, "budget": 2}]
)
def test_triangulated_mechanism_is_truthful_between_the_nodes(fields):
    model = RegretPricing(**fields)
    anchor = strictly_convex(model)
    a, b, low, high = Triangulation(model.points, model.goods).parallelograms.T
    assert (anchor[a] + anchor[b] - anchor[low] - anchor[high]).min() > 0
    solution = highs(program(model))
    for utility in (anchor, solution.primal["u"]):
        mechanism = TriangulatedMechanism(utility, np.zeros(model.goods), steps(model), model.points)
        V = np.random.default_rng(0).random((800, model.goods)) * [float(x) for x in model.upper]
        q, m = mechanism(V)
        lie = V @ q.T - m
        assert (lie - np.diag(lie)[:, None]).max() <= 1e-9
        assert q.min() >= -1e-9
        assert q.max() <= 1 + 1e-9
    inside = V.sum(axis=1) <= float(model.budget)
    regret = V[inside].sum(axis=1) - m[inside]
    assert regret.max() <= solution.value + 1e-9


def test_triangulated_mechanism_holds_on_the_faces_of_the_box():
    result = mo.solve(RegretPricing(upper=[1, 1], points=8, budget="3/2"))
    edge = np.linspace(0, 1, 41)
    V = np.concatenate(
        [np.column_stack(p) for p in ((edge, 0 * edge), (edge, 0 * edge + 1), (0 * edge, edge), (0 * edge + 1, edge))]
    )
    q, m = result.mechanism(V)
    lie = V @ q.T - m
    assert (lie - np.diag(lie)[:, None]).max() <= 1e-7
    assert np.diag(lie).min() >= -1e-9
    within = V.sum(axis=1) <= 1.5
    assert (V[within].sum(axis=1) - m[within]).max() <= result.bounds.upper + 1e-7


def test_separation_finds_the_worst_misreport():
    V = np.array([[0.0], [1.0], [2.0]])
    u, q = np.array([0.0, 0.0, 0.0]), np.array([[0.0], [0.5], [1.0]])
    pairs, gains = violated(V, u, q, 1e-9)
    assert pairs.tolist() == [[2, 1]]
    assert gains == pytest.approx([0.5])


def test_a_sweep_stopped_early_still_bounds():
    result = mo.solve(RegretPricing(upper=[1, 1], points=200), time_limit=1e-6)
    assert result.status == "user_limit"
    assert result.bounds.certified
    assert result.quantities["finite_lower"] <= 2 * float(grid_optimum(200)) <= result.quantities["finite_upper"]
    assert result.value == result.quantities["finite_upper"]
