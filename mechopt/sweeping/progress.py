"""What a sweep says while it runs: a bar on a terminal, a line a minute in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from mechopt.sweeping.runner import Tally

EVERY = 60.0  # seconds between lines in a pipe


def duration(seconds: float | None) -> str:
    """Seconds as people say them.

    >>> [duration(x) for x in (None, 0.25, 42, 150, 9000)]
    ['unknown', '0.2 s', '42 s', '2 min 30 s', '2 h 30 min']
    """
    if seconds is None:
        return "unknown"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def line(tally: Tally) -> str:
    """Where a sweep stands, on one line."""
    done = tally.total - tally.left
    return (
        f"{done} of {tally.total} done, {tally.failed} failed, {tally.rate:.3g} a second, "
        f"{duration(tally.remaining)} left"
    )


@contextmanager
def shown(stream: TextIO | None = None, every: float = EVERY) -> Iterator[Callable[[Tally], None]]:
    """A function to call with the tally as often as one likes."""
    out = stream or sys.stderr
    if out.isatty():
        with _bar(out) as update:
            yield update
        return
    last = time.monotonic()

    def speak(tally: Tally) -> None:
        nonlocal last
        if time.monotonic() - last >= every:
            last = time.monotonic()
            out.write(line(tally) + "\n")
            out.flush()

    yield speak


@contextmanager
def _bar(out: TextIO) -> Iterator[Callable[[Tally], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]} a second"),
        TextColumn("{task.fields[failed]} failed"), TextColumn("{task.fields[left]} left"),
    )  # fmt: skip
    with Progress(*columns, console=Console(file=out)) as progress:
        bar = progress.add_task("sweep", rate="-", failed=0, left="unknown time")

        def update(tally: Tally) -> None:
            progress.update(
                bar, total=tally.total, completed=tally.total - tally.left, rate=f"{tally.rate:.3g}",
                failed=tally.failed, left=duration(tally.remaining),
            )  # fmt: skip

        yield update
