"""Ten small programs with value, primal and dual known by hand, through every solver path there is."""

import cvxpy as cp
import numpy as np
import pytest

from mechopt.solvers.certificate import exact_bounds, safe_bounds
from mechopt.solvers.highs import solve
from mechopt.solvers.program import Program, SolveError, Status

PATHS = {
    "highs": lambda program: solve(program),
    "highs without presolve": lambda program: solve(program, options={"presolve": "off"}),
    "interior point": lambda program: solve(program, options={"solver": "ipm"}),
    "primal simplex": lambda program: solve(program, options={"simplex_strategy": 4}),
}


def _x(size=None, **attributes):
    return cp.Variable(size, name="x", **attributes) if size else cp.Variable(name="x", **attributes)


def feasible():
    """Max 3a + 5b, the textbook product mix: value 36 at (2, 6), prices 0, 3/2, 1."""
    x = _x(2)
    rows = {"plant1": x[0] <= 4, "plant2": 2 * x[1] <= 12, "plant3": 3 * x[0] + 2 * x[1] <= 18, "sign": x >= 0}
    dual = {"plant1": 0, "plant2": 1.5, "plant3": 1, "sign": [0, 0]}
    return Program(cp.Maximize(3 * x[0] + 5 * x[1]), rows), 36, {"x": [2, 6]}, dual


def minimum_with_equality():
    """Min a + 2b + 7 s.t. a + b == 5, both >= 1: one more unit of the right side costs 1."""
    x = _x(2)
    rows = {"sum": x[0] + x[1] == 5, "floor": x >= 1}
    return Program(cp.Minimize(x[0] + 2 * x[1] + 7), rows), 13, {"x": [4, 1]}, {"sum": 1, "floor": [0, 1]}


def maximum_with_equality():
    """The same problem upside down: the equality's multiplier changes sign, the inequality's does not."""
    x = _x(2)
    rows = {"sum": x[0] + x[1] == 5, "floor": x >= 1}
    return Program(cp.Maximize(-x[0] - 2 * x[1] - 7), rows), -13, {"x": [4, 1]}, {"sum": -1, "floor": [0, 1]}


def degenerate():
    """Three rows meet in the optimum of a plane: value and point are unique, the multipliers are not."""
    x = _x(2)
    rows = {"a": x[0] <= 1, "b": x[1] <= 1, "c": x[0] + x[1] <= 2, "sign": x >= 0}
    return Program(cp.Maximize(cp.sum(x)), rows), 2, {"x": [1, 1]}, None


def free_variables():
    """Min |a - 3| by two rows on a free t: both sides hold it with 1/2 each at a = 3 is one of many duals."""
    x, t = _x(), cp.Variable(name="t")
    rows = {"right": t >= x - 3, "left": t >= 3 - x, "pin": x == -1}
    return Program(cp.Minimize(t), rows), 4, {"x": -1, "t": 4}, {"right": 0, "left": 1, "pin": -1}


def badly_scaled():
    """Coefficients from 1e-6 to 1e6."""
    x = _x(2)
    rows = {"tiny": 1e-6 * x[0] >= 1, "huge": 1e6 * x[1] >= 1}
    dual = {"tiny": 1e6, "huge": 1e-6}
    return Program(cp.Minimize(x[0] + x[1]), rows), 1e6 + 1e-6, {"x": [1e6, 1e-6]}, dual


def equality_only():
    """No inequality at all: a + b = 3, a - b = 1."""
    x = _x(2)
    rows = {"sum": x[0] + x[1] == 3, "difference": x[0] - x[1] == 1}
    return Program(cp.Minimize(x[0] + 3 * x[1]), rows), 5, {"x": [2, 1]}, {"sum": 2, "difference": -1}


def matrix_variable():
    """A transport problem: a matrix variable comes back in its own shape."""
    x = cp.Variable((2, 2), name="x")
    cost = np.array([[1.0, 3.0], [2.0, 1.0]])
    rows = {"supply": cp.sum(x, axis=1) <= [3, 3], "demand": cp.sum(x, axis=0) >= [2, 2], "sign": x >= 0}
    dual = {"supply": [0, 0], "demand": [1, 1], "sign": [[0, 2], [1, 0]]}
    return Program(cp.Minimize(cp.sum(cp.multiply(cost, x))), rows), 4, {"x": [[2, 0], [0, 2]]}, dual


