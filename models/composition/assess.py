"""A mechanism of the user's own inside a composed problem: what it breaks, its worst case, how far it is from best.

Every row of truth, participation, supply and of the restrictions is evaluated on the exact tables. The candidate's
own guarantee is nature's problem against it, a small linear program whose exact optimum proves both ends; the best
mechanism's value brackets what is left to gain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import flint
import numpy as np

from mechopt.models.composition.criteria import Goal, guarantee
from mechopt.models.composition.exactly import ZERO, optimum
from mechopt.models.composition.rows import Composition, Family, integers
from mechopt.models.composition.tables import mass_of
from mechopt.models.inputs import exact, fail
from mechopt.solvers.highs import load, read_point, status_of
from mechopt.solvers.linear import LinearProgram
from mechopt.solvers.program import Status
from mechopt.solvers.rational import Rational, above, below, nearest

if TYPE_CHECKING:
    from mechopt.models.design import Design


@dataclass(frozen=True)
class Broken:
    """A family of rows the candidate breaks: by how much at most, how often, and the row where it does."""

    name: str
    part: str
    words: str
    violation: float
    rows: int
    where: Mapping[str, int]


@dataclass(frozen=True)
class Judgement:
    """What a composed problem makes of a mechanism.

    `broken`: families with a violated row. `guarantee`: the candidate's own value under the criterion (None where
    nature could push it without limit), as floats around the exact number. `best`: bounds of the optimum, None when not
    asked for. `worst_case`: nature's distribution against it, (P,).
    """

    broken: tuple[Broken, ...]
    guarantee: tuple[float, float] | None
    best: Any
    worst_case: Any
    maximizes: bool
    exact: Fraction | None = field(default=None)

    @property
    def feasible(self) -> bool:
        """Whether every row holds."""
        return not self.broken

    @property
    def gap(self) -> tuple[float, float] | None:
        """How far the candidate's guarantee is from the best one, at least and at most."""
        if self.guarantee is None or self.best is None:
            return None
        low, high = self.guarantee
        if self.maximizes:
            return self.best.lower - high, self.best.upper - low
        return low - self.best.upper, high - self.best.lower

    def summary(self) -> str:
        """A few lines for people."""
        lines = ["feasible: every row holds" if self.feasible else "not feasible:"]
        lines += [
            f"  {b.words} [{b.part}: {b.name}]: broken in {b.rows:,} rows, by {b.violation:.6g} at most"
            for b in self.broken
        ]
        if self.guarantee is None:
            lines.append("guarantee    none: nature's worst case has no limit")
        else:
            lines.append(f"guarantee    {self.guarantee[0]:.12g}")
        if self.best is not None:
            lines.append(f"best         [{self.best.lower:.12g}, {self.best.upper:.12g}]")
        if self.gap is not None:
            lines.append(f"gap          [{self.gap[0]:.6g}, {self.gap[1]:.6g}]")
        return "\n".join(lines)


def read_tables(design: Design, allocation: Any, payment: Any) -> tuple[list[Rational], list[Rational]]:
    """Tables of a candidate in rationals, seat by seat: nested lists or arrays [i][t1]..[tI] or [i][profile].

    Raises InputError for the wrong number of entries, or entries that are no numbers.
    """
    environment = design.environment
    seats = environment.count * environment.profiles
    found = []
    for name, table, size in (("allocation", allocation, seats * environment.goods), ("payment", payment, seats)):
        flat = _leaves(table)
        if len(flat) != size:
            wanted = f"{environment.count} x {' x '.join(map(str, environment.shape))}"
            wanted += f" x {environment.goods}" if name == "allocation" and environment.goods > 1 else ""
            raise fail(name, f"{wanted} = {size} numbers", f"{len(flat)}")
        try:
            numbers = [exact(x) for x in flat]
        except ValueError:
            raise fail(name, "finite numbers", "something else") from None
        found.append([flint.fmpq(x.numerator, x.denominator) for x in numbers])
    return found[0], found[1]


def _leaves(table: Any) -> list[Any]:
    if hasattr(table, "values") and not isinstance(table, Mapping):
        table = table.values
    if hasattr(table, "tolist"):
        table = table.tolist()
    return [x for row in table for x in _leaves(row)] if isinstance(table, list | tuple) else [table]


