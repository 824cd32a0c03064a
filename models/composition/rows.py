"""Row families: the one description of a composed program from which everything else follows.

A family is a named list of rows, each  sum over variables of coefficients * variable  >= (or ==)  right side. Its
coefficients are integers over a common denominator, so that the primal in CVXPY, the dual in CVXPY, the arrays for
HiGHS and the exact certificate are four readings of the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mechopt.solvers.linear import LinearProgram
from mechopt.solvers.program import Array, Program

Indices = NDArray[np.int64]
Integers = NDArray[Any]  # int64 where everything fits, Python's integers otherwise
SAFE = 2**53
ROOM = 2**31  # integers up to which products of two stay in 64 bits


def integers(numbers: Sequence[Any]) -> tuple[Integers, int]:
    """Fractions as integers over their common denominator.

    >>> from fractions import Fraction
    >>> whole, den = integers([Fraction(1, 2), Fraction(1, 3)])
    >>> assert whole.tolist() == [3, 2] and den == 6
    """
    den = math.lcm(*(x.denominator for x in numbers)) if len(numbers) else 1
    whole = [int(x.numerator) * (den // x.denominator) for x in numbers]
    kind = np.int64 if all(abs(x) < ROOM for x in whole) else object
    return np.array(whole, dtype=kind), den


def floats(whole: Integers, den: int) -> Array:
    """Integers over a denominator as the floats nearest to them."""
    if den < SAFE and (whole.dtype != object):
        return np.asarray(whole, dtype=float) / den
    flat = [int(x) / den for x in whole.ravel().tolist()]
    return np.array(flat, dtype=float).reshape(whole.shape)


def product_of(a: Integers, b: Integers) -> Integers:
    """a * b, in Python's integers where 64 bits would not do."""
    most = max(1, int(np.abs(a).max(initial=0))) * max(1, int(np.abs(b).max(initial=0)))
    return a * b if most < 2**62 else a.astype(object) * b.astype(object)


def sums_by(group: Any, weights: Integers, numbers: Integers, count: int) -> Integers:
    """Sums of weights * numbers by group, (count,)."""
    product = product_of(weights, numbers)
    big = product.dtype == object or int(np.abs(product).max(initial=0)) * max(1, len(product)) >= 2**62
    found = np.zeros(count, dtype=object if big else np.int64)
    np.add.at(found, group, product.astype(found.dtype))
    return found


