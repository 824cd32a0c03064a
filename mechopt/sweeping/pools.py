"""Where instances run: executors of concurrent.futures, of local processes or of a Dask cluster.

Local processes are pools of one worker each, so that a worker that dies takes no other's work with it, and it is
known which instance it was at.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from typing import Any

from mechopt.models.inputs import fail
from mechopt.sweeping import worker
from mechopt.sweeping.store import Finished

AHEAD = 2  # instances a worker has at hand: the one it runs and the next
PATIENCE = 10.0  # seconds a cluster has to answer


class Slot:
    """An executor with what it was given and has not finished, in order."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.given: deque[tuple[str, Future[Finished]]] = deque()
        self.executor: Executor | None = None

    def open(self) -> Executor:
        """The executor, made when first needed."""
        raise NotImplementedError

    def submit(self, mark: str, *arguments: Any) -> Future[Finished]:
        """Give the executor an instance."""
        self.executor = self.executor or self.open()
        future = self.executor.submit(worker.run, mark, *arguments)
        self.given.append((mark, future))
        return future

    def restart(self) -> None:
        """Drop a broken executor; the next instance gets a new one."""
        if self.executor is not None:
            self.executor.shutdown(wait=False, cancel_futures=True)
        self.executor = None

    def close(self) -> None:
        """End the executor now, whatever it is doing."""
        self.restart()


class LocalSlot(Slot):
    """One worker process."""

    def __init__(self, memory: int | None) -> None:
        super().__init__(AHEAD)
        self._memory = memory
        self._lifeline: Any = None  # its far end is the worker's: when this end closes, or we die, the worker ends

    def open(self) -> Executor:
        """A pool of one process, from a server that has mechopt loaded where the system has such servers."""
        methods = multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        if "forkserver" in methods:
            context.set_forkserver_preload(["mechopt.sweeping.warmup"])
        far, self._lifeline = context.Pipe(duplex=False)
        return ProcessPoolExecutor(1, mp_context=context, initializer=worker.start, initargs=(self._memory, far))

    def restart(self) -> None:
        """Drop the executor, and end its worker without waiting for the instance it runs."""
        super().restart()
        if self._lifeline is not None:
            self._lifeline.close()
            self._lifeline = None


class ClusterSlot(Slot):
    """A Dask cluster behind the same interface; the scheduler moves what a lost worker was at to another."""

    def __init__(self, address: str) -> None:
        try:
            import distributed
        except ImportError:
            raise fail("--cluster", "dask.distributed", "none", "pip install 'mechopt[cluster]'") from None
        hint = "start one: dask scheduler, then dask worker ADDRESS"
        try:
            self._client = distributed.Client(address, timeout=PATIENCE, set_as_default=False)
        except (OSError, TimeoutError, ValueError, TypeError) as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise fail("--cluster", "the address of a Dask scheduler", f"{address}: {reason}", hint) from None
        try:
            self._client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            self._client.close()
            raise fail("--cluster", "a cluster with workers", f"{address}, which has none", hint) from None
        threads = sum(self._client.nthreads().values())
        super().__init__(AHEAD * max(1, threads))
        self._require_same()

    def _require_same(self) -> None:
        """Raise InputError when the workers have no mechopt, or another one."""
        ours = worker.versions()["mechopt"]
        try:
            found = self._client.run(_version_there)
        except Exception as error:
            self._client.close()
            raise fail("--cluster", "workers that have mechopt installed", str(error).partition("\n")[0]) from None
        other = {where: theirs for where, theirs in found.items() if theirs != ours}
        if other:
            self._client.close()
            where, theirs = next(iter(other.items()))
            raise fail("--cluster", f"workers with mechopt {ours}", f"{theirs} at {where}")

    def open(self) -> Executor:
        """Dask's executor; an instance that ends the workers it runs on is given up after a few of them."""
        executor: Executor = self._client.get_executor(pure=False)
        return executor

    def close(self) -> None:
        """Take back what was submitted and leave the cluster running."""
        for _, future in self.given:
            future.cancel()
        self.executor = None
        self._client.close()


def _version_there() -> str:
    import mechopt

    return mechopt.__version__


def memory_of_a_job(limit: int | None, jobs: int, free: int) -> int:
    """Bytes a local worker may use: the sweep's limit, else an even share of what is free."""
    return limit if limit is not None else max(free // jobs, 2**29)
