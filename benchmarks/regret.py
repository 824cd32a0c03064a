"""Minimax-regret pricing against plain CVXPY + HiGHS, and against numbers known exactly.

The rival is what a careful user writes: program (2.6) in q, m and r, vectorised, default settings. In one
good it has the adjacent incentive rows only, which imply the others.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import cvxpy as cp
import flint
import numpy as np
from registry import Row, at_most, benchmark, holds, race

import mechopt as mo
from mechopt.models.regret.regret_pricing import grid_optimum
from mechopt.solvers.rational import rational


def plain_one_good(n: int) -> cp.Problem:
    """One good, values 0, 1/n, ..., 1: adjacent incentive rows, no certificate, HiGHS as it comes."""
    v = np.arange(n + 1) / n
    r, q, m = cp.Variable(), cp.Variable(n + 1), cp.Variable(n + 1)
    truth = cp.multiply(v, q) - m
    rows = [
        r >= v - m,
        truth >= 0,
        truth[1:] >= cp.multiply(v[1:], q[:-1]) - m[:-1],
        truth[:-1] >= cp.multiply(v[:-1], q[1:]) - m[1:],
        q >= 0,
        q <= 1,
    ]
    problem = cp.Problem(cp.Minimize(r), rows)
    problem.solve(solver=cp.HIGHS)
    return problem


def plain_all_pairs(n: int, goods: int) -> cp.Problem:
    """Several goods on the grid, every incentive row, no certificate, solved by HiGHS as it comes."""
    V = np.array(list(itertools.product(np.arange(n + 1) / n, repeat=goods)))
    r, q, m = cp.Variable(), cp.Variable(V.shape), cp.Variable((len(V), 1))
    truth = cp.sum(cp.multiply(V, q), axis=1, keepdims=True) - m
    rows = [r >= V.sum(axis=1, keepdims=True) - m, truth >= 0, truth >= V @ q.T - m.T, q >= 0, q <= 1]
    problem = cp.Problem(cp.Minimize(r), rows)
    problem.solve(solver=cp.HIGHS)
    return problem


def _distance(value: float, exact: Fraction) -> float:
    return abs(float(Fraction(value) - exact))


@benchmark(
    "one-good-1000",
    "One good, n = 1000: the whole solve with a certified continuum bracket",
    """mo.solve(RegretPricing(upper=[1], points=1000)): the finite program, both curves of the continuum
    bracket and the exact check of all 1001^2 incentive rows, against CVXPY + HiGHS solving the same finite
    program with adjacent rows and no certificate.""",
)
def whole_solve(smoke: bool) -> list[Row]:
    n, repeats = (30, 2) if smoke else (1000, 7)
    found = race(lambda: mo.solve(mo.RegretPricing(upper=[1], points=n)), lambda: plain_one_good(n), repeats)
    bounds = found.ours.bounds
    return [
        at_most("time over the plain solve", found.ratio, 10),
        holds("bracket certified, on the continuum", bounds.certified and bounds.problem == "continuum"),
        *found.rows("mechopt", "CVXPY + HiGHS"),
        Row("width of the bracket", bounds.width),
    ]


@benchmark(
    "one-good-400-exact",
    "One good, n = 400: an exact certificate equal to the closed form",
    """The finite program's certified lower and upper bound as fractions, against max_j (j/n)(H_n - H_j) as a
    fraction. The time is that of the whole mo.solve, continuum bracket included, against the plain solve by
    CVXPY + HiGHS.""",
)
def exact_certificate(smoke: bool) -> list[Row]:
    n, repeats = (20, 2) if smoke else (400, 7)
    found = race(lambda: mo.solve(mo.RegretPricing(upper=[1], points=n)), lambda: plain_one_good(n), repeats)
    part = found.ours.certificate["finite"]
    lower, upper, theorem = Fraction(part["lower"]), Fraction(part["upper"]), grid_optimum(n)
    return [
        holds("lower = upper = closed form, as fractions", lower == upper == theorem),
        at_most("time over the plain solve", found.ratio, 15),
        *found.rows("mechopt", "CVXPY + HiGHS"),
        Row("digits of the fraction's denominator", str(len(str(theorem.denominator)))),
    ]


def _rational(text: str) -> flint.fmpq:
    """A certificate's fraction; Python's own integers refuse to read more than 4300 digits."""
    return flint.fmpq(*(flint.fmpz(part) for part in text.split("/")))


def _outward(result: mo.Result) -> bool:
    """Whether the reported floats lie on the safe side of the certificate's fractions, and 1/e inside."""
    finite, continuum = (result.certificate[part] for part in ("finite", "continuum"))
    bounds, lower = result.bounds, max(_rational(finite["lower"]), _rational(continuum["lower"]))
    safe = rational(bounds.lower) <= lower and rational(bounds.upper) >= _rational(continuum["upper"])
    return bounds.certified and safe and bounds.lower <= math.exp(-1) <= bounds.upper


