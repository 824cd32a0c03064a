"""Goals and floors in economic words: scores of profiles, and what nature's atoms cost, for the checker of `design`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mechopt.models.checking import ZERO, number
from mechopt.models.composition.check_instance import Instance
from mechopt.solvers.rational import Rational

Label = tuple[int, ...]
Key = tuple[Any, ...]  # ("q", i, v, j), ("m", i, v), or (letter, k) of a multiplier of the seller's
Row = tuple[dict[Key, Rational], Rational, bool]  # left side, right side, whether they must be equal
ONE = number(1)


class Goal:
    """One goal: nature's atoms with their masses, the rows on their weights, and the seller's row for every atom."""

    def __init__(self, instance: Instance, written: Mapping[str, Any], suffix: str) -> None:
        self.instance, self.suffix = instance, suffix
        self.kind = written["kind"]
        measure = written["measure"]
        weights = {measure: 1} if isinstance(measure, str) else measure
        self.weights = {name: number(w) for name, w in weights.items()}
        if set(weights) - {"revenue", "welfare", "utility", "sale"}:
            raise ValueError("no such measure")
        self.bound = None
        if suffix:
            self.bound = number(written["at_most" if self.kind == "regret" else "at_least"])
        self.set = self._set(written)
        self.atoms: dict[Label, dict[int, Rational]] = {}  # label -> mass by profile
        self.terms: dict[Label, list[tuple[str, int, Rational]]] = {}  # label -> (row, its number, coefficient)
        self.right: dict[tuple[str, int], Rational] = {}
        self.equal: dict[str, bool] = {}
        getattr(self, "_" + self.set["kind"].replace("-", "_"))(self._inside())
        self._moments()

    def _set(self, written: Mapping[str, Any]) -> Mapping[str, Any]:
        if "ambiguity" in written:
            found: Mapping[str, Any] = written["ambiguity"]
            return found
        if "prior" in written:
            return {"kind": "priors", "priors": [written["prior"]]}
        if self.kind != "expected" or self.instance.own is None:
            raise ValueError("a goal needs distributions")
        return {"kind": "priors", "priors": [None]}

    def _inside(self) -> list[int]:
        instance, found = self.instance, []
        halves = [([[number(x) for x in row] for row in h["weights"]], number(h["at_most"]))
                  for h in self.set.get("support", [])]  # fmt: skip
        for v in range(len(instance.profiles)):
            if all(
                sum((w * instance.value(i, v, j) for i, row in enumerate(weights) for j, w in enumerate(row)), ZERO)
                <= most
                for weights, most in halves
            ):
                found.append(v)
        return found

    def _add(self, label: Label, mass: dict[int, Rational], terms: list[tuple[str, int, Rational]]) -> None:
        self.atoms[label], self.terms[label] = mass, terms

    def _row(self, name: str, k: int, right: Rational, equal: bool) -> None:
        self.right[(name, k)], self.equal[name] = right, equal

    def _support(self, inside: list[int]) -> None:
        self._row("t", 0, ONE, True)
        for v in inside:
            self._add((v,), {v: ONE}, [("t", 0, ONE)])

    def _priors(self, inside: list[int]) -> None:
        self._row("t", 0, ONE, True)
        allowed = set(inside)
        for n, written in enumerate(self.set["priors"]):
            instance = self.instance
            prior = instance.prior(written) if written is not None else instance.independent(instance.own or [])
            mass = {v: p for v, p in enumerate(prior) if p}
            if not set(mass) <= allowed:
                raise ValueError("a prior leaves the support")
            self._add((n,), mass, [("t", 0, ONE)])

    def _box(self, inside: list[int]) -> None:
        self._support(inside)
        centre, radius = self._centre(), number(self.set["radius"])
        for k, v in enumerate(inside):
            self._row("low", k, min(radius - centre[v], ZERO), False)
            self._row("high", k, radius + centre[v], False)
            self.terms[(v,)] += [("low", k, -ONE), ("high", k, ONE)]
        if any(centre[v] > radius for v in set(range(len(centre))) - set(inside)):
            raise ValueError("the box leaves the support")

    def _total_variation(self, inside: list[int]) -> None:
        centre = self._centre()
        held = [v for v, p in enumerate(centre) if p]
        self._row("move", 0, ZERO, True)
        self._row("radius", 0, number(self.set["radius"]), False)
        for n, v in enumerate(held):
            self._row("t", n, centre[v], True)
            if v in inside:
                self._add((0, v), {v: ONE}, [("t", n, ONE)])
            self._add((1, v), {}, [("t", n, ONE), ("move", 0, ONE)])
        for v in inside:
            self._add((2, v), {v: ONE}, [("move", 0, -ONE), ("radius", 0, ONE)])

    def _wasserstein(self, inside: list[int]) -> None:
        instance = self.instance
        if "samples" in self.set:
            rows = [tuple(number(x) for x in row) for row in self.set["samples"]]
            points = list(dict.fromkeys(rows))
            weights = [number(rows.count(row)) / len(rows) for row in points]
        else:
            centre = self._centre()
            held = [v for v, p in enumerate(centre) if p]
            points, weights = [self._values(v) for v in held], [centre[v] for v in held]
        self._row("radius", 0, number(self.set["radius"]), False)
        values = {v: self._values(v) for v in inside}
        for n, (point, weight) in enumerate(zip(points, weights, strict=True)):
            if len(point) != instance.bidders * instance.goods:
                raise ValueError("a sample has a value per bidder and good")
            self._row("t", n, weight, True)
            for v in inside:
                far = sum((abs(a - b) for a, b in zip(point, values[v], strict=True)), ZERO)
                self._add((n, v), {v: ONE}, [("t", n, ONE), ("radius", 0, far)])

    def _values(self, v: int) -> tuple[Rational, ...]:
        instance = self.instance
        return tuple(instance.value(i, v, j) for i in range(instance.bidders) for j in range(instance.goods))

    def _centre(self) -> list[Rational]:
        instance = self.instance
        if "centre" in self.set:
            return instance.prior(self.set["centre"])
        found = [ZERO] * len(instance.profiles)
        place = {self._values(v): v for v in range(len(instance.profiles))}
        for row in self.set["samples"]:
            found[place[tuple(number(x) for x in row)]] += ONE / len(self.set["samples"])
        return found

    def _moments(self) -> None:
        instance, k = self.instance, 0
        for moment in self.set.get("moments", []):
            bidders = [moment["bidder"] - 1] if "bidder" in moment else range(instance.bidders)
            goods = [moment["good"] - 1] if "good" in moment else range(instance.goods)
            power = int(moment.get("power", 1))
            for i in bidders:
                for j in goods:
                    for name, sign in (("at_most", ONE), ("at_least", -ONE)):
                        if name in moment:
                            self._row("sigma", k, sign * number(moment[name]), False)
                            for label, mass in self.atoms.items():
                                total = sum((p * instance.value(i, v, j) ** power for v, p in mass.items()), ZERO)
                                self.terms[label].append(("sigma", k, sign * total))
                            k += 1

    def letter(self, name: str) -> str:
        """The seller's variable for a row of nature's."""
        return ("r" if self.kind == "regret" and name == "t" else name) + self.suffix

    def score(self, mass: Mapping[int, Rational]) -> dict[Key, Rational]:
        """The expected score under masses on profiles, as coefficients of q and m."""
        instance = self.instance
        found: dict[Key, Rational] = {}
        a, b, c, d = (self.weights.get(name, ZERO) for name in ("revenue", "welfare", "utility", "sale"))
        for v, p in mass.items():
            for i in range(instance.bidders):
                if a != c:
                    found[("m", i, v)] = p * (a - c)
                for j in range(instance.goods):
                    value, cost = instance.value(i, v, j), instance.cost[j]
                    worth = b * (value - cost) - a * cost + c * value + d
                    if worth:
                        found[("q", i, v, j)] = p * worth
        return found

    def atom_row(self, label: Label) -> Row:
        """The seller's row for an atom: what she makes of it covers what her multipliers promise."""
        found = self.score(self.atoms[label])
        for name, k, coefficient in self.terms[label]:
            sign = (ONE if self.kind == "regret" else -ONE) if self.equal[name] else ONE
            key = (self.letter(name), k)
            found[key] = found.get(key, ZERO) + sign * coefficient
        right = ZERO
        if self.kind in ("regret", "ratio"):
            full = sum((p * self.instance.surplus[v] for v, p in self.atoms[label].items()), ZERO)
            if self.kind == "regret":
                right = full
            elif self.suffix:
                right = (self.bound or ZERO) * full
            else:
                found[("rho", 0)] = -full
        return found, right, False

    def worth(self) -> dict[Key, Rational]:
        """What the seller's multipliers guarantee (for regret: the bound on it), as coefficients."""
        found = {}
        for (name, k), right in self.right.items():
            sign = ONE if self.kind == "regret" or self.equal[name] else -ONE
            if right:
                found[(self.letter(name), k)] = sign * right
        return found

    def level_row(self) -> Row | None:
        """The row that holds a floor, or a ratio, to its number."""
        worth = self.worth()
        if self.kind == "ratio":
            return worth, ZERO, False
        if not self.suffix:
            return None
        if self.kind == "regret":
            return {key: -x for key, x in worth.items()}, -(self.bound or ZERO), False
        return worth, self.bound or ZERO, False

    def signed(self) -> Iterator[Key]:
        """The seller's multipliers that must not be negative."""
        return ((self.letter(name), k) for name, k in self.right if not self.equal[name])
