"""Environments for the general program: the examples in which the relaxation fails, and separable ones in which not.

Source: S. Kakade, I. Lobel, H. Nazerzadeh (2011), Section 7. Initial signals stand at the midpoints of K equal cells.
"""

from __future__ import annotations

import numpy as np

from mechopt.models.inputs import fail
from mechopt.models.outcome import Array
from mechopt.models.pivot.environment import Environment
from mechopt.models.pivot.general import FiniteEnvironment, Party


def midpoints(K: int) -> Array:
    """Midpoints of K equal cells of [0, 1]."""
    return np.asarray((np.arange(K) + 0.5) / K)


def _sale(start: Array, worth: Array) -> FiniteEnvironment:
    """One item, sold or not at t = 1, worth `worth` by type and signal, (K, L); no discounting."""
    K, L = worth.shape
    value = np.stack([np.zeros((K, L)), worth])[None]
    one = Party(np.full(K, 1 / K), start, np.broadcast_to(np.eye(L), (2, L, L)).copy(), value)
    return FiniteEnvironment(1.0, (one,), np.zeros((1, 2)))


def correlated(rho: float, K: int = 10) -> FiniteEnvironment:
    """The value is the second signal: the first with chance rho, else drawn anew (the first example).

    >>> assert np.allclose(correlated(0.25, 4).parties[0].start.sum(axis=1), 1)
    """
    _require_share(rho)
    s = midpoints(K)
    return _sale(rho * np.eye(K) + (1 - rho) / K, np.tile(s, (K, 1)))


def correlated_shock(rho: float, K: int = 10) -> FiniteEnvironment:
    """The same value with a second signal that is independent of the first: whether it is drawn anew, and what is."""
    _require_share(rho)
    s = midpoints(K)
    start = np.tile(np.concatenate([[rho], np.full(K, (1 - rho) / K)]), (K, 1))
    return _sale(start, np.hstack([s[:, None], np.tile(s, (K, 1))]))


def not_separable(c_plus: float, c_times: float, K: int = 40) -> FiniteEnvironment:
    """The value is s_0 + c_plus or s_0 c_times, as the second signal has it: the second example."""
    if not (c_plus > 0 and c_times > 0):
        raise fail("c_plus, c_times", "positive numbers", f"{c_plus}, {c_times}")
    s = midpoints(K)
    return _sale(np.full((K, 2), 0.5), np.stack([s + c_plus, s * c_times], axis=1))


def of_environment(env: Environment) -> FiniteEnvironment:
    """A separable environment with finitely many types, a horizon and no public state, for the general program.

    Raises InputError where one of the three is missing.
    """
    if env.horizon is None:
        raise fail("horizon", "a number of periods", "none", "the general program lists histories: write horizon = 2")
    if env.H > 1:
        raise fail("public", "no public state", f"{env.H} states")
    parties = []
    for i, one in enumerate(env.data):
        types = one.signal.initial.types
        if types is None:
            raise fail(f"agents[{i}].initial", "finitely many types", "a continuum", "give points")
        K, T = len(types), env.horizon
        flow = one.signal.worths[:, None] * one.scaled[:, 0, None, :] + one.apart[:, 0, None, :]  # (A, K, L)
        value = np.broadcast_to(flow, (T, env.A, K, one.size)).copy()
        kernel = np.ascontiguousarray(np.broadcast_to(one.kernel[:, 0], (env.A, one.size, one.size)))
        parties.append(Party(types.f, np.tile(one.start, (K, 1)), kernel, value))
    return FiniteEnvironment(env.delta, tuple(parties), np.tile(env.costs[:, 0], (env.horizon, 1)))


def _require_share(rho: float) -> None:
    if not 0 <= rho <= 1:
        raise fail("rho", "a chance from 0 to 1", rho)
