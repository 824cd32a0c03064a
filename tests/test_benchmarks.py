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


def test_unknown_benchmarks_are_named() -> None:
    done = run("--smoke", "nothing")
    assert done.returncode == 2
    assert "no benchmark nothing; there are one-good-1000" in done.stderr
