"""CVXPY compiles, HiGHS solves, and we measure what came back.

HiGHS can report an optimum with zero infeasibility while rows are violated by 1e-4 (a stale factorisation).
Its word is therefore never passed on: residuals are recomputed from the arrays, and a basis whose point violates
its rows is factorised afresh before the status is called anything less than optimal.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import cvxpy as cp
import highspy
import numpy as np

from mechopt.solvers.certificate import safe_bounds
from mechopt.solvers.linear import LinearProgram, Point, dual_objective, residuals
from mechopt.solvers.program import Array, Program, Residuals, Solution, Statistics, Status
from mechopt.solvers.retained import Retained, Structure, read

FEASIBILITY = 1e-10  # HiGHS's smallest feasibility tolerance
RELAXED = (FEASIBILITY, 10 * FEASIBILITY, 1000 * FEASIBILITY)
ACCURACY = 1e-7  # residuals above this, relative to the size of the data, are not an optimum

_STATUS = {
    highspy.HighsModelStatus.kOptimal: Status.OPTIMAL,
    highspy.HighsModelStatus.kInfeasible: Status.INFEASIBLE,
    highspy.HighsModelStatus.kUnbounded: Status.UNBOUNDED,
    highspy.HighsModelStatus.kUnboundedOrInfeasible: Status.INFEASIBLE_OR_UNBOUNDED,
    highspy.HighsModelStatus.kModelEmpty: Status.OPTIMAL,
    highspy.HighsModelStatus.kTimeLimit: Status.USER_LIMIT,
    highspy.HighsModelStatus.kIterationLimit: Status.USER_LIMIT,
    highspy.HighsModelStatus.kSolutionLimit: Status.USER_LIMIT,
    highspy.HighsModelStatus.kObjectiveBound: Status.USER_LIMIT,
    highspy.HighsModelStatus.kObjectiveTarget: Status.USER_LIMIT,
    highspy.HighsModelStatus.kInterrupt: Status.USER_LIMIT,
}


def compile_program(program: Program) -> tuple[LinearProgram, Any, Any]:
    """The arrays of a program, with CVXPY's chain and inverse data to read results back.

    Raises ValueError when the program is not linear (or mixed-integer linear).
    """
    problem = program.problem
    affine = problem.is_lp() if not problem.is_mixed_integer() else problem.is_dcp()
    if not affine:
        raise ValueError("expected a linear or mixed-integer linear program, got one HiGHS cannot take as such")
    data, chain, inverse = problem.get_problem_data(cp.HIGHS, solver_opts={"use_quad_obj": False})
    equalities = data["dims"].zero
    size = data["A"].shape[1]
    lower, upper = (
        np.full(size, bound) if data[key] is None else np.array(data[key], dtype=float)
        for key, bound in (("lower_bounds", -np.inf), ("upper_bounds", np.inf))
    )
    boolean = np.array(data["bool_vars_idx"], dtype=int)
    lower[boolean], upper[boolean] = np.maximum(lower[boolean], 0), np.minimum(upper[boolean], 1)
    integral = np.zeros(size, dtype=bool)
    integral[boolean] = integral[np.array(data["int_vars_idx"], dtype=int)] = True
    row_lower = np.full(len(data["b"]), -np.inf)
    row_lower[:equalities] = data["b"][:equalities]
    offset = float(np.asarray(inverse[-1]["offset"]).item())
    sign = -1 if program.maximizes else 1
    arrays = LinearProgram(
        np.asarray(data["c"], dtype=float), data["A"].tocsc(), row_lower, np.asarray(data["b"], dtype=float),
        lower, upper, integral, offset, sign,
    )  # fmt: skip
    return arrays, chain, inverse


def load(program: LinearProgram, options: Mapping[str, Any], verbose: bool = False) -> highspy.Highs:
    """A HiGHS model of the arrays, with tight tolerances and then the given options, passed straight through.

    Raises ValueError for an option HiGHS does not take.
    """
    lp = highspy.HighsLp()
    lp.num_row_, lp.num_col_ = program.shape
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = program.cost, program.col_lower, program.col_upper
    lp.row_lower_, lp.row_upper_ = program.row_lower, program.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = program.matrix.indptr
    lp.a_matrix_.index_ = program.matrix.indices
    lp.a_matrix_.value_ = program.matrix.data
    if program.integral.any():
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(flag)] for flag in program.integral]
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", verbose)
    highs.setOptionValue("primal_feasibility_tolerance", FEASIBILITY)
    highs.setOptionValue("dual_feasibility_tolerance", FEASIBILITY)
    for name, value in options.items():
        if highs.setOptionValue(name, value) == highspy.HighsStatus.kError:
            raise ValueError(f"HiGHS takes no option {name!r} with the value {value!r}")
    if highs.passModel(lp) == highspy.HighsStatus.kError:
        raise ValueError("HiGHS refuses the arrays; look for coefficients above 1e15 or NaN")
    return highs


def status_of(highs: highspy.Highs) -> Status:
    """Why HiGHS stopped, in our words."""
    return _STATUS.get(highs.getModelStatus(), Status.SOLVER_ERROR)


def read_point(highs: highspy.Highs, program: LinearProgram) -> Point:
    """The point, multipliers and basis a HiGHS model holds; zeros where it has none."""
    solution, basis = highs.getSolution(), highs.getBasis()
    x = np.asarray(solution.col_value, dtype=float)
    y = np.asarray(solution.row_dual, dtype=float)
    if len(x) != program.shape[1]:
        x = np.clip(np.zeros(program.shape[1]), program.col_lower, program.col_upper)
    if len(y) != program.shape[0]:
        y = np.zeros(program.shape[0])
    if not basis.valid or program.integral.any():
        return Point(x, y)
    basic = highspy.HighsBasisStatus.kBasic
    return Point(
        x, y,
        np.fromiter((s == basic for s in basis.col_status), bool, len(basis.col_status)),
        np.fromiter((s == basic for s in basis.row_status), bool, len(basis.row_status)),
    )  # fmt: skip


def _scale(program: LinearProgram) -> float:
    finite = [np.abs(a[np.isfinite(a)]).max(initial=1.0) for a in (program.row_lower, program.row_upper, program.cost)]
    return float(max(finite))


def _run(highs: highspy.Highs, program: LinearProgram) -> tuple[Status, Point, Residuals]:
    """Run, tell infeasible from unbounded, and factorise afresh when the point betrays a stale basis."""
    highs.run()
    status = status_of(highs)
    if status is Status.INFEASIBLE_OR_UNBOUNDED:
        highs.setOptionValue("presolve", "off")
        highs.run()
        status = status_of(highs)
    for tolerance in RELAXED:  # HiGHS may give up at the tightest tolerances; whatever it returns is measured
        if status is not Status.SOLVER_ERROR:
            break
        highs.clearSolver()
        highs.setOptionValue("primal_feasibility_tolerance", tolerance)
        highs.setOptionValue("dual_feasibility_tolerance", tolerance)
        highs.run()
        status = status_of(highs)
    point = read_point(highs, program)
    found = residuals(program, point)
    limit = ACCURACY * _scale(program)
    if status is Status.OPTIMAL and not program.integral.any() and max(found.primal, found.dual) > FEASIBILITY * 10:
        basis = highs.getBasis()
        if basis.valid:
            highs.clearSolver()
            highs.setBasis(basis)
            highs.run()
            fresh = read_point(highs, program)
            again = residuals(program, fresh)
            if max(again.primal, again.dual) < max(found.primal, found.dual):
                point, found = fresh, again
    worst = found.primal if program.integral.any() else max(found.primal, found.dual)
    if status is Status.OPTIMAL and worst > limit:
        status = Status.OPTIMAL_INACCURATE
    return status, point, found


def _bound(highs: highspy.Highs, program: LinearProgram, point: Point, found: Residuals) -> float:
    """A lower bound of the compiled minimisation: the dual objective where its signs are right, else a safe one."""
    if program.integral.any():
        return float(highs.getInfo().mip_dual_bound)
    if found.dual <= FEASIBILITY * _scale(program):
        return dual_objective(program, point)
    return safe_bounds(program, point.x, point.y)[0]


def _results(highs: highspy.Highs, point: Point, status: Status) -> dict[str, Any]:
    """What CVXPY's HiGHS interface reads its solution from."""
    solution = highspy.HighsSolution()
    solution.col_value, solution.row_dual = point.x, point.y
    name = {Status.OPTIMAL: "kOptimal", Status.OPTIMAL_INACCURATE: "kOptimal", Status.USER_LIMIT: "kTimeLimit"}[status]
    return {"solution": solution, "basis": highs.getBasis(), "info": highs.getInfo(), "model_status": name,
            "run_time": highs.getRunTime()}  # fmt: skip


