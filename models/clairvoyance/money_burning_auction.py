"""The auction that gives its buyers the largest utility, counted up to caps: exact, and an object one can run.

A scaled auction of weights w >= 0 gives the good to the highest w_i (ironed vt_i), the first buyer among equals. A
burning auction draws one of finitely many scaled auctions by fixed chances pi, and then lets its winner i have the
good with the fixed chance q_i. A buyer's score rises with her value whatever the draw, and nothing but the score
decides: the auction is truthful in dominant strategies, before and after the draw.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechopt.models.auctions.myerson_mechanism import ThresholdAuction, nested
from mechopt.models.auctions.myerson_theory import interim_chances
from mechopt.models.clairvoyance.money_burning_columns import ONE, ZERO, Columns, Row, scaled
from mechopt.models.clairvoyance.money_burning_values import Convention, ironed_utility_values, prices
from mechopt.models.distributions import Distribution
from mechopt.models.inputs import fail, plain
from mechopt.models.outcome import Array

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class BurningAuction:
    """A draw of scaled auctions: `chances` pi, (N,), their `scales`, (N, I), and the winner's chance `q`, (I,).

    `utilities`: E[u_i], (I,), money, at most the caps; `weights`: the optimal w of the caps' program, (I,); `value`:
    their sum; `bound`: what no auction exceeds, equal to it unless time ran out. All are fractions. `pivots`: how
    many steps the simplex method took.

    >>> prior = Distribution(values=[1, 2], probabilities=["1/2", "1/2"])
    >>> auction = burning_auction([prior, prior], [Fraction(1, 4), None])
    >>> assert auction.value == auction.bound == sum(auction.utilities) and auction.utilities[0] <= Fraction(1, 4)
    >>> allocation, payment = auction.at((1, 0))  # the first buyer has her second type, the second her first
    >>> assert sum(allocation) <= 1 and min(payment) >= 0
    """

    priors: tuple[Distribution, ...]
    convention: Convention
    chances: Row
    scales: tuple[Row, ...]
    q: Row
    utilities: Row
    weights: Row
    bound: Fraction
    pivots: int = 0

    @property
    def value(self) -> Fraction:
        """Expected utility of all buyers, money."""
        return sum(self.utilities, ZERO)

    @property
    def determined(self) -> bool:
        """Whether the optimal weights decide anything: False when all are zero and only the draw tells who wins."""
        return any(w > 0 for w in self.weights)

    @cached_property
    def scores(self) -> list[list[Fraction]]:
        """Ironed vt of every buyer's types, money."""
        known = {prior: ironed_utility_values(prior, self.convention) for prior in set(self.priors)}
        return [known[prior] for prior in self.priors]

    @cached_property
    def prices(self) -> list[list[Fraction]]:
        """tau of every buyer's types, money."""
        return [prices(prior, self.convention) for prior in self.priors]

    @cached_property
    def parts(self) -> list[ThresholdAuction]:
        """The scaled auctions, which say at any types who wins and at which of her types she would just win."""
        return [_threshold(self.priors, self.scores, w) for w in self.scales]

    def at(self, types: Sequence[int]) -> tuple[Row, Row]:
        """Chance of winning and expected payment of every buyer, (I,) each, at types counted from zero."""
        q, m = self.at_types(np.array([types], dtype=np.int64))
        return tuple(q[0].tolist()), tuple(m[0].tolist())

    def at_types(self, types: Indices) -> tuple[Any, Any]:
        """Chance of winning and expected payment, (P, I) each, fractions in object arrays, at types (P, I)."""
        won = np.full(types.shape, ZERO, dtype=object)
        paid = np.full(types.shape, ZERO, dtype=object)
        tau = [np.array(row, dtype=object) for row in self.prices]
        for chance, part in zip(self.chances, self.parts, strict=True):
            wins, at = part.at_types(types)
            for i, own in enumerate(tau):
                share = wins[:, i].astype(object) * (chance * self.q[i])
                won[:, i] += share
                paid[:, i] += share * own[at[:, i]]
        return won, paid

    @cached_property
    def interim(self) -> list[Row]:
        """Q_i(k): buyer i's chance of winning with her k-th type, (K_i,) each."""
        f = [prior.probabilities for prior in self.priors]
        total = [[ZERO] * len(prior) for prior in self.priors]
        for chance, w in zip(self.chances, self.scales, strict=True):
            for i, row in enumerate(interim_chances(scaled(self.scores, w), f)):
                total[i] = [old + chance * self.q[i] * new for old, new in zip(total[i], row, strict=True)]
        return [tuple(row) for row in total]

    @property
    def payments(self) -> Row:
        """What each buyer pays on average, (I,), money: the seller's to keep, or to burn."""
        found = []
        for prior, tau, Q in zip(self.priors, self.prices, self.interim, strict=True):
            rises = [b - a for a, b in zip((ZERO, *Q[:-1]), Q, strict=True)]
            found.append(sum((t * x * r for t, x, r in zip(prior.tails, tau, rises, strict=True)), ZERO))
        return tuple(found)

    def mechanism_file(self) -> dict[str, Any]:
        """The auction as `mechopt audit` reads it: types, allocation, payment and prior, exactly, in all profiles."""
        shape = tuple(len(prior) for prior in self.priors)
        types = np.stack(np.unravel_index(np.arange(math.prod(shape)), shape), axis=1).astype(np.int64)
        won, paid = ([nested([plain(x) for x in row], shape) for row in table.T] for table in self.at_types(types))
        chances = [[plain(x) for x in prior.probabilities] for prior in self.priors]
        values = [[plain(x) for x in prior.values] for prior in self.priors]
        return {"types": values, "allocation": won, "payment": paid, "prior": {"marginals": chances}}

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Chance of winning and expected payment, (..., I) each, at any values (..., I), money.

        A value counts as the highest listed type whose price is below it, or which it reaches.
        """
        values = np.asarray(values, dtype=float)
        if values.shape[-1:] != (len(self.priors),):
            raise ValueError(f"expected one value per buyer, (..., {len(self.priors)}), got the shape {values.shape}")
        types = np.empty(values.shape, dtype=np.int64)
        tau = [np.array([float(x) for x in row]) for row in self.prices]
        for i, prior in enumerate(self.priors):
            x = values[..., i]
            types[..., i] = np.maximum(np.searchsorted(tau[i], x, "left"), np.searchsorted(prior.v, x, "right")) - 1
        won, paid = np.zeros(values.shape), np.zeros(values.shape)
        for chance, part in zip(self.chances, self.parts, strict=True):
            wins, at = part.at_types(types)
            for i, own in enumerate(tau):
                share = np.where(wins[..., i], float(chance * self.q[i]), 0.0)
                won[..., i] += share
                paid[..., i] += share * own[at[..., i]]
        return won, paid


def _threshold(
    priors: Sequence[Distribution], scores: Sequence[Sequence[Fraction]], weights: Sequence[Fraction]
) -> ThresholdAuction:
    rows = scaled(scores, weights)
    order = {s: n for n, s in enumerate(sorted({s for row in rows for s in row}))}
    ranks = tuple(np.array([order[s] for s in row], dtype=np.int64) for row in rows)
    return ThresholdAuction(tuple(prior.v for prior in priors), ranks)


def burning_auction(
    priors: Sequence[Distribution],
    caps: Sequence[Fraction | None] | None = None,
    convention: Convention = "upper",
    time_limit: float | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> BurningAuction:
    """The auction that maximises sum_i min(b_i, E[u_i]), exactly.

    `priors`: independent distributions, values of at least zero; `caps`: b_i of at least zero, money, None for no cap;
    `time_limit`: seconds, after which the best auction so far comes back with a bound above it.
    Raises InputError for caps that are not one per buyer or negative.

    >>> prior = Distribution(values=[1, 2], probabilities=["1/2", "1/2"])
    >>> assert burning_auction([prior] * 2).value == Fraction(3, 2)
    >>> capped = burning_auction([prior] * 2, [0, Fraction(1, 2)])
    >>> assert capped.utilities == (0, Fraction(1, 2)) and not capped.determined
    """
    limits = _limits(priors, caps)
    found = Columns(priors, limits, convention)
    end = None if time_limit is None else time.monotonic() + time_limit
    while found.improve():
        if found.pivots % 100 == 0:
            progress(f"pivot {found.pivots}, utility {float(found.value()):.9g}")
        if end is not None and time.monotonic() > end:
            break
    return _auction(found)


def _limits(priors: Sequence[Distribution], caps: Sequence[Fraction | None] | None) -> list[Fraction | None]:
    limits: list[Fraction | None] = [None] * len(priors) if caps is None else list(caps)
    if len(limits) != len(priors):
        raise fail("caps", f"{len(priors)} numbers, one per buyer", f"{len(limits)}")
    for i, cap in enumerate(limits):
        if cap is not None and cap < 0:
            raise fail(f"caps[{i}]", "a number of at least 0", cap, "leave the cap out where there is none")
    return limits


def _auction(found: Columns) -> BurningAuction:
    """The auction of the present basis, its draw scaled to sum to one."""
    drawn = [(x, c) for x, c in zip(found.x, found.basis, strict=True) if c.weights is not None and x > 0]
    total = sum((x for x, _ in drawn), ZERO)
    if not drawn:
        drawn, total = [(ONE, found.column((ONE,) * len(found.priors)))], ZERO
    chances = tuple(x / sum((x for x, _ in drawn), ZERO) for x, _ in drawn)
    whole = [sum((p * c.utilities[i] for p, (_, c) in zip(chances, drawn, strict=True)), ZERO)
             for i in range(len(found.priors))]  # fmt: skip
    kept = [u * total if cap is None else min(cap, u * total) for u, cap in zip(whole, found.caps, strict=True)]
    q = tuple(total if u == 0 else k / u for k, u in zip(kept, whole, strict=True))
    scales = tuple(c.weights for _, c in drawn if c.weights is not None)
    assert found.best is not None  # the first step sets it
    return BurningAuction(
        found.priors, found.convention, chances, scales, q, tuple(kept), found.weights, found.best, found.pivots
    )
