"""Run by benchmarks/design.py with an interpreter that has mechaudit or RSOME: one problem, timed, as JSON.

`dsic`: a DSIC auction of two bidders, designed and audited. `regret`: one good, the smallest worst-case regret, as a
design with a dummy agent whose constant payment is the regret. `price`: a random price against all distributions with
a given mean, as a robust program in RSOME. Imports are left out of the seconds.
"""

import itertools
import json
import sys
import time


def environment(ma, types, probabilities, others=()):
    names = [f"bidder {i + 1}" for i in range(len(types))]
    worth = {name: dict(enumerate(row)) for name, row in zip(names, types, strict=True)}
    laws = [dict(enumerate(row)) for row in probabilities] + [{0: 1.0} for _ in others]
    prior = {}
    for profile in itertools.product(*laws):
        chance = 1.0
        for law, k in zip(laws, profile, strict=True):
            chance *= law[k]
        prior[profile] = chance
    agents = {name: list(row) for name, row in worth.items()} | {name: [0] for name in others}
    values = ma.PrivateValues(lambda agent, own, outcome: worth[agent][own] if outcome == agent else 0.0)
    return ma.FiniteEnvironment(agents=agents, outcomes=["nobody", *names], prior=prior, values=values)


def dsic(given):
    import mechaudit as ma

    rules = (ma.DSIC(), ma.ExPostIR())
    started = time.perf_counter()
    made = environment(ma, given["types"], given["probabilities"])
    solution = made.design(objective=ma.ExpectedRevenue(), requirements=rules).solve()
    seconds = time.perf_counter() - started
    passed = bool(solution.audit.ic.passed and solution.audit.ir.passed)
    return {"seconds": seconds, "value": float(solution.objective_value), "passed": passed}


def regret(given):
    import mechaudit as ma

    n = given["points"]
    started = time.perf_counter()
    made = environment(ma, [[k / n for k in range(n + 1)]], [[1 / (n + 1)] * (n + 1)], ["dummy"])
    at = [ma.ReportProfile.from_mapping({"bidder 1": k, "dummy": 0}) for k in range(n + 1)]
    pay = lambda k, agent: ma.PaymentCoordinate(at[k], agent)  # noqa: E731
    rows = [
        ma.CustomLinearConstraint(f"regret {k}", {pay(k, "dummy"): 1.0, pay(k, "bidder 1"): 1.0}, sense=">=", rhs=k / n)
        for k in range(n + 1)
    ]
    rows += [
        ma.CustomLinearConstraint(f"same {k}", {pay(k, "dummy"): 1.0, pay(0, "dummy"): -1.0}, sense="==")
        for k in range(1, n + 1)
    ]
    stay = [
        ma.CustomLinearConstraint(
            f"stay {k}", {ma.AllocationCoordinate(at[k], "bidder 1"): k / n, pay(k, "bidder 1"): -1.0}, sense=">="
        )
        for k in range(n + 1)
    ]
    goal = ma.CustomLinearObjective("less regret", {pay(0, "dummy"): -1.0})
    problem = made.design(objective=goal, requirements=[ma.DSIC(), ma.CustomLinearRequirement("regret", rows + stay)])
    solution = problem.solve()
    return {"seconds": time.perf_counter() - started, "value": -float(solution.objective_value)}


def price(given):
    import numpy as np
    from rsome import ro

    n, mean = given["points"], given["mean"]
    started = time.perf_counter()
    v = np.arange(n + 1) / n
    revenue = np.where(v[:, None] >= v[None, :], v[None, :], 0.0)
    model = ro.Model()
    x, z = model.dvar(n + 1), model.rvar(n + 1)
    model.maxmin(z @ (revenue @ x), z >= 0, sum(z) == 1, z @ v >= mean)
    model.st(x >= 0, x.sum() == 1)
    model.solve(display=False)
    return {"seconds": time.perf_counter() - started, "value": float(model.get())}


def ambiguous(given):
    """The same stated as distributionally robust: a scenario per value, free probabilities, a bound on the mean."""
    import numpy as np
    from rsome import E, dro

    n, mean = given["points"], given["mean"]
    started = time.perf_counter()
    v = np.arange(n + 1) / n
    model = dro.Model(n + 1)
    x, z, value = model.dvar(n + 1), model.rvar(n + 1), model.rvar()
    known = model.ambiguity()
    for s in range(n + 1):
        known[s].suppset(z == np.where(v <= v[s], v, 0.0), value == v[s])
    known.exptset(E(value) >= mean)
    model.maxinf(E(z @ x), known)
    model.st(x >= 0, x.sum() == 1)
    model.solve(display=False)
    return {"seconds": time.perf_counter() - started, "value": float(model.get())}


if __name__ == "__main__":
    given = json.load(sys.stdin)
    PROBLEMS = {"dsic": dsic, "regret": regret, "price": price, "ambiguous": ambiguous}
    json.dump(PROBLEMS[given["problem"]](given), sys.stdout)
