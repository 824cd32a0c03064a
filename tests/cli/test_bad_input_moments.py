"""Every wrong moment auction: exit code 2 and a line that says field, expected, got, and what to do."""

import pytest

import mechopt as mo

POSSIBLE = "bidders = 2\nreserve = 0.3\n"


def toml(parameters, solve=""):
    return f'model = "moment-auction"\n[parameters]\n{parameters}\n{solve}\n'


BAD = {
    "mean zero": (toml("bidders=2\nmean=0"), "parameters.mean", "inside (0, 1)"),
    "mean one": (toml("bidders=2\nmean=1"), "parameters.mean", "inside (0, 1)"),
    "mean negative": (toml("bidders=2\nmean=-0.5"), "parameters.mean", "inside (0, 1)"),
    "mean text": (toml('bidders=2\nmean="half"'), "parameters.mean", "finite number"),
    "mean NaN": (toml("bidders=2\nmean=nan"), "parameters.mean", "finite"),
    "neither": (toml("bidders=2"), "parameters.mean", "neither"),
    "both": (toml(POSSIBLE + "mean=0.5\nmoments=[{at_least=0.5}]"), "parameters.mean", "both"),
    "no bidders": (toml("mean=0.5"), "parameters.bidders", "a value"),
    "zero bidders": (toml("bidders=0\nmean=0.5"), "parameters.bidders", "at least 1"),
    "half a bidder": (toml("bidders=1.5\nmean=0.5"), "parameters.bidders", "an integer"),
    "too many bidders": (toml("bidders=10000\nmean=0.5"), "parameters.bidders", "at most 1000"),
    "reserve above one": (toml("bidders=2\nmean=0.5\nreserve=1.5"), "parameters.reserve", "[0, 1]"),
    "reserve negative": (toml("bidders=2\nmean=0.5\nreserve=-0.1"), "parameters.reserve", "[0, 1]"),
    "reserve of a lottery": (
        toml('bidders=2\nmean=0.5\nreserve=0.1\nmechanism="highest-bidder-lottery"'), "parameters.reserve", "leave it"),
    "unknown mechanism": (toml('bidders=2\nmean=0.5\nmechanism="first-price"'), "parameters.mechanism", "second-price"),
    "any with many bidders": (toml('bidders=6\nmean=0.5\nmechanism="any"'), "parameters.bidders", "at most 5"),
    "any, profiles too many": (
        toml('bidders=5\nmean=0.5\npoints=100\nmechanism="any"'), "parameters.points", "fewer steps"),
    "any, bidders differ": (
        toml('bidders=2\nmechanism="any"\nmoments=[{bidder=1,at_least=0.5}]'), "parameters.moments", "all bidders"),
    "moments of a lottery": (
        toml('bidders=2\nmechanism="highest-bidder-lottery"\nmoments=[{at_least=0.5}]'), "parameters.moments", "mean"),
    "points zero": (toml("bidders=2\nmean=0.5\npoints=0"), "parameters.points", "at least 1"),
    "too many points": (toml('bidders=2\nmean=0.5\npoints=5000\nmechanism="any"'), "parameters.points", "fewer steps"),
    "unknown field": (toml("bidders=2\nmean=0.5\nupper=1"), "parameters.upper", "no such field"),
    "impossible moments": (
        toml(POSSIBLE + "moments=[{at_least=0.6},{power=2,at_most=0.3}]"), "parameters.moments[0].at_least",
        "E[v_1^2] at most 0.3"),
    "impossible for one bidder": (
        toml(POSSIBLE + "moments=[{bidder=2,at_least=0.6},{bidder=2,power=3,at_most=0.1}]"),
        "parameters.moments[0].at_least", "E[v_2^3] at most 0.1"),
    "moment crossed": (
        toml(POSSIBLE + "moments=[{at_least=0.6,at_most=0.5}]"), "parameters.moments[0].at_least", "at_most = 0.5"),
    "moment above one": (toml(POSSIBLE + "moments=[{at_most=1.5}]"), "parameters.moments[0].at_most", "[0, 1]"),
    "moment of nobody": (toml(POSSIBLE + "moments=[{bidder=3,at_most=0.5}]"), "parameters.moments[0].bidder", "1 to 2"),
    "empty moment": (toml(POSSIBLE + "moments=[{power=2}]"), "parameters.moments[0].at_least", "neither"),
    "power zero": (toml(POSSIBLE + "moments=[{power=0,at_most=0.5}]"), "parameters.moments[0].power", "at least 1"),
    "power huge": (toml(POSSIBLE + "moments=[{power=99,at_most=0.5}]"), "parameters.moments[0].power", "at most 12"),
    "method": (toml("bidders=2\nmean=0.5", '[solve]\nmethod="magic"'), "solve.method", "rows"),
    "method of a lottery": (
        toml('bidders=2\nmean=0.5\nmechanism="highest-bidder-lottery"', '[solve]\nmethod="magic"'),
        "solve.method", "curves or grid"),
    "solver option": (toml("bidders=2\nmean=0.5", "[solve.options]\nspeed=1"), "solve.options", "speed"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_moment_auctions(refuses, case):
    refuses(*BAD[case])


def test_python_raises_the_same_words():
    with pytest.raises(mo.InputError, match="at most 5 with mechanism"):
        mo.MomentAuction(bidders=6, mean=0.5, mechanism="any")
    with pytest.raises(mo.InputError, match="the program belongs to one reserve"):
        mo.MomentAuction(bidders=2, mean=0.5).primal()
