"""How a `regret-auction` instance is solved: the method by structure, then the bracket, then the exact check.

Methods, all for program (3.1) on the grid:

* `reserve`: every lower bound zero; second price auctions with random reserves (regret_auction_reserve.py).
* `apart`: goods whose bounds are multiples of one another; one of them by orbits, all goods sold apart, and nature
  moves every bidder's goods together, so that each good is the same problem for seller and nature.
* `orbits`: bidders with equal bounds share one rule (regret_auction_orbits.py); adjacent rows in one good,
  lazily generated ones in several (regret_auction_rows.py).
* `all-pairs`: the specification, every row.

The certificate re-checks every row of (3.1) for all profiles, whichever was used. The continuum's bracket: with lower
bounds of zero, or one bidder, the one-buyer curves of models/regret/regret_continuum.py; else the grid's dual below and
auctions that round reports up above.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.models.outcome import Bounds, Options, Outcome
from mechopt.models.regret import regret_auction_certify as certify
from mechopt.models.regret import regret_auction_reserve as reserve
from mechopt.models.regret.regret_auction import RegretAuction
from mechopt.models.regret.regret_auction_check import bracket_text, check
from mechopt.models.regret.regret_auction_orbits import orbits, pairs, program, rounding
from mechopt.models.regret.regret_auction_outcome import outcome
from mechopt.models.regret.regret_auction_rows import solve_rows
from mechopt.models.regret.regret_continuum import Curve, bracket, nature_curve, seller_curve, trivial
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.program import Array, Program, Solution, Status
from mechopt.solvers.rational import above, below, rational, text

METHODS = ("reserve", "apart", "orbits", "all-pairs")
SLIP = 1e-9  # by which bounds only floats have seen are widened, relative to the full surplus
INTERIOR = 1500  # columns from which HiGHS's interior point method, with crossover, beats its simplex method


@dataclass(frozen=True)
class Continuum:
    """Per good a seller's part and what it promises in floats, money; nature's curves where there are any."""

    parts: list[dict[str, Any]]
    upper: float
    natures: list[Curve] | None


def solve(model: RegretAuction, options: Options) -> Outcome:
    """Solve an instance and bracket it. Raises InputError for a method or gap that does not fit the instance."""
    deadline = None if options.time_limit is None else time.monotonic() + options.time_limit
    method = _check_options(model, options)
    model.require_fits(method)
    options.progress(f"solving the finite program: {model.size(method)}")
    finite, solution = _FINITE[method](model, options)
    options.progress("bracketing the continuum optimum")
    continuum = _continuum(model, options, deadline)
    natures = continuum.natures
    certificate: dict[str, Any] = {
        "finite": finite,
        "continuum": {
            "mechanism": continuum.parts,
            "nature": None if natures is None else certify.curves_of_nature(model, natures),
        },
    }
    proved = None
    if options.certificate:
        options.progress("checking every row in rationals")
        bounds, proved = _certify(model, certificate)
    else:
        bounds = _float_bounds(model, continuum, solution)
    return outcome(model, options, method, solution, certificate, bounds, proved)


def _check_options(model: RegretAuction, options: Options) -> str:
    if options.method not in (None, *METHODS):
        raise fail("solve.method", "reserve, apart, orbits or all-pairs", options.method)
    if options.method == "reserve" and not model.from_zero:
        raise fail("solve.method", "apart, orbits or all-pairs", "reserve", "it needs lower bounds of zero")
    if options.method == "apart" and not model.proportional:
        hint = "it needs goods whose bounds are multiples of one another"
        raise fail("solve.method", "orbits or all-pairs", "apart", hint)
    return options.method or model.engine


def _run(built: Program, columns: int, options: Options) -> Solution:
    chosen = {"solver": "ipm", **options.options} if columns > INTERIOR else options.options
    return highs(built, time_limit=options.time_limit, options=chosen, verbose=options.verbose, memory=options.memory)


def _scaled(solution: Solution, unit: float) -> Solution:
    return replace(solution, value=solution.value * unit, bound=solution.bound * unit)


def _by_reserve(model: RegretAuction, options: Options) -> tuple[dict[str, Any], Solution]:
    lottery, solution = reserve.lottery(model, options)
    return reserve.part(model, lottery), solution


def _by_orbits(model: RegretAuction, options: Options) -> tuple[dict[str, Any], Solution]:
    found, unit = orbits(model), float(max(model.best))
    if model.goods == 1:
        solution = _run(program(model, found), len(found.weight), options).require()
        here, there = pairs(found, adjacent=True)
    else:
        solution, here, there = solve_rows(model, found, options)
    q, m = solution.primal["q"][found.seat], solution.primal["m"][found.seat] * unit  # (P, I, J), (P, I)
    gamma = solution.dual.get("gamma", np.zeros(0))
    alpha, moves = certify.unfold(found, solution.dual.get("alpha", found.size * 0), gamma, here, there)
    return _part(model, q, m, certify.nature(model, alpha, moves)), _scaled(solution, unit)


def _by_every_row(model: RegretAuction, options: Options) -> tuple[dict[str, Any], Solution]:
    bidders, K = model.bidders, model.types
    solution = _run(model.primal(), 0, options).require()
    q = solution.primal["q"].reshape(-1, bidders, model.goods)
    m = solution.primal["m"].reshape(-1, bidders)
    gamma = np.nan_to_num(solution.dual.get("gamma", np.zeros((1, K))))
    moves = [
        (seat % bidders, seat // bidders, w, float(gamma[seat, w])) for seat, w in np.argwhere(gamma > 1e-15).tolist()
        if seat // bidders // K ** (bidders - 1 - seat % bidders) % K != w
    ]  # fmt: skip
    alpha = solution.dual.get("alpha", np.zeros(model.profiles))
    return _part(model, q, m, certify.nature(model, alpha, moves)), solution


def _part(model: RegretAuction, q: Array, m: Array, nature: dict[str, Any]) -> dict[str, Any]:
    table = certify.one_good_part(model, q[:, :, 0]) if model.goods == 1 else certify.joint_part(model, q, m)
    return {"mechanism": {"parts": [table]}, "nature": nature}


def _good(model: RegretAuction, good: int) -> RegretAuction:
    """The auction of one of the goods alone."""
    upper = tuple((row[good],) for row in model.bounds)
    return RegretAuction(bidders=model.bidders, upper=upper, lower=(model.lower[good],), points=model.points)


def _by_parts(model: RegretAuction, options: Options) -> tuple[dict[str, Any], Solution]:
    """The first good by orbits; the others are multiples of it, and nature keeps a bidder's goods at one step."""
    found, solution = _by_orbits(_good(model, 0), options)
    first, parts = found["mechanism"]["parts"][0], []
    ratios = [model.bounds[0][j] / model.bounds[0][0] for j in range(model.goods)]
    for good, ratio in enumerate(ratios):
        times = rational(ratio)
        paid = [[text(rational(x) * times) for x in row] for row in first["payment"]]
        parts.append({"goods": [good], "allocation": first["allocation"], "payment": paid})
    together = sum((model.points + 1) ** j for j in range(model.goods))
    alpha = [[[t * together for t in profile], a] for profile, a in found["nature"]["alpha"]]
    gamma = [[i, [t * together for t in profile], w * together, g] for i, profile, w, g in found["nature"]["gamma"]]
    nature = {"alpha": alpha, "gamma": gamma}
    return {"mechanism": {"parts": parts}, "nature": nature}, _scaled(solution, float(sum(ratios, Fraction(0))))


