"""Values that do not add up: every bundle is a good of its own, and the buyer gets at most one of them.

Two products. The program of regret-pricing is taken apart and put together again with the bundles {1}, {2} and
{1, 2} in the place of goods: their chances sum to at most one, and the full surplus is the best bundle's.
"""

import math

import cvxpy as cp
import numpy as np

import mechopt as mo
from mechopt.solvers.highs import solve
from mechopt.solvers.program import Program

STEPS = 8  # values 0, 1/8, ..., 1 for each product alone
PAIRS = [(a, b) for a in range(STEPS + 1) for b in range(STEPS + 1)]
WORTH_OF_BOTH = {  # in eighths, given what each is worth alone
    "additive": lambda a, b: a + b,
    "substitutes": lambda a, b: max(a, b),
    "in between": lambda a, b: max(a, b) + min(a, b) / 2,
    "complements": lambda a, b: a + b + min(a, b) / 2,
}


def bundles(both) -> np.ndarray:
    """Value profiles over the bundles {1}, {2}, {1, 2}, (N, 3)."""
    return np.array([(a, b, both(a, b)) for a, b in PAIRS]) / STEPS


def least_regret(V: np.ndarray) -> float:
    """The best mechanism: program (2.6) with its regret rows replaced and one row added."""
    program = mo.RegretPricing(profiles=V.tolist()).primal()
    x = program.variables
    rows = {
        **program.constraints,
        "alpha": x["r"] >= V.max(axis=1) - x["m"],  # the best bundle, no longer the sum
        "one": cp.sum(x["q"], axis=1) <= 1,
    }
    return solve(Program(program.objective, rows)).require().value


def entry_fee(V: np.ndarray) -> float:
    """The best random fee after which any bundle is free: one good worth the best bundle."""
    return mo.solve(mo.RegretPricing(profiles=[[s] for s in np.unique(V.max(axis=1)).tolist()])).value


additive = mo.solve(mo.RegretPricing(upper=[1, 1], points=STEPS)).value
print("both are worth   regret      entry fee   continuum")
for name, both in WORTH_OF_BOTH.items():
    V = bundles(both)
    value, fee, limit = least_regret(V), entry_fee(V), V.max() / math.e
    print(f"{name:<14} {value:10.6f} {fee:12.6f} {limit:11.6f}")
    assert value <= fee + 1e-9 <= limit + 2e-9  # the fee is one mechanism; a grid has fewer types than the continuum
    if name == "additive":
        assert abs(value - additive) < 1e-9, "lotteries over bundles are chances of the products, and back"
