"""Every wrong auction: exit code 2 and a line that says field, expected, got, and what to do."""

import json
import re

import pytest

import mechopt as mo

LINE = re.compile(r"^error: .+: expected .+, got .+$")


def toml(parameters="", bidders="bidders = 2", upper="upper = [1]", points="points = 3", solve=""):
    lines = ['model = "regret-auction"', "[parameters]", bidders, upper, points, parameters, solve]
    return "\n".join(lines) + "\n"


ABOVE = 'lower = ["1/4"]'
BAD = {
    "no bidders": (toml(bidders="bidders = 0"), "parameters.bidders", "at least 1"),
    "bidders negative": (toml(bidders="bidders = -2"), "parameters.bidders", "at least 1"),
    "half a bidder": (toml(bidders="bidders = 2.5"), "parameters.bidders", "integer"),
    "bidders by name": (toml(bidders='bidders = ["Ann", "Bob"]'), "parameters.bidders", "integer"),
    "bidders missing": (toml(bidders=""), "parameters.bidders", "a value"),
    "a billion bidders": (toml(bidders="bidders = 1000000000"), "parameters.bidders", "1,000 bidders"),
    "upper missing": (toml(upper=""), "parameters.upper", "a value"),
    "upper empty": (toml(upper="upper = []"), "parameters.upper", "one positive number per good"),
    "upper not a list": (toml(upper="upper = 1"), "parameters.upper", "a list, got 1"),
    "upper text": (toml(upper='upper = "1"'), "parameters.upper", "a list"),
    "upper zero": (toml(upper="upper = [1, 0]"), "parameters.upper[1]", "positive"),
    "upper negative": (toml(upper="upper = [[1], [-1]]"), "parameters.upper[1][0]", "positive"),
    "upper NaN": (toml(upper="upper = [nan]"), "parameters.upper[0]", "finite"),
    "upper infinite for one bidder": (toml(upper="upper = [[1, 1], [1, inf]]"), "parameters.upper[1][1]", "finite"),
    "upper huge": (toml(upper="upper = [1e300]"), "parameters.upper[0]", "1e15"),
    "upper boolean": (toml(upper="upper = [true]"), "parameters.upper[0]", "number"),
    "a list for one bidder only": (toml(upper="upper = [[1], 2]"), "parameters.upper[1]", "as for the other bidders"),
    "a list too few": (toml(upper="upper = [[1]]"), "parameters.upper", "2 lists, one per bidder"),
    "a list too many": (toml(upper="upper = [[1], [1], [1]]"), "parameters.upper", "2 lists, one per bidder"),
    "lists uneven": (toml(upper="upper = [[1, 2], [1]]"), "parameters.upper[1]", "2 numbers, one per good"),
    "lists empty": (toml(upper="upper = [[], []]"), "parameters.upper[0]", "one positive number per good"),
    "lists too deep": (toml(upper="upper = [[[1]], [[1]]]"), "parameters.upper[0][0]", "finite number"),
    "lower too long": (toml("lower = [0, 0]"), "parameters.lower", "1 number, one per good"),
    "lower negative": (toml("lower = [-1]"), "parameters.lower[0]", "at least 0"),
    "lower at upper": (toml("lower = [1]"), "parameters.lower[0]", "below upper[0] = 1"),
    "lower above one upper": (toml("lower = [1]", upper="upper = [[2], [1]]"), "parameters.lower[0]", "upper[1][0]"),
    "lower NaN": (toml("lower = [nan]"), "parameters.lower[0]", "finite"),
    "lower per bidder": (toml("lower = [[0], [0]]"), "parameters.lower[0]", "finite number"),
    "costs": (toml("cost = [0]"), "parameters.cost", "the fields are bidders"),
    "points missing": (toml(points=""), "parameters.points", "a value"),
    "points zero": (toml(points="points = 0"), "parameters.points", "at least 1"),
    "points fractional": (toml(points="points = 1.5"), "parameters.points", "integer"),
    "program too large": (toml(ABOVE, points="points = 1000000"), "parameters.points", "GiB"),
    "far too large": (
        toml(ABOVE, points="points = 1000000000", bidders="bidders = 999"),
        "parameters.points",
        "memory",
    ),
    "table too long": (toml(ABOVE, "bidders = 4", points="points = 40"), "parameters.points", "to list"),
    "nature too long": (
        toml(bidders="bidders = 3", upper="upper = [[1,1,2],[1,2,1],[2,1,1]]", points="points = 200"),
        "parameters.points",
        "nature's distribution to list",
    ),
    "method": (toml(solve='[solve]\nmethod = "magic"'), "solve.method", "reserve, apart, orbits or all-pairs"),
    "reserve with lower bounds": (toml(ABOVE, solve='[solve]\nmethod = "reserve"'), "solve.method", "bounds of zero"),
    "apart with unlike goods": (
        toml("lower = [0, 1]", upper="upper = [1, 2]", solve='[solve]\nmethod = "apart"'),
        "solve.method",
        "multiples of one another",
    ),
    "every row of too much": (
        toml(points="points = 400", solve='[solve]\nmethod = "all-pairs"'),
        "parameters.points",
        "400 steps for 2 bidders and 1 good",
    ),
    "gap": (toml(solve="[solve]\ngap = 0"), "solve.gap", "greater than 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_auctions(refuses, case):
    refuses(*BAD[case])


def test_every_wrong_number_is_named(run):
    done = run("solve", "-", text=toml(upper="upper = [[nan], [inf]]", points="points = 0"), code=2)
    fields = [line.split(": ")[1] for line in done.stderr.splitlines()]
    assert sorted(fields) == ["parameters.points", "parameters.upper[0][0]", "parameters.upper[1][0]"]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["solve", "regret/two-bidders", "--method", "price-lottery"], "reserve, apart"),
        (["solve", "regret/two-bidders", "--gap", "nan"], "positive width"),
        (["solve", "regret/two-bidders", "--time-limit", "0"], "positive number of seconds"),
        (["solve", "regret/two-bidders", "--set", "parameters.upper.1=1", "--json"], "a position from 0 to 0"),
    ],
)
def test_bad_arguments(run, arguments, hint):
    done = run(*arguments, code=2)
    assert all(LINE.match(line) for line in done.stderr.splitlines())
    assert hint in done.stderr


