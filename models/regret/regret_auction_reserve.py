"""Every lower bound zero: second price auctions with random reserves solve the finite program, whatever I and J.

Let x(k), k = 1..n, be the price lottery that is best for one good and one buyer on the grid 0, 1/n, ..., 1
(models/regret/price_lottery.py), Q(k) = x(1) + ... + x(k), and h its worst regret: k/n - sum_{l <= k} (l/n) x(l) <= h.

The seller auctions the goods one by one. For good j, bidder i's personal reserve is vbar_j^i k/n with chance x(k). The
highest bidder (the first of them, on a tie) gets the good if she meets hers: with chance Q(k) at the value
vbar_j^i k/n. Her chance rises in her own value, from zero where she stops being the highest, so that threshold
payments make truth a dominant strategy. At any values her payment is at least vbar_j^i sum_{l <= k} (l/n) x(l), for
rivals can only raise the values at which she takes the steps of Q. The regret from good j is therefore at most
vbar_j^i h, and in all at most h sum_j max_i vbar_j^i.

Nature gives each good to its highest-bound bidder, the first on a tie; everyone else's value is zero. A bidder's goods
move together, on the chain of types with step k in each of them; different bidders are independent. The multipliers
of one buyer's program, times the probability of the others' types, are then multipliers of (3.1): a bidder's price in
q^i(v) is zero for goods that are not hers, and for her own it is the one-buyer price. The bound is the same sum.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import flint
import numpy as np

from mechopt.models.outcome import Options
from mechopt.models.regret import price_lottery
from mechopt.models.regret.regret_auction import RegretAuction
from mechopt.models.regret.regret_auction_size import LARGEST_TABLE
from mechopt.solvers.highs import solve
from mechopt.solvers.program import Solution, Status
from mechopt.solvers.rational import Rational, rational, text

EXACT_DIGITS = 2_000_000  # profiles times steps beyond which the lottery is rounded to 2^-56 before it is listed


def lottery(model: RegretAuction, options: Options) -> tuple[price_lottery.Lottery, Solution]:
    """The best price lottery on 1/n, ..., 1, exact where its fractions stay short, and the solver's own word."""
    n = model.points
    grid = np.arange(1, n + 1) / n
    solution = solve(
        price_lottery.program(grid), time_limit=options.time_limit, options=options.options, verbose=options.verbose,
        memory=options.memory,
    ).require()  # fmt: skip
    worth = float(sum(model.best))
    scaled = replace(solution, value=solution.value * worth, bound=solution.bound * worth)
    if solution.status is Status.OPTIMAL and _profiles(model) * n <= EXACT_DIGITS:
        support = np.flatnonzero(solution.primal["x"] > 1e-11).tolist()
        exact = price_lottery.from_support([flint.fmpq(k, n) for k in range(1, n + 1)], support)
        if exact is not None:
            return exact, scaled
    tail = solution.dual.get("tail", np.ones(n))
    return price_lottery.rounded(solution.primal["x"], tail), scaled


def _profiles(model: RegretAuction) -> int:
    """Profiles of one good's values where their table is listed, else the steps alone."""
    short = model.listed("reserve") <= LARGEST_TABLE
    return int((model.points + 1) ** model.bidders) if short else model.points


def part(model: RegretAuction, found: price_lottery.Lottery) -> dict[str, Any]:
    """The finite part of the certificate: a table per good, or the lottery alone where tables would be too long."""
    if model.listed("reserve") > LARGEST_TABLE:
        mechanism: dict[str, Any] = {"reserve": [text(x) for x in found.chance]}
    else:
        mechanism = {"parts": [_table(model, good, found.chance) for good in range(model.goods)]}
    return {"mechanism": mechanism, "nature": _nature(model, found.tail)}


def _table(model: RegretAuction, good: int, chance: list[Rational]) -> dict[str, Any]:
    """Allocation and payment of one good for every profile of its values."""
    n, bidders = model.points, model.bidders
    zero = flint.fmpq(0)
    sold = [zero, *itertools.accumulate(chance)]  # Q(k)
    paid = [zero, *itertools.accumulate(k * x for k, x in enumerate(chance, 1))]  # sum of l x(l), l <= k
    values = [model.axis(i, good) for i in range(bidders)]
    order = {x: rank for rank, x in enumerate(sorted({x for axis in values for x in axis}))}
    rank = np.array([[order[x] for x in axis] for axis in values])
    steps = np.stack(np.unravel_index(np.arange((n + 1) ** bidders), (n + 1,) * bidders), axis=1)
    ranks = rank[np.arange(bidders), steps]
    winner = ranks.argmax(axis=1)
    shares = [text(x) for x in sold]
    prices: dict[tuple[int, int, int], str] = {}
    allocation, payment = [], []
    for row, i, k in zip(ranks.tolist(), winner.tolist(), steps[np.arange(len(steps)), winner].tolist(), strict=True):
        need = max([0, *(x + 1 for x in row[:i]), *row[i + 1 :]])
        start = int(np.searchsorted(rank[i], need))  # the least step at which she is the highest
        if (i, start, k) not in prices:
            steps_paid = start * sold[start] - paid[start] + paid[k]
            prices[i, start, k] = text(rational(model.bounds[i][good]) / n * steps_paid)
        allocation.append([[shares[k] if b == i else "0"] for b in range(bidders)])
        payment.append([prices[i, start, k] if b == i else "0" for b in range(bidders)])
    return {"goods": [good], "allocation": allocation, "payment": payment}


def _nature(model: RegretAuction, tail: list[Rational]) -> dict[str, Any]:
    """alpha and gamma: a chain of types per bidder who has goods to herself, independent between bidders."""
    n, goods = model.points, model.goods
    zero = flint.fmpq(0)
    groups = list(model.favourites.items())
    per_step = [sum((n + 1) ** (goods - 1 - j) for j in mine) for _, mine in groups]
    mass = [t - s for t, s in itertools.pairwise([*tail, zero])]  # at steps 1..n
    support = [k for k, a in enumerate(mass, 1) if a]
    alpha, gamma = [], []
    for ks in itertools.product(support, repeat=len(groups)):
        weight = _product(mass[k - 1] for k in ks)
        alpha.append([_profile(model, ks, per_step), text(weight)])
    for g, (bidder, _) in enumerate(groups):
        for ks in itertools.product(*(range(2, n + 1) if h == g else support for h in range(len(groups)))):
            weight = _product(tail[k - 1] if h == g else mass[k - 1] for h, k in enumerate(ks))
            if weight:
                gamma.append([bidder, _profile(model, ks, per_step), (ks[g] - 1) * per_step[g], text(weight)])
    return {"alpha": alpha, "gamma": gamma}


def _product(factors: Any) -> Rational:
    total = flint.fmpq(1)
    for factor in factors:
        total *= factor
    return total


def _profile(model: RegretAuction, ks: tuple[int, ...], per_step: list[int]) -> list[int]:
    """Every bidder's type, by its place in the list of types: step k in her own goods, zero elsewhere."""
    types = [0] * model.bidders
    for (bidder, _), k, stride in zip(model.favourites.items(), ks, per_step, strict=True):
        types[bidder] = k * stride
    return types
