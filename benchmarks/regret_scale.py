"""Minimax-regret pricing of several goods at sizes where all N^2 incentive rows cannot be written down.

The engines' own times are measured apart from the whole `mo.solve`, which adds the bracket on the continuum, the
arrays a user reads, and the exact check.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
from registry import Row, at_most, benchmark, holds

import mechopt as mo
from mechopt.models.outcome import Options
from mechopt.models.regret import regret_check
from mechopt.models.regret.regret_engines import Finite, by_rows, by_sweep, lattice
from mechopt.models.regret.regret_pricing import grid_optimum
from mechopt.models.regret.regret_rows import TILT, core, incentive_rows, solve_rows, violated
from mechopt.models.regret.regret_sweep import sweep
from mechopt.solvers.highs import load, status_of
from mechopt.solvers.linear import LinearProgram
from mechopt.solvers.program import Array, Status
from mechopt.solvers.rational import nearest

PATIENCE = 30.0  # seconds after which a rival's solve is stopped; its true time is longer
SHORT = 1.0  # runs below this many seconds are repeated


def timed(function: Callable[[], Any], repeats: int = 5) -> tuple[float, Any]:
    """Best seconds of a few runs, of one where it is long, and what the last returned."""
    best, result = np.inf, None
    for _ in range(repeats):
        started = time.perf_counter()
        result = function()
        best = min(best, time.perf_counter() - started)
        if best > SHORT:
            break
    return best, result


def box(goods: int, n: int, **more: Any) -> mo.RegretPricing:
    """Goods with values in [0, 1], n steps each, no costs."""
    return mo.RegretPricing(upper=[1] * goods, points=n, **more)


def digits(numbers: list[float], form: str = ".2g") -> str:
    """Numbers in a row."""
    return ", ".join(format(x, form) for x in numbers)


@benchmark(
    "two-goods-15",
    "Two goods, n = 15: the engines against plain CVXPY with all 256^2 incentive rows",
    """`RegretPricing(upper=[1, 1], points=15)`. The rival is its own specification, `primal()`, as a user would
    solve it: `problem.solve(solver=cp.HIGHS)`, default settings; its fairest version is told to use the interior
    point method. Ours, from the least to the most: the sweep alone; the engine around it, which also gives the
    exact certificate of the finite program; and the whole `mo.solve`, with the bracket on the continuum, the
    arrays and the check of all rows in rationals.""",
)
def against_plain(smoke: bool) -> list[Row]:
    n = 3 if smoke else 15
    box(2, 2).primal().problem.solve(solver=cp.HIGHS)  # warm up

    def plain(**options: Any) -> float:
        return float(box(2, n).primal().problem.solve(solver=cp.HIGHS, **options))

    slow, value = timed(plain, 2)
    interior, _ = timed(lambda: plain(highs_options={"solver": "ipm"}), 2)
    alone, (found, _) = timed(lambda: sweep(lattice(box(2, n))), 20)
    engine, part = timed(lambda: by_sweep(box(2, n), Options()), 20)
    whole, result = timed(lambda: mo.solve(box(2, n)), 10)
    exact = float(2 * grid_optimum(n))
    worst = max(abs(x - value) for x in (found.regret, part.value, result.value))
    return [
        at_most("time of the sweep over the plain solve", alone / slow, 1e-3),
        at_most("time of the engine over the plain solve", engine / slow, 1e-3),
        at_most("time of the whole mo.solve over the plain solve", whole / slow, 1e-3),
        at_most("largest difference of the values", worst, 1e-9),
        at_most("error of the engine against 2 h_n", abs(part.value - exact), 1e-12),
        holds("mo.solve certified", result.bounds.certified),
        Row("times faster: sweep, engine, mo.solve", digits([slow / t for t in (alone, engine, whole)], ".0f")),
        Row("the same over interior point", digits([interior / t for t in (alone, engine, whole)], ".0f")),
        Row("seconds: sweep, engine, mo.solve", digits([alone, engine, whole], ".4f")),
        Row("seconds: CVXPY + HiGHS, interior point", digits([slow, interior], ".2f")),
    ]


def only(model: mo.RegretPricing, pairs: Any, tilted: bool) -> LinearProgram:
    """The program with these incentive rows alone, as one array; tilted: with the engine's first objective."""
    base = core(model)
    rows = incentive_rows(model.values, pairs, base.shape[1])
    cost = base.cost.copy()
    if tilted:
        cost[1 : 1 + model.types] = -TILT / model.types
    matrix = sp.vstack([base.matrix, rows], format="csc")
    low = np.concatenate([base.row_lower, np.zeros(len(pairs))])
    high = np.full(len(low), np.inf)
    return LinearProgram(cost, matrix, low, high, base.col_lower, base.col_upper, base.integral)


