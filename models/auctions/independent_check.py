"""The checker of `independent-auction`: from the instance and a certificate to the inequalities, in rationals.

It shares no code with the programs, CVXPY or the solver. A mechanism is one rule for all bidders: the chance of every
own value against every list of others' values, in rising order. Its payments are
m(k, w) = q(k, w) v_k - sum_{j<k} q(j, w) (v_{j+1} - v_j).

Why weights pi on priors and multipliers mu bound every mechanism: under each prior the rows of truth and participation
give revenue <= sum_i E[phi(v_i) q_i(v)], and rising means Q_i. So the worst revenue is at most the sum over bidders and
profiles of q_i(v) sum_P f^P(v_-i) [pi_P f^P_k phi^P_k + (mu_P(k - 1) - mu_P(k)) / I], v_i = v_k, whatever pi >= 0 with
sum one and mu >= 0. In every profile the good goes at most once: to the bidder with the largest bracket, if positive.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from mechopt.models.checking import ZERO, at_most_zero, largest_gain, number
from mechopt.models.distributions import Distribution
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest, rational

Bracket = tuple[Rational, Rational]
Found = tuple[Rational, list[Check]]
Others = tuple[int, ...]
ONE = number(1)


class Instance:
    """The instance as the checker reads it: values, and every prior's probabilities."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.bidders = parameters["bidders"]
        if type(self.bidders) is not int or self.bidders < 1:
            raise ValueError("bidders is an integer of at least 1")
        priors = [Distribution(**fields) for fields in parameters["distributions"]]
        values: tuple[Fraction, ...] = priors[0].values
        if any(prior.values != values for prior in priors) or values[0] < 0 or len(values) < 2:
            raise ValueError("the priors' values differ, are too few, or are negative")
        self.values = [rational(v) for v in values]
        self.priors = [[rational(p) for p in prior.probabilities] for prior in priors]
        self.virtual = [self._virtual(f) for f in self.priors]

    def _virtual(self, f: Sequence[Rational]) -> list[Rational]:
        """f_k phi_k of every value: what a price of v_k earns more than one of v_{k+1}."""
        tails = [*itertools.accumulate(reversed(f))][::-1]
        earned = [*(t * v for t, v in zip(tails, self.values, strict=True)), ZERO]
        return [a - b for a, b in itertools.pairwise(earned)]

    def lists(self, length: int) -> list[Others]:
        """All lists of so many values in rising order."""
        return list(itertools.combinations_with_replacement(range(len(self.values)), length))

    @staticmethod
    def orders(others: Others) -> int:
        """In how many orders a list's values may stand."""
        return math.factorial(len(others)) // math.prod(math.factorial(n) for n in Counter(others).values())


def check(parameters: Mapping[str, Any], certificate: Mapping[str, Any]) -> tuple[list[Check], dict[str, Bracket]]:
    """Every inequality of a certificate, and the bracket (lower, upper) it proves of the finite problem.

    Raises KeyError, ValueError, TypeError or IndexError on a malformed certificate; callers treat that as a failure.
    """
    instance, part = Instance(parameters), certificate["finite"]
    lower, above = at_least(instance, part["mechanism"])
    upper, below = at_most(instance, part["nature"])
    checks = above + below
    for end, found in (("lower", lower), ("upper", upper)):
        if part.get(end) is not None:
            miss = abs(number(part[end]) - found)
            checks.append(Check(f"{end} bound as claimed", nearest(miss), miss == 0))
    checks.append(at_most_zero("lower bound at most upper", lower - upper))
    return [Check(f"finite: {c.name}", c.residual, c.passed, c.detail) for c in checks], {"finite": (lower, upper)}


def chances(instance: Instance, table: Sequence[Any]) -> dict[Others, list[Rational]]:
    """The rule by others' values: chances of every own value, (K,)."""
    lists = instance.lists(instance.bidders - 1)
    if len(table) != len(lists) or any(len(row) != len(instance.values) for row in table):
        raise ValueError("the mechanism does not list every value against all others")
    return {w: [number(x) for x in row] for w, row in zip(lists, table, strict=True)}


