"""What solving a model yields, before the roof dresses it as a result: arrays with axes, bounds, a certificate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mechopt.models.inputs import fail

if TYPE_CHECKING:  # the checkers read this module, and load neither CVXPY nor a solver
    from mechopt.solvers.program import Residuals, Statistics, Status
    from mechopt.solvers.retained import Retained

Array = NDArray[np.float64]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class ClosedForm:
    """A theorem's number: its value, what it equals, and its source. Never used to compute anything."""

    value: float
    relation: str
    source: str


@dataclass(frozen=True)
class Bounds:
    """Proven bounds of the stated problem; `certified` only when the exact checker confirmed both ends."""

    lower: float
    upper: float
    problem: str
    certified: bool

    @property
    def width(self) -> float:
        """Upper minus lower."""
        return self.upper - self.lower


@dataclass(frozen=True)
class Labelled:
    """An array with the names of its axes and, where they mean something, their coordinates."""

    values: Array
    dims: tuple[str, ...]
    coords: Mapping[str, Any] = field(default_factory=dict)
    role: str = ""  # "mechanism", "dual", "worst_case" or "bound"


class Mechanism(Protocol):
    """A direct mechanism on the continuum."""

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Allocation (..., J) and payment (...) at values (..., J)."""


@dataclass(frozen=True)
class Options:
    """How to solve: seconds, the engine, the width of the bracket asked for, HiGHS options, who hears of progress.

    `memory` keeps compiled programs from one solve to the next; an engine hands it to `solvers.highs.solve`.
    """

    time_limit: float | None = None
    method: str | None = None
    gap: float | None = None
    certificate: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)
    verbose: bool = False
    progress: Progress = lambda message: None

    def require_sensible(self) -> None:
        """Raise InputError for a gap or a time limit nobody can have asked for."""
        if self.gap is not None and not (math.isfinite(self.gap) and self.gap > 0):
            raise fail("solve.gap", "a positive width of the bracket, in money", str(self.gap))
        if self.time_limit is not None and not self.time_limit > 0:
            raise fail("solve.time_limit", "a positive number of seconds", str(self.time_limit))

    memory: Retained | None = None


@dataclass(frozen=True)
class Outcome:
    """Everything a solved model knows of itself."""

    status: Status
    value: float
    bounds: Bounds | None
    closed_form: ClosedForm | None
    quantities: Mapping[str, Any]
    arrays: Mapping[str, Labelled]
    statistics: Statistics
    residuals: Residuals
    method: str
    certificate: Mapping[str, Any] | None = None
    mechanism: Mechanism | None = None
    notes: tuple[str, ...] = ()
