"""The checker of `virtual-pivot`: from the instance and listed values straight to a bracket of the profit, exactly.

Listed values v, whole multiples of 2^-bits, bracket a weighted welfare by how far the Bellman operator T moves them:
T v - v <= e everywhere gives v* <= v + e / (1 - delta), and the same for a policy from below. From these:

* finitely many initial types: the bound of Corollary 4.1 is a sum over profiles; the mechanism with repaired rents
  earns what agents get, less costs, less those rents, each bounded from its own side;
* one agent with uniform signals: W0 is convex in her weight, so chords between the ends of stretches are above it, and
  the line of one policy below.

It shares no code with the model, its engines or the solver: Python's integers and fractions only.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.models.pivot.check_instance import Instance, fraction
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, rational

Bracket = tuple[Rational, Rational]
ZERO = Fraction(0)


def check(parameters: Mapping[str, Any], certificate: Mapping[str, Any]) -> tuple[list[Check], dict[str, Bracket]]:
    """Every inequality of a certificate, and the bracket (lower, upper) of the optimal profit it proves.

    Raises KeyError, ValueError, TypeError or IndexError on a malformed certificate; callers treat that as a failure.
    """
    instance = Instance(parameters)
    part = certificate["finite"]
    optima = _Optima(instance, int(part["bits"]), part["optima"])
    names: tuple[str, ...]
    if "stretches" in part:
        lower, upper, checks = _stretches(instance, optima, part["stretches"])
        names = ("finite", "continuum")
    else:
        lower, upper, checks = _types(instance, optima, part["profiles"])
        names = ("finite",)
    for end, found in (("lower", lower), ("upper", upper)):
        gap = fraction(part[end]) - found if end in part else ZERO
        checks.append(Check(f"{end} bound as claimed", abs(float(gap)), gap == 0))
    checks.append(Check("lower bound at most upper", max(0.0, float(lower - upper)), lower <= upper))
    return checks, {name: (rational(lower), rational(upper)) for name in names}


@dataclass(frozen=True)
class Entry:
    """Listed values for weights, with what they prove of W0: above, and below where a policy is listed with them."""

    upper: Fraction
    lower: Fraction | None
    policy: Any

    @property
    def sure(self) -> Fraction:
        """What the policy is worth at least. Raises ValueError where none is listed."""
        if self.lower is None:
            raise ValueError("a policy is missing")
        return self.lower


class _Optima:
    """The listed values by the weights of the agents taking part, each examined once."""

    def __init__(self, instance: Instance, bits: int, listed: Sequence[Mapping[str, Any]]) -> None:
        if not 0 <= bits <= 1000:
            raise ValueError("bits")
        self.instance, self.bits = instance, bits
        self._raw = {(tuple(fraction(w) for w in e["weights"]), tuple(e["included"])): e for e in listed}
        self._seen: dict[Any, Entry] = {}

    def entry(self, weights: Sequence[Fraction], included: Sequence[int]) -> Entry:
        """What is proved for weights (one per agent of the environment) with these agents taking part."""
        key = (tuple(weights[i] for i in included), tuple(included))
        if key not in self._seen:
            raw = self._raw[key]
            policy = raw.get("policy")
            some = self.instance.some_policy(included) if policy is None else policy
            upper, lower = self.bounds(weights, included, raw["values"], some)
            self._seen[key] = Entry(upper, lower if policy is not None else None, policy)
        return self._seen[key]

    def bounds(
        self, weights: Sequence[Fraction], included: Sequence[int], values: Any, policy: Any
    ) -> tuple[Fraction, Fraction]:
        """W0 is at most the first, and the policy worth at least the second, both seen from t = 0."""
        one = self.instance
        T = one.horizon or 1
        shape = (one.H, *(len(one.agents[i].mu) for i in included))
        if not len(values) == len(policy) == T:
            raise ValueError("one list of values and one policy per period")
        listed = [np.array(row, dtype=object).reshape(shape) for row in values]
        actions = [np.array(row, dtype=np.int64).reshape(shape) for row in policy]
        if any(not isinstance(x, int) or isinstance(x, bool) for row in values for x in row):
            raise ValueError("values are whole numbers")
        above, below = ZERO, ZERO
        for t in reversed(range(T)):
            after = listed[t] if one.horizon is None else listed[t + 1] if t + 1 < T else np.zeros_like(listed[t])
            high, low = self._moves(weights, included, listed[t], after, actions[t])
            if one.horizon is None:
                above, below = high / (1 - one.delta), low / (1 - one.delta)
            else:
                above, below = high + one.delta * above, low + one.delta * below
        mean = Fraction(one.first(included, listed[0])) / 2**self.bits
        return one.delta * (mean + above), one.delta * (mean + below)

    def _moves(self, weights: Any, included: Any, here: Any, after: Any, actions: Any) -> tuple[Fraction, Fraction]:
        """max over states and feasible actions of r + delta E v' - v, and the least of it under the policy."""
        one = self.instance
        high, low = None, None
        for h in range(one.H):
            if not np.isin(actions[h], np.flatnonzero(one.feasible[:, h])).all():
                raise ValueError("the policy takes an infeasible action")
            for a in np.flatnonzero(one.feasible[:, h]).tolist():
                flow, scale = one.flow(weights, included, a, h)
                future, spread = one.future(included, after[one.next[a, h]], a, h)
                common = math.lcm(scale, spread * one.delta.denominator) * 2**self.bits
                move = (
                    flow * (common // scale)
                    + future * (one.delta.numerator * (common // (spread * one.delta.denominator * 2**self.bits)))
                    - here[h] * (common // 2**self.bits)
                )
                top = Fraction(int(np.max(move)), common)
                high = top if high is None or top > high else high
                taken = np.broadcast_to(move, actions[h].shape)[actions[h] == a]
                if taken.size:
                    bottom = Fraction(int(np.min(taken)), common)
                    low = bottom if low is None or bottom < low else low
        assert high is not None
        assert low is not None
        return high, low


def _subsets(instance: Instance, base: Sequence[int]) -> Iterator[tuple[int, ...]]:
    loose = [i for i in base if instance.agents[i].additive]
    for count in range(len(loose) + 1):
        for out in itertools.combinations(loose, count):
            yield tuple(i for i in base if i not in out)


def _types(instance: Instance, optima: _Optima, profiles: Any) -> tuple[Fraction, Fraction, list[Check]]:
    agents = instance.agents
    every = list(itertools.product(*(range(len(one.A)) for one in agents)))
    if len(every) != len(profiles):
        raise ValueError("one entry per profile of types")
    listed = dict(zip(every, profiles, strict=True))
    upper, gross, kept = ZERO, ZERO, ZERO
    gains: dict[Any, Fraction] = {}
    for k, row in listed.items():
        phi = [one.phi[j] for one, j in zip(agents, k, strict=True)]
        chance = Fraction(1)
        for one, j in zip(agents, k, strict=True):
            chance *= one.f[j]
        base = tuple(i for i, one in enumerate(agents) if one.additive or phi[i] > 0)
        included = tuple(row["included"])
        if included not in set(_subsets(instance, base)):
            raise ValueError("who takes part")
        upper += chance * max(optima.entry(phi, subset).upper for subset in _subsets(instance, base))
        policy = optima.entry(phi, included).policy
        gross += chance * optima.bounds([one.A[j] for one, j in zip(agents, k, strict=True)], included,
                                        row["worth"], policy)[1]  # fmt: skip
        for i in included:
            one = agents[i]
            if k[i] + 1 == len(one.A):
                continue
            alpha = Fraction(1) if one.additive else phi[i] / one.A[k[i]]
            lie = list(phi)
            lie[i] = phi[i] + alpha * (one.A[k[i] + 1] - one.A[k[i]])
            gain = (optima.entry(lie, included).upper - optima.entry(phi, included).sure) / alpha
            gains[i, k] = gain
            kept += gain * chance / one.f[k[i]] * one.tail(k[i] + 1)
    least = min(gains.values(), default=ZERO)
    checks = [Check("gains from reporting the type below are not negative", max(0.0, -float(least)), least >= 0)]
    lower = gross - kept
    if not all(one.regular for one in agents):  # truth may fail at t = 0: all that is sure is to deal with nobody
        lower = optima.entry([one.phi[0] for one in agents], ()).sure
    return lower, upper, checks


def _stretches(instance: Instance, optima: _Optima, rows: Any) -> tuple[Fraction, Fraction, list[Check]]:
    one = instance.agents[0]
    if instance.n != 1 or one.support is None:
        raise ValueError("stretches are for one agent with uniform signals")
    low, high = one.support
    at, upper, lower = low, ZERO, ZERO
    nobody = optima.entry([ZERO], ())
    for row in rows:
        ends = fraction(row["low"]), fraction(row["high"])
        if ends[0] != at or not ends[0] < ends[1] <= high:
            raise ValueError("stretches follow each other over the whole support")
        weights = [one.virtual(s) for s in ends]
        policy = row.get("policy")
        included = tuple(row["included"])
        if included not in ((), (0,)):
            raise ValueError("who takes part")
        found = []
        for w, values in zip(weights, row["values"], strict=True):
            some = policy if policy is not None else instance.some_policy((0,))
            found.append(optima.bounds([w], (0,), values, some))
        mass = (ends[1] - ends[0]) / (high - low)
        upper += mass * sum((max(above, nobody.upper) for above, _ in found), ZERO) / 2
        lower += mass * (sum((below for _, below in found), ZERO) / 2 if included else nobody.sure)
        at = ends[1]
    return lower, upper, [Check("stretches reach the highest signal", float(high - at), at == high)]
