"""What the seller wants, and what she insists on: guarantees, each over a set of distributions.

With the score of a profile, s(v) = revenue, welfare, buyers' utility, units sold, or a weighted sum of them, linear
in allocation and payment, and nature's set {alpha >= 0, R alpha = b [t], R alpha <= b [sigma]} of mixtures of atoms
with masses M (models/composition/ambiguity.py), duality turns the worst case into rows:

    worst case   max  b't - b'sigma   s.t.  M's - R't + R'sigma >= 0                    [alpha]
    regret       min  b't + b'sigma   s.t.  M's + R't + R'sigma >= M'surplus            [alpha]
    ratio        max  rho             s.t.  M's - R't + R'sigma >= rho M'surplus        [alpha]
                                            b't - b'sigma >= 0                          [level]

An expectation is the worst case over a single prior. A floor holds the same rows and its goal as a row [theta].
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from mechopt.models.composition.ambiguity import Ambiguity
from mechopt.models.composition.environment import Environment
from mechopt.models.composition.nature import Nature
from mechopt.models.composition.priors import Prior, own_prior
from mechopt.models.composition.rows import Block, Family, Integers, Variable, integers, product_of, sums_by, zeros
from mechopt.models.inputs import InputError, Number, checked, fail, plain

Kind = Literal["expected", "worst-case", "regret", "ratio"]
MEASURES = ("revenue", "welfare", "utility", "sale")
NEAREST = 'the nearest that does is ambiguity = {kind = "support"}: every distribution on the types'


@checked
class Measure:
    """Weights of revenue (payments less costs), welfare, the buyers' utility, and units sold."""

    revenue: Number = Fraction(0)
    welfare: Number = Fraction(0)
    utility: Number = Fraction(0)
    sale: Number = Fraction(0)

    def __post_init__(self) -> None:
        if not any(getattr(self, name) for name in MEASURES):
            raise fail("", "a weight that is not zero", "none", 'write measure = "revenue"')

    @property
    def pays(self) -> bool:
        """Whether payments matter to it."""
        return self.revenue != self.utility

    def parameters(self) -> Any:
        """As a file has it: a name, or a table of weights."""
        found = {name: plain(getattr(self, name)) for name in MEASURES if getattr(self, name)}
        return next(iter(found)) if len(found) == 1 and next(iter(found.values())) == 1 else found

    def words(self) -> str:
        """The measure in words."""
        parts = [(getattr(self, name), name) for name in MEASURES if getattr(self, name)]
        return " + ".join(name if w == 1 else f"{plain(w)} {name}" for w, name in parts)


def score(measure: Measure, environment: Environment) -> tuple[Integers, int, Fraction]:
    """Coefficients of q, (I, P, J), as integers over a denominator, and the coefficient of every payment."""
    own, den = environment.own
    w, over = integers([measure.revenue, measure.welfare, measure.utility, measure.sale])
    a, b, c, d = (int(x) for x in w)
    cost = environment.whole[1]
    top = max(abs(a), abs(b), abs(c), abs(d), 1)
    if (
        own.dtype == object
        or top * max(int(np.abs(own).max(initial=0)), int(np.abs(cost).max(initial=0)), den) >= 2**61
    ):
        own, cost = own.astype(object), cost.astype(object)
    return (b + c) * own - (a + b) * cost + d * den, den * over, measure.revenue - measure.utility


@checked
class Goal:
    """A measure and how it is judged: `kind`, over a `prior` or an `ambiguity` set.

    `measure`: "revenue", "welfare", "utility", "sale", or a table of weights of these. `kind`: "expected" (under
    `prior`), "worst-case" expectation, "regret" (largest expected shortfall from the full surplus) or "ratio" (to the
    full surplus, smallest) over `ambiguity`.
    """

    measure: Any = "revenue"
    kind: Kind = "expected"
    prior: Prior | None = None
    ambiguity: Ambiguity | None = None

    def __post_init__(self) -> None:
        _read_measure(self)

    def parameters(self) -> dict[str, Any]:
        """As a file has it."""
        return _goal_parameters(self)


