"""Restrictions on the mechanism, each a family of rows of its own.

    highest_bidder_only   q_i,j(v) = 0 unless i's value of j is the highest                       [highest]
    reserve               q_i,j(v) = 0 where i's value of j is below reserve_j                    [reserve]
    efficient             sum q_i,j(v) (v_i,j - c_j) >= full surplus of v                         [efficient]
    anonymous             q, m change places as the bidders do                                    [fair_q], [fair_m]
    separable             q_i,j depends on the values of j alone, m_i = sum_j part_i,j likewise   [apart_q], [apart_m]
    monotone              q_i,j(v) does not fall in i's own value of j                            [monotone]
    budgets               m_i(v) <= budgets_i                                                     [cap]
    floors                goals that must be reached                                              [alpha_n], [theta_n]
    rows                  any linear rows of the user's own                                       [own_n]

`deterministic`: q takes whole numbers, which makes the program a mixed-integer one.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from mechopt.models.composition.criteria import Floor
from mechopt.models.composition.environment import Environment
from mechopt.models.composition.restriction_rows import (
    anonymous_rows,
    caps_rows,
    efficient_rows,
    monotone_rows,
    nothing_rows,
    own_rows,
    separable_rows,
)
from mechopt.models.composition.rows import Family, Variable
from mechopt.models.inputs import Count, Number, checked, fail, plain


@checked
class Term:
    """A coefficient of bidder's allocation of a good, or of her payment when no good is given, in a profile.

    `bidder`, `good` and the entries of `types` (the place of every bidder's type in her list) count from 1.
    """

    bidder: Count
    types: tuple[Count, ...]
    good: Count | None = None
    coefficient: Number

    def parameters(self) -> dict[str, Any]:
        """As a file has it."""
        found: dict[str, Any] = {"bidder": self.bidder, "types": list(self.types)}
        found |= {} if self.good is None else {"good": self.good}
        return found | {"coefficient": plain(self.coefficient)}


@checked
class Row:
    """A linear row of the user's own: sum of terms, `sense`, `right`; rows of the same `name` form a family."""

    name: str
    terms: tuple[Term, ...]
    sense: Literal[">=", "<=", "=="] = ">="
    right: Number = Fraction(0)

    def parameters(self) -> dict[str, Any]:
        """As a file has it."""
        return {"name": self.name, "terms": [t.parameters() for t in self.terms], "sense": self.sense,
                "right": plain(self.right)}  # fmt: skip


@checked
class Restrictions:
    """What the mechanism must respect beyond incentives; everything is optional. Raises InputError for nonsense."""

    highest_bidder_only: bool = False
    efficient: bool = False
    anonymous: bool = False
    separable: bool = False
    deterministic: bool = False
    monotone: bool = False
    reserve: tuple[Number, ...] = ()
    budgets: tuple[Number, ...] = ()
    floors: tuple[Floor, ...] = ()
    rows: tuple[Row, ...] = ()

    def __post_init__(self) -> None:
        for name in ("reserve", "budgets"):
            for k, x in enumerate(getattr(self, name)):
                if x < 0:
                    raise fail(f"{name}[{k}]", "a number of at least 0", x)

    def parameters(self) -> dict[str, Any]:
        """As a file has it; what is not asked for is left out."""
        flags = ("highest_bidder_only", "efficient", "anonymous", "separable", "deterministic", "monotone")
        fields: dict[str, Any] = {name: True for name in flags if getattr(self, name)}
        fields |= {
            name: [plain(x) for x in getattr(self, name)] for name in ("reserve", "budgets") if getattr(self, name)
        }
        fields |= {"floors": [floor.parameters() for floor in self.floors]} if self.floors else {}
        return fields | ({"rows": [row.parameters() for row in self.rows]} if self.rows else {})

    def words(self) -> str:
        """The part in words."""
        said = {
            "highest_bidder_only": "only a highest bidder may win",
            "efficient": "the goods go to those who value them most",
            "anonymous": "bidders are treated alike", "separable": "goods are sold apart",
            "deterministic": "no lotteries", "monotone": "chances rise with values",
        }  # fmt: skip
        found = [text for name, text in said.items() if getattr(self, name)]
        found += [f"reserve {', '.join(str(plain(x)) for x in self.reserve)}"] if self.reserve else []
        found += [f"budgets {', '.join(str(plain(x)) for x in self.budgets)}"] if self.budgets else []
        found += [f"{f.kind} {f.measure.words()} {'at most' if f.kind == 'regret' else 'at least'} {plain(f.bound)}"
                  for f in self.floors]  # fmt: skip
        return "; ".join(found + ([f"{len(self.rows)} rows of your own"] if self.rows else []))

    def variables(self, environment: Environment) -> list[Variable]:
        """Payments of single goods, (I, P of the good's values, J), where goods are sold apart."""
        if not self.separable or environment.goods == 1:
            return []
        return [Variable("part", (environment.count * environment.profiles * environment.goods,))]

    def families(self, environment: Environment) -> list[Family]:
        """All rows but those of the floors."""
        found: list[Family] = []
        if self.highest_bidder_only:
            values = environment.own[0]
            losing = values < values.max(axis=0, keepdims=True)
            found.append(nothing_rows(environment, losing, "highest", "only a highest bidder may win"))
        if self.reserve:
            own, den = environment.own
            least = np.array([math.ceil(r * den) for r in self._per_good(environment)], dtype=object)
            found.append(nothing_rows(environment, own < least, "reserve", "nobody wins below the reserve"))
        if self.efficient:
            found.append(efficient_rows(environment))
        if self.anonymous and environment.count > 1:
            found += anonymous_rows(environment)
        if self.separable and environment.goods > 1:
            found += separable_rows(environment)
        if self.monotone:
            found.append(monotone_rows(environment))
        if self.budgets:
            found.append(caps_rows(environment, self.budgets))
        return [f for f in found if len(f)] + own_rows(environment, self.rows)

    def _per_good(self, environment: Environment) -> tuple[Fraction, ...]:
        if len(self.reserve) != environment.goods:
            raise fail("reserve", f"{environment.goods} numbers, one per good", f"{len(self.reserve)}")
        return self.reserve
