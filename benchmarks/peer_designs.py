"""Run by benchmarks/phases.py with an interpreter that has mechaudit: one family, its phases timed, imports left out.

Solving there ends with an audit of the mechanism found. So the audit is timed again alone, reported as the check, and
taken off the time to solve.
"""

import json
import sys
import time

import mechaudit as ma
from peer_design import environment


def regret(size):
    """The regret is what an agent without types pays."""
    n = size["points"]
    made = environment(ma, [[k / n for k in range(n + 1)]], [[1 / (n + 1)] * (n + 1)], ["nature"])
    at = [ma.ReportProfile.from_mapping({"bidder 1": k, "nature": 0}) for k in range(n + 1)]
    regret, paid = ([ma.PaymentCoordinate(p, who) for p in at] for who in ("nature", "bidder 1"))
    wins = [ma.AllocationCoordinate(p, "bidder 1") for p in at]
    row = ma.CustomLinearConstraint
    rows = [row(f"regret {k}", {regret[k]: 1.0, paid[k]: 1.0}, sense=">=", rhs=k / n) for k in range(n + 1)]
    rows += [row(f"same {k}", {regret[k]: 1.0, regret[0]: -1.0}, sense="==") for k in range(1, n + 1)]
    rows += [row(f"stay {k}", {wins[k]: k / n, paid[k]: -1.0}, sense=">=") for k in range(n + 1)]
    goal = ma.CustomLinearObjective("less regret", {regret[0]: -1.0})
    return made, made.design(objective=goal, requirements=[ma.DSIC(), ma.CustomLinearRequirement("regret", rows)]), -1


def auction(size, rules):
    K = size.get("types", 0)
    values = size.get("values") or [k / (K - 1) for k in range(K)]
    chances = size.get("chances") or [1 / K] * K
    made = environment(ma, [values] * size["bidders"], [chances] * size["bidders"])
    return made, made.design(objective=ma.ExpectedRevenue(), requirements=rules), 1


STATED = {
    "regret of one good": regret,
    "ex-post auction": lambda size: auction(size, (ma.DSIC(), ma.ExPostIR())),
    "Bayesian auction": lambda size: auction(size, (ma.BIC(), ma.InterimIR())),
}


def run(family, size):
    started = time.perf_counter()
    made, problem, sign = STATED[family](size)
    problem.compile()
    built = time.perf_counter()
    solution = problem.solve()
    done = time.perf_counter()
    made.audit(solution.mechanism, problem.requirements)
    check = time.perf_counter() - done
    value = sign * float(solution.objective_value)
    found = {"build": built - started, "solve": done - built - check, "verify": check, "whole": done - started}
    return {**found, "value": value}


given = json.load(sys.stdin)
run(given["family"], given["warm"])
runs = []
while len(runs) < given["repeats"] and sum(p["whole"] for p in runs) < given["enough"]:
    runs.append(run(given["family"], given["size"]))
found = min(runs, key=lambda p: p["whole"])
print("\n" + json.dumps({"phases": found, "version": ma.__version__}))
