"""`mo.sweep` and the runs it returns: a store opened for reading, as tables, pictures and failures."""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechopt import registry
from mechopt.files import unpack
from mechopt.models.inputs import fail
from mechopt.solvers.memory import available
from mechopt.sweeping import frame as tables
from mechopt.sweeping.files import Sweep, load
from mechopt.sweeping.pools import AHEAD, ClusterSlot, LocalSlot, Slot, memory_of_a_job
from mechopt.sweeping.runner import Run, Tally
from mechopt.sweeping.store import Store

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

    from mechopt.result import Result

_ASK = (
    "select points.sweep, points.position, points.coordinates, runs.* from runs "
    "left join points on points.fingerprint = runs.fingerprint "
)


class Runs:
    """The runs in a store. `tally` is what the sweep that made this object did; None for a store merely opened."""

    def __init__(self, store: Store, tally: Tally | None = None) -> None:
        self._store, self.tally = store, tally

    @classmethod
    def open(cls, path: str | Path) -> Runs:
        """The runs of a store. Raises InputError when there is none, or one of a newer schema."""
        return cls(Store(path, create=False))

    def __len__(self) -> int:
        return int(self._store.rows("select count(*) as n from runs")[0]["n"])

    @property
    def sweeps(self) -> dict[str, dict[str, Any]]:
        """The sweep files run into this store, by the sweeps' names."""
        return {row["name"]: json.loads(row["file"]) for row in self._store.rows("select * from sweeps order by name")}

    @property
    def states(self) -> dict[str, int]:
        """How many instances are waiting, running, done and failed."""
        counted = Counter(dict.fromkeys(("waiting", "running", "done", "failed"), 0))
        counted.update({r["state"]: r["n"] for r in
                        self._store.rows("select state, count(*) as n from runs group by state")})  # fmt: skip
        return dict(counted)

    def axes(self, sweep: str | None = None) -> list[str]:
        """The columns of the axes, in the order of the sweep files."""
        found: dict[str, None] = {}
        for row in self._store.rows("select sweep, coordinates from points order by sweep, position"):
            if sweep in (None, row["sweep"]):
                found |= dict.fromkeys(map(tables.axis_name, json.loads(row["coordinates"])))
        return list(found)

    def to_frame(self, sweep: str | None = None) -> pandas.DataFrame:
        """One row per sweep and instance: axes, numbers, facts and failures; units in `frame.attrs["columns"]`."""
        record = {r["name"]: json.loads(r["record"]) for r in self._store.rows("select name, record from sweeps")}
        rows = []
        for run in self._store.rows(_ASK + "order by points.sweep, points.position"):
            if sweep is not None and run["sweep"] != sweep:
                continue
            row: dict[str, Any] = {"model": run["model"]}
            if run["document"]:
                row = tables.row(json.loads(run["document"]), record.get(run["sweep"], ()))
            elif run["statistics"]:
                row |= {k: v for k, v in json.loads(run["statistics"]).items() if k in tables.SIZES}
            row |= {tables.axis_name(k): v for k, v in json.loads(run["coordinates"] or "{}").items()}
            versions = json.loads(run["versions"] or "{}")
            rows.append(row | {
                "sweep": run["sweep"], "fingerprint": run["fingerprint"][:12], "state": run["state"],
                "status": run["status"], "seconds": run["seconds"], "error_kind": run["error_kind"],
                "error": run["error"], "mechopt": versions.get("mechopt"),
                "warm_up": json.loads(run["statistics"] or "{}").get("warm_up"),
            })  # fmt: skip
        return tables.table(rows, self.axes(sweep))

    def failures(self) -> list[dict[str, Any]]:
        """Every failed instance: its fingerprint, fields, kind of failure and error."""
        asked = "select fingerprint, instance, error_kind, error, versions from runs where state = 'failed'"
        found = self._store.rows(asked)
        return [{**row, "instance": json.loads(row["instance"]), "versions": json.loads(row["versions"])}
                for row in found]  # fmt: skip

    def result(self, fingerprint: str) -> Result:
        """The whole result of an instance, by the first digits of its fingerprint, from a sweep with `arrays = true`.

        Raises InputError when there is no such instance, or its arrays were not kept.
        """
        from mechopt.result import Result

        found = self._store.rows("select * from runs where fingerprint like ? || '%'", fingerprint)
        if len(found) != 1 or not found[0]["document"]:
            raise fail("fingerprint", "the first digits of one finished instance", fingerprint)
        document = json.loads(found[0]["document"])
        if found[0]["arrays"] is None:
            raise fail("fingerprint", "an instance whose arrays were kept", fingerprint, "write arrays = true")
        arrays = unpack(io.BytesIO(found[0]["arrays"]), document["arrays"])
        certificate = json.loads(found[0]["certificate"]) if found[0]["certificate"] else None
        return Result(document, arrays, certificate, registry.find(document["model"]))

    def plot(self, kind: str | None = None, sweep: str | None = None) -> Figure:
        """A picture of the sweep: value, convergence, scaling or heatmap. Raises InputError for another kind."""
        from mechopt.sweeping.plots import picture

        return picture(self.to_frame(sweep), self.axes(sweep), kind)

    def document(self) -> dict[str, Any]:
        """What `mechopt sweep --json` prints."""
        found: dict[str, Any] = {"store": str(self._store.path or ":memory:"), "sweeps": list(self.sweeps),
                                 "states": self.states}  # fmt: skip
        if self.tally is not None:
            t = self.tally
            found["run"] = {"instances": t.total, "found": t.found, "ran": t.ran, "failed": t.failed,
                            "elsewhere": t.elsewhere, "left": t.left, "seconds": t.seconds}  # fmt: skip
        found["failures"] = self.failures()
        return found

    def close(self) -> None:
        """Close the store."""
        self._store.close()


