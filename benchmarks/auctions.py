"""Auctions with known and with ambiguous values: programs against closed forms, and against other programs.

The environment variable MECHOPT_PEERS may name a Python interpreter that has mechaudit (pip install mechaudit); without
it, and without mechaudit beside mechopt, the audit's rows say so and nothing is compared.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cvxpy as cp
import numpy as np
from registry import Row, at_most, benchmark, holds, race
from scipy.optimize import linprog

import mechopt as mo
from mechopt.models.auctions.moment_auction_nature import reply
from mechopt.models.auctions.moment_auction_theory import lottery_revenue, second_price_revenue
from mechopt.models.auctions.myerson_mechanism import mechanism_file
from mechopt.models.auctions.standard_auctions import first_price
from mechopt.models.outcome import Options
from mechopt.solvers.highs import solve as highs

PEER = Path(__file__).with_name("peer_mechaudit.py")


def random_auction(rng: np.random.Generator) -> mo.MyersonAuction:
    """Two or three bidders, each with two to six values in (0, 2] and probabilities of her own."""
    bidders = []
    for _ in range(rng.integers(2, 4)):
        K = int(rng.integers(2, 7))
        values = np.sort(rng.choice(np.arange(1, 41), K, replace=False)).tolist()
        weights = rng.integers(1, 20, K).tolist()
        chances = [str(Fraction(w, sum(weights))) for w in weights]
        bidders.append({"values": [str(Fraction(v, 20)) for v in values], "probabilities": chances})
    return mo.MyersonAuction(bidders=bidders)


def proved(model: mo.MyersonAuction) -> bool:
    """Whether a DSIC auction and Bayesian multipliers, both checked in rationals, meet at the formula's fraction."""
    result = mo.solve(model)
    part = result.certificate["finite"]
    ends = {Fraction(part["lower"]), Fraction(part["upper"])}
    return result.bounds.certified and "mechanism" in part and ends == {model.optimum}


@benchmark(
    "myerson-random",
    "Optimal auctions: the Bayesian and the ex-post program against the ironed formula",
    """Random finite instances, 2 or 3 bidders with 2 to 6 types each, most of them irregular: both programs in
    CVXPY, solved by HiGHS, against E[max(0, max_i ironed virtual value)]. Exactly means: the certificate's
    ex-post auction and its multipliers of the Bayesian program have the same value as the formula, in fractions.""",
)
def myerson(smoke: bool) -> list[Row]:
    rng = np.random.default_rng(1981)
    models = [random_auction(rng) for _ in range(6 if smoke else 100)]
    exact = models[: 2 if smoke else 20]
    errors = [[abs(highs(p).require().value - float(m.optimum)) for p in (m.primal(), m.primal_dsic())] for m in models]
    bayesian, ex_post = np.max(errors, axis=0)
    irregular = sum(m.phi != m.scores for m in models)
    return [
        at_most("largest error, Bayesian program", bayesian, 1e-9),
        at_most("largest error, ex-post program", ex_post, 1e-9),
        holds(f"equal as fractions, {len(exact)} instances", all(proved(m) for m in exact)),
        Row("instances, those with ironing among them", f"{len(models)}, {irregular}"),
    ]


