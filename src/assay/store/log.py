"""The files of a Delta table's newest snapshot, and what changed since an earlier one, from its transaction log alone.

A reader needs nothing but their names, and importing deltalake takes as long as the rest of a listing. Only the plain
case is read here: commits as JSON, reader version 1 (https://github.com/delta-io/delta/blob/master/PROTOCOL.md). A
snapshot needs every commit from version 0 on; what changed needs those since. Whatever else a log may hold (newer
features, damage, commits that only a checkpoint still knows) is left to deltalake.

What was read is kept for as long as the process lives, so that a second reading opens only commits that are new. May
import: the standard library.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

MAX_COMMITS = 5_000
"""Where more would have to be read, deltalake is faster, which begins at a checkpoint."""

_DIGITS = 20
_READER_VERSION = 1
_WITHOUT_FILES = frozenset({"metaData", "commitInfo", "txn", "cdc", "domainMetadata"})


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file of a snapshot: its path, its bytes, and its statistics as the JSON text that the log has."""

    path: str
    size_bytes: int
    stats: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of a table at one version, in the order they were added."""

    version: int
    files: tuple[LogFile, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to a table between two versions.

    ``files`` hold every row that was added since, and where a rewriting put new rows beside old ones, those too;
    ``rows`` counts them. ``rows_removed`` says that rows were taken out or changed.
    """

    version: int
    files: tuple[str, ...]
    rows: int
    rows_removed: bool


@dataclass(slots=True)
class _Known:
    """What this process has read of one log: up to a version, whose commit looked like this."""

    version: int
    identity: tuple[int, ...]
    files: dict[str, LogFile]


_KNOWN: dict[str, _Known] = {}
_LOCK = threading.Lock()


def read_log(table: Path) -> list[str] | None:
    """Return the paths of the files that make up the table, or None where that takes more than this module knows."""
    found = read_snapshot(table)
    return None if found is None else [file.path for file in found.files]


def read_snapshot(table: Path) -> Snapshot | None:
    """Return the newest snapshot, or None where that takes more than this module knows.

    The list of commits is read once, so that it is one snapshot however many commits follow meanwhile; a commit is
    renamed into place whole.
    """
    log = table / "_delta_log"
    try:
        commits = _commits(log)
        if not commits or commits[0] != 0 or not _is_gapless(commits):
            return None
        with _LOCK:
            known = _KNOWN.get(str(table))
            if known is None or known.version > commits[-1] or _identity(log, known.version) != known.identity:
                known = _Known(-1, (), {})
            if commits[-1] - known.version > MAX_COMMITS:
                return None
            files = dict(known.files)
            for version in range(known.version + 1, commits[-1] + 1):
                for action in _actions(log, version):
                    _apply(action, table, files)
            _KNOWN[str(table)] = _Known(commits[-1], _identity(log, commits[-1]), files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Snapshot(commits[-1], tuple(files.values()))


def read_changes(table: Path, since_version: int) -> Changes | None:
    """Return what changed after a version (-1: before the first), or None where the log no longer says so."""
    log = table / "_delta_log"
    try:
        commits = [version for version in _commits(log) if version > since_version]
        if not commits:
            return Changes(since_version, (), 0, rows_removed=False) if _has(log, since_version) else None
        if commits[0] != since_version + 1 or not _is_gapless(commits) or len(commits) > MAX_COMMITS:
            return None
        files: dict[str, LogFile] = {}
        removed = False
        for version in commits:
            removed |= _follow(_actions(log, version), table, files)
        rows = sum(json.loads(file.stats or "{}").get("numRecords", 0) for file in files.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Changes(commits[-1], tuple(files), rows, rows_removed=removed)


def added_files(table: Path, since_version: int) -> list[str] | None:
    """Return files that hold every row added after a version, or None where only reading everything will do.

    A file may also hold older rows, where a compaction put both together.
    """
    found = read_changes(table, since_version)
    return None if found is None or found.rows_removed else list(found.files)


def newest_version(table: Path) -> int:
    """Return the newest version of a table; -1 where there is none."""
    try:
        return max(_commits(table / "_delta_log"), default=-1)
    except OSError:
        return -1


def commit_identity(table: Path, version: int) -> tuple[int, ...] | None:
    """Return what tells a commit from another of the same number, should the table have been made anew; None: gone."""
    try:
        return _identity(table / "_delta_log", version)
    except OSError:
        return None


def _follow(actions: Sequence[dict[str, Any]], table: Path, files: dict[str, LogFile]) -> bool:
    """Follow one commit of :func:`read_changes`; True where it changed or removed rows."""
    gone = [_path_of(action["remove"], table) for action in actions if "remove" in action]
    # A rewriting (no change of data) is of interest only where it took in a file that is new since.
    rewrites_new = any(path in files for path in gone)
    for path in gone:
        files.pop(path, None)
    for action in actions:
        if "add" in action and not (action["add"].get("dataChange", True) or rewrites_new):
            _path_of(action["add"], table)  # read all the same, for what is not plain
        elif "remove" not in action:
            _apply(action, table, files)
    return any(action["remove"].get("dataChange", True) for action in actions if "remove" in action)


def _commits(log: Path) -> list[int]:
    return sorted(
        int(entry.name[:_DIGITS])
        for entry in os.scandir(log)
        if entry.name.endswith(".json") and len(entry.name) == _DIGITS + 5 and entry.name[:_DIGITS].isdigit()
    )


def _is_gapless(commits: list[int]) -> bool:
    return commits[-1] - commits[0] + 1 == len(commits)


def _commit_file(log: Path, version: int) -> Path:
    return log / f"{version:0{_DIGITS}}.json"


def _has(log: Path, version: int) -> bool:
    return version < 0 or _commit_file(log, version).exists()


def _identity(log: Path, version: int) -> tuple[int, ...]:
    if version < 0:
        return ()
    status = _commit_file(log, version).stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _actions(log: Path, version: int) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _commit_file(log, version).read_text(encoding="utf-8").splitlines()]


def _apply(action: dict[str, Any], table: Path, live: dict[str, LogFile]) -> None:
    """Follow one action of a commit. Raises ValueError for what is not plain."""
    if "add" in action:
        added = action["add"]
        if added.get("deletionVector") or added.get("partitionValues"):
            raise ValueError("rows of this file are hidden, or its columns are elsewhere")
        path = _path_of(added, table)
        live[path] = LogFile(path, added["size"], added.get("stats"))
    elif "remove" in action:
        live.pop(_path_of(action["remove"], table), None)
    elif "protocol" in action:
        if action["protocol"]["minReaderVersion"] > _READER_VERSION:
            raise ValueError("a newer protocol")
    elif not _WITHOUT_FILES & action.keys():
        raise ValueError("an action that is not known here")


def _path_of(action: dict[str, Any], table: Path) -> str:
    path: str = action["path"]
    if "://" in path or path.startswith("/"):
        raise ValueError("a file outside the table")
    return str(table / unquote(path))
