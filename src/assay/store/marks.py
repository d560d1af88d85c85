"""Who is writing: the marks by which ``check`` and ``repair`` tell a running attempt from one that died.

Each attempt holds a locked file on its machine while it lasts, and the operating system lets go of it when the process
dies. Object storage has no locks, so there an attempt also keeps an object ``writing/<write id>``, which says to other
machines that it goes on. They can only go by its age: a mark that was not renewed for a day is taken for dead, and a
writer that could not renew its own for half a day gives up. May import: core and store.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from assay.core.errors import StoreError
from assay.store.address import delete_object, is_remote, list_objects, write_object
from assay.store.location import WRITING
from assay.store.locks import FileLock, create_locked, is_held
from assay.store.spool import ensure_state_folder, state_folder

DEAD_AFTER = timedelta(days=1)
"""A mark on object storage whose machine cannot be asked counts as dead once it is older than this."""

RENEW_AFTER_S = 3600.0
GIVE_UP_AFTER_S = 12 * 3600.0


class WritingMark:
    """The mark of one attempt of this process."""

    def __init__(self, location: str, lock: FileLock) -> None:
        self._location = location
        self._lock = lock
        self._renewed_at = time.time()

    @classmethod
    def begin(cls, location: str, write_id: str) -> Self:
        """Make the mark, before a row is written. Raises StoreError."""
        mark = cls(location, create_locked(ensure_state_folder(location) / WRITING / write_id))
        if is_remote(location):
            try:
                mark._put()
            except StoreError:
                mark._lock.remove()
                raise
        return mark

    def renew(self) -> None:
        """Say that the attempt goes on. Raises StoreError where others may by now have taken it for dead."""
        if not is_remote(self._location):
            return
        silent_s = time.time() - self._renewed_at  # the wall clock, which goes on while a machine sleeps
        if silent_s > GIVE_UP_AFTER_S:
            raise StoreError(
                f"The attempt to write to {self._location} stood still for {silent_s / 3600:.0f} hours; others may "
                "have removed what it had written.",
                hint="Nothing of it is visible. Publish it again with `assay store recover`.",
            )
        if silent_s > RENEW_AFTER_S:
            self._put()

    def remove(self) -> None:
        """Take the mark away. Where the server does not answer, the local file stays and says that it is dead."""
        if is_remote(self._location):
            try:
                delete_object(self._location, _object_name(self._lock.path.name))
            except StoreError:
                self._lock.close()
                return
        self._lock.remove()

    def _put(self) -> None:
        said = {"host": platform.node(), "pid": os.getpid(), "renewed_at": datetime.now(UTC).isoformat()}
        write_object(self._location, _object_name(self._lock.path.name), json.dumps(said).encode())
        self._renewed_at = time.time()


def living_writers(location: str) -> set[str]:
    """Return the write ids of attempts that go on, or that may for all this machine can know. Raises StoreError."""
    return {write_id for write_id, lives in _marks(location).items() if lives}


def dead_writers(location: str) -> list[str]:
    """Return the write ids whose mark was left behind. Raises StoreError."""
    return sorted(write_id for write_id, lives in _marks(location).items() if not lives)


def remove_mark(location: str, write_id: str) -> None:
    """Remove a mark that was left behind. Raises OSError or StoreError."""
    if is_remote(location):
        delete_object(location, _object_name(write_id))
    path = state_folder(location) / WRITING / write_id
    path.unlink(missing_ok=True)
    path.with_name(f"{write_id}.pid").unlink(missing_ok=True)


def _marks(location: str) -> dict[str, bool]:
    """Each mark, and whether its writer lives."""
    marks = {}
    if is_remote(location):
        oldest = datetime.now(UTC) - DEAD_AFTER
        marks = {
            one.name.removeprefix(f"{WRITING}/"): one.modified_at > oldest for one in list_objects(location, WRITING)
        }
    folder = state_folder(location) / WRITING
    for path in _local_marks(folder):  # what this machine knows is certain
        marks[path.name] = is_held(path)
    return marks


def _local_marks(folder: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return [path for path in sorted(folder.iterdir()) if not path.name.startswith(".") and path.suffix != ".pid"]
    return []


def _object_name(write_id: str) -> str:
    return f"{WRITING}/{write_id}"
