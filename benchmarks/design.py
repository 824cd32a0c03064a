"""The composer against peers that compose: mechaudit for designs and regret, RSOME for a random price under a mean.

The environment variable MECHOPT_PEERS may name a Python interpreter that has mechaudit and rsome; without it, this one
is asked, and the comparison is left out where it has neither.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

from registry import Row, at_most, benchmark, holds

import mechopt as mo

PEER = Path(__file__).with_name("peer_design.py")
SUPPORT = {"kind": "support"}
RESOLUTION = 1e-9


def peer(module: str) -> str | None:
    """The interpreter that has a module, if any."""
    if named := os.environ.get("MECHOPT_PEERS"):
        try:
            asked = subprocess.run([named, "-c", f"import {module}"], capture_output=True, check=False)
        except OSError:
            return None
        return named if asked.returncode == 0 else None
    return sys.executable if importlib.util.find_spec(module) else None


def ask(interpreter: str, **problem: Any) -> dict[str, Any]:
    """A problem solved by the peer, in a process of its own."""
    sent = json.dumps(problem)
    done = subprocess.run([interpreter, str(PEER)], input=sent, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def best(design: mo.Design, repeats: int) -> tuple[mo.Result, float]:
    """The best of several runs of a design made afresh each time, with its exact certificate."""
    seconds, result = float("inf"), None
    parameters = design.parameters()
    for _ in range(repeats + 1):  # the first one imports what is imported late
        started = time.perf_counter()
        result = mo.solve(mo.Design(**parameters))
        seconds = min(seconds, time.perf_counter() - started)
    assert result is not None
    return result, seconds


def audited(result: mo.Result) -> mo.Audit:
    """Every misreport in every profile, in fractions, from the exact tables of the certificate."""
    environment, tables = result.model.environment, result.certificate["finite"]["mechanism"]
    K = environment.shape[-1]

    def nested(flat: list[Any]) -> list[Any]:
        rows = [flat[k : k + K] for k in range(0, len(flat), K)]
        per = environment.profiles // K
        return [rows[k : k + per] for k in range(0, len(rows), per)]

    types = [[str(t[0]) for t in own] for own in environment.exact]
    allocation, payment = nested([row[0] for row in tables["q"]]), nested(tables["m"])
    return mo.audit({"types": types, "allocation": allocation, "payment": payment}, ["ex-post"])


@benchmark(
    "design-dsic",
    "Designing and auditing a DSIC auction as a composition, 2 bidders x 20 types, against mechaudit",
    """Ours: mo.solve(Design(environment={"distributions": ..})), the linear program, its certificate over every row,
    and mo.audit of the exact tables. Theirs: env.design(ExpectedRevenue, DSIC, ExPostIR).solve(), which audits what it
    found. Imports are left out.""",
)
def dsic(smoke: bool) -> list[Row]:
    K, repeats = (4, 1) if smoke else (20, 3)
    design = mo.Design(environment={"distributions": [{"family": "uniform", "support": [0, 1], "points": K}] * 2})
    result, seconds = best(design, repeats)
    started = time.perf_counter()
    report = audited(result)
    seconds += time.perf_counter() - started
    rows = [holds("certified, and the audit passes", result.bounds.certified and report.passed),
            Row("seconds, ours", seconds)]  # fmt: skip
    interpreter = peer("mechaudit")
    if interpreter is None:
        return [*rows, Row("mechaudit", "peer not installed")]
    types, chances = [[k / (K - 1) for k in range(K)]] * 2, [[1 / K] * K] * 2
    found = [ask(interpreter, problem="dsic", types=types, probabilities=chances) for _ in range(repeats)]
    theirs = min(answer["seconds"] for answer in found)
    return [
        at_most("time over mechaudit's", seconds / theirs, 10 if smoke else 0.2),
        at_most("difference of the revenues", abs(found[0]["value"] - result.value), RESOLUTION),
        *rows,
        Row("seconds, mechaudit", theirs),
    ]


@benchmark(
    "design-regret",
    "Minimax regret of one good, 401 values, against mechaudit with a dummy agent",
    """Ours: mo.solve(Design(..)) with certificate and the bracket on the continuum. Theirs: DSIC rows for all pairs,
    and the regret as the constant payment of an agent without types, one run.""",
)
def regret(smoke: bool) -> list[Row]:
    points, repeats = (20, 1) if smoke else (400, 3)
    design = mo.Design(environment={"upper": [1], "points": points}, criterion={"kind": "regret", "ambiguity": SUPPORT})
    result, seconds = best(design, repeats)
    rows = [
        holds("certified on the continuum", result.bounds.certified and result.bounds.problem == "continuum"),
        Row("seconds, ours", seconds),
    ]
    interpreter = peer("mechaudit")
    if interpreter is None:
        return [*rows, Row("mechaudit", "peer not installed")]
    found = ask(interpreter, problem="regret", points=points)
    return [
        at_most("time over mechaudit's", seconds / found["seconds"], 10 if smoke else 0.01),
        at_most("difference of the values", abs(found["value"] - result.value), 1e-7),
        *rows,
        Row("seconds, mechaudit", found["seconds"]),
    ]


@benchmark(
    "design-random-price",
    "A random price when only the mean is known, 321 values, against RSOME",
    """Worst-case revenue of one buyer with mean value at least 1/2. Ours: mo.solve(Design(..)), which also returns the
    worst distribution and a certificate. Theirs: RSOME's distributionally robust model with one scenario per value,
    free probabilities and a bound on the expectation, one run; beside it the user's own reformulation as a robust
    program with one bilinear term and a polytope, which RSOME takes as well.""",
)
def random_price(smoke: bool) -> list[Row]:
    points, repeats = (20, 1) if smoke else (320, 3)
    known = {**SUPPORT, "moments": [{"at_least": Fraction(1, 2)}]}
    design = mo.Design(
        environment={"upper": [1], "points": points}, criterion={"kind": "worst-case", "ambiguity": known}
    )
    result, seconds = best(design, repeats)
    mass, values = result.worst_case.values, result.array("values").values[0, :, 0]
    revenue = float(mass @ result.mechanism.payment.values[0])
    rows = [
        holds("certified", result.bounds.certified),
        at_most("revenue under the worst distribution, less the value", abs(revenue - result.value), RESOLUTION),
        at_most("its mean, short of 1/2", max(0.0, 0.5 - float(mass @ values)), RESOLUTION),
        Row("seconds, ours", seconds),
    ]
    interpreter = peer("rsome")
    if interpreter is None:
        return [*rows, Row("RSOME", "peer not installed")]
    stated, rewritten = (ask(interpreter, problem=p, points=points, mean=0.5) for p in ("ambiguous", "price"))
    return [
        at_most("time over RSOME's distributionally robust model", seconds / stated["seconds"], 10 if smoke else 0.01),
        Row("time over RSOME's robust program", seconds / rewritten["seconds"]),
        at_most("difference of the values", max(abs(a["value"] - result.value) for a in (stated, rewritten)), 1e-8),
        *rows,
        Row("seconds, RSOME: stated, rewritten", f"{stated['seconds']:.3f}, {rewritten['seconds']:.3f}"),
    ]
