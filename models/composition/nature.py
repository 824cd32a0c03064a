"""Ambiguity sets laid out over the profiles of an environment: atoms, their masses, and the rows on their weights."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from mechopt.models.composition.environment import Environment
from mechopt.models.composition.rows import Block, Indices, Integers, integers
from mechopt.models.inputs import InputError, fail, plain, shorten

if TYPE_CHECKING:
    from mechopt.models.composition.ambiguity import Ambiguity

MOST_ATOMS = 2_000_000


@dataclass(frozen=True)
class NatureRow:
    """Rows of an ambiguity set over its atoms: R alpha = right (`equal`) or R alpha <= right."""

    name: str
    block: Block  # rows, atoms
    right: Integers
    den: int
    equal: bool


@dataclass(frozen=True)
class Nature:
    """An ambiguity set laid out: mass of each atom on profiles (rows profiles, columns atoms), and its rows."""

    mass: Block
    atoms: int
    rows: tuple[NatureRow, ...]
    labels: dict[str, Indices]


def lay_out(chosen: Ambiguity, environment: Environment) -> Nature:
    """The set laid out over an environment's profiles. Raises InputError where it does not fit or is empty."""
    inside = _inside(chosen, environment)
    made = {
        "support": _profiles, "priors": _mixtures, "box": _profiles,
        "total-variation": _variation, "wasserstein": _transport,
    }[chosen.kind](chosen, environment, inside)  # fmt: skip
    rows = made.rows + _moment_rows(chosen, environment, made)
    return Nature(made.mass, made.atoms, rows, made.labels)


def _inside(chosen: Ambiguity, environment: Environment) -> Indices:
    """Profiles in the support."""
    own, den = environment.own
    keep = np.ones(environment.profiles, dtype=bool)
    for k, half in enumerate(chosen.support):
        shape = (environment.count, environment.goods)
        if len(half.weights) != shape[0] or any(len(row) != shape[1] for row in half.weights):
            wanted = f"{shape[0]} lists of {shape[1]} numbers, one per bidder and good"
            raise fail(f"support[{k}].weights", wanted, shorten([[plain(x) for x in r] for r in half.weights]))
        weights, over = integers([x for row in half.weights for x in row])
        total = (own.astype(object) * weights.astype(object).reshape(shape[0], 1, shape[1])).sum(axis=(0, 2))
        keep &= np.array([Fraction(int(x), over * den) <= half.at_most for x in total], dtype=bool)
    if not keep.any():
        raise fail("support", "half-spaces that hold at least one profile of types", "none")
    return np.flatnonzero(keep)


def _profiles(chosen: Ambiguity, environment: Environment, inside: Indices) -> Nature:
    count = len(inside)
    at = np.arange(count)
    ones = np.ones(count, np.int64)
    rows = [NatureRow("t", Block(0 * at, at, ones), np.ones(1, np.int64), 1, True)]
    if chosen.kind == "box":
        p, den = _centre(chosen, environment)
        radius = chosen.radius or Fraction(0)
        whole = [Fraction(int(x), den) for x in p]
        if any(whole[v] > radius for v in set(range(len(whole))) - set(inside.tolist())):
            raise fail("support", "half-spaces that hold what the box does not let go to zero", "too few profiles")
        low, low_den = integers([min(radius - whole[v], Fraction(0)) for v in inside])
        high, high_den = integers([radius + whole[v] for v in inside])
        rows += [NatureRow("low", Block(at, at, -ones), low, low_den, False),
                 NatureRow("high", Block(at, at, ones), high, high_den, False)]  # fmt: skip
    return Nature(Block(inside, at, ones), count, tuple(rows), {"profile": inside})


def _mixtures(chosen: Ambiguity, environment: Environment, inside: Indices) -> Nature:
    blocks = []
    for n, prior in enumerate(chosen.priors):
        try:
            p, den = prior.table(environment)
        except InputError as error:
            raise error.within(f"priors[{n}]") from None
        where = np.flatnonzero(p != 0)
        if not np.isin(where, inside).all():
            raise fail(f"priors[{n}]", "a prior that keeps to the support", "mass outside it")
        blocks.append(Block(where, np.full(len(where), n), p[where], den))
    count = len(chosen.priors)
    at = np.arange(count)
    row = NatureRow("t", Block(0 * at, at, np.ones(count, np.int64)), np.ones(1, np.int64), 1, True)
    return Nature(Block.stacked(blocks), count, (row,), {"prior": at})


