"""Every wrong `virtual-index` and `optimal-contract` instance: exit code 2 and a line with field, expected, got."""

import json

import pytest

import mechopt as mo

ARM = "{ transition = [[0.5, 0.5], [0, 1]], reward = [1, 2] }"


def index(arms, discount="0.9", solve=""):
    return f'model = "virtual-index"\n[parameters]\ndiscount = {discount}\narms = [{arms}]\n{solve}\n'


def second(arm):
    return index(f"{ARM}, {arm}")


def with_type(more):
    return second(f"{{ transition = [[1]], reward = [1], {more} }}")


INDEX = {
    "row sum": (
        second("{ transition = [[0.5, 0.4], [0, 1]], reward = [1, 2] }"),
        "parameters.arms[1].transition[0]",
        "(state 0), got the sum 0.9",
    ),
    "negative chance": (
        second("{ transition = [[1.5, -0.5], [0, 1]], reward = [1, 2] }"),
        "parameters.arms[1].transition[0][1]",
        "at least 0",
    ),
    "discount one": (index(ARM, "1"), "parameters.discount", "below 1"),
    "discount above": (index(ARM, "1.5"), "parameters.discount", "below 1"),
    "discount negative": (index(ARM, "-0.1"), "parameters.discount", "from 0"),
    "discount nan": (index(ARM, "nan"), "parameters.discount", "finite"),
    "no arms": (index(""), "parameters.arms", "at least one arm"),
    "arms missing": ('model = "virtual-index"\n[parameters]\ndiscount = 0.9\n', "parameters.arms", "a value"),
    "not square": (
        second("{ transition = [[1, 0]], reward = [1] }"),
        "parameters.arms[1].transition[0]",
        "1 entries",
    ),
    "wrong length": (
        second("{ transition = [[1]], reward = [1, 2] }"),
        "parameters.arms[1].transition",
        "2 entries, one per state",
    ),
    "no rewards": (second("{ transition = [], reward = [] }"), "parameters.arms[1].reward", "1 to 2,000"),
    "reward missing": (second("{ transition = [[1]] }"), "parameters.arms[1].reward", "none"),
    "NaN": (second("{ transition = [[1]], reward = [nan] }"), "parameters.arms[1].reward[0]", "finite"),
    "infinite": (second("{ transition = [[inf]], reward = [1] }"), "parameters.arms[1].transition[0][0]", "finite"),
    "text": (second('{ transition = [["x"]], reward = [1] }'), "parameters.arms[1].transition[0][0]", "finite"),
    "unknown field": (second("{ transition = [[1]], reward = [1], kind = 2 }"), "parameters.arms[1].kind", "no such"),
    "start": (with_type("start = [0.5]"), "parameters.arms[1].start", "sum to 1"),
    "start length": (with_type("start = [0.5, 0.5]"), "parameters.arms[1].start", "1 entries"),
    "weight": (with_type("weight = -1"), "parameters.arms[1].weight", "at least 0"),
    "cost": (with_type("cost = -1"), "parameters.arms[1].cost", "at least 0"),
    "weight and report": (with_type("weight = 1, report = 0.5"), "parameters.arms[1].weight", "beside report"),
    "law without report": (
        with_type('initial = { family = "uniform" }'),
        "parameters.arms[1].initial",
        "without report",
    ),
    "report outside": (with_type("report = 1.5"), "parameters.arms[1].report", "[0, 1]"),
    "no such type": (
        with_type("report = 1, initial = { values = [0, 2], probabilities = [0.5, 0.5] }"),
        "parameters.arms[1].report",
        "one of the types 0, 2",
    ),
    "negative and multiplicative": (
        second("{ transition = [[1]], reward = [-1], report = 0.9 }"),
        "parameters.arms[1].reward[0]",
        "additive",
    ),
    "prior": (second("{ beta = [0, 1], pulls = 3 }"), "parameters.arms[1].beta", "positive"),
    "no pulls": (second("{ beta = [1, 1] }"), "parameters.arms[1].pulls", "from 1 to 40"),
    "too many pulls": (second("{ beta = [1, 1], pulls = 400 }"), "parameters.arms[1].pulls", "from 1 to 40"),
    "both forms": (second("{ beta = [1, 1], pulls = 2, reward = [1] }"), "parameters.arms[1].reward", "one of the two"),
    "method": (index(ARM, solve='[solve]\nmethod = "magic"'), "solve.method", "largest-remaining or restart"),
    "gap": (index(ARM, solve="[solve]\ngap = -1"), "solve.gap", "greater than 0"),
    "joint too large": (
        index(", ".join([ARM] * 60), solve='[solve]\nmethod = "joint"'),
        "parameters.arms",
        "joint states",
    ),
}
AGENT = "states = 2\nkernels = [[0.5, 0.5], [0.5, 0.5]]\nvalue = { serve = [0, 1] }"


