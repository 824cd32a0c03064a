"""What a sweep will cost, said before it starts."""

from __future__ import annotations

import itertools

from mechopt.instance import from_dict
from mechopt.models.inputs import InputError
from mechopt.solvers.memory import Size
from mechopt.sweeping.files import Sweep
from mechopt.sweeping.progress import duration
from mechopt.sweeping.store import Store

LOOKED = 24  # instances whose size is worked out, spread over the sweep


def forecast(sweep: Sweep, store: Store, marks: list[str], workers: int) -> str:
    """How many instances are left, how large the largest looked at is, and, where like ones were run, how long."""
    states = store.states(marks)
    left = sum(state not in ("done", "failed") for state in states.values())
    parts = [f"{len(marks):,} instances, {len(marks) - left:,} in the store, {left:,} to run"]
    if left:
        parts[0] += f" on {workers} worker{'s' if workers > 1 else ''}"
        largest = _largest(sweep)
        if largest is not None:
            parts.append(f"the largest of {min(LOOKED, len(sweep))} looked at has {largest}")
        past = store.rows("select avg(seconds) as s from runs where model = ? and seconds is not null",
                          str(sweep.base["model"]))[0]["s"]  # fmt: skip
        if past is not None:
            parts.append(f"at {duration(past)} each, as those in the store, {duration(past * left / workers)} in all")
        else:
            parts.append("how long one takes is known after the first")
    return "; ".join(parts)


def _largest(sweep: Sweep) -> Size | None:
    """The largest program among a few instances from all over the sweep."""
    step = max(1, len(sweep) // LOOKED)
    found = []
    for point in itertools.islice(sweep.grid, 0, None, step):
        try:
            found.append(from_dict(sweep.at(point)).model.size())
        except InputError:
            continue
    return max(found, key=lambda size: size.bytes) if found else None
