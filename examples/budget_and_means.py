"""A user's story: what is each fact about the customers worth to a seller who knows nothing else?

A theatre sells a ticket and a dinner. Nobody would pay more than 80 for the ticket or 60 for the dinner, and they
cost her 10 and 20 to provide. She then learns that nobody spends more than 90 on an evening, or that the ticket is
worth 30 to people on average. Every fact rules out worst cases, and the regret she has to accept falls.
"""

import math

import mechopt as mo

BOX = {"upper": [80, 60], "cost": [10, 20], "points": 12}
BUDGET = {"budget": 90}
MEAN = {"moments": [{"good": 1, "at_most": 30}]}
FACTS = {
    "the box alone": {},
    "nobody spends more than 90": BUDGET,
    "the ticket is worth 30 on average": MEAN,
    "both": {**BUDGET, **MEAN},
}

print("what is known                        worst-case regret lies in")
results = {name: mo.solve(mo.RegretPricing(**BOX, **fact)) for name, fact in FACTS.items()}
for name, result in results.items():
    bounds = result.bounds
    print(f"{name:<36} [{bounds.lower:8.4f}, {bounds.upper:8.4f}]")
    assert bounds.certified
    assert bounds.problem == "continuum"

box, budget, mean, both = (result.bounds for result in results.values())
assert box.lower <= (70 + 40) / math.e <= box.upper  # the theorem
assert budget.upper < box.lower, "the budget helps, for sure"
assert mean.upper < box.lower, "so does the mean"
assert both.lower <= min(budget.upper, mean.upper)

# On any set, a random entry fee with everything at cost after it regrets at most the largest surplus over e. Under
# the budget that is 80 for the ticket and 10 left for a dinner she would not sell: nothing beats it on the continuum.
surplus = max(max(t - 10, 0) + max(90 - t - 20, 0) for t in range(30, 81))
print(f"under the budget the largest surplus is {surplus}, so the optimum is {surplus / math.e:.4f}")
assert budget.lower <= surplus / math.e <= budget.upper

# Her worst case under the budget: who would come?
evenings = sorted(results["nobody spends more than 90"].quantities["worst_case"], key=lambda a: -a["probability"])
print("worst case:", "; ".join(f"{a['probability']:.2f} at {a['values']}" for a in evenings[:3]))
assert all(sum(a["values"]) <= 90 for a in evenings)
assert abs(sum(a["probability"] for a in evenings) - 1) < 1e-9
