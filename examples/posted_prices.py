"""A shop's question: is a discount for buying both a good idea when nothing is known of the customers?

A skirt costs the shop 10 and nobody pays more than 50; a belt costs 4 and nobody pays more than 20. The shop
wants prices whose worst-case regret, against a shop that knew each customer, is small (thesis, Section 2.4).
"""

import math

import mechopt as mo

UPPER, COST = [50, 20], [10, 4]
LISTS = {
    "no discount": {"1": 30, "2": 12, "1+2": 42},
    "4 off for both": {"1": 30, "2": 12, "1+2": 38},
    "only as a set": {"1+2": 42},
    "belt as a gift": {"1": 34, "2": 12, "1+2": 34},
}

print("prices           worst regret   the customer who causes it (skirt, belt)")
regret = {}
for name, prices in LISTS.items():
    result = mo.solve(mo.PostedPrices(upper=UPPER, cost=COST, prices=prices))
    assert result.bounds.certified
    assert result.bounds.upper - result.bounds.lower < 1e-12  # on the whole box, not on a grid
    regret[name] = result.value
    skirt, belt = result.quantities["worst_case"][0]["values"]
    print(f"{name:<16} {result.value:12g}   {skirt:g}, {belt:g}")

best = mo.solve(mo.PostedPrices(upper=UPPER, cost=COST))
prices = ", ".join(f"{bundle} at {price:g}" for bundle, price in best.quantities["prices"].items())
print(f"best prices: {prices}: worst regret {best.value:g}, and no prices do better")
assert best.bounds.lower == best.bounds.upper == best.value == regret["no discount"] == min(regret.values())

# Selling by lot instead of by price, e / 2 times less regret (Corollary 2.4.1).
lottery = mo.solve(mo.RegretPricing(upper=UPPER, cost=COST, points=10), gap=1e-2)
low, high = lottery.bounds.lower, lottery.bounds.upper
print(f"any mechanism at all, lotteries too: {low:.3f} to {high:.3f}, {best.quantities['ratio']:.4f} times less")
assert low <= best.value / best.quantities["ratio"] <= high
assert abs(best.quantities["ratio"] - math.e / 2) < 1e-12
