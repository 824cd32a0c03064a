"""AsympOptimalMulti: second price auctions, then throttled ones; its schedule, and its expected revenue in fractions.

Buyer i's balance moves by u_t, her utility in a second price auction, in periods with q_t = 1, and by u_t - mu_t in
the others if it was at least mu_t; it stays if not. Who else is throttled does not matter to her: the winner is drawn
before anybody is shut out. So, with y_t = E[theta_t x_t] what she pays at most,

    revenue of buyer i  =  sum_{q_t = 1} (y_t - mu_t) + sum_{q_t = 0} y_t P(b_{t-1} >= mu_t).

Source: Mirrokni, Paes Leme, Tang, Zuo (2020), supplement, Appendix F. The threshold is printed sqrt(t ln t); the proof
needs sqrt(t) ln t. Every buyer with b >= mu pays mu, as the formula has it, not only the winner, as the text does:
only then is what she expects from a period independent of her balance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mechopt.models.clairvoyance.auction import NonClairvoyantAuction, Threshold
from mechopt.models.distributions import Distribution

ZERO, ONE = Fraction(0), Fraction(1)
MOST_UPDATES = 60_000  # of balances held as fractions


@dataclass(frozen=True)
class Share:
    """A buyer in one second price auction: the law of her utility, its mean mu, and y = E[theta x], money."""

    law: tuple[tuple[Fraction, Fraction], ...]  # (utility, probability), increasing
    mu: Fraction
    y: Fraction


@dataclass(frozen=True)
class Ledger:
    """One buyer's shares in every period of the pattern, with W of each, and her schedule q, (T,)."""

    shares: tuple[Share, ...]
    W: tuple[Fraction, ...]
    free: NDArray[np.bool_]  # q_t = 1

    @property
    def sure(self) -> Fraction:
        """Her expected payments if she is never throttled, money."""
        n, total = len(self.shares), ZERO
        for k, share in enumerate(self.shares):
            own = self.free[k::n]
            total += share.y * len(own) - share.mu * int(own.sum())
        return total


@lru_cache(maxsize=256)
def shares(period: tuple[Distribution, ...]) -> tuple[tuple[Share, ...], Fraction]:
    """Every buyer's share in a second price auction, ties to the first buyer, and W = E[max_i theta_i].

    >>> coin = Distribution(values=[0, 1], probabilities=["1/2", "1/2"])
    >>> found, W = shares((coin, coin))
    >>> assert W == Fraction(3, 4) and [s.mu for s in found] == [Fraction(1, 4)] * 2
    >>> assert [s.y for s in found] == [Fraction(1, 2), Fraction(1, 4)]
    """
    found = [_share(period, i) for i in range(len(period))]
    return tuple(found), sum((share.y for share in found), ZERO)


def _share(period: tuple[Distribution, ...], buyer: int) -> Share:
    own, others = period[buyer], [p for j, p in enumerate(period) if j != buyer]
    grid = sorted({v for p in others for v in p.values} | {ZERO})
    below = [math.prod((_at_most(p, m) for p in others), start=ONE) for m in grid]
    mass = [b - a for a, b in zip([ZERO, *below], below, strict=False)]
    law: dict[Fraction, Fraction] = {}
    y = ZERO
    for v, f in zip(own.values, own.probabilities, strict=True):
        for m, p in zip(grid, mass, strict=True):
            gain = max(v - m, ZERO)
            law[gain] = law.get(gain, ZERO) + f * p
        before = math.prod((_at_most(p, v, strictly=True) for p in period[:buyer]), start=ONE)
        y += f * v * before * math.prod((_at_most(p, v) for p in period[buyer + 1 :]), start=ONE)
    kept = tuple(sorted((u, p) for u, p in law.items() if p))
    return Share(kept, sum((u * p for u, p in kept), ZERO), y)


def _at_most(prior: Distribution, x: Fraction, strictly: bool = False) -> Fraction:
    return sum(
        (p for v, p in zip(prior.values, prior.probabilities, strict=True) if v < x or (v == x and not strictly)), ZERO
    )


def schedule(mu: Sequence[Fraction], W: Sequence[Fraction], horizon: int, threshold: Threshold) -> NDArray[np.bool_]:
    """q_t of one buyer, (T,): whether her deposits so far, in expectation, are at most W_t times the threshold at t.

    >>> assert schedule([Fraction(1)], [Fraction(2)], 4, "sqrt(t) ln t").tolist() == [True, True, True, True]
    """
    t = np.arange(1, horizon + 1, dtype=float)
    grows = np.sqrt(t) * np.log(t) if threshold == "sqrt(t) ln t" else np.sqrt(t * np.log(t))
    limit = (np.resize(np.array([float(w) for w in W]), horizon) * grows).tolist()
    steps = [float(m) for m in mu]
    n, total, free = len(steps), 0.0, []
    for k, most in enumerate(limit):
        chosen = total <= most
        free.append(chosen)
        if chosen:
            total += steps[k % n]
    return np.array(free)


def ledgers(model: NonClairvoyantAuction) -> list[Ledger]:
    """Per buyer her shares and schedule."""
    found = [shares(period) for period in model.periods]
    W = tuple(w for _, w in found)
    books = []
    known: dict[tuple[Share, ...], Ledger] = {}
    for i in range(model.buyers):
        own = tuple(row[i] for row, _ in found)
        if own not in known:
            free = schedule([share.mu for share in own], W, model.horizon, model.threshold)
            known[own] = Ledger(own, W, free)
        books.append(known[own])
    return books


def misses(book: Ledger) -> list[Fraction] | None:
    """P(b_{t-1} < mu_t) in every period with q_t = 0 (zero in the others), in fractions; None where it is too long.

    >>> half = Fraction(1, 2)
    >>> share = Share(((ZERO, half), (Fraction(2), half)), ONE, ONE)
    >>> assert misses(Ledger((share,), (ONE,), np.array([True, False, False]))) == [0, half, half]
    """
    balances, found, updates = {ZERO: ONE}, [], 0
    for t, free in enumerate(book.free.tolist()):
        share = book.shares[t % len(book.shares)]
        after: dict[Fraction, Fraction] = {}
        miss = ZERO
        for b, p in balances.items():
            if not free and b < share.mu:
                miss += p
                after[b] = after.get(b, ZERO) + p
                continue
            start = b if free else b - share.mu
            for u, chance in share.law:
                after[start + u] = after.get(start + u, ZERO) + p * chance
        found.append(miss)
        balances, updates = after, updates + len(balances) * len(share.law)
        if updates > MOST_UPDATES:
            return None
    return found


def revenue(book: Ledger, missed: Sequence[Fraction]) -> Fraction:
    """A buyer's expected payments, money, given the chances that she is throttled, (T,)."""
    lost = sum((book.shares[t % len(book.shares)].y * m for t, m in enumerate(missed) if m), ZERO)
    return book.sure - lost


def exact_revenue(model: NonClairvoyantAuction) -> Fraction | None:
    """Expected revenue as a fraction, money; None where the balances are too many.

    >>> coin = {"values": [0, 1], "probabilities": ["1/2", "1/2"]}
    >>> model = NonClairvoyantAuction(periods=[[coin, coin]], mechanism="asymptotic")
    >>> assert exact_revenue(model) == Fraction(1, 4)
    """
    total = ZERO
    known: dict[int, Fraction] = {}
    for book in ledgers(model):
        if id(book) not in known:
            missed = misses(book)
            if missed is None:
                return None
            known[id(book)] = revenue(book, missed)
        total += known[id(book)]
    return total