@checked
class Floor:
    """A goal that must reach `at_least` (revenue, welfare, ratio, ...), or a regret that stays `at_most`."""

    measure: Any = "revenue"
    kind: Kind = "expected"
    prior: Prior | None = None
    ambiguity: Ambiguity | None = None
    at_least: Number | None = None
    at_most: Number | None = None

    def __post_init__(self) -> None:
        _read_measure(self)
        wanted = "at_most" if self.kind == "regret" else "at_least"
        other = "at_least" if self.kind == "regret" else "at_most"
        if getattr(self, wanted) is None or getattr(self, other) is not None:
            raise fail(wanted, f"a number: a floor of kind {self.kind} is {wanted}", "none", f"write {wanted} = 0.5")

    @property
    def bound(self) -> Fraction:
        """The number on the right."""
        return (self.at_most if self.kind == "regret" else self.at_least) or Fraction(0)

    def parameters(self) -> dict[str, Any]:
        """As a file has it."""
        name = "at_most" if self.kind == "regret" else "at_least"
        return {**_goal_parameters(self), name: plain(self.bound)}


def _goal_parameters(goal: Any) -> dict[str, Any]:
    found = {"measure": goal.measure.parameters(), "kind": goal.kind}
    if goal.prior is not None:
        found["prior"] = goal.prior.parameters()
    return found | ({} if goal.ambiguity is None else {"ambiguity": goal.ambiguity.parameters()})


def _read_measure(goal: Any) -> None:
    measure = goal.measure
    if isinstance(measure, str):
        if measure not in MEASURES:
            raise fail("measure", f"one of {', '.join(MEASURES)}, or a table of weights", measure)
        measure = Measure(**{measure: Fraction(1)})
    elif isinstance(measure, dict):
        try:
            measure = Measure(**measure)
        except InputError as error:
            raise error.within("measure") from None
    elif not isinstance(measure, Measure):
        raise fail("measure", f"one of {', '.join(MEASURES)}, or a table of weights", measure)
    object.__setattr__(goal, "measure", measure)
    if goal.prior is not None and goal.ambiguity is not None:
        raise fail("ambiguity", "a prior or an ambiguity set, one of them", "both", "put the prior into the set's list")
    if goal.kind in ("regret", "ratio") and measure.parameters() not in ("revenue", "welfare"):
        raise fail("measure", f'"revenue" or "welfare", which a {goal.kind} compares with the full surplus',
                   str(measure.words()))  # fmt: skip


def distributions(goal: Any, environment: Environment) -> Ambiguity:
    """The set a goal is judged over. Raises InputError when there is none, naming the nearest that makes sense."""
    if goal.ambiguity is not None:
        if goal.kind == "expected":
            hint = 'write kind = "worst-case"'
            raise fail("kind", "worst-case, regret or ratio, for an ambiguity set", "expected", hint)
        found: Ambiguity = goal.ambiguity
        return found
    prior = goal.prior or (own_prior(environment) if goal.kind == "expected" else None)
    if prior is not None:
        return Ambiguity(kind="priors", priors=(prior,))
    if goal.kind == "expected":
        hint = "write prior = {uniform = true}, or give the environment distributions"
        raise fail("prior", "a prior, which an expectation is taken under", "none", hint)
    raise fail("ambiguity", f"the distributions the {goal.kind} is over", "none", NEAREST)


def laid_out(goal: Any, environment: Environment) -> Nature:
    """Nature's set of a goal over an environment's profiles. Raises InputError by the goal's own fields."""
    try:
        return distributions(goal, environment).nature(environment)
    except InputError as error:
        if goal.ambiguity is not None:
            raise error.within("ambiguity") from None
        raise InputError(
            *(replace(p, field=p.field.replace("priors[0]", "prior", 1)) for p in error.problems)
        ) from None


