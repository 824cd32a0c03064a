"""What is known without solving anything: a mechanism truthful by its form, and what no mechanism can pass.

Every good is sold apart by a uniform-price auction with a reserve: all who bid above the highest losing bid and the
reserve get a unit and pay the larger of the two, ties share. Where welfare, revenue and units count for the seller and
money left to buyers does not count for more, no mechanism they join scores more than (revenue + welfare) * surplus +
sale * units, its regret is at least zero, its ratio to the full surplus at most one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.composition.assess import Judgement, judge
from mechopt.models.composition.criteria import laid_out
from mechopt.solvers.program import Array

if TYPE_CHECKING:
    from mechopt.models.design import Design

FEW = 5  # reserves tried against a worst case
MOST_PROFILES = 2_000


@dataclass(frozen=True)
class Incumbent:
    """Allocation (I P, J) and payment (I P), what they are, and what the composed problem makes of them."""

    allocation: Array
    payment: Array
    words: str
    judgement: Judgement

    @property
    def point(self) -> Array:
        """The first columns of the program."""
        return np.concatenate([self.allocation.ravel(), self.payment])


def incumbent(design: Design) -> Incumbent | None:
    """The better of selling nothing and the auctions, among those that break no row; None where both break one."""
    environment = design.environment
    seats = environment.count * environment.profiles
    nothing = np.full((seats, environment.goods), Fraction(0)), np.full(seats, Fraction(0))
    best = None
    auction = "sells every good by a uniform-price auction"
    for q, m, words in ((*nothing, "sells nothing"), *((*tables, auction) for tables in auctions(design))):
        found = judge(design, q.ravel().tolist(), m.tolist(), truthful=True)
        if not found.feasible or found.exact is None:
            continue
        sign = 1 if design.maximizes else -1
        if best is None or sign * found.exact > sign * (best.judgement.exact or 0):
            best = Incumbent(q.astype(float), m.astype(float), words, found)
    return best


def auctions(design: Design) -> Iterator[tuple[Any, Any]]:
    """Uniform-price auctions, in fractions: with the reserves best on average, for a worst case with a few others."""
    environment = design.environment
    listed = []
    for j in range(environment.goods):
        least = max([environment.cost[j], *design.restrictions.reserve[j : j + 1]])
        values = sorted({t[j] for own in environment.exact for t in own if t[j] >= least})
        listed.append([least] if design.restrictions.efficient else values or [least])
    weight = _weights(design)
    yield _together(design, [max(own, key=lambda r, j=j: _worth(design, j, r, weight)) for j, own in enumerate(listed)])  # type: ignore[misc]
    if design.criterion.kind != "expected" and environment.profiles <= MOST_PROFILES:
        for share in range(FEW):
            yield _together(design, [own[share * len(own) // FEW] for own in listed])


def _together(design: Design, reserves: list[Fraction]) -> tuple[Any, Any]:
    tables = [_uniform_price(design, j, reserve) for j, reserve in enumerate(reserves)]
    return np.stack([q.ravel() for q, _ in tables], axis=1), sum(m.ravel() for _, m in tables)


def _worth(design: Design, good: int, reserve: Fraction, weight: Array) -> float:
    """The mean score of one good's auction."""
    measure, environment = design.criterion.measure, design.environment
    a, b, c, d = (float(getattr(measure, name)) for name in ("revenue", "welfare", "utility", "sale"))
    chance, paid = (table.astype(float) for table in _uniform_price(design, good, reserve))
    v, cost = environment.values[:, :, good], float(environment.cost[good])
    score = a * (paid - cost * chance) + b * (v - cost) * chance + c * (v * chance - paid) + d * chance
    return float((score.sum(axis=0) * weight).sum())


def _weights(design: Design) -> Array:
    """A distribution over profiles: the prior of an expectation, else the uniform one."""
    profiles = design.environment.profiles
    if design.criterion.kind == "expected":
        nature = laid_out(design.criterion, design.environment)
        return np.asarray(nature.mass.matrix((profiles, nature.atoms)) @ np.ones(nature.atoms))
    return np.full(profiles, 1 / profiles)


def _uniform_price(design: Design, good: int, reserve: Fraction) -> tuple[Any, Any]:
    """Chances and payments, (I, P) fractions, of one good's auction."""
    environment = design.environment
    supply, bidders = environment.supply[good], environment.count
    q = np.full((bidders, environment.profiles), Fraction(0))
    m = q.copy()
    for v, steps in enumerate(environment.steps.tolist()):
        values = [environment.exact[i][k][good] for i, k in enumerate(steps)]
        losing = sorted(values, reverse=True)[supply] if supply < bidders else reserve
        price, left = max(reserve, losing), Fraction(supply)
        tied = [i for i in range(bidders) if values[i] == price]
        for i in range(bidders):
            if values[i] > price:
                q[i, v], left = Fraction(1), left - 1
        for n, i in enumerate(tied):
            share = max(Fraction(0), left - n) if design.restrictions.deterministic else left / len(tied)
            q[i, v] = min(Fraction(1), share)
        for i in range(bidders):
            m[i, v] = price * q[i, v]
    return q, m


def ceiling(design: Design) -> float | None:
    """What no mechanism passes (for regret: stays below); None where money left to buyers may count for more."""
    environment, measure, kind = design.environment, design.criterion.measure, design.criterion.kind
    least = min(measure.revenue, measure.welfare, measure.utility, measure.sale)
    joined = design.incentives.participation == "ex-post" or measure.revenue == measure.utility
    if least < 0 or measure.revenue < measure.utility or not joined:
        return None
    if kind in ("regret", "ratio"):
        return 0.0 if kind == "regret" else 1.0
    surplus, den = environment.surplus
    most = max(int(x) for x in surplus.tolist()) / den
    units = sum(min(supply, environment.count * environment.demand) for supply in environment.supply)
    return float(measure.revenue + measure.welfare) * most + float(measure.sale) * units
