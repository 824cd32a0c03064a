"""What the checker for several buyers knows of a period, rebuilt from the instance, and how it keeps the worst row."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import flint

from mechopt.models.check_priors import Prior
from mechopt.models.checking import ZERO, at_most_zero
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational

ONE = flint.fmpq(1)


class Stage:
    """Types and chances of a period."""

    def __init__(self, buyers: Sequence[Prior]) -> None:
        self.v, self.p = [prior.v for prior in buyers], [prior.f for prior in buyers]
        self.shape = [len(v) for v in self.v]
        self.profiles = list(itertools.product(*(range(n) for n in self.shape)))
        chances = ((p[j] for p, j in zip(self.p, profile, strict=True)) for profile in self.profiles)
        self.f = [math.prod(row, start=ONE) for row in chances]
        self.lines: list[list[list[int]]] = []  # per buyer and o, the profiles by her own type
        self.chance: list[Rational] = []  # f(o), all buyers in a row
        for i in range(len(buyers)):
            lines: dict[tuple[int, ...], list[int]] = {}
            for at, profile in enumerate(self.profiles):
                lines.setdefault(profile[:i] + profile[i + 1 :], []).append(at)
            self.lines.append([lines[o] for o in sorted(lines)])
            self.chance += [sum((self.f[at] for at in line), ZERO) for line in self.lines[-1]]
        self.start = [0, *itertools.accumulate(len(lines) for lines in self.lines)]
        self.surplus = [
            [sum((q * (w - price) for w, q in zip(v, p, strict=True) if w > price), ZERO) for price in v]
            for v, p in zip(self.v, self.p, strict=True)
        ]  # E (v - price)^+

    @property
    def slack(self) -> int:
        """How many numbers xi the period has."""
        return self.start[-1]

    @property
    def welfare(self) -> Rational:
        """E of the highest value, or of nothing where none is positive."""
        best = (max([ZERO, *(v[j] for v, j in zip(self.v, profile, strict=True))]) for profile in self.profiles)
        return sum((f * b for f, b in zip(self.f, best, strict=True)), ZERO)


@dataclass
class Worst:
    """The largest violation of a row and where it happens."""

    name: str
    violation: Rational = ZERO
    where: str = ""

    def see(self, violation: Rational, where: str) -> None:
        """Keep it if it is the largest."""
        if violation > self.violation:
            self.violation, self.where = violation, where

    def verdict(self) -> Check:
        """As a check."""
        return at_most_zero(self.name, self.violation, self.where)
