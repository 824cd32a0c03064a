"""Figure 1.4 of the thesis: the best highest-bidder lottery against the best second price auction.

Every mean is at least mu. On the left worst-case revenues for mu = 1/2 by the number of bidders, on the right the gap
between the two as a share of the lottery's. Points are certified brackets from the solver, curves Theorems 1.5.2 and
1.5.3. Run with a path for the picture.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import mechopt as mo
from mechopt.models.auctions.moment_auction_theory import best_reserve, lottery_revenue
from mechopt.style import BLUE, GREEN, GREY, ORANGE, RED, canvas, dress

path = Path(sys.argv[1] if len(sys.argv) > 1 else Path(tempfile.mkdtemp()) / "figure_1_4.png")
MEANS = ("0.1", "0.3", "0.5", "0.7", "0.9")
BIDDERS = np.arange(1, 21)


def solved(bidders, mean, mechanism):
    """The value that the certified bracket pins down, asserted to be the theorem's."""
    bounds = mo.solve(mo.MomentAuction(bidders=bidders, mean=mean, points=4, mechanism=mechanism)).bounds
    theorem = lottery_revenue(bidders, float(mean)) if "lottery" in mechanism else best_reserve(bidders, float(mean))[1]
    assert bounds.certified
    assert bounds.width < 1e-11
    assert bounds.lower - 1e-12 <= theorem <= bounds.upper + 1e-12
    return (bounds.lower + bounds.upper) / 2


figure, axes = canvas(1, 2, "Best highest-bidder lottery and best second price auction, values in [0, 1]")
left, right = axes[0]
for mean, colour in zip(MEANS, (RED, ORANGE, BLUE, GREEN, GREY), strict=True):
    theorem = np.array([(lottery_revenue(int(n), float(mean)), best_reserve(int(n), float(mean))[1]) for n in BIDDERS])
    chosen = [int(n) for n in BIDDERS if mean == "0.5" or n in (1, 2, 3, 5, 8, 12, 16, 20)]
    found = np.array([[solved(n, mean, kind) for kind in ("highest-bidder-lottery", "second-price")] for n in chosen])
    right.plot(BIDDERS, 100 * (1 - theorem[:, 1] / theorem[:, 0]), color=colour, linewidth=1.2, label=f"mu = {mean}")
    right.plot(chosen, 100 * (1 - found[:, 1] / found[:, 0]), "o", color=colour, markersize=3.5, clip_on=False)
    shares = ", ".join(f"{100 * (1 - found[chosen.index(n), 1] / found[chosen.index(n), 0]):.2f} %" for n in (2, 5, 20))
    print(f"mu = {mean}: the best second price auction loses {shares} with 2, 5, 20 bidders")
    if mean == "0.5":
        for k, (label, tint) in enumerate((("lottery", BLUE), ("second price auction", ORANGE))):
            left.plot(BIDDERS, theorem[:, k], color=tint, linewidth=1.2, label=label)
            left.plot(chosen, found[:, k], "o", color=tint, markersize=3.5)
dress(left, "mu = 0.5", "bidders", "worst-case expected revenue")
dress(right, "gap, as a share of the lottery's revenue", "bidders", "percent")
for axis in axes[0]:
    axis.set_ylim(bottom=0)
    axis.set_xticks([1, 5, 10, 15, 20])
    axis.legend(fontsize=8, frameon=False)
figure.savefig(path)
print(f"written: {path}")
