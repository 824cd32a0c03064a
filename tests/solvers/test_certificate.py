"""Exact numbers, outward rounding, and exact bounds when the basis is missing, wrong or the point infeasible."""

import dataclasses
from fractions import Fraction

import cvxpy as cp
import flint
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mechopt.solvers.certificate import exact_bounds
from mechopt.solvers.highs import solve
from mechopt.solvers.linear import residuals
from mechopt.solvers.program import Program
from mechopt.solvers.rational import above, below, nearest, rational, text


@given(st.fractions(max_denominator=10**30))
def test_rounding_encloses_and_is_tight(number):
    exact = rational(number)
    low, high = below(exact), above(exact)
    assert Fraction(low) <= number <= Fraction(high)
    assert high <= np.nextafter(low, np.inf)
    assert rational(text(exact)) == exact
    assert low <= nearest(exact) <= high


@pytest.mark.parametrize("bad", ["x", "1/0", float("nan"), float("inf"), True, None, [1], "nan", "1//2"])
def test_what_is_no_number_is_refused(bad):
    with pytest.raises(ValueError, match="number"):
        rational(bad)


def _lottery(n):
    margins = np.arange(1, n + 1) / n
    r, x = cp.Variable(name="r"), cp.Variable(n, name="x")
    profit = np.tril(np.ones((n, n))) * margins @ x
    return Program(cp.Minimize(r), {"regret": profit + r >= margins, "one": cp.sum(x) <= 1, "sign": x >= 0})


def test_basis_gives_the_optimum_as_a_fraction():
    solution = solve(_lottery(8))
    exact = exact_bounds(solution.compiled, solution.point)
    assert exact.closed
    rows = _rows(solution.compiled)
    assert sum(c * v for c, v in zip(rows["cost"], exact.x, strict=True)) == exact.upper


def _rows(compiled):
    return {"cost": [rational(float(c)) for c in compiled.cost]}


def test_without_a_basis_projection_and_an_anchor_still_prove_bounds():
    solution = solve(_lottery(8))
    best = exact_bounds(solution.compiled, solution.point).upper
    rng = np.random.default_rng(3)
    noisy = dataclasses.replace(
        solution.point,
        x=solution.point.x + 1e-7 * rng.standard_normal(9),
        y=solution.point.y * (1 + 1e-7 * rng.standard_normal(len(solution.point.y))),
        basic_columns=None,
        basic_rows=None,
    )
    order = [v.name() for v in solve(_lottery(8)).compiled and _lottery(8).problem.variables()]
    inside = {"r": np.array([2.0]), "x": np.full(8, 0.1)}
    anchor = np.concatenate([inside[name] for name in order])
    if residuals(solution.compiled, dataclasses.replace(noisy, x=anchor)).primal > 0:
        anchor = np.concatenate([inside[name] for name in reversed(order)])
    exact = exact_bounds(solution.compiled, noisy, anchor)
    assert exact.upper is not None
    assert exact.upper >= best
    assert nearest(exact.upper - best) < 1e-5
    assert exact.lower is not None
    assert exact.lower <= best
    assert nearest(best - exact.lower) < 1e-5


def test_a_wrong_basis_never_yields_a_wrong_bound():
    solution = solve(_lottery(6))
    best = exact_bounds(solution.compiled, solution.point).upper
    rng = np.random.default_rng(5)
    seen = 0
    for _ in range(60):
        columns = rng.permutation(solution.point.basic_columns)
        rows = rng.permutation(solution.point.basic_rows)
        wrong = dataclasses.replace(solution.point, basic_columns=columns, basic_rows=rows)
        exact = exact_bounds(solution.compiled, wrong)
        assert exact.upper is None or exact.upper >= best
        assert exact.lower is None or exact.lower <= best
        seen += exact.lower is None or exact.upper is None or not exact.closed
    assert seen > 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_random_programs_exact_bounds_agree_with_the_solver(seed):
    rng = np.random.default_rng(seed)
    m, n = rng.integers(1, 6), rng.integers(1, 6)
    x = cp.Variable(n, name="x")
    A, b, c = rng.integers(-4, 5, (m, n)), rng.integers(0, 9, m), rng.integers(-5, 6, n)
    program = Program(cp.Maximize(c @ x), {"rows": A @ x <= b, "low": x >= -3, "high": x <= 4})
    solution = solve(program)
    exact = exact_bounds(solution.compiled, solution.point)
    assert exact.closed
    assert nearest(exact.lower) == pytest.approx(solution.value, abs=1e-9)
    assert isinstance(exact.lower, flint.fmpq)
