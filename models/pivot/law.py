"""What an agent knows before the mechanism starts: the law F of her initial signal s_0, and its worth A(s_0)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from pydantic_core import core_schema

from mechopt.models.distributions import Distribution, family_masses
from mechopt.models.inputs import Number, checked, fail, plain
from mechopt.models.pivot.tables import number

FORM = "a distribution: family and support, with points for a grid of types, or values and probabilities"


@checked
class Worth:
    """A(s) = offset + scale s^power: increasing, and concave where the power is at most 1.

    >>> assert Worth()(0.25) == 0.25 and abs(Worth(power="1/2", offset=1).slope(0.25) - 1) < 1e-15
    """

    offset: Number = Fraction(0)
    scale: Number = Fraction(1)
    power: Number = Fraction(1)

    def __post_init__(self) -> None:
        for name in ("scale", "power"):
            if getattr(self, name) <= 0:
                raise fail(name, "a positive number", getattr(self, name), "A must increase in the signal")

    def __call__(self, s: Any) -> Any:
        """A(s), money."""
        power = float(self.power)
        return float(self.offset) + float(self.scale) * (s if power == 1 else np.asarray(s, dtype=float) ** power)

    def slope(self, s: Any) -> Any:
        """A'(s)."""
        power = float(self.power)
        if power == 1:
            return float(self.scale) * np.ones_like(s, dtype=float)
        with np.errstate(divide="ignore"):
            return float(self.scale) * power * np.asarray(s, dtype=float) ** (power - 1)

    def exactly(self, s: Fraction) -> Fraction:
        """A(s) in rationals where the power is 1, otherwise the nearest float's decimal."""
        if self.power == 1:
            return self.offset + self.scale * s
        return self.offset + self.scale * Fraction(repr(float(s) ** float(self.power)))

    def inverse(self, worth: Any) -> Any:
        """The signal whose worth is given."""
        base = (np.asarray(worth, dtype=float) - float(self.offset)) / float(self.scale)
        return base ** (1 / float(self.power))

    def parameters(self) -> dict[str, Any]:
        """As a file has it."""
        return {name: plain(getattr(self, name)) for name in ("offset", "scale", "power")}


