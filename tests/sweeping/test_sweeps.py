"""Sweeps as users run them: results as single solves give them, failures recorded, nothing run twice."""

import json
import sqlite3
from pathlib import Path

import pytest

import mechopt as mo
from mechopt.sweeping import store as stores
from mechopt.sweeping.files import fingerprint, load
from mechopt.sweeping.store import SCHEMA, Finished, Store
from mechopt.sweeping.worker import run as run_one


def test_a_sweep_gives_what_single_solves_give(sweep_file, tmp_path):
    axes = '"parameters.upper.0" = [1, "3/2", 2]\n"parameters.points" = [3, 5]'
    runs = mo.sweep(sweep_file(axes=axes), store=tmp_path / "runs.db", jobs=2)
    frame = runs.to_frame()
    assert len(frame) == len(runs) == 6
    assert set(frame["state"]) == {"done"}
    for row in frame.to_dict("records"):
        alone = mo.solve(mo.RegretPricing(upper=[row["upper_0"]], points=row["points"]))
        assert row["value"] == pytest.approx(alone.value, abs=1e-12)
        assert row["lower"] == pytest.approx(alone.bounds.lower, abs=1e-12)
        assert row["upper"] == pytest.approx(alone.bounds.upper, abs=1e-12)
        assert row["certified"]
        assert row["regret"] == row["value"]
    assert "money" in frame.attrs["columns"]["value"]
    assert set(frame.attrs["columns"]) == set(frame.columns)


def test_a_result_is_a_row_with_the_same_columns(tmp_path):
    result = mo.solve(mo.RegretPricing(upper=[1], points=4))
    frame = result.to_frame()
    assert len(frame) == 1
    assert frame["value"][0] == result.value
    runs = mo.sweep(base=mo.RegretPricing(upper=[1], points=4), axes={"parameters.points": [4]}, jobs=1)
    assert list(runs.to_frame().columns.drop("points")) == list(frame.columns)


def test_running_again_runs_only_what_is_new(sweep_file, tmp_path):
    store = tmp_path / "runs.db"
    first = mo.sweep(sweep_file(axes='"parameters.points" = [2, 3]'), store=store, jobs=1)
    assert (first.tally.ran, first.tally.found) == (2, 0)
    finished = {r["fingerprint"]: r["finished"] for r in first._store.rows("select fingerprint, finished from runs")}
    again = mo.sweep(sweep_file(axes='"parameters.points" = [2, 3]'), store=store, jobs=1)
    assert (again.tally.ran, again.tally.found) == (0, 2)
    wider = mo.sweep(sweep_file(axes='"parameters.points" = [3, 4, 5]'), store=store, jobs=1)
    assert (wider.tally.ran, wider.tally.found) == (2, 1)
    now = {r["fingerprint"]: r["finished"] for r in wider._store.rows("select fingerprint, finished from runs")}
    assert finished.items() <= now.items()
    assert sorted(wider.to_frame()["points"]) == [2, 3, 4, 5]
    other = mo.sweep(sweep_file(axes='"parameters.points" = [4]', name="other"), store=store, jobs=1)
    assert other.tally.found == 1
    assert list(other.to_frame("other")["points"]) == [4]


def test_one_that_fails_is_recorded_and_the_rest_goes_on(sweep_file, tmp_path):
    axes = '"parameters.points" = [2, -1, 3]\n"solve.method" = ["price-lottery", "magic"]'
    runs = mo.sweep(sweep_file(axes=axes), store=tmp_path / "runs.db", jobs=1)
    assert runs.states == {"waiting": 0, "running": 0, "done": 2, "failed": 4}
    failures = {(f["instance"]["parameters"]["points"], f["instance"]["solve"]["method"]): f for f in runs.failures()}
    assert failures[-1, "price-lottery"]["error_kind"] == "input"
    assert failures[-1, "price-lottery"]["error"].startswith("parameters.points: expected an integer")
    assert "solve.method" in failures[2, "magic"]["error"]
    assert failures[2, "magic"]["versions"]["mechopt"] == mo.__version__
    again = mo.sweep(sweep_file(axes=axes), store=tmp_path / "runs.db", jobs=1)
    assert again.tally.ran == 0
    assert mo.sweep(sweep_file(axes=axes), store=tmp_path / "runs.db", jobs=1, retry=True).tally.ran == 4


def test_one_that_takes_too_long_is_recorded(sweep_file):
    file = sweep_file(axes='"parameters.points" = [2, 60000, 3]', more="limits.seconds = 1")
    runs = mo.sweep(file, jobs=1)
    assert runs.states["done"] == 2
    (late,) = runs.failures()
    assert late["error_kind"] == "time"
    assert "1 s" in late["error"]


