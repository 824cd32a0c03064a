"""One agent whose signals arrive over time: the optimal menu of contracts, each a fee at t = 0 and prices of actions.

The agent knows s_0 of types x_1 < ... < x_K with chances f_k and worths A_k = A(x_k); phi_k is her virtual worth
(models/pivot/initial.py). For every type, the program picks the discounted number of times o_k(a, x) that action a is
taken in state x, from the law mu of the first state on (Corollary 4.1, types and signals after t = 0 public):

    max   sum_k f_k delta sum_{a, x} o_k(a, x) (phi_k C(a, x) + D(a, x) - cost(a, x))
    s.t.  sum_a o_k(a, y) = mu(y) + delta sum_{a, x} P(y | a, x) o_k(a, x)                for k, y     [W_k(y)]
          o_k(a, x) >= 0,   0 where a is not feasible

Its dual, the primal's letter in brackets:

    min   sum_k f_k delta sum_x mu(x) W_k(x)
    s.t.  W_k(x) >= phi_k C(a, x) + D(a, x) - cost(a, x) + delta sum_y P(y | a, x) W_k(y)     for k, a, x   [o_k(a, x)]

A multiplicative type with phi_k <= 0 is left out: its C and D count as 0. The contract of a signal s posts the prices

    p(a) = (cost(a) - b C(a)) / alpha,     alpha = phi(s) / A(s), b = 0  or, additive,  alpha = 1, b = phi(s) - A(s),

for ever and asks for the fee W0(phi(s)) / alpha - U(s) at t = 0: the agent then picks the actions herself.

Source: S. Kakade, I. Lobel, H. Nazerzadeh (2011), Section 6.1, Figure 3. Erratum: the prices printed there are those of
the pivot mechanism only where doing nothing is free and worthless; in general the fee makes up for the difference.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import cvxpy as cp
import numpy as np

from mechopt.models.inputs import Count, Number, checked, fail, plain
from mechopt.models.outcome import Array, ClosedForm
from mechopt.models.pivot.contract_theory import uniform_sale
from mechopt.models.pivot.environment import Agent, Environment, Names, PerAction, Public
from mechopt.models.pivot.welfare import Market
from mechopt.solvers.memory import Size, available, human
from mechopt.solvers.program import Program


@checked
class OptimalContract:
    """One agent; the fields are those of `virtual-pivot`: see `Environment`, `Agent` and `Public`.

    Raises InputError for more than one agent and for everything `Environment` refuses.

    >>> from mechopt.solvers.highs import solve
    >>> model = OptimalContract(discount="1/2", actions=["wait", "serve"], cost={"serve": "1/4"}, agents=[{
    ...     "initial": {"values": [1, 2], "probabilities": ["1/2", "1/2"]}, "states": 1, "kernels": [[1]],
    ...     "value": {"serve": [1]}}])
    >>> assert abs(solve(model.primal()).value - 0.875) < 1e-9 and abs(solve(model.dual()).value - 0.875) < 1e-9
    """

    discount: Number
    agents: tuple[Agent, ...]
    actions: Names
    cost: PerAction | None = None
    horizon: Count | None = None
    public: Public | None = None

    def __post_init__(self) -> None:
        if len(self.agents) != 1:
            got = f"{len(self.agents)}" if self.agents else "none"
            raise fail("agents", "exactly one agent", got, "`virtual-pivot` takes several")
        _ = self.environment

    @cached_property
    def environment(self) -> Environment:
        """The environment with this one agent."""
        names = ("discount", "agents", "actions", "cost", "horizon", "public")
        return Environment(**{name: getattr(self, name) for name in names})

    @cached_property
    def market(self) -> Market:
        """Weighted optima, computed once each."""
        return Market(self.environment)

    def parameters(self) -> dict[str, Any]:
        """The instance as its file has it, every number in its shortest exact form."""
        return self.environment.parameters()

    @property
    def signal(self) -> Any:
        """The law and the worth of the initial signal."""
        return self.environment.data[0].signal

    @property
    def continuous(self) -> bool:
        """Whether initial signals form a continuum."""
        return bool(self.environment.continuous[0])

    def words(self) -> str:
        """The problem and its program in words."""
        env = self.environment
        law, periods = env.agents[0].initial, "for ever" if env.horizon is None else f"over {env.horizon} periods"
        program = (__doc__ or "").partition("public):\n\n")[2].partition("\n\nIts dual")[0]
        kind = env.agents[0].separation
        return (
            f"Contract with one agent ({law.words()}, {kind}, {env.shape[0]} states) {periods}, with "
            f"{env.A} actions and the discount {plain(env.discount)}. Find the menu of a fee at t = 0 and prices of "
            f"actions afterwards that earns most:\n\n{program}"
        )

    def size(self, method: str = "envelope") -> Size:
        """Size of the program a method solves, before it is built; the envelope needs none."""
        if method == "envelope" or self.continuous:
            return Size(0, 0, 0)
        env, K = self.environment, len(self.signal.worths)
        states = env.joint_states
        nonzeros = K * (self.market.welfare((0,)).dynamics.nonzeros * (env.horizon or 1) + env.A * states)
        return Size(K * states, K * states * env.A, nonzeros)

    def require_finite(self) -> None:
        """Raise InputError where the program would have a continuum of types, or not fit in memory."""
        if self.continuous:
            raise fail("agents[0].initial", "finitely many types for the program", "a continuum", "give points")
        if self.environment.horizon is not None:
            raise fail("horizon", "none for the program", self.environment.horizon, "the envelope takes horizons")
        if not (size := self.size("program")).fits:
            raise fail("agents", f"a program that fits in the {human(available())} of memory that are free", str(size))

    def _flow(self, k: int) -> Array:
        """phi_k C + D - cost by action and state, (A, S); -cost for types left out."""
        welfare, phi = self.market.welfare((0,)), float(self.signal.virtual_worths[k])
        if not self.environment.data[0].additive and phi <= 0:
            return -welfare.cost
        return welfare.reward(np.array([phi]))

    def primal(self) -> Program:
        """The relaxed program over discounted occupation, for finitely many types and no horizon."""
        self.require_finite()
        welfare, chance, delta = self.market.welfare((0,)), self.signal.initial.types.f, self.environment.delta
        moves, start = welfare.dynamics, welfare.start
        rows: dict[str, Any] = {}
        profit: Any = 0
        for k in range(len(chance)):
            o = cp.Variable(moves.A * moves.states, name=f"o_{k + 1}", nonneg=True)
            allowed = moves.allowed.ravel()
            spent = cp.sum(cp.reshape(o, (moves.A, moves.states), order="C"), axis=0)
            rows[f"W_{k + 1}"] = spent == start + delta * (moves.matrix.T @ o)
            if not allowed.all():
                rows[f"feasible_{k + 1}"] = o[~allowed] == 0
            profit += chance[k] * delta * (self._flow(k).ravel() @ o)
        return Program(cp.Maximize(profit), rows)

    def dual(self) -> Program:
        """Bellman's programs of all types at once."""
        self.require_finite()
        welfare, chance, delta = self.market.welfare((0,)), self.signal.initial.types.f, self.environment.delta
        moves = welfare.dynamics
        kept = np.flatnonzero(moves.allowed.ravel())
        here = np.tile(np.arange(moves.states), moves.A)[kept]
        rows: dict[str, Any] = {}
        total: Any = 0
        for k in range(len(chance)):
            W = cp.Variable(moves.states, name=f"W_{k + 1}")
            rows[f"o_{k + 1}"] = W[here] >= self._flow(k).ravel()[kept] + delta * (moves.matrix[kept] @ W)
            total += chance[k] * delta * (welfare.start @ W)
        return Program(cp.Minimize(total), rows)

    def closed_form(self) -> ClosedForm | None:
        """The theorem's profit where values move by themselves, signals are uniform and A is linear; else None."""
        return uniform_sale(self.environment)
