"""`mechopt sweep`, `export` and `plot` as processes: killed, interrupted, side by side, in pipes and on terminals."""

import io
import json
import math
import os
import pty
import random
import signal
import sqlite3
import time

import pandas
import pytest

import mechopt as mo
from mechopt.cli import main
from mechopt.sweeping import progress
from mechopt.sweeping.runner import Tally


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    """The command in this process: its standard output, with the exit code checked."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, code=0):
        monkeypatch.setattr("sys.argv", ["mechopt", *map(str, arguments)])
        capfd.readouterr()
        try:
            main()
            found = 0
        except SystemExit as stop:
            found = stop.code or 0
        out, err = capfd.readouterr()
        assert found == code, (found, out[-500:], err[-500:])
        return out if code in (0, 4) else err

    return call


def states(path):
    with sqlite3.connect(path) as db:
        return dict(db.execute("select state, count(*) from runs group by state"))


def finished(path):
    try:
        with sqlite3.connect(path, timeout=30) as db:
            return dict(db.execute("select fingerprint, finished from runs where state = 'done'"))
    except sqlite3.OperationalError:
        return {}


def wait_for(what, seconds=60.0):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_sweep_export_and_plot(run, sweep_file, tmp_path):
    axes = '"parameters.points" = [2, 4, 8]\n"parameters.upper.0" = [1, 2]'
    file = sweep_file(axes=axes)
    assert "6 run now, 0 found" in run("sweep", file, "--store", "runs.db", "--jobs", 1)
    document = json.loads(run("sweep", file, "--store", "runs.db", "--json"))
    assert document["run"]["found"] == 6
    assert document["states"]["done"] == 6
    table = pandas.read_csv(io.StringIO(run("export", "runs.db")))
    assert list(table.columns[:5]) == ["sweep", "fingerprint", "model", "points", "upper_0"]
    assert "written to table.parquet" in run("export", "runs.db", "--format", "parquet", "--output", "table.parquet")
    columns = pandas.read_parquet(tmp_path / "table.parquet")
    assert columns["value"].to_list() == pytest.approx(table["value"].to_list())
    listed = json.loads(run("export", "runs.db", "--format", "json"))
    assert [row["value"] for row in listed["rows"]] == pytest.approx(table["value"].to_list())
    assert listed["columns"]["seconds"].endswith("seconds")
    for kind in ("value", "convergence", "scaling", "heatmap"):
        run("plot", "runs.db", "--output", "picture.png", "--kind", kind)
        assert (tmp_path / "picture.png").stat().st_size > 10_000


def test_the_measured_orders_are_right(sweep_file, tmp_path):
    """Of three sizes a factor 2 apart, the fitted power is that from first to last; the lottery's size is linear."""
    runs = mo.sweep(sweep_file(axes='"parameters.points" = [16, 32, 64]'), store=tmp_path / "r.db", jobs=1)
    width = runs.to_frame()["width"]
    (legend,) = runs.plot("convergence").axes[0].get_legend().get_texts()
    assert float(legend.get_text().removeprefix("order ")) == pytest.approx(math.log(width[0] / width[2], 4), abs=0.006)
    assert width[2] < width[0] / 4
    words = [text.get_text() for text in runs.plot("scaling").axes[1].get_legend().get_texts()]
    assert abs(float(words[0].removeprefix("power ")) - 1) < 0.05


def test_a_workers_first_run_is_not_fitted(sweep_file, tmp_path):
    """One worker's first run is marked in the table, drawn hollow and left out, if two sizes are left."""
    runs = mo.sweep(sweep_file(axes='"parameters.points" = [4, 8, 16]'), store=tmp_path / "r.db", jobs=1)
    frame = runs.to_frame()
    assert frame["warm_up"].to_list() == [True, False, False]
    axis = runs.plot("scaling").axes[0]
    assert "hollow: a worker's first run, not fitted" in axis.get_title("left")
    hollow, fitted, line = axis.lines
    assert hollow.get_markerfacecolor() == "none"
    assert hollow.get_xdata().tolist() == [4]
    assert fitted.get_xdata().tolist() == [8, 16]
    power = math.log(frame["seconds"][2] / frame["seconds"][1], 2)
    assert math.log(line.get_ydata()[1] / line.get_ydata()[0], 2) == pytest.approx(power)
    two = mo.sweep(sweep_file(axes='"parameters.points" = [4, 8]'), store=tmp_path / "two.db", jobs=1)
    axis = two.plot("scaling").axes[0]
    assert "workers' first runs are fitted too" in axis.get_title("left")
    assert axis.lines[0].get_xdata().tolist() == [4, 8]


def test_errors(run, sweep_file, tmp_path):
    file = sweep_file()
    assert "error: none.toml: expected a readable sweep file" in run("sweep", "none.toml", "--store", "r.db", code=2)
    assert "error: --store: expected a file in a dir" in run("sweep", file, "--store", "no/such/r.db", code=2)
    assert "error: --jobs: expected at least 1" in run("sweep", file, "--store", "r.db", "--jobs", 0, code=2)
    assert "expected a store of mechopt, got no such file" in run("export", "none.db", code=2)
    run("sweep", file, "--store", "r.db", "--jobs", 1)
    assert "error: --format: expected csv or parquet" in run("export", "r.db", "--format", "xls", code=2)
    assert "error: --output: expected a file for parquet" in run("export", "r.db", "--format", "parquet", code=2)
    assert "error: --kind: expected value or" in run("plot", "r.db", "--output", "x.png", "--kind", "magic", code=2)
    assert "two numeric axes" in run("plot", "r.db", "--output", "x.png", "--kind", "heatmap", code=2)
    with sqlite3.connect(tmp_path / "r.db") as db:
        db.execute("pragma user_version = 99")
    assert "schema 1 or older, got schema 99; update" in run("sweep", file, "--store", "r.db", code=2)