def test_one_that_needs_too_much_memory_is_recorded():
    """A program of a hundred thousand rows in a process that may have little more than its own libraries."""
    runs = mo.sweep(
        base={"model": "regret-pricing", "parameters": {"upper": [1, 1]}, "solve": {"method": "all-pairs"}},
        axes={"parameters.points": [3, 24]}, limits={"memory": "450 MiB"}, jobs=1,
    )  # fmt: skip
    assert runs.states["done"] == 1
    (large,) = runs.failures()
    assert large["error_kind"] in ("memory", "died")


def test_a_worker_that_dies_is_replaced(sweep_file, tmp_path, monkeypatch):
    """Every local worker is killed again and again; each instance still ends in the store, once, with its value."""
    import os
    import signal

    killed = []

    def kill_one(tally):
        if tally.ran > 2 * len(killed) and len(killed) < 3:
            for status in Path("/proc").glob("[0-9]*/status"):
                try:
                    about = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
                    line = (status.parent / "cmdline").read_bytes()
                    parent = (Path("/proc") / about["PPid"].strip() / "status").read_text()
                except (OSError, KeyError):
                    continue
                ours = f"PPid:\t{os.getpid()}\n" in parent
                if ours and b"forkserver" in line:
                    os.kill(int(status.parent.name), signal.SIGKILL)
                    killed.append(int(status.parent.name))
                    return

    runs = mo.sweep(sweep_file(count=14), store=tmp_path / "runs.db", jobs=2, progress=kill_one)
    assert len(killed) == 3, killed
    assert runs.failures() == []
    assert runs.states == {"waiting": 0, "running": 0, "done": 14, "failed": 0}
    frame = runs.to_frame()
    assert frame["fingerprint"].is_unique
    assert frame["value"].to_numpy() == pytest.approx(frame["upper_0"].to_numpy() * frame["value"][0], abs=1e-9)


def test_an_instance_that_kills_its_worker_is_recorded(sweep_file, monkeypatch):
    """What ends its process three times is the instance's own failure, and the others do not suffer."""
    import concurrent.futures.process as broken

    from mechopt.sweeping import pools, runner

    class Frail(pools.Slot):
        def __init__(self):
            super().__init__(2)

        def submit(self, mark, instance, *rest):
            future = broken._base.Future()
            if instance["parameters"]["points"] == 3:
                future.set_exception(broken.BrokenProcessPool("killed"))
            else:
                future.set_result(run_one(mark, instance, *rest))
            self.given.append((mark, future))
            return future

    plan, store = load(sweep_file(axes='"parameters.points" = [2, 3, 4]')), Store(None)
    marks = store.register("x", {}, [], plan.tasks())
    tally = runner.Run(plan, store, [Frail()], marks, lambda tally: None).go()
    assert (tally.ran, tally.failed) == (3, 1)
    (row,) = store.rows("select * from runs where state = 'failed'")
    assert row["error_kind"] == "died"
    assert "3 times" in row["error"]


def test_arrays_are_kept_when_asked_for(sweep_file):
    runs = mo.sweep(sweep_file(count=2, more="arrays = true"), jobs=1)
    result = runs.result(runs.to_frame()["fingerprint"][0])
    assert result.verify().passed
    assert float(result.mechanism.allocation.max()) == 1
    bare = mo.sweep(sweep_file(count=2), jobs=1)
    with pytest.raises(mo.InputError, match="fingerprint: expected an instance whose arrays were kept"):
        bare.result(bare.to_frame()["fingerprint"][0])


def test_a_fingerprint_is_of_what_is_asked_not_of_how_it_is_spelt():
    def mark(**parameters):
        return fingerprint({"model": "m", "parameters": parameters, "solve": {}})

    assert mark(x=0.5) == mark(x="1/2") == mark(x="0.5")
    assert mark(x=2) == mark(x=2.0)
    assert len({mark(x=1), mark(x=2), mark(y=1), mark(x=[1]), mark(x="one"), mark(x=True)}) == 6
    assert mark(x=float("nan")) == mark(x=float("nan"))


def test_claims_hold_until_their_process_ends(tmp_path, sweep_file, monkeypatch):
    plan = load(sweep_file(count=3))
    one, two = Store(tmp_path / "runs.db"), Store(tmp_path / "runs.db")
    marks = one.register("x", {}, [], plan.tasks())
    assert [m for m, _ in one.claim(marks, 2)] == marks[:2]
    assert [m for m, _ in two.claim(marks, 3)] == marks[2:]
    one.release()
    assert [m for m, _ in two.claim(marks, 3)] == marks[:2]
    monkeypatch.setattr(stores, "_home", lambda: "elsewhere")  # seen from another machine, only the lease counts
    assert one.claim(marks, 3) == []
    later = stores.time.time() + 2 * stores.LEASE
    monkeypatch.setattr(stores.time, "time", lambda: later)
    assert len(one.claim(marks, 3)) == 3
    done = Finished(marks[0], 1.0, {}, status="optimal", document="{}")
    assert one.finish([done]) == 1
    assert two.finish([done]) == 0