def guarantee(
    goal: Any, environment: Environment, suffix: str, part: str
) -> tuple[list[Variable], list[Family], Nature]:
    """Variables and families of a goal; with a suffix, of a floor."""
    nature = laid_out(goal, environment)
    regret, ratio, floor = goal.kind == "regret", goal.kind == "ratio", bool(suffix)
    variables: list[Variable] = []
    blocks = _score_blocks(goal.measure, environment, nature)
    level: dict[str, Block] = {}
    for row in nature.rows:
        name = ("r" if regret and row.name == "t" else row.name) + suffix
        sign = (1 if regret else -1) if row.equal else 1
        size = len(row.right)
        blocks[name] = Block(row.block.cols, row.block.rows, sign * row.block.whole, row.block.den)
        worth = (1 if row.equal or regret else -1) * row.right
        goal_entry = None if floor or ratio else (worth, row.den)
        variables.append(Variable(name, (size,), nonneg=not row.equal, goal=goal_entry))
        here = np.flatnonzero(row.right != 0)
        level[name] = Block(np.zeros(len(here), int), here, worth[here] * (-1 if regret else 1), row.den)
    right, den = zeros(nature.atoms), 1
    if regret or ratio:
        surplus, over = environment.surplus
        full = sums_by(nature.mass.cols, nature.mass.whole, surplus[nature.mass.rows], nature.atoms)
        den = over * nature.mass.den
        if regret:
            right = full
        elif floor:  # the ratio is given: rho M'surplus moves to the right side
            right, den = goal.bound.numerator * full.astype(object), den * goal.bound.denominator
        else:
            at = np.flatnonzero(full != 0)
            blocks["rho"] = Block(at, np.zeros(len(at), int), -full[at], den)
            right, den = zeros(nature.atoms), 1
            one = (np.ones(1, np.int64), 1)
            variables.append(Variable("rho", (1,), goal=one))
    what = {"expected": "expected", "worst-case": "worst-case", "regret": "regret of", "ratio": "ratio of"}[goal.kind]
    words = f"{what} {goal.measure.words()} holds against every distribution"
    families = [Family(f"alpha{suffix}", part, words, blocks, right, den, labels=nature.labels)]
    if floor and not ratio:
        bound = goal.bound * (-1 if regret else 1)
        whole, over = integers([bound])
        said = f"{what} {goal.measure.words()} is {'at most' if regret else 'at least'} {plain(goal.bound)}"
        families.append(Family(f"theta{suffix}", part, said, level, whole, over))
    elif ratio:
        said = f"the ratio to the full surplus is at least {plain(goal.bound)}" if floor else "the ratio is reached"
        families.append(Family(f"level{suffix}", part, said, level, zeros(1)))
    return variables, families, nature


def _score_blocks(measure: Measure, environment: Environment, nature: Nature) -> dict[str, Block]:
    """M's as blocks over q and m."""
    coefficient, den, pay = score(measure, environment)
    B, P, J = environment.count, environment.profiles, environment.goods
    mass = nature.mass
    blocks = {}
    bidders = np.arange(B)[:, None, None]
    cols = ((bidders * P + mass.rows[None, :, None]) * J + np.arange(J)).astype(np.int64)  # (I, nnz, J)
    entries = product_of(coefficient[:, mass.rows, :], mass.whole[None, :, None])
    keep = (entries != 0).ravel()
    if keep.any():
        atom = np.broadcast_to(mass.cols[None, :, None], cols.shape)
        blocks["q"] = Block(atom.ravel()[keep], cols.ravel()[keep], entries.ravel()[keep], den * mass.den)
    if pay:
        cols = (np.arange(B)[:, None] * P + mass.rows).ravel()
        entries = np.tile(product_of(mass.whole, np.array(pay.numerator)), B)
        blocks["m"] = Block(np.tile(mass.cols, B), cols, entries, mass.den * pay.denominator)
    return blocks
