"""Mechanism files: a direct mechanism the user brings, as tables over types, with priors if there are any.

    {"types": [[v, ...] per bidder], "allocation": [...], "payment": [...], "prior": ..., "ambiguity": [...]}

`allocation[i][t1]..[tI]` is bidder i's chance of the good (for several goods one more list at the end, and every type
a list of values), `payment[i][t1]..[tI]` her expected payment. A prior is a table of joint probabilities [t1]..[tI], or
a list of the bidders' own probabilities when values are independent. `ambiguity` is a list of priors; `prior` may then
also be weights on them, {"weights": [...]}. Where a 2 x 2 table could be read either way, its sum decides; a table
{"joint": ...} or {"marginals": ...} leaves no doubt.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from mechopt.instance import parse
from mechopt.models.audit import DirectMechanism
from mechopt.models.inputs import InputError, Problem, checked, exact, fail, plain, shorten

SUM_SLACK = Fraction(1, 10**9)  # by which probabilities may miss one before they are normalised
Table = Any  # an object array of fractions


@checked
class MechanismFile:
    """The fields of a mechanism file, before their tables are read. Raises InputError for unknown or missing ones.

    >>> second = MechanismFile(types=[[0, 1]], allocation=[[0, 1]], payment=[[0, "1/2"]])
    >>> assert second.brought().mechanism.payment[0, 1] == Fraction(1, 2)
    """

    types: Any
    allocation: Any
    payment: Any
    prior: Any = None
    ambiguity: Any = None

    def brought(self) -> Brought:
        """The tables, checked against the types, in fractions. Raises InputError that names every wrong entry."""
        types = _types(self.types)
        shape, goods = tuple(len(t) for t in types), types[0].shape[1]
        q = table(self.allocation, "allocation", (len(types), *shape), inner=goods)
        m = table(self.payment, "payment", (len(types), *shape))
        priors = None
        if self.ambiguity is not None:
            if not isinstance(self.ambiguity, list | tuple) or not self.ambiguity:
                raise fail("ambiguity", "a list of priors", shorten(self.ambiguity))
            priors = [_prior(p, f"ambiguity[{k}]", shape) for k, p in enumerate(self.ambiguity)]
        prior, weights = self._prior(shape, 0 if priors is None else len(priors))
        return Brought(DirectMechanism(types, q, m), prior, weights, priors)

    def _prior(self, shape: tuple[int, ...], priors: int) -> tuple[Table | None, list[Fraction] | None]:
        """The prior as a joint table, or as weights on the ambiguity set."""
        given = self.prior
        flat = isinstance(given, list | tuple) and not any(isinstance(x, list | tuple) for x in given)
        named = isinstance(given, Mapping) and set(given) == {"weights"}
        if named or (flat and priors and len(shape) > 1):
            if not priors:
                raise fail("prior.weights", "an ambiguity set to weigh", "none", "add `ambiguity`, a list of priors")
            field = "prior.weights" if named else "prior"
            return None, list(_probabilities(table(given["weights"] if named else given, field, (priors,)), field))
        return (None if given is None else _prior(given, "prior", shape)), None


@dataclass(frozen=True)
class Brought:
    """A mechanism and what is known of the types' distribution, each part None where the file has none.

    `prior` (K_1, .., K_I): one prior. `weights`: on the priors of `ambiguity`, a list of tables like `prior`.
    """

    mechanism: DirectMechanism
    prior: Table | None
    weights: list[Fraction] | None
    ambiguity: list[Table] | None


def read(where: str | Path) -> Brought:
    """A mechanism from a path or "-" (standard input). Raises InputError that names the field."""
    name = "standard input" if str(where) == "-" else str(where)
    try:
        text = sys.stdin.read() if str(where) == "-" else Path(where).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "bytes that are not UTF-8"
        raise fail(name, "a readable mechanism file", str(reason)) from None
    data = parse(text, name, True)
    return MechanismFile(**{str(key): value for key, value in data.items()}).brought()


def table(given: Any, field: str, shape: Sequence[int], inner: int | None = None) -> Table:
    """Nested lists as fractions of the shape; with `inner`, one more axis of so many goods, optional when it is one.

    Raises InputError listing entries that are no numbers, and lists of the wrong length.

    >>> assert table([[1, "1/2"]], "payment", (1, 2)).tolist() == [[1, Fraction(1, 2)]]
    """
    problems: list[Problem] = []
    entries: list[Fraction] = []

    def walk(node: Any, depth: int, name: str) -> None:
        node = node.tolist() if hasattr(node, "tolist") else node
        if depth == len(shape) and inner is not None and (inner > 1 or isinstance(node, list | tuple)):
            if not isinstance(node, list | tuple) or len(node) != inner:
                got = f"{len(node)}" if isinstance(node, list | tuple) else shorten(node)
                expected = f"a list of {inner} numbers, one per good" if inner > 1 else "one number"
                problems.append(Problem(name, expected, got))
                return
            for k, item in enumerate(node):
                number(item, f"{name}[{k}]")
        elif depth == len(shape):
            number(node, name)
        elif not isinstance(node, list | tuple) or len(node) != shape[depth]:
            got = f"{len(node)} entries" if isinstance(node, list | tuple) else shorten(node)
            problems.append(Problem(name, f"a list of {shape[depth]}", got, _axis(field, depth)))
        else:
            for k, item in enumerate(node):
                walk(item, depth + 1, f"{name}[{k}]")

    def number(item: Any, name: str) -> None:
        try:
            entries.append(exact(item.item() if hasattr(item, "item") else item))
        except ValueError:
            problems.append(Problem(name, "a finite number", shorten(item), 'write 0.5, 3 or "1/3"'))

    walk(given, 0, field)
    if problems:
        raise InputError(*problems)
    full = (*shape, inner) if inner is not None else tuple(shape)
    return _boxed(entries).reshape(full)


def _boxed(numbers: Sequence[Fraction]) -> Table:
    out = np.empty(len(numbers), dtype=object)
    out[:] = numbers
    return out


def _axis(field: str, depth: int) -> str:
    """What the axis of a table runs over."""
    if field in ("allocation", "payment"):
        return "one per bidder" if depth == 0 else f"one per type of bidder {depth}"
    return "" if field.endswith("weights") else f"one per type of bidder {depth + 1}"


def _types(given: Any) -> tuple[Table, ...]:
    """Types per bidder, (K_i, J), distinct; J from the first one."""
    if not isinstance(given, list | tuple) or not given:
        raise fail("types", "a list of types for each bidder", shorten(given), 'write "types": [[0, 1], [0, 1]]')
    for i, own in enumerate(given):
        if not isinstance(own, list | tuple) or not own:
            raise fail(f"types[{i}]", "a list of at least one type", shorten(own))
    first = given[0][0]
    goods = len(first) if isinstance(first, list | tuple) else 1
    if not goods:
        raise fail("types[0][0]", "a number, or one per good", "an empty list")
    found = tuple(table(own, f"types[{i}]", (len(own),), inner=goods) for i, own in enumerate(given))
    for i, own in enumerate(found):
        seen: dict[tuple[Fraction, ...], int] = {}
        for t, row in enumerate(map(tuple, own)):
            if any(x < 0 for x in row):
                raise fail(f"types[{i}][{t}]", "values of at least 0", _shown(row))
            if row in seen:
                raise fail(f"types[{i}][{t}]", "a type not listed before", _shown(row), "drop one of them")
            seen[row] = t
        if goods == 1 and list(seen) != sorted(seen):
            raise fail(f"types[{i}]", "types in increasing order", _shown([row[0] for row in seen]))
    return found


def _shown(numbers: Sequence[Fraction]) -> str:
    return shorten(", ".join(str(plain(x)) for x in numbers))


def _prior(given: Any, field: str, shape: tuple[int, ...]) -> Table:
    """A prior over profiles as a joint table: brought as one, or as every bidder's own probabilities."""
    if isinstance(given, Mapping):
        if set(given) == {"joint"}:
            field, given = f"{field}.joint", given["joint"]
            return _probabilities(table(given, field, shape), field)
        if set(given) == {"marginals"}:
            return _product(given["marginals"], f"{field}.marginals", shape)
        raise fail(field, "a table of probabilities, or {joint: ...} or {marginals: ...}", shorten(dict(given)))
    return _product(given, field, shape) if _independent(given, shape) else _probabilities(
        table(given, field, shape), field
    )  # fmt: skip


