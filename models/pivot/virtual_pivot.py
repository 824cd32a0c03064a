"""The virtual-pivot mechanism: the seller's best dynamic mechanism in a separable environment.

Whatever an incentive compatible and individually rational mechanism does, its profit is at most the expectation over
initial signals s of the weighted welfare with weights phi_i(s_i) in place of worths A_i(s_i) (models/pivot/welfare.py):

    profit  <=  E W0(phi(s)),        W0(w) = max over policies E sum_t delta^t (sum_i w_i C_i + D_i - cost).

For each s that is a decision process, whose Bellman program is, the dual's letter in brackets,

    min   delta sum_x mu(x) v(x)
    s.t.  v(x) >= sum_i phi_i C_i(a, x) + D_i(a, x) - cost(a, x) + delta sum_y P(y | a, x) v(y)
                                                           for x and a feasible at x      [occupation(a, x)]

and its dual is over discounted occupation measures (solvers/decision.py). The mechanism attains the bound.

Source: S. Kakade, I. Lobel, H. Nazerzadeh, Optimal dynamic mechanism design and the virtual-pivot mechanism (2011),
Corollary 4.1 and Theorem 5.1; errata in docs/virtual-pivot.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from mechopt.models.inputs import Count, Number, checked
from mechopt.models.pivot.environment import Agent, Environment, Names, PerAction, Public
from mechopt.models.pivot.welfare import Market, Welfare, require_fits
from mechopt.solvers.decision import Dynamics
from mechopt.solvers.memory import Size
from mechopt.solvers.program import Program


@checked
class VirtualPivot:
    """A separable dynamic environment whose best mechanism is sought; the fields are those of `Environment`.

    `discount`; `agents` (each `initial`, `separation`, `states`, `kernels` per action, `value`, and optionally `worth`,
    `start`, `exposure`); `actions`; `cost`; `horizon`; `public`. Raises InputError for anything that does not fit.

    >>> import mechopt as mo
    >>> model = mo.VirtualPivot(discount="1/2", actions=["wait", "sell"], agents=[{
    ...     "states": 1, "kernels": [[1]], "value": {"sell": [1]}}])
    >>> result = mo.solve(model)  # E max(0, 2 s - 1) = 1/4 in every period
    >>> assert abs(result.quantities["profit"] - 0.25) < 1e-12 and result.bounds.certified
    """

    discount: Number
    agents: tuple[Agent, ...]
    actions: Names
    cost: PerAction | None = None
    horizon: Count | None = None
    public: Public | None = None

    def __post_init__(self) -> None:
        _ = self.environment

    @cached_property
    def environment(self) -> Environment:
        """The environment the mechanism is for."""
        return Environment(
            discount=self.discount, agents=self.agents, actions=self.actions, cost=self.cost, horizon=self.horizon,
            public=self.public,
        )  # fmt: skip

    def parameters(self) -> dict[str, Any]:
        """The instance as its file has it, every number in its shortest exact form."""
        return self.environment.parameters()

    @cached_property
    def dynamics(self) -> Dynamics:
        """The joint process with every agent taking part. Raises InputError when it would not fit in memory."""
        env = self.environment
        made = Dynamics(tuple(one.kernel for one in env.data), env.next, env.feasible, env.delta, env.horizon)
        require_fits(made)
        return made

    def size(self) -> Size:
        """Size of the Bellman program for one profile of initial signals, before it is built."""
        from mechopt.solvers.decision_program import size

        env = self.environment
        return size(Dynamics(tuple(one.kernel for one in env.data), env.next, env.feasible, env.delta, env.horizon))

    def words(self) -> str:
        """The problem and its program in words."""
        env = self.environment
        who = "; ".join(
            f"agent {i}: {one.separation}, {one.initial.words()}, {data.size} states"
            for i, (one, data) in enumerate(zip(env.agents[:8], env.data[:8], strict=True), 1)
        )
        more = "" if env.n <= 8 else f"; and {env.n - 8} more"
        clock = f"{env.horizon} periods" if env.horizon else "no last period"
        public = f"{env.H} public states, " if env.public else ""
        rows = (__doc__ or "").partition("in brackets,\n\n")[2].partition("\n\nand its dual")[0]
        return (
            f"Choose one of {env.A} actions in every period for {env.n} agent{'s' if env.n > 1 else ''} with private "
            f"signals that change over time ({who}{more}); {public}{clock}, discount {env.delta:g}. Find the mechanism "
            f"of largest profit, truthful at all times. For each profile of initial signals "
            f"({env.joint_states:,} joint states):\n\n{rows}"
        )

    def primal(self, reports: Sequence[float] | None = None) -> Program:
        """The Bellman program for reported initial signals, the highest ones by default: its value is W0 / delta."""
        from mechopt.solvers.decision_program import bellman_program

        welfare, reward = self._weighted(reports)
        return bellman_program(welfare.dynamics, reward, welfare.start)

    def dual(self, reports: Sequence[float] | None = None) -> Program:
        """Its dual over discounted occupation measures; the multipliers of its rows are the values v."""
        from mechopt.solvers.decision_program import occupation_program

        welfare, reward = self._weighted(reports)
        return occupation_program(welfare.dynamics, reward, welfare.start)

    def _weighted(self, reports: Sequence[float] | None) -> tuple[Welfare, Any]:
        env = self.environment
        if reports is None:
            reports = [one.signal.initial.high for one in env.data]
        weights = [float(one.signal.phi(s)) for one, s in zip(env.data, reports, strict=True)]
        market = Market(env)
        included = market.best(tuple(weights)).included
        welfare = market.welfare(included)
        return welfare, welfare.reward(np.array([weights[i] for i in included]))