@benchmark(
    "one-good-bracket",
    "One good: the continuum bracket around 1/e",
    """Width of the certified bracket of mo.solve(RegretPricing(upper=[1], points=1000)) as it comes, and with
    gap=1e-8, which refines the cells where it is loose. Outward rounded means: each float lies on the safe
    side of the certificate's fraction.""",
)
def bracket_width(smoke: bool) -> list[Row]:
    n, gap = (30, 1e-4) if smoke else (1000, 1e-8)
    model = mo.RegretPricing(upper=[1], points=n)
    found = race(lambda: mo.solve(model, gap=gap), lambda: mo.solve(model), 1)
    refined, plain = found.ours, found.theirs
    return [
        at_most(f"width at n = {n}", plain.bounds.width, 1e-2 if smoke else 1e-6),
        at_most("width with refinement", refined.bounds.width, gap),
        holds("both certified, outward rounded, 1/e inside", _outward(plain) and _outward(refined)),
        holds("both pass verify", plain.verify().passed and refined.verify().passed),
        Row("seconds, with and without refinement", f"{found.best[0]:.3f}, {found.best[1]:.3f}"),
    ]


@benchmark(
    "one-good-5000-error",
    "One good, n = 5000: error of the reported value",
    """Relative error of result.value of mo.solve(RegretPricing(upper=[1], points=5000)) against the exact
    optimum on the grid, beside that of CVXPY + HiGHS with default tolerances on the same finite program with
    adjacent rows.""",
)
def value_error(smoke: bool) -> list[Row]:
    n = 60 if smoke else 5000
    exact, plain = grid_optimum(n), plain_one_good(n)
    result = mo.solve(mo.RegretPricing(upper=[1], points=n))
    return [
        at_most("relative error of mechopt", _distance(result.value, exact) / float(exact), 1e-12),
        Row("relative error of CVXPY + HiGHS", _distance(float(plain.value), exact) / float(exact)),
        Row("status CVXPY + HiGHS reports", str(plain.status)),
        Row("finite bounds certified", result.bounds.certified),
    ]


@benchmark(
    "two-goods-12",
    "Two goods, n = 12: all pairs against the closed forms",
    """mo.solve(RegretPricing(upper=[1, 1], points=12), method="all-pairs"), all 169^2 incentive rows in
    CVXPY, against twice the one-good grid optimum and against 2/e. The plain solve is the same program
    without a certificate.""",
)
def two_goods(smoke: bool) -> list[Row]:
    n = 3 if smoke else 12
    model = mo.RegretPricing(upper=[1, 1], points=n)
    repeats = 1 if smoke else 3
    found = race(lambda: mo.solve(model, method="all-pairs"), lambda: plain_all_pairs(n, 2), repeats)
    bounds, theorem, separate = found.ours.bounds, 2 * math.exp(-1), 2 * grid_optimum(n)
    return [
        holds("certified bounds contain 2/e", bounds.certified and bounds.lower <= theorem <= bounds.upper),
        at_most("distance of value from twice the one-good optimum", _distance(found.ours.value, separate), 1e-9),
        Row("the same for CVXPY + HiGHS", _distance(float(found.theirs.value), separate)),
        Row("time over the plain solve", found.ratio),
        *found.rows("mechopt", "CVXPY + HiGHS"),
        Row("bracket", f"[{bounds.lower:.6f}, {bounds.upper:.6f}]"),
    ]
