"""Every wrong `non-clairvoyant-auction` instance: exit code 2 and a line that says field, expected, got."""

import json

import pytest

GOOD = "{ values = [1, 3], probabilities = [0.5, 0.5] }"
ODD = '{ family = "beta", a = 2, b = 5.5, support = [0, 1], points = 8 }'


def toml(periods, mechanism='"balance"', more="", solve=""):
    text = f'model = "non-clairvoyant-auction"\n[parameters]\nmechanism = {mechanism}\n{more}\nperiods = {periods}\n'
    return f"{text}{solve}\n"


BAD = {
    "no periods": (toml("[]"), "parameters.periods", "at least one"),
    "empty period": (toml("[[]]"), "parameters.periods[0]", "at least one"),
    "buyers differ": (toml(f"[[{GOOD}, {GOOD}], [{GOOD}]]"), "parameters.periods[1]", "2 distributions"),
    "unsorted": (
        toml("[[{ values = [3, 1], probabilities = [0.5, 0.5] }]]"),
        "parameters.periods[0][0].values[1]",
        "ord",
    ),
    "negative": (
        toml("[[{ values = [-1, 1], probabilities = [0.5, 0.5] }]]"),
        "parameters.periods[0][0].values[0]",
        "0",
    ),
    "nan": (toml("[[{ values = [nan], probabilities = [1] }]]"), "parameters.periods[0][0].values[0]", "finite"),
    "sum off": (toml("[[{ values = [1], probabilities = [0.9] }]]"), "parameters.periods[0][0].probabilities", "0.9"),
    "mechanism": (toml(f"[[{GOOD}]]", '"magic"'), "parameters.mechanism", "asymptotic"),
    "two periods": (toml(f"[[{GOOD}]]", '"two-period-balance"'), "parameters.periods", "two periods"),
    "repeat": (toml(f"[[{GOOD}]]", more="repeat = 0"), "parameters.repeat", "at least 1"),
    "too long": (toml(f"[[{GOOD}]]", more="repeat = 2000000"), "parameters.repeat", "1,000,000"),
    "samples": (toml(f"[[{GOOD}]]", more="samples = 1"), "parameters.samples", "from 2"),
    "seed": (toml(f"[[{GOOD}]]", more="seed = -1"), "parameters.seed", "at least 0"),
    "threshold": (toml(f"[[{GOOD}]]", '"asymptotic"', 'threshold = "t"'), "parameters.threshold", "sqrt"),
    "idle threshold": (toml(f"[[{GOOD}]]", more='threshold = "sqrt(t ln t)"'), "parameters.threshold", "asymptotic"),
    "unknown": (toml(f"[[{GOOD}]]", more="caps = [1]"), "parameters.caps", "no such field"),
    "method": (toml(f"[[{GOOD}]]", solve='[solve]\nmethod = "lattice"'), "solve.method", "simulation"),
    "no samples": (toml(f"[[{GOOD}]]", solve='[solve]\nmethod = "simulation"'), "parameters.samples", "10000"),
    "gap": (toml(f"[[{GOOD}]]", solve="[solve]\ngap = 1"), "solve.gap", "counted"),
    "too many histories": (
        toml(f"[[{ODD}, {ODD}]]", more="repeat = 40", solve="[solve]\ntime_limit = 1"),
        "parameters.periods",
        "set samples = 1000",
    ),
    "profiles": (
        toml(f"[[{', '.join([ODD] * 8)}]]", '"asymptotic"'),
        "parameters.periods[0]",
        "at most 100,000 profiles",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_auctions(refuses, case):
    refuses(*BAD[case])


def test_commands(run):
    assert "10,000 periods" in run("show", "clairvoyance/auction-asymptotic").stdout
    document = json.loads(run("solve", "clairvoyance/auction-two-periods", "--json").stdout)
    assert document["bounds"]["certified"]
    assert document["quantities"]["ratio"] >= 0.5
    schema = json.loads(run("schema", "non-clairvoyant-auction").stdout)
    assert "repeat" in schema["properties"]["parameters"]["properties"]
    run("solve", "clairvoyance/auction-two-periods", "--output", "out")
    assert "every check passed" in run("verify", "out").stdout
    run("plot", "out", "--output", "out.png")
