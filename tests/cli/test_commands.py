"""The command line, as interface.md has it."""

import json
import math
import os
import pty
import subprocess
import sys

import numpy as np
import pytest

import mechopt as mo
from mechopt.instance import catalog

KEYS = set("mechopt model name instance status value bounds closed_form quantities statistics files".split())  # noqa: SIM905


def test_list_names_models_and_catalog(run):
    text = run("list").stdout
    listed = json.loads(run("list", "--json").stdout)
    assert {m["name"] for m in listed["models"]} >= {"regret-pricing"}
    names = {row["name"] for row in listed["catalog"]}
    assert names >= {"regret/one-good", "regret/two-goods", "regret/costs-above-values", "regret/explicit-profiles"}
    assert all(row["source"] for row in listed["catalog"])
    assert all(name in text for name in names)


def test_show_says_the_size_before_building(run):
    text = run("show", "regret/two-goods", "--set", "parameters.points=4").stdout
    assert "625 incentive rows" in text
    assert "about" in text
    assert "[gamma(v, w)]" in text
    assert "Theorem 2.3.1" in text
    huge = run("show", "regret/two-goods", "--set", "parameters.points=100000").stdout
    assert "more than is free" in huge


def test_schema_describes_the_file(run):
    schema = json.loads(run("schema", "regret-pricing").stdout)
    assert schema["properties"]["model"]["const"] == "regret-pricing"
    assert {"upper", "cost", "lower", "points", "profiles"} <= set(schema["properties"]["parameters"]["properties"])
    assert schema["additionalProperties"] is False
    assert "error: model: expected one of" in run("schema", "no-model", code=2).stderr


@pytest.mark.parametrize("name", catalog())
def test_every_catalog_instance_solves_saves_verifies_and_draws(run, tmp_path, name):
    printed = run("solve", name, "--output", "out").stdout
    assert "status       optimal" in printed
    assert len(printed.splitlines()) <= 16
    document = json.loads((tmp_path / "out" / "result.json").read_text())
    assert set(document) >= KEYS
    assert document["bounds"]["certified"] is True
    checked = json.loads(run("verify", "out", "--json").stdout)
    assert checked["passed"] is True
    assert "verified" in run("verify", "out").stdout
    for kind in ("png", "svg", "pdf"):
        run("plot", "out", "--output", f"picture.{kind}")
        assert (tmp_path / f"picture.{kind}").stat().st_size > 2000


def test_json_is_the_only_thing_on_stdout(run):
    done = run("solve", "regret/one-good", "--json", "-v")
    document = json.loads(done.stdout)
    assert document["value"] == pytest.approx(document["quantities"]["grid_closed_form"], rel=1e-12)
    assert document["closed_form"]["value"] == pytest.approx(1 / math.e)
    assert document["bounds"]["problem"] == "continuum"
    assert sum(a["probability"] for a in document["quantities"]["worst_case"]) == pytest.approx(1)
    assert "HiGHS" in done.stderr
    assert run("solve", "regret/one-good", "--json").stderr == ""


def test_saved_result_loads_as_it_was(run, tmp_path):
    run("solve", "regret/two-goods", "--set", "parameters.points=3", "--output", "out")
    result = mo.Result.load(tmp_path / "out")
    fresh = mo.solve(mo.load("regret/two-goods", ["parameters.points=3"]))
    assert result.value == fresh.value
    assert result.bounds == fresh.bounds
    np.testing.assert_array_equal(result.mechanism.allocation, fresh.mechanism.allocation)
    np.testing.assert_array_equal(result.dual["gamma"], fresh.dual["gamma"])
    assert result.mechanism.allocation.dims == ("type", "good")
    assert list(result.mechanism.to_frame().columns)[:2] == ["value_1", "value_2"]
    values = np.random.default_rng(0).random((5, 2))
    for a, b in zip(result.mechanism(values), fresh.mechanism(values), strict=True):
        np.testing.assert_array_equal(a, b)
    assert result.verify().passed
    assert float(result.worst_case.sum()) == pytest.approx(1)


def test_set_time_limit_gap_and_standard_input(run):
    text = 'model = "regret-pricing"\n[parameters]\nupper = [1]\npoints = 5\n[solve]\ngap = 1e-3\n'
    document = json.loads(run("solve", "-", "--json", "--set", "parameters.cost.0=0", "--set", "parameters.upper=[2]",
                              text=text.replace("points = 5", "points = 5\ncost = [1]")).stdout)  # fmt: skip
    assert document["instance"]["parameters"]["upper"] == [2]
    assert document["instance"]["parameters"]["cost"] == [0]
    assert document["bounds"]["upper"] - document["bounds"]["lower"] <= 1e-3
    limited = json.loads(
        run("solve", "regret/two-goods", "--json", "--time-limit", "1e-6", "--method", "all-pairs", code=4).stdout
    )
    assert limited["status"] == "user_limit"
    assert limited["bounds"]["lower"] <= limited["closed_form"]["value"] <= limited["bounds"]["upper"]
    as_json = json.dumps({"model": "regret-pricing", "parameters": {"upper": ["1/3"], "points": 2}})
    assert json.loads(run("solve", "-", "--json", text=as_json).stdout)["value"] == pytest.approx(1 / 12)


def test_no_certificate_is_said_and_does_not_verify(run):
    run("solve", "regret/one-good", "--no-certificate", "--output", "out")
    found = json.loads(run("verify", "out", "--json", code=5).stdout)
    assert found["passed"] is False


def test_tampering_fails_verification(run, tmp_path):
    run("solve", "regret/one-good", "--output", "out")
    file = tmp_path / "out" / "certificate.json"
    file.write_text(file.read_text().replace('"1/3"', '"1/4"', 1).replace("2", "3", 1))
    assert "FAIL" in run("verify", "out", code=5).stdout


def test_a_result_is_not_overwritten_unless_forced(run):
    run("solve", "regret/one-good", "--output", "out")
    assert run("solve", "regret/one-good", "--output", "out", code=2).stderr.startswith("error: --output: expected")
    run("solve", "regret/one-good", "--output", "out", "--force", "--set", "parameters.points=9")
    assert json.loads(run("verify", "out", "--json").stdout)["passed"]


def test_progress_on_a_terminal_only():
    command = [sys.executable, "-m", "mechopt", "solve", "regret/one-good"]
    parent, child = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=child, text=True) as process:
        os.close(child)
        seen = b""
        try:
            while chunk := os.read(parent, 4096):
                seen += chunk
        except OSError:  # the terminal is gone when the process is
            pass
        assert process.stdout is not None
        assert "status       optimal" in process.stdout.read()
    os.close(parent)
    assert process.returncode == 0
    assert any(word in seen for word in (b"starting", b"solving", b"bracketing", b"checking"))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_version_and_help(run):
    assert run("--version").stdout.strip() == f"mechopt {mo.__version__}"
    assert "solve" in run("--help").stdout
    run("no-such-command", code=2)


def test_as_a_user_runs_it(spawn):
    document = json.loads(spawn("solve", "regret/one-good", "--json", "--output", "out").stdout)
    assert document["bounds"]["certified"]
    assert json.loads(spawn("verify", "out", "--json").stdout)["passed"]
    done = spawn("solve", "-", "--json", text="model = 1", code=2)
    assert done.stdout == ""
    assert done.stderr.startswith("error: model: expected one of regret-pricing")
