"""A user's story: five kinds of customers, two products, no idea how many of each kind will come.

A publisher sells a book and its audio edition. Interviews gave five typical customers. The mechanism below
has the smallest worst-case regret against a publisher who knows each customer; no pair of posted prices
comes as close.
"""

import itertools

import numpy as np

import mechopt as mo

CUSTOMERS = {  # what each would pay for the book and for the audio edition
    "reader": [24, 2],
    "commuter": [6, 20],
    "fan": [30, 26],
    "student": [10, 8],
    "listener": [0, 14],
}
COST = [4, 1]

result = mo.solve(mo.RegretPricing(profiles=list(CUSTOMERS.values()), cost=COST))
V = np.array(list(CUSTOMERS.values()), dtype=float)

print("customer   book   audio  payment  regret")
menu = result.mechanism.to_frame()
for k, name in enumerate(CUSTOMERS):
    book, audio, payment = menu.iloc[k, 2:]
    print(f"{name:<9} {book:6.3f} {audio:7.3f} {payment:8.3f} {float(result.array('regret')[k]):7.3f}")

bounds = result.bounds
print(f"worst-case regret {result.value:.6f}, proven in [{bounds.lower:.6f}, {bounds.upper:.6f}]")
mixed = zip(CUSTOMERS, result.worst_case.values, strict=True)
print("worst mix:", ", ".join(f"{name} {share:.3f}" for name, share in mixed if share > 1e-9))

# Every feasible choice of every customer, in rationals: that is what certified means.
assert bounds.certified
assert bounds.problem == "finite"
assert bounds.upper - bounds.lower < 1e-6
assert result.verify().passed


def posted(prices: tuple[float, ...]) -> float:
    """Worst regret of one price per product; who is indifferent buys."""
    sold = (np.array(prices) <= V + 1e-12) * (np.array(prices) - COST)
    return float((np.maximum(V - COST, 0).sum(axis=1) - sold.sum(axis=1)).max())


best = min(itertools.product(sorted(set(V[:, 0])), sorted(set(V[:, 1]))), key=posted)
print(f"best posted prices {best[0]:g} and {best[1]:g}: worst-case regret {posted(best):.6f}")
assert bounds.upper < posted(best)