def test_a_claim_of_a_dead_process_is_free_at_once(tmp_path, sweep_file):
    plan, store = load(sweep_file(count=2)), Store(tmp_path / "runs.db")
    marks = store.register("x", {}, [], plan.tasks())
    home, _, _, mine = store.owner.split("|")
    store.owner = f"{home}|{2**22 + 5}|123|{mine}"  # larger than any process number
    assert len(store.claim(marks, 2)) == 2
    assert len(Store(tmp_path / "runs.db").claim(marks, 2)) == 2


def test_a_store_of_an_older_schema_is_brought_up_to_date(tmp_path, sweep_file, monkeypatch):
    path = tmp_path / "runs.db"
    mo.sweep(sweep_file(count=2), store=path, jobs=1).close()

    def upgrade(db):
        db.execute("alter table runs add column note text not null default 'migrated'")

    monkeypatch.setitem(stores.MIGRATIONS, SCHEMA, upgrade)
    monkeypatch.setattr(stores, "SCHEMA", SCHEMA + 1)
    opened = Store(path)
    assert {row["note"] for row in opened.rows("select note from runs")} == {"migrated"}
    assert opened.rows("pragma user_version") == [{"user_version": SCHEMA + 1}]
    monkeypatch.undo()
    with pytest.raises(mo.InputError, match=f"expected a store of schema {SCHEMA} or older, got schema {SCHEMA + 1}"):
        Store(path)


def test_what_is_not_a_store_is_refused(tmp_path):
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as db:
        db.execute("create table cats (name)")
    text = tmp_path / "text.db"
    text.write_text("hello " * 200)
    for path, words in (
        (other, "another program's database"),
        (text, "file is not a database"),
        (tmp_path, "directory"),
    ):
        with pytest.raises(mo.InputError, match=words):
            Store(path)
    with pytest.raises(mo.InputError, match="no such file"):
        mo.Runs.open(tmp_path / "none.db")


def test_json_and_columns(sweep_file, tmp_path):
    runs = mo.sweep(
        sweep_file(count=2, more='record = ["quantities.worst_case.0.values.0", "residuals.primal"]'), jobs=1
    )
    frame = runs.to_frame()
    assert frame["worst_case_0_values_0"].notna().all()
    assert "grid_closed_form" not in frame
    assert frame["residuals_primal"].max() < 1e-9
    document = json.loads(json.dumps(runs.document()))
    assert document["run"]["ran"] == 2


ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("file", sorted((ROOT / "examples" / "sweeps").glob("*.toml")), ids=lambda path: path.stem)
def test_sweep_files_that_ship_are_right(file):
    assert len(load(file)) > 1


ONE = {"base": "regret/one-good"}
BAD = {
    "no base": ({"axes": {"parameters.points": [1]}}, "base", "a value"),
    "unknown base": ({"base": "no/such", "axes": {"parameters.points": [1]}}, "base.no/such", "catalog"),
    "unknown model": ({"base": {"model": "magic"}, "axes": {"parameters.points": [1]}}, "base.model", "one of"),
    "unknown key": ({**ONE, "axes": {"parameters.ponits": [1]}}, "axes.parameters.ponits", "points"),
    "unknown table": ({**ONE, "axes": {"points": [1]}}, "axes.points", "parameters."),
    "unknown option": ({**ONE, "axes": {"solve.magic": [1]}}, "axes.solve.magic", "time_limit"),
    "position": ({**ONE, "axes": {"parameters.upper.3": [1]}}, "axes.parameters.upper.3", "0 to 0"),
    "no list": ({**ONE, "axes": {"parameters.lower.0": [1]}}, "axes.parameters.lower.0", "a list"),
    "through a number": (
        {**ONE, "axes": {"parameters.points.x": [1]}}, "axes.parameters.points.x", "a table",
    ),
    "all wrong": ({**ONE, "axes": {"parameters.points": [-1, 0]}}, "parameters.points", "at least 1"),
    "unknown field": ({**ONE, "axes": {"parameters.points": [1]}, "cats": 1}, "cats", "no such field"),
    "limit": (
        {**ONE, "axes": {"parameters.points": [1, 2, 3]}, "limit": 2}, "axes", "limit = 3",
    ),
    "memory": (
        {**ONE, "axes": {"parameters.points": [1]}, "limits": {"memory": "much"}},
        "limits.memory", "2 GiB",
    ),
    "seconds": (
        {**ONE, "axes": {"parameters.points": [1]}, "limits": {"seconds": -1}},
        "limits.seconds", "greater than 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_sweeps(case):
    table, field, words = BAD[case]
    with pytest.raises(mo.InputError) as caught:
        load(table)
    line = str(caught.value).splitlines()[0]
    assert line.startswith(f"{field}: expected "), line
    assert words in line
