"""What Myerson's optimal auction earns, by formulas that list no profiles: exact on finite types, or on the continuum.

Source: R. Myerson, Optimal auction design (1981).
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

Rows = Sequence[Sequence[Fraction]]


class _Law:
    """The distribution of one bidder's score."""

    def __init__(self, scores: Sequence[Fraction], chances: Sequence[Fraction]) -> None:
        self.steps: list[Fraction] = []
        self.below = [Fraction(0)]  # P(score < steps[n]), and at the end 1
        for score, chance in sorted(zip(scores, chances, strict=True)):
            if self.steps and self.steps[-1] == score:
                self.below[-1] += chance
            else:
                self.steps.append(score)
                self.below.append(self.below[-1] + chance)

    def under(self, x: Fraction) -> Fraction:
        """P(score < x)."""
        return self.below[bisect.bisect_left(self.steps, x)]

    def up_to(self, x: Fraction) -> Fraction:
        """P(score <= x)."""
        return self.below[bisect.bisect_right(self.steps, x)]


def _laws(scores: Rows, chances: Rows) -> list[_Law]:
    known: dict[tuple[int, int], _Law] = {}
    keys = [(id(s), id(f)) for s, f in zip(scores, chances, strict=True)]
    for key, s, f in zip(keys, scores, chances, strict=True):
        if key not in known:
            known[key] = _Law(s, f)
    return [known[key] for key in keys]


def expected_best(scores: Rows, chances: Rows) -> Fraction:
    """E[max(0, max_i s_i)] for independent scores s_i, `scores[i][k]` with probability `chances[i][k]`, exactly.

    The integral of P(max > x) over x >= 0, step by step: the distribution of the maximum is a product.

    >>> half = [Fraction(1, 2), Fraction(1, 2)]
    >>> assert expected_best([[-1, 1], [-1, 3]], [half, half]) == Fraction(7, 4)
    """
    laws = Counter(_laws(scores, chances))
    total, left = Fraction(0), Fraction(0)
    for step in sorted({s for law in laws for s in law.steps if s > 0}):
        total += (step - left) * (1 - math.prod((law.up_to(left) ** n for law, n in laws.items()), start=Fraction(1)))
        left = step
    return total


def interim_chances(scores: Rows, chances: Rows) -> list[list[Fraction]]:
    """Chance that bidder i wins with her k-th type, when the highest score of at least zero wins, ties to the first.

    >>> half = [Fraction(1, 2), Fraction(1, 2)]
    >>> assert interim_chances([[-1, 1], [-1, 1]], [half, half]) == [[0, 1], [0, Fraction(1, 2)]]
    """
    laws = _laws(scores, chances)
    before: Counter[_Law] = Counter()
    after = Counter(laws)
    found = []
    for law_i, row in zip(laws, scores, strict=True):
        after[law_i] -= 1
        known: dict[Fraction, Fraction] = {}
        for s in set(row):
            wins = [law.under(s) ** n for law, n in before.items()] + [law.up_to(s) ** n for law, n in after.items()]
            known[s] = math.prod(wins, start=Fraction(1)) if s >= 0 else Fraction(0)
        found.append([known[s] for s in row])
        before[law_i] += 1
    return found


def threshold_revenue(values: Sequence[Fraction], tails: Sequence[Fraction], chances: Sequence[Fraction]) -> Fraction:
    """What a bidder pays on average when a winner pays the lowest of her values that would still have won.

    `tails`: P(V >= v_k); `chances`: her chance Q_k of winning, nondecreasing; (K,) each. The price is v_k with
    probability Q_k - Q_{k-1} and she pays it when her value is at least v_k.

    >>> assert threshold_revenue([1, 2], [1, Fraction(1, 2)], [0, 1]) == 1
    """
    rises = [q - p for p, q in itertools.pairwise([Fraction(0), *chances])]
    return sum((v * t * rise for v, t, rise in zip(values, tails, rises, strict=True)), Fraction(0))


def uniform_revenue(spans: Sequence[tuple[float, float]]) -> float:
    """Revenue of the optimal auction for values uniform on [a_i, b_i]: equal on the continuum.

    The virtual value 2v - b_i is uniform on [2a_i - b_i, b_i]; the integral of P(max > x) over x >= 0 is one of a
    polynomial between breakpoints, and Gauss's rule is exact for it.

    >>> assert abs(uniform_revenue([(0, 1)] * 2) - 5 / 12) < 1e-15
    >>> assert abs(uniform_revenue([(0, 1), (0, 2)]) - 31 / 48) < 1e-15
    """
    nodes, weights = np.polynomial.legendre.leggauss(len(spans) // 2 + 1)
    total = 0.0
    for low, high in _pieces(spans):
        x = low + (high - low) * (nodes + 1) / 2
        below = np.prod([np.clip((x - 2 * a + b) / (2 * (b - a)), 0, 1) for a, b in spans], axis=0)
        total += float((high - low) / 2 * (weights @ (1 - below)))
    return total


def _pieces(spans: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    ends = {0.0} | {x for a, b in spans for x in (2 * a - b, b) if x > 0}
    return itertools.pairwise(sorted(ends))
