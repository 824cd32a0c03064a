"""A `design` instance as its checker reads it: types, profiles, priors and surpluses in rationals."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from mechopt.models.check_priors import read_prior
from mechopt.models.checking import ZERO, number
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational

Type = tuple[Rational, ...]
SUM = number("1/1000000000")


class Instance:
    """Who buys what: everything the rows of a design speak of, rebuilt from its parameters."""

    def __init__(self, parameters: Mapping[str, Any], certificate: Mapping[str, Any]) -> None:
        written = parameters["environment"]
        self.incentives = parameters["incentives"]
        self.criterion = parameters["criterion"]
        self.restrictions = parameters.get("restrictions", {})
        self.boxed = "upper" in written and "sum_at_most" not in written
        self.checks: list[Check] = []
        self.own: list[list[Rational]] | None = None  # probabilities of the bidders' own types, if distributions
        self.types = self._types(written, certificate)
        self.bidders = len(self.types)
        self.goods = len(self.types[0][0])
        self.cost = [number(x) for x in written["cost"]]
        self.supply = [int(x) for x in written["supply"]]
        self.demand = int(written["demand"])
        self.most = int(written["goods_per_bidder"]) if "goods_per_bidder" in written else None
        self.shape = [len(own) for own in self.types]
        self.profiles = list(itertools.product(*(range(k) for k in self.shape)))
        self.place = {profile: n for n, profile in enumerate(self.profiles)}
        if not len(self.cost) == len(self.supply) == self.goods:
            raise ValueError("one cost and one supply per good")

    def _types(self, written: Mapping[str, Any], certificate: Mapping[str, Any]) -> list[list[Type]]:
        count = written.get("bidders")
        if "types" in written:
            found = [[tuple(number(x) for x in t) for t in own] for own in written["types"]]
        elif "distributions" in written:
            listed = certificate.get("distributions") or [None] * len(written["distributions"])
            found, self.own = [], []
            for i, (one, known) in enumerate(zip(written["distributions"], listed, strict=True)):
                prior, check = read_prior(one, known, f"bidder {i + 1}")
                found.append([(v,) for v in prior.v])
                self.own.append(prior.f)
                self.checks += [] if check is None else [check]
        else:
            upper = written["upper"]
            rows = upper if isinstance(upper[0], list | tuple) else [upper]
            low, n = [number(x) for x in written["lower"]], int(written["points"])
            found = []
            for row in rows:
                axes = [[a + (number(b) - a) * k / n for k in range(n + 1)] for a, b in zip(low, row, strict=True)]
                every = [tuple(t) for t in itertools.product(*axes)]
                if "sum_at_most" in written:
                    most = number(written["sum_at_most"])
                    every = [t for t in every if sum(t, ZERO) <= most]
                found.append(every)
        if count is not None and len(found) == 1:
            found = found * int(count)
            self.own = None if self.own is None else self.own * int(count)
        if any(len(t) != len(found[0][0]) for own in found for t in own) or any(
            len(set(own)) != len(own) for own in found
        ):
            raise ValueError("types must differ, each with a value per good")
        return found

    def value(self, bidder: int, profile: int, good: int) -> Rational:
        """Bidder's value of a good in a profile."""
        return self.types[bidder][self.profiles[profile][bidder]][good]

    def after(self, bidder: int, profile: int, report: int) -> int:
        """The profile in which the bidder's type is the report."""
        types = list(self.profiles[profile])
        types[bidder] = report
        return self.place[tuple(types)]

    @cached_property
    def surplus(self) -> list[Rational]:
        """The most that can be made of every profile."""
        return [self._surplus(v) for v in range(len(self.profiles))]

    def _surplus(self, profile: int) -> Rational:
        margins = [[self.value(i, profile, j) - self.cost[j] for j in range(self.goods)] for i in range(self.bidders)]
        if self.most is None or self.most >= self.goods * self.demand:
            total = ZERO
            for j in range(self.goods):
                wanted = sorted((row[j] for row in margins if row[j] > 0), reverse=True)
                units = [x for x in wanted for _ in range(self.demand)]
                total += sum(units[: self.supply[j]], ZERO)
            return total
        bundles = [b for size in range(self.most + 1) for b in itertools.combinations(range(self.goods), size)]
        best = {tuple(self.supply): ZERO}
        for row in margins:  # bidder by bidder, over what is left
            after: dict[tuple[int, ...], Rational] = {}
            for left, worth in best.items():
                for bundle in bundles:
                    if all(left[j] > 0 for j in bundle):
                        now = tuple(n - (j in bundle) for j, n in enumerate(left))
                        made = worth + sum((row[j] for j in bundle), ZERO)
                        if now not in after or made > after[now]:
                            after[now] = made
            best = after
        return max(best.values())

    def prior(self, written: Mapping[str, Any]) -> list[Rational]:
        """Probabilities of all profiles."""
        count = len(self.profiles)
        if written.get("uniform"):
            return [number(1) / count] * count
        if "joint" in written:
            return _one([number(x) for x in _leaves(written["joint"])], count)
        if "marginals" in written:
            rows = written["marginals"]
            rows = [[number(x) for x in row] for row in (rows * self.bidders if len(rows) == 1 else rows)]
            return self.independent([_one(row, k) for row, k in zip(rows, self.shape, strict=True)])
        found = [ZERO] * count
        for atom in written["atoms"]:
            types = [tuple(number(x) for x in t) for t in atom["values"]]
            at = tuple(own.index(t) for own, t in zip(self.types, types, strict=True))
            found[self.place[at]] += number(atom["probability"])
        return _one(found, count)

    def independent(self, rows: Sequence[Sequence[Rational]]) -> list[Rational]:
        """The product of the bidders' own probabilities."""
        return [math.prod((rows[i][k] for i, k in enumerate(p)), start=number(1)) for p in self.profiles]

    @cached_property
    def priors(self) -> list[list[Rational]]:
        """The priors of rows on average."""
        written = self.incentives.get("priors")
        if written:
            return [self.prior(one) for one in written]
        if self.own is None:
            raise ValueError("rows on average need a prior")
        return [self.independent(self.own)]


def _one(found: list[Rational], count: int) -> list[Rational]:
    total = sum(found, ZERO)
    if len(found) != count or min(found) < 0 or abs(total - 1) > SUM:
        raise ValueError("probabilities must be as many as types, at least zero, and sum to one")
    return [p / total for p in found]


def _leaves(value: Any) -> list[Any]:
    return [x for row in value for x in _leaves(row)] if isinstance(value, list | tuple) else [value]
