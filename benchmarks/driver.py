"""What one process that drives a sweep can keep busy: its own work for every instance, measured."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import Any

from registry import Row, benchmark, holds
from sweeps import SMALL, cluster, folder, table

import mechopt as mo

CORES = 1000


@benchmark(
    "sweep-driver",
    "How many cores one driver of a sweep keeps busy",
    """A sweep of small instances by one worker process into a store on disk, and by two workers of a Dask scheduler on
    the loopback. What the driver itself uses is its own processor time: listing, claiming, submitting, committing; with
    Dask the scheduler's is told beside it. It is what stays serial however many workers there are: an instance must
    last a thousand times as long for one driver to keep a thousand cores busy.""",
)
def driver(smoke: bool) -> list[Row]:
    count = 20 if smoke else 500
    mo.sweep(table(SMALL, 2, "parameters.upper.0", 3, 4), jobs=1).close()  # starts the server the workers come from
    with folder() as place:
        each, share, fine = swept(count, {"store": place / "runs.db", "jobs": 1})
        rows = [
            holds("every instance certified", fine),
            Row("milliseconds of the driver for one instance", 1000 * each),
            Row("share of the driver in the sweep's seconds, one worker", share),
            Row(f"seconds an instance must last to keep {CORES:,} cores busy", CORES * each),
        ]
        return rows + through_dask(count, place)


def swept(count: int, how: dict[str, Any]) -> tuple[float, float, bool]:
    """The driver's seconds for an instance, its share of the whole, and whether all instances are certified."""
    began, used = time.perf_counter(), time.process_time()
    runs = mo.sweep(table(SMALL, count, "parameters.upper.0", 1, 2), **how)
    whole, used = time.perf_counter() - began, time.process_time() - used
    frame = runs.to_frame()
    runs.close()
    return used / count, used / whole, len(frame) == count and bool(frame["certified"].all())


def through_dask(count: int, place: Path) -> list[Row]:
    """The same over a scheduler and two workers, with the scheduler's own seconds."""
    if importlib.util.find_spec("distributed") is None:
        return [Row("Dask", "not installed")]
    from distributed import Client

    with cluster(place) as (address, _), Client(address, set_as_default=False) as client:
        before = client.run_on_scheduler(time.process_time)
        each, _, fine = swept(count, {"store": place / "away.db", "cluster": address})
        scheduler = (client.run_on_scheduler(time.process_time) - before) / count
    return [
        holds("every instance certified, through Dask", fine),
        Row("milliseconds of the driver for one instance, through Dask", 1000 * each),
        Row("milliseconds of the scheduler for one instance", 1000 * scheduler),
    ]