_FINITE = {"reserve": _by_reserve, "apart": _by_parts, "orbits": _by_orbits, "all-pairs": _by_every_row}


def _continuum(model: RegretAuction, options: Options, deadline: float | None) -> Continuum:
    """One seller's part per good; nature's curves where one buyer's problem bounds the auction's from below."""
    alone = model.bidders == 1 or model.from_zero
    worth = [float(x) for x in model.best]
    least = [float(lo / hi) for lo, hi in zip(model.lower, model.best, strict=True)]
    gap = None if options.gap is None else options.gap / sum(worth)
    pairs: dict[float, tuple[Curve, Curve]] = {}
    for a in sorted(set(least)):
        left = _left(options, deadline)
        if left.time_limit is not None and left.time_limit <= 0:
            pairs[a] = trivial(a)
        elif alone:
            pairs[a] = bracket(a, model.points, gap, left)
        else:
            pairs[a] = seller_curve(np.linspace(a, 1.0, model.points + 1), left), trivial(a)[1]
    parts = [certify.curve_part(model, j, pairs[a][0]) for j, a in enumerate(least)]
    uppers = [w * pairs[a][0].bound for w, a in zip(worth, least, strict=True)]
    if not alone:
        _round_up(model, options, deadline, parts, uppers)
        return Continuum(parts, sum(uppers), None)
    if len(pairs) > 1:  # nature moves all goods with one quantile: give them the same nodes
        shared = np.unique(np.concatenate([low.nodes for _, low in pairs.values()]))[::-1]
        pairs = {a: (top, nature_curve(shared, a, options)) for a, (top, _) in pairs.items()}
    return Continuum(parts, sum(uppers), [pairs[a][1] for a in least])


def _left(options: Options, deadline: float | None) -> Options:
    return options if deadline is None else replace(options, time_limit=deadline - time.monotonic())


def _round_up(
    model: RegretAuction, options: Options, deadline: float | None, parts: list[dict[str, Any]], uppers: list[float]
) -> None:
    """Put auctions that round reports up in the place of random reserves, good by good, where they promise less."""
    known: dict[Any, tuple[float, dict[str, Any]]] = {}
    for good, most in enumerate(model.best):
        shape = (model.lower[good] / most, tuple(row[good] / most for row in model.bounds))
        left = _left(options, deadline)
        if left.time_limit is not None and left.time_limit <= 0:
            return
        if shape not in known:
            auction = _good(model, good)
            found = orbits(auction)
            solution = _run(rounding(auction, found), len(found.weight), left)
            if solution.status is not Status.OPTIMAL:
                continue
            known[shape] = solution.value, certify.cells_part(solution.primal["q"][found.seat], auction.types)
        value, part = known[shape]
        if value * float(most) < uppers[good]:
            parts[good], uppers[good] = part, value * float(most)


def _certify(model: RegretAuction, certificate: dict[str, Any]) -> tuple[Bounds, tuple[Any, Any]]:
    """Run the exact checker, write what it proved into the certificate, and round it outwards."""
    checks, proved = check(model.parameters(), certificate)
    for name, found in proved.items():
        certificate[name].update(bracket_text(found))
    lower, upper = proved["continuum"]
    lower = max(lower, proved["finite"][0])  # fewer types are a relaxation: the grid's lower bound holds too
    return Bounds(below(lower), above(upper), "continuum", all(c.passed for c in checks)), proved["finite"]


def _float_bounds(model: RegretAuction, continuum: Continuum, solution: Solution) -> Bounds:
    slip = SLIP * float(sum(model.best))
    lower = solution.bound
    if continuum.natures is not None:
        curves = zip(model.best, continuum.natures, strict=True)
        lower = max(lower, sum(float(most) * curve.bound for most, curve in curves))
    return Bounds(max(0.0, lower - slip), continuum.upper + slip, "continuum", False)
