"""The Bellman program of a decision process and its dual over discounted occupation measures, as CVXPY programs.

Both are printed in solvers/decision.py. With a horizon, v and occupation carry the period, and the last period's
values have no successor.
"""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from mechopt.solvers.decision import Array, Dynamics
from mechopt.solvers.memory import Size
from mechopt.solvers.program import Program


def size(dynamics: Dynamics) -> Size:
    """Rows, columns and nonzeros of the Bellman program, before it is built."""
    rows = int(dynamics.feasible.sum()) * (dynamics.states // dynamics.H)
    T = dynamics.periods
    return Size(T * rows, T * dynamics.states, T * (dynamics.nonzeros + rows))


def bellman_program(dynamics: Dynamics, reward: Array, start: Array) -> Program:
    """The least v above every action's value; `reward` (A, S), `start` (S,), positive where values are wanted.

    >>> from mechopt.solvers.highs import solve
    >>> coin = Dynamics((np.full((2, 1, 2, 2), 0.5),), np.zeros((2, 1), int), np.ones((2, 1), bool), 0.5)
    >>> found = solve(bellman_program(coin, np.array([[0.0, 0.0], [-1.0, 3.0]]), np.array([0.5, 0.5])))
    >>> assert abs(found.value - 3) < 1e-9 and abs(found.dual["occupation"].sum() - 2) < 1e-9
    """
    v = cp.Variable((dynamics.periods, dynamics.states), name="v")
    rows, gains = _rows(dynamics, reward)
    here, after = _step(dynamics, rows)
    flat = cp.reshape(v, (v.size,), order="C")
    return Program(cp.Minimize(start @ v[0]), {"occupation": here @ flat - dynamics.discount * (after @ flat) >= gains})


def occupation_program(dynamics: Dynamics, reward: Array, start: Array) -> Program:
    """The dual: the discounted occupation measure that earns most; the multipliers of its rows are the values v."""
    rows, gains = _rows(dynamics, reward)
    here, after = _step(dynamics, rows)
    x = cp.Variable(len(gains), name="occupation")
    first = np.zeros(dynamics.periods * dynamics.states)
    first[: dynamics.states] = start
    flow: Any = here.T @ x - dynamics.discount * (after.T @ x)
    return Program(cp.Maximize(gains @ x), {"v": flow == first, "sign": x >= 0})


def _rows(dynamics: Dynamics, reward: Array) -> tuple[Any, Array]:
    """The feasible pairs of action and state, as rows of `matrix`, and the reward of each in every period."""
    rows = np.flatnonzero(dynamics.allowed.ravel())
    return rows, np.tile(reward.ravel()[rows], dynamics.periods)


def _step(dynamics: Dynamics, rows: Any) -> tuple[Any, Any]:
    """Which state and period each row is at, and where it may go next; sparse, (T R, T S) each."""
    T, S = dynamics.periods, dynamics.states
    at = sp.csr_array((np.ones(len(rows)), (np.arange(len(rows)), rows % S)), shape=(len(rows), S))
    clock = sp.eye(T) if dynamics.horizon is None else sp.eye(T, k=1)
    return sp.kron(sp.eye(T), at, format="csr"), sp.kron(clock, dynamics.matrix[rows], format="csr")
