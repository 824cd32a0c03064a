"""How a second price auction is solved: nature's reply by row generation, the best reserve by search, exact proof."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from mechopt.models.auctions.moment_auction import MomentAuction
from mechopt.models.auctions.moment_auction_check_price import Instance, lower, upper, upper_all
from mechopt.models.auctions.moment_auction_nature import Grid, Reply, reply
from mechopt.models.auctions.moment_auction_reserves import WIDTH, walk
from mechopt.models.moments import Side
from mechopt.models.outcome import Array, Options
from mechopt.solvers.certificate import project
from mechopt.solvers.rational import Rational, rational, text

BELOW = Fraction(1, 2**60)  # how far under the reserve nature's values just below it are put
APART = Fraction(1, 2**18)  # the same where equalities between moments need more room
SCAN = 24  # reserves at which the search for the best one starts
ROUNDS, MOST_NODES = 60, 1500  # of refining the cells on which powers are bounded


@dataclass(frozen=True)
class Priced:
    """A reserve, nature's reply to it on the grid, and the certificate's part."""

    reserve: Fraction
    reply: Reply
    grid: Grid
    part: dict[str, Any]


def priced(model: MomentAuction, options: Options) -> Priced:
    """The given reserve or the best one, with nature's reply."""
    reserve = best(model, options) if model.reserve is None else model.reserve
    grid = model.grid(reserve)
    found = reply(grid, model.sides, model.bidders, options)
    part: dict[str, Any] = {"reserve": str(reserve), "sigma": [text(rational(float(s))) for s in found.sigma]}
    if any(side.power > 1 for side in model.sides):
        part["nodes"] = [str(x) for x in _nodes(model, reserve, found.sigma)]
    part["nature"] = _distribution(model, grid, found)
    instance = Instance(model.parameters())
    if model.moments and not all(c.passed for c in upper(instance, rational(reserve), part["nature"])[1]):
        apart = Grid.of(model.nodes, reserve, APART)  # r- cannot be moved with the moments as they are: farther off
        part["nature"] = _distribution(model, apart, reply(apart, model.sides, model.bidders, options))
    if model.reserve is None:
        if model.mean is None:
            part |= _every(model, reserve, part, options)
        else:
            part["every_reserve"] = text(_ceiling(model, reserve, part))
    return Priced(reserve, found, grid, part)


def best(model: MomentAuction, options: Options) -> Fraction:
    """The reserve with the largest worst-case revenue: a scan, then a search of the best bracket, on a coarse grid.

    Zero when it does as well as any, for it also serves every bidder.
    """
    started = time.monotonic()

    def worth(r: float) -> float:
        left = options.time_limit
        if left is not None and (left := left - (time.monotonic() - started)) <= 0:
            return 0.0
        exact = Fraction(r)
        return reply(ends.grid(exact), ends.sides, ends.bidders, replace(options, time_limit=left)).value

    ends = replace(model, points=1) if model.mean is not None else model
    where = [float(model.mean or 1) * k / SCAN for k in range(SCAN + 1)]
    values = [worth(r) for r in where]
    top = int(np.argmax(values))
    span = (where[max(top - 1, 0)], where[min(top + 1, SCAN)])
    found = minimize_scalar(lambda r: -worth(float(r)), bounds=span, method="bounded", options={"xatol": 1e-11})
    finest = max(-float(found.fun), values[top])
    if values[0] >= finest - 1e-12:
        return Fraction(0)
    return Fraction(float(found.x) if -float(found.fun) >= values[top] else where[top])


def _ceiling(model: MomentAuction, reserve: Fraction, part: Mapping[str, Any]) -> Rational:
    """The least of a few numbers just above the reserve's own guarantee that no other reserve exceeds."""
    instance = Instance(model.parameters())
    low, _ = lower(instance, rational(reserve), part)
    for bits in (*range(56, 3, -2), 0):
        claim = low + rational(Fraction(1, 2**bits))
        if all(check.passed for check in upper_all(instance, claim)):
            return claim
    return rational(1)


def _every(model: MomentAuction, reserve: Fraction, part: Mapping[str, Any], options: Options) -> dict[str, Any]:
    """Nature's answers to all reserves, and the most any of them earns against these."""
    started = time.monotonic()
    stop = None if options.time_limit is None else started + options.time_limit
    low, _ = lower(Instance(model.parameters()), rational(reserve), part)

    def answer(r: Fraction) -> list[Any]:
        grid = model.grid(r)
        return _distribution(model, grid, reply(grid, model.sides, model.bidders, replace(options, time_limit=None)))

    width = WIDTH if options.gap is None else options.gap * 0.99
    best = max(float(low.p) / float(low.q), 0.0)
    while width < 1:
        if (found := walk(answer, best + width, stop, options.progress)) is not None:
            return {"cover": found.parts, "every_reserve": text(rational(Fraction(found.claim)))}
        if stop is not None and time.monotonic() > stop:
            break
        width *= 2
    return {"cover": [{"low": "0", "high": "1", "nature": answer(reserve)}], "every_reserve": "1"}


def _distribution(model: MomentAuction, grid: Grid, found: Reply) -> list[Any]:
    """Nature's atoms in rationals, r- put below the reserve for good, with the moments exactly as known."""
    place = [x - BELOW if k == grid.first - 1 and x == grid.reserve else x for k, x in enumerate(grid.exact)]
    atoms = [tuple(place[k] for k in profile) for profile in found.atoms.tolist()]
    mass = [Fraction(float(p)) for p in found.mass]
    mass = [p / sum(mass) for p in mass]
    if all(side.sign < 0 for side in model.sides):  # mixed with everyone at 1
        atoms.append((Fraction(1),) * model.bidders)
        return _listed(atoms, _mixed(model.sides, atoms, [*mass, Fraction(0)]))
    if all(side.sign > 0 for side in model.sides):  # mixed with everyone at 0
        atoms.append((Fraction(0),) * model.bidders)
        return _listed(atoms, _mixed(model.sides, atoms, [*mass, Fraction(0)]))
    return _listed(atoms, _projected(model.sides, atoms, mass, found.sigma))