def test_a_cluster_that_does_not_answer_is_an_error_within_seconds(run, sweep_file):
    began = time.monotonic()
    told = run("sweep", sweep_file(), "--store", "r.db", "--cluster", "tcp://127.0.0.1:9", code=2)
    assert "error: --cluster: expected the address of a Dask scheduler, got tcp://127.0.0.1:9" in told
    assert time.monotonic() - began < 30
    told = run("sweep", sweep_file(), "--store", "r.db", "--cluster", "nonsense", code=2)
    assert "error: --cluster: expected the address" in told


def test_killed_at_any_moment_it_keeps_what_was_finished(command, sweep_file, tmp_path):
    """kill -9 of the whole sweep at random moments: what was committed stays as it was, and running again goes on."""
    file, store, moments = sweep_file(count=50), tmp_path / "runs.db", random.Random(5)
    kept = {}
    for _ in range(3):
        process = command("sweep", file, "--store", store, "--jobs", 2)
        least = len(kept) + moments.randrange(1, 12)
        wait_for(lambda least=least, p=process: len(finished(store)) >= least or p.poll() is not None)
        time.sleep(moments.random() * 0.1)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with sqlite3.connect(store) as db:
            assert db.execute("pragma integrity_check").fetchone() == ("ok",)
        now = finished(store)
        assert kept.items() <= now.items()
        kept = now
    last = command("sweep", file, "--store", store, "--jobs", 2, "--json")
    out, err = last.communicate(timeout=120)
    assert last.returncode == 0, err
    document = json.loads(out)
    assert document["run"]["found"] + document["run"]["ran"] == 50
    assert document["states"] == {"waiting": 0, "running": 0, "done": 50, "failed": 0}
    assert kept.items() <= finished(store).items()
    with sqlite3.connect(store) as db:
        assert db.execute("select max(attempts) from runs").fetchone() == (1,)


def test_two_sweeps_share_one_store(command, sweep_file, tmp_path):
    file, store = sweep_file(count=60), tmp_path / "runs.db"
    both = [command("sweep", file, "--store", store, "--jobs", 1, "--json") for _ in range(2)]
    runs = [json.loads(process.communicate(timeout=120)[0])["run"] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum(run["ran"] for run in runs) == 60
    assert all(run["ran"] + run["found"] + run["elsewhere"] == 60 for run in runs)
    assert states(store) == {"done": 60}
    with sqlite3.connect(store) as db:
        assert db.execute("select max(attempts) from runs").fetchone() == (1,)


def test_interrupted_it_stops_cleanly_and_says_how_to_go_on(command, sweep_file, tmp_path):
    store = tmp_path / "runs.db"
    process = command("sweep", sweep_file(count=500), "--store", store, "--jobs", 2, start_new_session=True)
    wait_for(lambda: len(finished(store)) > 5)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    out, err = process.communicate(timeout=30)
    assert process.returncode == 4, err
    assert "run the same command again to go on" in err
    assert "Traceback" not in out + err
    left = states(store)
    assert left.get("running", 0) == 0
    assert left["done"] + left["waiting"] == 500


def test_no_worker_outlives_a_killed_sweep(command, sweep_file, tmp_path):
    store = tmp_path / "runs.db"
    process = command("sweep", sweep_file(count=2000), "--store", store, "--jobs", 2, start_new_session=True)
    wait_for(lambda: len(finished(store)) > 2)
    process.kill()
    process.wait()

    def gone():
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    wait_for(gone, 20)


def test_it_says_what_it_will_cost(command, sweep_file, tmp_path):
    arguments = ("sweep", sweep_file(count=3), "--store", tmp_path / "runs.db", "--jobs", 1)
    first = command(*arguments).communicate(timeout=60)[1]
    assert "3 instances, 0 in the store, 3 to run on 1 worker" in first
    assert "17 rows" in first
    sweep_file(count=7)
    again = command(*arguments).communicate(timeout=60)[1]
    assert "7 instances, 3 in the store, 4 to run" in again
    assert " s each, as those in the store" in again


def test_a_pipe_gets_lines_and_a_terminal_a_bar():
    tally = Tally(10, found=2, ran=3, failed=1)
    tally.began -= 6
    out = io.StringIO()
    with progress.shown(out, every=0.0) as report:
        report(tally)
    assert out.getvalue() == "5 of 10 done, 1 failed, 0.5 a second, 10 s left\n"
    out = io.StringIO()
    with progress.shown(out) as report:
        for _ in range(100):
            report(tally)
    assert out.getvalue() == ""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, progress.shown(terminal) as report:
        report(tally)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "5/10" in shown
    assert "1 failed" in shown
