"""The auction's program, smaller: bidders with equal bounds share one rule, and one good needs adjacent rows only.

Program (3.1) is linear, and permuting bidders with equal bounds maps a mechanism to one with the same worst regret.
The average over all such permutations is therefore optimal whenever any mechanism is, and in it a bidder's rule
depends on her own values and on the others' up to their order. One column (`seat`) stands for every pair of a bidder
and a profile that look alike: her kind, her own type, the others' types sorted within each kind. One row stands for
every profile that looks alike (`orbit`). The multiplier of a row here is the sum of those it stands for.

In one good, q^i(v) and m^i(v) that satisfy the rows between neighbouring values of bidder i satisfy all of gamma^i:
the two rows of a pair make q^i rise, and along a rising q^i the gains of single steps add up (single crossing).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mechopt.models.regret.regret_auction import RegretAuction
from mechopt.solvers.program import Array, Program

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Orbits:
    """Which column and which row stand for whom. K types per bidder, I bidders, P = K^I profiles, C seats, O orbits.

    `steps` (P, I): types per profile. `seat` (P, I): the column of bidder i in profile v; the K seats of one kind of
    bidder against the same others are neighbours, her own type rising. `orbit` (P,): the row of profile v. `first`
    (O,): a profile of each orbit. `kinds` (I,): bidders with equal bounds have equal kinds.
    """

    steps: Indices
    seat: Indices
    orbit: Indices
    first: Indices
    kinds: Indices
    types: int

    @cached_property
    def weight(self) -> Array:
        """How many pairs of a bidder and a profile each seat stands for, (C,)."""
        return np.bincount(self.seat.ravel()).astype(float)

    @cached_property
    def size(self) -> Array:
        """How many profiles each orbit holds, (O,)."""
        return np.bincount(self.orbit).astype(float)

    @cached_property
    def owner(self) -> Indices:
        """A bidder who sits on each seat, (C,)."""
        owner = np.zeros(len(self.weight), dtype=np.int64)
        for i in reversed(range(len(self.kinds))):
            owner[self.seat[:, i]] = i
        return owner

    @cached_property
    def total(self) -> Any:
        """The sum over the bidders of a profile, by orbit and seat: sparse, (O, C)."""
        seats = self.seat[self.first]
        rows = np.repeat(np.arange(len(seats)), seats.shape[1])
        return sp.csr_array((np.ones(seats.size), (rows, seats.ravel())), shape=(len(seats), len(self.weight)))

    def per_seat(self, table: Array) -> Array:
        """A table by bidder and type, (I, K, ...), read off at every seat, (C, ...)."""
        return np.asarray(table[self.owner, np.arange(len(self.weight)) % self.types])


def orbits(model: RegretAuction) -> Orbits:
    """The orbits of an instance's profiles under the permutations of bidders with equal bounds.

    >>> found = orbits(RegretAuction(bidders=2, upper=[1], points=1))
    >>> assert len(found.first) == 3 and found.weight.tolist() == [2, 2, 2, 2]
    """
    K, bidders = model.types, model.bidders
    steps = np.stack(np.unravel_index(np.arange(K**bidders), (K,) * bidders), axis=1)
    distinct = list(dict.fromkeys(model.bounds))
    kinds = np.array([distinct.index(bound) for bound in model.bounds])
    _, first, orbit = np.unique(_code(steps, kinds, K), return_index=True, return_inverse=True)
    seat, used = np.empty_like(steps), 0
    for kind in range(len(distinct)):
        members = np.flatnonzero(kinds == kind)
        others = [_code(np.delete(steps, i, axis=1), np.delete(kinds, i), K) for i in members]
        codes, line = np.unique(np.stack(others, axis=1), return_inverse=True)
        seat[:, members] = used + line.reshape(len(steps), -1) * K + steps[:, members]
        used += len(codes) * K
    return Orbits(steps, seat, orbit, first, kinds, K)


def _code(steps: Indices, kinds: Indices, types: int) -> Indices:
    """One number per profile, the same for profiles that differ by the order of bidders of one kind."""
    code = np.zeros(len(steps), dtype=np.int64)
    for kind in np.unique(kinds):
        for column in np.sort(steps[:, kinds == kind], axis=1).T:
            code = code * types + column
    return code


def pairs(found: Orbits, adjacent: bool) -> tuple[Indices, Indices]:
    """Seats whose owner may report another type, and the seat she would then have: neighbours only, or all types."""
    K = found.types
    own = np.arange(K)
    true, report = np.meshgrid(own, own, indexing="ij")
    wanted = np.abs(true - report) == 1 if adjacent else true != report
    lines = K * np.arange(len(found.weight) // K)[:, None]
    return (lines + true[wanted]).ravel(), (lines + report[wanted]).ravel()


def program(model: RegretAuction, found: Orbits) -> Program:
    """Program (3.1) with one column per seat and one row per orbit; money in units of the highest bound."""
    unit = float(max(model.best))
    values = model.values / unit  # (I, K, J)
    V = found.per_seat(values)  # (C, J)
    here, there = pairs(found, adjacent=model.goods == 1)
    profile = found.steps[found.first]  # (O, I)
    surplus = values[np.arange(model.bidders), profile].max(axis=1).sum(axis=1)  # (O,)
    r = cp.Variable(name="r")
    q = cp.Variable(V.shape, name="q")
    m = cp.Variable(len(V), name="m")
    truth = cp.sum(cp.multiply(V, q), axis=1) - m
    lie = cp.sum(cp.multiply(V[here], q[there]), axis=1) - m[there]
    return Program(cp.Minimize(r), {
        "alpha": r >= surplus - found.total @ m,
        "beta": truth >= 0,
        "gamma": truth[here] >= lie,
        "lambda": found.total @ q <= 1,
        "chance": q >= 0,
    })  # fmt: skip


def rounding(model: RegretAuction, found: Orbits) -> Program:
    """One good: the best auction among those that round every report up to the grid; feasible on the continuum.

    Every value in the cell (g_{k-1}, g_k] counts as g_k, and the lowest value as itself. A bidder whose allocation
    rises from cell to cell pays g_{k-1} for what she gains by entering cell k. Then no value in cell k gains by
    another report, since l is better than l - 1 exactly from g_{l-1} on. Within a cell the regret is largest at its
    upper corner. In the letters of (3.1), g_0 for g_{-1}:

        min   r
        s.t.  r >= max_i g_{k^i} - sum_i m^i(k)                         [alpha(k)]
              m^i(k) - m^i(k^i - 1, k^-i) = g_{k-1} (q^i(k) - q^i(k^i - 1, k^-i)),  m^i(0, k^-i) = g_0 q^i(0, k^-i)
              q^i(k) >= q^i(k^i - 1, k^-i) >= 0,  sum_i q^i(k) <= 1
    """
    unit = float(max(model.best))
    grid = model.values[:, :, 0] / unit  # (I, K)
    K = found.types
    threshold = found.per_seat(np.concatenate([grid[:, :1], grid[:, :-1]], axis=1))
    top = np.arange(len(found.weight)).reshape(-1, K)
    enter, before, lowest = top[:, 1:].ravel(), top[:, :-1].ravel(), top[:, 0]
    profile = found.steps[found.first]
    highest = grid[np.arange(model.bidders), profile].max(axis=1)
    r = cp.Variable(name="r")
    q = cp.Variable(len(threshold), name="q")
    m = cp.Variable(len(threshold), name="m")
    return Program(cp.Minimize(r), {
        "alpha": r >= highest - found.total @ m,
        "gamma": m[enter] - m[before] == cp.multiply(threshold[enter], q[enter] - q[before]),
        "beta": m[lowest] == cp.multiply(threshold[lowest], q[lowest]),
        "rise": q[enter] >= q[before],
        "floor": q[lowest] >= 0,
        "lambda": found.total @ q <= 1,
    })  # fmt: skip
