"""Reading distributions for the checkers, in rationals: from the instance, or listed where SciPy computed them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mechopt.models.checking import ZERO, number
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest, rational

CLOSE = 1e-12  # of a listed probability of a SciPy family with SciPy's own


@dataclass(frozen=True)
class Prior:
    """Increasing values with positive probabilities that sum to one."""

    v: list[Rational]
    f: list[Rational]

    def __post_init__(self) -> None:
        if len(self.v) != len(self.f) or any(a >= b for a, b in itertools.pairwise(self.v)):
            raise ValueError("values must increase, each with its probability")
        if not self.f or min(self.f) <= 0 or sum(self.f, ZERO) != 1:
            raise ValueError("probabilities must be positive and sum to one")

    @property
    def tails(self) -> list[Rational]:
        """P(V >= v_j)."""
        left, found = rational(1), []
        for f in self.f:
            found.append(left)
            left -= f
        return found


def read_prior(written: Mapping[str, Any], listed: Any, where: str) -> tuple[Prior, Check | None]:
    """A distribution from the instance; a SciPy family's from the certificate, if close to SciPy's own."""
    if "family" not in written:
        v, f = ([number(x) for x in written[name]] for name in ("values", "probabilities"))
        return Prior(v, f), None
    low, high = (number(x) for x in written["support"])
    n = int(written["points"])
    grid = [low + (high - low) * k / (n - 1) for k in range(n)]
    if written["family"] == "uniform":
        return Prior(grid, [rational(1) / n] * n), None
    prior = Prior([number(x) for x in listed["values"]], [number(x) for x in listed["probabilities"]])
    chance, known = dict(zip(prior.v, prior.f, strict=True)), set(grid)
    own = {k: nearest(number(x)) for k, x in written.items() if k not in ("family", "support", "points")}
    masses = _masses(written["family"], own, [nearest(x) for x in grid])
    miss = max(abs(nearest(chance.get(x, ZERO)) - mass) for x, mass in zip(grid, masses, strict=True))
    name = f"{where}: probabilities are those of {written['family']} within {CLOSE:g}"
    return prior, Check(name, miss, miss <= CLOSE and all(x in known for x in prior.v))


def _masses(family: str, own: Mapping[str, float], grid: list[float]) -> list[float]:
    """Mass of each value's cell, given the support."""
    import scipy.stats

    law = getattr(scipy.stats, family)(**own)
    ends = [grid[0], *((a + b) / 2 for a, b in itertools.pairwise(grid)), grid[-1]]
    below = [float(x) for x in law.cdf(ends)]
    return [(b - a) / (below[-1] - below[0]) for a, b in itertools.pairwise(below)]
