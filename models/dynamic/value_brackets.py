"""The value of promised utility between tangents and chords, and how valid ones of a period follow from the next's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mechopt.models.distributions import Distribution
from mechopt.solvers.program import Array


@dataclass(frozen=True)
class Period:
    """One period: values v (n,), chances f, welfare E[v; v >= v_m] and rent (v_j - v_m)^+ of prices v_m, (j, m)."""

    v: Array
    f: Array
    welfare: Array
    rent: Array

    @classmethod
    def of(cls, prior: Distribution) -> Period:
        """From a distribution."""
        return cls(
            prior.v, prior.f, np.cumsum((prior.f * prior.v)[::-1])[::-1], np.maximum(prior.v[:, None] - prior.v, 0)
        )


@dataclass
class Bracket:
    """W_{t-1} from both sides, and how each bound comes about.

    `slope`, `intercept` (K,): tangents, slopes falling to 0; `parents` (K, n): g_j, slopes of the next period.
    `U`, `w` (M,): points, U rising from 0; `prices` (M, n): the lottery over posted prices at each.
    """

    slope: Array
    intercept: Array
    parents: Array
    U: Array
    w: Array
    prices: Array
    touch: tuple[Array, Array] | None = None  # U and the slope of W_{t-1} there, where known
    programs: int = 0

    def upper(self, U: Array) -> Array:
        """The least tangent at U."""
        return np.asarray(
            (self.intercept[:, None] + self.slope[:, None] * np.ravel(U)).min(axis=0).reshape(np.shape(U))
        )

    def lower(self, U: Array) -> Array:
        """The chord at U."""
        return np.interp(U, self.U, self.w)


def nothing(n: int = 1) -> Bracket:
    """W_T = 0: the value after the last period."""
    return Bracket(np.zeros(1), np.zeros(1), np.zeros((1, n)), np.zeros(1), np.zeros(1), np.zeros((1, n)))


def tangents(period: Period, after: Bracket, beta: Array, parents: Array) -> tuple[Array, Array, Array]:
    """Slope, intercept and parents of valid tangents, whatever slopes beta (K,) and g (K, n) are offered."""
    g = np.clip(parents, 0.0, after.slope[0])
    beta = np.maximum(beta, g @ period.f)
    conjugate = np.interp(g, after.slope[::-1], after.intercept[::-1])
    sums = period.welfare - (beta[:, None] - g) * period.f @ period.rent  # S_m, (K, n)
    return beta, conjugate @ period.f + np.maximum(sums.max(axis=1), 0.0), g


def points(period: Period, after: Bracket, U: Array, prices: Array) -> tuple[Array, Array, Array]:
    """U, value and lottery of valid points, whatever U (M,) and prices (M, n) are offered."""
    prices = np.clip(prices, 0.0, 1.0)
    prices = prices / np.maximum(prices.sum(axis=1, keepdims=True), 1.0)
    y = prices @ period.rent.T
    U = np.maximum(U, y @ period.f)
    y = y + (U - y @ period.f)[:, None]
    return U, prices @ (period.welfare) + after.lower(y) @ period.f, prices


def flat(period: Period, after: Bracket) -> float:
    """The tangent of slope 0: no promise binds."""
    return float(tangents(period, after, np.zeros(1), np.zeros((1, len(period.v))))[1][0])


def least(slope: Array, intercept: Array, parents: Array) -> tuple[Array, Array, Array]:
    """Tangents that are the least somewhere on U >= 0, slopes falling."""
    keep: list[int] = []
    for k in np.lexsort((intercept, -slope)).tolist():
        if keep and slope[k] == slope[keep[-1]]:
            continue
        while keep:
            a = keep[-1]
            if intercept[k] <= intercept[a]:  # flatter and lower: the least on all of U >= 0
                keep.pop()
                continue
            if len(keep) > 1:
                b = keep[-2]
                if (intercept[k] - intercept[b]) * (slope[b] - slope[a]) <= (intercept[a] - intercept[b]) * (
                    slope[b] - slope[k]
                ):
                    keep.pop()
                    continue
            break
        keep.append(k)
    at = np.array(keep)
    return slope[at], intercept[at], parents[at]


def hull(U: Array, w: Array, prices: Array) -> tuple[Array, Array, Array]:
    """Points on the least concave nondecreasing majorant, U rising."""
    keep: list[int] = []
    for k in np.lexsort((-w, U)).tolist():
        if keep and (U[k] == U[keep[-1]] or w[k] <= w[keep[-1]]):
            continue
        while len(keep) > 1:
            a, b = keep[-1], keep[-2]
            if (w[a] - w[b]) * (U[k] - U[a]) > (w[k] - w[a]) * (U[a] - U[b]):
                break
            keep.pop()
        keep.append(k)
    at = np.array(keep)
    return U[at], w[at], prices[at]
