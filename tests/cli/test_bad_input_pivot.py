"""Every wrong `virtual-pivot` instance: exit code 2 and a line that says field, expected, got."""

import json

import pytest

AGENT = {"states": "2", "kernels": "[[0.5, 0.5], [0, 1]]", "value": "{ sell = [0, 1] }"}
TOP = {"discount": "0.9", "actions": '["wait", "sell"]', "cost": "[0, 0.25]"}


def toml(agents=1, solve="", top=None, tables="", **changes):
    head = "\n".join(f"{key} = {found}" for key, found in {**TOP, **(top or {})}.items() if found)
    body = "\n".join(f"{key} = {found}" for key, found in {**AGENT, **changes}.items() if found)
    each = f"\n[[parameters.agents]]\n{body}\n" * agents
    return f'model = "virtual-pivot"\n[parameters]\n{head}\n{tables}\n{each}\n{solve}\n'


PUBLIC = "[parameters.public]\nstates = 2\nnext = [[0, 1], [1, 1]]\nfeasible = [[true, true], [%s]]"
BAD = {
    "discount one": (toml(top={"discount": "1"}), "parameters.discount", "strictly between 0 and 1"),
    "discount above": (toml(top={"discount": "1.5"}), "parameters.discount", "strictly between 0 and 1"),
    "discount missing": (toml(top={"discount": ""}), "parameters.discount", "a value"),
    "discount NaN": (toml(top={"discount": "nan"}), "parameters.discount", "finite"),
    "no agents": (toml(agents=0, top={"agents": "[]"}), "parameters.agents", "at least one agent"),
    "actions": (toml(top={"actions": "0"}), "parameters.actions", "from 1"),
    "actions alike": (toml(top={"actions": '["sell", "sell"]'}), "parameters.actions[1]", "names that differ"),
    "cost shape": (toml(top={"cost": "[0]"}), "parameters.cost", "one per action"),
    "cost of whom": (toml(top={"cost": "{ buy = 1 }"}), "parameters.cost.buy", "one of the actions"),
    "horizon": (toml(top={"horizon": "0"}), "parameters.horizon", "at least 1"),
    "not stochastic": (
        toml(kernels="[[[0.5, 0.5], [0, 1]], [[0.5, 0.4], [0, 1]]]"),
        "parameters.agents[0].kernels[1][0]",
        "probabilities that sum to 1 (agent 1, action 'sell', state '0'), got the sum 0.9",
    ),
    "not stochastic for all": (toml(kernels="[[1, 0], [0.3, 0.8]]"), "parameters.agents[0].kernels[1]", "the sum 1.1"),
    "negative chance": (toml(kernels="[[1.5, -0.5], [0, 1]]"), "parameters.agents[0].kernels[0][1]", "at least 0"),
    "kernel infinite": (toml(kernels="[[inf, 0], [0, 1]]"), "parameters.agents[0].kernels[0][0]", "finite"),
    "kernel shape": (toml(kernels="[[1, 0]]"), "parameters.agents[0].kernels", "2 entries, one per state"),
    "ragged kernel": (toml(kernels="[[1, 0], [1]]"), "parameters.agents[0].kernels[1]", "one per state"),
    "start": (toml(start="[0.5, 0.6]"), "parameters.agents[0].start", "the sum 1.1"),
    "value shape": (toml(value="[[0, 0, 0], [0, 1, 1]]"), "parameters.agents[0].value[0]", "one per state"),
    "value missing": (toml(value=""), "parameters.agents[0].value", "a value"),
    "value negative": (toml(value="{ sell = [-1, 1] }"), "parameters.agents[0].value[1][0]", "at least 0"),
    "value of text": (toml(value='{ sell = ["much", 1] }'), "parameters.agents[0].value.sell[0]", "a finite number"),
    "separation": (toml(separation='"none"'), "parameters.agents[0].separation", "multiplicative"),
    "exposure": (toml(exposure="[0, 1]"), "parameters.agents[0].exposure", "no such field"),
    "exposure negative": (
        toml(separation='"additive"', exposure="[0, -1]"), "parameters.agents[0].exposure[1]", "at least 0"
    ),
    "worth": (toml(worth="{ scale = -1 }"), "parameters.agents[0].worth.scale", "a positive number"),
    "lowest worth": (toml(worth="{ offset = -1 }"), "parameters.agents[0].worth", "at least 0"),
    "initial": (toml(initial="{ family = \"magic\" }"), "parameters.agents[0].initial.family", "scipy.stats"),
    "support": (
        toml(initial="{ family = \"uniform\", support = [1, 0] }"), "parameters.agents[0].initial.support", "below"
    ),
    "feasible nowhere": (
        toml(tables=PUBLIC % "false, false"), "parameters.public.feasible[1]", "where 'sell' is feasible"
    ),
    "feasible what": (toml(tables=PUBLIC % "1, 2"), "parameters.public.feasible[1][1]", "true or false"),
    "next": (toml(tables=PUBLIC.replace("1]]", "7]]", 1) % "true, true"), "parameters.public.next[1][1]", "0 to 1"),
    "unknown field": (toml(top={"goods": "2"}), "parameters.goods", "no such field"),
    "three continua": (toml(agents=3), "parameters.agents", "at most two agents with a continuum"),
    "joint states": (
        toml(agents=40, initial="{ values = [0, 1], probabilities = [0.5, 0.5] }"), "parameters.agents", "states",
    ),
    "method": (toml(solve='[solve]\nmethod = "magic"'), "solve.method", "policy-iteration"),
    "options": (toml(solve='[solve.options]\npresolve = "off"'), "solve.options", "none"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_environments(refuses, case):
    refuses(*BAD[case])


def test_commands(run):
    shown = run("show", "pivot/two-armed-bandit").stdout
    assert "2 agents" in shown
    assert "4 joint states" in shown
    document = json.loads(run("solve", "pivot/forced-service", "--json").stdout)
    assert document["bounds"]["certified"]
    assert any("leaving later pays" in note for note in document["notes"])
    schema = json.loads(run("schema", "virtual-pivot").stdout)
    assert {"discount", "horizon", "agents", "actions", "cost"} <= set(schema["properties"]["parameters"]["properties"])


def test_saved_results_verify_and_plot(run, tmp_path):
    run("solve", "pivot/sponsored-search", "--output", "saved")
    assert "passed" in run("verify", "saved").stdout
    run("plot", "saved", "--output", "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000
