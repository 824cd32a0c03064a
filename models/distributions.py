"""A known distribution of one bidder's value: finitely many values with exact probabilities, however it is written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import pydantic
from pydantic_core import core_schema

from mechopt.models.inputs import Count, Number, checked, fail, plain, translate
from mechopt.models.outcome import Array

MOST = 100_000  # values of a distribution
SUM = Fraction(1, 10**9)  # how far probabilities may miss one before they are refused
FORMS = "values and probabilities, or family, support and points"


@dataclass(frozen=True, init=False)
class Distribution:
    """Finitely many increasing values, each with a positive probability, summing to exactly one.

    Written in one of three ways:

    * `values` and `probabilities`: two lists, (K,). Probabilities may miss a sum of one by 1e-9 and are then
      normalised exactly; values of probability zero are left out and kept in `dropped`.
    * `family="uniform"`, `support=[a, b]`, `points=n`: n equally spaced values, a and b included, equally likely.
    * `family=NAME` of a continuous family of scipy.stats with its parameters as named there (its shapes, `loc`,
      `scale`), `support=[a, b]`, `points=n`: n equally spaced values on [a, b], each with the mass of its cell. Cells
      end at midpoints; the masses are conditioned on [a, b]: SciPy's floats, read as decimals, normalised exactly.

    Numbers may be rationals such as "1/3". Raises InputError for anything else.

    >>> third = Distribution(values=[1, 2, 3], probabilities=["1/3", 0, "2/3"])
    >>> assert third.values == (1, 3) and third.tails == (1, Fraction(2, 3)) and third.dropped == (2,)
    >>> assert Distribution(family="uniform", support=[0, 1], points=5).values[1] == Fraction(1, 4)
    >>> assert Distribution(family="beta", a=2, b=2, support=[0, 1], points=3).probabilities[1] == Fraction(11, 16)
    """

    values: tuple[Fraction, ...]
    probabilities: tuple[Fraction, ...]
    dropped: tuple[Fraction, ...] = field(default=(), compare=False)
    written: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __init__(self, **fields: Any) -> None:
        for name in ("values", "probabilities"):
            if "family" in fields and name in fields:
                raise fail("family", FORMS, f"family and {name}", "write one of the two forms")
        values, weights, written = _of_family(fields) if "family" in fields else _listed(fields)
        total = sum(weights, Fraction(0))
        kept = [(v, p / total) for v, p in zip(values, weights, strict=True) if p > 0]
        dropped = tuple(v for v, p in zip(values, weights, strict=True) if p == 0)
        found = {"values": tuple(v for v, _ in kept), "probabilities": tuple(p for _, p in kept), "dropped": dropped}
        for name, content in {**found, "written": written}.items():
            object.__setattr__(self, name, content)

    def __len__(self) -> int:
        """K, the number of values."""
        return len(self.values)

    def parameters(self) -> dict[str, Any]:
        """The distribution as a file has it, every number in its shortest exact form."""
        if self.written:
            return dict(self.written)
        return {name: [plain(x) for x in getattr(self, name)] for name in ("values", "probabilities")}

    @cached_property
    def tails(self) -> tuple[Fraction, ...]:
        """P(V >= v_k), (K,)."""
        left, found = Fraction(1), []
        for p in self.probabilities:
            found.append(left)
            left -= p
        return tuple(found)

    @cached_property
    def v(self) -> Array:
        """The values as floats, (K,), money."""
        return np.array([float(x) for x in self.values])

    @cached_property
    def f(self) -> Array:
        """The probabilities as floats, (K,)."""
        return np.array([float(x) for x in self.probabilities])

    def words(self) -> str:
        """The distribution on one line."""
        span = f"[{plain(self.values[0])}, {plain(self.values[-1])}]"
        name = self.written.get("family", "")
        return f"{f'{name}, ' if name else ''}{len(self):,} value{'s' if len(self) > 1 else ''} in {span}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Read tables, and take distributions as they are, inside checked models."""
        write = core_schema.plain_serializer_function_ser_schema(lambda found: found.parameters())
        return core_schema.no_info_plain_validator_function(_read, serialization=write)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """The three ways of writing it, for `mechopt schema`."""
        number = {"anyOf": [{"type": "number"}, {"type": "string"}]}
        numbers = {"type": "array", "items": number, "minItems": 1}
        listed = {"values": numbers, "probabilities": numbers}
        support = {"type": "array", "items": number, "minItems": 2, "maxItems": 2}
        family = {"family": {"type": "string"}, "support": support, "points": {"type": "integer", "minimum": 2}}
        return {"anyOf": [
            {"type": "object", "properties": listed, "required": list(listed), "additionalProperties": False},
            {"type": "object", "properties": family, "required": list(family), "additionalProperties": number},
        ]}  # fmt: skip


def _read(found: object) -> Distribution:
    if isinstance(found, Distribution):
        return found
    if not isinstance(found, Mapping):
        hint = 'write {family = "uniform", support = [0, 1], points = 11}'
        raise fail("", f"a distribution: {FORMS}", found if isinstance(found, str) else repr(found), hint)
    return Distribution(**found)


