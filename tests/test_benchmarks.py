"""The benchmarks still run, at tiny sizes, and write what they promise."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"

pytestmark = pytest.mark.skipif(not (FOLDER / "run.py").exists(), reason="the wheel has no benchmarks")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FOLDER / "run.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_smoke_run_writes_both_files(tmp_path: Path) -> None:
    done = run("--smoke", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (data,) = tmp_path.glob("results-*.json")
    measured = json.loads(data.read_text())
    report = (tmp_path / "RESULTS.md").read_text()
    assert measured["smoke"]
    assert len(measured["benchmarks"]) >= 5
    for item in measured["benchmarks"]:
        assert f"benchmarks/run.py {item['name']}`" in report
        assert any(row["met"] is not None for row in item["rows"])
        for row in item["rows"]:  # times mean nothing at these sizes; facts and errors hold at any size
            if row["met"] is not None and "time" not in row["what"]:
                assert row["met"], (item["name"], row)


def test_smoke_run_alone_writes_nothing() -> None:
    before = {path: path.stat().st_mtime_ns for path in FOLDER.glob("*") if path.is_file()}
    done = run("--smoke", "one-good-400-exact")
    assert done.returncode == 0, done.stderr
    assert "lower = upper = closed form" in done.stdout
    assert before == {path: path.stat().st_mtime_ns for path in FOLDER.glob("*") if path.is_file()}


def test_peers_help_says_how_to_install_them() -> None:
    done = run("--peers-help")
    assert done.returncode == 0, done.stderr
    for name in ("linopy", "rsome==1.3.1", "mechaudit==0.1.0", "MECHOPT_PEERS"):
        assert name in done.stdout


def test_families_are_solved_side_by_side(tmp_path: Path) -> None:
    done = run("--smoke", "peers", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (data,) = tmp_path.glob("results-*.json")
    (item,) = json.loads(data.read_text())["benchmarks"]
    rows = {row["what"]: row for row in item["rows"]}
    assert sum("CVXPY" in name for name in rows) == 5
    for name, row in rows.items():
        if row["value"] == "peer not installed":
            continue
        assert row["value"] < 1e-9, name  # how far the value is from the oracle's
        assert all(row["phases"][phase] >= 0 for phase in ("build", "solve", "whole"))
        assert (row["phases"]["verify"] is not None) == ("mechopt" in name or "mechaudit" in name)
    assert (
        "| solved by | build | solve | verify | whole | over first | distance | verdict |"
        in (tmp_path / "RESULTS.md").read_text()
    )


def test_unknown_benchmarks_are_named() -> None:
    done = run("--smoke", "nothing")
    assert done.returncode == 2
    assert "no benchmark nothing; there are one-good-1000" in done.stderr
