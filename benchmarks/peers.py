"""Five families side by side: mechopt, plain CVXPY, linopy, RSOME and mechaudit state and solve them, in one run."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import cvxpy as cp
import design
import numpy as np
from phases import Family, Size, compare
from registry import Row, benchmark

import mechopt as mo
from mechopt.models.auctions.myerson_mechanism import mechanism_file
from mechopt.models.regret.regret_pricing import grid_optimum

HALF = Fraction(1, 2)
WEIGHTS = (3, 1, 4, 1, 5, 9, 2, 6)  # chances of the values 1, 2, ..., up to a factor: not regular
SUPPORT = {"kind": "support"}


def regret_goods(size: Size) -> cp.Problem:
    """Program (2.6) without costs on a grid of two goods, every incentive row."""
    V = np.array(list(itertools.product(np.arange(size["points"] + 1) / size["points"], repeat=2)))
    r, q, m = cp.Variable(), cp.Variable(V.shape), cp.Variable((len(V), 1))
    truth = cp.sum(cp.multiply(V, q), axis=1, keepdims=True) - m
    rows = [r >= V.sum(axis=1, keepdims=True) - m, truth >= 0, truth >= V @ q.T - m.T, q >= 0, q <= 1]
    return cp.Problem(cp.Minimize(r), rows)


def regret_good(size: Size) -> cp.Problem:
    """One good, neighbouring incentive rows only, which imply the others."""
    v = np.arange(size["points"] + 1) / size["points"]
    r, q, m = cp.Variable(), cp.Variable(len(v)), cp.Variable(len(v))
    truth = cp.multiply(v, q) - m
    up = truth[1:] >= cp.multiply(v[1:], q[:-1]) - m[:-1]
    down = truth[:-1] >= cp.multiply(v[:-1], q[1:]) - m[1:]
    return cp.Problem(cp.Minimize(r), [r >= v - m, truth >= 0, up, down, q >= 0, q <= 1])


def random_price(size: Size) -> cp.Problem:
    """A lottery over prices against every distribution whose mean is at least one half, dualised by hand."""
    v = np.arange(size["points"] + 1) / size["points"]
    x, level, slope = cp.Variable(len(v), nonneg=True), cp.Variable(), cp.Variable(nonneg=True)
    revenue = np.where(v[:, None] >= v[None, :], v[None, :], 0.0)
    rows = [revenue @ x >= level + slope * v, cp.sum(x) == 1]
    return cp.Problem(cp.Maximize(level + slope * float(HALF)), rows)


def auction(size: Size) -> tuple[list[float], list[float]]:
    """Values and chances of every bidder."""
    if "values" in size:
        return list(size["values"]), list(size["chances"])
    K = size["types"]
    return [k / (K - 1) for k in range(K)], [1 / K] * K


def dsic(size: Size) -> cp.Problem:
    """Two bidders: every ex-post row."""
    (v, p), K = (np.array(row) for row in auction(size)), size["types"]
    q, m = ([cp.Variable((K, K)) for _ in range(2)] for _ in range(2))
    rows = [q[0] + q[1].T <= 1, q[0] >= 0, q[1] >= 0]
    for own, paid in zip(q, m, strict=True):  # own type by rows, the other's by columns
        rows += [cp.multiply(v[:, None], own) - paid >= 0]
        rows += [v[k] * (own[k : k + 1] - own) - (paid[k : k + 1] - paid) >= 0 for k in range(K)]
    return cp.Problem(cp.Maximize(p @ m[0] @ p + p @ m[1] @ p), rows)


def bayesian(size: Size) -> cp.Problem:
    """Ex-post allocations, interim payments and every interim row."""
    (v, p), count = (np.array(row) for row in auction(size)), size["bidders"]
    K, profiles = len(v), np.array(list(itertools.product(range(len(v)), repeat=count)))
    q, m = cp.Variable((len(profiles), count), nonneg=True), cp.Variable((count, K))
    rows, chance = [cp.sum(q, axis=1) <= 1], p[profiles].prod(axis=1)
    for i in range(count):
        given = np.stack([np.where(profiles[:, i] == k, chance / p[k], 0.0) for k in range(K)])
        wins = given @ q[:, i]  # Q_i(k)
        truth = cp.multiply(v, wins) - m[i]
        lie = v[:, None] @ cp.reshape(wins, (1, K), "C") - cp.reshape(m[i], (1, K), "C")
        rows += [truth >= 0, cp.reshape(truth, (K, 1), "C") >= lie]
    return cp.Problem(cp.Maximize(cp.sum(m @ p)), rows)


def goods(method: str | None) -> Any:
    """Regret pricing of two goods, by an engine."""
    return lambda size: (mo.RegretPricing(upper=[1, 1], points=size["points"]), {"method": method})


def one_good(size: Size) -> tuple[Any, dict[str, Any]]:
    """Regret pricing of one good."""
    return mo.RegretPricing(upper=[1], points=size["points"]), {}


def known_mean(size: Size) -> tuple[Any, dict[str, Any]]:
    """One buyer with known mean, composed."""
    known = {**SUPPORT, "moments": [{"at_least": HALF}]}
    environment = {"upper": [1], "points": size["points"]}
    return mo.Design(environment=environment, criterion={"kind": "worst-case", "ambiguity": known}), {}


def laws(size: Size) -> list[dict[str, Any]]:
    """The bidders' distributions, in fractions."""
    values, chances = auction(size)
    if "values" in size:
        total = sum(Fraction(p).limit_denominator(10**6) for p in chances)
        shares = [str(Fraction(p).limit_denominator(10**6) / total) for p in chances]
        return [{"values": [str(Fraction(v)) for v in values], "probabilities": shares}] * size["bidders"]
    return [{"family": "uniform", "support": [0, 1], "points": size["types"]}] * size["bidders"]


