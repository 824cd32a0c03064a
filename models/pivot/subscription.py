"""What the reports of t = 0 fix: weights, who takes part, rents, and the payments of every later report.

    m_i = flow(a) - W_-i(x) + delta E[W_-i(x') | x, a],        p_i = v_i(y_i, x, a) - m_i / alpha_i.

Source: S. Kakade, I. Lobel, H. Nazerzadeh (2011), Figure 2 and equations (19) to (25), with the errata of
models/pivot/mechanism.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from mechopt.models.inputs import fail
from mechopt.models.outcome import Array
from mechopt.models.pivot.rent import Rents
from mechopt.models.pivot.welfare import Market, Optimum
from mechopt.solvers.decision import Indices


class Subscription:
    """The mechanism after the reports of t = 0, before t = 1; states are those of the agents taking part.

    `weights`, `alpha`, `b`: (n,). `included`: the agents taking part. `utilities`: U_i of truthful agents seen from
    t = 0, `entry_payments`: what each pays at t = 0, `expected_payments`: the sum of all her payments, money, (n,).
    """

    def __init__(self, market: Market, rents: Rents, reports: Sequence[float], repaired: bool = False) -> None:
        self.market, self.env = market, market.env
        if len(reports) != self.env.n:
            raise fail("reports", f"{self.env.n} initial signals, one per agent", f"{len(reports)}")
        self.reports = tuple(float(r) for r in reports)
        signals = [one.signal for one in self.env.data]
        for i, (signal, report) in enumerate(zip(signals, self.reports, strict=True)):
            if not signal.initial.low <= report <= signal.initial.high:
                span = f"[{signal.initial.low:g}, {signal.initial.high:g}]"
                raise fail(f"reports[{i}]", f"an initial signal in {span}", report)
        self.weights = np.array([float(s.phi(r)) for s, r in zip(signals, self.reports, strict=True)])
        worths = self.worths(self.reports)
        additive = np.array([one.additive for one in self.env.data])
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(worths > 0, self.weights / worths, -np.inf)
        self.alpha = np.where(additive, 1.0, share)
        self.b = np.where(additive, self.weights - worths, 0.0)
        self.optimum: Optimum = market.best(tuple(self.weights))
        self.included = self.optimum.included
        self.welfare = market.welfare(self.included)
        self.rents, self.repaired = rents, repaired

    def worths(self, signals: Sequence[float]) -> Array:
        """A_i of signals, (n,)."""
        return np.array([float(one.signal.worth(s)) for one, s in zip(self.env.data, signals, strict=True)])

    @cached_property
    def utilities(self) -> Array:
        """U_i, (n,), money."""
        find = self.rents.repaired if self.repaired else self.rents.utility
        return np.array([find(i, self.reports) for i in range(self.env.n)])

    @cached_property
    def entry_payments(self) -> Array:
        """p_i,0, (n,), money; negative where the agent is paid to take part."""
        delta, start = self.welfare.dynamics.discount, self.welfare.start
        found = -self.utilities
        for i in self.included:
            found[i] += delta * float(start @ self.marginal(i)[0]) / self.alpha[i]
        return found + 0.0

    @cached_property
    def expected_payments(self) -> Array:
        """p*_i, (n,), money: the expected discounted sum of all payments of truthful agents."""
        return self.worths(self.reports) * self.optimum.Q + self.optimum.D - self.utilities

    @property
    def values(self) -> Array:
        """W, (periods, S)."""
        return self.optimum.solved.values

    def without(self, agent: int, signals: Sequence[float] | None = None) -> Array:
        """W_-i, (periods, S), for the initial signals of t = 0 or re-reported ones; the agent's own does not matter."""
        rest = tuple(i for i in self.included if i != agent)
        weights = self.weights if signals is None else self.alpha_times(signals)
        return self.market.values(tuple(weights), rest, self.included)

    def marginal(self, agent: int) -> Array:
        """W - W_-i, (periods, S): alpha_i times what truth earns the agent from then on."""
        return self.values - self.without(agent)

    def resolve(self, signals: Sequence[float]) -> Optimum:
        """The optimum when the initial signals re-reported at t >= 1 are others than at t = 0."""
        if tuple(signals) == self.reports:
            return self.optimum
        return self.market.optimum(tuple(self.alpha_times(signals)), self.included)

    def alpha_times(self, signals: Sequence[float]) -> Array:
        """alpha_i A_i(y_i) + b_i, (n,); meaningful for those taking part."""
        alpha = np.where(np.isfinite(self.alpha), self.alpha, 0.0)
        return alpha * self.worths(signals) + self.b

    def payments(self, agent: int, signals: Sequence[float], policy: Indices) -> Array:
        """p_i,t of an agent taking part at every state reported, (periods, S), money, under the policy for `signals`.

        The policy's action, flows and values are those of the report; W_-i moves on under the action taken.
        """
        dynamics, at = self.welfare.dynamics, np.arange(self.welfare.dynamics.states)
        own = self.included.index(agent)
        weights = self.alpha_times(signals)[list(self.included)]
        flows, without = self.welfare.reward(weights), self.without(agent, signals)
        worth = float(self.env.data[agent].signal.worth(signals[agent]))
        found = np.empty(policy.shape)
        for t in range(len(policy)):
            a = policy[t]
            nothing = dynamics.horizon is not None and t + 1 == len(policy)
            after = without[t if dynamics.horizon is None else min(t + 1, len(policy) - 1)]
            future = 0.0 if nothing else dynamics.discount * (dynamics.under(a) @ after)
            m = flows[a, at] - without[t] + future
            found[t] = worth * self.welfare.C[own][a, at] + self.welfare.D[own][a, at] - m / self.alpha[agent]
        return found

    def state(self, public: int, states: Sequence[int]) -> int:
        """The number of a joint state."""
        place = public
        for i in self.included:
            place = place * self.env.data[i].size + int(states[i])
        return place
