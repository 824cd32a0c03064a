"""Auctions over time with one buyer: the sweep against programs over histories, the paper's scheme, and its growth."""

from __future__ import annotations

import itertools
import math
import time
from fractions import Fraction
from typing import Any

import numpy as np
from registry import Row, at_most, benchmark, holds

import mechopt as mo
from mechopt.models.distributions import Distribution
from mechopt.models.dynamic.exact import exact_revenue
from mechopt.models.dynamic.exact_programs import exact_optimum
from mechopt.models.dynamic.history import dynamic_program
from mechopt.models.dynamic.history_accounts import account_program
from mechopt.models.dynamic.scheme import scheme
from mechopt.models.dynamic.sweep import sweep
from mechopt.solvers.highs import solve as highs


def prior(rng: np.random.Generator, n: int, most: int = 12, whole: int = 16) -> Distribution:
    """n integer values below `most` with probabilities in 16ths: floats hold every product exactly."""
    values = sorted(rng.choice(most, size=n, replace=False).tolist())
    cuts = sorted(rng.choice(np.arange(1, whole), size=n - 1, replace=False).tolist())
    return Distribution(
        values=values, probabilities=[Fraction(b - a, whole) for a, b in itertools.pairwise([0, *cuts, whole])]
    )


def instance(seed: int, buyers: int, longest: int, most: int) -> mo.DynamicAuction:
    """A random instance with 2 to `longest` periods and 2 to `most` values."""
    rng = np.random.default_rng(seed)
    T = int(rng.integers(2, longest + 1))
    return mo.DynamicAuction(
        periods=[[prior(rng, int(rng.integers(2, most + 1))) for _ in range(buyers)] for _ in range(T)]
    )


def evenly(n: int, T: int) -> mo.DynamicAuction:
    """T periods with n equally likely values from 1 to 2."""
    return mo.DynamicAuction(periods=[[{"family": "uniform", "support": [1, 2], "points": n}]] * T)


LONGEST = 100.0  # seconds of one row


def seconds(call: Any) -> tuple[Any, float]:
    """What a call returns, and how long it took."""
    started = time.perf_counter()
    return call(), time.perf_counter() - started


@benchmark(
    "dynamic-truth",
    "Auctions over time: value functions and nested Benders against programs over histories",
    """30 random instances with one buyer (T <= 4, n <= 5) against the full-history program with all pairs of types, and
    20 with two buyers (T = 2, n <= 3) against the program of bank accounts over histories. For 10 with one buyer the
    program's optimum, solved from its basis in rationals, and the exact value functions give the same fraction.""",
)
def truth(smoke: bool) -> list[Row]:
    counts = (4, 2, 2) if smoke else (30, 20, 10)
    one, two, outside, fractions = 0.0, 0.0, 0, 0
    for seed in range(counts[0]):
        model = instance(seed, 1, 3 if smoke else 4, 3 if smoke else 5)
        value = highs(dynamic_program(model)).value
        bounds = mo.solve(model, gap=1e-9 * max(1.0, value)).bounds
        one = max(one, abs(bounds.lower - value), abs(bounds.upper - value))
        outside += not bounds.certified
    for seed in range(counts[1]):
        model = instance(100 + seed, 2, 2, 3)
        value = highs(account_program(model)).value
        bounds = mo.solve(model, gap=1e-9 * max(1.0, value), time_limit=LONGEST).bounds
        two = max(two, abs(bounds.lower - value), abs(bounds.upper - value))
        outside += not bounds.certified
    for seed in itertools.count(200):
        model = instance(seed, 1, 3, 3)
        try:
            optimum = exact_optimum(model, dynamic_program)
            exact = exact_revenue([period[0] for period in model.periods])
        except ValueError:  # denominators too large for reading them from floats
            continue
        assert optimum == exact, seed
        fractions += 1
        if fractions == counts[2]:
            break
    return [
        at_most(f"largest distance of a bound from the optimum, {counts[0]} with one buyer", one, 1e-9),
        at_most(f"largest distance of a bound from the optimum, {counts[1]} with two buyers", two, 1e-9),
        holds("every bracket certified", outside == 0),
        holds(f"{counts[2]} optima as the same fraction, twice", fractions == counts[2]),
    ]


def uneven(n: int, T: int) -> mo.DynamicAuction:
    """T periods with n random values below 1000 and random weights: virtual values are not monotone."""
    rng = np.random.default_rng(0)
    periods = []
    for _ in range(T):
        values, weights = sorted(rng.choice(1000, n, replace=False).tolist()), rng.integers(1, 20, n).tolist()
        periods.append([Distribution(values=values, probabilities=[Fraction(w, sum(weights)) for w in weights])])
    return mo.DynamicAuction(periods=periods)


def certified(model: mo.DynamicAuction, relative: float) -> tuple[float, float, bool]:
    """Relative width reached, seconds with certificate (at most LONGEST), and whether it is certified."""
    rough = sum(float(period[0].f @ period[0].v) for period in model.periods) * 0.75
    result, took = seconds(lambda: mo.solve(model, gap=relative * rough, time_limit=LONGEST))
    return result.bounds.width / result.bounds.lower, took, result.bounds.certified


