"""The rows of every restriction (models/composition/restrictions.py)."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.composition.environment import Environment
from mechopt.models.composition.rows import Block, Family, Indices, integers, zeros
from mechopt.models.inputs import fail

if TYPE_CHECKING:
    from mechopt.models.composition.restrictions import Row


def nothing_rows(environment: Environment, where: Any, name: str, words: str) -> Family:
    """q = 0 at the cells (I, P, J) where `where` holds."""
    cells = np.flatnonzero(np.asarray(where, dtype=bool).ravel())
    block = Block(np.arange(len(cells)), cells, -np.ones(len(cells), np.int64))
    P, J = environment.profiles, environment.goods
    labels = {"bidder": cells // (P * J), "profile": cells // J % P, "good": cells % J}
    return Family(name, "restrictions", words, {"q": block}, zeros(len(cells)), labels=labels)


def efficient_rows(environment: Environment) -> Family:
    """Every profile's welfare reaches the full surplus."""
    own, den = environment.own
    margin = own - environment.whole[1]
    B, P, J = environment.count, environment.profiles, environment.goods
    profile = np.broadcast_to(np.arange(P)[None, :, None], (B, P, J)).ravel()
    block = Block(profile, np.arange(B * P * J), margin.ravel(), den)
    surplus, over = environment.surplus
    words = "the goods go to those who value them most"
    return Family("efficient", "restrictions", words, {"q": block}, surplus, over, labels={"profile": np.arange(P)})


def anonymous_rows(environment: Environment) -> list[Family]:
    """Rows for every swap of neighbouring bidders, which generate all permutations."""
    if len(set(environment.exact)) > 1:
        raise fail("anonymous", "bidders with the same types", "types that differ", "leave anonymous out")
    B, P, J = environment.count, environment.profiles, environment.goods
    here, there = [], []
    for i in range(B - 1):
        swapped = environment.steps.copy()
        swapped[:, [i, i + 1]] = swapped[:, [i + 1, i]]
        other = swapped @ environment.strides
        for b in range(B):
            to = {i: i + 1, i + 1: i}.get(b, b)
            a, c = b * P + np.arange(P), to * P + other
            here.append(a[a < c])
            there.append(c[a < c])
    a, c = np.concatenate(here), np.concatenate(there)
    words = "bidders who change places change allocation and payment"
    rows = np.arange(len(a))
    m = _differ(rows, a, c)
    cells = np.arange(len(a) * J)
    q = _differ(cells, (a[:, None] * J + np.arange(J)).ravel(), (c[:, None] * J + np.arange(J)).ravel())
    label = {"seat": a, "other": c}
    goods = {"seat": np.repeat(a, J), "other": np.repeat(c, J), "good": np.tile(np.arange(J), len(a))}
    return [Family("fair_q", "restrictions", words, {"q": q}, zeros(len(cells)), equal=True, labels=goods),
            Family("fair_m", "restrictions", words, {"m": m}, zeros(len(a)), equal=True, labels=label)]  # fmt: skip


def _differ(rows: Indices, first: Indices, second: Indices) -> Block:
    one = np.ones(len(rows), np.int64)
    return Block(np.r_[rows, rows], np.r_[first, second], np.r_[one, -one])


def good_groups(environment: Environment) -> Indices:
    """Per good and profile the first profile with the same values of that good, (J, P)."""
    own, _ = environment.own
    found = []
    for j in range(environment.goods):
        _, first, inverse = np.unique(own[:, :, j].T, axis=0, return_index=True, return_inverse=True)
        found.append(first[inverse.ravel()])
    return np.array(found, dtype=np.int64)


def separable_rows(environment: Environment) -> list[Family]:
    """Allocation and payment of a good depend on the values of that good."""
    B, P, J = environment.count, environment.profiles, environment.goods
    first = good_groups(environment)
    same_q, same_to, part = [], [], []
    for i in range(B):
        for j in range(J):
            moved = np.flatnonzero(first[j] != np.arange(P))
            same_q.append((i * P + moved) * J + j)
            same_to.append((i * P + first[j][moved]) * J + j)
            part.append((i * P + first[j]) * J + j)
    a, c = np.concatenate(same_q), np.concatenate(same_to)
    seats = np.arange(B * P)
    sums = np.array(part).reshape(B, J, P).transpose(0, 2, 1).reshape(-1)  # bidder, profile, good
    words = "what happens to a good depends on the values of that good alone"
    one = np.ones(len(seats), np.int64)
    return [
        Family("apart_q", "restrictions", words, {"q": _differ(np.arange(len(a)), a, c)}, zeros(len(a)), equal=True,
               labels={"cell": a, "other": c}),
        Family("apart_m", "restrictions", words, {"m": Block(seats, seats, one),
               "part": Block(np.repeat(seats, J), sums, -np.ones(len(sums), np.int64))}, zeros(len(seats)), equal=True,
               labels={"seat": seats}),
    ]  # fmt: skip


