"""Two buyers learn how much they like an item by using it. The virtual pivot sells it to one of them every period.

Theorem 5.1 of Kakade, Lobel and Nazerzadeh (2011): its profit is the bound that no mechanism exceeds (Corollary 4.1),
and truth is best for every buyer at every time, whatever happened before.
"""

import mechopt as mo
from mechopt.models.pivot.incentives import audit

instance = mo.load("pivot/two-armed-bandit")
result = mo.solve(instance)
profit, bound = result.quantities["profit"], result.quantities["upper_bound_profit"]
print(f"profit {profit:.9f}, no mechanism earns more than {bound:.9f}")
assert abs(profit - bound) < 1e-9 * bound

mechanism = result.mechanism
first = mechanism.subscribe([0.9, 0.8])  # what the buyers report before anything happens
print("weights", first.weights.round(3), "and payments at t = 0", first.entry_payments.round(6))

run = mechanism.start([0.9, 0.8])
for states in (["fresh", "new"], ["tired", "new"], ["tired", "new"]):
    turn = run.step(states)
    print(f"t = {turn.period}: {turn.action}, payments {turn.payments.round(6)}")

lies = audit(mechanism, [[0.1, 0.6, 0.8, 1.0]] * 2)
print(f"largest gain from any lie: {max(lies.first.amount, lies.later.amount):.1e} in {lies.cases:,} cases")
assert max(lies.first.amount, lies.later.amount) < 1e-10
assert min(lies.joining.amount, lies.staying.amount) > -1e-10
