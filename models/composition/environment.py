"""The environment of a composed problem: who buys what, which values they may have, and what can be delivered."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from mechopt.models.composition.environment_checks import check_counts, check_numbers
from mechopt.models.composition.rows import Block, Family, Indices, Integers, Variable, integers, zeros
from mechopt.models.distributions import Distribution
from mechopt.models.inputs import Count, Number, checked, fail, plain
from mechopt.models.regret.regret_auction_bounds import Upper, bounds_of
from mechopt.solvers.program import Array

FORMS = "upper and points, types, or distributions"
MOST_PROFILES = 200_000

Type = tuple[Number, ...]


@checked
class Environment:
    """Bidders, goods, types, costs and what can be delivered; everything in money is in the user's own unit.

    The types, in one of three ways: `upper` (one number per good, or a list per bidder of such lists), `lower`
    (defaults to zeros) and `points`: a grid of n steps per good, hence n + 1 values; `types`: per bidder the list of
    types, each a list of values, one per good; `distributions`: per bidder a distribution of the value of one good,
    which is then also the default prior. `bidders`: how many, all alike, where lists are not given per bidder.
    `cost`: of a unit of each good (defaults to zeros). `supply`: units of each good (one). `demand`: units of a good a
    bidder can use (one). `goods_per_bidder`: how many units of all goods a bidder may get (no limit).
    `sum_at_most`: a bidder's values sum to no more; types of the grid beyond are left out. Raises InputError.

    >>> environment = Environment(bidders=2, upper=[1], points=2)
    >>> assert environment.shape == (3, 3) and environment.exact[0][1] == (Fraction(1, 2),)
    """

    bidders: Count | None = None
    upper: Upper | None = None
    lower: tuple[Number, ...] = ()
    points: Count | None = None
    types: tuple[tuple[Type, ...], ...] | None = None
    distributions: tuple[Distribution, ...] | None = None
    cost: tuple[Number, ...] = ()
    supply: tuple[Count, ...] = ()
    demand: Count = 1
    goods_per_bidder: Count | None = None
    sum_at_most: Number | None = None

    def __post_init__(self) -> None:
        forms = [name for name in ("upper", "types", "distributions") if getattr(self, name) is not None]
        if len(forms) != 1:
            hint = "write upper = [1] and points = 10 for one good on a grid"
            raise fail(forms[1] if forms else "upper", FORMS, " and ".join(forms) or "none", hint)
        own = {"upper": ("points", "lower", "sum_at_most"), "types": (), "distributions": ()}
        for field in ("points", "lower", "sum_at_most"):
            given = getattr(self, field)
            if field not in own[forms[0]] and given not in (None, ()):
                raise fail(field, f"nothing beside {forms[0]}", given, "it belongs to a grid, upper and points")
        if self.upper is not None and self.points is None:
            raise fail("points", "an integer of at least 1", "none", "write points = 10")
        check_counts(self)
        for name in ("cost", "lower"):
            object.__setattr__(self, name, getattr(self, name) or (Fraction(0),) * self.goods)
        object.__setattr__(self, "supply", self.supply or (1,) * self.goods)
        check_numbers(self)

    @property
    def count(self) -> int:
        """I, the number of bidders."""
        if self.upper is not None:
            return len(self.upper) if isinstance(self.upper[0], tuple) else self.bidders or 1
        listed = self.types if self.types is not None else self.distributions or ()
        return self.bidders if self.bidders and len(listed) == 1 else len(listed)

    @property
    def goods(self) -> int:
        """J, the number of goods."""
        if self.upper is not None:
            return len(bounds_of(1, self.upper)[0])
        return len(self.types[0][0]) if self.types else 1

    @property
    def continuum(self) -> bool:
        """Whether the stated problem has a box of values, the types being its grid."""
        return self.upper is not None and self.sum_at_most is None

    @property
    def bounds(self) -> tuple[tuple[Fraction, ...], ...]:
        """Upper bounds of the box, (I, J), money."""
        return bounds_of(self.count, self.upper or ())

    def parameters(self) -> dict[str, Any]:
        """The part as its file has it, every number in its shortest exact form."""
        fields: dict[str, Any] = {}
        if self.bidders is not None:
            fields["bidders"] = self.bidders
        if self.upper is not None:
            rows = [[plain(x) for x in row] if isinstance(row, tuple) else plain(row) for row in self.upper]
            fields |= {"upper": rows, "lower": [plain(x) for x in self.lower], "points": self.points}
        elif self.types is not None:
            fields["types"] = [[[plain(x) for x in t] for t in own] for own in self.types]
        else:
            fields["distributions"] = [prior.parameters() for prior in self.distributions or ()]
        fields |= {"cost": [plain(x) for x in self.cost], "supply": list(self.supply), "demand": self.demand}
        if self.goods_per_bidder is not None:
            fields["goods_per_bidder"] = self.goods_per_bidder
        return fields | ({} if self.sum_at_most is None else {"sum_at_most": plain(self.sum_at_most)})

    @cached_property
    def exact(self) -> tuple[tuple[tuple[Fraction, ...], ...], ...]:
        """Every bidder's types as fractions, (I, K_i, J), the last good's value moving fastest."""
        if self.types is not None:
            return tuple(self.types) * (self.count // len(self.types))
        if self.distributions is not None:
            listed = tuple(tuple((v,) for v in prior.values) for prior in self.distributions)
            return listed * (self.count // len(listed))
        return tuple(_grid(row, self.lower, self.points or 1, self.sum_at_most) for row in self.bounds)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """K_1, ..., K_I: how many types each bidder has."""
        if self.upper is not None and self.sum_at_most is None:
            return (((self.points or 1) + 1) ** self.goods,) * self.count
        return tuple(len(own) for own in self.exact)

    @property
    def profiles(self) -> int:
        """P, the number of profiles of types."""
        return math.prod(self.shape)

    def require_fits(self) -> None:
        """Raise InputError when there are too many profiles to list, before anything is built."""
        if self.profiles > MOST_PROFILES:
            got = f"{self.profiles:,} profiles ({' x '.join(f'{k:,}' for k in self.shape)} types)"
            raise fail("environment", f"at most {MOST_PROFILES:,} profiles of types", got, "use fewer points or types")

    @cached_property
    def steps(self) -> Indices:
        """The profiles, (P, I): every bidder's type, counted from zero, the last bidder's moving fastest."""
        self.require_fits()
        return np.stack(np.unravel_index(np.arange(self.profiles), self.shape), axis=1).astype(np.int64)

    @cached_property
    def strides(self) -> Indices:
        """How far the profile moves when a bidder's type rises by one, (I,)."""
        return np.array([math.prod(self.shape[i + 1 :]) for i in range(self.count)], dtype=np.int64)

    @cached_property
    def whole(self) -> tuple[list[Integers], Integers, int]:
        """Types per bidder, (K_i, J), and costs, (J,), as integers over one denominator."""
        numbers = [x for own in self.exact for t in own for x in t] + list(self.cost)
        flat, den = integers(numbers)
        found, at = [], 0
        for own in self.exact:
            size = len(own) * self.goods
            found.append(flat[at : at + size].reshape(len(own), self.goods))
            at += size
        return found, flat[at:], den

    @cached_property
    def own(self) -> tuple[Integers, int]:
        """Every bidder's values in every profile, (I, P, J), as integers over a denominator."""
        types, _, den = self.whole
        return np.stack([types[i][self.steps[:, i]] for i in range(self.count)]), den

    @cached_property
    def values(self) -> Array:
        """Every bidder's values in every profile, (I, P, J), money."""
        types = [np.array([[float(x) for x in t] for t in own]) for own in self.exact]
        return np.stack([types[i][self.steps[:, i]] for i in range(self.count)])

    @cached_property
    def surplus(self) -> tuple[Integers, int]:
        """The most that can be made of every profile at cost, (P,), as integers over a denominator."""
        own, den = self.own
        margin = np.maximum(own - self.whole[1], 0)
        if self.goods_per_bidder is None or self.goods_per_bidder >= self.goods * self.demand:
            total = np.zeros(self.profiles, dtype=margin.dtype)
            for good in range(self.goods):
                ranked = np.sort(margin[:, :, good], axis=0)[::-1]
                left = self.supply[good]
                for row in ranked:
                    total = total + min(left, self.demand) * row
                    left -= min(left, self.demand)
            return total, den
        best = [_best(tuple(map(tuple, margin[:, v].tolist())), self.supply, self.goods_per_bidder)
                for v in range(self.profiles)]  # fmt: skip
        return np.array(best, dtype=margin.dtype), den

    def seat(self, bidder: Indices | int, profile: Indices) -> Indices:
        """The row of a bidder in a profile: the place of her payment, and of her first good over J."""
        return np.asarray(bidder * self.profiles + profile, dtype=np.int64)

    def variables(self, integral: bool) -> list[Variable]:
        """The allocation q, row i P + v and a column per good, and the payment m, (I, P)."""
        seats = self.count * self.profiles
        return [Variable("q", (seats, self.goods), nonneg=True, integral=integral),
                Variable("m", (self.count, self.profiles))]  # fmt: skip

    def families(self) -> list[Family]:
        """What can be delivered: supply [lambda], a bidder's demand [demand] and her bundle [bundle]."""
        bidders, P, J = self.count, self.profiles, self.goods
        seats = np.arange(bidders * P)
        cell = (np.arange(P)[:, None] * J + np.arange(J)).ravel()  # row of supply, by profile and good
        every = Block(np.tile(cell, bidders), np.arange(bidders * P * J), -np.ones(bidders * P * J, np.int64))
        right = -np.tile(np.array(self.supply, dtype=np.int64), P)
        labels = {"profile": cell // J, "good": cell % J}
        found = [Family("lambda", "environment", "no more than the supply of a good is sold", {"q": every}, right,
                        labels=labels)]  # fmt: skip
        if any(s > self.demand for s in self.supply):
            all_q = np.arange(bidders * P * J)
            block = Block(all_q, all_q, -np.ones(len(all_q), np.int64))
            labels = {"bidder": all_q // (P * J), "profile": all_q // J % P, "good": all_q % J}
            found.append(Family("demand", "environment", "nobody gets more of a good than she can use", {"q": block},
                                zeros(len(all_q)) - self.demand, labels=labels))  # fmt: skip
        if self.goods_per_bidder is not None:
            block = Block(np.repeat(seats, J), np.arange(bidders * P * J), -np.ones(bidders * P * J, np.int64))
            labels = {"bidder": seats // P, "profile": seats % P}
            found.append(Family("bundle", "environment", "a bidder gets no more goods than allowed", {"q": block},
                                zeros(len(seats)) - self.goods_per_bidder, labels=labels))  # fmt: skip
        return found

    def words(self) -> str:
        """The part in a sentence."""
        goods = "one good" if self.goods == 1 else f"{self.goods} goods"
        who = "one buyer" if self.count == 1 else f"{self.count} bidders"
        kinds = " x ".join(f"{k:,}" for k in self.shape)
        where = "a grid of values" if self.upper is not None else "listed types"
        more = [] if set(self.supply) == {1} else [f"supply {', '.join(map(str, self.supply))}"]
        more += [] if self.goods_per_bidder is None else [f"at most {self.goods_per_bidder} goods a bidder"]
        more += [] if not any(self.cost) else [f"costs {', '.join(str(plain(c)) for c in self.cost)}"]
        return f"Sell {goods} to {who} with {where} ({kinds} types)" + ("; " + "; ".join(more) if more else "")


@lru_cache(maxsize=64)
def _grid(
    upper: tuple[Fraction, ...], lower: tuple[Fraction, ...], points: int, most: Fraction | None
) -> tuple[tuple[Fraction, ...], ...]:
    axes = [[lo + (hi - lo) * k / points for k in range(points + 1)] for lo, hi in zip(lower, upper, strict=True)]
    return tuple(v for v in itertools.product(*axes) if most is None or sum(v) <= most)


def _best(margins: tuple[tuple[int, ...], ...], supply: tuple[int, ...], most: int) -> int:
    """The largest sum of margins when a bidder gets at most `most` goods: good by good, over who has how many."""
    best = {(0,) * len(margins): 0}
    for good, units in enumerate(supply):
        after: dict[tuple[int, ...], int] = {}
        for held, worth in best.items():
            able = [i for i, n in enumerate(held) if n < most and margins[i][good] > 0]
            for size in range(min(units, len(able)) + 1):
                for winners in itertools.combinations(able, size):
                    now = tuple(n + (i in winners) for i, n in enumerate(held))
                    made = worth + sum(margins[i][good] for i in winners)
                    after[now] = max(after.get(now, 0), made)
        best = after
    return max(best.values())
