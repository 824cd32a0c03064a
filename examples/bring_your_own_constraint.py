"""Take a model's CVXPY program, add a row of your own, and read what it costs from its multiplier.

A regulator asks that whoever values the good at 1/2 or more gets it with at least some chance. The row's
multiplier is the rate at which the worst-case regret falls when the chance asked for is lowered.
"""

import cvxpy as cp

import mechopt as mo
from mechopt.solvers.highs import solve
from mechopt.solvers.program import Program, Solution

MODEL = mo.RegretPricing(upper=[1], points=20)  # values 0, 1/20, ..., 1


def with_row(name: str, build) -> Solution:
    """The best mechanism under one more row, built from the program's variables by their names."""
    program = MODEL.primal()
    rows = {**program.constraints, name: build(program.variables)}
    return solve(Program(program.objective, rows)).require()


def served(floor: float) -> Solution:
    """Every type from 1/2 on gets the good with at least the chance `floor`."""
    return with_row("floor", lambda x: cp.min(x["q"][10:]) >= floor)


free = mo.solve(MODEL).value
print(f"no row of our own   regret {free:.6f}")

previous = None
for floor in (0.2, 0.4, 0.6, 0.8, 1.0):
    solution = served(floor)
    value, rate = solution.value, float(solution.dual["floor"])
    print(f"chance >= {floor:.1f}       regret {value:.6f}, rising by {rate:.4f} per unit of chance")
    assert value >= free - 1e-9  # one more row never helps
    assert rate >= -1e-9
    if previous is not None:  # the regret is convex in the floor, and the multipliers are its slopes
        before, old_rate = previous
        assert before + old_rate * 0.2 - 1e-9 <= value <= before + rate * 0.2 + 1e-9
    previous = value, rate

# Serving everyone from 1/2 on for sure means a price of at most 1/2: the highest type keeps 1/2.
assert abs(served(1.0).value - 0.5) < 1e-9

capped = with_row("cap", lambda x: x["m"] <= 0.5)
print(f"payments <= 0.5     regret {capped.value:.6f}")
assert abs(capped.value - 0.5) < 1e-9
