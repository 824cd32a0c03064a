"""From a search's floats to an exact mechanism: finitely many points per period, each with a feasible decision.

A point of period t has balances, an allocation, and for every profile a mixture of points of period t + 1 whose mean
balances are covered by the balances after. Numbers are decimals, and a float of the certificate means its shortest
decimal: allocations are multiples of 10^-14 rounded down, balances are rounded down, what a mixture may not afford
goes to the point without balance. Rounding therefore costs revenue, and never breaks a row.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.models.dynamic.several_cuts import CutList
from mechopt.models.dynamic.several_period import Cut, Indices, Period
from mechopt.models.dynamic.several_points import Decision, Points
from mechopt.models.dynamic.several_search import Found
from mechopt.solvers.program import Array
from mechopt.solvers.rational import Rational, nearest, rational

GRAIN = 10**14  # allocations and weights are multiples of one over it
SLIGHT = 0.04  # of a grain: by how much a float may miss the multiple it stands for
EMPTY = 1e-9  # balances below this share of the scale are none: a point with them would be out of reach for zero

Mixture = list[tuple[int, float]]  # points of the next period, with weights that sum to one


@dataclass
class Point:
    """One state of the mechanism; `allocation` (k, N), `next`: one mixture per profile (empty in the last period)."""

    balances: list[float]
    allocation: Array
    next: list[Mixture]


@dataclass(frozen=True)
class Policy:
    """The mechanism: xi of all periods in a row, and per period its points; period 1 has one, without balances."""

    xi: Array
    points: list[list[Point]]


def exact(value: float) -> Rational:
    """A float of the certificate: its shortest decimal."""
    return rational(repr(float(value)))


class _Exact:
    """Rational data of a period."""

    def __init__(self, period: Period) -> None:
        self.period = period
        self.steps: list[list[Rational]] = []  # v_{l+1} - v_l
        self.costs: list[list[Rational]] = []  # (v_{l+1} - v_l) P(V > v_l)
        for prior in period.buyers:
            v, tail = [rational(x) for x in prior.values], [rational(x) for x in prior.tails]
            self.steps.append([b - a for a, b in itertools.pairwise(v)])
            self.costs.append([d * p for d, p in zip(self.steps[-1], tail[1:], strict=True)])

    def repair(self, decision: Decision, balances: list[Rational], xi: list[Rational]) -> tuple[Indices, list[Any]]:
        """Allocation as grains, (k, N), and the exact balances after it, by buyer and profile."""
        period = self.period
        x = np.clip(decision.allocation, 0.0, 1.0)
        for i, place in enumerate(period.place):
            x[i, place] = np.maximum.accumulate(x[i, place], axis=1)
        x /= max(1.0, float(x.sum(axis=0).max()))
        grains = np.floor(x * GRAIN + SLIGHT).astype(np.int64)
        after: list[list[Rational]] = [[rational(0)] * period.N for _ in range(period.k)]
        for i, place in enumerate(period.place):
            for o, row in enumerate(place.tolist()):
                room = balances[i] + xi[int(period.start[i]) + o]
                m = grains[i, row].tolist()
                spent = sum((c * g for c, g in zip(self.costs[i], m, strict=False)), rational(0)) / GRAIN
                if spent > room:
                    m[:-1] = [int((g * room / spent).floor()) for g in m[:-1]]
                    grains[i, row] = m
                    spent = sum((c * g for c, g in zip(self.costs[i], m, strict=False)), rational(0)) / GRAIN
                held = room - spent
                for v, step, g in zip(row, [*self.steps[i], rational(0)], m, strict=True):
                    after[i][v] = held
                    held += step * g / GRAIN
        return grains, after


def decimal_below(value: Rational, exponent: int) -> float:
    """The largest multiple of 10^exponent that is at most the number, as the float that means it."""
    unit = Fraction(10) ** exponent
    return float(int((value / rational(unit)).floor()) * unit)


def build(periods: list[Period], found: Found, scale: float) -> Policy:
    """The exact mechanism of a search's best choice; `scale` in money, while the search counts in the periods' unit."""
    assert found.decision is not None
    exponent = math.floor(math.log10(scale)) - 14
    unit = periods[0].unit
    xi = np.array([decimal_below(rational(max(0.0, x * unit)), exponent) for x in found.xi])
    start = np.concatenate([[0], np.cumsum([period.slack for period in periods])])
    rows: list[list[Point]] = []
    level: list[tuple[Decision, list[float]]] = [(found.decision, [0.0] * periods[0].k)]
    for t, period in enumerate(periods):
        own = [exact(x) for x in xi[start[t] : start[t + 1]]]
        data = _Exact(period)
        made = [data.repair(decision, [exact(b) for b in balances], own) for decision, balances in level]
        last = t + 1 == len(periods)
        nexts: list[list[Mixture]] = [[] for _ in level]
        following: list[tuple[Decision, list[float]]] = []
        if not last:
            after = [y for _, y in made]
            nexts, following = _link(found.points[t], [d.after for d, _ in level], after, exponent, scale, unit)
        rows.append(
            [
                Point(balances, grains / GRAIN, mixtures)
                for (_, balances), (grains, _), mixtures in zip(level, made, nexts, strict=True)
            ]
        )
        level = following
    return Policy(xi, rows)


def _link(
    points: Points, wanted: list[Array], after: list[Any], exponent: int, scale: float, unit: float = 1.0
) -> tuple[list[list[Mixture]], list[tuple[Decision, list[float]]]]:
    """Mixtures of the next period's points for every decision and profile, and the points used with exact balances."""
    k, count = wanted[0].shape
    drafts: list[list[tuple[Indices, Array]]] = []
    names = {0: 0}  # points in use; the first has no balance
    caps: dict[int, list[Rational]] = {}
    for target, y in zip(wanted, after, strict=True):
        known: dict[tuple[float, ...], tuple[Indices, Array]] = {}
        row = []
        for v in range(count):
            key = points.key(target[:, v])
            if key not in known:
                known[key] = points.mixture(target[:, v])[:2]
            which, weights = known[key]
            row.append((which, weights))
            for q in which.tolist():
                names.setdefault(q, len(names))
            if len(which) == 1:
                own = [y[i][v] for i in range(k)]
                q = int(which[0])
                caps[q] = [min(a, b) for a, b in zip(caps.get(q, own), own, strict=True)]
        drafts.append(row)
    following: list[tuple[Decision, list[float]]] = []
    for q in names:
        own = [rational(max(0.0, b)) for b in (points.balances[q] * unit).tolist()]
        cap = caps.get(q, own) if q else [rational(0)] * k
        held = [min(b, c) for b, c in zip(own, cap, strict=True)]
        kept = [decimal_below(b, exponent) if nearest(b) > EMPTY * scale else 0.0 for b in held]
        following.append((points.decisions[q], kept))
    balances = [[exact(b) for b in held] for _, held in following]
    nexts = [
        [
            _afford([(names[q], w) for q, w in zip(which.tolist(), weights.tolist(), strict=True)], balances,
                    [y[i][v] for i in range(k)], scale)
            for v, (which, weights) in enumerate(row)
        ]
        for row, y in zip(drafts, after, strict=True)
    ]  # fmt: skip
    return nexts, following


