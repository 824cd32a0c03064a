"""Theorem 2.3.2 from both sides: neither the seller nor nature gains by leaving the saddle point.

Two goods with costs. The seller plays mechanism (2.3), nature the distribution (2.10); both are derived in
docs/regret-pricing.md.
"""

import math

import cvxpy as cp
import numpy as np

from mechopt.models.regret.regret_theory import nature_cdf, optimal_mechanism
from mechopt.solvers.highs import solve
from mechopt.solvers.program import Program

UPPER, COST = np.array([1.0, 2.0]), np.array([0.25, 0.5])
WORTH = UPPER - COST
VALUE = WORTH.sum() / math.e  # the theorem's worst-case regret


def worst_regret(steps: int) -> float:
    """The largest regret of mechanism (2.3) on a fine grid of the whole box, below cost included."""
    axes = [np.linspace(0, high, steps + 1) for high in UPPER]
    values = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    q, m = optimal_mechanism(values, UPPER, COST)
    return float((np.maximum(values - COST, 0).sum(axis=-1) - (m - q @ COST)).max())


def best_reply(atoms: int) -> tuple[float, float]:
    """Mean surplus under (2.10), its values rounded down to a few atoms, and the most any mechanism earns."""
    shares = np.geomspace(1 / math.e, 1, atoms)
    V = COST + shares[:, None] * WORTH  # comonotone: one segment through the box
    cdf = nature_cdf(np.vstack([V[:-1], V[-1] - 1e-12]), UPPER, COST)  # just below the atom at the top
    p = np.append(np.diff(cdf), 1 - cdf[-1])
    q, m = cp.Variable(V.shape, name="q"), cp.Variable(atoms, name="m")
    truth = cp.sum(cp.multiply(V, q), axis=1) - m
    lie = V @ q.T - cp.reshape(m, (1, atoms), order="C")
    gamma = cp.reshape(truth, (atoms, 1), order="C") >= lie
    rows = {"beta": truth >= 0, "gamma": gamma, "chance": q >= 0, "lambda": q <= 1}
    profit = solve(Program(cp.Maximize(p @ (m - q @ COST)), rows)).require().value
    prices = [p[k:].sum() * shares[k] * WORTH.sum() for k in range(atoms)]  # both goods at the same share
    assert abs(max(prices) - profit) < 1e-9, "a posted price per good is a best reply"
    return float(p @ (V - COST).sum(axis=1)), profit


worst = worst_regret(400)
print(f"theorem: the value of the game is {VALUE:.9f}")
print(f"seller:  mechanism (2.3) regrets at most {worst:.9f} on a grid of 401 x 401 values")
assert VALUE - 1e-3 < worst <= VALUE + 1e-12

for atoms in (10, 40):
    surplus, profit = best_reply(atoms)
    regret = surplus - profit
    print(f"nature:  {atoms} atoms: surplus {surplus:.6f}, best mechanism {profit:.6f}, regret {regret:.6f}")
    assert abs(profit - VALUE) < 1e-9  # every mechanism earns at most 1/e of the worth
    assert VALUE * (1 - 1 / atoms) < regret <= VALUE + 1e-9
