"""Row generation against the whole program, with limits, stages and rows that repeat."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from mechopt.solvers.linear import LinearProgram
from mechopt.solvers.program import Status
from mechopt.solvers.row_generation import Cuts, solve_lazily


def _box(cost, bound):
    n = len(cost)
    empty = np.zeros(0)
    return LinearProgram(
        np.asarray(cost, float), sp.csc_array((0, n)), empty, empty, np.full(n, -bound), np.full(n, bound),
        np.zeros(n, bool),
    )  # fmt: skip


def _oracle(A, b, groups):
    def ask(x, tolerance):
        miss = b - A @ x
        bad = np.flatnonzero(miss > tolerance)
        return Cuts(sp.csr_array(A[bad]), b[bad], miss[bad], groups[bad], bad[:, None])

    return ask


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_lazy_equals_eager(seed):
    rng = np.random.default_rng(seed)
    m, n = rng.integers(5, 80), rng.integers(1, 7)
    A, b, c = rng.standard_normal((m, n)), -rng.random(m), rng.standard_normal(n)
    whole = linprog(c, -A, -b, bounds=[(-5, 5)] * n, method="highs")
    lazy = solve_lazily(_box(c, 5), {"rows": _oracle(A, b, rng.integers(0, 4, m))}, costs=[rng.standard_normal(n)])
    assert lazy.status is Status.OPTIMAL
    assert lazy.value == pytest.approx(whole.fun, abs=1e-8)
    assert lazy.bound == pytest.approx(whole.fun, abs=1e-8)
    assert (b - A @ lazy.point.x).max() <= 1e-8
    y = np.zeros(m)
    np.add.at(y, lazy.labels["rows"][:, 0] if len(lazy.multipliers["rows"]) else [], lazy.multipliers["rows"])
    assert y.min() >= -1e-9


def test_infeasible_rows_are_found():
    A, b = np.array([[1.0], [-1.0]]), np.array([1.0, 0.0])
    assert solve_lazily(_box([1.0], 5), {"rows": _oracle(A, b, np.zeros(2, int))}).status is Status.INFEASIBLE


def test_a_limit_returns_a_valid_bound():
    rng = np.random.default_rng(0)
    A, b, c = rng.standard_normal((4000, 30)), -rng.random(4000), rng.standard_normal(30)
    whole = linprog(c, -A, -b, bounds=[(-5, 5)] * 30, method="highs")
    for limit in (1e-6, 5e-3):
        lazy = solve_lazily(_box(c, 5), {"rows": _oracle(A, b, np.zeros(4000, int))}, time_limit=limit)
        assert lazy.status in (Status.USER_LIMIT, Status.OPTIMAL)
        assert lazy.bound <= whole.fun + 1e-8


def test_several_families_and_progress():
    A = np.array([[1.0, 0.0], [0.0, 1.0]])
    said = []
    lazy = solve_lazily(
        _box([1.0, 1.0], 9),
        {
            "a": _oracle(A[:1], np.array([2.0]), np.zeros(1, int)),
            "b": _oracle(A[1:], np.array([3.0]), np.zeros(1, int)),
        },
        progress=said.append,
    )
    assert lazy.value == 5
    assert lazy.multipliers == {"a": pytest.approx([1.0]), "b": pytest.approx([1.0])}
    assert any("rows added" in line for line in said)