def cold(program: LinearProgram) -> tuple[Status, float, Array]:
    """HiGHS once, from nothing, with its own default tolerances."""
    own = {"primal_feasibility_tolerance": 1e-7, "dual_feasibility_tolerance": 1e-7, "time_limit": PATIENCE}
    highs = load(program, own)
    highs.run()
    x = np.asarray(highs.getSolution().col_value, dtype=float)
    return status_of(highs), float(x[0]), x


def oracle(goods: int, n: int) -> tuple[list[float], list[float], list[str], bool]:
    """Seconds of the rows engine and the sweep; of the three rivals; how those ended; whether values agree."""
    model = box(goods, n)
    model.values  # noqa: B018  built once, for ours and theirs alike
    ours, lazy = timed(lambda: solve_rows(model, Options()), 3)
    swept, _ = timed(lambda: sweep(lattice(model)), 3)
    every = lazy.labels["gamma"]
    active = every[np.abs(lazy.multipliers["gamma"]) > 1e-12]
    seconds, ends, same = [], [], lazy.status is Status.OPTIMAL
    for pairs, tilted in ((every, False), (every, True), (active, False)):
        program = only(model, pairs, tilted)
        spent, (status, value, x) = timed(lambda program=program: cold(program), 3)
        N, J = model.values.shape
        gains = violated(model.values, x[1 : 1 + N], x[1 + N : 1 + N + N * J].reshape(N, J), 1e-6, top=1)[1]
        seconds.append(spent)
        ends.append("stopped" if status is not Status.OPTIMAL else "broken" if len(gains) else "holds")
        same = same and (status is not Status.OPTIMAL or abs(value - lazy.value) < 1e-6)
    return [ours, swept], seconds, ends, same


@benchmark(
    "oracle-limit",
    "The engines against one solve with only the rows finally needed",
    """The rows engine finds the incentive rows it needs round by round. Its rivals are told them: one cold HiGHS
    solve, default tolerances, of (a) the program with all rows the engine ended with; (b) the same with the
    engine's tilt, whose answer then satisfies all N^2 rows; (c) the program with only the rows whose multiplier
    is not zero at the end, whose value is right while its mechanism breaks other rows. A rival is stopped after
    30 s, and the ratio shown is then larger than the true one. Whether an answer holds is whether it satisfies all
    N^2 rows to 1e-6. The sweep, which mo.solve takes on these sets, is measured against the
    quickest of the three.""",
)
def oracle_limit(smoke: bool) -> list[Row]:
    targets: list[Row] = []
    detail: list[Row] = []
    agree = True
    for goods, sizes in ((2, [3, 4] if smoke else [10, 15, 20, 30, 40, 60]), (3, [2] if smoke else [6, 8, 10, 12, 15])):
        ratios: list[list[float]] = []
        for n in sizes:
            ours, theirs, ends, same = oracle(goods, n)
            agree = agree and same
            ratios.append([ours[0] / theirs[0], ours[0] / theirs[1], ours[1] / min(theirs)])
            ended = ", ".join(f"({letter}) {end}" for letter, end in zip("abc", ends, strict=True))
            name = f"{goods} goods, n = {n}: seconds of rows, sweep, (a), (b), (c); their answers"
            detail.append(Row(name, digits([*ours, *theirs], ".4f") + f"; {ended}"))
        a, b, fast = (max(column) for column in zip(*ratios, strict=True))
        targets += [
            at_most(f"{goods} goods, largest time ratio rows / (a)", a, 1),
            at_most(f"{goods} goods, largest time ratio rows / (b)", b, 1),
            at_most(f"{goods} goods, largest time ratio sweep / quickest rival", fast, 1),
            Row(f"{goods} goods, ratios by n, rows / (a)", digits([r[0] for r in ratios])),
            Row(f"{goods} goods, ratios by n, rows / (b)", digits([r[1] for r in ratios])),
            Row(f"{goods} goods, ratios by n, sweep / quickest", digits([r[2] for r in ratios])),
        ]
    return [holds("values agree to 1e-6 wherever a rival finished", agree), *targets, *detail]


