"""A Dask cluster on the loopback: scheduler and two workers as processes of their own, one of them killed midway."""

import re
import signal
import socket
import subprocess
import sys
import time

import pytest

import mechopt as mo

pytest.importorskip("distributed")
START = "import sys; from dask.__main__ import main; sys.argv = ['dask', *sys.argv[1:]]; main()"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The scheduler's address and the worker processes, for all tests here, in the order they stand."""
    tmp_path = tmp_path_factory.mktemp("dask")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    made = []

    def begin(*arguments):
        made.append(subprocess.Popen([sys.executable, "-c", START, *arguments], cwd=tmp_path,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))  # fmt: skip
        return made[-1]

    begin("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    plain = ("--no-nanny", "--no-dashboard", "--nthreads", "1", "--local-directory", str(tmp_path))
    workers = [begin("worker", address, *plain) for _ in range(2)]
    _wait_for_workers(address, 2)
    yield address, workers
    for process in reversed(made):
        process.kill()
        process.wait()


def _wait_for_workers(address, count):
    from distributed import Client

    until = time.monotonic() + 60
    while True:
        try:
            with Client(address, timeout=5, set_as_default=False) as client:
                client.wait_for_workers(count, timeout=30)
                return
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.2)


def test_failures_on_a_cluster_are_recorded(cluster, sweep_file):
    runs = mo.sweep(sweep_file(axes='"parameters.points" = [2, -1, 3]'), cluster=cluster[0])
    assert runs.states["done"] == 2
    assert re.match(r"parameters.points: expected", runs.failures()[0]["error"])


def test_a_sweep_survives_a_killed_worker_and_gives_the_local_values(cluster, sweep_file, tmp_path):
    address, workers = cluster
    killed = []

    def kill_one(tally):
        if tally.ran >= 5 and not killed:
            workers[0].send_signal(signal.SIGKILL)
            killed.append(tally.ran)

    away = mo.sweep(sweep_file(count=30), store=tmp_path / "away.db", cluster=address, progress=kill_one)
    assert killed
    assert killed[0] < 30
    assert away.states == {"waiting": 0, "running": 0, "done": 30, "failed": 0}
    here = mo.sweep(sweep_file(count=30), store=tmp_path / "here.db", jobs=1)
    a, b = (runs.to_frame().sort_values("fingerprint")[["value", "lower", "upper"]].to_numpy() for runs in (away, here))
    assert abs(a - b).max() < 1e-12


def test_a_cluster_without_workers_is_an_error(cluster, sweep_file, monkeypatch):
    from mechopt.sweeping import pools

    monkeypatch.setattr(pools, "PATIENCE", 3.0)
    for worker in cluster[1]:
        worker.kill()
        worker.wait()
    with pytest.raises(mo.InputError, match="--cluster: expected a cluster with workers"):
        mo.sweep(sweep_file(), cluster=cluster[0])
