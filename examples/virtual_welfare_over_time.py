"""Dynamic auctions are virtual welfare maximizers: what a mechanism that is not loses, condition by condition.

A supplier sells one unit a month for three months to the same buyer, who values it at 1, 2 or 5. A fixed price ignores
that she comes back. The best mechanism promises her some utility in advance and spends it when her value is low.
Multipliers of one program give virtual values after every history. They bound every mechanism's revenue, and say where
any other loses: here a fixed price, and the optimum with a promise that is too generous.
"""

import numpy as np

import mechopt as mo
from mechopt.models.dynamic.history_accounts import account_program
from mechopt.models.dynamic.virtual_welfare import virtual_welfare
from mechopt.solvers.highs import solve

month = {"values": [1, 2, 5], "probabilities": ["1/2", "1/4", "1/4"]}
model = mo.DynamicAuction(periods=[[month]] * 3)
result = mo.solve(model)
assert result.bounds.certified
print(f"best {result.value:.6f}, month by month {result.quantities['static_revenue']:.6f}")

best = solve(account_program(model)).primal
report = virtual_welfare(model, best)
print(report, "\n")
assert report.optimal
assert abs(report.revenue - result.value) < 1e-6

at_five = {f"x_1_{t}": np.tile([0.0, 0.0, 1.0], 3 ** (t - 1)) for t in (1, 2, 3)}
price = virtual_welfare(model, {**at_five, **{f"xi_1_{t}": np.zeros(1) for t in (1, 2, 3)}})
generous = virtual_welfare(model, {**best, "xi_1_3": best["xi_1_3"] + 0.1})
for name, found in (("a price of 5 every month", price), ("a promise of 0.1 more", generous)):
    print(f"{name}: {found}\n")
    assert not found.optimal
    lost = sum(finding.loss for finding in found.findings)
    assert abs(found.optimum - found.revenue - lost) < 1e-8  # the four conditions account for all of it
assert abs(price.revenue - 3 * 1.25) < 1e-9
