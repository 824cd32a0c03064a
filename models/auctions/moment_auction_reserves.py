"""Nature's answers to all reserves at once, where no theorem names the best one: a walk from 0 to 1.

From a reserve a on, nature keeps her worst distribution against a. Against it the expected revenue rises with the
reserve, at most as fast as the reserve itself, until it exceeds the claim; there the next step starts. So about
the integral of dr / (claim - worst-case revenue at r) steps prove the claim for all reserves.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.models.outcome import Array

WIDTH = 1e-3  # by which the claim exceeds what the reserve found guarantees, unless a gap is asked for
MOST_STEPS = 5000
SLOP = 1e-12


@dataclass(frozen=True)
class Cover:
    """Intervals of reserves, each with one distribution, and the most that any reserve earns against them."""

    parts: list[dict[str, Any]]
    claim: float


def walk(
    answer: Callable[[Fraction], list[Any]], start: float, stop: float | None, progress: Callable[[str], None]
) -> Cover | None:
    """The cover of [0, 1] for the claim `start`; None when it is too low or time, a monotonic clock's, is up.

    `answer` gives nature's atoms against a reserve, as certificates list them.
    """
    parts: list[dict[str, Any]] = []
    low = Fraction(0)
    while low < 1:
        if len(parts) >= MOST_STEPS or (stop is not None and time.monotonic() > stop):
            return None
        nature = answer(low)
        high = _reach(nature, low, start)
        if high <= low:
            return None
        parts.append({"low": str(low), "high": str(high), "nature": nature})
        progress(f"nature's answer to every reserve: up to {float(high):.3f}")
        low = high
    return Cover(parts, start)


def earned(nature: list[Any], reserves: Array) -> Array:
    """Expected revenue against a distribution, for each reserve, as floats."""
    values = np.sort(np.array([[float(Fraction(x)) for x in v] for v, _ in nature]), axis=1)
    mass = np.array([float(Fraction(p)) for _, p in nature])
    second = values[:, -2] if values.shape[1] > 1 else np.zeros(len(mass))
    r = reserves[:, None]
    found: Array = np.where(values[:, -1] >= r, np.maximum(r, second), 0.0) @ mass
    return found


def _reach(nature: list[Any], low: Fraction, claim: float) -> Fraction:
    """The largest reserve up to which none from `low` on earns more than the claim against the distribution."""
    tops = sorted({top for v, _ in nature if (top := max(Fraction(x) for x in v)) >= low} | {Fraction(1)})
    start = float(low)
    for top in tops:
        end = float(top)
        if float(earned(nature, np.array([end]))[0]) > claim - SLOP:
            inside = _bisect(nature, start, end, claim)
            return Fraction(inside) if Fraction(inside) > low else low
        start = end
    return Fraction(1)


def _bisect(nature: list[Any], low: float, high: float, claim: float) -> float:
    """Where the rising expected revenue on (low, high] meets the claim, from below."""
    if float(earned(nature, np.array([np.nextafter(low, high)]))[0]) > claim - SLOP:
        return low
    for _ in range(60):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if float(earned(nature, np.array([middle]))[0]) > claim - SLOP:
            high = middle
        else:
            low = middle
    return low
