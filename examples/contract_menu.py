"""A subscription: the fee one pays at the start buys a lower price per item for ever.

The value of an item is the subscriber's signal times a draw that is new in every period. The best of all mechanisms
is a menu of fees and prices: here for draws on a fine grid of [0, 1], next to the formula for the continuum.
"""

import numpy as np

import mechopt as mo

K, g, delta = 50, 0.3, 0.9
draws = [f"{2 * k + 1}/{2 * K}" for k in range(K)]
even = [f"1/{K}"] * K
agent = {"states": draws, "start": even, "kernels": [even] * K, "value": {"serve": draws}}
model = mo.OptimalContract(discount="9/10", actions=["wait", "serve"], cost={"serve": "3/10"}, agents=[agent])
result = mo.solve(model)
menu = result.mechanism
for signal in (0.7, 0.8, 0.9, 1.0):
    offer = menu.contract(signal)
    price = offer.prices[1, 0]
    limit = delta / (1 - delta) / 4 * max(0, 1 + g - 2 * price) ** 2
    print(f"signal {signal}: price {price:.4f}, fee {offer.fee:.4f} (limit {limit:.4f})")
    assert abs(price - g * signal / (2 * signal - 1)) < 1e-12
    assert abs(offer.fee - limit) < 0.02

limit = delta / (1 - delta) / 2 * (1 / 4 - g + 3 * g**2 / 4 - g**2 * np.log(g) / 2)
print(f"profit {result.value:.6f}, limit {limit:.6f}, no mechanism earns more than {result.bounds.upper:.6f}")
assert abs(result.value - limit) < 1e-3
gain, who, what = menu.largest_gain(np.linspace(0, 1, 41))
print(f"no signal gains by another contract: at most {gain:.1e}")
assert gain < 1e-10
