"""What listed values prove of a weighted welfare, exactly; part of the checker of `virtual-pivot`.

Values v, whole multiples of 2^-bits, bracket the optimum by how far the Bellman operator T moves them: T v - v <= e
everywhere gives v* <= v + e / (1 - delta), and the same for a policy from below.
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

ZERO = Fraction(0)


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


class Optima:
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


def subsets(instance: Instance, base: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Every set of agents who may take part: those of `base`, with or without any additive agent who could do harm.

    An agent is harmless if every action has another one beside it that serves all others alike, moves the public state
    alike, costs no more and gives her nothing: then being worth at least as much with her is certain.
    """
    loose = [i for i in base if instance.agents[i].additive and i not in instance.harmless]
    for count in range(len(loose) + 1):
        for out in itertools.combinations(loose, count):
            yield tuple(i for i in base if i not in out)


def most(instance: Instance, optima: Optima, weights: Sequence[Fraction]) -> Fraction:
    """What W0 is at most, over policies and over who takes part."""
    base = tuple(i for i, one in enumerate(instance.agents) if one.additive or weights[i] > 0)
    return max(optima.entry(weights, included).upper for included in subsets(instance, base))
