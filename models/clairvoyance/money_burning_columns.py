"""The program over all scaled auctions, by the simplex method in fractions with columns generated as needed.

A scaled auction of weights w >= 0 gives the good to the highest w_i (ironed vt_i), the first buyer among equals. The
optimum is the linear program over all scaled auctions, U(w)_i being buyer i's expected utility in one of them:

    max   sum_i (sum_w pi(w) U(w)_i - o_i)
    s.t.  sum_w pi(w) U(w)_i - o_i <= b_i          for capped i     [y_i = 1 - w_i]
          sum_w pi(w) <= 1                                          [Z]
          pi, o >= 0

It is solved in fractions by the simplex method with generated columns: the best column for multipliers y is the scaled
auction of weights 1 - y, worth E[max_i w_i vt_i]. Lexicographic pivots cannot cycle, and the optimum is a fraction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from mechopt.models.auctions.myerson_theory import interim_chances
from mechopt.models.clairvoyance.money_burning_values import Convention, ironed_utility_values
from mechopt.models.distributions import Distribution

Row = tuple[Fraction, ...]
ZERO, ONE = Fraction(0), Fraction(1)


def scaled(scores: Sequence[Sequence[Fraction]], weights: Sequence[Fraction]) -> list[list[Fraction]]:
    """The scores of every buyer's types times her weight."""
    return [[w * s for s in row] for row, w in zip(scores, weights, strict=True)]


def dot(a: Sequence[Fraction], b: Sequence[Fraction]) -> Fraction:
    """Inner product."""
    return sum((x * y for x, y in zip(a, b, strict=True)), ZERO)


@dataclass(frozen=True)
class Column:
    """A column of the program: its entries, (1 + capped buyers,), its worth, and the scaled auction it stands for."""

    entries: Row
    worth: Fraction
    weights: Row | None = None
    utilities: Row = ()


class Columns:
    """The simplex method in fractions; row 0 is the draw's, row r the r-th capped buyer's."""

    def __init__(self, priors: Sequence[Distribution], caps: Sequence[Fraction | None], convention: Convention) -> None:
        self.priors, self.caps, self.convention = tuple(priors), caps, convention
        self.capped = [i for i, cap in enumerate(caps) if cap is not None]
        known = {prior: ironed_utility_values(prior, convention) for prior in set(priors)}
        self.scores = [known[prior] for prior in priors]
        size = 1 + len(self.capped)
        self.inverse = [[ONE if a == b else ZERO for b in range(size)] for a in range(size)]
        self.x = [ONE, *(cap for cap in caps if cap is not None)]
        self.slack = [Column(tuple(ONE if a == b else ZERO for b in range(size)), ZERO) for a in range(size)]
        self.over = [Column(tuple(-e for e in column.entries), -ONE) for column in self.slack]
        self.basis = list(self.slack)
        self.best: Fraction | None = None  # the least upper bound so far
        self.weights: Row = (ONE,) * len(priors)
        self.pivots = 0

    def value(self) -> Fraction:
        """The worth of the present basis, money."""
        return sum((x * column.worth for x, column in zip(self.x, self.basis, strict=True)), ZERO)

    def multipliers(self) -> list[Fraction]:
        """Z and y of the present basis."""
        worth = [column.worth for column in self.basis]
        return [dot(worth, column) for column in zip(*self.inverse, strict=True)]

    def improve(self) -> bool:
        """One pivot; False when no column is worth more than it costs."""
        y = self.multipliers()
        entering = next((self.slack[r] for r, price in enumerate(y) if price < 0), None)
        if entering is None:
            entering = next((self.over[r] for r, price in enumerate(y) if r and price > 1), None)
        if entering is None:
            prices = dict(zip(self.capped, y[1:], strict=True))
            weights = tuple(1 - prices.get(i, ZERO) for i in range(len(self.priors)))
            entering = self.column(weights)
            best = dot(weights, entering.utilities)  # E[max_i w_i vt_i]
            bound = best + dot(y[1:], [cap for cap in self.caps if cap is not None])
            if self.best is None or bound < self.best:
                self.best, self.weights = bound, weights
            if best <= y[0]:
                self.weights = weights
                return False
        self.pivot(entering)
        self.pivots += 1
        return True

    def column(self, weights: Row) -> Column:
        """The scaled auction of some weights."""
        f = [prior.probabilities for prior in self.priors]
        Q = interim_chances(scaled(self.scores, weights), f)
        U = tuple(
            sum((p * s * c for p, s, c in zip(*row, strict=True)), ZERO) for row in zip(f, self.scores, Q, strict=True)
        )
        return Column((ONE, *(U[i] for i in self.capped)), sum(U, ZERO), weights, U)

    def pivot(self, entering: Column) -> None:
        """Lexicographic ratio test and a change of basis."""
        step = [dot(row, entering.entries) for row in self.inverse]
        rows = [r for r, d in enumerate(step) if d > 0]
        leaving = min(rows, key=lambda r: [z / step[r] for z in (self.x[r], *self.inverse[r])])
        scale = step[leaving]
        self.inverse[leaving] = [z / scale for z in self.inverse[leaving]]
        self.x[leaving] /= scale
        for r, d in enumerate(step):
            if r != leaving and d:
                self.inverse[r] = [a - d * b for a, b in zip(self.inverse[r], self.inverse[leaving], strict=True)]
                self.x[r] -= d * self.x[leaving]
        self.basis[leaving] = entering
