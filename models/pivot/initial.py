"""Initial signals with their virtual worths, from their law F and what they are worth (models/pivot/law.py).

The virtual worth of a signal is phi(s) = A(s) - (1 - F(s)) / f(s) A'(s); for finitely many signals x_1 < ... < x_K,
phi_k = A_k - P(x > x_k) / P(x = x_k) (A_{k+1} - A_k), and phi_K = A_K.

Source: S. Kakade, I. Lobel, H. Nazerzadeh, Optimal dynamic mechanism design and the virtual-pivot mechanism (2011),
Lemma 4.1, with phi = alpha A (multiplicative) or alpha A + b (additive), so that nothing is divided by A.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.models.outcome import Array
from mechopt.models.pivot.law import Initial, Worth

__all__ = ["Initial", "Signal", "Worth"]
GRID = 4001  # signals at which a continuous law is examined


@dataclass(frozen=True)
class Signal:
    """A law of the initial signal with its worth: virtual worths, and by how much their assumptions fail.

    >>> signal = Signal(Initial(), Worth())
    >>> assert signal.phi(0.75) == 0.5 and signal.regularity()[0] == 0.0
    >>> few = Signal(Initial(values=[1, 2], probabilities=["1/2", "1/2"]), Worth())
    >>> assert few.exact_virtual_worths == (0, 2)
    """

    initial: Initial
    worth: Worth

    def phi(self, s: Any) -> Any:
        """Virtual worth of signals of a continuum, or of listed types, money; -inf where the density vanishes."""
        if self.initial.types is not None:
            return self.virtual_worths[self.index(s)]
        inverse = self.initial.inverse_hazard(s)
        with np.errstate(invalid="ignore"):
            return self.worth(s) - np.where(inverse == 0, 0.0, inverse * self.worth.slope(s))

    def index(self, s: Any) -> Any:
        """Where listed types stand in the list. Raises InputError for signals that are no types."""
        assert self.initial.types is not None
        v = self.initial.types.v
        at = np.clip(np.searchsorted(v, np.asarray(s, dtype=float)), 0, len(v) - 1)
        at = np.where((at > 0) & (np.abs(v[at - 1] - s) < np.abs(v[at] - s)), at - 1, at)
        if (np.abs(v[at] - s) > 1e-9 * (1 + np.abs(v[at]))).any():
            raise fail("signal", "one of the listed initial types", repr(s))
        return at

    @cached_property
    def exact_worths(self) -> tuple[Fraction, ...]:
        """A_k of finitely many types."""
        assert self.initial.types is not None
        return tuple(self.worth.exactly(x) for x in self.initial.types.values)

    @cached_property
    def exact_virtual_worths(self) -> tuple[Fraction, ...]:
        """phi_k of finitely many types."""
        assert self.initial.types is not None
        A, f, tails = self.exact_worths, self.initial.types.probabilities, self.initial.types.tails
        rise = [(tails[k] - f[k]) / f[k] * (A[k + 1] - A[k]) for k in range(len(A) - 1)]
        return tuple(a - r for a, r in zip(A, [*rise, Fraction(0)], strict=True))

    @cached_property
    def worths(self) -> Array:
        """A_k of finitely many types, (K,)."""
        return np.array([float(x) for x in self.exact_worths])

    @cached_property
    def virtual_worths(self) -> Array:
        """phi_k of finitely many types, (K,)."""
        return np.array([float(x) for x in self.exact_virtual_worths])

    @cached_property
    def grid(self) -> Array:
        """Signals at which a continuum is examined, ends included, (GRID,)."""
        return np.linspace(self.initial.low, self.initial.high, GRID)

    @cached_property
    def on_grid(self) -> Array:
        """phi on the grid, (GRID,), money."""
        return np.asarray(self.phi(self.grid))

    def regularity(self, additive: bool = False) -> tuple[float, float]:
        """By how much the theorem's assumptions fail; 0 and 0 where they hold.

        First, the largest fall of alpha = phi / A, cut off at 0 (of b = phi - A if additive) between signals: while it
        never falls, truth at t = 0 is best. Second, the largest rise of (1 - F) / f, of a continuum only: the monotone
        hazard rate of Assumption 5.1, which with a concave A implies the first.
        """
        if self.initial.types is not None:
            phi, A = self.virtual_worths, self.worths
        else:
            phi, A = self.on_grid, np.asarray(self.worth(self.grid))
        with np.errstate(divide="ignore", invalid="ignore"):
            share = phi - A if additive else np.where(phi > 0, phi / A, 0.0)
        hazard = 0.0 if self.initial.types is not None else _largest_fall(-self.initial.inverse_hazard(self.grid))
        return _largest_fall(share), hazard


def _largest_fall(values: Array) -> float:
    """How far a sequence ever is below its highest point so far; rounding passes for zero."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0
    fall = float((np.maximum.accumulate(finite) - finite).max())
    return fall if fall > 1e-10 * (1 + float(np.abs(finite).max())) else 0.0
