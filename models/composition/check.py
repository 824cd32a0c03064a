"""The checker of `design`: from the instance and a certificate straight to the rows, in rationals.

It shares no code with the parts that build the program, and imports neither CVXPY nor a solver.

*The mechanism* is a table of allocations and payments with the seller's multipliers of every goal. All rows of all
families are listed from the instance and evaluated; what the goal guarantees is then counted.

*Nature* is a list of multipliers by family and label. Each row is rebuilt from its label; multiplied and added up,
all payments and all free multipliers must cancel, and what is left of every allocation must not help the seller. What
remains are the right sides: a bound no mechanism can pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mechopt.models.checking import ZERO, at_most_zero, largest_gain, number
from mechopt.models.composition.check_cells import Cells
from mechopt.models.composition.check_continuum import one_good
from mechopt.models.composition.check_goals import Goal, Key, Label, Row
from mechopt.models.composition.check_instance import Instance
from mechopt.models.composition.check_linear import linear_rule
from mechopt.models.composition.check_rows import Economy, Rows
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest

Bracket = tuple[Rational, Rational]
Box = Mapping[Key, tuple[Rational, Rational | None]]  # bounds on cells of q


def check(parameters: Mapping[str, Any], certificate: Mapping[str, Any]) -> tuple[list[Check], dict[str, Bracket]]:
    """Every row of a certificate, and the bracket (lower, upper) it proves.

    Raises KeyError, ValueError, TypeError or IndexError on a malformed certificate; callers treat that as a failure.
    """
    part = certificate["finite"]
    composed = Composed(Instance(parameters, part))
    made, found = composed.mechanism(part["mechanism"])
    bound, priced = composed.tree(part["tree"], {}) if "tree" in part else composed.nature(part["nature"])
    checks = [*composed.instance.checks, *found, *priced]
    lower, upper = (bound, made) if composed.minimises else (made, bound)
    for end, counted in (("lower", lower), ("upper", upper)):
        if (claimed := part.get(end)) is not None:
            gap = number(claimed) - counted
            checks.append(Check(f"{end} bound as claimed", nearest(abs(gap)), gap == 0))
    checks.append(at_most_zero("lower bound at most upper", lower - upper))
    proved = {"finite": (lower, upper)}
    if "continuum" in certificate:
        value, found = _apart(parameters, certificate["continuum"]["goods"])
        checks += found
        if "nature" in certificate["continuum"]:
            other, found = Cells(Composed(Instance(parameters, {})), certificate["continuum"]["nature"]).bound()
            checks += found
            lower, upper = (max(lower, other), upper) if composed.minimises else (lower, min(upper, other))
        proved["continuum"] = (lower, value) if composed.minimises else (value, upper)
        checks.append(
            at_most_zero("continuum: lower bound at most upper", proved["continuum"][0] - proved["continuum"][1])
        )
    return checks, proved


def _apart(parameters: Mapping[str, Any], goods: Any) -> tuple[Rational, list[Check]]:
    """What mechanisms for single goods guarantee on the box, one for each good."""
    whole = Composed(Instance(parameters, {}))
    if len(goods) != whole.instance.goods:
        raise ValueError("one rule per good")
    if len(goods) == 1:
        return linear_rule(whole, goods[0])
    total, checks = ZERO, []
    for j, listed in enumerate(goods):
        value, found = linear_rule(Composed(Instance(one_good(parameters, j), {})), listed)
        total += value
        checks += [Check(f"good {j + 1}, {c.name}", c.residual, c.passed, c.detail) for c in found]
    return total, checks


class Composed:
    """An instance with its goals and families."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.goals = [Goal(instance, instance.criterion, "")]
        floors = instance.restrictions.get("floors", [])
        self.goals += [Goal(instance, floor, f"_{n}") for n, floor in enumerate(floors, 1)]
        self.minimises = self.goals[0].kind == "regret"
        self.families = dict(Economy(instance).rows)
        for goal in self.goals:
            self.families[f"alpha{goal.suffix}"] = Rows(lambda g=goal: iter(g.atoms), goal.atom_row)  # type: ignore[misc]
            row = goal.level_row()
            if row is not None:
                name = ("level" if goal.kind == "ratio" else "theta") + goal.suffix
                self.families[name] = Rows(lambda: iter([(0,)]), lambda label, r=row: r)  # type: ignore[misc]

    def goal(self) -> dict[Key, Rational]:
        """The objective as coefficients."""
        return {("rho", 0): number(1)} if self.goals[0].kind == "ratio" else self.goals[0].worth()

    def mechanism(self, listed: Mapping[str, Any]) -> tuple[Rational, list[Check]]:
        """What a mechanism with its multipliers guarantees, and every row it must satisfy."""
        x = self._point(listed)
        checks = []
        least = min((v for key, v in x.items() if key[0] == "q"), default=ZERO)
        checks.append(at_most_zero("allocations are at least zero", -least))
        if self.instance.restrictions.get("deterministic"):
            whole = all(v.q == 1 for key, v in x.items() if key[0] == "q")
            checks.append(Check("allocations are whole numbers", 0.0 if whole else 1.0, whole))
        for goal in self.goals:
            least = min((x[key] for key in goal.signed()), default=ZERO)
            if any(not equal for equal in goal.equal.values()):
                checks.append(at_most_zero(f"multipliers of nature's bounds are at least zero{goal.suffix}", -least))
        for name, family in self.families.items():
            if name == "gamma" and self.instance.incentives["truth"] == "ex-post":
                checks.append(self._truth(x))
                continue
            worst, where, count = ZERO, "", 0
            for label in family.labels():
                miss = _miss(family.row(label), x)
                count += 1
                if miss > worst:
                    worst, where = miss, f"row {label}"
            checks.append(at_most_zero(f"mechanism: all {count} rows [{name}]", worst, where))
        return _value(self.goal(), x), checks

    def _point(self, listed: Mapping[str, Any]) -> dict[Key, Rational]:
        instance = self.instance
        q, m = listed["q"], listed["m"]
        P, J = len(instance.profiles), instance.goods
        if len(q) != instance.bidders * P or len(m) != len(q) or any(len(row) != J for row in q):
            raise ValueError("the mechanism does not list every bidder, profile and good")
        x: dict[Key, Rational] = {}
        known: dict[Any, Rational] = {}

        def read(text: Any) -> Rational:
            if text not in known:
                known[text] = number(text)
            return known[text]

        for seat, (row, paid) in enumerate(zip(q, m, strict=True)):
            i, v = divmod(seat, P)
            x[("m", i, v)] = read(paid)
            for j, chance in enumerate(row):
                x[("q", i, v, j)] = read(chance)
        for name, column in listed["multipliers"].items():
            if name in ("q", "m"):
                raise ValueError("no such multiplier")
            for k, value in enumerate(column):
                x[(name, k)] = read(value)
        return x

    def _truth(self, x: Mapping[Key, Rational]) -> Check:
        """Every misreport in every profile, by menus: the others' types fix what each report gets."""
        instance = self.instance
        worst, where, count = ZERO, "", 0
        for i in range(instance.bidders):
            for v, profile in enumerate(instance.profiles):
                if profile[i]:
                    continue
                line = [instance.after(i, v, k) for k in range(instance.shape[i])]
                menu = [([x[("q", i, w, j)] for j in range(instance.goods)], x[("m", i, w)]) for w in line]
                types = instance.types[i]
                utility = [sum((a * b for a, b in zip(q, t, strict=True)), ZERO) - m
                           for (q, m), t in zip(menu, types, strict=True)]  # fmt: skip
                gain, which = largest_gain(types, utility, menu)
                count += len(types) ** 2
                if gain > worst:
                    worst, where = gain, f"bidder {i + 1}, others as in profile {v}: {which}"
        return at_most_zero(f"mechanism: all {count} rows [gamma]", worst, where)

    def tree(self, node: Mapping[str, Any], box: Box) -> tuple[Rational, list[Check]]:
        """The bound a tree proves for whole allocations: every leaf bounds the cells' values that lead to it."""
        if not self.instance.restrictions.get("deterministic"):
            raise ValueError("only whole allocations may be branched on")
        if "nature" in node:
            return self.nature(node["nature"], box)
        i, v, j = _label(node["cell"])
        key, at = ("q", i, v, j), int(node["at"])
        if not (0 <= i < self.instance.bidders and v < len(self.instance.profiles) and j < self.instance.goods):
            raise ValueError("no such cell")
        least, most = box.get(key, (ZERO, None))
        first, found = self.tree(node["low"], {**box, key: (least, number(at))})
        second, more = self.tree(node["high"], {**box, key: (number(at + 1), most)})
        worse = min(first, second) if self.minimises else max(first, second)
        return worse, [_worse(a, b) for a, b in zip(found, more, strict=True)]

    def nature(self, listed: Mapping[str, Any], box: Box | None = None) -> tuple[Rational, list[Check]]:
        """The bound a list of multipliers proves, and every condition it must meet; `box` bounds single cells."""
        sign = number(1 if self.minimises else -1)
        left: dict[Key, Rational] = {key: sign * c for key, c in self.goal().items()}  # of the minimisation
        bound, least = ZERO, ZERO
        for name, entries in listed.items():
            family = self.families[name]
            for label, price in entries:
                row, right, equal = family.row(_label(label))
                y = number(price)
                if not equal:
                    least = min(least, y)
                bound += y * right
                for key, a in row.items():
                    left[key] = left.get(key, ZERO) - y * a
        for key, (low, high) in (box or {}).items():  # what a bounded cell can add is counted, the rest must not help
            d = left.get(key, ZERO)
            if d > 0 or high is not None:
                bound += d * (low if d > 0 else high)
                left[key] = ZERO
        nonneg = {key for goal in self.goals for key in goal.signed()}
        help_q = max((-d for key, d in left.items() if key[0] == "q"), default=ZERO)
        help_s = max((-d for key, d in left.items() if key in nonneg), default=ZERO)
        free = max((abs(d) for key, d in left.items() if key[0] != "q" and key not in nonneg), default=ZERO)
        paid = max((abs(d) for key, d in left.items() if key[0] == "m"), default=ZERO)
        return sign * bound, [
            at_most_zero("nature: prices of inequalities are at least zero", -least),
            at_most_zero("nature: payments cancel [m]", paid),
            at_most_zero("nature: her distribution obeys every equality", free),
            at_most_zero("nature: her distribution obeys every bound", help_s),
            at_most_zero("nature: no allocation is worth more than its price [q]", help_q),
        ]


def _worse(first: Check, second: Check) -> Check:
    """One check for two: passed if both are."""
    residual = max(first.residual, second.residual)
    return Check(first.name, residual, first.passed and second.passed, first.detail or second.detail)


def _label(label: Any) -> Label:
    if not all(isinstance(x, int) and not isinstance(x, bool) and x >= 0 for x in label):
        raise ValueError("labels are whole numbers of at least zero")
    return tuple(label)


def _value(row: Mapping[Key, Rational], x: Mapping[Key, Rational]) -> Rational:
    return sum((a * x[key] for key, a in row.items()), ZERO)


def _miss(row: Row, x: Mapping[Key, Rational]) -> Rational:
    left, right, equal = row
    gap = right - _value(left, x)
    return abs(gap) if equal else gap
