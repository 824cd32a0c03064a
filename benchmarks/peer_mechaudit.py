"""Run by benchmarks/auctions.py with an interpreter that has mechaudit: one design and two audits, timed.

Reads JSON from standard input: `types` and `probabilities` per bidder, and `mechanisms`, a list of {allocation,
payment} as tables [bidder][t1][t2]. Writes the seconds of each and the verdicts as JSON. Imports are left out.
"""

import itertools
import json
import sys
import time

import mechaudit as ma

RULES = (ma.DSIC(), ma.ExPostIR())


def environment(instance):
    names = [f"bidder {i + 1}" for i in range(len(instance["types"]))]
    rows = [dict(enumerate(row)) for row in instance["types"]]
    chances = [dict(enumerate(row)) for row in instance["probabilities"]]
    worth = dict(zip(names, rows, strict=True))
    prior = {}
    for profile in itertools.product(*chances):
        chance = 1.0
        for law, k in zip(chances, profile, strict=True):
            chance *= law[k]
        prior[profile] = chance
    return ma.FiniteEnvironment(
        agents={name: list(row) for name, row in worth.items()},
        outcomes=["nobody", *names],
        prior=prior,
        values=ma.PrivateValues(lambda agent, own, outcome: worth[agent][own] if outcome == agent else 0.0),
    )


def bound(mechanism, env):
    cells = list(itertools.product(*(range(len(row)) for row in env.types.values())))
    wins, paid = (
        [[table[i][a][b] for i in range(len(table))] for a, b in cells]
        for table in (mechanism["allocation"], mechanism["payment"])
    )
    return ma.DirectMechanism.from_arrays([[1 - sum(row), *row] for row in wins], paid, environment=env)


def timed(function):
    started = time.perf_counter()
    found = function()
    return found, time.perf_counter() - started


instance = json.load(sys.stdin)
solution, design = timed(
    lambda: environment(instance).design(objective=ma.ExpectedRevenue(), requirements=RULES).solve()
)
env = environment(instance)
audits = []
for mechanism in instance["mechanisms"]:
    report, seconds = timed(lambda m=mechanism: env.audit(bound(m, env), RULES))
    ic, ir = report.ic, report.ir
    audits.append({"seconds": seconds, "truth": ic.passed, "participation": ir.passed, "gain": report.epsilon_ic})
done = {"version": ma.__version__, "design": design, "revenue": solution.objective_value, "audits": audits}
print(json.dumps({**done, "passed": solution.audit.ic.passed and solution.audit.ir.passed}))
