"""Theorem 3.3.1 of Kocyigit's thesis from both sides: the number of bidders does not matter, unless they compete.

A seller of two goods knows only upper bounds of her bidders' values. Her best auction, a second price auction per
good with a random reserve price, regrets 1/e of the bounds' sum; nature's draws make every auction regret as much.
"""

import math

import numpy as np

import mechopt as mo
from mechopt.models.regret.regret_auction_theory import auction_with_reserves, nature_draw, optimal_auction

UPPER = np.array([1.0, 2.0])
VALUE = UPPER.sum() / math.e

rng = np.random.default_rng(3)
for bidders in (1, 2, 5):
    values = rng.random((20_000, bidders, 2)) * UPPER
    values[:1000, 0], values[:1000, 1:] = UPPER, 0  # where the regret is largest
    _, payments = optimal_auction(values, UPPER)
    worst = (values.max(axis=1).sum(axis=1) - payments.sum(axis=1)).max()
    result = mo.solve(mo.RegretAuction(bidders=bidders, upper=[1, 2], points=40))
    bounds = result.bounds
    print(f"{bidders} bidders: (3.2) regrets {worst:.9f}, certified [{bounds.lower:.6f}, {bounds.upper:.6f}]")
    assert abs(worst - VALUE) < 1e-12
    assert bounds.certified
    assert bounds.lower <= VALUE <= bounds.upper

tails = (np.arange(300_000) + 0.5) / 300_000
draws = nature_draw(tails, np.arange(300_000) % 3, 3, UPPER)  # three bidders in turn
surplus = draws.max(axis=1).sum(axis=1).mean()
for share in (0.0, 0.4, 0.7, 0.95):
    revenue = auction_with_reserves(draws, share * UPPER)[1].sum(axis=1).mean()
    print(f"nature's draws: reserves at {share:.0%} of the bounds leave a regret of {surplus - revenue:.4f}")
    assert surplus - revenue >= VALUE - 1e-3

alone, pair = (mo.solve(mo.RegretAuction(bidders=i, upper=[1], lower=["1/4"], points=12)) for i in (1, 2))
print(f"values of at least 1/4, on a grid: {alone.value:.6f} for one bidder, {pair.value:.6f} for two")
assert pair.quantities["finite_upper"] < alone.quantities["finite_lower"] - 0.01