OPTIMAL = (
    feasible, minimum_with_equality, maximum_with_equality, degenerate, free_variables, badly_scaled, equality_only,
    matrix_variable,
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("build", OPTIMAL, ids=lambda f: f.__name__)
def test_optimal_programs(build, path):
    program, value, primal, dual = build()
    solution = PATHS[path](program)
    assert solution.status is Status.OPTIMAL
    assert solution.value == pytest.approx(value, rel=1e-9)
    assert solution.bound == pytest.approx(value, rel=1e-7)
    assert solution.residuals.primal <= 1e-8
    assert solution.residuals.dual <= 1e-8
    for name, expected in primal.items():
        np.testing.assert_allclose(solution.primal[name], expected, rtol=1e-7, atol=1e-7)
        np.testing.assert_allclose(program.variables[name].value, solution.primal[name])
    for name, row in program.constraints.items():
        assert solution.dual[name].shape == row.shape
        if dual is not None:
            np.testing.assert_allclose(solution.dual[name], dual[name], rtol=1e-6, atol=1e-6)
    assert solution.statistics.rows >= 1
    assert solution.statistics.nonzeros >= 1


@pytest.mark.parametrize("path", PATHS)
def test_infeasible_program(path):
    x = _x()
    solution = PATHS[path](Program(cp.Minimize(x), {"high": x >= 2, "low": x <= 1}))
    assert solution.status is Status.INFEASIBLE
    assert solution.value == np.inf
    with pytest.raises(SolveError, match="no point satisfies every row"):
        solution.require()


@pytest.mark.parametrize("path", PATHS)
def test_unbounded_program(path):
    x = _x(2)
    solution = PATHS[path](Program(cp.Maximize(x[0]), {"row": x[0] - x[1] <= 1}))
    assert solution.status is Status.UNBOUNDED
    assert solution.value == np.inf
    with pytest.raises(SolveError, match="unbounded"):
        solution.require()


@pytest.mark.parametrize("build", OPTIMAL, ids=lambda f: f.__name__)
def test_multipliers_are_rates_of_change(build):
    """docs/duality.md: relax or move a right side by h and the optimum moves by the multiplier times h."""
    program, value, _, dual = build()
    if dual is None:
        pytest.skip("degenerate: one-sided rates only")
    solution = solve(program)
    for name, row in program.constraints.items():
        if row.size > 1:
            continue
        multiplier = float(solution.dual[name])
        step = 1e-3 * (1e-3 if name == "huge" else 1)
        if isinstance(row, cp.constraints.zero.Equality):
            moved = row.args[0] == row.args[1] + step
            expected = value + step * multiplier
        else:
            moved = row.args[0] <= row.args[1] + step  # CVXPY stores a >= b as b <= a: relaxed either way
            expected = value + step * multiplier * (1 if program.maximizes else -1)
        found = solve(Program(program.objective, {**program.constraints, name: moved})).value
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9), name


@pytest.mark.parametrize("build", OPTIMAL, ids=lambda f: f.__name__)
def test_exact_bounds_close_on_the_optimum(build):
    program, value, _, _ = build()
    solution = solve(program)
    exact = exact_bounds(solution.compiled, solution.point)
    assert exact.closed
    assert float(int(exact.lower.p) / int(exact.lower.q)) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("build", OPTIMAL, ids=lambda f: f.__name__)
def test_safe_bounds_never_cross_the_optimum(build):
    program, value, _, _ = build()
    solution = solve(program)
    compiled = solution.compiled
    inner = compiled.sign * value - compiled.offset
    box = (np.full(compiled.shape[1], -2e6), np.full(compiled.shape[1], 2e6))
    rng = np.random.default_rng(1)
    for noise in (0.0, 1e-12, 1e-6, 1e-1):
        x = solution.point.x + noise * rng.standard_normal(len(solution.point.x))
        y = solution.point.y + noise * rng.standard_normal(len(solution.point.y))
        lower, upper = safe_bounds(compiled, x, y, box)
        assert lower <= inner + 1e-12 * abs(inner)
        assert upper >= inner - 1e-12 * abs(inner)


def test_mixed_integer_program_has_no_dual_but_a_bound():
    x = cp.Variable(3, boolean=True, name="x")
    program = Program(cp.Maximize(np.array([5, 4, 3]) @ x), {"weight": np.array([2, 3, 1]) @ x <= 5})
    solution = solve(program)
    assert solution.status is Status.OPTIMAL
    assert solution.value == pytest.approx(9)
    assert solution.bound == pytest.approx(9)
    assert solution.dual == {}
    assert np.isnan(solution.residuals.dual)
    np.testing.assert_allclose(solution.primal["x"], [1, 1, 0], atol=1e-9)


def test_options_go_straight_through_and_unknown_ones_are_refused():
    program, *_ = feasible()
    with pytest.raises(ValueError, match="no_such_option"):
        solve(program, options={"no_such_option": 1})


def test_nonlinear_programs_are_refused():
    x = _x(2)
    with pytest.raises(ValueError, match="linear"):
        solve(Program(cp.Minimize(cp.norm(x, 2)), {"row": cp.sum(x) == 1}))


def _assignment(n=60):
    rng = np.random.default_rng(0)
    x = cp.Variable((n, n), name="x")
    rows = {"rows": cp.sum(x, axis=1) == 1, "columns": cp.sum(x, axis=0) == 1, "sign": x >= 0}
    return Program(cp.Minimize(cp.sum(cp.multiply(rng.random((n, n)), x))), rows)


def test_time_limit_returns_an_incumbent_and_a_bound():
    program = _assignment()
    solution = solve(program, time_limit=1e-9)
    assert solution.status is Status.USER_LIMIT
    assert solution.primal["x"].shape == (60, 60)
    assert solution.bound <= solve(program).value + 1e-9


def test_two_variables_of_one_name_are_refused():
    a, b = cp.Variable(name="x"), cp.Variable(name="x")
    with pytest.raises(ValueError, match="'x'"):
        _ = Program(cp.Minimize(a + b), {"row": a + b >= 1}).variables
