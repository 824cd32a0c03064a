"""Finite Markov decision processes whose state is a public part and several parts that move independently given it.

The state is x = (h, k_1..k_n). Action a, feasible or not at h, moves h to next(a, h) and every k_i by its own kernel
P_i(k' | a, h, k): the joint kernel is a Kronecker product and never needs to be written out. Rewards r(a, x) are
discounted by delta; a horizon T, if there is one, ends the process after T periods. The Bellman program, the dual's
letter in brackets, with a positive weight mu(x) on every state (the law of the first state, say):

    min   sum_x mu(x) v(x)
    s.t.  v(x) >= r(a, x) + delta sum_y P(y | a, x) v(y)     for x and a feasible at x      [occupation(a, x)]

Its dual, the primal's letter in brackets:

    max   sum_{a, x} occupation(a, x) r(a, x)
    s.t.  sum_a occupation(a, y) = mu(y) + delta sum_{a, x} occupation(a, x) P(y | a, x)    for y               [v(y)]
          occupation >= 0

occupation(a, x) is the discounted number of times that a is taken at x. The program is the specification; the engines
are policy iteration, backward induction and value iteration.

Source: M. Puterman, Markov Decision Processes (1994), chapter 6.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
DENSE = 150  # states up to which a policy is evaluated by a dense factorisation
STRICT = 1e-12  # an action replaces another only if it is better by this much, relative to the values: ties never cycle


class OutOfTime(TimeoutError):
    """Work was stopped at its deadline."""


def require_time(deadline: float | None) -> None:
    """Raise OutOfTime after a deadline, by time.monotonic."""
    if deadline is not None and time.monotonic() > deadline:
        raise OutOfTime("stopped at the time limit")


@dataclass(frozen=True)
class Dynamics:
    """How the state moves.

    `kernels`: per factor (A, H or 1, K, K), rows summing to one. `next`: (A, H) integers. `feasible`: (A, H) booleans,
    some action at every h. `discount` in (0, 1). `horizon`: periods, or None. States are numbered with h slowest and
    the last factor fastest; arrays over states have the shape (periods, S), with one period where there is no horizon.

    >>> coin = Dynamics((np.full((2, 1, 2, 2), 0.5),), np.zeros((2, 1), int), np.ones((2, 1), bool), 0.5)
    >>> found = solve(coin, np.array([[0.0, 0.0], [-1.0, 3.0]]))
    >>> assert found.policy.tolist() == [[0, 1]] and abs(found.values - [[1.5, 4.5]]).max() < 1e-14
    """

    kernels: tuple[Array, ...]
    next: Indices
    feasible: NDArray[np.bool_]
    discount: float
    horizon: int | None = None

    @property
    def A(self) -> int:
        """The number of actions."""
        return int(self.next.shape[0])

    @property
    def H(self) -> int:
        """The number of public states."""
        return int(self.next.shape[1])

    @property
    def shape(self) -> tuple[int, ...]:
        """H, K_1, ..., K_n."""
        return (self.H, *(P.shape[-1] for P in self.kernels))

    @property
    def states(self) -> int:
        """S, the number of states of one period."""
        return math.prod(self.shape)

    @property
    def periods(self) -> int:
        """T, or 1 where there is no horizon."""
        return self.horizon or 1

    @cached_property
    def allowed(self) -> NDArray[np.bool_]:
        """Whether each action is feasible at each state, (A, S)."""
        return np.repeat(self.feasible, self.states // self.H, axis=1)

    @property
    def nonzeros(self) -> int:
        """An upper bound on the entries of `matrix`, known before it is built."""
        spread = np.ones((self.A, self.H))
        for P in self.kernels:
            spread = spread * np.broadcast_to((P != 0).sum(axis=(2, 3)), (self.A, self.H))
        return int((spread * self.feasible).sum())

    @cached_property
    def matrix(self) -> Any:
        """All transitions, sparse, (A S, S): row a S + x is the law of the next state after a at x; 0 if infeasible."""
        K = self.states // self.H
        blocks: list[Any] = []
        for a in range(self.A):
            for h in range(self.H):
                if not self.feasible[a, h]:
                    blocks.append(sp.csr_array((K, self.states)))
                    continue
                joint = sp.csr_array(np.ones((1, 1)))
                for P in self.kernels:
                    joint = sp.kron(joint, sp.csr_array(P[a, min(h, P.shape[1] - 1)]), format="csr")
                shift = sp.csr_array((joint.data, joint.indices + self.next[a, h] * K, joint.indptr),
                                     shape=(K, self.states))  # fmt: skip
                blocks.append(shift)
        return sp.csr_array(sp.vstack(blocks, format="csr"))

    def under(self, policy: Indices) -> Any:
        """Transitions under one action per state, (S, S) sparse."""
        return self.matrix[policy * self.states + np.arange(self.states)]

    def joint(self, tables: list[Array]) -> Array:
        """The sum over factors of tables (A, H or 1, K_i), over all actions and states, (A, S)."""
        total: Any = np.zeros((self.A, self.H) + (1,) * len(self.kernels))
        for i, flow in enumerate(tables):
            ends = [1] * len(self.kernels)
            ends[i] = flow.shape[-1]
            total = total + flow.reshape(flow.shape[0], flow.shape[1], *ends)
        return np.ascontiguousarray(np.broadcast_to(total, (self.A, *self.shape))).reshape(self.A, self.states)


@dataclass(frozen=True)
class Solved:
    """Optimal values and a policy, (periods, S) each, with the number of improvements made."""

    values: Array
    policy: Indices
    iterations: int


def solve(
    dynamics: Dynamics, reward: Array, policy: Indices | None = None, deadline: float | None = None
) -> Solved:  # fmt: skip
    """The optimum by backward induction where there is a horizon, else by policy iteration from `policy`.

    `reward`: (A, S). Raises OutOfTime after `deadline`, by time.monotonic, looked at once per period or improvement.
    """
    if dynamics.horizon is not None:
        return backward_induction(dynamics, reward, deadline)
    return policy_iteration(dynamics, reward, policy, deadline=deadline)


def action_values(dynamics: Dynamics, reward: Array, values: Array) -> Array:
    """r(a, x) + delta E v(next state), (A, S); minus infinity where infeasible. `values`: (S,)."""
    future = (dynamics.matrix @ values).reshape(dynamics.A, dynamics.states)
    return np.asarray(np.where(dynamics.allowed, reward + dynamics.discount * future, -np.inf))


def backward_induction(dynamics: Dynamics, reward: Array, deadline: float | None = None) -> Solved:
    """Exact values of every period of a finite horizon. Raises OutOfTime after the deadline."""
    T, S = dynamics.periods, dynamics.states
    values, policy = np.zeros((T + 1, S)), np.zeros((T, S), dtype=np.int64)
    for t in reversed(range(T)):
        require_time(deadline)
        found = action_values(dynamics, reward, values[t + 1])
        policy[t] = found.argmax(axis=0)
        values[t] = found.max(axis=0)
    return Solved(values[:T], policy, T)


def policy_iteration(
    dynamics: Dynamics, reward: Array, policy: Indices | None = None, most: int = 1000, deadline: float | None = None
) -> Solved:
    """Howard's policy iteration, each policy evaluated by a factorisation; actions change on strict improvement only.

    Raises RuntimeError when `most` improvements do not suffice, which strictness rules out short of ill-scaled data,
    and OutOfTime after the deadline.
    """
    S = dynamics.states
    at = np.arange(S)
    if policy is None:
        policy = np.where(dynamics.allowed, reward, -np.inf).argmax(axis=0)
    policy = policy.reshape(S).astype(np.int64)
    for step in range(most):
        require_time(deadline)
        values = factorise(dynamics, policy)(reward[policy, at])
        found = action_values(dynamics, reward, values)
        best = found.max(axis=0)
        better = best > found[policy, at] + STRICT * (1 + np.abs(values).max())
        if not better.any():
            return Solved(values[None], policy[None], step + 1)
        policy = np.where(better, found.argmax(axis=0), policy)
    raise RuntimeError(f"policy iteration did not settle in {most} steps; rescale the rewards")


def factorise(dynamics: Dynamics, policy: Indices, transposed: bool = False) -> Any:
    """The function b -> (I - delta P)^{-1} b of a stationary policy, or of the transpose."""
    P = dynamics.under(policy)
    if transposed:
        P = P.T
    S = dynamics.states
    if S <= DENSE:
        system = np.eye(S) - dynamics.discount * P.toarray()
        return lambda right: np.linalg.solve(system, right)
    factors = spla.splu(sp.csc_matrix(sp.eye(S) - dynamics.discount * P))
    return factors.solve


def evaluate(dynamics: Dynamics, policy: Indices, reward: Array) -> Array:
    """Values of a policy, (periods, S). `policy`: (periods, S)."""
    at = np.arange(dynamics.states)
    if dynamics.horizon is None:
        return np.asarray(factorise(dynamics, policy[0])(reward[policy[0], at]))[None]
    values = np.zeros((dynamics.periods + 1, dynamics.states))
    for t in reversed(range(dynamics.periods)):
        values[t] = reward[policy[t], at] + dynamics.discount * (dynamics.under(policy[t]) @ values[t + 1])
    return values[:-1]


def occupation(dynamics: Dynamics, policy: Indices, start: Array) -> Array:
    """Discounted visits of every state, (periods, S), under a policy from the law `start`, (S,): sum_t delta^t P(x)."""
    if dynamics.horizon is None:
        return np.asarray(factorise(dynamics, policy[0], transposed=True)(start))[None]
    visits = np.zeros((dynamics.periods, dynamics.states))
    visits[0] = start
    for t in range(1, dynamics.periods):
        visits[t] = dynamics.discount * (dynamics.under(policy[t - 1]).T @ visits[t - 1])
    return visits
