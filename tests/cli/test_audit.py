"""`mechopt audit`: exit codes, documents, and every way a mechanism file can be wrong."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mechopt as mo

FILE = Path(__file__).resolve().parents[2] / "examples" / "mechanisms" / "example-1-2-2.json"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason="needs the examples folder of the checkout")
LINE = re.compile(r"^error: .+: expected .+, got .+$")
GOOD = {"types": [[0, 1], [0, 2]], "allocation": [[[0, 0], [1, 0]], [[0, 1], [0, 1]]],
        "payment": [[[0, 0], [1, 0]], [[0, 2], [0, 2]]]}  # fmt: skip


def changed(**fields):
    return {k: v for k, v in (copy.deepcopy(GOOD) | fields).items() if v is not ...}


BAD = {
    "no types": (changed(types=...), "types", "a value"),
    "types empty": (changed(types=[]), "types", "for each bidder"),
    "a bidder without types": (changed(types=[[0, 1], []]), "types[1]", "at least one type"),
    "types not numbers": (changed(types=[["low", 1], [0, 2]]), "types[0][0]", "finite number"),
    "types repeated": (changed(types=[[1, 1], [0, 2]]), "types[0][1]", "not listed before"),
    "types out of order": (changed(types=[[1, 0], [0, 2]]), "types[0]", "increasing"),
    "negative type": (changed(types=[[-1, 1], [0, 2]]), "types[0][0]", "at least 0"),
    "a type too many": (changed(types=[[0, 1, 2], [0, 2]]), "allocation[0]", "a list of 3"),
    "a bidder too many": (changed(types=[[0, 1], [0, 2], [0]]), "allocation", "one per bidder"),
    "allocation missing": (changed(allocation=...), "allocation", "a value"),
    "allocation flat": (changed(allocation=[0, 1]), "allocation[0]", "a list of 2"),
    "allocation text": (changed(allocation=[[["a", 0], [1, 0]], [[0, 1], [0, 1]]]), "allocation[0][0][0]", "finite"),
    "allocation boolean": (changed(allocation=[[[True, 0], [1, 0]], [[0, 1], [0, 1]]]), "allocation[0][0][0]", "True"),
    "allocation null": (changed(allocation=[[[None, 0], [1, 0]], [[0, 1], [0, 1]]]), "allocation[0][0][0]", "None"),
    "two goods promised": (
        changed(allocation=[[[[0, 1], 0], [1, 0]], [[0, 1], [0, 1]]]), "allocation[0][0][0]", "one number",
    ),
    "goods missing": (changed(types=[[[0, 1], [1, 1]], [[0, 2], [1, 2]]]), "allocation[0][0][0]", "one per good"),
    "payment ragged": (changed(payment=[[[0, 0], [1]], [[0, 2], [0, 2]]]), "payment[0][1]", "one per type of bidder 2"),
    "unknown key": (changed(budget=1), "budget", "no such field"),
    "prior off": (changed(prior=[["1/2", "1/4"], ["1/8", "1/16"]]), "prior", "sum to 1"),
    "prior negative": (changed(prior=[[1.5, -0.5], [0, 0]]), "prior", "at least 0"),
    "marginal off": (changed(prior={"marginals": [[0.5, 0.5], [0.5, 0.4]]}), "prior.marginals[1]", "got 0.9"),
    "prior of the wrong shape": (changed(prior=[[1, 0, 0], [0, 0, 0]]), "prior[0]", "a list of 2"),
    "prior a word": (changed(prior="uniform"), "prior", "a list of 2"),
    "prior an unknown table": (changed(prior={"values": []}), "prior", "marginals"),
    "ambiguity empty": (changed(ambiguity=[]), "ambiguity", "a list of priors"),
    "ambiguity off": (changed(ambiguity=[[[1, 0], [0, 0]], [[1, 0], [1, 1]]]), "ambiguity[1][1]", "sum"),
    "weights without priors": (changed(prior={"weights": [1]}), "prior.weights", "ambiguity"),
    "weights too many": (
        changed(ambiguity=[[[1, 0], [0, 0]]], prior={"weights": [0.5, 0.5]}), "prior.weights", "a list of 1",
    ),
    "weights off": (changed(ambiguity=[[[1, 0], [0, 0]]], prior=[0.5]), "prior", "sum to 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_mechanism_files(run, case):
    data, field, hint = BAD[case]
    done = run("audit", "-", "--json", text=json.dumps(data), code=2)
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert all(LINE.match(line) for line in lines), lines
    assert any(line.startswith(f"error: {field}: ") for line in lines), lines
    assert hint in done.stderr


@pytest.mark.parametrize(
    ("arguments", "field", "hint"),
    [
        (["--notion", "dominant"], "--notion", "maxmin or hurwicz:ALPHA"),
        (["--notion", "hurwicz"], "--notion", "hurwicz:1/2"),
        (["--notion", "hurwicz:2"], "--notion", "from 0 to 1"),
        (["--notion", "hurwicz:-0.1"], "--notion", "from 0 to 1"),
        (["--notion", "hurwicz:half"], "--notion", "from 0 to 1"),
        (["--notion", "maxmin:1"], "--notion", "maxmin:1"),
        (["--notion", "bayesian"], "prior", "joint table"),
        (["--notion", "maxmin"], "ambiguity", "a list of priors, for maxmin"),
        (["--notion", "distributionally-robust"], "ambiguity", "a list of priors"),
        (["--notion", "hurwicz:0.5"], "ambiguity", "a list of priors"),
        (["--tolerance", "-1"], "--tolerance", "at least 0"),
        (["--tolerance", "nan"], "--tolerance", "finite"),
    ],
)
def test_bad_questions(run, arguments, field, hint):
    done = run("audit", "-", *arguments, text=json.dumps(GOOD), code=2)
    assert done.stderr.startswith(f"error: {field}: ")
    assert hint in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_unreadable_files(run, tmp_path):
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    assert "UTF-8" in run("audit", "bytes.json", code=2).stderr
    assert "No such file" in run("audit", "nowhere.json", code=2).stderr
    assert "line 1, column" in run("audit", "-", text="{", code=2).stderr
    assert "a JSON object" in run("audit", "-", text="[1]", code=2).stderr


def test_every_wrong_entry_is_listed(run):
    data = changed(payment=[[["x", 0], [1, "y"]], [[0, 2], [0, 2]]])
    assert len(run("audit", "-", text=json.dumps(data), code=2).stderr.splitlines()) == 2


def test_verdicts_and_exit_codes(run):
    assert "gains nothing" in run("audit", "-", text=json.dumps(GOOD)).stdout
    failed = run("audit", FILE, "--json", code=5)
    document = json.loads(failed.stdout)
    assert document["passed"] is False
    assert [row["notion"] for row in document["findings"]][::2] == [
        "ex-post", "bayesian", "distributionally-robust", "maxmin", "hurwicz:1/2",
    ]  # fmt: skip
    worst = next(row for row in document["findings"] if row["notion"] == "distributionally-robust")
    assert worst["violation"] == pytest.approx(4 / 3)
    assert worst["gain"] == "4/3"
    assert worst["where"] | {"bidder": 1, "type": 4, "misreport": 0, "prior": 1} == worst["where"]
    assert run("audit", FILE, "--notion", "maxmin").stdout.count("pass") == 2
    run("audit", FILE, "--notion", "hurwicz:.99", "--tolerance", "0.0133", code=5)
    run("audit", FILE, "--notion", "hurwicz:.99", "--tolerance", "0.0134")


def test_audits_load_neither_cvxpy_nor_a_solver():
    code = f"import sys, mechopt; mechopt.audit({str(FILE)!r}); print({{'cvxpy', 'highspy'}} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_a_table_two_by_two_is_read_by_its_sum():
    fair = [["1/4", "1/4"], ["1/4", "1/4"]]
    marginals = [["1/2", "1/2"], ["1/2", "1/2"]]
    revenue = [mo.audit(changed(prior=p)).document()["revenue"] for p in (fair, marginals, {"joint": fair})]
    assert revenue[0] == revenue[1] == revenue[2] == ["5/4"]