@benchmark(
    "dynamic-large",
    "Auctions over time: certified brackets for one buyer with many values",
    """Values uniform on [1, 2], or random with random weights. Seconds are those of the whole solve, with the
    certificate and its check in whole numbers. Stretch: T = 50, n = 100 to a relative width of 1e-4.""",
)
def large(smoke: bool) -> list[Row]:
    n, T, longer, fine = (10, 5, 6, 1e-3) if smoke else (100, 20, 50, 1e-4)
    rows = []
    for name, model, relative, limit in (
        (f"T = {T}, n = {n}, uniform", evenly(n, T), 1e-3, 30),
        (f"T = {T}, n = {n}, random", uneven(n, T), 1e-3, 30),
        (f"stretch: T = {longer}, n = {n}, uniform", evenly(n, longer), fine, 60),
    ):
        width, took, proved = certified(model, relative)
        rows += [
            at_most(f"{name}: relative width", width, relative),
            at_most(f"{name}: seconds", took, limit),
            holds(f"{name}: certified", proved),
        ]
    return rows


@benchmark(
    "dynamic-scheme",
    "Auctions over time: the sweep against the paper's scheme in plain CVXPY",
    """The scheme solves program (12), written in CVXPY and built anew, at every balance of a grid, and optimises xi by
    Kelley's method. It bounds the optimum from above only; its error is measured against our bracket. Ours is asked for
    a two-sided bracket no wider than that error.""",
)
def against_scheme(smoke: bool) -> list[Row]:
    rows = []
    for n, T, points in ((3, 2, 6),) if smoke else ((3, 2, 20), (5, 3, 20), (5, 4, 20)):
        rng = np.random.default_rng(n + T)
        priors = [prior(rng, n) for _ in range(T)]
        tight = sweep(priors, 1e-9)
        theirs, slow = seconds(lambda priors=priors, points=points: scheme(priors, points, 1e-4, most=60))  # type: ignore[misc]
        error = max(abs(theirs.value - tight.lower), 1e-6)
        ours, fast = seconds(lambda priors=priors, error=error: sweep(priors, error))  # type: ignore[misc]
        name = f"n = {n}, T = {T}, {points} balances"
        rows += [
            at_most(f"{name}: time over the scheme's", fast / slow, 0.01),
            holds(f"{name}: at least as accurate", ours.upper - ours.lower <= error),
            Row(
                f"{name}: seconds (ours, theirs), programs",
                f"{fast:.4f}, {slow:.3f}; {ours.programs}, {theirs.programs}",
            ),
            Row(f"{name}: error (our width, theirs)", f"{ours.upper - ours.lower:.1e}, {error:.1e}"),
        ]
    return rows


@benchmark(
    "dynamic-histories",
    "Auctions over time: the sweep against the extensive form at 1e5 histories",
    """One buyer, 10 values, 5 periods. The extensive form is the program of bank accounts over histories, which is
    smaller than that of all pairs; its time is HiGHS's alone. Ours is the bracket to a relative width of 1e-4.""",
)
def histories(smoke: bool) -> list[Row]:
    n, T = (4, 4) if smoke else (10, 5)
    rng = np.random.default_rng(1)
    priors = [prior(rng, n, most=40, whole=64) for _ in range(T)]
    model = mo.DynamicAuction(periods=[[p] for p in priors])
    found, fast = seconds(lambda: sweep(priors, 1e-4 * sum(float(p.f @ p.v) for p in priors) * 0.7))
    extensive = highs(account_program(model))
    slow = extensive.statistics.solve_seconds
    inside = found.lower - 1e-6 <= extensive.value <= found.upper + 1e-6
    return [
        at_most("time over the extensive form", fast / slow, 1 if smoke else 0.02),
        holds("its optimum lies in the bracket", inside),
        at_most("relative width", (found.upper - found.lower) / found.lower, 1e-4),
        Row("seconds (ours, HiGHS)", f"{fast:.3f}, {slow:.2f}"),
        Row("histories", f"{model.histories:,}"),
    ]


@benchmark(
    "dynamic-growth",
    "Auctions over time: how the sweep's time grows with periods and values",
    """Values uniform on [1, 2], relative width 1e-3. The exponent is the slope of log seconds, the best of
    three runs, by least squares.""",
)
def growth(smoke: bool) -> list[Row]:
    lengths, widths = ((3, 6), (5, 10)) if smoke else ((20, 40, 80, 160), (25, 50, 100, 200))
    rows = []
    for name, sizes, build, most in (
        ("T (n = 20)", lengths, lambda T: evenly(5 if smoke else 20, T), 2.0),
        ("n (T = 20)", widths, lambda n: evenly(n, 3 if smoke else 20), 1.3),
    ):
        took = []
        for size in sizes:
            model = build(size)
            priors = [period[0] for period in model.periods]
            gap = 1e-3 * 0.75 * sum(float(p.f @ p.v) for p in priors)
            runs = [seconds(lambda priors=priors, gap=gap: sweep(priors, gap)) for _ in range(1 if smoke else 3)]  # type: ignore[misc]
            assert all(found.finished for found, _ in runs)
            took.append(min(once for _, once in runs))
        slope = float(np.polyfit(np.log(sizes), np.log(took), 1)[0])
        rows.append(at_most(f"exponent in {name}", slope, 9 if smoke else most))
        rows.append(Row(f"seconds at {', '.join(map(str, sizes))}", ", ".join(f"{x:.3g}" for x in took)))
    assert not any(math.isnan(float(row.value)) for row in rows if isinstance(row.value, float))
    return rows