def contract(agent=AGENT, discount="0.9", more="", copies=1, solve=""):
    head = f'model = "optimal-contract"\n[parameters]\ndiscount = {discount}\nactions = ["wait", "serve"]\n{more}\n'
    return head + f"[[parameters.agents]]\n{agent}\n" * copies + solve


CONTRACT = {
    "two agents": (contract(copies=2), "parameters.agents", "virtual-pivot"),
    "no agents": (
        'model = "optimal-contract"\n[parameters]\ndiscount = 0.9\nactions = 2\nagents = []',
        "parameters.agents",
        "exactly one",
    ),
    "kernel": (contract(AGENT.replace("[[0.5, 0.5]", "[[0.5, 0.4]")), "parameters.agents[0].kernels[0]", "0.9"),
    "value": (contract(AGENT.replace("[0, 1]", "[0, 1, 2]")), "parameters.agents[0].value.serve", "2 entries"),
    "discount": (contract(discount="1"), "parameters.discount", "strictly between 0 and 1"),
    "method": (contract(solve='[solve]\nmethod = "magic"'), "solve.method", "envelope or program"),
    "program of a continuum": (
        contract(solve='[solve]\nmethod = "program"'),
        "parameters.agents[0].initial",
        "finitely many",
    ),
}


@pytest.mark.parametrize("case", INDEX)
def test_bad_bandits(refuses, case):
    text, field, hint = INDEX[case]
    refuses(text, field, hint)


@pytest.mark.parametrize("case", CONTRACT)
def test_bad_contracts(refuses, case):
    refuses(*CONTRACT[case])


def test_python_raises_the_same_words():
    with pytest.raises(mo.InputError, match=r"arms\[0\].transition\[0\]: expected probabilities that sum to 1"):
        mo.VirtualIndex(discount=0.9, arms=[{"transition": [[0.5]], "reward": [1]}])
    auction = mo.solve(mo.VirtualIndex(discount=0.9, arms=[{"transition": [[1]], "reward": [1]}])).mechanism
    with pytest.raises(mo.InputError, match=r"states\[0\]: expected a position from 0 to 0, got 1"):
        auction.payments([1])
    with pytest.raises(mo.InputError, match="states: expected 1 positions"):
        auction.served([0, 0])


def test_commands(run):
    assert "Bellman" not in run("show", "pivot/index-auction").stdout
    assert "none of which is listed" in run("show", "pivot/index-auction").stdout
    document = json.loads(run("solve", "pivot/index-learning", "--json").stdout)
    assert document["bounds"]["certified"]
    assert len(document["quantities"]["indices"]) == 3
    schema = json.loads(run("schema", "virtual-index").stdout)
    assert "arms" in schema["properties"]["parameters"]["properties"]
    assert "menu" in json.loads(run("solve", "pivot/contract-items", "--json").stdout)["quantities"]
    assert "fee" in run("show", "pivot/contract-items").stdout
    json.loads(run("schema", "optimal-contract").stdout)
