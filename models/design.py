"""Any static problem, composed of four parts: environment, incentives, criterion, restrictions.

Bidders i, profiles v of their types, goods j; q_ij(v) is the chance (or quantity) of good j bidder i gets in the
profile v, m_i(v) what she pays, u_i(w; v) = q_i(w, v_-i)'v_i - m_i(w, v_-i). Nature mixes atoms a, each a distribution
M_a over profiles, by weights alpha >= 0 that obey R alpha = b, R alpha <= b. For the worst-case expectation of a
score s(v) the program reads, the dual's letters in brackets:

    max   b't - b'sigma
    s.t.  sum_v M_a(v) s(v) - (R't)_a + (R'sigma)_a >= 0              for every atom a           [alpha(a)]
          u_i(v_i; v) >= 0                                            for i, v                   [beta]
          u_i(v_i; v) >= u_i(w; v)                                    for i, v, w                [gamma]
          sum_i q_ij(v) <= supply_j                                   for v, j                   [lambda(v, j)]
          the rows of the restrictions                                                           [their own letters]
          q >= 0, sigma >= 0

Its dual prices every family by one variable and has one row per variable of the seller, named q, m, t, sigma:

    min   sum supply' lambda + ...
    s.t.  R alpha = b  [t],   R alpha <= b  [sigma]
          (M alpha)(v) = beta_i(v) + sum_w gamma_i(v, w) - sum_w gamma_i((w, v_-i), v_i)                    [m_i(v)]
          lambda_j(v) >= (beta_i(v) + sum_w gamma_i(v, w)) v_ij - sum_w gamma_i((w, v_-i), v_i) w_j + ...   [q_ij(v)]

For regret the goal is min b'r + b'sigma, M's + R'r + R'sigma >= M'surplus; for the ratio max rho with rho M'surplus on
the right. Interim incentives average rows over the others' types. Each part of models/composition/ contributes its
own families; primal, dual, engine and certificate are read off the same list.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import Any

from mechopt.models.composition.criteria import Goal, distributions, guarantee
from mechopt.models.composition.environment import MOST_PROFILES, Environment
from mechopt.models.composition.incentives import Incentives
from mechopt.models.composition.own import Rule, rows_of
from mechopt.models.composition.refusals import refuse
from mechopt.models.composition.restrictions import Restrictions
from mechopt.models.composition.rows import Composition, Family
from mechopt.models.inputs import InputError, checked, fail
from mechopt.models.outcome import ClosedForm
from mechopt.solvers.memory import Size, available, human
from mechopt.solvers.program import Program

PARTS = ("environment", "incentives", "criterion", "restrictions")


@checked
class Design:
    """A selling problem in four parts; see the classes Environment, Incentives, Goal and Restrictions for the fields.

    `environment`: bidders, goods, types, costs, what can be delivered. `incentives`: truth and participation
    (dominant strategies and ex-post participation when left out). `criterion`: the measure and how it is judged.
    `restrictions`: what else the mechanism must respect. Raises InputError for parts that make no sense together.

    >>> from mechopt.solvers.highs import solve
    >>> two = Design(environment={"bidders": 2, "upper": [1], "points": 4},
    ...              criterion={"kind": "regret", "ambiguity": {"kind": "support"}})
    >>> primal, dual = solve(two.primal()), solve(two.dual())
    >>> assert abs(primal.value - 7 / 24) < 1e-9 and abs(dual.value - 7 / 24) < 1e-9
    """

    environment: Environment
    incentives: Incentives = Incentives()
    criterion: Goal = Goal()
    restrictions: Restrictions = Restrictions()

    def __post_init__(self) -> None:
        refuse(self)

    def parameters(self) -> dict[str, Any]:
        """The instance as its file has it, every number in its shortest exact form."""
        found = {name: getattr(self, name).parameters() for name in PARTS}
        return found if found["restrictions"] else {k: v for k, v in found.items() if k != "restrictions"}

    @property
    def maximizes(self) -> bool:
        """Whether the goal is to be made large: all but regret."""
        return self.criterion.kind != "regret"

    @cached_property
    def composition(self) -> Composition:
        """Variables and all row families of the program."""
        self.require_fits()
        return self._compose(self._part("incentives", lambda: self.incentives.families(self.environment)))

    @cached_property
    def core(self) -> Composition:
        """The program without the rows of truth."""
        stay = Incentives(truth="none", participation=self.incentives.participation, priors=self.incentives.priors)
        return self._compose(self._part("incentives", lambda: stay.families(self.environment)))

    def _compose(self, incentives: list[Family]) -> Composition:
        environment, restrictions = self.environment, self.restrictions
        variables = environment.variables(restrictions.deterministic)
        families: list[Family] = []
        for suffix, goal in self.goals:
            name = "criterion" if not suffix else f"restrictions.floors[{int(suffix[1:]) - 1}]"
            made, rows, _ = self._part(name, lambda g=goal, s=suffix, n=name: guarantee(g, environment, s, n))
            variables += made
            families += rows
        variables += restrictions.variables(environment)
        extra = self._part("restrictions", lambda: restrictions.families(environment))
        families += [*incentives, *environment.families(), *extra]
        return Composition(tuple(variables), tuple(families), self.maximizes)

    @property
    def goals(self) -> list[tuple[str, Any]]:
        """The criterion and the floors, each with the suffix of its letters."""
        floors = self.restrictions.floors
        return [("", self.criterion)] + [(f"_{n}", floor) for n, floor in enumerate(floors, 1)]

    def _part(self, name: str, make: Any) -> Any:
        try:
            return make()
        except InputError as error:
            raise error.within(name, unless="environment") from None

    def primal(self) -> Program:
        """The seller's program with every row of truth."""
        return self.composition.primal()

    def dual(self) -> Program:
        """Nature's program; the multipliers of its rows are the mechanism, by the letters q and m."""
        if self.restrictions.deterministic:
            raise fail("restrictions.deterministic", "lotteries, for a dual", "deterministic",
                       "a mixed-integer program has none; drop it for the relaxation's")  # fmt: skip
        return self.composition.dual()

    def with_rows(self, name: str, rule: Rule) -> Design:
        """The same design under more rows: `rule(q, m)` gives affine CVXPY constraints, q[i] (P, J) and m[i] (P,).

        The rows become part of the instance, so that files hold them and the exact checker knows them.

        >>> one = Design(environment={"upper": [1], "points": 2}, criterion={"prior": {"uniform": True}})
        >>> assert one.with_rows("cheap", lambda q, m: m[0] <= 0.25).restrictions.rows[0].right == Fraction(1, 4)
        """
        fields = self.parameters()
        rows = [row.parameters() for row in (*self.restrictions.rows, *rows_of(self, name, rule))]
        fields["restrictions"] = {**fields.get("restrictions", {}), "rows": rows}
        return Design(**fields)

    def latex(self) -> str:
        """The program and its dual in LaTeX."""
        from mechopt.models.composition.latex import latex

        return latex(self)

    def size(self) -> Size:
        """Size of the program with every row, before anything is built."""
        environment = self.environment
        P, B, J, shape = environment.profiles, environment.count, environment.goods, environment.shape
        pairs = sum(P * (K - 1) for K in shape)
        rows, nonzeros = P * (J + B), P * B * (2 * J + 1)
        if self.incentives.truth == "ex-post":
            rows, nonzeros = rows + pairs, nonzeros + pairs * (2 * J + 2)
        elif self.incentives.truth == "bayesian":
            lists = max(1, len(self.incentives.priors))
            rows += lists * sum(K * K for K in shape)
            nonzeros += lists * sum(K * K * (P // K) * (2 * J + 2) for K in shape)
        for _, goal in self.goals:
            samples = 1
            if goal.ambiguity is not None and goal.ambiguity.kind == "wasserstein":
                samples = len(set(goal.ambiguity.samples)) or P
            rows, nonzeros = rows + P * samples, nonzeros + P * samples * (B * (J + 1) + 2)
        return Size(rows, P * B * (J + 1) + 2, nonzeros)

    def require_fits(self) -> None:
        """Raise InputError, saying how large the program would be, when it would not fit in memory."""
        self.environment.require_fits()
        size = self.size()
        if not size.fits:
            expected = f"a program that fits in the {human(available())} of memory that are free"
            raise fail("environment", expected, str(size), "use fewer points or types")

    def words(self) -> str:
        """The four parts and the program in words."""
        goal = self.criterion
        judged = {"expected": "expected", "worst-case": "worst-case expected", "regret": "worst-case regret of",
                  "ratio": "worst-case ratio to the full surplus of"}[goal.kind]  # fmt: skip
        aim = f"{'Maximise' if self.maximizes else 'Minimise'} the {judged} {goal.measure.words()}"
        over = distributions(goal, self.environment).words()
        lines = [f"{self.environment.words()}.", f"The mechanism is {self.incentives.words()}.", f"{aim}, over {over}."]
        if text := self.restrictions.words():
            lines.append(f"Restrictions: {text}.")
        if self.environment.profiles > MOST_PROFILES:
            return " ".join(lines)
        rows = [f"  {f.name:<12} {len(f):>9,} rows: {f.words}" for f in self.listing]
        return " ".join(lines) + "\n\n" + "\n".join(rows)

    @property
    def listing(self) -> tuple[Family, ...]:
        """The families of the program when it fits; those of the core otherwise."""
        return self.composition.families if self.size().fits else self.core.families

    def closed_form(self) -> ClosedForm | None:
        """No theorem covers compositions at large; the models of single papers state theirs."""
        return None

    @property
    def tightest(self) -> Fraction:
        """The highest value of any type, money: the scale of tolerances."""
        return max(x for own in self.environment.exact for t in own for x in t)
