"""Two buyers alike in every period may change places: every cut and every point then stands for two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mechopt.models.dynamic.several_cuts import CutList
from mechopt.models.dynamic.several_period import Cut, Indices, Period
from mechopt.models.dynamic.several_points import Decision
from mechopt.solvers.program import Array


def alike(periods: Sequence[Period]) -> bool:
    """Whether there are two buyers with equal distributions in every period."""
    return all(period.k == 2 and period.buyers[0] == period.buyers[1] for period in periods)


class Swap:
    """The buyers' places exchanged, in tables, xi and cuts; `image[t][c]` is the cut that cut c of period t becomes."""

    def __init__(self, periods: Sequence[Period]) -> None:
        self.periods = list(periods)
        self.places: list[Indices] = [np.arange(p.N).reshape(p.shape).T.ravel() for p in self.periods]
        self.image: list[list[int]] = [[] for _ in self.periods]

    def xi(self, xi: Array, t: int = 0) -> Array:
        """xi of periods t to T, (D_t,)."""
        ends = np.cumsum([period.slack for period in self.periods[t:]])[:-1]
        return np.concatenate([row.reshape(2, -1)[::-1].ravel() for row in np.split(xi, ends)])

    def decision(self, t: int, decision: Decision) -> Decision:
        """Allocation and balances after."""
        place = self.places[t]
        return Decision(decision.allocation[::-1][:, place], decision.after[::-1][:, place])

    def even(self, xi: Array, decision: Decision) -> tuple[Array, Decision]:
        """The mean of a choice of period 1 and the same with places exchanged: feasible, and worth no less."""
        other, turned = self.xi(xi), self.decision(0, decision)
        allocation = (decision.allocation + turned.allocation) / 2
        return (xi + other) / 2, Decision(allocation, (decision.after + turned.after) / 2)

    def add(self, t: int, cuts: CutList, cut: Cut) -> None:
        """Keep a cut of period t and its image."""
        first = cuts.add(cut)
        other = self._cut(t, cut)
        if cut.constant == other.constant and (cut.slope == other.slope).all() and (cut.later == other.later).all():
            self.image[t].append(first)
            return
        self.image[t] += [cuts.add(other), first]

    def _cut(self, t: int, cut: Cut) -> Cut:
        place = self.places[t]
        on = np.array([self.image[t + 1][c] for c in cut.cuts.tolist()], dtype=np.int64) if len(cut.cuts) else cut.cuts
        beta = cut.beta.reshape(2, -1)[::-1].ravel()
        later = self.xi(cut.later, t)
        return Cut(cut.constant, cut.slope[::-1], later, place[cut.profiles], on, cut.weights, beta, cut.mu[place])
