"""The checker of `dynamic-auction` for several buyers: from the instance to the inequalities, in rationals.

It shares no code with the programs or the search. Types of buyer i in a period are j = 1..n_i, v is a profile of all,
o one of the others', both counted with the last buyer's type moving fastest.

*Below.* A mechanism with finitely many points per period. At a point with balances b the allocation x is monotone in
every buyer's own type and gives the good at most once. Its truthful utilities u' (nothing for the lowest type, then
(v_{j+1} - v_j) x_j more for each next one), shifted so that every buyer expects xi_i(o), leave the balances
y = b + u' - E u' + xi, which may not be negative. After profile v comes a mixture of the next period's points with mean
balances of at most y(v). The mixture of two points' decisions is one at the mixture of their balances, so a point earns
E[sum v x] - sum f(o) xi_i(o) plus the mixtures of what the next points earn.

*Above.* Cuts a + s'b + r'xi over what period t and later earn at balances b with utilities xi. Each is built from
multipliers: weights of the next period's cuts at every profile, beta_i(o) on the mean of balances, mu(v) on the good.
Whatever they are, beta is raised to the slopes it has to pay for, and the constant covers what every price is short
of: any weights that sum to one, and any beta and mu not below zero, prove a bound. The root's bounds the revenue,
because xi that cost more than all welfare earn less than nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mechopt.models.checking import ZERO, at_most_zero, number
from mechopt.models.dynamic.check_periods import read
from mechopt.models.dynamic.several_check_stage import Stage, Worst
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, floor_to, nearest

Bracket = tuple[Rational, Rational]
BITS = 120  # after the binary point of cuts, rounded up


def check(parameters: Mapping[str, Any], certificate: Mapping[str, Any]) -> tuple[list[Check], dict[str, Bracket]]:
    """Every inequality of a certificate, and the bracket (lower, upper) of the best bank account mechanism.

    Raises KeyError, ValueError, TypeError or IndexError on a malformed certificate; callers treat that as a failure.
    """
    part = certificate["finite"]
    priors, checks = read(parameters["periods"], part["distributions"])
    stages = [Stage(row) for row in priors]
    lower, found = _below(stages, part)
    checks += found
    upper, found = _above(stages, part["cuts"], max(lower, ZERO))
    checks += found
    for end, proved in (("lower", lower), ("upper", upper)):
        if (claimed := part.get(end)) is not None:
            gap = number(claimed) - proved
            checks.append(Check(f"{end} bound as claimed", nearest(abs(gap)), gap == 0))
    checks.append(at_most_zero("lower bound at most upper", lower - upper))
    return checks, {"finite": (lower, upper)}


def _below(stages: Sequence[Stage], part: Mapping[str, Any]) -> tuple[Rational, list[Check]]:
    """What the mechanism earns, by backward induction over its points."""
    rows = {
        "chance": Worst("allocation gives the good at most once"),
        "monotone": Worst("allocation is monotone: incentive compatible in each period"),
        "balance": Worst("balances cannot be overspent: the lowest type's balance after, and mixtures"),
        "weights": Worst("mixtures have weights of zero or more that sum to one"),
        "xi": Worst("expected utilities xi and balances are not negative"),
    }
    if not len(part["xi"]) == len(part["points"]) == len(stages):
        raise ValueError("one list of xi and of points per period")
    later: list[Rational] = []
    held: list[list[Rational]] = []
    for t in range(len(stages) - 1, -1, -1):
        stage, xi = stages[t], [number(x) for x in part["xi"][t]]
        if len(xi) != stage.slack or len(part["points"][t]) < 1:
            raise ValueError("one xi per buyer and profile of the others, and a point per period")
        rows["xi"].see(-min(xi), f"period {t + 1}")
        cost = sum((f * x for f, x in zip(stage.chance, xi, strict=True)), ZERO)
        values, balances = [], []
        for q, point in enumerate(part["points"][t]):
            where = f"period {t + 1}, point {q}"
            b = [number(x) for x in point["balances"]]
            if len(b) != len(stage.v):
                raise ValueError("one balance per buyer")
            rows["xi"].see(-min(b), where)
            earned, after = _point(stage, point["allocation"], b, xi, rows, where)
            if later:
                earned += _mixtures(stage, point["next"], after, held, later, rows, where)
            values.append(earned - cost)
            balances.append(b)
        later, held = values, balances
    if len(later) != 1:
        raise ValueError("one point in period 1")
    start = at_most_zero("balances start at zero", max(held[0]))
    return later[0], [*(row.verdict() for row in rows.values()), start]


def _point(
    stage: Stage, table: Sequence[Any], b: list[Rational], xi: list[Rational], rows: dict[str, Worst], where: str
) -> tuple[Rational, list[list[Rational]]]:
    """Welfare of one period's allocation, and the balances after it by buyer and profile."""
    x = [[number(a) for a in row] for row in table]
    count = len(stage.profiles)
    if len(x) != len(stage.v) or any(len(row) != count for row in x):
        raise ValueError("an allocation for every buyer and profile")
    for at in range(count):
        rows["chance"].see(sum((row[at] for row in x), ZERO) - 1, f"{where}, profile {at}")
    welfare = ZERO
    after: list[list[Rational]] = [[ZERO] * count for _ in x]
    for i, own in enumerate(x):
        v, p = stage.v[i], stage.p[i]
        rows["chance"].see(-min(own), f"{where}, buyer {i + 1}")
        for o, line in enumerate(stage.lines[i]):
            utility, mean = [ZERO], ZERO
            for j, at in enumerate(line):
                welfare += stage.f[at] * v[j] * own[at]
                mean += p[j] * utility[j]
                if j + 1 < len(line):
                    utility.append(utility[j] + (v[j + 1] - v[j]) * own[at])
                    rows["monotone"].see(own[at] - own[line[j + 1]], f"{where}, buyer {i + 1}, types {j + 1}, {j + 2}")
            rest = b[i] + xi[stage.start[i] + o] - mean
            rows["balance"].see(-rest, f"{where}, buyer {i + 1}")
            for at, u in zip(line, utility, strict=True):
                after[i][at] = rest + u
    return welfare, after


