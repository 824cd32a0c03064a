"""Cuts: affine upper bounds of what a period and all later ones earn, each proved by the multipliers it is made of."""

from __future__ import annotations

import numpy as np

from mechopt.models.dynamic.several_period import Cut, Indices, Period
from mechopt.solvers.program import Array


class CutList:
    """The cuts of a period as arrays: what it and all later ones earn at most, affine in balances and xi."""

    def __init__(self, buyers: int, dimension: int) -> None:
        self.cuts: list[Cut] = []
        self._constant, self._slope = np.zeros(0), np.zeros((0, buyers))
        self._later = np.zeros((0, dimension))
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def constant(self) -> Array:
        """(C,)."""
        return self._constant[: self._size]

    @property
    def slope(self) -> Array:
        """(C, k)."""
        return self._slope[: self._size]

    @property
    def later(self) -> Array:
        """(C, D)."""
        return self._later[: self._size]

    def add(self, cut: Cut) -> int:
        """Keep a cut and say its place."""
        if self._size == len(self._constant):
            room = max(16, 2 * self._size)
            for name in ("_constant", "_slope", "_later"):
                old = getattr(self, name)
                new = np.zeros((room, *old.shape[1:]))
                new[: self._size] = old[: self._size]
                setattr(self, name, new)
        self.cuts.append(cut)
        self._constant[self._size], self._slope[self._size] = cut.constant, cut.slope
        self._later[self._size] = cut.later
        self._size += 1
        return self._size - 1


def make_cut(
    period: Period, following: CutList | None, dimension: int, pi: tuple[Indices, Indices, Array], duals: Array
) -> Cut:
    """The affine bound that multipliers prove: `pi` as (profile, cut, weight), `duals` of the rows mu and beta."""
    profiles, cuts, weights = pi
    mu, beta = np.maximum(duals[: period.N], 0.0), duals[period.N :]
    S = np.zeros((period.k, period.N))
    constant, later = 0.0, np.zeros(dimension)
    if following is not None:
        share = weights * period.f[profiles]
        for i in range(period.k):
            S[i] = np.bincount(profiles, share * following.slope[cuts, i], period.N)
        constant = float(share @ following.constant[cuts])
        later[period.slack :] = share @ following.later[cuts]
    own, beta = period.bound(S, beta, mu)
    later[: period.slack] = beta - period.chances
    slope = np.add.reduceat(beta, period.start[:-1])
    return Cut(constant + own, slope, later, profiles, cuts, weights, beta, mu)


def first_cut(period: Period, following: CutList | None, dimension: int) -> Cut:
    """The bound by welfare: nobody is asked for truth."""
    everyone = np.arange(period.N if following is not None else 0)
    pi = (everyone, 0 * everyone, np.ones(len(everyone)))
    best = np.max([v[period.types[:, i]] for i, v in enumerate(period.values)], axis=0)
    duals = np.concatenate([period.f * np.maximum(best, 0.0), np.zeros(period.slack)])
    return make_cut(period, following, dimension, pi, duals)