@benchmark(
    "second-price-markov",
    "Second price auctions under Markov sets: program against closed form",
    """Random (I, mu, r) with I from 2 to 5, mu in (0, 1), r in [0, mu], each with the values k/10 and the atoms r and
    r-: the value of mo.solve by row generation, and of nature's program (1.7) in CVXPY and HiGHS on the profiles
    (a, b, ..., b), against Propositions 1.5.5 to 1.5.7. The width is that of the certified bracket on [0, 1]^I.""",
)
def second_price(smoke: bool) -> list[Row]:
    rng = np.random.default_rng(155)
    errors, widths, certified, regions = [], [], [], set()
    for _ in range(5 if smoke else 100):
        count, mean = int(rng.integers(2, 6)), Fraction(int(rng.integers(20, 981)), 1000)
        reserve = mean * Fraction(int(rng.integers(0, 1001)), 1000)
        model = mo.MomentAuction(bidders=count, mean=mean, reserve=reserve, points=10)
        theorem = second_price_revenue(count, float(mean), float(reserve))
        result, nature = mo.solve(model), highs(model.dual()).require()
        errors.append((abs(result.value - theorem), abs(nature.value - theorem)))
        widths.append(result.bounds.width)
        certified.append(result.bounds.certified)
        flat = min(Fraction(1, count), (count * mean - 1) / (count - 1))
        regions.add(1 if reserve <= flat else 2 if reserve * count <= 1 else 3)
    ours, program = np.max(errors, axis=0)
    return [
        at_most("largest error, row generation", ours, 1e-12),
        at_most("largest error, nature's program", program, 1e-12),
        holds("all brackets certified", all(certified)),
        Row("largest width of a bracket", max(widths)),
        Row("instances, and which propositions they meet", f"{len(errors)}; {sorted(regions)}"),
    ]


@benchmark(
    "lottery-half",
    "Highest-bidder lottery, two bidders, mu = 1/2",
    """The certified bracket by the left and the right rule on the grid alone (method="grid", first order in the step),
    and by the saddle point: the lottery and nature's distribution of Theorem 1.5.3 at rational parameters, checked in
    ball arithmetic; and by the programs on cells, which lose O(1/n^2).""",
)
def lottery(smoke: bool) -> list[Row]:
    n = 10 if smoke else 200
    grid, saddle = (
        mo.MomentAuction(bidders=2, mean="1/2", points=steps, mechanism="highest-bidder-lottery") for steps in (n, 10)
    )
    started = time.perf_counter()
    coarse = mo.solve(grid, method="grid").bounds
    seconds = time.perf_counter() - started
    fine = mo.solve(replace(grid, points=10 if smoke else 150), method="cells").bounds
    bounds, r = mo.solve(saddle).bounds, lottery_revenue(2, 0.5)
    inside = all(b.certified and b.lower <= r <= b.upper for b in (coarse, fine, bounds))
    return [
        at_most(f"width at n = {n}, left and right rule", coarse.width, 0.1 if smoke else 3e-3),
        at_most("width of the programs on 150 cells, second order", fine.width, 0.1 if smoke else 5e-6),
        at_most("width by the saddle point", bounds.width, 1e-15),
        holds("all certified, the theorem's r inside", inside),
        Row(f"bracket at n = {n}", f"[{coarse.lower:.6f}, {coarse.upper:.6f}]"),
        Row(f"seconds at n = {n}", seconds),
    ]


@benchmark(
    "any-auction",
    "The unknown optimum under Markov sets: two and three bidders",
    """mo.solve(MomentAuction(bidders=2, mean=mu, points=10, mechanism="any"), gap=2.5e-5): the certified bracket around
    the best worst-case revenue of all mechanisms, one run each; beside it the best highest-bidder lottery's r and the
    bound r (2 - r) known before. Three bidders with mu = 1/2: gap=5e-3.""",
)
def unknown(smoke: bool) -> list[Row]:
    rows = []
    for mean in ("1/2",) if smoke else ("1/10", "3/10", "1/2", "7/10", "9/10"):
        model = mo.MomentAuction(bidders=2, mean=mean, points=4 if smoke else 10, mechanism="any")
        started = time.perf_counter()
        bounds = mo.solve(model, gap=5e-3 if smoke else 2.5e-5).bounds
        seconds = time.perf_counter() - started
        r = lottery_revenue(2, float(Fraction(mean)))
        told = f"[{bounds.lower:.8f}, {bounds.upper:.8f}], {r:.8f}, {r * (2 - r):.6f}"
        rows += [
            at_most(f"width, mu = {mean}", bounds.width, 5e-3 if smoke else 2.5e-5),
            at_most(f"seconds of time, mu = {mean}", seconds, 60),
            holds(f"certified, mu = {mean}", bounds.certified),
            Row(f"bracket, lottery, r (2 - r), mu = {mean}", told),
        ]
    return rows + ([] if smoke else three_bidders())


