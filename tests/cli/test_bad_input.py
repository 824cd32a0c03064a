"""Every wrong input: exit code 2 and one line per problem that says field, expected, got."""

import json
import re

import pytest

import mechopt as mo

LINE = re.compile(r"^error: .+: expected .+, got .+$")


def toml(parameters, model='model = "regret-pricing"', extra=""):
    return f"{model}\n{extra}\n[parameters]\n{parameters}\n"


BAD = {
    "missing model": (toml("upper=[1]\npoints=2", model=""), "model", "one of"),
    "unknown model": (toml("upper=[1]\npoints=2", model='model = "auction"'), "model", "auction"),
    "missing parameters": ('model = "regret-pricing"', "parameters", "a table"),
    "unknown key": (toml("upper=[1]\npoints=2", extra="colour = 1"), "colour", "no such key"),
    "unknown parameter": (toml("upper=[1]\npoints=2\nbudgets=[1]"), "parameters.budgets", "the fields are"),
    "unknown solve key": (toml("upper=[1]\npoints=2") + "[solve]\nspeed=1\n", "solve.speed", "no such field"),
    "NaN": (toml("upper=[nan]\npoints=2"), "parameters.upper[0]", "finite"),
    "infinity": (toml("upper=[1, inf]\npoints=2"), "parameters.upper[1]", "finite"),
    "huge number": (toml("upper=[1e300]\npoints=2"), "parameters.upper[0]", "1e15"),
    "negative upper": (toml("upper=[-1]\npoints=2"), "parameters.upper[0]", "positive"),
    "zero upper": (toml("upper=[0]\npoints=2"), "parameters.upper[0]", "positive"),
    "negative cost": (toml("upper=[1]\ncost=[-1]\npoints=2"), "parameters.cost[0]", "at least 0"),
    "empty list": (toml("upper=[]\npoints=2"), "parameters.upper", "one positive number per good"),
    "not a list": (toml("upper=1\npoints=2"), "parameters.upper", "a list"),
    "text": (toml('upper=["one"]\npoints=2'), "parameters.upper[0]", "finite number"),
    "boolean": (toml("upper=[true]\npoints=2"), "parameters.upper[0]", "number"),
    "division by zero": (toml('upper=["1/0"]\npoints=2'), "parameters.upper[0]", "number"),
    "lengths differ": (toml("upper=[1,2]\ncost=[1]\npoints=2"), "parameters.cost", "2 numbers"),
    "lower above upper": (toml("upper=[1]\nlower=[2]\npoints=2"), "parameters.lower[0]", "below upper"),
    "points zero": (toml("upper=[1]\npoints=0"), "parameters.points", "at least 1"),
    "points negative": (toml("upper=[1]\npoints=-3"), "parameters.points", "at least 1"),
    "points fractional": (toml("upper=[1]\npoints=2.5"), "parameters.points", "integer"),
    "points boolean": (toml("upper=[1]\npoints=true"), "parameters.points", "integer"),
    "neither points nor profiles": (toml("upper=[1]"), "parameters.points", "neither"),
    "both points and profiles": (toml("upper=[1]\npoints=2\nprofiles=[[1]]"), "parameters.points", "both"),
    "too large": (toml("upper=[1,1]\npoints=100000"), "parameters.points", "GiB"),
    "far too large": (toml("upper=[1,1,1]\npoints=1000000000"), "parameters.points", "rows"),
    "no profiles": (toml("profiles=[]"), "parameters.profiles", "at least one"),
    "empty profile": (toml("profiles=[[]]"), "parameters.profiles", "at least one"),
    "repeated profile": (toml("profiles=[[1,2],[1,2]]"), "parameters.profiles[1]", "listed before"),
    "uneven profiles": (toml("profiles=[[1,2],[1]]"), "parameters.profiles[1]", "2 values"),
    "profile outside": (toml("upper=[1]\nprofiles=[[2]]"), "parameters.profiles[0][0]", "[0, 1]"),
    "negative profile": (toml("profiles=[[-1]]"), "parameters.profiles[0][0]", "at least 0"),
    "empty budget": (toml("upper=[1]\npoints=2\nbudget=0"), "parameters.budget", "empty"),
    "budget below lower": (toml("upper=[2]\nlower=[1]\npoints=2\nbudget=1"), "parameters.budget", "more than the 1"),
    "budget with profiles": (toml("profiles=[[1]]\nbudget=1"), "parameters.budget", "within the budget"),
    "gap": (toml("upper=[1]\npoints=2") + "[solve]\ngap=-1\n", "solve.gap", "greater than 0"),
    "method": (toml("upper=[1]\npoints=2") + '[solve]\nmethod="magic"\n', "solve.method", "all-pairs"),
    "method for one good": (
        toml("upper=[1,1]\npoints=2") + '[solve]\nmethod="price-lottery"\n',
        "solve.method",
        "rows or all-pairs",
    ),
    "solver option": (toml("upper=[1]\npoints=2") + "[solve.options]\nspeed=1\n", "solve.options", "speed"),
    "TOML": ('model = "regret-pricing"\n[parameters\n', "standard input", "line 2, column"),
    "TOML cut short": ('model = "regret', "standard input", "line 1, column"),
    "JSON": ('{"model": ', "standard input", "line 1, column"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_instances(refuses, case):
    refuses(*BAD[case])


def test_several_problems_several_lines(run):
    done = run("solve", "-", text=toml("upper=[nan, inf]\npoints=0"), code=2)
    assert len(done.stderr.splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["solve", "no/such-instance"], "the catalog has"),
        (["solve", "."], "readable"),
        (["solve", "bytes.toml"], "UTF-8"),
        (["solve", "regret/one-good", "--set", "parameters.points"], "KEY=VALUE"),
        (["solve", "regret/one-good", "--set", "parameters.upper.7=1"], "a position from 0 to 0"),
        (["solve", "regret/one-good", "--set", "model.x=1"], "a table"),
        (["solve", "regret/one-good", "--gap", "nan"], "positive width"),
        (["solve", "regret/one-good", "--time-limit", "-1"], "positive number of seconds"),
        (["solve", "regret/one-good", "--output", "bytes.toml"], "a directory"),
        (["verify", "nowhere"], "result.json"),
        (["plot", "nowhere", "--output", "x.png"], "result.json"),
        (["plot", "nowhere", "--output", "x.bmp"], ".png, .svg or .pdf"),
        (["plot", "nowhere", "--output", "no/folder/x.png"], "exists"),
    ],
)
def test_bad_arguments(run, tmp_path, arguments, hint):
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    done = run(*arguments, code=2)
    assert all(LINE.match(line) for line in done.stderr.splitlines())
    assert hint in done.stderr


def test_python_raises_the_same_words():
    with pytest.raises(mo.InputError, match=r"upper\[0\]: expected a finite number, got nan"):
        mo.RegretPricing(upper=[float("nan")], points=3)
    with pytest.raises(mo.InputError, match="no such field"):
        mo.RegretPricing(upper=[1], point=3)
    with pytest.raises(mo.InputError, match="a mechopt model"):
        mo.solve("regret/one-good")
    with pytest.raises(mo.InputError, match=r"expected a program that fits .* 30,000,000,00\d rows"):
        mo.solve(mo.RegretPricing(upper=[1], points=10**10))


def test_decimals_mean_decimals():
    model = mo.RegretPricing(upper=[0.1], points=3)
    assert json.dumps(model.parameters()["upper"]) == "[0.1]"
    assert model.exact_values[1][0] * 30 == 1
