"""The loop of a sweep: claim, submit, commit what is finished, until nothing is left. Knows no place and no screen."""

from __future__ import annotations

import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from dataclasses import dataclass, field

from mechopt.sweeping import worker
from mechopt.sweeping.files import Sweep
from mechopt.sweeping.pools import Slot
from mechopt.sweeping.store import LEASE, Finished, Store

TURN = 0.5  # seconds after which the loop looks up, finished instances or not
CLAIMS = 64  # instances claimed at once, at most
POLL = 1.0  # seconds between looks at what another process runs
ATTEMPTS = 3  # times an instance may take its worker with it before that is recorded as its failure


@dataclass
class Tally:
    """Where a sweep stands: instances in all, found in the store, run now, failed, and seconds since it began."""

    total: int
    found: int = 0
    ran: int = 0
    failed: int = 0
    elsewhere: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Seconds since the sweep began."""
        return time.monotonic() - self.began

    @property
    def rate(self) -> float:
        """Instances a second, of those run now."""
        return self.ran / self.seconds if self.seconds > 0 else 0.0

    @property
    def left(self) -> int:
        """Instances still to run, here or elsewhere."""
        return self.total - self.found - self.ran - self.elsewhere

    @property
    def remaining(self) -> float | None:
        """Seconds left at the present rate; None before the first instance."""
        return self.left / self.rate if self.ran else None


class Run:
    """One process's work on a sweep."""

    def __init__(self, sweep: Sweep, store: Store, slots: Sequence[Slot], marks: Sequence[str],
                 report: Callable[[Tally], None]) -> None:  # fmt: skip
        self.sweep, self.store, self.slots, self.report = sweep, store, slots, report
        states = store.states(marks)
        self.tally = Tally(len(marks))
        self.tally.found = sum(states[mark] in ("done", "failed") for mark in marks)
        self.waiting: deque[str] = deque(mark for mark in marks if states[mark] not in ("done", "failed"))
        self.claimed: deque[tuple[str, dict[str, object]]] = deque()
        self.deaths: Counter[str] = Counter()
        self.looked = self.renewed = time.monotonic()
        self.started: dict[int, float] = {}
        self.token = uuid.uuid4().hex
        self.alive = False  # whether any worker ever finished anything
        self.stuck = False  # whether the last look at the store found nothing that was free

    def go(self) -> Tally:
        """Run everything. Whatever ends this, claims are given back and no worker is left behind."""
        try:
            self.report(self.tally)
            while self._fill():
                futures = [future for slot in self.slots for _, future in slot.given]
                if futures:
                    wait(futures, TURN, FIRST_COMPLETED)
                else:
                    time.sleep(POLL)  # everything left is being run by another process
                self._collect()
                self._renew()
                self.report(self.tally)
            return self.tally
        finally:
            for slot in self.slots:
                slot.close()
            self.store.release()

    def _fill(self) -> bool:
        """Give every slot what it has room for; whether anything is left to wait for."""
        room = sum(slot.capacity - len(slot.given) for slot in self.slots)
        if len(self.claimed) < room and self.waiting:
            self._claim(room)
        for slot in sorted(self.slots, key=lambda s: len(s.given)):
            while self.claimed and len(slot.given) < slot.capacity:
                if not self._submit(slot, *self.claimed[0]):
                    break
                self.claimed.popleft()
        return bool(self.waiting or self.claimed or any(slot.given for slot in self.slots))

    def _submit(self, slot: Slot, mark: str, instance: dict[str, object]) -> bool:
        """Give a slot an instance; False when its executor is broken, which what it was given before will tell."""
        file = self.sweep.file
        if not slot.given:
            self.started[id(slot)] = time.monotonic()
        try:
            slot.submit(mark, instance, self.token, file.warm, file.arrays, file.limits.seconds)
        except BrokenExecutor:
            if slot.given:
                return False
            slot.restart()  # it broke while it had nothing to do
            return self._submit(slot, mark, instance)
        return True

    def _claim(self, room: int) -> None:
        """Claim about a second's work, passing over what another process has run or is running."""
        if self.stuck and time.monotonic() - self.looked < POLL:
            return
        self.looked = time.monotonic()
        most = max(room, min(CLAIMS, int(self.tally.rate)))
        seen, unseen, got = 0, len(self.waiting), 0
        while not got and seen < unseen:
            wanted = [self.waiting.popleft() for _ in range(min(4 * CLAIMS, unseen - seen))]
            seen += len(wanted)
            claimed = self.store.claim(wanted, most)
            got = len(claimed)
            self.claimed.extend(claimed)
            mine = {mark for mark, _ in claimed}
            looked = 1 + max((wanted.index(mark) for mark in mine), default=-1) if got == most else len(wanted)
            busy = []
            for mark, state in self.store.states(m for m in wanted[:looked] if m not in mine).items():
                if state in ("done", "failed"):
                    self.tally.elsewhere += 1
                else:
                    busy.append(mark)
            self.waiting.extendleft(reversed(wanted[looked:]))
            self.waiting.extend(busy)
        self.stuck = not got

    def _collect(self) -> None:
        """Commit every finished instance, and see to workers that are gone."""
        found: list[Finished] = []
        for slot in self.slots:
            found += self._finished(slot)
        if found:
            kept = self.store.finish(found)
            self.tally.ran += kept
            self.tally.elsewhere += len(found) - kept
            self.tally.failed += sum(run.error_kind is not None for run in found)

    def _finished(self, slot: Slot) -> list[Finished]:
        done: list[Finished] = []
        lost: list[tuple[str, BaseException]] = []
        for mark, future in list(slot.given):
            if not future.done():
                continue
            slot.given.remove((mark, future))
            error = _error_of(future)
            if error is None:
                done.append(future.result())
                self.alive = True
                self.started[id(slot)] = time.monotonic()
            else:
                lost.append((mark, error))
        if lost:
            done += self._lost(slot, lost)
        return done

    def _lost(self, slot: Slot, lost: list[tuple[str, BaseException]]) -> list[Finished]:
        """A worker is gone: the first instance it had was the one it ran, the others only waited."""
        broken = isinstance(lost[0][1], BrokenExecutor)
        if broken:
            slot.restart()
        took = time.monotonic() - self.started.get(id(slot), time.monotonic())
        done = []
        again = []
        for place, (mark, error) in enumerate(lost):
            if isinstance(error, CancelledError):
                raise RuntimeError("the cluster is gone; what is finished is in the store, run again to go on")
            if place == 0 or not broken:
                self.deaths[mark] += 1
                limit = self.sweep.file.limits.seconds
                if limit is not None and broken and took >= limit:
                    done.append(_gone(mark, took, "time", f"stopped after {limit:g} s, the sweep's limits.seconds"))
                    continue
                if self.deaths[mark] >= ATTEMPTS or not broken:
                    if not self.alive and broken:
                        raise RuntimeError(_NO_START)
                    text = f"its worker process ended {self.deaths[mark]} times, perhaps for lack of memory: {error}"
                    done.append(_gone(mark, took, "died", " ".join(text.split())))
                    continue
            again.append(mark)
        self.claimed.extendleft((mark, self.store.instance(mark)) for mark in reversed(again))
        return done

    def _renew(self) -> None:
        if time.monotonic() - self.renewed > LEASE / 4:
            self.store.renew()
            self.renewed = time.monotonic()


_NO_START = (
    "the worker processes end as soon as they start; a script that calls mechopt.sweep needs its calls under "
    "`if __name__ == '__main__':`"
)


def _error_of(future: Future[Finished]) -> BaseException | None:
    try:
        return future.exception()
    except CancelledError as error:
        return error


def _gone(mark: str, seconds: float, kind: str, error: str) -> Finished:
    return Finished(mark, seconds, worker.versions(), error_kind=kind, error=error)
