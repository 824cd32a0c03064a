"""One arm of a bandit, and the agent whose arm it is: how it moves, what it pays, and what she knew beforehand.

Being served, an agent with the initial signal s in state k has the value

    multiplicative:   A(s) r(k)            additive:   A(s) + r(k)            without initial signal:   r(k),

and her flow in the virtual welfare is w r(k) + b: w = phi(s), b = -cost (multiplicative); w = 1, b = phi(s) - cost
(additive); w = weight, b = offset - cost (without). An arm with w <= 0 is left out. phi is the virtual worth of
models/pivot/initial.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

import numpy as np

from mechopt.models.inputs import Count, Number, checked, fail, plain
from mechopt.models.outcome import Array
from mechopt.models.pivot.initial import Initial, Signal, Worth
from mechopt.models.pivot.tables import Nested, probabilities, table

MOST_STATES = 2000
MOST_PULLS = 40
Rows = tuple[Mapping[int, Fraction], ...]
Numbers = tuple[Fraction, ...]


@checked
class Arm:
    """One arm, and its agent.

    `transition`: where a pull leads, (L, L), rows summing to one. `reward`: what a pull pays, (L,), money. Or, instead
    of both, `beta` = [a, b]: successes worth 1 of an unknown chance with that Beta prior, learnt during `pulls` pulls
    and taken as known after (states are listed by pulls, then by failures). `start`: law of the state at the first
    pull, (L,); the first state by default. `cost`: of a pull, money.

    `report`: the agent's initial signal; with it `initial` (its law, uniform on [0, 1] by default), `worth`
    (A(s) = offset + scale s^power) and `separation`, as in `virtual-pivot`. Without it: `weight` (1 by default) and
    `offset` (0), by what her reward is multiplied and what is added when she is served. Raises InputError for anything
    else.

    >>> arm = Arm(transition=[[0, 1], [0, 1]], reward=[1, 4], report="3/4")
    >>> assert arm.scale == Fraction(1, 2) and arm.shift == 0 and arm.alpha == Fraction(2, 3)
    >>> assert Arm(beta=[1, 1], pulls=1).rewards == (Fraction(1, 2), Fraction(2, 3), Fraction(1, 3))
    """

    transition: Nested | None = None
    reward: Nested | None = None
    beta: tuple[Number, ...] | None = None
    pulls: Count | None = None
    start: Nested | None = None
    cost: Number = Fraction(0)
    report: Number | None = None
    initial: Initial | None = None
    worth: Worth | None = None
    separation: Literal["multiplicative", "additive"] | None = None
    weight: Number | None = None
    offset: Number | None = None

    def __post_init__(self) -> None:
        self._require_one_form()
        _ = self.rewards, self.rows, self.law  # each checks what it reads
        if self.cost < 0:
            raise fail("cost", "a number of at least 0", self.cost)
        if self.weight is not None and self.weight < 0:
            raise fail("weight", "a number of at least 0", self.weight, "an arm of weight 0 is never pulled")
        if self.report is not None:
            self._require_type(self.report)

    def _require_one_form(self) -> None:
        if self.beta is None:
            for name in ("transition", "reward"):
                if getattr(self, name) is None:
                    raise fail(name, "a list with one entry per state", "none", "or write beta = [1, 1], pulls = 20")
            if self.pulls is not None:
                raise fail("pulls", "no such field without beta", self.pulls)
        else:
            for name in ("transition", "reward"):
                if getattr(self, name) is not None:
                    raise fail(name, "no such field beside beta", "a list", "write one of the two forms")
            if len(self.beta) != 2 or min(self.beta) <= 0:
                raise fail("beta", "two positive numbers", str([plain(x) for x in self.beta]), "write beta = [1, 1]")
            if self.pulls is None or self.pulls > MOST_PULLS:
                raise fail("pulls", f"an integer from 1 to {MOST_PULLS}", self.pulls if self.pulls else "none")
        with_type, without = ("initial", "worth", "separation"), ("weight", "offset")
        for name in with_type if self.report is None else without:
            if getattr(self, name) is not None:
                other = "without report" if self.report is None else "beside report"
                raise fail(name, f"no such field {other}", "a value")

    def _require_type(self, report: Fraction) -> None:
        law = self.signal.initial
        if law.types is not None and report not in law.types.values:
            listed = ", ".join(str(plain(x)) for x in law.types.values[:5])
            raise fail("report", f"one of the types {listed}" + (", ..." if len(law.types) > 5 else ""), report)
        if not law.low <= float(report) <= law.high:
            raise fail("report", f"a signal in [{law.low:g}, {law.high:g}]", report)
        if not self.additive:
            if (worst := min(self.rewards)) < 0:
                k = self.rewards.index(worst)
                raise fail(
                    f"reward[{k}]", "at least 0 for a multiplicative agent", worst, 'try separation = "additive"'
                )
            if float(self.signal.worth(law.low)) < 0:
                hint = "the lowest type must not lose by being served"
                raise fail("worth", "A(s) of at least 0 on the support", float(self.signal.worth(law.low)), hint)

    @property
    def additive(self) -> bool:
        """Whether the initial signal's worth is added to the reward."""
        return self.separation == "additive"

    @cached_property
    def signal(self) -> Signal:
        """The law and the worth of the initial signal."""
        return Signal(self.initial or Initial(), self.worth or Worth())

    @cached_property
    def _bernoulli(self) -> tuple[list[tuple[Fraction, Fraction]], Rows]:
        assert self.beta is not None
        assert self.pulls is not None
        a, b = self.beta
        beliefs = [(a + n - j, b + j) for n in range(self.pulls + 1) for j in range(n + 1)]  # n pulls, j failures
        rows: list[Mapping[int, Fraction]] = []
        for n in range(self.pulls + 1):
            for _ in range(n + 1):
                here = len(rows)
                won = beliefs[here][0] / sum(beliefs[here])
                rows.append({here: Fraction(1)} if n == self.pulls else {here + n + 1: won, here + n + 2: 1 - won})
        return beliefs, tuple(rows)

    @cached_property
    def states(self) -> tuple[str, ...]:
        """Names of the states, (L,)."""
        if self.beta is None:
            return tuple(str(k) for k in range(len(self.rewards)))
        return tuple(f"({plain(a)}, {plain(b)})" for a, b in self._bernoulli[0])

    @cached_property
    def rewards(self) -> Numbers:
        """Rewards, (L,), exactly."""
        if self.beta is not None:
            return tuple(a / (a + b) for a, b in self._bernoulli[0])
        content = self.reward
        size = len(content) if isinstance(content, list | tuple) else 0
        if not 1 <= size <= MOST_STATES:
            got = f"{size:,} entries" if isinstance(content, list | tuple) else repr(content)
            raise fail("reward", f"a list of 1 to {MOST_STATES:,} numbers, one per state", got)
        return tuple(table("reward", content, [(("state", size),)]).tolist())

    @cached_property
    def rows(self) -> Rows:
        """Transitions, state by state: where to, with what chance, exactly."""
        if self.beta is not None:
            return self._bernoulli[1]
        L = len(self.rewards)
        made = table("transition", self.transition, [(("state", L), ("state", L))])
        found: list[Mapping[int, Fraction]] = []
        for k in range(L):
            row = probabilities(f"transition[{k}]", made[k], f"state {k}")
            found.append({j: p for j, p in enumerate(row.tolist()) if p})
        return tuple(found)

    @cached_property
    def law(self) -> Numbers:
        """Law of the state at the first pull, (L,), exactly."""
        L = len(self.rewards)
        if self.start is None:
            return (Fraction(1), *[Fraction(0)] * (L - 1))
        row = table("start", self.start, [(("state", L),)])
        return tuple(probabilities("start", row, "the first state").tolist())

    @cached_property
    def phi(self) -> Fraction | None:
        """Virtual worth of the reported signal, money: exact for finitely many types and for uniform laws."""
        if self.report is None:
            return None
        law, worth, s = self.signal.initial, self.signal.worth, self.report
        if law.types is not None:
            return self.signal.exact_virtual_worths[law.types.values.index(s)]
        if law.family == "uniform" and worth.power == 1:
            high = Fraction(str(law.written["support"][1]))
            return worth.offset + worth.scale * (2 * s - high)
        return Fraction(repr(float(self.signal.phi(float(s)))))

    @property
    def phi_is_exact(self) -> bool:
        """Whether phi is a fraction that follows from the instance, not the nearest float."""
        law = self.signal.initial
        return self.signal.worth.power == 1 and law.written.get("family", "uniform") == "uniform"

    @cached_property
    def worth_of_report(self) -> Fraction:
        """A(s) of the reported signal, money."""
        return self.signal.worth.exactly(self.report or Fraction(0))

    @property
    def scale(self) -> Fraction:
        """w, what the reward is multiplied with; 0 where the arm is left out."""
        if self.phi is None:
            return Fraction(1) if self.weight is None else self.weight
        return Fraction(1) if self.additive else max(self.phi, Fraction(0))

    @property
    def shift(self) -> Fraction:
        """b, what is added to the weighted reward of a pull, money."""
        if self.phi is None:
            return (self.offset or Fraction(0)) - self.cost
        return self.phi - self.cost if self.additive else -self.cost

    @property
    def alpha(self) -> Fraction:
        """Weight of the agent's value in the virtual welfare; 0 where she is left out."""
        if self.phi is None or self.additive:
            return self.scale
        return self.scale / self.worth_of_report if self.scale else Fraction(0)

    @property
    def beta_flow(self) -> Fraction:
        """What is added to the weighted value of the agent, money, when she is served: b + cost - (w r - alpha v)."""
        if self.phi is None:
            return self.offset or Fraction(0)
        return self.phi - self.worth_of_report if self.additive else Fraction(0)

    @cached_property
    def matrix(self) -> Array:
        """Transitions in floats, (L, L)."""
        made = np.zeros((len(self.rows), len(self.rows)))
        for k, row in enumerate(self.rows):
            for j, chance in row.items():
                made[k, j] = float(chance)
        return made

    @cached_property
    def r(self) -> Array:
        """Rewards in floats, (L,)."""
        return np.array([float(x) for x in self.rewards])

    @property
    def key(self) -> Any:
        """What decides the indices: equal for arms that move and pay alike."""
        return self.rewards, tuple(tuple(row.items()) for row in self.rows)

    def parameters(self) -> dict[str, Any]:
        """The arm as its file has it, every number in its shortest exact form."""
        if self.beta is not None:
            found: dict[str, Any] = {"beta": [plain(x) for x in self.beta], "pulls": self.pulls}
        else:
            dense = [[plain(row.get(j, Fraction(0))) for j in range(len(self.rows))] for row in self.rows]
            found = {"transition": dense, "reward": [plain(x) for x in self.rewards]}
        if self.start is not None:
            found["start"] = [plain(x) for x in self.law]
        if self.cost:
            found["cost"] = plain(self.cost)
        if self.report is not None:
            found |= {"report": plain(self.report), "separation": "additive" if self.additive else "multiplicative"}
            found |= {name: getattr(self.signal, name).parameters() for name in ("initial", "worth")}
        for name in ("weight", "offset"):
            if (number := getattr(self, name)) is not None:
                found[name] = plain(number)
        return found
