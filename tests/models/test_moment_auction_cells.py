"""Highest-bidder lotteries cell by cell: the O(1/n^2) programs against the theorem, the mechanism, and frauds."""

import copy

import numpy as np
import pytest

import mechopt as mo
from mechopt.models.auctions.moment_auction_check import check

LOTTERY = "highest-bidder-lottery"


@pytest.mark.parametrize(("bidders", "mean"), [(2, "1/2"), (2, "1/10"), (3, "9/10"), (7, "1/3")])
def test_brackets_hold_the_theorem_and_shrink_quadratically(bidders, mean):
    widths = []
    for points in (10, 20, 40):
        model = mo.MomentAuction(bidders=bidders, mean=mean, points=points, mechanism=LOTTERY)
        bounds = mo.solve(model, method="cells").bounds
        assert bounds.certified
        assert bounds.lower - 1e-12 <= model.closed_form().value <= bounds.upper + 1e-12
        widths.append(bounds.width)
    assert widths[2] < 0.45 * widths[1] < 0.2 * widths[0]


def test_the_mechanism_promises_what_the_bound_says():
    model = mo.MomentAuction(bidders=3, mean="1/2", points=12, mechanism=LOTTERY)
    result = mo.solve(model, method="cells")
    rng = np.random.default_rng(1)
    values = rng.random((300, 3)) ** 2
    q, m = result.mechanism(values)
    assert q.min() >= 0
    assert q.sum(axis=1).max() <= 1 + 1e-9
    assert (values * q - m).min() >= -1e-12
    top, second = np.sort(values, axis=1)[:, ::-1].T[:2]
    part = result.certificate["continuum"]["cells"]
    sigma = int(part["sigma"].split("/")[0]) / int(part["sigma"].split("/")[1])
    level = result.bounds.lower - 1.5 * sigma
    assert (m.sum(axis=1) - sigma * (top + 2 * second)).min() >= level - 1e-9
    for lie in rng.random((30, 300)):
        other = values.copy()
        other[:, 0] = lie
        q_lie, m_lie = result.mechanism(other)
        assert (values[:, 0] * q_lie[:, 0] - m_lie[:, 0] - (values * q - m)[:, 0]).max() < 1e-9


def test_frauds_are_refused():
    model = mo.MomentAuction(bidders=2, mean="1/2", points=5, mechanism=LOTTERY)
    result = mo.solve(model, method="cells")
    honest = {name: result.certificate[name] for name in ("finite", "continuum")}
    cells = honest["continuum"]["cells"]
    assert all(c.passed for c in check(model.parameters(), honest)[0])
    for name, place, more in [
        ("alpha", 1, 2**46),
        ("beta", 0, 1),
        ("gamma", 0, 1),
        ("slope", 2, 2**49),
        ("jump", 0, -(2**49)),
    ]:
        forged = copy.deepcopy(honest)
        forged["continuum"]["cells"][name][place] = cells[name][place] + more
        assert not all(c.passed for c in check(model.parameters(), forged)[0]), name
    forged = copy.deepcopy(honest)
    forged["continuum"]["cells_nature"]["nature"][0][2] = "1/100"
    assert not all(c.passed for c in check(model.parameters(), forged)[0])


def test_cells_are_for_lotteries_of_several_bidders():
    for fields in ({"bidders": 1, "mechanism": LOTTERY}, {"bidders": 2, "mechanism": "any"}):
        with pytest.raises(mo.InputError, match="curves or grid"):
            mo.solve(mo.MomentAuction(mean="1/2", points=3, **fields), method="cells")
