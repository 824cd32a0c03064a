"""The checker's part for the two distributions of Theorem 5.1: what prices earn on them, in ball arithmetic.

A ball holds the true number, however it was computed; every bound is the end of a ball on the safe side, as a fraction.
Shares no code with the floats of the theory, CVXPY or the solver.

*The guarantee from above.* Prices with chances earn at least 1 / a of what each of two scenarios could, so a is enough.

*From below.* lambda_1 r_1(v) + lambda_2 r_12(v) <= top for every price v proves (lambda_1 + lambda_2) / top, r_1 and
r_12 being the ratios of what the price v earns. On the continuum, in s = 1 + mu v, its derivative has the sign of

    A (1 - z) s^2 - B z s + (A + B) z,        A = lambda_1 / REV*(F_1), B = lambda_2 / REV*(F_1, F_2), z = 1 -
    exp(-mu^2),

so it rises, falls, and rises again: the top is at the lesser root, or at the highest price.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flint

from mechopt.models.checking import ZERO, at_most_zero, number
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational

Ball = Any  # flint.arb
KEPT = 200  # binary digits of a bound


def bits(mu: Rational) -> int:
    """Enough that differences of numbers as large as exp(mu^2) keep 300 digits."""
    return 400 + int((mu * mu * 3).ceil())


def end(ball: Ball, up: bool) -> Rational:
    """A fraction at least (or at most) as large as every number of the ball. Raises ValueError when there is none."""
    if not ball.is_finite():
        raise ValueError("a number is not finite")
    scale = flint.fmpz(2) ** KEPT
    edge = (ball * flint.arb(scale)).upper().ceil() if up else (ball * flint.arb(scale)).lower().floor()
    return flint.fmpq(edge.unique_fmpz(), scale)


@dataclass(frozen=True)
class Law:
    """The two distributions at mu and epsilon: M = exp(mu^2), and the largest revenues one and both."""

    mu: Ball
    epsilon: Ball
    M: Ball
    one: Ball
    both: Ball

    @classmethod
    def of(cls, mu: Rational, epsilon: Rational) -> Law:
        """Raises ValueError outside the theorem."""
        if mu <= 0 or epsilon < 0:
            raise ValueError("mu must be positive and epsilon at least zero")
        m = flint.arb(mu)
        M = (m * m).exp()
        S = 1 + m * M
        mean = 1 + (1 - 1 / M) * S.log() / m
        return cls(m, flint.arb(epsilon), M, (1 + m) / (m + 1 / M), mean + flint.arb(epsilon))

    @property
    def S(self) -> Ball:
        """1 + mu M."""
        return 1 + self.mu * self.M

    def ratios(self, s: Ball) -> tuple[Ball, Ball]:
        """r_1 and r_12 of the price (s - 1) / mu."""
        price = (s - 1) / self.mu
        sold = price * (1 + (s - 1) / self.M) / s
        kept = ((1 - 1 / self.M) * (self.S / s).log() + (self.S - s) / self.M) / self.mu
        return sold / self.one, (self.epsilon + sold + kept) / self.both

    def top(self, first: Rational, second: Rational) -> Ball:
        """A ball at least as high as first r_1 + second r_12 at any price whatever."""
        A, B, z = flint.arb(first) / self.one, flint.arb(second) / self.both, 1 - 1 / self.M
        at = [flint.arb(1), self.S]
        room = (B * z) ** 2 - 4 * A * (1 - z) * (A + B) * z
        if not room < 0:
            if not room > 0:
                raise ValueError("the two roots cannot be told apart")
            root = 2 * (A + B) * z / (B * z + room.sqrt())
            if not (root > self.S or root < 1):
                at.append(root)
        heights = []
        for s in at:
            r1, r12 = self.ratios(s)
            heights.append(flint.arb(first) * r1 + flint.arb(second) * r12)
        found = heights[0]
        for height in heights[1:]:
            found = found.max(height)
        return found


def _weights(part: Mapping[str, Any]) -> tuple[Rational, Rational, list[Check]]:
    first, second = (number(x) for x in part["lambda"])
    return first, second, [at_most_zero("nature's weights are nonnegative", -min(first, second))]


def _enough(law: Law, prices: Sequence[tuple[Ball, Rational]]) -> Rational:
    """What the prices with their chances are sure to miss by at most, as a factor."""
    one = both = flint.arb(0)
    for s, chance in prices:
        r1, r12 = law.ratios(s)
        one, both = one + flint.arb(chance) * r1, both + flint.arb(chance) * r12
    least = one.min(both)
    if not least > 0:
        raise ValueError("the prices earn nothing in one of the scenarios")
    return end(1 / least, up=True)


def continuum(law: Law, part: Mapping[str, Any]) -> tuple[Rational, Rational, list[Check]]:
    """Lower and upper bound: two prices, one of them exp(mu^2), against any price whatever."""
    price, chance = number(part["price"]), number(part["chance"])
    if price < 0 or not flint.arb(price) < law.M:
        raise ValueError("the lower price lies outside the values")
    upper = _enough(law, [(1 + law.mu * flint.arb(price), chance), (law.S, 1 - chance)])
    first, second, checks = _weights(part)
    lower = end(flint.arb(first + second) / law.top(first, second), up=False)
    return lower, upper, [*checks, at_most_zero("the chance of the lower price is one", max(-chance, chance - 1))]


def finite(law: Law, part: Mapping[str, Any], points: int) -> tuple[Rational, Rational, list[Check]]:
    """The same against the prices of the grid, equally spaced in ln s."""
    chances = {int(k): number(g) for k, g in part["chances"].items()}
    if not chances or not all(0 <= k <= points for k in chances):
        raise ValueError("prices outside the grid")
    length = law.S.log()
    upper = _enough(law, [((length * k / points).exp(), g) for k, g in chances.items()])
    first, second, checks = _weights(part)
    top = flint.arb(0)
    for k in range(points + 1):
        r1, r12 = law.ratios((length * k / points).exp())
        top = top.max(flint.arb(first) * r1 + flint.arb(second) * r12)
    total = sum(chances.values(), ZERO)
    off = at_most_zero("chances of prices are nonnegative and sum to one", max(-min(chances.values()), abs(total - 1)))
    return end(flint.arb(first + second) / top, up=False), upper, [*checks, off]
