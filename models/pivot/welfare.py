"""Weighted welfare: the best the seller could do with agents' initial signals replaced by weights.

With weights w_i on what agents' signals scale, and a set of agents taking part, the flow of action a at state x is

    sum over agents taking part of  w_i C_i(a, x) + D_i(a, x)  -  cost(a, h),

and W(x) is its largest expected discounted sum from x on, W0 = delta E_mu W that of all periods t >= 1 seen from t = 0.
A policy earns the line  W0 = sum_i w_i Q_i + rest  for any weights, Q_i = delta E sum_t delta^(t-1) C_i; the optimum is
the maximum of these lines, so W0 is convex and piecewise linear in the weights, with slopes Q_i.

Agents left out keep no state: nothing that is left depends on theirs. A multiplicative agent takes part where her
weight is positive. An additive one takes part in the best set of agents, which matters only where she could do harm.

Source: S. Kakade, I. Lobel, H. Nazerzadeh (2011), Sections 5.1 and 5.2, equations (17) to (19). Erratum: in (18) the
term of beta has the wrong sign; it is added, as in (17) and (19).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mechopt.models.inputs import fail
from mechopt.models.outcome import Array
from mechopt.models.pivot.environment import Environment
from mechopt.models.pivot.sparing import harmless
from mechopt.solvers.decision import (
    STRICT,
    Dynamics,
    Indices,
    Solved,
    action_values,
    factorise,
    occupation,
    require_time,
    solve,
)
from mechopt.solvers.memory import available, human

MOST_SUBSETS = 10  # additive agents whose exclusion is searched over
TIE = 1e-12  # within which values of W0 count as equal, relative to their size


class Welfare:
    """The decision process of a set of agents taking part, and the rewards that weights give it.

    Arrays over states are (periods, S), over actions and states (A, S), with agents in the order of `included`.
    """

    def __init__(self, env: Environment, included: tuple[int, ...]) -> None:
        self.env, self.included = env, included
        data = [env.data[i] for i in included]
        self.data = data
        self.dynamics = Dynamics(tuple(one.kernel for one in data), env.next, env.feasible, env.delta, env.horizon)
        require_fits(self.dynamics)
        blank = [np.zeros((1, 1, one.size)) for one in data]
        self.C = [self.dynamics.joint([*blank[:j], one.scaled, *blank[j + 1 :]]) for j, one in enumerate(data)]
        self.D = [self.dynamics.joint([*blank[:j], one.apart, *blank[j + 1 :]]) for j, one in enumerate(data)]
        self.cost = np.repeat(env.costs, self.dynamics.states // env.H, axis=1)  # (A, S)
        self._rest = sum(self.D, start=-self.cost)
        self._pool: list[Known] = []  # every policy that was optimal for some weights
        self._lines = np.zeros((0, len(included) + 1))  # what they are worth: slopes, and at weights 0

    @cached_property
    def start(self) -> Array:
        """The law of the state at t = 1, (S,)."""
        law = np.zeros(self.env.H)
        law[self.env.public_start] = 1.0
        for one in self.data:
            law = np.multiply.outer(law, one.start).ravel()
        return law

    def reward(self, weights: Array) -> Array:
        """Flows, (A, S). `weights`: one per agent taking part."""
        total = self._rest.copy()
        for w, C in zip(weights, self.C, strict=True):
            total += w * C
        return total

    def solve(self, weights: Array, deadline: float | None = None) -> tuple[Solved, Known]:
        """Optimal values and policy under weights, and the policy's line. Raises OutOfTime after the deadline.

        A known policy's values are linear in the weights: whether the best known one is optimal takes no factorisation.
        """
        reward = self.reward(weights)
        if self.dynamics.horizon is not None:
            solved = solve(self.dynamics, reward, deadline=deadline)
            return solved, self._learn(solved.policy)
        known = self._pool[int((self._lines @ [*weights, 1.0]).argmax())] if self._pool else None
        if known is not None:
            values = weights @ known.parts[:-1, 0] + known.parts[-1, 0]
            found = action_values(self.dynamics, reward, values)
            here = found[known.policy[0], np.arange(self.dynamics.states)]
            if not (found.max(axis=0) > here + STRICT * (1 + np.abs(values).max())).any():
                return Solved(values[None], known.policy, 0), known
        solved = solve(self.dynamics, reward, None if known is None else known.policy, deadline)
        return solved, self._learn(solved.policy)

    def _learn(self, policy: Indices) -> Known:
        """What a policy is worth, part by part, remembered while there is room."""
        at = np.arange(self.dynamics.states)
        visits = self.dynamics.discount * occupation(self.dynamics, policy, self.start)
        Q, D = (
            np.array([float((visits * table[policy, at]).sum()) for table in tables]) for tables in (self.C, self.D)
        )
        cost = float((visits * self.cost[policy, at]).sum())
        parts = np.zeros((0, *policy.shape))
        if self.dynamics.horizon is None:
            flows = np.stack([table[policy[0], at] for table in [*self.C, self._rest]], axis=1)  # (S, agents + 1)
            parts = np.ascontiguousarray(factorise(self.dynamics, policy[0])(flows).T)[:, None]
        made = Known(Q, D, cost, policy, parts)
        if self.dynamics.horizon is None:
            self._pool.append(made)
            del self._pool[: -min(200, max(5, 10**7 // parts.size))]  # the latest ones are the likeliest to serve again
            self._lines = np.array([[*one.Q, one.rest] for one in self._pool])
        return made


@dataclass(frozen=True)
class Known:
    """A policy with its line: Q and D per agent taking part, costs, and its values (agents + 1, periods, S) by part."""

    Q: Array
    D: Array
    cost: float
    policy: Indices
    parts: Array

    @property
    def rest(self) -> float:
        """What it is worth at weights 0."""
        return float(self.D.sum()) - self.cost


def require_fits(dynamics: Dynamics) -> None:
    """Raise InputError, with the size, for a joint state space that does not fit in memory."""
    need = 24 * dynamics.nonzeros + 16 * dynamics.states * (dynamics.A * (2 + 2 * len(dynamics.kernels)))
    need += 16 * dynamics.states * dynamics.periods
    if need > available() // 2:
        expected = f"a joint state space that fits in half of the {human(available())} of memory that are free"
        counts = " x ".join(str(k) for k in dynamics.shape)
        got = f"{dynamics.states:,} states ({counts}) and {dynamics.A} actions: about {human(need)}"
        raise fail("agents", expected, got, "fewer states per agent, or `virtual-index` for bandits")


@dataclass(frozen=True)
class Optimum:
    """The optimum for one vector of weights: who takes part, values and policy, and its line in the weights.

    `Q`, `D`: per agent of the environment, 0 for those left out. `value`: W0, money.
    """

    weights: tuple[float, ...]
    included: tuple[int, ...]
    solved: Solved
    Q: Array
    D: Array
    cost: float
    value: float

    def at(self, agent: int, weight: float) -> float:
        """What the same policy is worth if one agent's weight is another."""
        return self.value + float(self.Q[agent]) * (weight - self.weights[agent])