def _signed(program: Program, constraint: cp.Constraint, raw: Any) -> Array:
    """CVXPY's multiplier in our convention: an inequality's is nonnegative, an equality's is d value / d right side."""
    value = np.asarray(raw, dtype=float)
    if isinstance(constraint, cp.constraints.Equality | cp.constraints.Zero) and not program.maximizes:
        value = -value
    return value.reshape(constraint.shape) + 0.0


def solve(
    program: Program,
    *,
    time_limit: float | None = None,
    options: Mapping[str, Any] | None = None,
    verbose: bool = False,
    memory: Retained | None = None,
) -> Solution:
    """Solve any linear or mixed-integer linear Program with HiGHS.

    `time_limit` is in seconds; `options` go straight to HiGHS. `memory` keeps what the next program of this structure
    can use. The result's multipliers follow docs/duality.md.
    Raises ValueError for a program that is not linear or an option HiGHS does not know.

    >>> x = cp.Variable(name="x")
    >>> solution = solve(Program(cp.Minimize(3 * x), {"floor": x >= 2}))
    >>> assert solution.value == 6 and solution.dual["floor"] == 3
    """
    reading = None if memory is None else read(program)
    if memory is None or reading is None:
        return _solve(program, program, None, time_limit, options or {}, verbose)
    mark = (reading.mark, tuple(sorted((options or {}).items())))
    known = memory.known(mark)
    if known is None:
        structure = memory.structure(reading)
        used = program if structure is None or structure.program is None else structure.program
        known = _solve(program, used, structure, time_limit, options or {}, verbose)
        memory.keep(mark, known)
        return known
    for name, variable in program.variables.items():
        variable.save_value(known.primal[name].copy())
    return replace(
        known, primal={k: v.copy() for k, v in known.primal.items()}, dual={k: v.copy() for k, v in known.dual.items()},
        statistics=replace(known.statistics, build_seconds=0.0, solve_seconds=0.0),
    )  # fmt: skip


