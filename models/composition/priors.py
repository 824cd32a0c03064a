"""Priors of a composed problem: probabilities of the profiles of types, in whichever way they are written."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.models.composition.environment import Environment
from mechopt.models.composition.rows import Integers, integers
from mechopt.models.inputs import Number, checked, exact, fail, plain, shorten

FORMS = "uniform, joint, marginals or atoms"
SUM = Fraction(1, 10**9)  # how far probabilities may miss one before they are refused


@checked
class Atom:
    """A profile of types, per bidder a list of values, one per good, and its probability."""

    probability: Number
    values: tuple[tuple[Number, ...], ...]


@checked
class Prior:
    """A distribution over the profiles of types, in one of four ways.

    `uniform = true`: all profiles equally likely. `joint`: a nested list [t1]..[tI] of probabilities. `marginals`: per
    bidder the probabilities of her types, independent of the others' (one list where all are alike). `atoms`: a list
    of {probability, values}. Probabilities may miss a sum of one by 1e-9 and are then normalised. Raises InputError.

    >>> coin = Prior(marginals=[["1/2", "1/2"]])
    >>> assert coin.table(Environment(bidders=2, upper=[1], points=1)) [1] == 4
    """

    uniform: bool = False
    joint: Any = None
    marginals: tuple[tuple[Number, ...], ...] | None = None
    atoms: tuple[Atom, ...] | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("joint", "marginals", "atoms") if getattr(self, name) is not None]
        if len(given) + self.uniform != 1:
            raise fail("", f"one of {FORMS}", " and ".join(given) or "none", "write prior = {uniform = true}")
        for name in ("marginals", "atoms"):
            if getattr(self, name) == ():
                raise fail(name, "at least one entry", "none")
        if self.joint is not None:
            object.__setattr__(self, "joint", _nested(self.joint, "joint"))

    def parameters(self) -> dict[str, Any]:
        """As a file has it."""
        if self.uniform:
            return {"uniform": True}
        if self.joint is not None:
            return {"joint": _plainly(self.joint)}
        if self.marginals is not None:
            return {"marginals": [[plain(x) for x in row] for row in self.marginals]}
        listed = [{"probability": plain(a.probability), "values": [[plain(x) for x in t] for t in a.values]}
                  for a in self.atoms or ()]  # fmt: skip
        return {"atoms": listed}

    def table(self, environment: Environment) -> tuple[Integers, int]:
        """Probabilities of the profiles, (P,), as integers over a denominator. Raises InputError if they do not fit."""
        shape, P = environment.shape, environment.profiles
        if self.uniform:
            return np.ones(P, dtype=np.int64), P
        if self.joint is not None:
            found = list(_flat(self.joint, shape, "joint"))
        elif self.marginals is not None:
            found = self._independent(environment)
        else:
            found = self._listed(environment)
        return integers(_normalised(found, "joint" if self.joint is not None else "atoms"))

    def _independent(self, environment: Environment) -> list[Fraction]:
        rows = self.marginals or ()
        count = environment.count
        if len(rows) not in (1, count):
            raise fail("marginals", f"{count} lists, one per bidder, or one for all", f"{len(rows)}")
        rows = rows * (count // len(rows))
        for i, row in enumerate(rows):
            if len(row) != environment.shape[i]:
                raise fail(f"marginals[{i}]", f"{environment.shape[i]} probabilities, one per type", f"{len(row)}")
        rows = tuple(tuple(_normalised(list(row), f"marginals[{i}]")) for i, row in enumerate(rows))
        return [math.prod(chances, start=Fraction(1)) for chances in itertools.product(*rows)]

    def _listed(self, environment: Environment) -> list[Fraction]:
        place = [{t: k for k, t in enumerate(own)} for own in environment.exact]
        found = [Fraction(0)] * environment.profiles
        for n, atom in enumerate(self.atoms or ()):
            if len(atom.values) != environment.count:
                raise fail(f"atoms[{n}].values", f"{environment.count} lists, one per bidder", f"{len(atom.values)}")
            at = 0
            for i, t in enumerate(atom.values):
                if t not in place[i]:
                    shown = shorten([plain(x) for x in t])
                    raise fail(f"atoms[{n}].values[{i}]", f"one of the types of bidder {i + 1}", shown)
                at += place[i][t] * int(environment.strides[i])
            found[at] += atom.probability
        return found


def own_prior(environment: Environment) -> Prior | None:
    """The prior that comes with an environment whose types are given as distributions; None otherwise."""
    if environment.distributions is None:
        return None
    rows = tuple(prior.probabilities for prior in environment.distributions)
    return Prior(marginals=rows)


def _normalised(found: list[Fraction], field: str) -> list[Fraction]:
    for k, p in enumerate(found):
        if p < 0:
            raise fail(f"{field}[{k}]", "a probability of at least 0", p)
    total = sum(found, Fraction(0))
    if abs(total - 1) > SUM:
        raise fail(field, "probabilities that sum to 1", f"{float(total):.12g}", 'write thirds as "1/3"')
    return found if total == 1 else [p / total for p in found]


def _nested(value: Any, field: str) -> Any:
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list | tuple):
        return tuple(_nested(x, f"{field}[{k}]") for k, x in enumerate(value))
    try:
        return exact(value)
    except ValueError:
        raise fail(field, "a finite number", shorten(value), 'write 0.5, 3 or "1/3"') from None


def _plainly(value: Any) -> Any:
    return [_plainly(x) for x in value] if isinstance(value, tuple) else plain(value)


def _flat(value: Any, shape: tuple[int, ...], field: str) -> list[Fraction]:
    if not shape:
        if isinstance(value, tuple):
            raise fail(field, "a probability", f"{len(value)} entries")
        return [value]
    if not isinstance(value, tuple) or len(value) != shape[0]:
        got = f"{len(value)} entries" if isinstance(value, tuple) else shorten(value)
        raise fail(field, f"a list of {shape[0]}, one per type", got)
    return [x for k, row in enumerate(value) for x in _flat(row, shape[1:], f"{field}[{k}]")]


def read(given: Mapping[str, Any] | Prior) -> Prior:
    """A prior from a table or as it is."""
    return given if isinstance(given, Prior) else Prior(**given)
