"""Slopes at which exponential moments bound the chance of throttling, for certificates of long horizons."""

from __future__ import annotations

import numpy as np

from mechopt.models.clairvoyance.asymptotic import Ledger

DIGITS = 12


def slopes(book: Ledger) -> list[list[object]]:
    """[first period, slope] for ever longer stretches of periods: each about the best in its first throttled period.

    The checker asks nothing of them but that they are at least zero.
    """
    from scipy.optimize import minimize_scalar

    free, n = book.free, len(book.shares)
    closed = np.flatnonzero(~free)
    found: list[list[object]] = []
    t = int(closed[0]) if len(closed) else len(free)
    laws = [np.array([[float(u), float(p)] for u, p in share.law]).T for share in book.shares]
    fees = np.array([float(share.mu) for share in book.shares])
    while t < len(free):
        kinds = np.arange(t) % n
        counts = np.bincount(kinds, minlength=n)
        owed = fees[t % n] + fees[kinds[~free[:t]]].sum()

        def exponent(x: float, counts: np.ndarray = counts, owed: float = float(owed)) -> float:
            moments = [np.log(p @ np.exp(-x * u)) for u, p in laws]
            return float(x * owed + counts @ np.array(moments))

        mean = sum(c * (u @ p) for c, (u, p) in zip(counts, laws, strict=True)) - owed
        variance = sum(c * (u**2 @ p - (u @ p) ** 2) for c, (u, p) in zip(counts, laws, strict=True))
        top = 8 * mean / variance if variance > 0 else 1e3 / max(owed, 1e-9)
        best = minimize_scalar(exponent, bounds=(0, max(top, 1e-12)), method="bounded").x if mean > 0 else 0.0
        found.append([t, f"{max(0.0, float(best)):.{DIGITS}f}"])
        after = closed[np.searchsorted(closed, t + max(1, t // 16)) :]
        t = int(after[0]) if len(after) else len(free)
    return found
