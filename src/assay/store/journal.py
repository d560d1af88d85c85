"""The journal of a run: an append-only file, so that a crash costs the launch it hit and no more.

It lies in a store that is a folder, and for object storage in a folder of this machine (see ``spool``). One JSON object
a line, ``{"kind": ..., "payload": {...}}``, each handed to the operating system in one write: after ``kill -9`` the
page cache still holds it. The first line and the last are synced to the disk as well. While the run lives the file is
locked; a journal that nobody holds is an orphan, and ``recover`` publishes it. May import: core and store.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from assay.core.errors import StoreError
from assay.core.records import EnvironmentRecord, LaunchRecord, ResultRecord, RunRecord
from assay.store.address import reason_of
from assay.store.codec import KINDS, Record, record_from_json, record_to_json
from assay.store.location import JOURNALS
from assay.store.locks import FileLock, create_locked, is_held
from assay.store.rows import to_json
from assay.store.spool import ensure_state_folder, state_folder

SUFFIX = ".jsonl"
FINAL = "final"


class Journal:
    """The open journal of one run. Use as a context manager, or call :meth:`close`."""

    def __init__(self, run_id: str, lock: FileLock) -> None:
        self.run_id = run_id
        self._lock = lock
        self._size = 0
        self._headed = False

    @classmethod
    def begin(cls, location: str, run_id: str) -> Self:
        """Create and lock the journal of a new run. Raises StoreError."""
        ensure_state_folder(location)
        return cls(run_id, create_locked(journal_path(location, run_id)))

    @property
    def path(self) -> Path:
        """The file."""
        return self._lock.path

    def write(self, kind: str, payload: Mapping[str, Any]) -> None:
        """Append one line. ``kind`` is ``run``, ``environment``, ``launch``, ``result``, or a word of your own.

        Raises StoreError, after taking back a half-written line, where the disk is full or refuses.
        """
        line = (to_json({"kind": kind, "payload": payload}) + "\n").encode()
        try:
            written = os.write(self._lock.descriptor, line)
            while written < len(line):
                written += os.write(self._lock.descriptor, line[written:])
            if not self._headed or kind == FINAL:
                os.fsync(self._lock.descriptor)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._lock.descriptor, self._size)
            raise StoreError(
                f"The journal {self.path} could not be written: {reason_of(error)}.",
                hint="What it holds is safe; free some space, then run `assay store recover`.",
            ) from error
        self._headed = True
        self._size += len(line)

    def record(self, record: Record) -> None:
        """Append a record under its own kind."""
        self.write(KINDS[type(record)], record_to_json(record))

    def close(self) -> None:
        """Let go of the file and leave it: from now on it is an orphan."""
        self._lock.close()

    def remove(self) -> None:
        """Delete the file, whose run is in the store."""
        self._lock.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(slots=True)
class JournalContent:
    """What a journal says: the latest of every record, in the order first written."""

    run: RunRecord | None = None
    final: RunRecord | None = None
    environment: EnvironmentRecord | None = None
    results: dict[str, ResultRecord] = field(default_factory=dict)
    launches: dict[str, LaunchRecord] = field(default_factory=dict)
    unreadable_lines: int = 0


def journal_path(location: str, run_id: str) -> Path:
    """Return where the journal of a run is kept while the run goes."""
    return state_folder(location) / JOURNALS / f"{run_id}{SUFFIX}"


def orphaned_journals(location: str) -> list[Path]:
    """Return the journals whose process is gone, oldest first."""
    folder = state_folder(location) / JOURNALS
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.glob(f"*{SUFFIX}")) if not path.name.startswith(".") and not is_held(path)]


def read_journal(path: Path) -> JournalContent:
    """Read a journal up to wherever its writer was killed; a torn line counts as unreadable and is passed over."""
    content = JournalContent()
    try:
        with path.open("rb") as lines:
            for line in lines:
                if not _take_line(content, line):
                    content.unreadable_lines += 1
    except OSError as error:
        raise StoreError(f"The journal {path} could not be read: {reason_of(error)}.") from error
    return content


def _take_line(content: JournalContent, line: bytes) -> bool:
    try:
        entry = json.loads(line)
        kind, payload = entry["kind"], entry["payload"]
        if kind not in {*KINDS.values(), FINAL}:
            return True  # a word of the writer's own
        _keep(content, kind, record_from_json("run" if kind == FINAL else kind, payload))
    except (ValueError, KeyError, TypeError, RecursionError, StoreError):
        return False
    return True


def _keep(content: JournalContent, kind: str, record: Record) -> None:
    match record:
        case RunRecord() if kind == FINAL:
            content.final = record
        case RunRecord():
            content.run = record
        case EnvironmentRecord():
            content.environment = record
        case ResultRecord():
            content.results[record.result_id] = record
        case LaunchRecord():
            content.launches[record.launch_id] = record
