"""Programs of one structure: compiled once, with the numbers that move as CVXPY parameters, and started from a basis.

Two programs have one structure when they are the same expressions up to the constants in them. The first of a
structure is solved as ever. From the second on, the constants that differ become parameters of a program that CVXPY
compiles once (disciplined parametrized programming); another such program then costs a sparse product, not a
compilation, and HiGHS starts from the last basis as long as that is what is faster. A program met before in every
number is not solved again. What cannot be written so, or is integral, is solved as if there were no memory.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from mechopt.solvers.program import Program, Solution, Status

STRUCTURES = 64  # kept, the one used longest ago going first
SOLUTIONS = 512  # kept, likewise
LARGEST = 20_000  # entries of the constants that move; beyond, CVXPY's parameters cost more than they save


class Unfit(Exception):
    """A program that holds something whose sameness cannot be told."""


@dataclass
class Structure:
    """What is known of one structure: a parametrised program, which constants move in it, and the last basis."""

    reference: list[Any]
    moving: tuple[int, ...] = ()
    program: Program | None = None
    parameters: dict[int, cp.Parameter] = field(default_factory=dict)
    declined: bool = False
    basis: Any = None
    seconds: dict[bool, float] = field(default_factory=dict)  # shortest run without and with a basis

    def start(self) -> Any:
        """The last basis, or None where starting from it has not been faster."""
        slower = self.seconds.get(True, 0.0) > self.seconds.get(False, np.inf)
        return None if slower else self.basis

    def learn(self, basis: Any, started_from_basis: bool, seconds: float) -> None:
        """Remember a run's basis and its time."""
        known = self.seconds.get(started_from_basis, np.inf)
        self.seconds[started_from_basis] = min(known, seconds)
        self.basis = basis if basis is not None and basis.valid else self.basis


class Retained:
    """A memory of structures and solutions, handed to `solvers.highs.solve`; nothing is kept anywhere else.

    >>> from mechopt.solvers.highs import solve
    >>> def cheapest(floor):
    ...     x = cp.Variable(name="x")
    ...     return Program(cp.Minimize(3 * x), {"floor": x >= floor})
    >>> memory = Retained()
    >>> assert [solve(cheapest(b), memory=memory).value for b in (2, 3, 4, 3)] == [6, 9, 12, 9]
    >>> assert memory.compiled == 1 and memory.repeated == 1
    """

    def __init__(self) -> None:
        self._structures: OrderedDict[Hashable, Structure] = OrderedDict()
        self._solutions: OrderedDict[Hashable, Solution] = OrderedDict()
        self.compiled = 0  # parametrised programs compiled
        self.reused = 0  # programs solved without a compilation
        self.repeated = 0  # programs not solved at all

    def known(self, mark: Hashable) -> Solution | None:
        """The solution of the very same program, if it is remembered."""
        found = self._solutions.get(mark)
        if found is not None:
            self._solutions.move_to_end(mark)
            self.repeated += 1
        return found

    def keep(self, mark: Hashable, solution: Solution) -> None:
        """Remember an optimum; what stopped at a limit may end differently next time."""
        if solution.status is Status.OPTIMAL:
            _put(self._solutions, mark, solution, SOLUTIONS)

    def structure(self, reading: Reading) -> Structure | None:
        """The structure of a program with its parameters set to this program's numbers; None to solve it as ever."""
        found = self._structures.get(reading.shape)
        if found is None:
            _put(self._structures, reading.shape, Structure(reading.constants), STRUCTURES)
            return None
        self._structures.move_to_end(reading.shape)
        if found.declined:
            return None
        differ = [k for k, value in enumerate(reading.constants) if not _same(value, found.reference[k])]
        moving = tuple(sorted({*found.moving, *differ}))
        if found.program is None or moving != found.moving:
            self._parametrise(found, reading, moving)
            if found.program is None:
                found.declined = True
                return None
        for k, parameter in found.parameters.items():
            parameter.value = reading.constants[k]
        self.reused += 1
        return found

    def _parametrise(self, found: Structure, reading: Reading, moving: tuple[int, ...]) -> None:
        """Write the program with parameters where constants move; leaves None where that is not possible."""
        values = [reading.constants[k] for k in moving]
        found.program, found.moving, found.basis = None, moving, None
        if any(sp.issparse(value) for value in values) or sum(np.size(value) for value in values) > LARGEST:
            return
        found.parameters = {k: cp.Parameter(np.shape(v)) for k, v in zip(moving, values, strict=True)}
        by_node = {node: found.parameters[k] for node, k in reading.nodes.items() if k in found.parameters}
        program = _substitute(reading.program, by_node)
        if program.problem.is_dcp(dpp=True):
            found.program = program
            self.compiled += 1