@checked
class _Listed:
    """Values and probabilities as written."""

    values: tuple[Number, ...]
    probabilities: tuple[Number, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise fail("values", "at least one number", "none", "write values = [1, 2]")
        if len(self.values) > MOST:
            raise fail("values", f"at most {MOST:,} numbers", f"{len(self.values):,}")
        if len(self.values) != len(self.probabilities):
            raise fail("probabilities", f"{len(self.values)} numbers, one per value", f"{len(self.probabilities)}")
        for k in range(1, len(self.values)):
            if self.values[k] <= self.values[k - 1]:
                hint = "list every value once, in increasing order"
                raise fail(f"values[{k}]", f"a number above {plain(self.values[k - 1])}", self.values[k], hint)
        for k, chance in enumerate(self.probabilities):
            if chance < 0:
                raise fail(f"probabilities[{k}]", "a number of at least 0", chance)
        if abs((total := sum(self.probabilities, Fraction(0))) - 1) > SUM:
            raise fail("probabilities", "numbers that sum to 1", f"{float(total):.12g}", 'write thirds as "1/3"')


def _listed(fields: Mapping[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    if "values" not in fields and "probabilities" not in fields:
        raise fail("family", FORMS, ", ".join(fields) or "none", 'write family = "uniform", or list values')
    made = _Listed(**fields)
    return made.values, made.probabilities, {}


@checked
class _Family:
    """A family on an interval as written, without its own parameters."""

    family: str
    support: tuple[Number, ...]
    points: Count

    def __post_init__(self) -> None:
        if len(self.support) != 2:
            raise fail("support", "two numbers, the lowest and the highest value", f"{len(self.support)} numbers")
        if self.support[0] >= self.support[1]:
            ends = f"[{plain(self.support[0])}, {plain(self.support[1])}]"
            raise fail("support", "a lowest value below the highest", ends, "write support = [0, 1]")
        if not 2 <= self.points <= MOST:
            raise fail("points", f"an integer from 2 to {MOST:,}", self.points)


def _of_family(fields: Mapping[str, Any]) -> tuple[list[Fraction], list[Fraction], dict[str, Any]]:
    names = ("family", "support", "points")
    made = _Family(**{name: fields[name] for name in names if name in fields})
    own = {name: content for name, content in fields.items() if name not in names}
    low, high = made.support
    n = made.points
    values = [low + (high - low) * Fraction(k, n - 1) for k in range(n)]
    written: dict[str, Any] = {"family": made.family}
    if made.family == "uniform":
        if own:
            raise fail(next(iter(own)), "no such field", next(iter(own.values())), f"the fields are {', '.join(names)}")
        weights = [Fraction(1)] * n
    else:
        own = _numbers(own)
        masses = family_masses(made.family, {k: float(x) for k, x in own.items()}, float(low), float(high), n)
        weights = _common([Fraction(repr(mass)) for mass in masses.tolist()])
        written |= {name: plain(number) for name, number in own.items()}
    return values, weights, written | {"support": [plain(low), plain(high)], "points": n}


def _numbers(own: Mapping[str, Any]) -> dict[str, Fraction]:
    try:
        return pydantic.TypeAdapter(dict[str, Number]).validate_python(dict(own))
    except pydantic.ValidationError as error:
        raise translate(error) from None


def _common(weights: list[Fraction]) -> list[Fraction]:
    """The same proportions as whole numbers: sums of many decimals stay short."""
    scale = math.lcm(*(w.denominator for w in weights))
    return [Fraction(w.numerator * (scale // w.denominator)) for w in weights]


def family_masses(family: str, own: Mapping[str, float], low: float, high: float, points: int) -> Array:
    """Mass of the cell of every value, (points,), before conditioning on [low, high]; cells end at midpoints.

    Raises InputError for a family SciPy does not have, parameters it does not take, or no mass on the support.

    >>> cells = -np.diff(np.exp([0, -0.5, -1.5, -2]))
    >>> assert abs(family_masses("expon", {}, 0, 2, 3) - cells).max() < 1e-15
    """
    import scipy.stats

    found = getattr(scipy.stats, family, None)
    if not isinstance(found, scipy.stats.rv_continuous):
        hint = 'for example "beta", "truncnorm", "expon"'
        raise fail("family", '"uniform" or a continuous family of scipy.stats', family, hint)
    shapes = [name.strip() for name in (found.shapes or "").split(",") if name.strip()]
    known = [*shapes, "loc", "scale"]
    for name in own:
        if name not in known:
            raise fail(name, "no such field", own[name], f"{family} has {', '.join(known)}, support and points")
    for name in shapes:
        if name not in own:
            raise fail(name, "a value", "none", f"{family} of scipy.stats has {', '.join(known)}")
    got = ", ".join(f"{name} = {number:g}" for name, number in own.items())
    if own.get("scale", 1.0) <= 0:
        raise fail("scale", f"parameters that scipy.stats.{family} allows", got)
    law = found(**own)
    if not np.isfinite(law.cdf(low)):
        raise fail(shapes[0] if shapes else "loc", f"parameters that scipy.stats.{family} allows", got)
    grid = np.linspace(low, high, points)
    ends = np.concatenate([[low], (grid[:-1] + grid[1:]) / 2, [high]])
    below, above = law.cdf(ends), law.sf(ends)
    # Differences of whichever is smaller: far in a tail the other has no digits left.
    masses = np.where(below[:-1] < 0.5, np.diff(below), -np.diff(above))
    if not np.isfinite(masses).all() or not masses.sum() > 0:
        raise fail("support", f"an interval on which {family} has mass", f"[{low:g}, {high:g}]")
    return np.asarray(np.maximum(masses, 0.0))
