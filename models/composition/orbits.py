"""Bidders who are alike: the program on orbits of their permutations, and the way back to every bidder.

When types, priors, sets and restrictions do not tell bidders apart, the average of an optimal mechanism over all ways
to permute them is optimal too. So one variable per orbit of cells will do, and one row per orbit of rows. A multiplier
of an orbit's row is shared equally among its rows on the way back, which keeps the whole program's dual exactly
feasible.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.composition.ambiguity import Ambiguity
from mechopt.models.composition.criteria import distributions, laid_out
from mechopt.models.composition.priors import Prior
from mechopt.models.composition.rows import Block, Composition, Family, Indices, Variable

if TYPE_CHECKING:
    from mechopt.models.design import Design

MOVED = ("profile", "low", "high")  # labels that are profiles
TAKEN = ("fair_q", "fair_m")  # rows every orbit satisfies by itself
MOST_BIDDERS = 5  # whose permutations are listed


@dataclass(frozen=True)
class Orbits:
    """What of a list of things falls together: the first of every orbit, each thing's orbit, and the orbits' sizes."""

    first: Indices
    of: Indices
    size: Indices


class Symmetry:
    """The permutations of the bidders of a design in which they are alike."""

    def __init__(self, design: Design) -> None:
        self.design = design
        environment = design.environment
        self.permutations = [np.array(p) for p in itertools.permutations(range(environment.count))]
        self.profiles = []
        for p in self.permutations:
            moved = np.empty_like(environment.steps)
            moved[:, p] = environment.steps
            self.profiles.append(moved @ environment.strides)

    @classmethod
    def of(cls, design: Design) -> Symmetry | None:
        """The symmetry of a design, None where bidders differ, or there is one."""
        environment, restrictions = design.environment, design.restrictions
        if not 1 < environment.count <= MOST_BIDDERS or len(set(environment.exact)) > 1:
            return None
        if restrictions.rows or restrictions.deterministic or (restrictions.separable and environment.goods > 1):
            return None
        if len(set(restrictions.budgets)) > 1:
            return None
        found = cls(design)
        sets = [distributions(goal, environment) for _, goal in design.goals]
        alike = all(found._set(one) for one in sets)
        return found if alike and all(found._table(t) for t, _ in design.incentives.tables(environment)) else None

    def _table(self, weights: Any) -> bool:
        return all(bool((weights[moved] == weights).all()) for moved in self.profiles)

    def _prior(self, prior: Prior) -> bool:
        return self._table(prior.table(self.design.environment)[0])

    def _set(self, chosen: Ambiguity) -> bool:
        if chosen.kind == "wasserstein" or chosen.samples or chosen.support:
            return False
        if any(m.bidder is not None for m in chosen.moments):
            return False
        return all(map(self._prior, chosen.priors)) and (chosen.centre is None or self._prior(chosen.centre))

    def act(self, labels: Mapping[str, Indices], k: int) -> dict[str, Indices]:
        """Labels after the k-th permutation."""
        found = dict(labels)
        for name, label in labels.items():
            if name == "bidder":
                found[name] = self.permutations[k][label]
            elif name in MOVED:
                found[name] = self.profiles[k][label]
        return found

    def orbits(self, labels: Mapping[str, Indices]) -> Orbits:
        """What falls together among the labels given."""
        codes = self.codes(labels)
        _, first, of, size = np.unique(codes, return_index=True, return_inverse=True, return_counts=True)
        return Orbits(first, of.ravel(), size)

    def codes(self, labels: Mapping[str, Indices]) -> Indices:
        """A number per orbit: the smallest code of a label's images."""
        radix = {name: self._radix(name, label) for name, label in labels.items()}
        images = [_encode(self.act(labels, k), radix) for k in range(len(self.permutations))]
        return np.asarray(np.min(images, axis=0))

    def _radix(self, name: str, label: Indices) -> int:
        environment = self.design.environment
        if name == "bidder":
            return environment.count
        return environment.profiles if name in MOVED else int(label.max(initial=0)) + 1

    def images(self, labels: Mapping[str, Indices]) -> tuple[dict[str, Indices], Indices, Indices]:
        """All labels in the orbits of those given, one per orbit: the labels, which orbit each is of, orbits' sizes."""
        radix = {name: self._radix(name, label) for name, label in labels.items()}
        count = len(next(iter(labels.values())))
        acted = [self.act(labels, k) for k in range(len(self.permutations))]
        codes = np.concatenate([_encode(one, radix) for one in acted])
        _, first = np.unique(codes, return_index=True)
        merged = {name: np.concatenate([one[name] for one in acted])[first] for name in labels}
        of = first % count
        return merged, of, np.bincount(of, minlength=count)

    @cached_property
    def columns(self) -> dict[str, Orbits]:
        """Orbits of every variable's entries."""
        return {v.name: self.orbits(self._entries(v)) for v in self.design.core.variables}

    def _entries(self, variable: Variable) -> dict[str, Indices]:
        """Labels of a variable's entries."""
        environment, at = self.design.environment, np.arange(variable.size)
        P, J = environment.profiles, environment.goods
        if variable.name == "q":
            return {"bidder": at // (P * J), "profile": at // J % P, "good": at % J}
        if variable.name == "m":
            return {"bidder": at // P, "profile": at % P}
        name, _, floor = variable.name.partition("_")
        goal = self.design.goals[int(floor or 0)][1]
        chosen = distributions(goal, environment)
        if name == "sigma":
            sides = chosen.sides(environment)
            kinds = [(j, power, sign, bound) for _, j, power, sign, bound in sides]
            order = {kind: n for n, kind in enumerate(dict.fromkeys(kinds))}
            return {"bidder": np.array([i for i, *_ in sides]), "kind": np.array([order[kind] for kind in kinds])}
        if variable.size > 1:  # one per profile: of a box, or where a ball's centre has mass
            nature = laid_out(goal, environment)
            if name in ("low", "high"):
                return {"profile": nature.labels["profile"]}
            return {"profile": nature.labels["profile"][nature.labels["kind"] == 1]}
        return {"only": at}

    def fold(self, composition: Composition, rows: Mapping[str, Orbits]) -> Composition:
        """A composition on orbits; `rows` are those of the families."""
        variables = []
        for v in composition.variables:
            orbits, goal = self.columns[v.name], None
            if v.goal is not None:
                whole = np.zeros(len(orbits.first), dtype=object)
                np.add.at(whole, orbits.of, v.goal[0].astype(object))
                goal = (whole, v.goal[1])
            variables.append(Variable(v.name, (len(orbits.first),), v.nonneg, goal, v.integral))
        families = [self.folded(f.pick(rows[f.name].first)) for f in composition.families if f.name not in TAKEN]
        return Composition(tuple(variables), tuple(families), composition.maximizes)

    def folded(self, family: Family) -> Family:
        """A family's rows over the orbits of the variables."""
        blocks = {
            name: Block(b.rows, self.columns[name].of[b.cols], b.whole, b.den) for name, b in family.blocks.items()
        }
        return Family(family.name, family.part, family.words, blocks, family.right, family.den, family.equal,
                      family.labels)  # fmt: skip

    @cached_property
    def rows(self) -> dict[str, Orbits]:
        """Orbits of the rows of every family but truth."""
        found = {}
        for family in self.design.core.families:
            if family.name not in TAKEN:
                labels = family.labels or {"only": np.arange(len(family))}
                found[family.name] = self.orbits(labels)
        return found

    def spread(self, x: Sequence[Any]) -> list[Any]:
        """A point on orbits as one of the whole program."""
        found: list[Any] = []
        at = 0
        for orbits in self.columns.values():
            found += [x[at + k] for k in orbits.of.tolist()]
            at += len(orbits.first)
        return found

    def unfold(self, folded: Composition, y: Sequence[Any], truth: Any) -> tuple[Composition, list[Any]]:
        """The whole program's families, with every image of the truth rows used, and the multipliers shared among them.

        `truth` makes a family of labels.
        """
        given, at = {}, 0
        for family in folded.families:
            given[family.name] = (family, y[at : at + len(family)])
            at += len(family)
        families, shares = [], []
        for family in self.design.core.families:
            families.append(family)
            if family.name in TAKEN:
                shares += [0 * y[0]] * len(family)
                continue
            orbits, prices = self.rows[family.name], given[family.name][1]
            shares += [prices[k] / int(orbits.size[k]) for k in orbits.of.tolist()]
        if "gamma" in given:
            family, prices = given["gamma"]
            labels, of, size = self.images(family.labels)
            families.append(truth(np.column_stack(list(labels.values()))))
            shares += [prices[k] / int(size[k]) for k in of.tolist()]
        return self.design.core.with_families(families), shares


def _encode(labels: Mapping[str, Indices], radix: Mapping[str, int]) -> Indices:
    code = np.zeros(len(next(iter(labels.values()))), dtype=np.int64)
    for name, label in labels.items():
        code = code * radix[name] + label
    return code
