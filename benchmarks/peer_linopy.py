"""Run by benchmarks/phases.py with an interpreter that has linopy: one family, its phases timed, imports left out."""

import itertools
import json
import sys
import time

import linopy
import numpy as np
import pandas as pd
import xarray as xr


def regret_goods(m, size):
    V = np.array(list(itertools.product(np.arange(size["points"] + 1) / size["points"], repeat=2)))
    at, good = range(len(V)), range(2)
    v = xr.DataArray(V, coords={"v": at, "good": good}, dims=["v", "good"])
    r = m.add_variables(name="r")
    q = m.add_variables(0, 1, coords=[v.indexes["v"], v.indexes["good"]], name="q")
    p = m.add_variables(coords=[v.indexes["v"]], name="m")
    truth = (v * q).sum("good") - p
    lie = (v * q.rename({"v": "w"})).sum("good") - p.rename({"v": "w"})
    m.add_constraints(r + p >= v.sum("good"))
    m.add_constraints(truth >= 0)
    m.add_constraints(truth - lie >= 0)
    m.add_objective(1 * r)


def regret_good(m, size):
    n = size["points"]
    v = xr.DataArray(np.arange(n + 1) / n, coords={"v": range(n + 1)}, dims=["v"])
    r = m.add_variables(name="r")
    q = m.add_variables(0, 1, coords=[v.indexes["v"]], name="q")
    p = m.add_variables(coords=[v.indexes["v"]], name="m")
    m.add_constraints(r + p >= v)
    m.add_constraints(v * q - p >= 0)
    for step in (1, -1):
        here = slice(1, None) if step > 0 else slice(None, -1)
        own, other = v * (q - q.shift(v=step)), p - p.shift(v=step)
        m.add_constraints((own - other).isel(v=here) >= 0)
    m.add_objective(1 * r)


def random_price(m, size):
    n = size["points"]
    v = xr.DataArray(np.arange(n + 1) / n, coords={"v": range(n + 1)}, dims=["v"])
    price = v.rename({"v": "price"})
    x = m.add_variables(lower=0, coords=[price.indexes["price"]], name="x")
    level, slope = m.add_variables(name="level"), m.add_variables(lower=0, name="slope")
    m.add_constraints((xr.where(v >= price, price, 0.0) * x).sum("price") - level - v * slope >= 0)
    m.add_constraints(x.sum() == 1)
    m.add_objective(level + 0.5 * slope, sense="max")


def dsic(m, size):
    K = size["types"]
    v = xr.DataArray(np.arange(K) / (K - 1), coords={"own": range(K)}, dims=["own"])
    shape = [v.indexes["own"], pd.RangeIndex(K, name="other")]
    wins = [m.add_variables(lower=0, coords=shape, name=f"q{i}") for i in range(2)]
    paid = [m.add_variables(coords=shape, name=f"m{i}") for i in range(2)]
    m.add_constraints(wins[0] + wins[1].rename({"own": "other", "other": "own"}) <= 1)
    for q, p in zip(wins, paid, strict=True):
        m.add_constraints(v * q - p >= 0)
        m.add_constraints(v * q - p - v * q.rename({"own": "told"}) + p.rename({"own": "told"}) >= 0)
    m.add_objective((paid[0] + paid[1]).sum() / K**2, sense="max")


def bayesian(m, size):
    count, p = size["bidders"], np.array(size["chances"])
    K = len(p)
    v = xr.DataArray(np.array(size["values"]), coords={"own": range(K)}, dims=["own"])
    profiles = np.array(list(itertools.product(range(K), repeat=count)))
    chance = p[profiles].prod(axis=1)
    at = pd.RangeIndex(len(profiles), name="profile")
    q = [m.add_variables(lower=0, coords=[at], name=f"q{i}") for i in range(count)]
    paid = [m.add_variables(coords=[v.indexes["own"]], name=f"m{i}") for i in range(count)]
    m.add_constraints(sum(q[1:], 1 * q[0]) <= 1)
    law, revenue = xr.DataArray(p, coords={"own": range(K)}, dims=["own"]), 0
    for i in range(count):
        given = np.stack([np.where(profiles[:, i] == k, chance / p[k], 0.0) for k in range(K)])
        share = xr.DataArray(given, coords={"own": range(K), "profile": range(len(profiles))}, dims=["own", "profile"])
        told, cost = share.rename({"own": "told"}), paid[i].rename({"own": "told"})
        m.add_constraints((v * share * q[i]).sum("profile") - paid[i] >= 0)
        m.add_constraints((v * (share - told) * q[i]).sum("profile") - paid[i] + cost >= 0)
        revenue = revenue + (law * paid[i]).sum()
    m.add_objective(revenue, sense="max")


STATED = {
    "regret of two goods": regret_goods,
    "regret of one good": regret_good,
    "random price, mean known": random_price,
    "ex-post auction": dsic,
    "Bayesian auction": bayesian,
}


def run(family, size):
    started = time.perf_counter()
    model = linopy.Model()
    STATED[family](model, size)
    highs = linopy.io.to_highspy(model)
    highs.silent()
    built = time.perf_counter()
    highs.run()
    done = time.perf_counter()
    value = highs.getInfo().objective_function_value
    return {"build": built - started, "solve": done - built, "verify": None, "whole": done - started, "value": value}


given = json.load(sys.stdin)
run(given["family"], given["warm"])
runs = []
while len(runs) < given["repeats"] and sum(p["whole"] for p in runs) < given["enough"]:
    runs.append(run(given["family"], given["size"]))
found = min(runs, key=lambda p: p["whole"])
print("\n" + json.dumps({"phases": found, "version": linopy.__version__}))
