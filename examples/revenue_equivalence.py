"""Revenue equivalence: one revenue where values fill an interval, a whole interval of revenues where they do not.

With values uniform on [0, 1], first-price, second-price and all-pay auctions earn the same in equilibrium. With five
equally likely values, auctions that sell to the same bidders and leave the lowest type nothing earn anything between
1.8 and 2.6: the theorem needs types without gaps.
"""

import cvxpy as cp
import numpy as np
from scipy.integrate import quad

import mechopt as mo
from mechopt.models.auctions.standard_auctions import all_pay, first_price, second_price
from mechopt.solvers.highs import solve
from mechopt.solvers.program import Program


def expected_payment(auction, v, n):
    """What a bidder with the value v expects to pay among n when all follow the equilibrium; v uniform on [0, 1]."""
    if auction == "first-price":
        return v ** (n - 1) * (n - 1) / n * v  # wins against lower values, and bids (n - 1)/n of hers
    if auction == "all-pay":
        return (n - 1) / n * v**n  # pays this bid for certain
    return quad(lambda x: x * (n - 1) * x ** (n - 2), 0, v)[0]  # the highest of the others, where it is below v


v = np.linspace(0, 1, 101)
for n in (2, 3, 5):
    revenue = {}
    for auction in ("first-price", "second-price", "all-pay"):
        revenue[auction] = n * quad(lambda x, a=auction, n=n: expected_payment(a, x, n), 0, 1)[0]
        assert abs(revenue[auction] - (n - 1) / (n + 1)) < 1e-9
        payment = np.array([expected_payment(auction, x, n) for x in v])
        utility = v[:, None] * v ** (n - 1) - payment  # row: value; column: the value whose bid is placed
        assert (utility.max(axis=1) <= np.diag(utility) + 1e-12).all()
    print(f"{n} bidders on [0, 1]: " + ", ".join(f"{name} {x:.6f}" for name, x in revenue.items()))


def revenues(values, chance, allocation):
    """Least and largest revenue of two bidders alike, given interim chances and nothing for the lowest type."""
    m = cp.Variable(len(values), name="m")
    truth = cp.multiply(values, allocation) - m
    lie = values[:, None] * allocation[None, :] - cp.reshape(m, (1, len(values)), order="C")
    truths = cp.reshape(truth, (len(values), 1), order="C")
    rows = {"truth": truths >= lie, "taking part": truth >= 0, "lowest": truth[0] == 0}
    return tuple(solve(Program(goal(2 * chance @ m), rows)).require().value for goal in (cp.Minimize, cp.Maximize))


for types, span in (([1, 2, 3, 4, 5], (1.8, 2.6)), ([0, 1], (0.0, 0.5))):
    K = len(types)
    chance, marginals = np.full(K, 1 / K), [[f"1/{K}"] * K] * 2
    low, high = revenues(np.array(types, float), chance, (np.arange(K) + 0.5) / K)
    for make, honest in ((second_price, True), (first_price, False), (all_pay, False)):
        file = {**make([types] * 2), "prior": {"marginals": marginals}}
        assert mo.audit(file, ["ex-post"]).passed == honest  # bidding one's value is best at a second price only
    print(f"values {types}: the same allocation earns anything from {low:.4f} to {high:.4f}")
    assert abs(low - span[0]) < 1e-9
    assert abs(high - span[1]) < 1e-9
