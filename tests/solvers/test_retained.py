"""Programs solved with a memory have the values they have without one, whatever moves between them."""

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mechopt as mo
from mechopt.solvers.highs import solve
from mechopt.solvers.program import Program, Status
from mechopt.solvers.retained import Retained


def transport(supply, demand, cost):
    """Ship at least cost; an equality, an inequality and an attribute."""
    x = cp.Variable(cost.shape, name="x", nonneg=True)
    return Program(cp.Minimize(cp.sum(cp.multiply(cost, x)) + 3), {
        "supply": cp.sum(x, axis=1) <= supply, "demand": cp.sum(x, axis=0) == demand,
    })  # fmt: skip


def random_transport(rng):
    demand = rng.integers(1, 9, 3).astype(float)
    return transport(np.full(4, demand.sum() / 3), demand, rng.uniform(1, 5, (4, 3)))


def test_values_multipliers_and_residuals_are_those_of_a_single_solve():
    memory, rng = Retained(), np.random.default_rng(3)
    for _ in range(25):
        program = random_transport(rng)
        kept, alone = solve(program, memory=memory), solve(program)
        assert kept.status is alone.status is Status.OPTIMAL
        assert kept.value == pytest.approx(alone.value, abs=1e-9)
        assert kept.bound == pytest.approx(alone.value, abs=1e-7)
        assert max(kept.residuals.primal, kept.residuals.dual) < 1e-8
        x, cost = kept.primal["x"], program.objective.args[0].args[0].args[0].args[0].value
        assert (cost * x).sum() + 3 == pytest.approx(alone.value, abs=1e-9)
        reduced = cost + kept.dual["supply"][:, None] - np.abs(kept.dual["demand"])[None, :]
        assert reduced.min() > -1e-7
        assert kept.dual["supply"].min() >= 0
    assert memory.compiled <= 2  # once more where a number that stood still at first began to move
    assert memory.reused == 24


def test_one_constant_moves_then_another():
    memory, cost = Retained(), np.arange(12.0).reshape(4, 3) + 1
    supply, demand = np.full(4, 5.0), np.array([3.0, 4.0, 5.0])
    for k in range(1, 4):
        assert solve(transport(supply, demand + k / 10, cost), memory=memory).value == pytest.approx(
            solve(transport(supply, demand + k / 10, cost)).value, abs=1e-9
        )
    for k in range(1, 4):
        assert solve(transport(supply, demand, cost * k), memory=memory).value == pytest.approx(
            solve(transport(supply, demand, cost * k)).value, abs=1e-9
        )
    assert memory.compiled == 2


def test_infeasible_after_feasible_and_back():
    def box(low, high):
        x = cp.Variable(name="x")
        return Program(cp.Minimize(x), {"low": x >= low, "high": x <= high})

    memory = Retained()
    found = [solve(box(*ends), memory=memory) for ends in ((0, 1), (1, 2), (3, 2), (2, 4), (3, 2))]
    assert [f.status for f in found] == [Status.OPTIMAL] * 2 + [Status.INFEASIBLE, Status.OPTIMAL, Status.INFEASIBLE]
    assert found[3].value == 2


def test_other_shapes_names_senses_and_options_are_other_programs():
    def program(n, name="x", maximize=False):
        x = cp.Variable(n, name=name)
        goal = cp.Maximize(-cp.sum(x)) if maximize else cp.Minimize(cp.sum(x))
        return Program(goal, {"floor": x >= 1, "roof": x <= 7})

    memory = Retained()
    assert solve(program(2), memory=memory).value == 2
    assert solve(program(3), memory=memory).value == 3
    assert solve(program(3, "y"), memory=memory).primal.keys() == {"y"}
    assert solve(program(3, maximize=True), memory=memory).value == -3
    assert memory.repeated == 0
    assert solve(program(3), memory=memory).value == 3
    assert memory.repeated == 1
    solve(program(3), memory=memory, options={"presolve": "off"})
    assert memory.repeated == 1


def test_what_a_caller_does_to_a_repeated_solution_stays_with_the_caller():
    memory = Retained()
    first = solve(random_transport(np.random.default_rng(1)), memory=memory)
    first_value = first.primal["x"].copy()
    again = solve(random_transport(np.random.default_rng(1)), memory=memory)
    again.primal["x"][:] = -1
    third = random_transport(np.random.default_rng(1))
    assert np.array_equal(solve(third, memory=memory).primal["x"], first_value)
    assert np.array_equal(third.variables["x"].value, first_value)
    assert memory.repeated == 2


def test_integral_programs_and_users_parameters_are_solved_as_ever():
    memory = Retained()
    for k in (1, 2, 3):
        x = cp.Variable(name="x", integer=True)
        assert solve(Program(cp.Minimize(x), {"floor": x >= k + 0.5}), memory=memory).value == k + 1
        y, p = cp.Variable(name="y"), cp.Parameter(value=float(k))
        assert solve(Program(cp.Minimize(y), {"floor": y >= p}), memory=memory).value == k
    assert memory.compiled == memory.reused == memory.repeated == 0


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=3, max_size=6))
def test_results_with_a_memory_are_those_without(lows):
    memory = Retained()
    for low in lows:
        model = mo.RegretPricing(upper=[1, 2], lower=[f"{low}/50", 0], points=4)
        kept, alone = mo.solve(model, memory=memory), mo.solve(model)
        assert kept.value == pytest.approx(alone.value, abs=1e-9)
        assert kept.bounds.lower == pytest.approx(alone.bounds.lower, abs=1e-9)
        assert kept.bounds.upper == pytest.approx(alone.bounds.upper, abs=1e-9)
        assert kept.bounds.certified
        assert kept.verify().passed
