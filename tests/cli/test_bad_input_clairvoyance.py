"""Every wrong `money-burning` or `non-clairvoyant-gap` instance: exit code 2, and field, expected, got on a line."""

import json

import pytest

import mechopt as mo

GOOD = '{ family = "uniform", support = [0, 1], points = 5 }'
ZERO = "{ values = [0], probabilities = [1] }"


def burning(fields, solve=""):
    return f'model = "money-burning"\n[parameters]\n{fields}\n{solve}\n'


def gap(fields, solve=""):
    return f'model = "non-clairvoyant-gap"\n[parameters]\n{fields}\n{solve}\n'


def prior(values, chances):
    return f"{{ values = {values}, probabilities = {chances} }}"


TOGETHER = ", ".join(['{ family = "uniform", support = [0, 1], points = 400 }'] * 3)

BAD = {
    "no buyers": (burning("buyers = []"), "parameters.buyers", "at least one distribution"),
    "buyers missing": (burning("caps = [1]"), "parameters.buyers", "a value"),
    "too few caps": (burning(f"buyers = [{GOOD}, {GOOD}]\ncaps = [1]"), "parameters.caps", "2 numbers, one per buyer"),
    "too many caps": (burning(f"buyers = [{GOOD}]\ncaps = [1, 2]"), "parameters.caps", "1 numbers, one per buyer"),
    "caps a number": (burning(f"buyers = [{GOOD}]\ncaps = 1"), "parameters.caps", "a list"),
    "negative cap": (burning(f"buyers = [{GOOD}]\ncaps = [-1]"), "parameters.caps[0]", "at least 0"),
    "cap NaN": (burning(f"buyers = [{GOOD}]\ncaps = [nan]"), "parameters.caps[0]", "finite"),
    "negative type": (
        burning(f"buyers = [{prior([-1, 2], [0.5, 0.5])}]"),
        "parameters.buyers[0].values[0]",
        "at least 0",
    ),
    "unsorted types": (burning(f"buyers = [{prior([2, 1], [0.5, 0.5])}]"), "parameters.buyers[0].values[1]", "order"),
    "repeated types": (burning(f"buyers = [{prior([1, 1], [0.5, 0.5])}]"), "parameters.buyers[0].values[1]", "above 1"),
    "chances": (burning(f"buyers = [{prior([1, 2], [0.5, 0.4])}]"), "parameters.buyers[0].probabilities", "0.9"),
    "convention": (burning(f'buyers = [{GOOD}]\nconvention = "C"'), "parameters.convention", "upper-zero"),
    "unknown field": (burning(f"buyers = [{GOOD}]\ncap = 1"), "parameters.cap", "no such field"),
    "too many buyers": (burning(f"buyers = [{', '.join([GOOD] * 101)}]"), "parameters.buyers", "at most 100"),
    "too many values": (burning(f"buyers = [{TOGETHER}]"), "parameters.buyers", "1,000"),
    "method": (burning(f"buyers = [{GOOD}]", '[solve]\nmethod = "magic"'), "solve.method", "columns or profiles"),
    "too large": (
        burning(f"buyers = [{', '.join([GOOD] * 20)}]", '[solve]\nmethod = "profiles"'),
        "parameters.buyers",
        "profiles of types",
    ),
    "nothing": (gap("points = 3"), "parameters.mu", "first and second"),
    "overflow": (gap("mu = 27"), "parameters.mu", "26.58"),
    "mu huge": (gap("mu = 1e300"), "parameters.mu", "1e15"),
    "mu zero": (gap("mu = 0"), "parameters.mu", "positive"),
    "mu negative": (gap("mu = -1"), "parameters.mu", "positive"),
    "mu NaN": (gap("mu = nan"), "parameters.mu", "finite"),
    "mu text": (gap('mu = "big"'), "parameters.mu", "finite"),
    "epsilon": (gap("mu = 1\nepsilon = -1"), "parameters.epsilon", "from 0"),
    "points": (gap("mu = 1\npoints = 0"), "parameters.points", "at least 1"),
    "points many": (gap("mu = 1\npoints = 1000000"), "parameters.points", "10,000"),
    "points half": (gap("mu = 1\npoints = 2.5"), "parameters.points", "integer"),
    "two forms": (gap(f"mu = 1\nfirst = {GOOD}\nsecond = {GOOD}"), "parameters.mu", "mu and first"),
    "second missing": (gap(f"first = {GOOD}"), "parameters.second", "a distribution"),
    "first missing": (gap(f"second = {GOOD}"), "parameters.first", "a distribution"),
    "points of futures": (gap(f"first = {GOOD}\nsecond = {GOOD}\npoints = 3"), "parameters.points", "without mu"),
    "no futures": (gap("scenarios = []"), "parameters.scenarios", "at least one list"),
    "empty future": (gap(f"scenarios = [[{GOOD}], []]"), "parameters.scenarios[1]", "at least one distribution"),
    "future twice": (gap(f"scenarios = [[{GOOD}], [{GOOD}]]"), "parameters.scenarios[1]", "already listed"),
    "future of zeros": (gap(f"scenarios = [[{ZERO}]]"), "parameters.scenarios[0]", "above 0"),
    "negative value": (
        gap(f"first = {GOOD}\nsecond = {prior([-1, 1], [0.5, 0.5])}"),
        "parameters.second.values[0]",
        "at least 0",
    ),
    "future unsorted": (
        gap(f"scenarios = [[{prior([2, 1], [0.5, 0.5])}]]"),
        "parameters.scenarios[0][0].values[1]",
        "order",
    ),
    "long future": (gap(f"scenarios = [[{', '.join([GOOD] * 14)}]]"), "parameters.scenarios", "fits in"),
    "gap's method": (gap("mu = 1", '[solve]\nmethod = "magic"'), "solve.method", "no method"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_instances(refuses, case):
    refuses(*BAD[case])


def test_python_raises_the_same_words():
    with pytest.raises(mo.InputError, match=r"mu: expected at most 26.58, beyond which exp\(mu\^2\) overflows, got 27"):
        mo.NonClairvoyantGap(mu=27)
    with pytest.raises(mo.InputError, match=r"caps: expected 2 numbers, one per buyer"):
        mo.MoneyBurning(buyers=[{"values": [1], "probabilities": [1]}] * 2, caps=[1])
    with pytest.raises(mo.InputError, match="posted prices bound two scenarios only"):
        mo.NonClairvoyantGap(scenarios=[[{"values": [1], "probabilities": [1]}]]).dual()


def test_commands(run):
    assert "E_s" in run("show", "clairvoyance/gap-futures").stdout
    assert "27 profiles" in run("show", "clairvoyance/money-burning-capped").stdout
    document = json.loads(run("solve", "clairvoyance/gap-mu-3", "--json", "--set", "parameters.mu=10").stdout)
    assert document["bounds"]["lower"] == pytest.approx(1.8456, abs=1e-4)
    schema = json.loads(run("schema", "money-burning").stdout)
    assert "caps" in schema["properties"]["parameters"]["properties"]
    for name in ("gap-mu-3", "gap-two-distributions", "gap-futures", "money-burning-capped", "money-burning-uniform"):
        run("solve", f"clairvoyance/{name}", "--output", name)
        assert "every check passed" in run("verify", name).stdout
        run("plot", name, "--output", f"{name}.png")