def known_laws(method: str) -> Any:
    """Myerson's auction, by the formula or by one of its programs."""
    return lambda size: (mo.MyersonAuction(bidders=laws(size)), {"method": method})


def composed(size: Size) -> tuple[Any, dict[str, Any]]:
    """The same auction as a composition: known distributions, ex-post rows."""
    return mo.Design(environment={"distributions": laws(size)}), {}


def certified(size: Size) -> Fraction:
    """The middle of the composer's exact bracket on the grid; no formula is known there."""
    model, options = known_mean(size)
    part = mo.solve(model, **options).certificate["finite"]
    lower, upper = Fraction(part["lower"]), Fraction(part["upper"])
    if upper - lower > Fraction(1, 10**10):
        raise RuntimeError(f"the exact bracket is {float(upper - lower):.1e} wide")
    return (lower + upper) / 2


def audited(result: mo.Result) -> bool:
    """Every misreport at every profile, in fractions."""
    if isinstance(result.model, mo.Design):
        return design.audited(result).passed
    return mo.audit(mechanism_file(result.model), ["ex-post"]).passed


def irregular(count: int, types: int) -> dict[str, Any]:
    """Bidders with the values 1, 2, ... and chances that ask for ironing."""
    weights = WEIGHTS[:types]
    values = [float(k + 1) for k in range(types)]
    return {"bidders": count, "values": values, "chances": [w / sum(weights) for w in weights]}


FAMILIES = (
    Family(
        "regret of two goods", {"points": 3}, {"points": 12},
        {"sweep": goods(None), "rows": goods("rows")}, regret_goods,
        {"linopy": "linopy"}, lambda size: 2 * grid_optimum(size["points"]),
    ),
    Family(
        "regret of one good", {"points": 10}, {"points": 400},
        {"price lottery": one_good}, regret_good,
        {"linopy": "linopy", "mechaudit": "mechaudit"}, lambda size: grid_optimum(size["points"]),
    ),
    Family(
        "random price, mean known", {"points": 10}, {"points": 320},
        {"composed": known_mean}, random_price, {"linopy": "linopy", "RSOME": "rsome"}, certified,
    ),
    Family(
        "ex-post auction", {"bidders": 2, "types": 4}, {"bidders": 2, "types": 20},
        {"program": known_laws("ex-post"), "formula": known_laws("virtual-values"), "composed": composed}, dsic,
        {"linopy": "linopy", "mechaudit": "mechaudit"}, lambda size: mo.MyersonAuction(bidders=laws(size)).optimum,
        audited,
    ),
    Family(
        "Bayesian auction", irregular(2, 3), irregular(3, 8),
        {"program": known_laws("bayesian"), "formula": known_laws("virtual-values")}, bayesian,
        {"linopy": "linopy", "mechaudit": "mechaudit"}, lambda size: mo.MyersonAuction(bidders=laws(size)).optimum,
    ),
)  # fmt: skip


@benchmark(
    "peers",
    "Five families side by side: mechopt, plain CVXPY, linopy, RSOME, mechaudit",
    """Two goods in steps of 1/12 with every incentive row; one good in steps of 1/400; a random price for a buyer of
    whom the mean is known, 321 values; the ex-post auction of two bidders with 20 values each; the Bayesian auction of
    three bidders with eight irregular values each. Seconds: build is the time to the compiled program, solve that of
    the engine, verify that of the check: in fractions for mechopt (ex-post auctions are audited besides), in floats for
    mechaudit, which audits what it solved, and none for the others. Whole is all that was run, for mechopt with the
    making of the certificate and the bounds on the continuum; over first is its ratio to the family's first row.
    Distance is that of the value from the oracle's: a closed form on the grid, or the certificate's bracket, as
    fractions. linopy passes its model to HiGHS directly, without a file; one good is written with neighbouring rows in
    CVXPY and linopy, with all in mechaudit; the random price is dualised by hand in CVXPY and linopy, and RSOME is
    given the robust program with the distributions as a polytope. All of them solve by HiGHS.""",
)
def peers(smoke: bool) -> list[Row]:
    return [row for family in FAMILIES for row in compare(family, smoke, 1 if smoke else 3)]
