"""What a seller loses who must sell today without knowing whether there will be a tomorrow.

Two scenarios: one good whose value has the distribution F_1, or that good and, a period later, another with F_2. The
mechanism of the first period is the same in both, a mixture of posted prices; h(p) is a times the chance of the price
p. It serves as a guarantee of 1 / a when it earns at least 1 / a of what a seller who knows the scenario would, in
each of them:

    min   sum_p h(p)
    s.t.  sum_p h(p) r_1(p) >= 1                 [lambda_1]
          sum_p h(p) r_12(p) >= 1                [lambda_2]
          h(p) >= 0                              for p

Its dual, the primal's letters in brackets:

    max   lambda_1 + lambda_2
    s.t.  lambda_1 r_1(p) + lambda_2 r_12(p) <= 1     for p     [h(p)]
          lambda >= 0

with r_1(p) = p P(V_1 >= p) / REV*(F_1) and r_12(p) = (E[V_1; V_1 >= p] + REV*(F_2)) / REV*(F_1, F_2): what a posted
price earns on the first good, and the most that it and anything later earn on both, since no more can be spent tomorrow
than the buyer was left today. nature's mixture of scenarios is lambda / a.

With `mu`, F_1 and F_2 are those of Theorem 5.1 (gap_theory.py) and a tends to 2. With distributions of one's own the
bound by posted prices stands beside the mechanism itself, one program over all mechanisms of finitely many futures
(scenarios.py), of which the bound may fall short.

Source: V. Mirrokni, R. Paes Leme, P. Tang, S. Zuo, Non-clairvoyant dynamic mechanism design (2020), Theorem 5.1, and
supplement, Appendix C.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import Any

import cvxpy as cp
import numpy as np

from mechopt.models.auctions.myerson_theory import expected_best
from mechopt.models.clairvoyance import gap_theory
from mechopt.models.clairvoyance.scenarios import Tree, scenario_program
from mechopt.models.clairvoyance.scenarios_engine import solve_tree
from mechopt.models.distributions import Distribution
from mechopt.models.inputs import Count, Number, checked, fail, plain
from mechopt.models.outcome import ClosedForm
from mechopt.models.virtual_values import ironed_virtual_values
from mechopt.solvers.memory import Size, available, human
from mechopt.solvers.program import Array, Program

MOST_POINTS = 10_000
MOST_EPSILON = 10**9
FORMS = "mu, or first and second, or scenarios"


@checked
class NonClairvoyantGap:
    """`mu`, `epsilon`: Theorem 5.1's distributions, with `points` + 1 prices in the finite program. Or `first` and
    `second`: distributions of one's own. Or `scenarios`: a list of futures, each a list of distributions, period by
    period.

    Values are money and at least zero. Raises InputError for anything else, and for mu above 26.58, where exp(mu^2)
    overflows.

    >>> from mechopt.solvers.highs import solve
    >>> model = NonClairvoyantGap(mu=2, points=200)
    >>> primal, dual = solve(model.primal()), solve(model.dual())
    >>> assert abs(primal.value - dual.value) < 1e-9 and 1.5075 < primal.value < 1.5077
    >>> assert abs(primal.dual["both"] - dual.primal["lambda"][1]) < 1e-6
    """

    mu: Number | None = None
    epsilon: Number | None = None
    points: Count | None = None
    first: Distribution | None = None
    second: Distribution | None = None
    scenarios: tuple[tuple[Distribution, ...], ...] | None = None

    def __post_init__(self) -> None:
        given = {"mu": self.mu, "first": self.first or self.second, "scenarios": self.scenarios}
        named = [name for name, content in given.items() if content is not None]
        if len(named) != 1:
            raise fail("mu", FORMS, " and ".join(named) or "none of them", "write mu = 3")
        if self.mu is None:
            for name in ("epsilon", "points"):
                if getattr(self, name) is not None:
                    raise fail(name, "no such field without mu", getattr(self, name), f"{named[0]} says it all")
            self._check_futures()
            return
        if self.mu <= 0:
            raise fail("mu", "a positive number", self.mu)
        if self.mu > gap_theory.MOST_MU:
            most = plain(gap_theory.MOST_MU)
            raise fail("mu", f"at most {most}, beyond which exp(mu^2) overflows", self.mu, f"write mu = {most}")
        if self.epsilon is not None and not 0 <= self.epsilon <= MOST_EPSILON:
            raise fail("epsilon", f"a number from 0 to {MOST_EPSILON:,}", self.epsilon)
        if self.points is not None and self.points > MOST_POINTS:
            raise fail("points", f"an integer from 1 to {MOST_POINTS:,}", f"{self.points:,}")

    def _check_futures(self) -> None:
        if self.scenarios is None:
            for name in ("first", "second"):
                if getattr(self, name) is None:
                    raise fail(name, "a distribution", "none", "the two scenarios are first, and first then second")
        elif not self.scenarios:
            raise fail("scenarios", "at least one list of distributions", "none")
        for s, future in enumerate(self.scenarios or ()):
            if not future:
                raise fail(f"scenarios[{s}]", "at least one distribution", "none")
        names = ("first", "second") if self.scenarios is None else None
        for s, future in enumerate(self.futures):
            for t, prior in enumerate(future):
                field = names[t] if names else f"scenarios[{s}][{t}]"
                if prior.values[0] < 0:
                    raise fail(f"{field}.values[0]", "a value of at least 0", prior.values[0])
            if all(prior.values[-1] == 0 for prior in future):
                field = names[0] if names else f"scenarios[{s}]"
                raise fail(field, "a value above 0 somewhere", "zeros only", "nothing can be earned in this scenario")
            if future in self.futures[:s]:
                raise fail(f"scenarios[{s}]", "every future once", "one that is already listed")

    def parameters(self) -> dict[str, Any]:
        """The instance as its file has it, every number in its shortest exact form."""
        found: dict[str, Any] = {}
        if self.mu is not None:
            found = {"mu": plain(self.mu), "epsilon": plain(self.epsilon or Fraction(0)), "points": self.steps}
        for name in ("first", "second"):
            if (prior := getattr(self, name)) is not None:
                found[name] = prior.parameters()
        if self.scenarios is not None:
            found["scenarios"] = [[prior.parameters() for prior in future] for future in self.scenarios]
        return found

    @property
    def futures(self) -> tuple[tuple[Distribution, ...], ...]:
        """The scenarios, each a tuple of distributions; none where mu stands for them."""
        if self.first is not None and self.second is not None:
            return ((self.first,), (self.first, self.second))
        return self.scenarios or ()

    @property
    def steps(self) -> int:
        """n, the number of steps between the prices of the finite program."""
        return self.points or 1000

    @property
    def small(self) -> tuple[float, float]:
        """mu and epsilon as floats."""
        return float(self.mu or 0), float(self.epsilon or 0)

    @cached_property
    def tree(self) -> Tree:
        """The futures as a tree: those that begin alike share their first nodes."""
        return Tree.of(self.futures)

    @cached_property
    def best(self) -> list[Fraction]:
        """REV* of every future, money: what a seller who knows it earns, by the program of that future alone."""
        return [1 / solve_tree(self.tree.alone(s), [Fraction(1)]).factor for s in range(len(self.futures))]

    @cached_property
    def ratios(self) -> tuple[Array, Array, Array]:
        """Prices, r_1 and r_12, (N,) each: those of the grid, or the values of `first`."""
        if self.mu is not None:
            t = gap_theory.price_nodes(self.small[0], self.steps)
            one, both = gap_theory.revenues(*self.small, t)
            best = gap_theory.best_revenues(*self.small)
            return t / self.small[0], one / best[0], both / best[1]
        if self.first is None or self.second is None:
            raise fail(
                "scenarios", "mu, or first and second", "a list of scenarios", "posted prices bound two scenarios only"
            )
        prior = self.first
        later = expected_best([ironed_virtual_values(self.second)], [self.second.probabilities])
        rest = [sum((v * f for v, f in zip(prior.values[k:], prior.probabilities[k:], strict=True)), later)
                for k in range(len(prior))]  # fmt: skip
        sold = [v * tail for v, tail in zip(prior.values, prior.tails, strict=True)]
        r1 = np.array([float(x / max(sold)) if max(sold) else 1.0 for x in sold])
        return prior.v, r1, np.array([float(x / self.best[1]) for x in rest])

    def primal(self) -> Program:
        """The seller's program: a mixture of posted prices."""
        if self.scenarios is not None:
            return self.primal_scenarios()
        _, one, both = self.ratios
        h = cp.Variable(len(one), name="h", nonneg=True)
        return Program(cp.Minimize(cp.sum(h)), {"one": one @ h >= 1, "both": both @ h >= 1})

    def dual(self) -> Program:
        """Nature's program: weights of the two scenarios; the multipliers of its rows are the mixture h."""
        _, one, both = self.ratios
        weights = cp.Variable(2, name="lambda")
        return Program(
            cp.Maximize(cp.sum(weights)), {"h": one * weights[0] + both * weights[1] <= 1, "sign": weights >= 0}
        )

    def primal_scenarios(self) -> Program:
        """The program over all mechanisms of the futures; the multipliers of its rows `future` are nature's mixture."""
        if not self.futures:
            raise fail("mu", "distributions with finitely many values", "mu", "write first and second, or scenarios")
        self.require_fits()
        return scenario_program(self.tree, self.best)

    def closed_form(self) -> ClosedForm | None:
        """The bound of the theorem's proof; None without mu."""
        if self.mu is None:
            return None
        source = "Mirrokni, Paes Leme, Tang, Zuo (2020), Theorem 5.1, 2 / max beta"
        return ClosedForm(gap_theory.analytic_bound(*self.small), "lower bound of the continuum optimum", source)

    def size(self, method: str = "") -> Size:
        """Size of the program, before it is built."""
        if self.mu is not None:
            n = self.steps + 1
            return Size(2, n, 2 * n)
        return self.tree.size()

    def require_fits(self) -> None:
        """Raise InputError, saying how large the program would be, when it would not fit in memory."""
        size = self.size()
        if not size.fits:
            expected = f"a program that fits in the {human(available())} of memory that are free"
            field = "scenarios" if self.scenarios is not None else "first"
            raise fail(field, expected, str(size), "take fewer values or periods")

    def words(self) -> str:
        """The problem and its program in words."""
        doc = __doc__ or ""
        if self.scenarios is None:
            rows = doc.partition("each of them:\n\n")[2].partition("\n\nIts dual")[0]
            who = (
                f"those of Theorem 5.1 with mu = {plain(self.mu)}, epsilon = {plain(self.epsilon or Fraction(0))}"
                if self.mu is not None else f"{self.futures[1][0].words()}; {self.futures[1][1].words()}"
            )  # fmt: skip
            return (
                f"Sell one good, or one good today and another tomorrow, not knowing which ({who}). Find the mechanism "
                f"of today that is sure of the largest share of what a seller who knows would earn, and nature's "
                f"mixture:\n\n{rows}"
            )
        rows = (scenario_program.__doc__ or "").partition("\n\n")[2]
        return (
            f"Sell to one buyer, period by period, not knowing which of {len(self.futures)} futures comes true "
            f"({self.tree.histories:,} histories). Find the mechanism that is sure of the largest share of what a "
            f"seller who knows would earn:\n\n{rows}"
        )
