"""Several buyers over time on the command line: solve, verify, plot, stop at a limit, refuse what does not fit."""

import json

NAME = "dynamic/others-know"
WIDE = '{ family = "uniform", support = [0, 1], points = 400 }'
SOME = '{ family = "uniform", support = [1, 4], points = 4 }'


def toml(periods, solve=""):
    return f'model = "dynamic-auction"\n[parameters]\nperiods = {periods}\n{solve}\n'


def test_solve_verify_and_plot(run, tmp_path):
    document = json.loads(run("solve", NAME, "--json", "--gap", "1e-7", "--output", "found").stdout)
    bounds = document["bounds"]
    assert document["status"] == "optimal"
    assert bounds["certified"]
    assert bounds["lower"] <= 5.69 <= bounds["upper"] + 1e-15
    assert bounds["upper"] - bounds["lower"] <= 1e-7
    assert [len(row) for period in document["quantities"]["xi"] for row in period] == [2, 2, 2, 2]
    assert "passed" in run("verify", "found").stdout
    run("plot", "found", "--output", "path.png")
    assert (tmp_path / "path.png").stat().st_size > 20_000


def test_stopped_at_a_limit_is_exit_code_four_with_a_certified_bracket(run):
    periods = "[" + ", ".join([f"[{SOME}, {SOME}]"] * 4) + "]"
    text = toml(periods)
    document = json.loads(
        run("solve", "-", "--json", "--time-limit", "0.05", "--gap", "1e-6", text=text, code=4).stdout
    )
    assert document["status"] == "user_limit"
    assert document["bounds"]["certified"]
    assert document["bounds"]["lower"] >= document["quantities"]["static_revenue"] - 1e-9
    assert any("raise the time limit" in note for note in document["notes"])


def test_gaps_below_floats_and_periods_that_do_not_fit(refuses):
    refuses(toml(f"[[{SOME}, {SOME}], [{SOME}, {SOME}]]", "[solve]\ngap = 1e-15"), "solve.gap", "floats can")
    refuses(toml(f"[[{SOME}, {SOME}], [{WIDE}, {WIDE}]]"), "parameters.periods[1]", "160,000")
