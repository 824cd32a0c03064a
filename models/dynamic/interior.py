"""A period's program for many slopes at once, without a linear program: Newton steps along the chain of values.

For a slope beta of W_{t-1} the period's problem is max over lotteries w and y_1 >= 0 of

    sum_j f_j (v_j x_j + W(y_j) - beta y_j),     x_j = w_1 + .. + w_j,   y_{j+1} = y_j + (v_{j+1} - v_j) x_j

with W smooth between the next period's tangents. Its states (y_j, x_{j-1}) form a chain, so the Newton step of a
primal-dual interior point method is a Riccati recursion over the n values; every line of it works on all slopes. What
comes out is only ever an offer: lotteries and parents are rounded to valid points and tangents afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.solvers.program import Array

if TYPE_CHECKING:
    from mechopt.models.dynamic.value_brackets import Bracket, Period

STEPS = 40
CLOSE = 1e-7  # complementarity at the end, relative to the money at stake
ARRIVED = 8.0  # the same at which a problem counts as solved, in units of CLOSE
FLOOR = 1e-300
LIGHT = 1e-7  # smaller chances of a price are left out
NEAR = 1e-9  # breakpoints are at least this share of the range apart


class Smooth:
    """W' as a falling piecewise-linear function of y: the slopes at which points were found, joined.

    Where W has a kink, from slope s to s', W' falls over a width of about `soft` (1/s' - 1/s): Newton steps would jump
    to and fro across anything steeper.
    """

    def __init__(self, after: Bracket, soft: float) -> None:
        assert after.touch is not None
        order = np.lexsort((-after.touch[1], after.touch[0]))
        y, slope = after.touch[0][order], np.minimum.accumulate(after.touch[1][order])
        end = max(float(after.U[-1]), float(y[-1]), FLOOR)
        y, slope = np.append(y, end), np.append(slope, 0.0)
        width = soft * -np.diff(slope) / np.maximum(slope[:-1], 1.0) / np.maximum(slope[1:], 1.0) + NEAR * end
        room = np.concatenate([[0.0], np.cumsum(width)])
        right = np.maximum.accumulate(y - room) + room
        left = np.minimum.accumulate((y - room)[::-1])[::-1] + room
        y = (left + right) / 2  # kinks become wider on both sides alike
        first = max(int(np.searchsorted(y, 0.0, side="right")) - 1, 0)
        self.y, self.s = y[first:], slope[first:]
        self.y[0] = 0.0
        self.bend = np.diff(self.s) / np.diff(self.y)

    def __call__(self, y: Array) -> tuple[Array, Array]:
        """Slope and its (negative) derivative at y."""
        k = np.clip(np.searchsorted(self.y, y, side="right") - 1, 0, len(self.bend) - 1)
        inside = y < self.y[-1]
        slope = np.where(inside, self.s[k] + self.bend[k] * (y - self.y[k]), 0.0)
        return slope, np.where(inside, self.bend[k], 0.0)


def offers(period: Period, after: Bracket, beta: Array, soft: float) -> tuple[Array, Array, Array, Any]:
    """Lotteries (M, n), lowest balances (M,), parents (M, n) and which have arrived (M,), for slopes beta (M,).

    `soft`: money by which kinks may be smoothed. The highest value has to be positive.
    """
    curve = Smooth(after, soft)
    n, M = len(period.v), len(beta)
    d = np.diff(period.v)
    money = float(period.f @ np.abs(period.v))
    w, z = np.full((n, M), 1.0 / n), np.full((n, M), money)
    low, zeta = np.full(M, max(float(after.U[-1]), money) * 0.1), np.full(M, 1.0)
    mu = np.full(M, money / n)
    gap = mu
    for _ in range(STEPS):
        x = np.cumsum(w, axis=0)
        y = low + np.concatenate([np.zeros((1, M)), np.cumsum(d[:, None] * x[:-1], axis=0)])
        g, bend = curve(y)
        dw, dlow = _newton(period, d, beta, w, z, low, zeta, g, bend, mu)
        dz, dzeta = mu / w - z - z / w * dw, mu / low - zeta - zeta / low * dlow
        primal = np.minimum(_reach(w, dw), _reach(low[None], dlow[None]))
        dual = np.minimum(_reach(z, dz), _reach(zeta[None], dzeta[None]))
        w, low = w + primal * dw, low + primal * dlow
        z, zeta = z + dual * dz, zeta + dual * dzeta
        w = w / w.sum(axis=0)
        gap = ((w * z).sum(axis=0) + low * zeta) / (n + 1)
        mu = np.maximum(np.where(np.minimum(primal, dual) > 0.5, 0.15, 0.6) * gap, CLOSE * money / n)
        if float(gap.max()) < 4 * CLOSE * money / n and float(primal.min()) > 0.9:
            break
    x = np.cumsum(w, axis=0)
    y = low + np.concatenate([np.zeros((1, M)), np.cumsum(d[:, None] * x[:-1], axis=0)])
    w = np.where(w < LIGHT, 0.0, w)
    return (w / w.sum(axis=0)).T, low, curve(y)[0].T, gap <= ARRIVED * CLOSE * money / n


def _newton(
    period: Period, d: Array, beta: Array, w: Array, z: Array, low: Array, zeta: Array, g: Array, bend: Array, mu: Any
) -> tuple[Array, Array]:
    """The Newton step: backward, the concave quadratic worth of (y_j, x_{j-1}); forward, the steps it asks for."""
    n, f, v = len(period.v), period.f, period.v
    pull, hold = mu / w, z / w  # barrier: slope and curvature
    a, b, c = f[-1] * bend[-1], np.zeros_like(low), -hold[-1]
    p, r = f[-1] * (g[-1] - beta), -pull[-1]
    gains: list[tuple[Array, Array, Array]] = []
    for j in reversed(range(n - 1)):
        cross, own = a * d[j] + b, (a * d[j] + 2 * b) * d[j] + c
        ask = p * d[j] + r + f[j] * v[j] + pull[j]
        k = 1.0 / (hold[j] - own + FLOOR)
        gains.append((k * cross, k * ask, k * hold[j]))
        a, b, c = a + f[j] * bend[j] + k * cross * cross, k * cross * hold[j], hold[j] * own * k
        p, r = p + f[j] * (g[j] - beta) + k * cross * ask, -pull[j] + k * hold[j] * ask
    dlow = (p + mu / low) / (zeta / low - a)
    D, e, steps = dlow, np.zeros_like(low), []
    for j, (of_y, alone, of_x) in enumerate(reversed(gains)):
        x = of_y * D + alone + of_x * e
        steps.append(x - e)
        D, e = D + d[j] * x, x
    return np.array([*steps, -e]), dlow


def _reach(at: Array, step: Array) -> Array:
    """How far along a step all entries stay positive, (M,), at most 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.where(step < 0, -at / step, np.inf).min(axis=0)
    return np.asarray(np.minimum(1.0, 0.99 * far))
