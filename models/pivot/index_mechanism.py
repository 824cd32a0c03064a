"""The bandit auction as an object: who is served in which states, what is paid in every period and at time 0.

With W(k) and W_-i(k) the virtual welfare with and without agent i from the states k on, the agent of the highest
positive index is served and pays

    p_i = ((1 - delta) W_-i(k) - beta_i + cost_i) / alpha_i,

the others pay nothing; from then on truth is worth (W(k) - W_-i(k)) / alpha_i to her. At time 0 an agent with an
initial signal pays p_i0 = delta E[W - W_-i] / alpha_i - U_i. Her utility U_i is the integral of A'(z) Q_i(phi_i(z))
over signals z below hers, with Q_i(w) the discounted rewards (additive: pulls) she gets with the virtual worth w.

Source: S. Kakade, I. Lobel, H. Nazerzadeh (2011), Corollary 6.3, with the cost of a pull added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.models.outcome import Array, Labelled
from mechopt.models.pivot.index import VirtualIndex
from mechopt.solvers.bandit import Worth

HALVINGS = 200  # of an interval of signals: more than floats can tell apart


@dataclass(frozen=True)
class Period:
    """What happens in one period: the states reported, who is served (None: nobody), and what each agent pays."""

    states: tuple[int, ...]
    served: int | None
    payments: Array


@dataclass(frozen=True)
class BanditAuction:
    """The virtual index mechanism at the reported initial signals.

    >>> model = VirtualIndex(discount="1/2", arms=[{"transition": [[0, 1], [0, 1]], "reward": [1, 4]},
    ...                                            {"transition": [[1]], "reward": [3]}])
    >>> auction = BanditAuction(model)
    >>> assert auction.served([0, 0]) == 1 and auction.payments([0, 0]).tolist() == [0, 2.5]
    >>> assert auction.payments([1, 0]).tolist() == [3, 0] and auction.entry_fees.tolist() == [0, 0]
    """

    model: VirtualIndex

    def indices_at(self, states: Sequence[int]) -> Array:
        """The virtual index of every agent, (n,), money. Raises InputError for states there are not."""
        self._require_states(states)
        return np.array([own[k] for own, k in zip(self.model.indices, states, strict=True)])

    def served(self, states: Sequence[int]) -> int | None:
        """The agent of the highest positive index, the first among equals; None when no index is positive."""
        found = self.indices_at(states)
        best = int(found.argmax())
        return best if found[best] > 0 else None

    def payments(self, states: Sequence[int]) -> Array:
        """What every agent pays in a period t >= 1 with these reported states, (n,), money."""
        winner, paid = self.served(states), np.zeros(len(self.model.arms))
        if winner is not None:
            worth, arm = self.model.at(states), self.model.arms[winner]
            without = worth.total - float(worth.added[winner])
            due = (1 - self.model.delta) * without - float(arm.beta_flow) + float(arm.cost)
            paid[winner] = due / float(arm.alpha)
        return paid

    def continuation(self, states: Sequence[int]) -> Array:
        """What truth is worth to every agent from a period on, (n,), money: (W - W_-i) / alpha_i, 0 when left out."""
        self._require_states(states)
        return self._per_weight(self.model.at(states).added)

    @cached_property
    def entry_fees(self) -> Array:
        """Payments at time 0, (n,), money: 0 for agents without an initial signal."""
        worth = self.model.delta * self._per_weight(self.model.at_start.added)
        typed = np.array([arm.report is not None for arm in self.model.arms])
        return np.where(typed, worth - self.utilities, 0.0)

    @cached_property
    def utilities(self) -> Array:
        """What truth is worth to every agent at time 0, (n,), money."""
        worth = self.model.at_start
        added = self._per_weight(worth.added)
        return self.model.delta * np.array(
            [added[i] if arm.report is None else rent(self.model, worth, i) for i, arm in enumerate(self.model.arms)]
        )

    @cached_property
    def values(self) -> Array:
        """Discounted values of what every agent is given, at time 0, (n,), money."""
        worth, arms = self.model.at_start, self.model.arms
        extra = np.array([float(arm.beta_flow - arm.cost) for arm in arms])
        return self.model.delta * self._per_weight(worth.parts - extra * worth.pulls)

    @cached_property
    def profit(self) -> float:
        """Discounted payments less costs of pulls, at time 0 and at these reports, money."""
        costs = np.array([float(arm.cost) for arm in self.model.arms])
        return float((self.values - self.utilities).sum() - self.model.delta * (costs @ self.model.at_start.pulls))

    def simulate(self, periods: int, rng: np.random.Generator) -> list[Period]:
        """One run with truthful agents, states drawn by the model's laws."""
        arms = self.model.arms
        states = [int(rng.choice(len(arm.law), p=[float(p) for p in arm.law])) for arm in arms]
        found = []
        for _ in range(periods):
            winner = self.served(states)
            found.append(Period(tuple(states), winner, self.payments(states)))
            if winner is not None:
                states[winner] = int(rng.choice(len(states_of := arms[winner].matrix), p=states_of[states[winner]]))
        return found

    def _per_weight(self, amounts: Array) -> Array:
        alpha = np.array([float(arm.alpha) for arm in self.model.arms])
        return np.where(alpha > 0, amounts / np.where(alpha > 0, alpha, 1.0), 0.0)

    def _require_states(self, states: Sequence[int]) -> None:
        shape = self.model.shape
        if len(states) != len(shape):
            raise fail("states", f"{len(shape)} positions, one per arm", f"{len(states)}")
        for i, (k, size) in enumerate(zip(states, shape, strict=True)):
            if not 0 <= int(k) < size:
                raise fail(f"states[{i}]", f"a position from 0 to {size - 1}", int(k))


