"""The certificate of a design: the exact mechanism and nature's exact multipliers, as its checker reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.composition import check as checker
from mechopt.models.composition.branching import listed
from mechopt.models.composition.continuum import Bracket
from mechopt.models.composition.engine import Solved, Truth, split
from mechopt.models.composition.exactly import ExactPoint
from mechopt.models.composition.rows import Composition
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest, text

if TYPE_CHECKING:
    from mechopt.models.design import Design


def listed_mechanism(design: Design, composition: Composition, x: Sequence[Rational]) -> dict[str, Any]:
    """Allocation per bidder and profile, payments, and the seller's other variables by name."""
    environment, found = design.environment, {}
    for variable in composition.variables:
        start = composition.offsets[variable.name]
        found[variable.name] = [text(v) for v in x[start : start + variable.size]]
    J = environment.goods
    q, m = found.pop("q"), found.pop("m")
    return {"q": [q[k : k + J] for k in range(0, len(q), J)], "m": m, "multipliers": found}


def listed_nature(composition: Composition, y: Sequence[Rational]) -> dict[str, list[Any]]:
    """Nonzero multipliers by family, each with the label of its row."""
    found: dict[str, list[Any]] = {}
    at = 0
    for family in composition.families:
        labels = (
            np.column_stack(list(family.labels.values())) if family.labels else np.zeros((len(family), 1), np.int64)
        )
        entries = found.setdefault(family.name, [])
        for k in range(len(family)):
            if y[at + k]:
                entries.append([labels[k].tolist(), text(y[at + k])])
        at += len(family)
    return found


def listed_tree(design: Design, solved: Solved, tree: Any) -> dict[str, Any]:
    """A proof by branching as a certificate holds it."""
    environment = design.environment
    return listed(tree, environment.goods, environment.profiles, lambda y: listed_nature(solved.composition, y))


def part(design: Design, solved: Solved, primal: ExactPoint, dual: ExactPoint | None) -> dict[str, Any]:
    """The certificate's part for the finite program; nature's side from another point where one is given."""
    composition, x, y = solved.whole(primal.x, (dual or primal).y)
    found: dict[str, Any] = {
        "mechanism": listed_mechanism(design, composition, x),
        "nature": listed_nature(composition, y),
    }
    if design.environment.distributions is not None:
        found["distributions"] = [
            None if prior.written.get("family", "uniform") == "uniform"
            else {"values": [str(x) for x in prior.values], "probabilities": [str(x) for x in prior.probabilities]}
            for prior in design.environment.distributions
        ]  # fmt: skip
    return found


def continuum_part(bracket: Bracket) -> dict[str, Any]:
    """The certificate's part for the continuum: every good's rule and multipliers, and nature's masses on cells."""
    goods = []
    for rule in bracket.rules:
        columns = {name: [text(v) for v in column] for name, column in rule.multipliers.items()}
        nodes = [[str(x) for x in own] for own in rule.nodes]
        goods.append({"nodes": nodes, "q": [text(v) for v in rule.q], "multipliers": columns})
    if bracket.nature is None:
        return {"goods": goods}
    nodes = [[str(x) for x in own] for own in bracket.nature.nodes]
    plan, price = (
        [[k, text(v)] for k, v in enumerate(column) if v] for column in (bracket.nature.plan, bracket.nature.price)
    )
    return {"goods": goods, "nature": {"nodes": nodes, "plan": plan, "price": price}}


def checked(design: Design, certificate: dict[str, Any]) -> tuple[list[Check], dict[str, tuple[Rational, Rational]]]:
    """What the checker says of a certificate."""
    return checker.check(design.parameters(), certificate)


def missed(design: Design, solved: Solved, x: Sequence[Rational]) -> Any:
    """Labels of rows of truth an exact point violates that were not generated, found in floats without tolerance."""
    if solved.method != "lazy":
        return np.zeros((0, 3), np.int64)
    point = np.array([nearest(v) for v in (x if solved.symmetry is None else solved.symmetry.spread(x))])
    labels, _ = Truth(design).violated(*split(design, point), 1e-13)
    return labels
