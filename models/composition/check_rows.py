"""Every row of a design but those of its goals, in economic words: what each says of allocations and payments.

A family is a way to list all its labels, and the row of a label: coefficients of q_ij(v), ("q", i, v, j), and of
m_i(v), ("m", i, v), the right side, and whether the row is an equality. Rows read "left side at least right side".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from mechopt.models.checking import ZERO, number
from mechopt.models.composition.check_goals import ONE, Key, Label, Row
from mechopt.models.composition.check_instance import Instance


@dataclass(frozen=True)
class Rows:
    """All labels of a family, and the row of each; `row` raises ValueError for a label there is not."""

    labels: Callable[[], Iterator[Label]]
    row: Callable[[Label], Row]


class Economy:
    """The families of an instance by name."""

    def __init__(self, instance: Instance) -> None:
        self.x = instance
        P, B, J = range(len(instance.profiles)), range(instance.bidders), range(instance.goods)
        self.P, self.B, self.J = P, B, J
        found: dict[str, Rows] = {"lambda": Rows(lambda: product(P, J), self._supply)}
        if any(s > instance.demand for s in instance.supply):
            found["demand"] = Rows(lambda: product(B, P, J), self._demand)
        if instance.most is not None:
            found["bundle"] = Rows(lambda: product(B, P), self._bundle)
        stay, truth = instance.incentives["participation"], instance.incentives["truth"]
        if stay == "ex-post":
            found["beta"] = Rows(lambda: product(B, P), self._stay)
        elif stay == "interim":
            found["beta"] = Rows(self._types_met, self._stay_on_average)
        if truth == "ex-post":
            found["gamma"] = Rows(self._lies, self._truth)
        elif truth == "bayesian":
            found["gamma"] = Rows(self._lies_on_average, self._truth_on_average)
        self.rows = found | self._restrictions()

    def _restrictions(self) -> dict[str, Rows]:
        written, found, B, P, J = self.x.restrictions, {}, self.B, self.P, self.J
        if written.get("highest_bidder_only"):
            found["highest"] = Rows(lambda: filter(self._loses, product(B, P, J)), self._never_if(self._loses))
        if "reserve" in written:
            least = [number(r) for r in written["reserve"]]
            below = lambda label: self.x.value(*label) < least[label[2]]  # noqa: E731
            found["reserve"] = Rows(lambda: filter(below, product(B, P, J)), self._never_if(below))
        if written.get("efficient"):
            found["efficient"] = Rows(lambda: ((v,) for v in P), self._efficient)
        if written.get("anonymous") and self.x.bidders > 1:
            found["fair_q"] = Rows(lambda: ((*pair, j) for pair in self._swaps() for j in J), self._fair_q)
            found["fair_m"] = Rows(self._swaps, self._fair_m)
        if written.get("separable") and self.x.goods > 1:
            found["apart_q"] = Rows(self._same_good, self._apart_q)
            found["apart_m"] = Rows(lambda: ((s,) for s in range(len(B) * len(P))), self._apart_m)
        if written.get("monotone"):
            found["monotone"] = Rows(self._steps_up, self._monotone)
        if "budgets" in written:
            found["cap"] = Rows(lambda: product(B, P), self._cap)
        for n, row in enumerate(written.get("rows", [])):
            name = f"own_{row['name']}" + ("_equal" if row["sense"] == "==" else "")
            members = [
                k
                for k, other in enumerate(written["rows"])
                if other["name"] == row["name"] and (other["sense"] == "==") == (row["sense"] == "==")
            ]
            if n == members[0]:
                found[name] = Rows(lambda listed=members: ((k,) for k in listed), self._own)  # type: ignore[misc]
        return found

    # what can be delivered

    def _supply(self, label: Label) -> Row:
        v, j = label
        return {("q", i, v, j): -ONE for i in self.B}, number(-self.x.supply[j]), False

    def _demand(self, label: Label) -> Row:
        return {("q", *label): -ONE}, number(-self.x.demand), False

    def _bundle(self, label: Label) -> Row:
        return {("q", *label, j): -ONE for j in self.J}, number(-(self.x.most or 0)), False

    # participation and truth

    def _utility(self, i: int, v: int, report: int, weight: Any, into: dict[Key, Any]) -> None:
        """Add weight times what bidder i, her type as in profile v, gets by a report."""
        there = self.x.after(i, v, report)
        into[("m", i, there)] = into.get(("m", i, there), ZERO) - weight
        for j in self.J:
            key = ("q", i, there, j)
            into[key] = into.get(key, ZERO) + weight * self.x.value(i, v, j)

    def _stay(self, label: Label) -> Row:
        i, v = label
        found: dict[Key, Any] = {}
        self._utility(i, v, self.x.profiles[v][i], ONE, found)
        return found, ZERO, False

    def _truth(self, label: Label) -> Row:
        i, v, w = label
        found: dict[Key, Any] = {}
        self._utility(i, v, self.x.profiles[v][i], ONE, found)
        self._utility(i, v, w, -ONE, found)
        return found, ZERO, False

    def _lies(self) -> Iterator[Label]:
        for i in self.B:
            for v in self.P:
                yield from ((i, v, w) for w in range(self.x.shape[i]) if w != self.x.profiles[v][i])

    def _types_met(self) -> Iterator[Label]:
        for n, prior in enumerate(self.x.priors):
            for i in self.B:
                met = {self.x.profiles[v][i] for v in self.P if prior[v]}
                yield from ((n, i, k) for k in sorted(met))

    def _lies_on_average(self) -> Iterator[Label]:
        for n, i, k in self._types_met():
            yield from ((n, i, k, w) for w in range(self.x.shape[i]) if w != k)

    def _stay_on_average(self, label: Label) -> Row:
        n, i, k = label
        found: dict[Key, Any] = {}
        for v in self.P:
            if self.x.profiles[v][i] == k and self.x.priors[n][v]:
                self._utility(i, v, k, self.x.priors[n][v], found)
        return found, ZERO, False

    def _truth_on_average(self, label: Label) -> Row:
        n, i, k, w = label
        found: dict[Key, Any] = {}
        for v in self.P:
            if self.x.profiles[v][i] == k and self.x.priors[n][v]:
                self._utility(i, v, k, self.x.priors[n][v], found)
                self._utility(i, v, w, -self.x.priors[n][v], found)
        return found, ZERO, False

    # restrictions

    def _loses(self, label: Label) -> bool:
        i, v, j = label
        return bool(self.x.value(i, v, j) < max(self.x.value(k, v, j) for k in self.B))

    def _never_if(self, barred: Callable[[Label], bool]) -> Callable[[Label], Row]:
        def row(label: Label) -> Row:
            if not barred(label):
                raise ValueError("no such row")
            return {("q", *label): -ONE}, ZERO, False

        return row

    def _efficient(self, label: Label) -> Row:
        (v,) = label
        made = {("q", i, v, j): self.x.value(i, v, j) - self.x.cost[j] for i in self.B for j in self.J}
        return made, self.x.surplus[v], False

    def _swaps(self) -> Iterator[Label]:
        if any(own != self.x.types[0] for own in self.x.types):
            raise ValueError("bidders must have the same types")
        for a in range(self.x.bidders - 1):
            for i in self.B:
                for v in self.P:
                    pair = i * len(self.P) + v, self._swapped(i, v, a)
                    if pair[0] < pair[1]:
                        yield pair

    def _swapped(self, i: int, v: int, a: int) -> int:
        types = list(self.x.profiles[v])
        types[a], types[a + 1] = types[a + 1], types[a]
        to = {a: a + 1, a + 1: a}.get(i, i)
        return to * len(self.P) + self.x.place[tuple(types)]

    def _fair(self, seat: int, other: int) -> None:
        i, v = divmod(seat, len(self.P))
        if other not in {self._swapped(i, v, a) for a in range(self.x.bidders - 1)}:
            raise ValueError("no such row")

    def _fair_q(self, label: Label) -> Row:
        seat, other, j = label
        self._fair(seat, other)
        return {("q", *divmod(seat, len(self.P)), j): ONE, ("q", *divmod(other, len(self.P)), j): -ONE}, ZERO, True

    def _fair_m(self, label: Label) -> Row:
        self._fair(*label)
        seat, other = label
        return {("m", *divmod(seat, len(self.P))): ONE, ("m", *divmod(other, len(self.P))): -ONE}, ZERO, True

    def _first(self, v: int, j: int) -> int:
        """The first profile in which everybody values the good as in v."""
        seen = self.__dict__.setdefault("_seen", {})
        if not seen:
            for w in self.P:
                for good in self.J:
                    seen.setdefault((good, *(self.x.value(i, w, good) for i in self.B)), w)
        return int(seen[(j, *(self.x.value(i, v, j) for i in self.B))])

    def _cell(self, cell: int) -> tuple[int, int, int]:
        seat, j = divmod(cell, len(self.J))
        return (*divmod(seat, len(self.P)), j)

    def _same_good(self) -> Iterator[Label]:
        for i in self.B:
            for v in self.P:
                for j in self.J:
                    if (first := self._first(v, j)) != v:
                        at = (i * len(self.P) + v) * len(self.J) + j
                        yield at, (i * len(self.P) + first) * len(self.J) + j

    def _apart_q(self, label: Label) -> Row:
        (i, v, j), (k, w, g) = self._cell(label[0]), self._cell(label[1])
        if (i, j) != (k, g) or any(self.x.value(b, v, j) != self.x.value(b, w, j) for b in self.B):
            raise ValueError("no such row")
        return {("q", i, v, j): ONE, ("q", i, w, j): -ONE}, ZERO, True

    def _apart_m(self, label: Label) -> Row:
        i, v = divmod(label[0], len(self.P))
        found: dict[Key, Any] = {("m", i, v): ONE}
        for j in self.J:
            found[("part", (i * len(self.P) + self._first(v, j)) * len(self.J) + j)] = -ONE
        return found, ZERO, True

    def _steps_up(self) -> Iterator[Label]:
        for i, own in enumerate(self.x.types):
            for j in self.J:
                for a, t in enumerate(own):
                    above = [
                        (s[j], b) for b, s in enumerate(own) if s[j] > t[j] and s[:j] + s[j + 1 :] == t[:j] + t[j + 1 :]
                    ]
                    if above:
                        b = min(above)[1]
                        yield from ((i, j, v, self.x.after(i, v, b)) for v in self.P if self.x.profiles[v][i] == a)

    def _monotone(self, label: Label) -> Row:
        i, j, low, high = label
        up, down = self.x.profiles[high][i], self.x.profiles[low][i]
        s, t = self.x.types[i][up], self.x.types[i][down]
        if self.x.after(i, low, up) != high or s[:j] + s[j + 1 :] != t[:j] + t[j + 1 :] or not s[j] > t[j]:
            raise ValueError("no such row")
        return {("q", i, high, j): ONE, ("q", i, low, j): -ONE}, ZERO, False

    def _cap(self, label: Label) -> Row:
        budgets = self.x.restrictions["budgets"]
        most = number(budgets[0 if len(budgets) == 1 else label[0]])
        return {("m", *label): -ONE}, -most, False

    def _own(self, label: Label) -> Row:
        row = self.x.restrictions["rows"][label[0]]
        sign = -ONE if row["sense"] == "<=" else ONE
        found: dict[Key, Any] = {}
        for term in row["terms"]:
            i, v = term["bidder"] - 1, self.x.place[tuple(k - 1 for k in term["types"])]
            key = ("q", i, v, term["good"] - 1) if "good" in term else ("m", i, v)
            found[key] = found.get(key, ZERO) + sign * number(term["coefficient"])
        return found, sign * number(row["right"]), row["sense"] == "=="
