"""The stated problem of `regret-pricing`, read again from its file by the checker, sharing nothing with the builder."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from mechopt.models.checking import ZERO, number
from mechopt.solvers.rational import Rational

Bracket = tuple[Rational, Rational]


class Instance:
    """The stated problem, read again from its file: exact bounds, costs and value profiles."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        profiles, budget = parameters.get("profiles"), parameters.get("budget")
        self.upper = [number(x) for x in parameters.get("upper") or []]
        self.goods = len(profiles[0]) if profiles else len(self.upper)
        self.cost = [number(x) for x in parameters.get("cost") or [0] * self.goods]
        self.lower = [number(x) for x in parameters.get("lower") or [0] * self.goods]
        self.budget = None if budget is None else number(budget)
        self.box = profiles is None and budget is None
        self.sides: list[tuple[int, int, int, Rational]] = []  # sign * E[v_good^power] <= bound
        for moment in parameters.get("moments") or []:
            goods = range(self.goods) if moment.get("good") is None else [int(moment["good"]) - 1]
            for good in goods:
                if moment.get("at_most") is not None:
                    self.sides.append((good, int(moment.get("power", 1)), 1, number(moment["at_most"])))
                if moment.get("at_least") is not None:
                    self.sides.append((good, int(moment.get("power", 1)), -1, -number(moment["at_least"])))
        self.axes: list[list[Rational]] = []
        self.listed: list[tuple[Rational, ...]] = []
        if profiles is not None:
            self.listed = [tuple(number(x) for x in row) for row in profiles]
            return
        n = int(parameters["points"])
        for lo, c, hi in zip(self.lower, self.cost, self.upper, strict=True):
            start = lo if c >= hi or self.budget is not None or self.sides else max(lo, c)
            self.axes.append([start + (hi - start) * k / n for k in range(n + 1)])
        if self.budget is not None:
            self.listed = [v for v in itertools.product(*self.axes) if sum(v, ZERO) <= self.budget]

    @property
    def types(self) -> list[tuple[Rational, ...]]:
        """All value profiles, the last good's value moving fastest."""
        return self.listed or list(itertools.product(*self.axes))

    def type(self, position: Any) -> tuple[Rational, ...]:
        """One value profile by its position. Raises ValueError when there is none."""
        count = len(self.listed) or math.prod(len(axis) for axis in self.axes)
        if not isinstance(position, int) or isinstance(position, bool) or not 0 <= position < count:
            raise ValueError(f"no type {position!r}")
        if self.listed:
            return self.listed[position]
        value = []
        for axis in reversed(self.axes):
            position, k = divmod(position, len(axis))
            value.append(axis[k])
        return tuple(reversed(value))

    def known(self, value: Sequence[Rational], sigma: Sequence[Rational]) -> Rational:
        """sum_k sigma_k f_k(v), the part of regret the moments pay for."""
        pairs = zip(sigma, self.sides, strict=True)
        return sum((s * sign * value[good] ** power for s, (good, power, sign, _) in pairs), ZERO)

    def surplus(self, value: Sequence[Rational]) -> Rational:
        """What a seller who knew the values would earn."""
        return sum((max(v - c, ZERO) for v, c in zip(value, self.cost, strict=True)), ZERO)

    def span(self, good: int) -> Bracket | None:
        """Least and largest margin of a good over the types that can buy at a profit; None when there are none."""
        most = self.upper[good] - self.cost[good]
        return (max(self.lower[good] - self.cost[good], ZERO), most) if most > 0 else None