def _centre(chosen: Ambiguity, environment: Environment) -> tuple[Integers, int]:
    """The centre of a ball as probabilities of profiles; samples must be types."""
    if chosen.centre is not None:
        try:
            return chosen.centre.table(environment)
        except InputError as error:
            raise error.within("centre") from None
    goods = environment.goods
    found = np.zeros(environment.profiles, dtype=np.int64)
    place = [{t: k for k, t in enumerate(own)} for own in environment.exact]
    for n, row in enumerate(_samples(chosen, environment)):
        at = 0
        for i in range(environment.count):
            t = tuple(row[i * goods : (i + 1) * goods])
            if t not in place[i]:
                hint = 'only kind = "wasserstein" takes samples between the types'
                raise fail(f"samples[{n}]", f"types of bidder {i + 1}", [plain(x) for x in t], hint)
            at += place[i][t] * int(environment.strides[i])
        found[at] += 1
    return found, len(chosen.samples)


def _samples(chosen: Ambiguity, environment: Environment) -> tuple[tuple[Fraction, ...], ...]:
    size = environment.count * environment.goods
    for n, row in enumerate(chosen.samples):
        if len(row) != size:
            raise fail(f"samples[{n}]", f"{size} values, one per bidder and good", f"{len(row)}")
    return chosen.samples


def _variation(chosen: Ambiguity, environment: Environment, inside: Indices) -> Nature:
    p, den = _centre(chosen, environment)
    held = np.flatnonzero(p != 0)
    stays = held[np.isin(held, inside)]
    N, S, A = len(held), len(stays), len(inside)
    place = np.searchsorted(held, stays)
    leave, arrive = S + np.arange(N), S + N + np.arange(A)

    def one(n: int) -> Indices:
        return np.ones(n, dtype=np.int64)

    mass = Block(np.r_[stays, inside], np.r_[np.arange(S), arrive], one(S + A))
    radius, over = integers([chosen.radius or Fraction(0)])
    rows = (
        NatureRow("t", Block(np.r_[place, np.arange(N)], np.r_[np.arange(S), leave], one(S + N)), p[held], den, True),
        NatureRow("move", Block(np.zeros(N + A, int), np.r_[leave, arrive], np.r_[one(N), -one(A)]),
                  np.zeros(1, np.int64), 1, True),
        NatureRow("radius", Block(np.zeros(A, int), arrive, one(A)), radius, over, False),
    )  # fmt: skip
    kinds = np.r_[np.zeros(S, int), one(N), 2 * one(A)]
    return Nature(mass, S + N + A, rows, {"kind": kinds, "profile": np.r_[stays, held, inside]})


def _transport(chosen: Ambiguity, environment: Environment, inside: Indices) -> Nature:
    if chosen.centre is not None:
        p, den = _centre(chosen, environment)
        held = np.flatnonzero(p != 0)
        points = [tuple(x for i in range(environment.count) for x in environment.exact[i][environment.steps[v, i]])
                  for v in held.tolist()]  # fmt: skip
        weights = p[held]
    else:
        counts = Counter(_samples(chosen, environment))
        points, den = list(counts), len(chosen.samples)
        weights = np.array(list(counts.values()), dtype=np.int64)
    N, A = len(points), len(inside)
    if N * A > MOST_ATOMS:
        got = f"{N:,} samples x {A:,} profiles"
        raise fail("samples", f"at most {MOST_ATOMS:,} pairs of a sample and a profile", got, "use fewer points")
    own, own_den = environment.own
    flat = np.moveaxis(own, 0, 1).reshape(environment.profiles, -1)[inside]  # (A, I J)
    listed, list_den = integers([x for row in points for x in row])
    common = own_den * list_den
    size = max(int(np.abs(flat).max(initial=0)) * list_den, int(np.abs(listed).max(initial=0)) * own_den)
    kind = np.int64 if size * flat.shape[1] < 2**62 else object
    here = flat.astype(kind) * list_den
    there = listed.astype(kind).reshape(N, -1) * own_den
    distance = np.stack([np.abs(here - row).sum(axis=1) for row in there])  # (N, A)
    at = np.arange(N * A)
    radius, over = integers([chosen.radius or Fraction(0)])
    rows = (
        NatureRow("t", Block(at // A, at, np.ones(N * A, np.int64)), weights, den, True),
        NatureRow("radius", Block(0 * at, at, distance.ravel(), common), radius, over, False),
    )
    mass = Block(np.tile(inside, N), at, np.ones(N * A, np.int64))
    return Nature(mass, N * A, rows, {"sample": at // A, "profile": np.tile(inside, N)})


def _moment_rows(chosen: Ambiguity, environment: Environment, made: Nature) -> tuple[NatureRow, ...]:
    sides = chosen.sides(environment)
    if not sides:
        return ()
    own, den = environment.own
    blocks = []
    for k, (bidder, good, power, sign, _) in enumerate(sides):
        f = sign * own[bidder, :, good].astype(object) ** power  # over den^power
        entries = f[made.mass.rows] * made.mass.whole.astype(object)
        where = np.full(len(entries), k)
        blocks.append(Block(where, made.mass.cols, entries, den**power * made.mass.den))
    right, over = integers([bound for *_, bound in sides])
    return (NatureRow("sigma", Block.stacked(blocks), right, over, False),)
