"""Figure 1.5 of the thesis: how many more bidders a second price auction needs to do as well as the best lottery.

Delta(I) is the least number of additional bidders with which the best second price auction guarantees at least what the
best highest-bidder lottery does with I. It grows like I (1 - mu + mu log mu)/(-mu log mu): no number of additional
bidders is enough for all I. Found from Theorems 1.5.2 and 1.5.3; the ringed points are proved by certified brackets.
Run with a path for the picture.
"""

import math
import sys
import tempfile
from pathlib import Path

import mechopt as mo
from mechopt.models.auctions.moment_auction_theory import best_reserve, lottery_revenue
from mechopt.style import BLUE, GREEN, ORANGE, canvas, dress

path = Path(sys.argv[1] if len(sys.argv) > 1 else Path(tempfile.mkdtemp()) / "figure_1_5.png")


def needed(bidders, mean):
    """Delta(I), by doubling and bisection: what a second price auction guarantees rises with the number of bidders."""
    goal, low, high = lottery_revenue(bidders, mean), 0, 1
    while best_reserve(bidders + high, mean)[1] < goal:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if best_reserve(bidders + middle, mean)[1] >= goal else (middle, high)
    total = bidders + high
    if (2 * (total - 1) - 1) / (total - 1) ** 2 < mean:  # no reserve is needed: the guarantee is (N mu - 1)/(N - 1)
        assert total == math.ceil((1 - goal) / (mean - goal))
    return high


def proved(bidders, mean, extra):
    """Whether certified brackets show that `extra` bidders are enough and one fewer are not."""
    lottery = mo.solve(mo.MomentAuction(bidders=bidders, mean=mean, points=1, mechanism="highest-bidder-lottery"))
    price = [mo.solve(mo.MomentAuction(bidders=bidders + k, mean=mean, points=1)).bounds for k in (extra, extra - 1)]
    certified = all(b.certified for b in (lottery.bounds, *price))
    return certified and price[0].lower >= lottery.bounds.upper and price[1].upper < lottery.bounds.lower


figure, axes = canvas(1, 1, "Additional bidders a second price auction needs to catch up", 5.2, 3.8)
axis = axes[0, 0]
bidders = sorted({round(10 ** (k / 20)) for k in range(6, 81)})  # from 2 to 10,000
for mean, colour in (("0.1", ORANGE), ("0.5", BLUE), ("0.9", GREEN)):
    mu, ringed = float(mean), (2, 5, 10)
    delta = [needed(n, mu) for n in bidders]
    assert all(proved(n, mean, needed(n, mu)) for n in ringed)
    slope = (1 - mu + mu * math.log(mu)) / (-mu * math.log(mu))
    assert abs(delta[-1] / bidders[-1] - slope) < 2e-2 * slope
    print(f"mu = {mean}: Delta = {delta[0]} for 2 bidders, {needed(10, mu)} for 10, {delta[-1]} for {bidders[-1]}")
    axis.loglog(bidders, delta, color=colour, linewidth=1.2, label=f"mu = {mean}: about {slope:.3g} I")
    axis.loglog(ringed, [needed(n, mu) for n in ringed], "o", color=colour, fillstyle="none", markersize=6)
dress(axis, "", "bidders I of the lottery", "additional bidders Delta(I)")
axis.legend(fontsize=8, frameon=False)
figure.savefig(path)
print(f"written: {path}")