@dataclass(frozen=True)
class Block:
    """Coefficients of one variable in a family: rows, columns of the variable, integers over `den`."""

    rows: Indices
    cols: Indices
    whole: Integers
    den: int = 1

    @classmethod
    def stacked(cls, parts: Sequence[Block]) -> Block:
        """Several blocks of the same rows and variable as one; their entries add up."""
        den = math.lcm(*(part.den for part in parts))
        kind = object if den >= ROOM or any(part.whole.dtype == object for part in parts) else np.int64
        whole = [np.asarray(part.whole, dtype=kind) * (den // part.den) for part in parts]
        return cls(
            np.concatenate([part.rows for part in parts]), np.concatenate([part.cols for part in parts]),
            np.concatenate(whole) if whole else np.zeros(0, np.int64), den,
        )  # fmt: skip

    def matrix(self, shape: tuple[int, int]) -> Any:
        """The block as a sparse matrix of floats."""
        return sp.csr_array((floats(self.whole, self.den), (self.rows, self.cols)), shape=shape)

    def pick(self, chosen: Indices, size: int) -> Block:
        """The block of the chosen rows, renumbered in their order."""
        place = np.full(size, -1)
        place[chosen] = np.arange(len(chosen))
        keep = place[self.rows] >= 0
        return Block(place[self.rows[keep]], self.cols[keep], self.whole[keep], self.den)


@dataclass(frozen=True)
class Variable:
    """A variable of the composed program: its shape, whether it is nonnegative, and its coefficient in the goal."""

    name: str
    shape: tuple[int, ...]
    nonneg: bool = False
    goal: tuple[Integers, int] | None = None  # (size,) over a denominator
    integral: bool = False

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Family:
    """Rows of one kind. `labels`: what each row is about; `part` and `words`: who asked for it, for explanations."""

    name: str
    part: str
    words: str
    blocks: Mapping[str, Block]
    right: Integers  # (R,) over `den`
    den: int = 1
    equal: bool = False
    labels: Mapping[str, Indices] = field(default_factory=dict)

    def __len__(self) -> int:
        """R, the number of rows."""
        return len(self.right)

    @cached_property
    def rhs(self) -> Array:
        """The right side as floats, (R,)."""
        return floats(self.right, self.den)

    def pick(self, chosen: Indices) -> Family:
        """The family of the chosen rows only."""
        blocks = {name: block.pick(chosen, len(self)) for name, block in self.blocks.items()}
        labels = {name: label[chosen] for name, label in self.labels.items()}
        return Family(self.name, self.part, self.words, blocks, self.right[chosen], self.den, self.equal, labels)


def zeros(count: int) -> Integers:
    """A right side of zeros."""
    return np.zeros(count, dtype=np.int64)


@dataclass(frozen=True)
class Composition:
    """Variables, row families and the direction of the goal: a whole linear program, exactly."""

    variables: tuple[Variable, ...]
    families: tuple[Family, ...]
    maximizes: bool

    @cached_property
    def offsets(self) -> dict[str, int]:
        """Where each variable begins among the columns."""
        starts, at = {}, 0
        for variable in self.variables:
            starts[variable.name], at = at, at + variable.size
        return starts

    @property
    def columns(self) -> int:
        """Number of columns."""
        return sum(variable.size for variable in self.variables)

    def with_families(self, families: Sequence[Family]) -> Composition:
        """The same variables and goal under other rows."""
        return Composition(self.variables, tuple(families), self.maximizes)

    def arrays(self) -> LinearProgram:
        """The program for HiGHS, as a minimisation."""
        sign = -1 if self.maximizes else 1
        matrices = [self.matrix(family) for family in self.families]
        lower = np.concatenate([family.rhs for family in self.families])
        free = np.concatenate([np.full(len(family), not family.equal) for family in self.families])
        cost = np.concatenate([_goal(variable) for variable in self.variables])
        nonneg = np.concatenate([np.full(v.size, v.nonneg) for v in self.variables])
        integral = np.concatenate([np.full(v.size, v.integral) for v in self.variables])
        return LinearProgram(
            sign * cost + 0.0, sp.vstack(matrices, format="csc"), lower, np.where(free, np.inf, lower),
            np.where(nonneg, 0.0, -np.inf), np.full(self.columns, np.inf), integral, 0.0, sign,
        )  # fmt: skip

    def matrix(self, family: Family) -> Any:
        """A family's rows over all columns, CSR."""
        rows, cols, data = [], [], []
        for name, block in family.blocks.items():
            rows.append(block.rows)
            cols.append(block.cols + self.offsets[name])
            data.append(floats(block.whole, block.den))
        entries = (np.concatenate(data), (np.concatenate(rows), np.concatenate(cols)))
        return sp.csr_array(entries, shape=(len(family), self.columns))

    def primal(self) -> Program:
        """The seller's program in CVXPY, a constraint per family."""
        made = {v.name: cp.Variable(v.shape, name=v.name, integer=v.integral) for v in self.variables}
        flat = {name: _flat(x) for name, x in made.items()}
        goal: Any = 0
        rows: dict[str, Any] = {}
        for v in self.variables:
            if v.goal is not None:
                goal = goal + _goal(v) @ flat[v.name]
            if v.nonneg:
                rows[f"{v.name} >= 0"] = made[v.name] >= 0
        for family in self.families:
            left: Any = 0
            for name, block in family.blocks.items():
                left = left + block.matrix((len(family), flat[name].size)) @ flat[name]
            rows[family.name] = left == family.rhs if family.equal else left >= family.rhs
        return Program(cp.Maximize(goal) if self.maximizes else cp.Minimize(goal), rows)

    def dual(self) -> Program:
        """Nature's program in CVXPY: a variable per family, a constraint per variable of the seller's."""
        prices = {f.name: cp.Variable(len(f), name=f.name, nonneg=not f.equal) for f in self.families}
        rows: dict[str, Any] = {}
        for v in self.variables:
            worth: Any = 0
            for family in self.families:
                if v.name in family.blocks:
                    price = prices[family.name] * (-1 if family.equal and self.maximizes else 1)
                    worth = worth + family.blocks[v.name].matrix((len(family), v.size)).T @ price
            if isinstance(worth, int):
                continue
            if self.maximizes:
                worth = -worth
                rows[v.name] = worth >= _goal(v) if v.nonneg else worth == _goal(v)
            else:
                rows[v.name] = worth <= _goal(v) if v.nonneg else worth == _goal(v)
        goal: Any = 0
        for family in self.families:
            if family.rhs.any():
                sign = -1 if self.maximizes and not family.equal else 1
                goal = goal + (sign * family.rhs) @ prices[family.name]
        return Program(cp.Minimize(goal) if self.maximizes else cp.Maximize(goal), rows)


def _goal(variable: Variable) -> Array:
    return np.zeros(variable.size) if variable.goal is None else floats(*variable.goal)


def _flat(x: Any) -> Any:
    return x if x.ndim == 1 else cp.reshape(x, (x.size,), order="C")
