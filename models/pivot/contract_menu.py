"""The menu: which contract is meant for which initial signal, its prices and fee, and what any other type makes of it.

A contract is (alpha, b, fee). A type of worth A who takes it plays the optimum at the weight w = alpha A + b and gets
W0(w) / alpha - fee. For a continuum with a monotone hazard rate alpha and b are those of the virtual worth.

Finitely many types leave room. Contract k may use any weight w_k of the linear piece of W0 on which phi_k lies: the
agent's choice, and so the profit, stay the same, but the lower w_k is (the higher the prices), the less a type k + 1
gains by choosing k and changing her behaviour. The highest w_k is taken at which type k + 1 would behave as type k
does; where there is none, the left end of the piece, and her rent is raised to what she gains: incentive compatible
always, and optimal where no rent had to be raised.

Source: S. Kakade, I. Lobel, H. Nazerzadeh (2011), Section 6.1. For finitely many types: own observation; with forward
differences as virtual worths, the contracts of the theorem are not incentive compatible at t = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.models.outcome import Array
from mechopt.models.pivot.contract import OptimalContract
from mechopt.models.pivot.contract_envelope import Envelope, envelope, exactly, provable
from mechopt.models.pivot.rent import Rents
from mechopt.solvers.rational import rational

ROOM = 2.0**-30  # by which the weights considered exceed those that can occur, relative
SMALL = 1e-12  # discounted purchases, or money, that count as none


@dataclass(frozen=True)
class Contract:
    """What one signal is offered: `weight` = alpha A + b, `prices` of actions by public state (A, H), the fee at t = 0.

    `utility`: what the signal it is meant for keeps, seen from t = 0. All in money.
    """

    signal: float
    weight: float
    alpha: float
    b: float
    prices: Array
    fee: float
    utility: float


@dataclass(frozen=True)
class Ladder:
    """Finitely many types' contracts, numbers as in the envelope: per type the weight w_k (None: left out), the line of
    the own policy, and the rent."""

    weights: list[Any]
    lines: list[int]
    rents: list[Any]


def pooled(virtual: Sequence[Any], chances: Sequence[Any]) -> list[Any]:
    """Virtual worths with neighbours out of order pooled at their mean, (K,): the least squares fit that never falls.

    >>> pooled([3.0, 1.0, 4.0], [0.5, 0.5, 1.0])
    [2.0, 2.0, 4.0]
    """
    blocks: list[tuple[Any, Any, int]] = []
    for value, chance in zip(virtual, chances, strict=True):
        block = (value * chance, chance, 1)
        while blocks and blocks[-1][0] * block[1] >= block[0] * blocks[-1][1]:
            block = tuple(a + b for a, b in zip(blocks.pop(), block, strict=True))
        blocks.append(block)
    return [total / mass for total, mass, count in blocks for _ in range(count)]


def ladder(
    worths: Sequence[Any], virtual: Sequence[Any], chances: Sequence[Any], additive: bool, found: Envelope
) -> Ladder:
    """Contracts of finitely many types from the envelope: weights as low as needed, then the least rents that hold.

    With alpha and b rising in the type, W0 being convex, no type wants the contract of a higher one.
    """
    K = len(worths)
    smooth = pooled(virtual, chances)
    weights: list[Any] = []
    lines: list[int] = []
    for k in range(K):
        if not additive and smooth[k] <= 0:
            weights.append(None)
            lines.append(0)
            continue
        line = found.place(smooth[k])
        low, high = found.cuts[line], found.cuts[line + 1]
        w = smooth[k]
        if k + 1 < K:
            same = high - (worths[k + 1] - worths[k]) if additive else high * worths[k] / worths[k + 1]
            w = min(w, max(low, same))
        w = w if additive or w > 0 else smooth[k]
        if k and weights[k - 1] is not None:  # prices never rise with the type: no lower type wants this contract then
            before = weights[k - 1]
            w = max(w, before + worths[k] - worths[k - 1] if additive else before * worths[k] / worths[k - 1])
        weights.append(w)
        lines.append(line if w <= high else found.place(w))
    rents = [worths[0] * 0] * K
    for j in range(K):
        for k in range(j):
            if weights[k] is not None:
                rents[j] = max(rents[j], rents[k] + gain(worths, weights, lines, additive, found, j, k))
    return Ladder(weights, lines, rents)


def gain(worths: Any, weights: Any, lines: Any, additive: bool, found: Envelope, j: int, k: int) -> Any:
    """What type j gets from contract k more than type k does."""
    w = weights[k]
    other = w + worths[j] - worths[k] if additive else w * worths[j] / worths[k]
    scale = w * 0 + 1 if additive else worths[k] / w
    return scale * (found.value(other) - found.value(w, lines[k]))


class ContractMenu:
    """The optimal contracts as an object: the contract for a signal, and what other signals make of it.

    >>> menu = ContractMenu(OptimalContract(discount="9/10", actions=["wait", "serve"], cost={"serve": "1/2"}, agents=[{
    ...     "states": 2, "start": ["1/2", "1/2"], "kernels": [["1/2", "1/2"]] * 2, "value": {"serve": ["1/2", 1]}}]))
    >>> offer = menu.contract(0.9)
    >>> assert abs(offer.prices[1, 0] - 0.5 * 0.9 / 0.8) < 1e-12 and menu.contract(0.4) is None
    >>> best = max(np.linspace(0.51, 1, 50), key=lambda r: menu.gets(0.9, r))
    >>> assert menu.gets(0.9, best) <= offer.utility + 1e-12
    """

    def __init__(self, model: OptimalContract) -> None:
        self.model, self.env = model, model.environment
        self.data, self.signal = self.env.data[0], model.signal
        self.rents = Rents(model.market)

    @cached_property
    def span(self) -> tuple[float, float]:
        """The weights any signal can bring about with any contract."""
        if self.model.continuous:
            finite = self.signal.on_grid[np.isfinite(self.signal.on_grid)]
            low, high = float(finite.min()), float(self.signal.worth(self.signal.initial.high))
        else:
            A = self.signal.worths
            low, high = float(A[0] - A[-1] + self.signal.virtual_worths.min()), float(A[-1])
        room = ROOM * (1 + abs(low) + abs(high))  # the ends are fractions that floats may miss
        return (low - room if self.data.additive else 0.0), high + room

    @cached_property
    def envelope(self) -> Envelope:
        """W0 over these weights, in floats."""
        return envelope(self.model.market, *self.span)

    @cached_property
    def exact(self) -> Envelope | None:
        """The same in fractions; None where that would take long, or the agent may have to be left out."""
        found = self.envelope
        if self.model.market.droppable or not provable(self.env, len(found.lines)):
            return None
        return exactly(self.env, found)

    @cached_property
    def exact_ladder(self) -> Ladder | None:
        """Finitely many types' contracts in fractions, where the envelope is."""
        if self.model.continuous or self.exact is None:
            return None
        worths = [rational(x) for x in self.signal.exact_worths]
        virtual = [rational(x) for x in self.signal.exact_virtual_worths]
        chances = [rational(x) for x in self.signal.initial.types.probabilities]
        return ladder(worths, virtual, chances, self.data.additive, self.exact)

    @cached_property
    def ladder(self) -> Ladder:
        """Finitely many types' contracts in floats."""
        if (found := self.exact_ladder) is not None:
            weights = [None if w is None else float(Fraction(str(w))) for w in found.weights]
            return Ladder(weights, found.lines, [float(Fraction(str(u))) for u in found.rents])
        worths, virtual = self.signal.worths.tolist(), self.signal.virtual_worths.tolist()
        return ladder(worths, virtual, self.signal.initial.types.f.tolist(), self.data.additive, self.envelope)

    def contract(self, signal: float) -> Contract | None:
        """The contract meant for a signal; None where it is left out. Raises InputError for signals there are not."""
        law = self.signal.initial
        if not law.low <= signal <= law.high:
            raise fail("signal", f"a signal in [{law.low:g}, {law.high:g}]", signal)
        A = float(self.signal.worth(signal))
        if self.model.continuous:
            w, utility = float(self.signal.phi(signal)), self.rents.utility(0, [signal])
            out = 0 not in self.model.market.best((w,)).included
            value = 0.0 if out else self.model.market.best((w,)).value
        else:
            k = int(self.signal.index(signal))
            w, utility = self.ladder.weights[k], self.ladder.rents[k]
            out = w is None
            value = 0.0 if out else self.envelope.value(w)
        if out:
            return None
        alpha, b = (1.0, w - A) if self.data.additive else (w / A, 0.0)
        exposure = np.broadcast_to(self.data.scaled[:, :, 0], self.env.costs.shape) if self.data.additive else 0.0
        return Contract(
            float(signal), w, alpha, b, (self.env.costs - b * exposure) / alpha, value / alpha - utility, utility
        )

    def serves(self, offer: Contract) -> bool:
        """Whether the signal a contract is meant for ever buys anything, or pays or keeps anything."""
        Q = float(self.envelope.lines[self.envelope.place(offer.weight)][0])
        return Q > SMALL or abs(offer.fee) > SMALL or offer.utility > SMALL

    def gets(self, true: float, chosen: float) -> float:
        """What a signal gets, seen from t = 0, by the contract meant for another and the best actions; 0 if none."""
        offer = self.contract(chosen)
        if offer is None:
            return 0.0
        w = offer.alpha * float(self.signal.worth(true)) + offer.b
        return self.model.market.best((w,)).value / offer.alpha - offer.fee

    def largest_gain(self, signals: Sequence[float]) -> tuple[float, float, float]:
        """The most any of these signals gains by another's contract or by none, and which two; seen from t = 0."""
        offers = [(r, self.contract(r)) for r in signals]
        worst = (-np.inf, np.nan, np.nan)
        for s in signals:
            own = self.contract(s)
            kept = 0.0 if own is None else self.gets(s, s)
            worst = max(worst, (-kept, s, np.nan))
            for r, offer in offers:
                if offer is not None:
                    w = offer.alpha * float(self.signal.worth(s)) + offer.b
                    worst = max(worst, (self.model.market.best((w,)).value / offer.alpha - offer.fee - kept, s, r))
        return worst

    def signals(self, count: int = 21) -> list[float]:
        """Signals whose contracts are listed: all types, or equally spaced ones of a continuum."""
        if not self.model.continuous:
            return [float(x) for x in self.signal.initial.types.v]
        return [float(x) for x in np.linspace(self.signal.initial.low, self.signal.initial.high, count)]
