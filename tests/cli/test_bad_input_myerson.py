"""Every wrong `myerson-auction` instance: exit code 2 and a line that says field, expected, got."""

import json

import pytest

import mechopt as mo

GOOD = '{ family = "uniform", support = [0, 1], points = 5 }'


def toml(bidders, solve=""):
    return f'model = "myerson-auction"\n[parameters]\n{bidders}\n{solve}\n'


def second(table):
    return toml(f"bidders = [{GOOD}, {table}]")


BAD = {
    "no bidders": (toml("bidders = []"), "parameters.bidders", "at least one distribution"),
    "bidders missing": (toml(""), "parameters.bidders", "a value"),
    "a count": (toml("bidders = 2"), "parameters.bidders", "a list"),
    "a table": (toml(f"bidders = {GOOD}"), "parameters.bidders", "a list"),
    "numbers": (toml("bidders = [1, 2]"), "parameters.bidders[0]", "a distribution"),
    "text": (toml('bidders = ["uniform"]'), "parameters.bidders[0]", "a distribution"),
    "unknown field": (toml(f"bidders = [{GOOD}]\ngoods = 2"), "parameters.goods", "no such field"),
    "too many": (toml(f"bidders = [{', '.join([GOOD] * 1001)}]"), "parameters.bidders", "at most 1,000"),
    "NaN": (second("{ values = [nan], probabilities = [1] }"), "parameters.bidders[1].values[0]", "finite"),
    "infinity": (
        second("{ values = [1, inf], probabilities = [0.5, 0.5] }"),
        "parameters.bidders[1].values[1]",
        "finite",
    ),
    "negative chance": (
        second("{ values = [1, 2], probabilities = [1.5, -0.5] }"),
        "parameters.bidders[1].probabilities[1]",
        "at least 0",
    ),
    "sum off": (
        second("{ values = [1, 2], probabilities = [0.5, 0.6] }"),
        "parameters.bidders[1].probabilities",
        "1.1",
    ),
    "unsorted": (second("{ values = [2, 1], probabilities = [0.5, 0.5] }"), "parameters.bidders[1].values[1]", "order"),
    "lengths": (second("{ values = [2], probabilities = [0.5, 0.5] }"), "parameters.bidders[1].probabilities", "1 num"),
    "family": (second('{ family = "magic", support = [0, 1], points = 5 }'), "parameters.bidders[1].family", "beta"),
    "shape": (
        second('{ family = "beta", a = -1, b = 1, support = [0, 1], points = 5 }'),
        "parameters.bidders[1].a",
        "allows",
    ),
    "points": (
        second('{ family = "uniform", support = [0, 1], points = 1000000 }'),
        "parameters.bidders[1].points",
        "100,000",
    ),
    "method": (toml(f"bidders = [{GOOD}]", '[solve]\nmethod = "magic"'), "solve.method", "virtual-values or bayesian"),
    "gap": (toml(f"bidders = [{GOOD}]", "[solve]\ngap = -1"), "solve.gap", "greater than 0"),
    "program too large": (
        toml(f"bidders = [{', '.join([GOOD] * 30)}]", '[solve]\nmethod = "ex-post"'),
        "parameters.bidders",
        "profiles",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_auctions(refuses, case):
    refuses(*BAD[case])


def test_python_raises_the_same_words():
    with pytest.raises(mo.InputError, match=r"bidders\[0\].values\[1\]: expected a number above 2"):
        mo.MyersonAuction(bidders=[{"values": [2, 1], "probabilities": [0.5, 0.5]}])
    with pytest.raises(mo.InputError, match=r"points: expected an integer from 2"):
        mo.Distribution(family="uniform", support=[0, 1], points=1)


def test_commands(run):
    assert "P(" not in run("show", "auctions/myerson-uniform").stdout
    assert "441 profiles" in run("show", "auctions/myerson-uniform").stdout
    document = json.loads(run("solve", "auctions/myerson-irregular", "--json").stdout)
    assert document["quantities"]["reserve"] == [0.34375, 0.34375]
    assert document["bounds"]["certified"]
    schema = json.loads(run("schema", "myerson-auction").stdout)
    assert "bidders" in schema["properties"]["parameters"]["properties"]
    changed = run("solve", "auctions/myerson-uniform", "--set", "parameters.bidders.1.points=11", "--json")
    assert len(json.loads(changed.stdout)["quantities"]["virtual_values"][1]) == 11