def three_bidders() -> list[Row]:
    """The row of three bidders, or that there is none yet."""
    what = "width, three bidders, mu = 1/2"
    try:
        model = mo.MomentAuction(bidders=3, mean="1/2", points=10, mechanism="any")
    except mo.InputError:
        return [Row(what, "not built yet", "<= 0.005", False)]
    started = time.perf_counter()
    bounds = mo.solve(model, gap=5e-3).bounds
    return [
        at_most(what, bounds.width, 5e-3),
        holds("certified, three bidders", bounds.certified),
        Row("bracket, three bidders, mu = 1/2", f"[{bounds.lower:.6f}, {bounds.upper:.6f}]"),
        Row("seconds, three bidders", time.perf_counter() - started),
    ]


def _seconds(function: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    found = function()
    return found, time.perf_counter() - started


def peer() -> str | None:
    """The interpreter that has mechaudit, if any."""
    if named := os.environ.get("MECHOPT_PEERS"):
        try:
            asked = subprocess.run([named, "-c", "import mechaudit"], capture_output=True, check=False)
        except OSError:
            return None
        return named if asked.returncode == 0 else None
    return sys.executable if importlib.util.find_spec("mechaudit") else None


def _designed(model: mo.MyersonAuction, method: str) -> tuple[float, mo.Audit]:
    fresh = mo.MyersonAuction(bidders=[prior.parameters() for prior in model.bidders])  # nothing remembered
    return mo.solve(fresh, method=method).value, mo.audit(mechanism_file(fresh), ["ex-post"])


@benchmark(
    "audit-peer",
    "Designing and auditing a DSIC auction, 2 bidders x 20 types, against mechaudit",
    """The best DSIC auction of two bidders with 20 equally likely values each, then every misreport and every profile.
    Ours: mo.solve(MyersonAuction(..)) with its certificate and mo.audit, by the formula (the default) and, beside it,
    by the ex-post program in CVXPY, which is what theirs solves too. Theirs:
    env.design(ExpectedRevenue, DSIC, ExPostIR).solve(), which audits what it found, in a process of its own (imports
    left out), in turns with ours. Then the audit alone: our auction, and a first-price auction, which fails.
    Our audit is in rationals, theirs in floats with its default tolerances.""",
)
def audit_peer(smoke: bool) -> list[Row]:
    K, repeats = (4, 1) if smoke else (20, 3)
    model = mo.MyersonAuction(bidders=[{"family": "uniform", "support": [0, 1], "points": K}] * 2)
    values = [Fraction(k, K - 1) for k in range(K)]
    files = [mechanism_file(model), first_price([values, values])]
    ours = [mo.audit(file, ["ex-post"]) for file in files]
    told = holds("ours passes the best auction, fails first price", ours[0].passed and not ours[1].passed)
    interpreter = peer()
    if interpreter is None:
        _, seconds = _seconds(lambda: mo.audit(files[0], ["ex-post"]))
        return [told, Row("mechaudit", "peer not installed"), Row("seconds, our audit", seconds)]
    sent = json.dumps({
        "types": [[float(v) for v in values]] * 2,
        "probabilities": [[1 / K] * K] * 2,
        "mechanisms": [{name: _floats(file[name]) for name in ("allocation", "payment")} for file in files],
    })  # fmt: skip
    mine: list[list[float]] = [[], [], []]
    theirs: list[dict[str, Any]] = []
    for _ in range(repeats):
        done = subprocess.run([interpreter, str(PEER)], input=sent, capture_output=True, text=True, check=True)
        theirs.append(json.loads(done.stdout))
        runs = (
            lambda: _designed(model, "virtual-values"),
            lambda: _designed(model, "ex-post"),
            lambda: mo.audit(files[0], ["ex-post"]),
        )
        found = [_seconds(run) for run in runs]
        for times, (_, seconds) in zip(mine, found, strict=True):
            times.append(seconds)
    formula, program, audit = (min(times) for times in mine)
    design, judged = min(t["design"] for t in theirs), min(t["audits"][0]["seconds"] for t in theirs)
    last = theirs[-1]
    pairs = list(zip(last["audits"], ours, strict=True))
    same = all([a["truth"], a["participation"]] == [b.passes(f) for f in b.findings] for a, b in pairs)
    gains = max(abs(a["gain"] - float(b.findings[0].violation)) for a, b in pairs)
    return [
        told,
        at_most("time of design and audit over theirs, formula", formula / design, 10 if smoke else 0.2),
        Row("time of design and audit over theirs, ex-post program", program / design),
        at_most("time of the audit alone over theirs", audit / judged, 10 if smoke else 0.2),
        holds("same verdicts", last["passed"] and same),
        at_most("difference of the largest gains", gains, 1e-9),
        at_most("difference of the revenues", abs(last["revenue"] - float(model.optimum)), 1e-7),
        Row("seconds, ours: formula, program, audit", f"{formula:.4f}, {program:.4f}, {audit:.4f}"),
        Row("seconds, theirs: design with audit, audit", f"{design:.4f}, {judged:.4f}"),
        Row("mechaudit", last["version"]),
    ]


def _floats(table: Any) -> Any:
    return [_floats(row) for row in table] if isinstance(table, list | tuple) else float(Fraction(str(table)))


def full_grid(model: mo.MomentAuction) -> float:
    """Program (1.8) with a row for every profile, as arrays straight to HiGHS, multipliers per bidder."""
    grid = model.grid(model.reserve)
    profiles = np.stack(np.meshgrid(*[np.arange(len(grid.exact))] * model.bidders, indexing="ij"), axis=-1)
    profiles = profiles.reshape(-1, model.bidders)
    rows = np.hstack([np.ones((len(profiles), 1)), grid.values[profiles]])  # lambda + sigma'v <= rev(v)
    goal = -np.array([1.0] + [float(model.mean)] * model.bidders)
    sides = [(None, None)] + [(0, None)] * model.bidders
    return -float(linprog(goal, A_ub=rows, b_ub=grid.revenue(profiles), bounds=sides, method="highs").fun)


def full_cvxpy(model: mo.MomentAuction) -> float:
    """The same written in CVXPY."""
    listed = mo.MomentAuction(
        bidders=model.bidders, moments=[{"at_least": model.mean}], reserve=model.reserve, points=model.points
    )
    problem = listed.primal().problem
    problem.solve(solver=cp.HIGHS)
    return float(problem.value)


@benchmark(
    "second-price-rows",
    "Worst case of a second price auction: row generation against the full grid program",
    """Five bidders, mu = 3/10, r = 1/8, on ten points: the values k/8, and r-. The dual program (1.8), rows generated
    by the sweep over the second highest value, against all 10^5 rows, given to HiGHS as arrays by
    scipy.optimize.linprog, and written in CVXPY. All hold one multiplier per bidder; none uses symmetry. Times hold
    building and solving, no certificate.""",
)
def rows_against_grid(smoke: bool) -> list[Row]:
    count, repeats = (3, 1) if smoke else (5, 5)
    model = mo.MomentAuction(bidders=count, mean="3/10", reserve="1/8", points=8)
    theorem = second_price_revenue(count, 0.3, 0.125)

    def ours() -> Any:
        return reply(model.grid(model.reserve), model.sides, count, Options())

    found = race(ours, lambda: full_grid(model), repeats)
    written, seconds = _seconds(lambda: full_cvxpy(model))
    values = (found.ours.value, found.theirs, written)
    apart = max(abs(a - b) for a, b in itertools.combinations(values, 2))
    used = found.ours.solution.statistics.rows
    return [
        at_most("time over the full program", found.ratio, 10 if smoke else 0.05),
        at_most("largest difference of the three values", apart, 1e-9),
        at_most("distance of ours from the closed form", abs(found.ours.value - theorem), 1e-12),
        *found.rows("row generation", "all rows, linprog"),
        Row("seconds, all rows in CVXPY", seconds),
        Row("rows generated, rows in all", f"{used}, {10**count}"),
    ]
