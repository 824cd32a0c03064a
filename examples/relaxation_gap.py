"""Where a mechanism that has to ask earns less than one that sees, and where it does not.

With the value s_0 + 3/2 or s_0 c, either with chance 1/2, the seller who sees which one it is earns more from c = 3 on.
Correlation between first and second signal does the same at once, and coarse grids of types may.
"""

import mechopt as mo
from mechopt.models.pivot.general_examples import correlated, not_separable, of_environment
from mechopt.solvers.highs import solve

for rho in (0.0, 0.5, 1.0):
    env = correlated(rho, 10)
    sees, asks = solve(env.relaxed()).value, solve(env.primal()).value
    print(f"correlation {rho}: sees {sees:.6f}, asks {asks:.6f}")
    assert (sees - asks < 1e-9) == (rho == 0)

for c in (2.5, 4.0, 8.0):
    grids = [not_separable(1.5, c, K) for K in (10, 30)]
    gaps = [solve(env.relaxed()).value - solve(env.primal()).value for env in grids]
    print(f"c = {c}: gap {gaps[0]:.6f} with 10 types, {gaps[1]:.6f} with 30")
    assert (gaps[1] < 1e-3) == (c <= 3)

law = {"family": "uniform", "support": ["1/16", "15/16"], "points": 8}
agent = {"initial": law, "states": 2, "start": ["1/2", "1/2"], "kernels": [["3/4", "1/4"], ["1/3", "2/3"]]}
model = mo.OptimalContract(
    discount=0.9, horizon=2, actions=["wait", "serve"], agents=[{**agent, "value": {"serve": [0.2, 1]}}]
)
menu, asks = mo.solve(model), solve(of_environment(model.environment).primal()).value
print(f"separable: the menu earns {menu.value:.9f}, the best mechanism {asks:.9f}")
assert abs(menu.value - asks) < 1e-9
