"""Integrals of vector-valued functions with kinks, over one variable, with an estimate of their error."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable

import numpy as np

from mechopt.models.outcome import Array, Progress

NODE = math.sqrt(0.2)  # of Lobatto's rule of four points on [-1, 1], exact for polynomials of degree 5
PANELS = 24  # an interval is cut at least so often: one rule alone may miss a kink near an end
TOLERANCE = 1e-9  # of an integral over a second continuum, relative to the largest value met


def adaptive(
    function: Callable[[float], Array], low: float, high: float, progress: Progress = lambda message: None,
    edges: list[float] | None = None,
) -> tuple[Array, float]:  # fmt: skip
    """The integral of a vector-valued function with kinks, by halving, and an estimate of its error.

    Lobatto's rule looks at both ends of an interval, so that a kink next to one does not go unseen. `edges`: where the
    interval is cut first, ends included.

    >>> found, miss = adaptive(lambda s: np.array([max(s, 0.3) ** 2]), 0.0, 1.0)
    >>> assert abs(found[0] - (0.3**3 + (1 - 0.3**3) / 3)) < 1e-10
    """
    edges = np.linspace(low, high, PANELS + 1).tolist() if edges is None else edges
    known: dict[float, Array] = {}
    least = 8 * (len(edges) - 1) + 1
    began = told = time.monotonic()

    def at(s: float) -> Array:
        nonlocal told
        if s not in known:
            known[s] = function(s)
            if time.monotonic() - told > 2:
                told = time.monotonic()
                pace = (told - began) / len(known)
                more = f"; at least {least:,} of them, {pace * least:.0f} s in all" if len(known) < least else ""
                progress(f"integral over a second continuum: {len(known):,} signals, {pace:.2g} s each{more}")
        return known[s]

    def rule(a: float, b: float) -> Array:
        middle, half = (a + b) / 2, (b - a) / 2
        inner = at(middle - half * NODE) + at(middle + half * NODE)
        return np.asarray((at(a) + at(b) + 5 * inner) * half / 6)

    stack = [(a, b, rule(a, b)) for a, b in itertools.pairwise(edges)]
    whole = sum(part for _, _, part in stack)
    scale = 1 + float(np.abs(whole).max())
    total, error = np.zeros_like(whole), 0.0
    while stack:
        a, b, coarse = stack.pop()
        middle = (a + b) / 2
        parts = rule(a, middle), rule(middle, b)
        miss = float(np.abs(parts[0] + parts[1] - coarse).max())
        close = miss <= TOLERANCE * scale * max((b - a) / (high - low), 1e-3)
        if close or b - a < 1e-9 * (high - low):
            total, error = total + parts[0] + parts[1], error + miss
        else:
            stack += [(a, middle, parts[0]), (middle, b, parts[1])]
    return total, error