def _mixed(rows: Sequence[Side], atoms: Sequence[tuple[Fraction, ...]], mass: list[Fraction]) -> list[Fraction]:
    share = Fraction(0)
    for row in rows:
        here = sum((p * row.sign * v[row.good] ** row.power for p, v in zip(mass, atoms, strict=True)), Fraction(0))
        there = row.sign * atoms[-1][row.good] ** row.power
        if here > row.bound and here > there:
            share = max(share, min((here - row.bound) / (here - there), Fraction(1)))
    return [p * (1 - share) + (share if k == len(mass) - 1 else 0) for k, p in enumerate(mass)]


def _projected(
    rows: Sequence[Side], atoms: Sequence[tuple[Fraction, ...]], mass: list[Fraction], sigma: Array
) -> list[Fraction]:
    """The masses moved so that they sum to one and the rows that bind hold with equality.

    Rows without a multiplier may bind too: they are tried together with the others, and without them.
    """
    table = [[row.sign * v[row.good] ** row.power for v in atoms] for row in rows]
    miss = [float(sum((p * f for p, f in zip(mass, line, strict=True)), Fraction(0)) - row.bound)
            for row, line in zip(rows, table, strict=True)]  # fmt: skip
    order = sorted(range(len(mass)), key=lambda k: -mass[k])
    one: dict[int, Rational] = {k: rational(1) for k in range(len(mass))}
    for near in (-1e-9, 1.0):
        tight = [k for k, s in enumerate(sigma) if s > 1e-9 or miss[k] > near]
        lines = [one, *({i: rational(f) for i, f in enumerate(table[k])} for k in tight)]
        moved = project(
            lines, [rational(1), *(rational(rows[k].bound) for k in tight)], [rational(p) for p in mass], order
        )
        found = mass if moved is None else [Fraction(str(p)) for p in moved]
        held = all(sum((p * f for p, f in zip(found, table[k], strict=True)), Fraction(0)) <= row.bound
                   for k, row in enumerate(rows))  # fmt: skip
        if moved is not None and held and min(found) >= 0:
            return found
    return found


def _listed(atoms: Sequence[tuple[Fraction, ...]], mass: Sequence[Fraction]) -> list[Any]:
    return [[[str(x) for x in v], str(p)] for v, p in zip(atoms, mass, strict=True) if p]


def _nodes(model: MomentAuction, reserve: Fraction, sigma: Array) -> list[Fraction]:
    """Cells fine enough where the bound on lambda is small: those that hold it back are halved, again and again."""
    r = float(reserve)
    psi = [[(s.power, -s.sign * w) for s, w in zip(model.sides, sigma, strict=True) if s.good == i and w > 0]
           for i in range(model.bidders)]  # fmt: skip
    nodes = np.unique(np.append(np.linspace(0, 1, 65), r))
    for _ in range(ROUNDS):
        slack, reached = _slack(psi, nodes, r)
        worst = slack.min()
        if worst >= reached - 1e-7 or len(nodes) > MOST_NODES:
            break
        split = np.flatnonzero(slack < worst + (reached - worst) / 2)
        nodes = np.unique(np.append(nodes, (nodes[split] + nodes[split + 1]) / 2))
    return [Fraction(float(x)) for x in nodes if 0 < x < 1 and x != r]


def _slack(psi: Sequence[Sequence[tuple[int, float]]], nodes: Array, r: float) -> tuple[Array, float]:
    """Per cell, the least that keeps lambda back there, as the checker bounds it; and lambda at the nodes alone."""
    low, high = nodes[:-1], nodes[1:]
    exact = np.array([sum((c * nodes**p for p, c in terms), np.zeros_like(nodes)) for terms in psi])
    tops = []
    for terms, value in zip(psi, exact, strict=True):
        corner = sum((c * (high if c > 0 else low) ** p for p, c in terms), np.zeros_like(low))
        bend = sum((-c * p * (p - 1) * high ** (p - 2) for p, c in terms if c < 0 and p > 1), np.zeros_like(low))
        tops.append(np.minimum(corner, np.maximum(value[:-1], value[1:]) + bend * (high - low) ** 2 / 8))
    sold, single = nodes >= r, len(psi) == 1
    slack, reached = np.full(len(low), np.inf), np.inf
    upto = np.array([np.maximum.accumulate(np.append(v[0], t)) for v, t in zip(exact, tops, strict=True)])
    whole = np.maximum.accumulate(exact, axis=1)
    for i, (value, top) in enumerate(zip(exact, tops, strict=True)):
        after = np.append(np.maximum.accumulate(top[::-1])[::-1], value[-1])
        after = np.where(sold, after, after[sold][0])
        others = upto.sum(axis=0) - upto[i]
        slack = np.minimum(slack, np.maximum(r, low) - after[:-1] - (0 if single else others[1:]))
        later = np.maximum.accumulate(value[::-1])[::-1]
        later = np.where(sold, later, later[sold][0])
        reached = min(reached, float((np.maximum(r, nodes) - later - (whole.sum(axis=0) - whole[i])).min()))
    return slack, reached