@dataclass(frozen=True, init=False)
class Initial:
    """The law of the initial signal: a continuum on an interval, or finitely many types.

    * `family` and `support` without `points`: a continuum; `"uniform"`, or a family of scipy.stats with its parameters,
      conditioned on the support.
    * any form of `Distribution` (with `points`, or `values` and `probabilities`): finitely many types.

    Raises InputError for anything else.

    >>> assert Initial().continuous and Initial(family="uniform", support=[0, 1], points=3).types.values[1] == 0.5
    >>> skewed = Initial(family="beta", a=1, b=2, support=[0, 1])
    >>> assert abs(skewed.cdf(0.5) - 0.75) < 1e-15
    """

    types: Distribution | None
    family: str
    low: float
    high: float
    own: Mapping[str, float]
    written: Mapping[str, Any] = field(repr=False, compare=False)

    def __init__(self, **fields: Any) -> None:
        if not fields:
            fields = {"family": "uniform", "support": [0, 1]}
        if "family" not in fields or "points" in fields:
            types = Distribution(**fields)
            ends = float(types.values[0]), float(types.values[-1])
            self._set(types, "", *ends, {}, types.parameters())
            return
        for name in ("values", "probabilities"):
            if name in fields:
                raise fail("family", FORM, f"family and {name}", "write one of the two forms")
        support = fields.get("support", [0, 1])
        if not isinstance(support, list | tuple) or len(support) != 2:
            raise fail("support", "two numbers, the lowest and the highest signal", repr(support))
        low, high = (number(f"support[{k}]", x) for k, x in enumerate(support))
        if low >= high:
            raise fail("support", "a lowest signal below the highest", f"[{plain(low)}, {plain(high)}]")
        own = {k: number(k, x) for k, x in fields.items() if k not in ("family", "support")}
        if not isinstance(fields["family"], str):
            raise fail("family", '"uniform" or a continuous family of scipy.stats', repr(fields["family"]))
        if fields["family"] == "uniform":
            if own:
                raise fail(next(iter(own)), "no such field", "a value", "the fields are family, support and points")
        else:
            family_masses(fields["family"], {k: float(x) for k, x in own.items()}, float(low), float(high), 3)
        written = {"family": fields["family"], **{k: plain(x) for k, x in own.items()},
                   "support": [plain(low), plain(high)]}  # fmt: skip
        self._set(None, fields["family"], float(low), float(high), {k: float(x) for k, x in own.items()}, written)

    def _set(self, *content: Any) -> None:
        names = ("types", "family", "low", "high", "own", "written")
        for name, found in zip(names, content, strict=True):
            object.__setattr__(self, name, found)

    @property
    def continuous(self) -> bool:
        """Whether signals form a continuum."""
        return self.types is None

    def parameters(self) -> dict[str, Any]:
        """As a file has it."""
        return dict(self.written)

    def words(self) -> str:
        """The law on one line."""
        if self.types is not None:
            return f"{len(self.types):,} initial types"
        return f"{self.family} initial signal on [{self.low:g}, {self.high:g}]"

    @cached_property
    def _law(self) -> Any:
        import scipy.stats

        return getattr(scipy.stats, self.family)(**self.own)

    @cached_property
    def _mass(self) -> tuple[float, float]:
        """P(s < low) and P(low <= s <= high) before conditioning."""
        below = float(self._law.cdf(self.low))
        return below, float(self._law.cdf(self.high)) - below

    def cdf(self, s: Any) -> Any:
        """F(s) of a continuum, or P(type <= s)."""
        if self.types is not None:
            return np.concatenate([[0.0], np.cumsum(self.types.f)])[np.searchsorted(self.types.v, s, side="right")]
        if self.family == "uniform":
            return np.clip((np.asarray(s, dtype=float) - self.low) / (self.high - self.low), 0.0, 1.0)
        below, mass = self._mass
        return np.clip((self._law.cdf(s) - below) / mass, 0.0, 1.0)

    def pdf(self, s: Any) -> Any:
        """f(s) of a continuum. Raises ValueError for finitely many types."""
        if self.types is not None:
            raise ValueError("finitely many types have no density")
        if self.family == "uniform":
            return np.full_like(np.asarray(s, dtype=float), 1 / (self.high - self.low))
        return self._law.pdf(s) / self._mass[1]

    def inverse_hazard(self, s: Any) -> Any:
        """(1 - F(s)) / f(s) of a continuum; 0 at the upper end, infinite where no signal lies near one below it."""
        s = np.asarray(s, dtype=float)
        if self.family == "uniform":
            return self.high - s
        upper, density = np.maximum(self._law.sf(s) - float(self._law.sf(self.high)), 0.0), self._law.pdf(s)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = upper / density
        return np.where((upper == 0) | (s >= self.high), 0.0, np.where(density > 0, ratio, math.inf))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Read tables, and take laws as they are, inside checked models."""
        write = core_schema.plain_serializer_function_ser_schema(lambda found: found.parameters())
        return core_schema.no_info_plain_validator_function(_read, serialization=write)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """The forms of a distribution, `points` left out for a continuum."""
        known = dict(Distribution.__get_pydantic_json_schema__(schema, handler))
        name = {"family": {"type": "string"}, "support": {"type": "array", "minItems": 2, "maxItems": 2}}
        whole = {"type": "object", "properties": name, "required": ["family"], "additionalProperties": {}}
        return {"anyOf": [whole, *known["anyOf"]]}


def _read(found: object) -> Initial:
    if isinstance(found, Initial):
        return found
    if isinstance(found, Distribution):
        return Initial(**found.parameters())
    if not isinstance(found, Mapping):
        raise fail("", FORM, found if isinstance(found, str) else repr(found), 'write {family = "uniform", ...}')
    return Initial(**found)