def sweep(
    file: str | Path | Mapping[str, Any] | None = None,
    *,
    base: Any = None,
    axes: Any = None,
    store: str | Path | None = None,
    jobs: int | None = None,
    cluster: str | None = None,
    retry: bool = False,
    progress: Callable[[Tally], None] | None = None,
    **fields: Any,
) -> Runs:
    """Run every instance of a sweep that is not in the store yet, on local processes or a Dask cluster.

    `file`: a sweep file's path or its fields; or give `base` (a model object, a catalog name, a path or a table),
    `axes` and other fields of a sweep file. `store`: a file that keeps every finished instance, None for memory.
    `jobs`: worker processes, all cores when None. `cluster`: a Dask scheduler's address. `retry`: run what failed
    before again. `progress` hears of the tally. Raises InputError for bad input. In a script, call it under
    `if __name__ == "__main__":`, because worker processes import the script.
    """
    plan = prepare(file, base, axes, fields)
    require_jobs(jobs)
    opened = Store(store)
    try:
        marks = register(plan, opened, retry)
        return run(plan, opened, marks, slots_for(plan, opened, marks, jobs, cluster), progress)
    except BaseException:
        opened.close()
        raise


def prepare(file: Any, base: Any = None, axes: Any = None, fields: Mapping[str, Any] | None = None) -> Sweep:
    """A checked sweep from a file or from its fields. Raises InputError."""
    if file is not None:
        if base is not None or axes is not None or fields:
            raise fail("sweep", "a sweep file, or base and axes", "both")
        return load(file)
    if base is None or axes is None:
        raise fail("sweep", "a sweep file, or base and axes", "neither" if base is axes is None else "only one of them")
    if not isinstance(base, str | Path | Mapping):
        base = {"model": registry.of(base).name, "parameters": base.parameters()}
    elif isinstance(base, Path):
        base = str(base)
    return load({"base": base, "axes": axes, **(fields or {})})


def require_jobs(jobs: int | None) -> None:
    """Raise InputError for a number of jobs there cannot be."""
    if jobs is not None and jobs < 1:
        raise fail("--jobs", "at least 1", jobs)


def register(plan: Sweep, store: Store, retry: bool) -> list[str]:
    """Enter a sweep into a store; the fingerprints of its instances."""
    marks = store.register(plan.file.name, plan.file.model_dump(mode="json"), plan.file.record, plan.tasks())
    if retry:
        store.retry(marks)
    return marks


def slots_for(plan: Sweep, store: Store, marks: list[str], jobs: int | None, cluster: str | None) -> list[Slot]:
    """Where the instances that are left will run. Raises InputError for a cluster that is not there."""
    left = sum(state not in ("done", "failed") for state in store.states(marks).values())
    if not left:
        return []
    if cluster is not None:
        return [ClusterSlot(cluster)]
    count = min(jobs or cores(), left)
    memory = memory_of_a_job(plan.file.limits.bytes, count, available())
    return [LocalSlot(memory) for _ in range(count)]


def workers(slots: Sequence[Slot]) -> int:
    """How many instances run at a time."""
    return max(1, sum(slot.capacity for slot in slots) // AHEAD)


def run(
    plan: Sweep, store: Store, marks: list[str], slots: Sequence[Slot],
    progress: Callable[[Tally], None] | None = None,
) -> Runs:  # fmt: skip
    """Run a registered sweep to its end."""
    return Runs(store, Run(plan, store, slots, marks, progress or (lambda tally: None)).go())


def cores() -> int:
    """Cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