def _independent(given: Any, shape: tuple[int, ...]) -> bool:
    """Whether nested lists are one list of probabilities per bidder rather than a joint table."""
    rows = [x for x in given if isinstance(x, list | tuple)] if isinstance(given, list | tuple) else []
    fits = len(rows) == len(shape) and [len(row) for row in rows] == list(shape)
    if not fits or any(isinstance(x, list | tuple) for row in rows for x in row):
        return False
    if len(shape) != 2 or shape != (2, 2):
        return True
    try:
        return sum(map(exact, itertools.chain(*rows)), Fraction(0)) > Fraction(3, 2)  # two, not one
    except ValueError:
        return False


def _product(given: Any, field: str, shape: tuple[int, ...]) -> Table:
    if not isinstance(given, list | tuple) or len(given) != len(shape):
        raise fail(field, f"{len(shape)} lists of probabilities, one per bidder", shorten(given))
    own = [_probabilities(table(p, f"{field}[{i}]", (shape[i],)), f"{field}[{i}]") for i, p in enumerate(given)]
    return reduce(np.multiply.outer, own)


def _probabilities(found: Table, field: str) -> Table:
    """Probabilities that sum to one exactly. Raises InputError for negative ones or a sum that is off."""
    flat = found.ravel()
    if (least := min(flat)) < 0:
        raise fail(field, "probabilities of at least 0", least)
    total = sum(flat, Fraction(0))
    if abs(total - 1) > SUM_SLACK:
        got = plain(total) if math.isfinite(float(total)) else "more"
        raise fail(field, "probabilities that sum to 1", str(got), 'write thirds as "1/3"')
    return found / total
