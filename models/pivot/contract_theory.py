"""Closed forms of the best contract: an item per period, a value that moves by itself, uniform initial signals.

With the price w B - g replaced by its positive part, W0(w) = sum_t delta^t E[(w B_t + D_t - g)^+], so that the profit,
the mean of W0(phi) over phi uniform between A(low) - c (high - low) and A(high) with A(s) = o + c s, sums squares:

    multiplicative, phi > 0:   int (w B - g)^+ dw = ((w B - g)^+)^2 / (2 B),
    additive:                  int (w + D - g)^+ dw = ((w + D - g)^+)^2 / 2.

Source: S. Kakade, I. Lobel, H. Nazerzadeh (2011), Section 6.1, worked out for these laws.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mechopt.models.outcome import Array, ClosedForm
from mechopt.models.pivot.environment import Environment

SOURCE = "Kakade, Lobel, Nazerzadeh (2011), Corollary 6.1, uniform signals and values that move by themselves"


def uniform_sale(env: Environment) -> ClosedForm | None:
    """The profit where one action sells an item at a cost, the other does nothing, and kernels are the same."""
    one, signal = env.data[0], env.data[0].signal
    law = signal.initial
    plain = env.H == 1 and env.A == 2 and law.continuous and law.family == "uniform" and signal.worth.power == 1
    if not plain or not env.uncontrolled or not env.feasible.all():
        return None
    free = [a for a in range(2) if not (one.scaled[a].any() or one.apart[min(a, len(one.apart) - 1)].any())]
    free = [a for a in free if env.costs[a, 0] == 0]
    if len(free) != 1:
        return None
    sale = 1 - free[0]
    C, D = one.scaled[sale, 0], one.apart[min(sale, len(one.apart) - 1), 0]
    if one.additive and not np.allclose(C, 1.0):
        return None
    low, high = (float(signal.phi(s)) for s in (law.low, law.high))
    area = _area(C, D, float(env.costs[sale, 0]), max(low, 0.0) if not one.additive else low, high)
    return ClosedForm(float(visits(env) @ area / (high - low)), "continuum optimum", SOURCE)


def _area(C: Array, D: Array, g: float, low: float, high: float) -> Array:
    """int (w C + D - g)^+ dw from low to high, by state."""
    ends = [np.maximum(w * C + D - g, 0.0) ** 2 for w in (high, low)]
    flat = np.maximum(D - g, 0.0) * (high - low)
    return np.asarray(np.where(C > 0, (ends[0] - ends[1]) / (2 * np.where(C > 0, C, 1.0)), flat))


def visits(env: Environment) -> Any:
    """sum_t delta^t P(state at t), by state, when kernels do not depend on actions."""
    one, K = env.data[0], env.data[0].size
    P = one.kernel[0, 0]
    if env.horizon is None:
        return env.delta * np.linalg.solve(np.eye(K) - env.delta * P.T, one.start)
    total, law = np.zeros(K), one.start
    for t in range(1, env.horizon + 1):
        total, law = total + env.delta**t * law, law @ P
    return total
