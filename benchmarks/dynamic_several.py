"""Dynamic auctions with several buyers: the two-sided search against the program over histories, and beyond it."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any

import numpy as np
from registry import Row, at_most, benchmark, holds, race

import mechopt as mo
from mechopt.models.dynamic.bank_account_sources import of_points
from mechopt.models.dynamic.dynamic_audit import audit
from mechopt.solvers.highs import solve as highs

PROMISED = ("IC", "BI", "BU", "PPIC", "INDU", "DIC", "DBIC", "eP-IR", "PFIR", "PEIR")


def random_model(rng: np.random.Generator, sizes: tuple[int, ...], buyers: int = 2) -> mo.DynamicAuction:
    """Whole values below 40 with whole weights, one number of values per period."""

    def prior(n: int) -> dict[str, Any]:
        weights = rng.integers(1, 9, n).tolist()
        chances = [str(Fraction(w, sum(weights))) for w in weights]
        return {"values": sorted(rng.choice(40, n, replace=False).tolist()), "probabilities": chances}

    return mo.DynamicAuction(periods=[[prior(n) for _ in range(buyers)] for n in sizes])


@benchmark(
    "dynamic-several-random",
    "Two buyers: bank accounts by search against the program over histories",
    """Twenty random instances with two buyers, two or three periods and two to four values each. The search solves one
period's program at a time and proves a bracket in rationals, 1e-9 wide relative to the revenue (10 to 100); the other
number is the optimum of the CVXPY program of bank accounts over all histories, solved by HiGHS. The mechanism of each
result is rebuilt in fractions: its expected revenue is compared with the lower bound, and every history, report and
strategy is audited.""",
)
def random_instances(smoke: bool) -> list[Row]:
    rng = np.random.default_rng(5)
    sizes = [(2, 2), (2, 2, 2)] if smoke else [(2, 2), (3, 2), (3, 3), (2, 2, 2), (4, 3)] * 4
    miss = worst = 0.0
    certified = exact = kept = True
    for size in sizes:
        model = random_model(rng, size)
        optimum = highs(model.primal()).require().value
        result = mo.solve(model, gap=1e-9 * optimum, time_limit=30)
        ends = (result.bounds.lower, result.bounds.upper)
        miss = max([miss, *(abs(end - optimum) / optimum for end in ends)])
        worst = max(worst, result.bounds.width / optimum)
        certified &= result.bounds.certified
        mechanism = of_points(model.periods, result.arrays, exact=True)
        exact &= mechanism.expected_revenue() == Fraction(result.certificate["finite"]["lower"])
        if model.histories <= 100:
            found = audit(mechanism)
            kept &= all(found[name].violation == 0 for name in PROMISED)
    return [
        Row("instances", str(len(sizes))),
        at_most("either bound against the optimum of the CVXPY program, largest relative difference", miss, 1e-9),
        at_most("relative width of the bracket, largest", worst, 1e-9),
        holds("every bracket certified", certified),
        holds("lower bound is the mechanism's expected revenue, as fractions", exact),
        holds("ten notions of truth and rationality hold exactly (up to 100 histories)", kept),
    ]


@benchmark(
    "dynamic-several-history",
    "Two buyers, ten values each, two periods: 10,000 histories",
    """The search with certificate and exact check, and the CVXPY program of bank accounts over histories, built and
solved, in turns.""",
)
def against_history(smoke: bool) -> list[Row]:
    model = random_model(np.random.default_rng(11), (3, 3) if smoke else (10, 10))
    found = race(lambda: mo.solve(model, gap=1e-8), lambda: highs(model.primal()).require(), 1)
    return [
        *found.rows("search", "program over histories"),
        at_most("time of the search over that of the program", found.ratio, 1.0 if smoke else 0.2),
        at_most("difference of the values", abs(found.ours.value - found.theirs.value), 1e-8),
        at_most("width of the certified bracket", found.ours.bounds.width, 1e-8),
    ]


@benchmark(
    "dynamic-several-large",
    "Several buyers beyond the program over histories",
    """Random instances with values up to 40 per period, bracket asked for: 1e-6, at most 40 seconds each.""",
)
def large(smoke: bool) -> list[Row]:
    cases = [((2,) * 3, 2)] if smoke else [((14, 14), 2), ((5, 5, 5), 2), ((2,) * 7, 2), ((3, 3), 3)]
    rows, proved = [], True
    for sizes, buyers in cases:
        model = random_model(np.random.default_rng(3), sizes, buyers)
        started = time.perf_counter()
        result = mo.solve(model, gap=1e-6, time_limit=5 if smoke else 40)
        seconds = time.perf_counter() - started
        name = f"{buyers} buyers, {sizes[0]} values, {len(sizes)} periods, {model.histories:,} histories"
        rows.append(Row(f"{name}: seconds, width", f"{seconds:.1f}, {result.bounds.width:.1e}"))
        proved &= result.bounds.certified
    return [*rows, holds("every bracket certified", proved)]
