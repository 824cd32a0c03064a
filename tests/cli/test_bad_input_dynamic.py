"""Every wrong `dynamic-auction` instance: exit code 2 and a line that says field, expected, got."""

import json

import pytest

import mechopt as mo

GOOD = "{ values = [1, 2], probabilities = [0.5, 0.5] }"
WIDE = '{ family = "uniform", support = [1, 2], points = 40 }'


def toml(periods, solve=""):
    return f'model = "dynamic-auction"\n[parameters]\n{periods}\n{solve}\n'


def second(table):
    return toml(f"periods = [[{GOOD}], [{table}]]")


BAD = {
    "no periods": (toml("periods = []"), "parameters.periods", "at least one period"),
    "periods missing": (toml(""), "parameters.periods", "a value"),
    "an empty period": (toml(f"periods = [[{GOOD}], []]"), "parameters.periods[1]", "at least one buyer"),
    "other buyers": (toml(f"periods = [[{GOOD}], [{GOOD}, {GOOD}]]"), "parameters.periods[1]", "one value 0"),
    "a count": (toml("periods = 3"), "parameters.periods", "a list"),
    "not nested": (toml(f"periods = [{GOOD}]"), "parameters.periods[0]", "a list"),
    "numbers": (toml("periods = [[1, 2]]"), "parameters.periods[0][0]", "a distribution"),
    "unknown field": (toml(f"periods = [[{GOOD}]]\nbuyers = 2"), "parameters.buyers", "no such field"),
    "too many periods": (toml(f"periods = [{', '.join([f'[{GOOD}]'] * 1001)}]"), "parameters.periods", "1,000"),
    "too many buyers": (toml(f"periods = [[{', '.join([GOOD] * 21)}]]"), "parameters.periods[0]", "at most 20"),
    "NaN": (second("{ values = [nan], probabilities = [1] }"), "parameters.periods[1][0].values[0]", "finite"),
    "infinity": (second("{ values = [1, inf], probabilities = [0.5, 0.5] }"), "parameters.periods[1][0].values[1]", ""),
    "negative chance": (
        second("{ values = [1, 2], probabilities = [1.5, -0.5] }"),
        "parameters.periods[1][0].probabilities[1]",
        "at least 0",
    ),
    "sum off": (
        second("{ values = [1, 2], probabilities = [0.5, 0.6] }"), "parameters.periods[1][0].probabilities", "1.1"
    ),
    "unsorted": (
        second("{ values = [2, 1], probabilities = [0.5, 0.5] }"), "parameters.periods[1][0].values[1]", "order"
    ),
    "lengths": (
        second("{ values = [2], probabilities = [0.5, 0.5] }"), "parameters.periods[1][0].probabilities", "1 numbers"
    ),
    "no values": (second("{ values = [], probabilities = [] }"), "parameters.periods[1][0].values", "at least one"),
    "method": (toml(f"periods = [[{GOOD}]]", '[solve]\nmethod = "magic"'), "solve.method", "bank-account or history"),
    "gap below zero": (toml(f"periods = [[{GOOD}]]", "[solve]\ngap = -1"), "solve.gap", "greater than 0"),
    "gap below floats": (toml(f"periods = [[{GOOD}]]", "[solve]\ngap = 1e-18"), "solve.gap", "floats can certify"),
    "histories": (
        toml(f"periods = [{', '.join([f'[{WIDE}]'] * 8)}]", '[solve]\nmethod = "history"'),
        "parameters.periods",
        '6,553,600,000,000 histories',
    ),
    "histories of many": (
        toml(f"periods = [{', '.join([f'[{WIDE}]'] * 50)}]", '[solve]\nmethod = "history"'),
        "parameters.periods",
        'about 10^80 histories',
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_dynamic_auctions(refuses, case):
    refuses(*BAD[case])


def test_the_other_method_is_suggested(refuses):
    refuses(BAD["histories"][0], "parameters.periods", 'the method "bank-account" lists no histories')


def test_python_raises_the_same_words():
    with pytest.raises(mo.InputError, match=r"periods\[1\]: expected 1 distributions, one per buyer"):
        mo.DynamicAuction(
            periods=[[{"values": [1], "probabilities": [1]}], [{"values": [1], "probabilities": [1]}] * 2]
        )


def test_commands(run):
    shown = run("show", "dynamic/three-coins").stdout
    assert "8 histories" in shown
    assert "E_{v_i}[ y_i(v) ]" in shown
    for method in ("bank-account", "history"):
        document = json.loads(run("solve", "dynamic/others-know", "--json", "--method", method).stdout)
        assert document["bounds"]["certified"]
        assert document["quantities"]["static_revenue"] == 5.6
        assert document["bounds"]["lower"] <= 5.69 <= document["bounds"]["upper"]
    schema = json.loads(run("schema", "dynamic-auction").stdout)
    assert "periods" in schema["properties"]["parameters"]["properties"]
