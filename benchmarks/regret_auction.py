"""Minimax-regret auctions: the program by orbits of the bidders against the same program with every row.

The rival is program (3.1) as it reads, vectorised in CVXPY: every bidder, every profile, every misreport.
"""

from __future__ import annotations

import cvxpy as cp
from registry import Row, at_most, benchmark, holds, race

import mechopt as mo
from mechopt.models.regret.regret_auction_orbits import orbits, program
from mechopt.models.regret.regret_pricing import grid_optimum
from mechopt.solvers.highs import solve


def every_row(model: mo.RegretAuction) -> float:
    """The unreduced program, CVXPY and HiGHS as they come."""
    problem = model.primal().problem
    problem.solve(solver=cp.HIGHS)
    return float(problem.value)


def by_orbits(model: mo.RegretAuction) -> float:
    """One column per orbit, adjacent rows, our own tolerances and recomputed residuals."""
    return solve(program(model, orbits(model))).value * float(max(model.best))


@benchmark(
    "two-bidders-20",
    "Two bidders, one good, n = 20: orbits against the unreduced program",
    """RegretAuction(bidders=2, upper=[1], points=20), 441 profiles: building and solving the program by orbits
    of the bidders with adjacent rows, against building and solving (3.1) with every row. Then all of mo.solve
    with method="orbits" (the bracket on the continuum and the exact check of every row included), with the
    default method (second price auctions with random reserves), and the case of positive lower bounds.""",
)
def auction_orbits(smoke: bool = False) -> list[Row]:
    n = 6 if smoke else 20
    model = mo.RegretAuction(bidders=2, upper=[1], points=n)
    above_zero = mo.RegretAuction(bidders=2, upper=[1], lower=["1/4"], points=n)
    repeats = 1 if smoke else 5
    found = race(lambda: by_orbits(model), lambda: every_row(model), repeats)
    whole = race(lambda: mo.solve(model, method="orbits"), lambda: mo.solve(model), repeats)
    lower = race(lambda: by_orbits(above_zero), lambda: every_row(above_zero), repeats)
    exact = float(grid_optimum(n))
    return [
        at_most("time over the unreduced program", found.ratio, 1 if smoke else 0.2),
        at_most("distance of the value from h_n", abs(found.ours - exact), 1e-9),
        *found.rows("by orbits", "every row"),
        at_most("time over the unreduced program, values from 1/4", lower.ratio, 1 if smoke else 0.2),
        at_most("distance of the two values, values from 1/4", abs(lower.ours - lower.theirs), 1e-7),
        *lower.rows("by orbits, values from 1/4", "every row, values from 1/4"),
        holds("certified, and verified", whole.ours.bounds.certified and whole.ours.verify().passed),
        *whole.rows("all of mo.solve by orbits", "all of mo.solve by default"),
    ]
