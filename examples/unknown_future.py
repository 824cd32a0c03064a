"""Not knowing the future costs a factor of up to two, and for any futures of one's own one program says how much.

Theorem 5.1: with mu the best guarantee against one good or two tends to one half. With distributions of one's own, the
best mechanism is computed in fractions, with nature's mixture of futures, and no mechanism does better against it.
"""

import numpy as np

import mechopt as mo

print("   mu   sure of 1 / a       bound of the proof")
factors = []
for mu in (1, 2, 3, 5, 10, 20):
    result = mo.solve(mo.NonClairvoyantGap(mu=mu, points=200))
    assert result.bounds.certified
    assert result.bounds.width < 1e-15
    assert result.closed_form.value <= result.bounds.lower < 2
    factors.append(result.bounds.lower)
    print(f"{mu:5}   {result.bounds.lower:.12f}      {result.closed_form.value:.6f}")
assert factors == sorted(factors)

today = mo.Distribution(values=[1, 2, 9], probabilities=["1/2", "1/3", "1/6"])
tomorrow = mo.Distribution(values=[1, 2, 4, 8, 16], probabilities=["1/2", "1/4", "1/8", "1/16", "1/16"])
result = mo.solve(mo.NonClairvoyantGap(first=today, second=tomorrow))
assert result.bounds.certified
print(f"\nown distributions: a = {result.value:.6f}, nature's mixture {np.round(result.quantities['lambda'], 4)}")
for v in (1, 2, 9):
    chance, payment = result.mechanism.at(0, [v])
    assert result.mechanism.at(1, [v]) == (chance, payment)  # today is the same in both futures
    print(f"  today a value of {v} gets the good with chance {chance:.4f} and pays {payment:.4f}")
assert np.ptp(result.quantities["ratios"]) < 1e-12  # both futures are served alike
