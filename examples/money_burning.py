"""When payments are lost, ask for as few as possible: give the good away, unless high values are rare and large.

Two buyers. With a thin tail the virtual values for utility fall, ironing makes them
all alike and nobody pays. With a thick tail high values are worth screening for, and caps shift the good around.
"""

import mechopt as mo

thin = mo.Distribution(values=[1, 2, 3], probabilities=["1/3", "1/3", "1/3"])
thick = mo.Distribution(values=[1, 2, 8], probabilities=["2/3", "1/4", "1/12"])

for name, prior in (("thin", thin), ("thick", thick)):
    result = mo.solve(mo.MoneyBurning(buyers=[prior, prior]))
    assert result.bounds.certified
    found = result.quantities
    print(f"{name:5}  vt {found['virtual_values'][0]}, ironed {found['ironed_virtual_values'][0]}")
    print(f"       utility {result.value:.6f}, payments {found['revenue']:.6f}")
    assert (found["revenue"] == 0) == (name == "thin")

for caps in ([None, None], ["1/4", None], ["1/4", 1]):
    auction = mo.MoneyBurning(buyers=[thick, thin], caps=caps).auction
    shown = ", ".join(str(w) for w in auction.weights)
    print(f"caps {caps}: utilities {[str(u) for u in auction.utilities]}, weights {shown}")
    assert auction.value == auction.bound  # as fractions: no auction does better
print("all weights zero: every cap binds, and only the draw decides who gets the good")
assert not auction.determined
