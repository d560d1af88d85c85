"""Locks that die with their process, so that "is someone still writing this?" has an answer after kill -9.

``flock`` where the platform and file system have it; elsewhere a file with the process id, which is only a good
guess (ids are reused). May import: core; psutil inside a function.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from assay.core.errors import StoreError
from assay.store.address import reason_of


def _load_fcntl() -> Any | None:
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    return fcntl


_FCNTL = _load_fcntl()


class FileLock:
    """An exclusive lock on an open file. Closing it, or dying, lets go."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self.descriptor = descriptor
        self.path = path

    def close(self) -> None:
        """Let go; the file stays."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
            _pid_file(self.path).unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the file, while still holding it where the platform can delete an open file."""
        if _FCNTL is None:
            self.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
        self.close()


def create_locked(path: Path) -> FileLock:
    """Create a file that is locked from the first moment anyone can see it. Raises StoreError."""
    # Locked under another name and then renamed: a lock follows the file, not its name. Without flock there is no
    # moment to hide, as the process id is written first (and Windows cannot rename an open file).
    draft = path if _FCNTL is None else path.with_name(f".{path.name}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise StoreError(f"{path} exists already; its name should be new.")
        if _FCNTL is None:
            _write_pid(path)
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND, 0o644)
        if _flock(descriptor) is None and _FCNTL is not None:
            _write_pid(path)
        if draft != path:
            draft.rename(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise StoreError(f"{path} could not be created: {reason_of(error)}.") from error
    return FileLock(descriptor, path)


def take_abandoned(path: Path) -> FileLock | None:
    """Lock a file whose writer is gone; None where it is alive, or the file was removed meanwhile."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
    except FileNotFoundError:
        return None
    if not _is_free(descriptor, path) or os.fstat(descriptor).st_nlink == 0:
        os.close(descriptor)
        return None
    return FileLock(descriptor, path)


def is_held(path: Path) -> bool:
    """True where a living process holds the file. Changes nothing, so it works on a read-only medium."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _is_free(descriptor, path, shared=True)
    finally:
        os.close(descriptor)


def _flock(descriptor: int, *, shared: bool = False) -> bool | None:
    """Try to lock: True where that worked, False where another holds it, None where there are no such locks here."""
    if _FCNTL is None:
        return None
    try:
        _FCNTL.flock(descriptor, (_FCNTL.LOCK_SH if shared else _FCNTL.LOCK_EX) | _FCNTL.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a network file system without locks
        return None
    return True


def _is_free(descriptor: int, path: Path, *, shared: bool = False) -> bool:
    locked = _flock(descriptor, shared=shared)
    return not _pid_lives(path) if locked is None else locked


def _pid_lives(path: Path) -> bool:
    try:
        pid = int(_pid_file(path).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return False
    import psutil

    return psutil.pid_exists(pid)


def _write_pid(path: Path) -> None:
    _pid_file(path).write_text(str(os.getpid()), encoding="ascii")


def _pid_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.pid")