def peak() -> float:
    """Most memory this process has held, GB. Where there is no /proc, getrusage, which may count the parent's too."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 2**20
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def large(goods: int, n: int) -> dict[str, Any]:
    """Run in a process of its own: the whole solve, then every incentive row in floats, by menu entry."""
    model = box(goods, n)
    seconds, result = timed(lambda: mo.solve(box(goods, n)), 3)
    memory = peak()
    finite = result.certificate["finite"]
    exact = goods * grid_optimum(n)
    facts: dict[str, Any] = {
        "seconds": seconds,
        "gigabytes": memory,
        "error": abs(result.value - float(exact)),
        "certified": result.bounds.certified,
        "contains": result.bounds.lower <= result.closed_form.value <= result.bounds.upper,
        "bounds": f"[{result.bounds.lower:.9f}, {result.bounds.upper:.9f}]",
        "method": result.document["method"],
        "fraction": n <= 500 and Fraction(finite["lower"]) == Fraction(finite["upper"]) == exact,
        "types": model.types,
    }
    if model.types <= 50_000:
        found, _ = sweep(lattice(model))
        started = time.perf_counter()
        gains = violated(model.values, found.utility, found.allocation, 1e-9, top=1)[1]
        facts["menu_seconds"], facts["menu_gain"] = time.perf_counter() - started, float(gains.max(initial=0.0))
        facts["menu_gigabytes"] = peak()
    return facts


def apart(goods: int, n: int) -> dict[str, Any]:
    """`large` in a fresh process, so that the peak of memory is its own."""
    done = subprocess.run([sys.executable, __file__, str(goods), str(n)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def large_rows(goods: int, n: int, seconds: float, gigabytes: float) -> list[Row]:
    """The rows of one large instance."""
    facts = apart(goods, n)
    name = f"{goods} goods, n = {n}"
    rows = [
        at_most(f"time, seconds, whole mo.solve, {name}", facts["seconds"], seconds),
        at_most(f"peak of memory of the process, GB, {name}", facts["gigabytes"], gigabytes),
        holds(f"certified, and the bracket contains {goods}/e", facts["certified"] and facts["contains"]),
        at_most(f"error of the value against {goods} h_n", facts["error"], 1e-9),
        Row("types", f"{facts['types']:,}"),
        Row("incentive rows", f"{facts['types'] ** 2:.3g}"),
        Row("engine", facts["method"]),
        Row("bounds", facts["bounds"]),
    ]
    if n <= 500:
        rows.append(holds(f"finite optimum as a fraction = {goods} h_n", facts["fraction"]))
    if "menu_gain" in facts:
        rows += [
            holds("every row once more in floats, by menu entry: none broken by 1e-9", facts["menu_gain"] == 0),
            Row("seconds of that, GB", digits([facts["menu_seconds"], facts["menu_gigabytes"]])),
        ]
    return rows


@benchmark(
    "large-grids",
    "Two goods, n = 200, and three goods, n = 30: all rows checked",
    """The whole mo.solve in a process of its own, imports left out of the time and counted in the memory. On a
    product of axes the checker sees one table per good, all its rows in rationals: a misreport gains the sum of
    what it gains good by good, so these rows imply all N^2. Afterwards every one of the N^2 rows is looked at
    again in floats, each type against each entry of the menu; that is not part of the first time.""",
)
def large_grids(smoke: bool) -> list[Row]:
    sizes = ((2, 6), (3, 3)) if smoke else ((2, 200), (3, 30))
    return [row for goods, n in sizes for row in large_rows(goods, n, 10, 1)]


@benchmark(
    "million-types",
    "Two goods, n = 1000: a million types",
    """The same with 1,002,001 types: value, bracket on the continuum, and the incentive check good by good in
    rationals (1001^2 rows each).""",
)
def million(smoke: bool) -> list[Row]:
    return large_rows(2, 12 if smoke else 1000, 60, 8)


def growth(function: Callable[[mo.RegretPricing], Any], goods: int, sizes: list[int]) -> tuple[float, list[float]]:
    """Least-squares slope of log seconds in log N, and the seconds."""
    models = [box(goods, n) for n in sizes]
    seconds = [timed(lambda model=model: function(model), 3)[0] for model in models]
    slope = np.polyfit(np.log([model.types for model in models]), np.log(seconds), 1)[0]
    return float(slope), seconds


@benchmark(
    "growth",
    "Growth of time in the number of types N",
    """Slope of log seconds in log N, by least squares, for the sweep and for the rows engine (regret_rows, every round
    included). The number of incentive rows grows with the exponent 2.""",
)
def exponents(smoke: bool) -> list[Row]:
    runs = {
        ("sweep", 2): [6, 9, 12] if smoke else [100, 200, 400, 800],
        ("sweep", 3): [3, 4, 5] if smoke else [20, 40, 60, 90],
        ("rows", 2): [4, 6, 8] if smoke else [15, 30, 45, 60],
        ("rows", 3): [2, 3] if smoke else [6, 8, 10, 12],
    }
    rows = []
    for (name, goods), sizes in runs.items():
        work = (lambda m: sweep(lattice(m))) if name == "sweep" else (lambda m: solve_rows(m, Options()))
        slope, seconds = growth(work, goods, sizes)
        what = f"{goods} goods, n = {', '.join(map(str, sizes))}"
        rows += [
            at_most(f"exponent of the time of the {name}, {goods} goods", slope, 2),
            Row(f"seconds, {name}: {what}", digits(seconds, ".3f")),
        ]
    return rows


def checked(model: mo.RegretPricing, engine: Callable[[mo.RegretPricing, Options], Finite | None]) -> Any:
    """Seconds of an engine and of the exact check of what it returns; whether all passed; lower and upper end."""
    solving, part = timed(lambda: engine(model, Options()), 3)
    parameters = model.parameters()

    def check() -> Any:
        instance = regret_check.Instance(parameters)
        above = regret_check._finite_above(instance, part.part["mechanism"])
        below = regret_check._finite_below(instance, part.part["nature"])
        return above, below

    checking, ((upper, first), (lower, second)) = timed(check, 3)
    return solving, checking, all(c.passed for c in first + second), lower, upper


@benchmark(
    "exact-check",
    "The exact check of all rows against the solve",
    """Seconds of the exact check (regret_check, the finite part, both ends) over seconds of the engine that made
    the certificate. On the box the certificate has one table per good, and the rows of each good imply those
    of the product: what the checker sees is 2 x 61^2 rows, not 3,721^2. The same instance by the rows engine, and
    the set cut by a budget, have one table over all types, and the checker goes through all N^2 rows.""",
)
def exact_check(smoke: bool) -> list[Row]:
    n, m = (6, 4) if smoke else (60, 40)
    runs = (
        (f"2 goods, n = {n}, by goods", box(2, n), by_sweep),
        (f"2 goods, n = {n}, one table over {(n + 1) ** 2:,} types", box(2, n), by_rows),
        (f"budget 3/2, n = {m}, one table", box(2, m, budget="3/2"), by_sweep),
        (f"budget 3/2, n = {m}, one table, by rows", box(2, m, budget="3/2"), by_rows),
    )
    rows = []
    for name, model, engine in runs:
        solving, checking, passed, lower, upper = checked(model, engine)
        rows += [
            at_most(f"time of the check over the solve: {name}", checking / solving, 3),
            holds(f"all rows hold: {name}", passed),
            Row(f"upper less lower end, exactly: {name}", nearest(upper - lower)),
            Row("seconds: check, solve", digits([checking, solving], ".4f")),
        ]
    return rows


if __name__ == "__main__":
    print(json.dumps(large(int(sys.argv[1]), int(sys.argv[2]))))
