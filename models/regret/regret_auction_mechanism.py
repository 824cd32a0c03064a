"""Auctions as functions of all bidders' values, anywhere on the continuum: every good sold by itself.

Ties are won by the first of the highest bidders, and the winner is served; values above a bound count as the bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mechopt.models.outcome import Array


class OneGood(Protocol):
    """An auction of one good."""

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Allocation (..., I) and payment (..., I) at values (..., I)."""


@dataclass(frozen=True)
class SoldApart:
    """Goods sold by auctions of their own, one each."""

    auctions: Sequence[OneGood]

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Allocation (..., I, J) and payment (..., I) at values (..., I, J), money."""
        values = np.asarray(values, dtype=float)
        found = [auction(values[..., j]) for j, auction in enumerate(self.auctions)]
        return np.stack([q for q, _ in found], axis=-1), np.sum([m for _, m in found], axis=0)


@dataclass(frozen=True)
class RandomReserve:
    """Second price auction of one good with a random reserve.

    At the value upper^i t, bidder i meets hers with a chance that is piecewise linear: `chance` (n + 1,) at `nodes`
    (n + 1,), increasing to 1. `lower`, `upper` (I,): the bounds, money; below the lower bound nobody buys.

    >>> auction = RandomReserve(np.array([0.0, 1.0]), np.array([0.0, 1.0]), 0.0, np.array([1.0, 1.0]))
    >>> q, m = auction(np.array([1.0, 0.5]))
    >>> assert q.tolist() == [1.0, 0.0] and m.tolist() == [0.625, 0.0]
    """

    nodes: Array
    chance: Array
    lower: float
    upper: Array

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Allocation (..., I) and payment (..., I) at values (..., I)."""
        bids = np.minimum(values, self.upper)
        winner = np.expand_dims(bids.argmax(axis=-1), -1)
        bid = np.take_along_axis(bids, winner, axis=-1)
        rest = np.where(np.arange(bids.shape[-1]) == winner, self.lower, bids)
        second = np.maximum(rest.max(axis=-1, keepdims=True), self.lower)
        top = self.upper[winner]
        chance, area = self._integral(bid / top)
        _, before = self._integral(second / top)
        served = (np.arange(bids.shape[-1]) == winner) & (bid >= self.lower)
        pay = bid * chance - top * (area - before)
        return np.where(served, chance, 0.0), np.where(served, pay, 0.0)

    def _integral(self, t: Array) -> tuple[Array, Array]:
        """The chance at t and its integral up to t."""
        t = np.clip(t, self.nodes[0], self.nodes[-1])
        cell = np.clip(np.searchsorted(self.nodes, t, side="right") - 1, 0, len(self.nodes) - 2)
        areas = np.diff(self.nodes) * (self.chance[:-1] + self.chance[1:]) / 2
        before = np.concatenate([[0.0], np.cumsum(areas)])
        height = np.interp(t, self.nodes, self.chance)
        return height, before[cell] + (t - self.nodes[cell]) * (self.chance[cell] + height) / 2


@dataclass(frozen=True)
class RoundedUp:
    """One good, every bid rounded up to the bidder's grid, `grid` (I, n + 1), money.

    `chance` (n + 1, ..., n + 1, I): allocation by cell of every bidder. Entering a cell costs the value below it for
    each unit of allocation gained. Bids below the grid count as its lowest value but buy nothing.

    >>> table = np.array([[[0, 0], [0, 1]], [[1, 0], [1, 0]]], dtype=float)
    >>> auction = RoundedUp(np.array([[0.5, 1.0], [0.5, 1.0]]), table)
    >>> q, m = auction(np.array([0.75, 0.5]))
    >>> assert q.tolist() == [1.0, 0.0] and m.tolist() == [0.5, 0.0]
    """

    grid: Array
    chance: Array

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Allocation (..., I) and payment (..., I) at values (..., I)."""
        bidders, n = len(self.grid), self.grid.shape[1] - 1
        cells = np.stack([np.searchsorted(axis, values[..., i]) for i, axis in enumerate(self.grid)], axis=-1)
        cells = np.minimum(cells, n)
        at = tuple(cells[..., i] for i in range(bidders))
        q, m = np.zeros(values.shape), np.zeros(values.shape)
        for i in range(bidders):
            threshold = np.concatenate([self.grid[i, :1], self.grid[i, :-1]])
            own = np.moveaxis(self.chance[..., i], i, -1)
            gained = np.diff(own, axis=-1, prepend=0.0)
            paid = np.moveaxis(np.cumsum(gained * threshold, axis=-1), -1, i)
            buys = values[..., i] >= self.grid[i, 0]
            q[..., i] = np.where(buys, self.chance[..., i][at], 0.0)
            m[..., i] = np.where(buys, paid[at], 0.0)
        return q, m