def test_no_other_picture(run, tmp_path):
    run("solve", "regret/two-bidders", "--set", "parameters.points=2", "--output", "out")
    assert "mechanism" in run("plot", "out", "--output", "x.png", "--kind", "sphere", code=2).stderr


def test_python_raises_the_same_words():
    with pytest.raises(mo.InputError, match=r"^upper\[1\]\[0\]: expected a finite number, got nan"):
        mo.RegretAuction(bidders=2, upper=[[1], [float("nan")]], points=3)
    with pytest.raises(mo.InputError, match=r"at most 1,000,000 allocations and payments"):
        mo.RegretAuction(bidders=2, upper=[1], lower=["1/4"], points=999).require_fits()
    with pytest.raises(mo.InputError, match=r"expected a program that fits .* 1,218,000,000 nonzeros"):
        mo.RegretAuction(bidders=3, upper=[1], points=99).primal()


def test_show_and_schema_speak_of_it(run):
    shown = run("show", "regret/two-bidders", "--set", "parameters.lower=[0.5]", "--set", "parameters.bidders=3").stdout
    assert "[gamma^i(v, w)]" in shown
    assert "[0.5, 1]" in shown
    assert "9,261 profiles" in shown
    huge = run("show", "regret/two-bidders", "--set", "parameters.bidders=900").stdout
    assert "more than 1e18 profiles" in huge
    schema = json.loads(run("schema", "regret-auction").stdout)
    parameters = schema["properties"]["parameters"]
    assert set(parameters["properties"]) == {"bidders", "upper", "lower", "points"}
    assert parameters["properties"]["upper"]["anyOf"][1]["items"]["type"] == "array"
