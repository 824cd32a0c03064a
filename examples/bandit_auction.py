"""One item per period and a thousand agents: a bandit auction without joint states.

Agents are served one at a time and learn from being served. With an index per agent and state, everyone's payments come
from products of step functions; the joint process would have 3^1000 states. For three of the agents it has 27, and
Bellman's program over them gives the same welfare.
"""

import numpy as np

import mechopt as mo
from mechopt.solvers.highs import solve

rng = np.random.default_rng(3)


def agent():
    """An unknown quality that turns out low or high, and wears off; a reported signal in (1/2, 1]."""
    chance, high = rng.integers(2, 8), rng.integers(12, 20)
    rows = [[0, f"{10 - chance}/10", f"{chance}/10"], [0, 1, 0], ["1/10", 0, "9/10"]]
    return {"transition": rows, "reward": [0.5, 0.2, float(high) / 10], "report": float(rng.integers(51, 101)) / 100}


agents = [agent() for _ in range(1000)]
result = mo.solve(mo.VirtualIndex(discount=0.9, arms=agents))
assert result.bounds.certified
auction = result.mechanism
start = [0] * 1000
winner = auction.served(start)
print(f"{len(agents)} agents, virtual welfare {result.value:.6f}, proved within {result.bounds.width:.1e}")
print(f"agent {winner + 1} is served first and pays {auction.payments(start)[winner]:.6f}")
print(f"fees at time 0 sum to {auction.entry_fees.sum():.6f}, utilities to {auction.utilities.sum():.6f}")
assert (auction.entry_fees >= -1e-12).all()
assert (auction.utilities >= 0).all()

few = mo.VirtualIndex(discount=0.9, arms=agents[:3])
program = solve(few.primal())
print(f"three agents: {few.at_start.total:.9f} by indices, {program.value:.9f} by Bellman's program")
assert abs(few.at_start.total - program.value) < 1e-9