def judge(
    design: Design, allocation: Any, payment: Any, best: Any = None, tolerance: Fraction = Fraction(0),
    truthful: bool = False,
) -> Judgement:  # fmt: skip
    """A candidate inside a design; `best`: bounds of the optimum, where they are known.

    Rows missed by at most the tolerance count as held; the guarantee is the tables' own, exactly as they are. Rows of
    truth are passed over for a candidate that is `truthful` by its form.
    """
    q, m = read_tables(design, allocation, payment)
    whole = design.core if truthful else design.composition
    given: list[Rational | None] = [None] * whole.columns
    for name, numbers in (("q", q), ("m", m)):
        start = whole.offsets[name]
        given[start : start + len(numbers)] = numbers
    broken = _signs(design, q)
    for family in whole.families:
        if set(family.blocks) <= {"q", "m"} and (found := _broken(whole, family, given)) is not None:
            broken.append(found)
    split = [f for f in whole.families if f.name == "apart_m"]
    if split and _settled(whole, split, given) is None:
        broken.append(Broken(split[0].name, split[0].part, split[0].words, float("inf"), 1, {}))
    value, mass = _guarantee(design, design.criterion, q + m)
    for n, floor in enumerate(design.restrictions.floors, 1):
        reached, _ = _guarantee(design, floor, q + m)
        bound = flint.fmpq(floor.bound.numerator, floor.bound.denominator)
        miss = None if reached is None else (reached - bound if floor.kind == "regret" else bound - reached)
        if miss is None or miss > 0:
            side = "at most" if floor.kind == "regret" else "at least"
            words = f"{floor.kind} {floor.measure.words()} {side} {floor.bound}"
            gap = float("inf") if miss is None else nearest(miss)
            broken.append(Broken(f"theta_{n}", f"restrictions.floors[{n - 1}]", words, gap, 1, {}))
    floats = None if value is None else (below(value), above(value))
    number = None if value is None else Fraction(int(value.p), int(value.q))
    broken = [b for b in broken if not b.violation <= float(tolerance)]
    return Judgement(tuple(broken), floats, best, mass, design.maximizes, number)


def _signs(design: Design, q: list[Rational]) -> list[Broken]:
    low = [k for k, x in enumerate(q) if x < 0]
    words = "allocations are at least zero"
    found = [Broken("chance", "environment", words, -nearest(min(q)), len(low), {"cell": low[0]})] if low else []
    if design.restrictions.deterministic and (torn := [k for k, x in enumerate(q) if x.q != 1]):
        found.append(Broken("whole", "restrictions", "no lotteries", 1.0, len(torn), {"cell": torn[0]}))
    return found


def _broken(whole: Composition, family: Family, given: list[Rational | None]) -> Broken | None:
    total = [flint.fmpq(-int(b), family.den) for b in family.right.tolist()]
    for name, block in family.blocks.items():
        start = whole.offsets[name]
        for i, j, a in zip(block.rows.tolist(), block.cols.tolist(), block.whole.tolist(), strict=True):
            x = given[start + j]
            if x:
                total[i] = total[i] + flint.fmpq(a, block.den) * x
    gaps = [abs(t) if family.equal else -t for t in total]
    worst = max(range(len(gaps)), key=gaps.__getitem__)
    if gaps[worst] <= 0:
        return None
    where = {name: int(label[worst]) for name, label in family.labels.items()}
    return Broken(family.name, family.part, family.words, nearest(gaps[worst]), sum(g > 0 for g in gaps), where)


def _guarantee(design: Design, goal: Any, given: list[Rational]) -> tuple[Rational | None, Any]:
    """What a candidate guarantees under a goal: nature's problem against it, exactly; and nature's distribution."""
    environment = design.environment
    judged = Goal(measure=goal.measure, kind=goal.kind, prior=goal.prior, ambiguity=goal.ambiguity)
    variables, families, nature = guarantee(judged, environment, "", "criterion")
    alone = Composition((*environment.variables(False), *variables), tuple(families), goal.kind != "regret")
    point = _settled(alone, families, [*given, *[None] * (alone.columns - len(given))])
    mass = np.zeros(environment.profiles)
    if point is None:
        return None, mass
    value, y = point
    alpha = np.array([nearest(v) for v in y[: nature.atoms]])
    return (-value if alone.maximizes else value), mass_of(environment, nature, alpha)


def _settled(
    whole: Composition, families: list[Family], given: list[Rational | None]
) -> tuple[Rational, list[Rational]] | None:
    """The exact optimum over the columns that are not given: the minimisation's value and its multipliers."""
    names = [v.name for v in whole.variables if v.name not in ("q", "m") and any(v.name in f.blocks for f in families)]
    variables = tuple(v for v in whole.variables if v.name in names)
    small = Composition(variables, tuple(_moved(whole, f, given) for f in families), whole.maximizes)
    arrays: LinearProgram = small.arrays()
    highs = load(arrays, {})
    highs.run()
    if status_of(highs) is not Status.OPTIMAL:
        return None
    found = optimum(small, arrays, read_point(highs, arrays), {})
    if found is None or not found.optimal:
        raise fail("assess", "a candidate whose worst case can be solved in rationals", "one that could not")
    return found.value, found.y


def _moved(whole: Composition, family: Family, given: list[Rational | None]) -> Family:
    """A family with the candidate's numbers moved to the right side."""
    right = [flint.fmpq(int(b), family.den) for b in family.right.tolist()]
    for name in ("q", "m"):
        if name in family.blocks:
            block, start = family.blocks[name], whole.offsets[name]
            for i, j, a in zip(block.rows.tolist(), block.cols.tolist(), block.whole.tolist(), strict=True):
                right[i] = right[i] - flint.fmpq(a, block.den) * (given[start + j] or ZERO)
    numbers, den = integers([Fraction(int(b.p), int(b.q)) for b in right])
    blocks = {name: block for name, block in family.blocks.items() if name not in ("q", "m")}
    return Family(family.name, family.part, family.words, blocks, numbers, den, family.equal, family.labels)