def means(instance: Instance, rule: Mapping[Others, Sequence[Rational]], prior: Sequence[Rational]) -> list[Rational]:
    """Q(k), the chance of every own value when the others' are drawn from the prior, (K,)."""
    total = [ZERO] * len(instance.values)
    for w, row in rule.items():
        weight = ONE * instance.orders(w)
        for k in w:
            weight *= prior[k]
        total = [a + weight * x if x else a for a, x in zip(total, row, strict=True)]
    return total


def most_sold(instance: Instance, rule: Mapping[Others, Sequence[Rational]]) -> Rational:
    """The largest sum of all bidders' chances in any profile."""
    most = ZERO
    for v in instance.lists(instance.bidders):
        most = max(most, sum((rule[v[:i] + v[i + 1 :]][k] for i, k in enumerate(v)), ZERO))
    return most


def at_least(instance: Instance, mechanism: Mapping[str, Any]) -> Found:
    """The worst expected revenue of a rule over the priors, and all its rows under each of them."""
    rule = chances(instance, mechanism["chances"])
    checks = [
        at_most_zero("chances are nonnegative", -min(min(row) for row in rule.values())),
        at_most_zero("sold at most once in every profile [lambda]", most_sold(instance, rule) - 1),
    ]
    revenues, v = [], instance.values
    for n, prior in enumerate(instance.priors):
        Q = means(instance, rule, prior)
        steps = [q * (b - a) for q, (a, b) in zip(Q, itertools.pairwise(v), strict=False)]
        rents = [ZERO, *itertools.accumulate(steps)]
        paid = [q * x - rent for q, x, rent in zip(Q, v, rents, strict=True)]
        revenues.append(instance.bidders * sum((f * m for f, m in zip(prior, paid, strict=True)), ZERO))
        lie, where = largest_gain([(x,) for x in v], rents, [((q,), m) for q, m in zip(Q, paid, strict=True)])
        checks.append(at_most_zero(f"individually rational under prior {n + 1} [beta]", -min(rents)))
        checks.append(at_most_zero(f"incentive compatible under prior {n + 1}, all pairs [gamma]", lie, where))
    return min(revenues), checks


def at_most(instance: Instance, nature: Mapping[str, Any]) -> Found:
    """What no mechanism exceeds under the worst prior, from weights on priors and multipliers of rising means."""
    pi, K = [number(x) for x in nature["pi"]], len(instance.values)
    mu = [[number(x) for x in row] for row in nature["mu"]]
    if len(pi) != len(instance.priors) or len(mu) != len(pi) or any(len(row) != K - 1 for row in mu):
        raise ValueError("one weight per prior, and one multiplier per step of value")
    worth = []  # per prior and value: the bracket of the module's docstring
    for weight, row, virtual in zip(pi, mu, instance.virtual, strict=True):
        flow = [ZERO, *row, ZERO]
        worth.append([weight * x + (flow[k] - flow[k + 1]) / instance.bidders for k, x in enumerate(virtual)])
    against: dict[Others, list[Rational]] = {}
    for w in instance.lists(instance.bidders - 1):
        chance = []
        for prior in instance.priors:
            product = ONE
            for k in w:
                product *= prior[k]
            chance.append(product)
        against[w] = [sum((c * row[k] for c, row in zip(chance, worth, strict=True)), ZERO) for k in range(K)]
    total = ZERO
    for v in instance.lists(instance.bidders):
        best = max(against[v[:i] + v[i + 1 :]][k] for i, k in enumerate(v))
        if best > 0:
            total += best * instance.orders(v)
    least = min([*pi, *(x for row in mu for x in row)])
    return total, [
        Check("weights on priors sum to one [t]", nearest(abs(sum(pi, ZERO) - 1)), sum(pi, ZERO) == 1),
        at_most_zero("weights and multipliers pi, mu are nonnegative", -least),
    ]