def _put(kept: OrderedDict[Hashable, Any], key: Hashable, value: Any, most: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)


class Reading:
    """A program taken apart: its shape, which is hashable and holds no number that may move, and its constants."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.constants: list[Any] = []
        self.nodes: dict[int, int] = {}  # id of a constant expression -> its place among the constants
        self._variables: dict[int, int] = {}
        self._fixed: dict[int, bool] = {}
        rows = tuple(
            (name, type(row).__name__, *(self._read(arg) for arg in row.args))
            for name, row in program.constraints.items()
        )
        self.shape = (program.maximizes, self._read(program.objective.args[0]), rows)

    @property
    def mark(self) -> Hashable:
        """What tells this program from any that differs in a number."""
        return self.shape, tuple(_frozen(value) for value in self.constants)

    def _read(self, node: Any) -> Hashable:
        if isinstance(node, cp.Variable):
            place = self._variables.setdefault(node.id, len(self._variables))
            flags = tuple((k, _frozen(v)) for k, v in sorted(node.attributes.items()))
            return ("variable", place, node.name(), node.shape, flags)
        if isinstance(node, cp.Parameter):
            raise Unfit
        if self._is_fixed(node):
            if id(node) not in self.nodes:
                self.nodes[id(node)] = len(self.constants)
                self.constants.append(node.value)
            return ("constant", self.nodes[id(node)], node.shape)
        data = node.get_data()
        return (type(node).__name__, node.shape, _frozen(data), *(self._read(arg) for arg in node.args))

    def _is_fixed(self, node: Any) -> bool:
        """Whether an expression is a constant, whatever it is made of."""
        if isinstance(node, cp.Constant):
            return True
        if not node.args:
            return False
        if id(node) not in self._fixed:
            self._fixed[id(node)] = all(self._is_fixed(arg) for arg in node.args)
        return self._fixed[id(node)]


def _frozen(value: Any) -> Hashable:
    """Anything an expression holds besides expressions, as something that can be compared. Raises Unfit."""
    if value is None or isinstance(value, bool | int | float | str | np.generic):
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, slice):
        return ("slice", value.start, value.stop, value.step)
    if isinstance(value, list | tuple):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, np.ndarray) and value.dtype != object:
        return (value.shape, value.dtype.str, hashlib.sha256(value.tobytes()).digest())
    if sp.issparse(value):
        plain = value.tocsr()
        return (plain.shape, *(_frozen(part) for part in (plain.indptr, plain.indices, plain.data)))
    raise Unfit


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    return _frozen(one) == _frozen(other)


def _substitute(program: Program, by_node: dict[int, cp.Parameter]) -> Program:
    """The same program with parameters in place of some constants."""

    def swap(node: Any) -> Any:
        if id(node) in by_node:
            return by_node[id(node)]
        if not node.args:
            return node
        args = [swap(arg) for arg in node.args]
        return node if all(a is b for a, b in zip(args, node.args, strict=True)) else node.copy(args)

    goal = type(program.objective)(swap(program.objective.args[0]))
    return Program(goal, {name: swap(row) for name, row in program.constraints.items()})


def read(program: Program) -> Reading | None:
    """A program taken apart; None where sameness cannot be told, or where it is integral."""
    if program.problem.is_mixed_integer():
        return None
    try:
        reading = Reading(program)
        _ = reading.mark
    except Unfit:
        return None
    return reading
