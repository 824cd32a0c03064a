"""Figure 1.2 of the thesis: complementary slackness between nature's worst case and the seller's dual program.

Two bidders, mu = 5/8, a reserve in each of the regions of Propositions 1.5.5 to 1.5.7. Above, revenue (green) and the
plane lambda + sigma (v_1 + v_2) below it (yellow); below, the difference of the two, zero at every atom of nature (red;
the propositions' own atoms are ringed). Run with a path for the picture.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import mechopt as mo
from mechopt.models.auctions.moment_auction_theory import second_price_revenue
from mechopt.style import GREEN, MAP, RED, canvas, dress

path = Path(sys.argv[1] if len(sys.argv) > 1 else Path(tempfile.mkdtemp()) / "figure_1_2.png")
LINE = np.linspace(0, 1, 161)
x, y = np.meshgrid(LINE, LINE, indexing="ij")


def revenue(first, second, r):
    """Revenue, at its jump the lower limit: nothing is sold just below the reserve."""
    return np.where(np.maximum(first, second) > r, np.maximum(np.minimum(first, second), r), 0)


figure, axes = canvas(2, 3, "Two bidders, mean 5/8: nature's worst case against a second price auction", 4, 3.6)
cases = {  # region: reserve, lambda, sigma (Lemmas 1.7.3, 1.7.5 and 1.7.7), atoms
    1: ("1/8", lambda r: -1, lambda r: 1, lambda r: [(1, 1), (1, r), (r, 1)]),
    2: ("3/8", lambda r: -2 * r**2 / (1 - r), lambda r: r / (1 - r), lambda r: [(r, r), (1, r), (r, 1)]),
    3: ("9/16", lambda r: -r / (1 - r), lambda r: 1 / (2 * (1 - r)), lambda r: [(1, 1), (r, r)]),
}
for column, (region, (reserve, level, slope, atoms)) in enumerate(cases.items()):
    found = mo.solve(mo.MomentAuction(bidders=2, mean="5/8", reserve=reserve, points=16))
    r = found.quantities["reserve"]
    sigma, constant = np.mean(found.quantities["sigma"]), found.quantities["lambda"]
    assert abs(found.value - second_price_revenue(2, 5 / 8, r)) < 1e-12
    assert abs(constant - level(r)) + abs(sigma - slope(r)) < 1e-9
    a, b = np.array([x["values"] for x in found.quantities["worst_case"] if x["probability"] > 1e-9]).T
    assert np.abs(revenue(a, b, r) - constant - sigma * (a + b)).max() < 1e-9  # complementary slackness
    plane = constant + sigma * (x + y)
    slack = revenue(x, y, r) - plane
    assert slack.min() > -1e-9
    print(f"region {region}, reserve {reserve}: {found.value:.6f} at {len(a)} atoms, least slack {slack.min():.1e}")
    axes[0, column].remove()
    solid = figure.add_subplot(2, 3, column + 1, projection="3d", elev=28, azim=-125, computed_zorder=False)
    look = {"linewidth": 0.25, "edgecolor": "#404040", "shade": False, "rcount": 33, "ccount": 33}
    solid.plot_surface(x, y, np.where(plane >= 0, plane, np.nan), color="#F0E442", **look)
    solid.plot_surface(x, y, revenue(x, y, r), color=GREEN, alpha=0.5, **look)
    solid.scatter(a, b, revenue(a, b, r), color=RED, s=40, depthshade=False, zorder=9)
    solid.set_title(f"region {region}: reserve {reserve}", fontsize=9.5)
    flat = axes[1, column]
    figure.colorbar(flat.pcolormesh(LINE, LINE, slack.T, cmap=MAP, shading="nearest", rasterized=True), ax=flat)
    flat.scatter(a, b, color=RED, s=22, zorder=3, clip_on=False)
    flat.scatter(*np.array(atoms(r)).T, facecolor="none", edgecolor=RED, s=90, zorder=3, clip_on=False)
    dress(flat, "revenue minus plane", "value of bidder 1", "value of bidder 2")
figure.savefig(path)
print(f"written: {path}")
