"""Gittins indices as a linear program: the arm one may restart at the state asked for.

Let V(k, x) be the worth of an arm at x when at any time one may put it back to k instead of letting it go on:

    min   sum_{k, x} V(k, x)
    s.t.  V(k, x) >= r(x) + delta sum_y P(x, y) V(k, y)       for k, x        [go(k, x)]
          V(k, x) >= r(k) + delta sum_y P(k, y) V(k, y)       for k, x        [restart(k, x)]

Its dual, the primal's letter in brackets, is the discounted time spent in each state, by what is done there:

    max   sum_{k, x} go(k, x) r(x) + restart(k, x) r(k)
    s.t.  go(k, y) + restart(k, y) = 1 + delta sum_x [ go(k, x) P(x, y) + restart(k, x) P(k, y) ]     [V(k, y)]
          go, restart >= 0

The index of k is (1 - delta) V(k, k): what one would have to be paid per period, for ever, to do as well.

Source: M. Katehakis, A. Veinott, The multi-armed bandit problem: decomposition and computation (1987).
"""

from __future__ import annotations

import cvxpy as cp
import numpy as np

from mechopt.solvers.gittins import Array
from mechopt.solvers.program import Program, Solution


def restart_program(transition: Array, reward: Array, discount: float) -> Program:
    """The restart program of one arm, for all of its L states at once; transition (L, L), reward (L,).

    >>> from mechopt.solvers.highs import solve
    >>> found = solve(restart_program(np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([1.0, 4.0]), 0.5))
    >>> assert np.allclose(restart_indices(found, 0.5), [2.5, 4.0])
    """
    L = len(reward)
    V = cp.Variable((L, L), name="V")
    go = reward[None, :] + discount * V @ transition.T  # row k, column x
    back = cp.reshape(cp.diag(go), (L, 1), order="C")
    return Program(cp.Minimize(cp.sum(V)), {"go": go <= V, "restart": back @ np.ones((1, L)) <= V})


def restart_dual(transition: Array, reward: Array, discount: float) -> Program:
    """The dual: discounted occupation of the states, by going on and by restarting."""
    L = len(reward)
    go, restart = (cp.Variable((L, L), name=name, nonneg=True) for name in ("go", "restart"))
    thrown = cp.reshape(cp.sum(restart, axis=1), (L, 1), order="C")
    flow = go @ transition + cp.multiply(thrown @ np.ones((1, L)), transition)
    earned = cp.sum(go @ reward) + cp.sum(restart, axis=1) @ reward
    return Program(cp.Maximize(earned), {"V": go + restart == 1 + discount * flow})


def restart_indices(solution: Solution, discount: float) -> Array:
    """The indices a solved restart program holds, (L,)."""
    return np.asarray((1.0 - discount) * np.diag(solution.primal["V"]))