def _mixtures(
    stage: Stage, listed: Sequence[Any], after: list[list[Rational]], held: list[list[Rational]], later: list[Rational],
    rows: dict[str, Worst], where: str,
) -> Rational:  # fmt: skip
    """What the mixtures after a point earn, their weights and mean balances checked."""
    total = [ZERO] * len(stage.profiles)
    mean = [[ZERO] * len(stage.profiles) for _ in after]
    earned = ZERO
    for at, q, weight in listed:
        w = number(weight)
        if not (0 <= at < len(total) and 0 <= q < len(later)):
            raise ValueError("a mixture of points there are not")
        rows["weights"].see(-w, f"{where}, profile {at}")
        total[at] += w
        earned += stage.f[at] * w * later[q]
        for i, balance in enumerate(held[q]):
            mean[i][at] += w * balance
    for at, sum_ in enumerate(total):
        rows["weights"].see(abs(sum_ - 1), f"{where}, profile {at}")
        for i, row in enumerate(mean):
            rows["balance"].see(row[at] - after[i][at], f"{where}, profile {at}, buyer {i + 1}")
    return earned


def _above(stages: Sequence[Stage], lists: Sequence[Any], lower: Rational) -> tuple[Rational, list[Check]]:
    """The root's bound, every cut rebuilt from its multipliers, last period first."""
    if len(lists) != len(stages):
        raise ValueError("one list of cuts per period")
    weights = Worst("cuts stand on weights of zero or more that sum to one [pi]")
    signs = Worst("multipliers beta, mu are not negative")
    later: list[tuple[Rational, list[Rational], list[Rational]]] = []
    for t in range(len(stages) - 1, -1, -1):
        later = [
            _cut(stages[t], cut, later if t + 1 < len(stages) else None, weights, signs, f"period {t + 1}, cut {c}")
            for c, cut in enumerate(lists[t])
        ]
    if len(later) != 1:
        raise ValueError("one cut in period 1")
    constant, _, slopes = later[0]
    chances = [f for stage in stages for f in stage.chance]
    rise = max([ZERO, *(r / f for r, f in zip(slopes, chances, strict=True))])  # of the bound, per unit xi costs
    welfare = sum((stage.welfare for stage in stages), ZERO)
    return max(lower, constant + (welfare - lower) * rise), [weights.verdict(), signs.verdict()]


def _cut(
    stage: Stage, cut: Mapping[str, Any], later: Any, weights: Worst, signs: Worst, where: str
) -> tuple[Rational, list[Rational], list[Rational]]:
    """Constant, slopes in balances and slopes in xi of this and later periods, rounded up."""
    count = len(stage.profiles)
    beta, mu = [ZERO] * stage.slack, [ZERO] * count
    for name, row in (("beta", beta), ("mu", mu)):
        for j, value in cut[name]:
            if j < 0:
                raise ValueError("a multiplier of a row there is not")
            row[j] = number(value)
            signs.see(-row[j], where)
    slope = [[ZERO] * count for _ in stage.v]  # of the later bound at each profile, times f
    constant = sum(mu, ZERO)
    further: list[Rational] = []
    if later is not None:
        further = [ZERO] * len(later[0][2])
        total = [ZERO] * count
        share = [ZERO] * len(later)
        for at, c, weight in cut["on"]:
            if at < 0 or c < 0:
                raise ValueError("a weight on a cut there is not")
            w = number(weight)
            weights.see(-w, where)
            total[at] += w
            share[c] += stage.f[at] * w
            for i, s in enumerate(later[c][1]):
                slope[i][at] += stage.f[at] * w * s
        for at, sum_ in enumerate(total):
            weights.see(abs(sum_ - 1), f"{where}, profile {at}")
        for c, w in enumerate(share):
            if w:
                constant += w * later[c][0]
                further = [r + w * s for r, s in zip(further, later[c][2], strict=True)]
    slopes = []
    for i, lines in enumerate(stage.lines):
        part = range(stage.start[i], stage.start[i + 1])
        for o, line in zip(part, lines, strict=True):
            beta[o] = max(beta[o], sum((slope[i][at] for at in line), ZERO))
            constant += _short(stage, i, line, beta[o], slope[i], mu)
        slopes.append(sum((beta[o] for o in part), ZERO))
    own = [b - f for b, f in zip(beta, stage.chance, strict=True)]
    return _up(constant), [_up(s) for s in slopes], [_up(r) for r in [*own, *further]]


def _short(
    stage: Stage, i: int, line: list[int], beta: Rational, slope: list[Rational], mu: list[Rational]
) -> Rational:
    """What the best price for buyer i against these others earns beyond its multipliers, nothing at least."""
    best = earned = steep = weighted = ZERO
    for j in range(len(line) - 1, -1, -1):
        v, at = stage.v[i][j], line[j]
        earned += stage.f[at] * v - mu[at]
        best = max(best, earned + weighted - steep * v - beta * stage.surplus[i][j])
        steep += slope[at]
        weighted += slope[at] * v
    return best


def _up(value: Rational) -> Rational:
    return -floor_to(-value, BITS)