def mechanism(model: VirtualIndex, arrays: Mapping[str, Labelled]) -> BanditAuction:
    """The mechanism of a solved instance."""
    return BanditAuction(model)


def rent(model: VirtualIndex, worth: Worth, i: int) -> float:
    """Utility of agent i with an initial signal, discounted to the first pull: integral of A'(z) Q_i(phi_i(z))."""
    arm = model.arms[i]
    signal, report = arm.signal, float(arm.report or 0)
    law, A = signal.initial, signal.worth
    straight = law.types is None and law.family == "uniform" and A.power == 1
    if straight and not arm.additive and float(signal.phi(law.low)) <= 0:  # A moves half as fast as phi: W is enough
        return float(worth.added[i]) / 2
    levels, falls = _own(model, worth, i)
    tops, heights = worth.others(i)
    if law.types is not None:
        at = int(signal.index(report))
        chance = [_reward(arm, float(w), levels, falls, tops, heights) for w in signal.virtual_worths[:at]]
        return float(np.diff(signal.worths[: at + 1]) @ np.array(chance)) if at else 0.0
    ends = np.append(tops, 0.0)  # of the pieces on which the others' product is constant
    total = 0.0
    for g, fall in zip(levels, falls, strict=True):
        if fall == 0 or (not arm.additive and g <= 0):
            continue
        w = (ends + float(arm.cost)) / g if not arm.additive else ends + float(arm.cost) - g
        z = signals_at(signal, w, law.low, report)
        worths = A(np.concatenate([[report], z]))
        total += (1.0 if arm.additive else g) * fall * float(heights @ (worths[:-1] - worths[1:]))
    return total


def _own(model: VirtualIndex, worth: Worth, i: int) -> tuple[Array, Array]:
    """Gittins indices of an arm, falling, and by how much each adds to the discounted pulls where nobody else is."""
    levels = np.sort(model.gittins[i])[::-1]
    stay = worth.stay[i, : len(levels) + 1]
    return levels, (stay[:-1] - stay[1:]) / (1.0 - model.delta)


def _reward(arm: Any, w: float, levels: Array, falls: Array, tops: Array, heights: Array) -> float:
    """Q_i(w): discounted rewards (additive: pulls) of an agent with the virtual worth w against the others."""
    own = (w + levels if arm.additive else w * levels) - float(arm.cost)
    won = np.where(own > 0, heights[np.searchsorted(-tops, -own, side="right")], 0.0)
    return float((won * falls) @ (np.ones_like(levels) if arm.additive else levels))


def signals_at(signal: Any, worths: Array, low: float, high: float) -> Any:
    """The least signals in [low, high] whose virtual worth is at least the given ones; `high` where none is."""
    if signal.initial.family == "uniform" and signal.worth.power == 1:
        scale, offset = float(signal.worth.scale), float(signal.worth.offset)
        return np.clip(((worths - offset) / scale + signal.initial.high) / 2, low, high)
    left, right = np.full(len(worths), low), np.full(len(worths), high)
    for _ in range(HALVINGS):
        middle = (left + right) / 2
        enough = signal.phi(middle) >= worths
        left, right = np.where(enough, left, middle), np.where(enough, middle, right)
        if (right - left).max(initial=0.0) <= 2e-16 * max(abs(low), abs(high)):
            break
    return np.asarray(np.where(signal.phi(np.full(len(worths), low)) >= worths, low, right))