class Market:
    """An environment with every weighted optimum computed so far.

    After `deadline`, by time.monotonic, optima that are not known yet raise OutOfTime.

    >>> env = Environment(discount="1/2", actions=["wait", "serve"], agents=[{
    ...     "states": 1, "kernels": [[1]], "value": {"serve": [1]}}], cost={"serve": "1/4"})
    >>> assert abs(Market(env).best((1.0,)).value - 0.75) < 1e-15 and Market(env).best((-1.0,)).included == ()
    """

    def __init__(self, env: Environment, deadline: float | None = None) -> None:
        self.env, self.deadline = env, deadline
        self._welfare: dict[tuple[int, ...], Welfare] = {}
        self._known: dict[tuple[tuple[float, ...], tuple[int, ...]], Optimum] = {}
        self._best: dict[tuple[float, ...], Optimum] = {}
        self.solves = 0

    def require_time(self, seconds: float = 0.0) -> None:
        """Raise OutOfTime where so many seconds from now are after the deadline."""
        require_time(None if self.deadline is None else self.deadline - seconds)

    def welfare(self, included: tuple[int, ...]) -> Welfare:
        """The decision process of a set of agents."""
        if included not in self._welfare:
            self._welfare[included] = Welfare(self.env, included)
        return self._welfare[included]

    @cached_property
    def droppable(self) -> tuple[int, ...]:
        """Additive agents who may do harm by taking part, so that leaving them out has to be tried."""
        found = tuple(i for i, one in enumerate(self.env.data) if one.additive and not harmless(self.env, i))
        if len(found) > MOST_SUBSETS:
            expected = f"at most {MOST_SUBSETS} additive agents whom some action serves without an alternative"
            raise fail("agents", expected, f"{len(found)}", "add an action that serves everyone but the agent")
        return found

    def best(self, weights: tuple[float, ...]) -> Optimum:
        """The optimum over policies and over who takes part."""
        key = tuple(float(w) if self.env.data[i].additive else max(float(w), 0.0) for i, w in enumerate(weights))
        if key not in self._best:
            base = [i for i, w in enumerate(key) if self.env.data[i].additive or w > 0]
            loose = [i for i in base if i in self.droppable]
            found = None
            for count in range(len(loose) + 1):
                for out in itertools.combinations(loose, count):
                    one = self.optimum(key, tuple(i for i in base if i not in out))
                    if found is None or one.value > found.value + TIE * (1 + abs(found.value)):
                        found = one
            assert found is not None
            self._best[key] = found
        return self._best[key]

    def optimum(self, weights: tuple[float, ...], included: tuple[int, ...]) -> Optimum:
        """The optimum with a given set of agents taking part. Weights of the others do not matter."""
        key = (tuple(w if i in included else 0.0 for i, w in enumerate(weights)), included)
        if key not in self._known:
            self.require_time()
            self.solves += 1
            welfare = self.welfare(included)
            found, known = welfare.solve(np.array([weights[i] for i in included]), self.deadline)
            Q, D = np.zeros(self.env.n), np.zeros(self.env.n)
            Q[list(included)], D[list(included)] = known.Q, known.D
            value = welfare.dynamics.discount * float(welfare.start @ found.values[0])
            if len(self._known) > 5000:  # old ones would only fill memory
                self._known.clear()
                self._best.clear()
            self._known[key] = Optimum(tuple(map(float, weights)), included, found, Q, D, known.cost, value)
        return self._known[key]

    def values(self, weights: tuple[float, ...], included: tuple[int, ...], among: tuple[int, ...]) -> Array:
        """W over the states of the agents `among`, of whom only `included` take part, (periods, S of `among`)."""
        found = self.optimum(weights, included).solved.values
        sizes = [self.env.data[i].size for i in among]
        ends = [size if i in included else 1 for i, size in zip(among, sizes, strict=True)]
        T = found.shape[0]
        wide = np.broadcast_to(found.reshape(T, self.env.H, *ends), (T, self.env.H, *sizes))
        return wide.reshape(T, self.env.H * math.prod(sizes))
