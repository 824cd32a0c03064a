"""Run by benchmarks/phases.py with an interpreter that has RSOME: one family, its phases timed, imports left out."""

import json
import sys
import time
from importlib.metadata import version

import numpy as np
from rsome import ro


def price(size):
    n = size["points"]
    v = np.arange(n + 1) / n
    revenue = np.where(v[:, None] >= v[None, :], v[None, :], 0.0)
    model = ro.Model()
    x, z = model.dvar(n + 1), model.rvar(n + 1)
    model.maxmin(z @ (revenue @ x), z >= 0, sum(z) == 1, z @ v >= 0.5)
    model.st(x >= 0, x.sum() == 1)
    return model


STATED = {"random price, mean known": price}


def run(family, size):
    started = time.perf_counter()
    model = STATED[family](size)
    model.do_math()
    built = time.perf_counter()
    model.solve(display=False)
    done = time.perf_counter()
    found = {"build": built - started, "solve": done - built, "verify": None, "whole": done - started}
    return {**found, "value": float(model.get())}


given = json.load(sys.stdin)
run(given["family"], given["warm"])
runs = []
while len(runs) < given["repeats"] and sum(p["whole"] for p in runs) < given["enough"]:
    runs.append(run(given["family"], given["size"]))
found = min(runs, key=lambda p: p["whole"])
print("\n" + json.dumps({"phases": found, "version": version("rsome")}))