def monotone_rows(environment: Environment) -> Family:
    """Rows between a type and the next one up in a single good."""
    B, P, J = environment.count, environment.profiles, environment.goods
    low: list[Indices] = []
    high: list[Indices] = []
    bidders: list[Indices] = []
    goods: list[Indices] = []
    for i, own in enumerate(environment.exact):
        for j in range(J):
            order = sorted(range(len(own)), key=lambda k: (own[k][:j] + own[k][j + 1 :], own[k][j]))
            for k, n in itertools.pairwise(order):
                if own[k][:j] + own[k][j + 1 :] == own[n][:j] + own[n][j + 1 :]:
                    profile = np.flatnonzero(environment.steps[:, i] == k)
                    low.append((i * P + profile) * J + j)
                    high.append((i * P + profile + (n - k) * int(environment.strides[i])) * J + j)
                    bidders.append(np.full(len(profile), i))
                    goods.append(np.full(len(profile), j))
    if not low:
        return Family("monotone", "restrictions", "", {}, zeros(0))
    a, c = np.concatenate(low), np.concatenate(high)
    labels = {"bidder": np.concatenate(bidders), "good": np.concatenate(goods), "low": a // J % P, "high": c // J % P}
    assert B
    words = "chances do not fall as values rise"
    return Family(
        "monotone", "restrictions", words, {"q": _differ(np.arange(len(a)), c, a)}, zeros(len(a)), labels=labels
    )


def caps_rows(environment: Environment, budgets: tuple[Fraction, ...]) -> Family:
    """Nobody pays more than her budget."""
    B, P = environment.count, environment.profiles
    if len(budgets) not in (1, B):
        raise fail("budgets", f"{B} numbers, one per bidder, or one for all", f"{len(budgets)}")
    seats = np.arange(B * P)
    block = Block(seats, seats, -np.ones(len(seats), np.int64))
    whole, den = integers([-b for b in budgets * (B // len(budgets))])
    labels = {"bidder": seats // P, "profile": seats % P}
    words = "nobody pays more than her budget"
    return Family("cap", "restrictions", words, {"m": block}, np.repeat(whole, P), den, labels=labels)


def own_rows(environment: Environment, rows: tuple[Row, ...]) -> list[Family]:
    """The user's own rows, one family per name and sense."""
    groups: dict[tuple[str, bool], list[tuple[int, Row]]] = {}
    for n, row in enumerate(rows):
        groups.setdefault((row.name, row.sense == "=="), []).append((n, row))
    return [_own(environment, name, equal, members) for (name, equal), members in groups.items()]


def _own(environment: Environment, name: str, equal: bool, members: list[tuple[int, Row]]) -> Family:
    P, J = environment.profiles, environment.goods
    cells: dict[str, list[tuple[int, int, Fraction]]] = {"q": [], "m": []}
    for k, (n, row) in enumerate(members):
        sign = -1 if row.sense == "<=" else 1
        for t, term in enumerate(row.terms):
            field = f"rows[{n}].terms[{t}]"
            if term.bidder > environment.count:
                raise fail(f"{field}.bidder", f"a bidder from 1 to {environment.count}", term.bidder)
            if term.good is not None and term.good > J:
                raise fail(f"{field}.good", f"a good from 1 to {J}", term.good)
            if len(term.types) != environment.count or any(
                k > K for k, K in zip(term.types, environment.shape, strict=False)
            ):
                got = ", ".join(map(str, term.types))
                raise fail(f"{field}.types", "a place in every bidder's list of types, from 1", got)
            seat = (term.bidder - 1) * P + int(
                sum((x - 1) * s for x, s in zip(term.types, environment.strides, strict=True))
            )
            variable, col = ("m", seat) if term.good is None else ("q", seat * J + term.good - 1)
            cells[variable].append((k, col, sign * term.coefficient))
    blocks = {}
    for variable, found in cells.items():
        if found:
            whole, den = integers([c for *_, c in found])
            blocks[variable] = Block(np.array([k for k, *_ in found]), np.array([c for _, c, _ in found]), whole, den)
    whole, den = integers([(-1 if row.sense == "<=" else 1) * row.right for _, row in members])
    labels = {"row": np.array([n for n, _ in members])}
    title = f"own_{name}" + ("_equal" if equal else "")
    return Family(title, "restrictions", f"your rows {name!r}", blocks, whole, den, equal, labels)
