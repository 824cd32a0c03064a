"""Simulated paths of AsympOptimalMulti, all paths at once, and the mechanism one period at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechopt.models.clairvoyance.asymptotic import ledgers
from mechopt.models.clairvoyance.auction import NonClairvoyantAuction
from mechopt.models.distributions import Distribution
from mechopt.models.dynamic.bank_account import NORMAL, Stage

Array = NDArray[np.float64]
BATCH = 20_000  # paths at a time
SLACK = 1e-9  # by which a balance in floats may miss mu and still count as equal, relative to the highest value


@dataclass(frozen=True)
class Sample:
    """Revenue of every path, (P,), its mean, error and 95 percent interval, money; `balance` of the first paths."""

    revenue: Array
    mean: float
    error: float
    interval: tuple[float, float]
    balance: Array  # (few, T, k) after every period

    @classmethod
    def of(cls, revenue: Array, balance: Array) -> Sample:
        """With mean and interval from the paths' revenues."""
        mean, error = float(revenue.mean()), float(revenue.std(ddof=1)) / math.sqrt(len(revenue))
        return cls(revenue, mean, error, (mean - NORMAL * error, mean + NORMAL * error), balance)


def simulate(model: NonClairvoyantAuction, paths: int, seed: int, watch: int = 5) -> Sample:
    """Run the mechanism on `paths` draws of all values; balances of the first `watch` paths are kept.

    >>> coin = {"values": [0, 1], "probabilities": ["1/2", "1/2"]}
    >>> model = NonClairvoyantAuction(periods=[[coin, coin]], repeat=4, mechanism="asymptotic")
    >>> assert abs(simulate(model, 4000, 1).mean - 1) < 0.1
    """
    rng = np.random.default_rng(seed)
    parts, kept = [], np.zeros((0, model.horizon, model.buyers))
    for start in range(0, paths, BATCH):
        revenue, balance = _batch(model, min(BATCH, paths - start), rng, watch if start == 0 else 0)
        parts.append(revenue)
        kept = balance if start == 0 else kept
    return Sample.of(np.concatenate(parts), kept)


def _batch(model: NonClairvoyantAuction, paths: int, rng: np.random.Generator, watch: int) -> tuple[Array, Array]:
    books = ledgers(model)
    tables = [_outcomes(period) for period in model.periods]
    n = len(tables)
    slack = SLACK * max(float(p.values[-1]) for period in model.periods for p in period)
    balance, revenue = np.zeros((model.buyers, paths)), np.zeros(paths)
    kept = np.zeros((min(watch, paths), model.horizon, model.buyers))
    for t in range(model.horizon):
        levels, utility, payment = tables[t % n]
        profile = np.searchsorted(levels, rng.random(paths), side="right")
        for i, book in enumerate(books):
            u, p = utility[i][profile], payment[i][profile]
            if book.free[t]:
                balance[i] += u
                revenue += p
            else:
                mu = float(book.shares[t % n].mu)
                takes = balance[i] >= mu - slack
                balance[i] += np.where(takes, u - mu, 0.0)
                revenue += np.where(takes, p + mu, 0.0)
        kept[:, t] = balance[:, : len(kept)].T
    return revenue, kept


def _outcomes(period: Sequence[Distribution]) -> tuple[Array, Array, Array]:
    """Cumulative chances of the profiles, (P,), and every buyer's utility and payment in them, (k, P), second price."""
    allocation, payment, values = second_price_tables(period)
    chance = np.ones(1)
    for prior in period:
        chance = np.multiply.outer(chance, prior.f).ravel()
    levels = np.cumsum(chance)[:-1]
    k = len(period)
    paid = payment.astype(float).reshape(k, -1)
    worth = (allocation * values).astype(float).reshape(k, -1)
    return levels, worth - paid, paid


def second_price_tables(period: Sequence[Distribution]) -> tuple[Any, Any, Any]:
    """Allocation, payment and values of a second price auction over profiles, (k, n_1, .., n_k), fractions.

    >>> coin = Distribution(values=[1, 2], probabilities=["1/2", "1/2"])
    >>> allocation, payment, _ = second_price_tables([coin, coin])
    >>> assert allocation[1].tolist() == [[0, 1], [0, 0]] and payment[0].tolist() == [[1, 0], [1, 2]]
    """
    shape = tuple(len(prior) for prior in period)
    values = np.array(np.meshgrid(*[np.array(p.values, dtype=object) for p in period], indexing="ij"), dtype=object)
    values = values.reshape(len(period), *shape)
    winner = np.argmax(values, axis=0)  # the first among equals
    allocation = np.array([np.where(winner == i, 1, 0) for i in range(len(period))], dtype=object)
    second = np.full(shape, Fraction(0), dtype=object) if len(period) == 1 else np.sort(values, axis=0)[-2]
    return allocation, allocation * second, values


class Asymptotic:
    """What AsympOptimalMulti does in each period, as a source of a bank account mechanism."""

    def __init__(self, model: NonClairvoyantAuction) -> None:
        self.periods: Sequence[Sequence[Distribution]] = tuple(model.periods) * model.repeat
        self.books = ledgers(model)
        self.tables = [second_price_tables(period) for period in model.periods]

    def stage(self, t: int, state: Sequence[Fraction]) -> Stage:
        """Period t, from zero, at these balances."""
        allocation, payment, values = self.tables[t % len(self.tables)]
        utility = allocation * values - payment
        rows = []
        for i, (b, book) in enumerate(zip(state, self.books, strict=True)):
            free, mu = bool(book.free[t]), book.shares[t % len(self.tables)].mu
            fee = Fraction(0) if free or b < mu else mu
            open_ = int(free or b >= mu)
            rows.append((open_ * allocation[i], open_ * payment[i] + fee, 0 * payment[i] + fee,
                         open_ * utility[i], b + open_ * utility[i] - fee))  # fmt: skip
        return Stage(tuple(state), *(np.array([row[c] for row in rows], dtype=object) for c in range(5)))
