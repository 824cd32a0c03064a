"""Run the benchmarks and write RESULTS.md and results-YYYY-MM-DD.json.

* `python benchmarks/run.py`: all of them, as RESULTS.md shows them.
* `python benchmarks/run.py NAME ...`: some of them, printed only.
* `python benchmarks/run.py --smoke`: tiny sizes, printed only, to see that everything still runs.
* With `--output DIR` the two files are written to DIR.
* `python benchmarks/run.py --peers-help`: how to set up the programs some of them compare with.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onecore  # before anything counts the cores

# isort: split
import regret  # noqa: F401  registers its benchmarks, as do the other modules below

# isort: split
import auctions  # noqa: F401
import clairvoyance  # noqa: F401
import design  # noqa: F401
import driver  # noqa: F401
import dynamic  # noqa: F401
import dynamic_several  # noqa: F401
import engines  # noqa: F401
import nonclairvoyant  # noqa: F401
import peers  # noqa: F401
import pivot  # noqa: F401
import pivot_index  # noqa: F401
import regret_auction  # noqa: F401
import regret_scale  # noqa: F401
import sweeps  # noqa: F401
from phases import SETUP
from registry import BENCHMARKS, Benchmark, Row

HERE = Path(__file__).resolve().parent
PACKAGES = ("cvxpy", "highspy", "numpy", "scipy", "python-flint")
INTRO = """# Results of the benchmarks

Written by `make bench` (`python benchmarks/run.py`); do not edit. The text stands in `benchmarks/`.
Everything runs on one core, except where the system cannot pin a process to one. Every ratio compares programs run
one after the other in the same minutes, the best of several repeats each (a single run where it takes more than a
second), with imports left out. Seconds depend on the machine; ratios, widths and errors are what to read.
"""


def machine() -> dict[str, str]:
    """What the numbers were measured on."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    used = f"{os.cpu_count()} cores" if onecore.CORE is None else f"one of {os.cpu_count()} cores"
    measured = {"processor": f"{model}, {used}", "system": platform.system()}
    return {**measured, "python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def verdict(rows: list[Row]) -> str:
    """One verdict for a benchmark: met, or what was missed and by how much."""
    missed = [f"{row.what}: {row.verdict()}" for row in rows if row.met is False]
    return "; ".join(missed) if missed else "met"


def table(header: str, lines: list[tuple[str, ...]]) -> list[str]:
    """A Markdown table."""
    cells = ["| " + " | ".join(line) + " |" for line in lines]
    return [f"| {header} |", "|" + "---|" * (header.count("|") + 1), *cells, ""]


def phased(rows: list[Row]) -> list[str]:
    """The rows whose seconds were taken apart, a column for each phase."""
    taken = [row for row in rows if row.phases is not None]
    if not taken:
        return []
    names = list(taken[0].phases or {})
    lines = [
        (row.what, *(_number((row.phases or {}).get(name)) for name in names), row.shown(), row.verdict())
        for row in taken
    ]
    return table(" | ".join(["solved by", *names, "distance", "verdict"]), lines)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"


def section(item: Benchmark, rows: list[Row]) -> list[str]:
    """A benchmark's part of RESULTS.md."""
    lines = [(row.what, row.shown(), row.target, row.verdict()) for row in rows if row.phases is None]
    closing = f"Verdict: {verdict(rows)}. Command: `python benchmarks/run.py {item.name}`"
    return [
        f"## {item.title}",
        "",
        item.what,
        "",
        *phased(rows),
        *(table("measured | value | target | verdict", lines) if lines else []),
        closing,
        "",
    ]


def report(measured: list[tuple[Benchmark, list[Row]]], date: str, smoke: bool) -> str:
    """RESULTS.md as a whole."""
    found = machine()
    where = ", ".join([found.pop("processor"), found.pop("system"), *(" ".join(item) for item in found.items())])
    lines = [INTRO, f"Measured on {date}: {where}.", ""]
    if smoke:
        lines += ["**Smoke run: tiny sizes, the numbers mean nothing.**", ""]
    aims = [(item.name, row) for item, rows in measured for row in rows if row.met is not None]
    lines += table(
        "benchmark | what | target | measured | verdict",
        [(name, row.what, row.target, row.shown(), row.verdict()) for name, row in aims],
    )
    for item, rows in measured:
        lines += section(item, rows)
    return "\n".join(lines)


def document(measured: list[tuple[Benchmark, list[Row]]], date: str, smoke: bool) -> dict[str, Any]:
    """The same as data."""
    items = [{"name": b.name, "verdict": verdict(rows), "rows": [vars(row) for row in rows]} for b, rows in measured]
    return {"date": date, "smoke": smoke, "machine": machine(), "benchmarks": items}


def main() -> None:
    """Measure, print, and write where asked."""
    names = [item.name for item in BENCHMARKS]
    parser = argparse.ArgumentParser(description="Run the benchmarks.", epilog="benchmarks: " + ", ".join(names))
    parser.add_argument("names", nargs="*", metavar="NAME", help="all when left out")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, printed only")
    parser.add_argument("--output", type=Path, help="a directory for RESULTS.md and the data")
    parser.add_argument("--peers-help", action="store_true", help="how to set up the programs compared with")
    chosen = parser.parse_args()
    if chosen.peers_help:
        print(SETUP, end="")
        return
    if unknown := set(chosen.names) - set(names):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    measured = []
    for item in BENCHMARKS:
        if chosen.names and item.name not in chosen.names:
            continue
        print(f"== {item.title}", flush=True)
        began = time.perf_counter()
        rows = item.run(chosen.smoke)
        measured.append((item, rows))
        for row in rows:
            print(f"  {row.what:<50} {row.shown():<20} {row.target:<10} {row.verdict()}".rstrip(), flush=True)
            if row.phases:
                print("    " + ", ".join(f"{k} {_number(v)}" for k, v in row.phases.items()), flush=True)
        print(f"  -- {item.name}: {time.perf_counter() - began:.1f} s", flush=True)
    folder = chosen.output or (None if chosen.smoke or chosen.names else HERE)
    if folder is None:
        return
    date = datetime.date.today().isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / f"results-{date}.json"
    data.write_text(json.dumps(document(measured, date, chosen.smoke), indent=1) + "\n", encoding="utf-8")
    (folder / "RESULTS.md").write_text(report(measured, date, chosen.smoke), encoding="utf-8")
    print(f"written: RESULTS.md and {data.name} in {folder}")


if __name__ == "__main__":
    sys.exit(main())