def _afford(mixture: Mixture, balances: list[list[Rational]], y: list[Rational], scale: float) -> Mixture:
    """A mixture whose mean balances are at most y: cut down where it costs too much, the rest without balance."""
    if len(mixture) == 1 and all(b <= a for b, a in zip(balances[mixture[0][0]], y, strict=True)):
        return [(mixture[0][0], 1.0)]
    poor = [nearest(a) < EMPTY * scale for a in y]
    kept = [
        (q, int(w * GRAIN))
        for q, w in mixture
        if q and not any(p and balances[q][i] > y[i] for i, p in enumerate(poor))
    ]
    share = rational(1)
    for i, room in enumerate(y):
        cost = sum((balances[q][i] * m for q, m in kept), rational(0)) / GRAIN
        if cost > room:
            share = min(share, room / cost)
    grains = [(q, int((m * share).floor())) for q, m in kept]
    grains.sort(key=lambda pair: -pair[1])
    if (over := sum(m for _, m in grains) - GRAIN) > 0:
        grains[0] = (grains[0][0], grains[0][1] - over)
    rest = GRAIN - sum(m for _, m in grains)
    return [(q, m / GRAIN) for q, m in [*grains, (0, rest)] if m]


def prune(root: Cut, lists: list[CutList]) -> list[list[Cut]]:
    """The root's cut and those it stands on, period by period, renumbered."""
    found, level = [[root]], [root]
    for cuts in lists[1:]:
        used = sorted({int(c) for cut in level for c in cut.cuts})
        number = np.zeros(len(cuts) + 1, dtype=np.int64)
        number[used] = np.arange(len(used))
        found[-1] = [_renumbered(cut, number) for cut in level]
        level = [cuts.cuts[c] for c in used]
        found.append(level)
    return found


def _renumbered(cut: Cut, number: Indices) -> Cut:
    return Cut(cut.constant, cut.slope, cut.later, cut.profiles, number[cut.cuts], cut.weights, cut.beta, cut.mu)


def multipliers(cut: Cut, unit: float) -> dict[str, Any]:
    """A cut as a certificate holds it: nonzeros of beta and mu, and the weights of the cuts it stands on."""
    rows: dict[int, list[tuple[int, float]]] = {}
    for v, c, w in zip(cut.profiles.tolist(), cut.cuts.tolist(), cut.weights.tolist(), strict=True):
        rows.setdefault(v, []).append((c, w))
    on: list[list[Any]] = []
    for v, pairs in sorted(rows.items()):
        grains = [max(0, int(w * GRAIN)) for _, w in pairs]
        grains[int(np.argmax(grains))] += GRAIN - sum(grains)
        on += [[v, c, 1 if m == GRAIN else m / GRAIN] for (c, _), m in zip(pairs, grains, strict=True) if m]
    rows_of = {"beta": cut.beta, "mu": cut.mu * unit}  # mu is money
    found = {name: [[j, x] for j, x in enumerate(row.tolist()) if x > 0] for name, row in rows_of.items()}
    return {**found, "on": on}


def listed(policy: Policy, periods: list[Period]) -> dict[str, Any]:
    """The mechanism as a certificate holds it."""
    ends = np.cumsum([period.slack for period in periods])[:-1]
    return {
        "xi": [part.tolist() for part in np.split(policy.xi, ends)],
        "points": [
            [
                {"balances": p.balances, "allocation": p.allocation.tolist(),
                 "next": [[v, q, 1 if w == 1 else w] for v, mixture in enumerate(p.next) for q, w in mixture]}
                for p in row
            ]
            for row in policy.points
        ],
    }  # fmt: skip
