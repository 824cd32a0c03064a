"""The store of a sweep: one SQLite file in WAL mode, every finished instance in it as soon as it is finished.

An instance is known by its fingerprint and stands in the store once, whichever sweeps hold it. Who wants to run it
claims it first: the claim is one transaction, so no two processes get the same instance. A claim ends with its owner:
at once when the owner's process is gone from this machine, otherwise when its lease, renewed while it lives, runs out.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mechopt.models.inputs import fail
from mechopt.sweeping.files import Task

APPLICATION = 0x6D6F7074  # "mopt", so that another program's database is told apart
SCHEMA = 1
LEASE = 60.0  # seconds a claim holds without being renewed
BUSY = 60.0  # seconds to wait for another process's transaction

_CREATE = """
create table runs (
    fingerprint text primary key,
    model text not null,
    instance text not null,
    state text not null default 'waiting' check (state in ('waiting', 'running', 'done', 'failed')),
    owner text, lease real, attempts integer not null default 0,
    finished real, seconds real,
    versions text, status text, document text, statistics text,
    error_kind text, error text,
    arrays blob, certificate blob
) without rowid;
create index runs_by_state on runs (state);
create table points (
    sweep text not null, fingerprint text not null, position integer not null, coordinates text not null,
    primary key (sweep, fingerprint)
) without rowid;
create table sweeps (name text primary key, file text not null, record text not null) without rowid;
"""

# How to bring a store of an older schema up to the next one: MIGRATIONS[n] leads from n to n + 1.
MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {}


@dataclass(frozen=True)
class Finished:
    """What came of an instance: its document and statistics, or the kind of failure and the error's words."""

    fingerprint: str
    seconds: float
    versions: Mapping[str, str]
    status: str | None = None
    document: str | None = None
    statistics: str | None = None
    error_kind: str | None = None
    error: str | None = None
    arrays: bytes | None = None
    certificate: bytes | None = None


