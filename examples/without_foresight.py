"""Selling over time without foresight: the guarantees 1/5, 1/3 and 1/2 hold, and over many periods nothing is lost.

Mirrokni, Paes Leme, Tang, Zuo (2020): mechanisms that know no later distribution against the best one that knows all.
"""

import mechopt as mo

low = {"values": [1, 3], "probabilities": ["1/2", "1/2"]}
high = {"values": [1, 2, 5], "probabilities": ["1/2", "1/4", "1/4"]}
cases = {
    "two buyers": {"periods": [[low, high]] * 2, "mechanism": "balance"},
    "one buyer": {"periods": [[high]] * 3, "mechanism": "balance"},
    "two periods": {"periods": [[low, high]] * 2, "mechanism": "two-period-balance"},
}
for name, fields in cases.items():
    result = mo.solve(mo.NonClairvoyantAuction(**fields))
    ratio, guarantee = result.quantities["ratio"], result.quantities["guarantee"]
    print(f"{name}: {result.value:.4f}, {ratio:.1%} of the best that knows the future; promised {guarantee:.1%}")
    assert result.bounds.certified
    assert guarantee <= ratio <= 1

shares = []
for T in (1000, 10_000, 100_000):
    result = mo.solve(
        mo.NonClairvoyantAuction(periods=[[low, low]], repeat=T, mechanism="asymptotic"), certificate=False
    )
    shares.append(result.value / result.quantities["welfare"])
    print(f"T = {T:,}: {shares[-1]:.1%} of full surplus")
assert shares == sorted(shares)
assert shares[-1] > 0.9