def _solve(
    program: Program, used: Program, structure: Structure | None, time_limit: float | None, options: Mapping[str, Any],
    verbose: bool,
) -> Solution:  # fmt: skip
    """Solve `used`, the program itself or one of its structure with its numbers, from the structure's basis if any."""
    started = time.perf_counter()
    compiled, chain, inverse = compile_program(used)
    highs = load(compiled, options, verbose)
    if time_limit is not None:
        highs.setOptionValue("time_limit", float(time_limit))
    basis = None if structure is None else structure.start()
    if basis is not None:
        highs.setBasis(basis)
    built = time.perf_counter()
    status, point, found = _run(highs, compiled)
    if structure is not None and status is Status.OPTIMAL:
        structure.learn(highs.getBasis(), basis is not None, time.perf_counter() - built)
    info = highs.getInfo()
    counts = (info.simplex_iteration_count, info.ipm_iteration_count, info.crossover_iteration_count,
              info.pdlp_iteration_count)  # fmt: skip
    iterations = sum(max(0, int(count)) for count in counts)
    statistics = Statistics(
        *compiled.shape, compiled.matrix.nnz, iterations, built - started, time.perf_counter() - built
    )
    worst = compiled.sign * np.inf
    if not status.has_point:
        value = {Status.INFEASIBLE: worst, Status.UNBOUNDED: -worst}.get(status, np.nan)
        return Solution(status, float(value), -float(worst), {}, {}, Residuals(), statistics, compiled, point)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        unpacked = chain.invert(_results(highs, point, status), inverse)
    primal = {name: np.asarray(unpacked.primal_vars[v.id], dtype=float).reshape(v.shape, order="F") + 0.0
              for name, v in used.variables.items()}  # fmt: skip
    found_duals = unpacked.dual_vars or {}
    dual = {name: _signed(used, row, found_duals[row.id])
            for name, row in used.constraints.items() if row.id in found_duals}  # fmt: skip
    for name, variable in program.variables.items():
        variable.save_value(primal[name])
    value = compiled.sign * (float(compiled.cost @ point.x) + compiled.offset)
    bound = compiled.sign * (_bound(highs, compiled, point, found) + compiled.offset)
    return Solution(status, value, bound, primal, dual, found, statistics, compiled, point)