class Store:
    """An open store. One connection; used from one thread."""

    def __init__(self, path: str | Path | None, create: bool = True) -> None:
        self.path = None if path is None else Path(path)
        self.owner = f"{_home()}|{os.getpid()}|{_started(os.getpid())}|{uuid.uuid4().hex}"
        if self.path is not None:
            _require_usable(self.path, create)
        try:
            self._db = sqlite3.connect(str(self.path or ":memory:"), timeout=BUSY, isolation_level=None)
            self._open()
        except sqlite3.DatabaseError as error:
            raise fail(str(self.path), "a store of mechopt", str(error)) from None

    def _open(self) -> None:
        with contextlib.closing(self._db.execute("pragma application_id")) as found:
            application = found.fetchone()[0]
        version = self._db.execute("pragma user_version").fetchone()[0]
        empty = not self._db.execute("select 1 from sqlite_master limit 1").fetchone()
        if application != APPLICATION and not (empty and application == 0):
            raise fail(str(self.path), "a store of mechopt", "another program's database", "name a new file")
        if version > SCHEMA:
            raise fail(str(self.path), f"a store of schema {SCHEMA} or older", f"schema {version}", "update mechopt")
        self._wal()
        self._db.execute("pragma synchronous = full")  # a finished instance outlives the machine's power
        if version == SCHEMA:
            return
        with self.transaction():  # another process may have got here first: look again inside
            version = self._db.execute("pragma user_version").fetchone()[0]
            if version == 0:
                for statement in _CREATE.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"pragma application_id = {APPLICATION}")
                version = SCHEMA
            while version < SCHEMA:
                MIGRATIONS[version](self._db)
                version += 1
            self._db.execute(f"pragma user_version = {version}")

    def _wal(self) -> None:
        """Turn on the write-ahead log; two processes that do so at once may each find the file locked for a moment."""
        until = time.monotonic() + BUSY
        while True:
            try:
                self._db.execute("pragma journal_mode = wal")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(0.01)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, with the write lock from the start, so that what is read stays true until it is written."""
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def register(self, name: str, file: Mapping[str, Any], record: Sequence[str], tasks: Iterable[Task]) -> list[str]:
        """Enter a sweep and those of its instances that are not there yet; all their fingerprints, in order."""
        order = []
        with self.transaction():
            self._db.execute(
                "insert into sweeps values (?, ?, ?) on conflict (name) do update set file = excluded.file, "
                "record = excluded.record",
                (name, _json(file), _json(record)),
            )
            for position, task in enumerate(tasks):
                order.append(task.fingerprint)
                self._db.execute(
                    "insert into runs (fingerprint, model, instance) values (?, ?, ?) on conflict do nothing",
                    (task.fingerprint, str(task.instance["model"]), _json(task.instance)),
                )
                self._db.execute(
                    "insert into points values (?, ?, ?, ?) on conflict do update set position = excluded.position, "
                    "coordinates = excluded.coordinates",
                    (name, task.fingerprint, position, _json(task.point)),
                )
        return order

    def states(self, marks: Iterable[str]) -> dict[str, str]:
        """The state of each instance."""
        ask = "select state from runs where fingerprint = ?"
        return {mark: self._db.execute(ask, (mark,)).fetchone()[0] for mark in marks}

    def instance(self, mark: str) -> dict[str, Any]:
        """The fields of an instance."""
        (text,) = self._db.execute("select instance from runs where fingerprint = ?", (mark,)).fetchone()
        fields: dict[str, Any] = json.loads(text)
        return fields

    def retry(self, marks: Iterable[str]) -> None:
        """Put failed instances among the waiting again."""
        with self.transaction():
            for mark in marks:
                self._db.execute(
                    "update runs set state = 'waiting', error = null, error_kind = null, attempts = 0 "
                    "where fingerprint = ? and state = 'failed'", (mark,),
                )  # fmt: skip

    def claim(self, wanted: Iterable[str], most: int) -> list[tuple[str, dict[str, Any]]]:
        """Up to `most` of the wanted instances nobody runs, marked as ours, with their fields."""
        got: list[tuple[str, dict[str, Any]]] = []
        now = time.time()
        with self.transaction():
            for mark in wanted:
                if len(got) == most:
                    break
                state, owner, lease, instance = self._db.execute(
                    "select state, owner, lease, instance from runs where fingerprint = ?", (mark,)
                ).fetchone()
                if state == "waiting" or (state == "running" and not _alive(owner, lease, now)):
                    self._db.execute(
                        "update runs set state = 'running', owner = ?, lease = ? where fingerprint = ?",
                        (self.owner, now + LEASE, mark),
                    )
                    got.append((mark, json.loads(instance)))
        return got

    def renew(self) -> None:
        """Keep our claims for another lease."""
        with self.transaction():
            self._db.execute(
                "update runs set lease = ? where state = 'running' and owner = ?", (time.time() + LEASE, self.owner)
            )

    def release(self) -> None:
        """Give back what we claimed and did not finish."""
        with self.transaction():
            self._db.execute(
                "update runs set state = 'waiting', owner = null, lease = null where state = 'running' and owner = ?",
                (self.owner,),
            )

    def finish(self, found: Iterable[Finished]) -> int:
        """Commit finished instances; how many were new. What another process finished first stays as it is."""
        kept = 0
        with self.transaction():
            for run in found:
                state = "done" if run.error_kind is None else "failed"
                kept += self._db.execute(
                    "update runs set state = ?, owner = null, lease = null, attempts = attempts + 1, finished = ?, "
                    "seconds = ?, versions = ?, status = ?, document = ?, statistics = ?, error_kind = ?, error = ?, "
                    "arrays = ?, certificate = ? where fingerprint = ? and state in ('waiting', 'running')",
                    (state, time.time(), run.seconds, _json(run.versions), run.status, run.document, run.statistics,
                     run.error_kind, run.error, run.arrays, run.certificate, run.fingerprint),
                ).rowcount  # fmt: skip
        return kept

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """The rows of a query as dictionaries."""
        cursor = self._db.execute(sql, values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def _require_usable(path: Path, create: bool) -> None:
    """Raise InputError for a path that cannot be a store."""
    if path.is_dir():
        raise fail("--store", "a file", f"{path}, which is a directory")
    if not path.exists() and not create:
        raise fail(str(path), "a store of mechopt", "no such file", "`mechopt sweep` makes one")
    if not path.parent.is_dir():
        raise fail("--store", "a file in a directory that exists", str(path))


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), default=str)


def _home() -> str:
    """Where process numbers mean something: this machine since it started, and this process namespace."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return "/".join(parts)


def _started(process: int) -> str:
    """When a process started, in the system's clock ticks; empty where the system does not say."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]  # a killed process stays as Z until its parent looks
    except (OSError, IndexError):
        return ""


def _alive(owner: str | None, lease: float | None, now: float) -> bool:
    """Whether a claim still holds."""
    if owner is None or lease is None:
        return False
    home, process, started, _ = owner.split("|")
    if home != _home() or not started:
        return now < lease
    return _started(int(process)) == started and now < lease
