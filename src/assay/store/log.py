"""The files of a Delta table's newest snapshot, read from its transaction log alone.

A reader needs nothing but their names, and importing deltalake takes as long as the rest of a listing. Only the plain
case is read here: commits as JSON from version 0 on, reader version 1 (https://github.com/delta-io/delta/blob/master/
PROTOCOL.md). Whatever else a log may hold (checkpoints, newer features, damage) is left to deltalake. May import: the
standard library.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

_DIGITS = 20
_READER_VERSION = 1
_WITHOUT_FILES = frozenset({"metaData", "commitInfo", "txn", "cdc", "domainMetadata"})


def read_log(table: Path) -> list[str] | None:
    """Return the paths of the files that make up the table, or None where that takes more than this module knows.

    The list of commits is read once, so that it is one snapshot however many commits follow meanwhile; a commit is
    renamed into place whole.
    """
    log = table / "_delta_log"
    try:
        names = sorted(entry.name for entry in log.iterdir())
        if not _is_plain(names):
            return None
        live: dict[str, None] = {}
        for name in names:
            if name.endswith(".json"):
                for line in (log / name).read_text(encoding="utf-8").splitlines():
                    _apply(json.loads(line), live)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return [str(table / path) for path in live]


def _is_plain(names: list[str]) -> bool:
    """True for commits 0, 1, 2 ... and nothing that would stand for some of them."""
    commits = [name for name in names if name.endswith(".json")]
    if not commits or "_last_checkpoint" in names or any("checkpoint" in name for name in names):
        return False
    return commits == [f"{version:0{_DIGITS}}.json" for version in range(len(commits))]


def _apply(action: dict[str, Any], live: dict[str, None]) -> None:
    """Follow one action of a commit. Raises ValueError for what is not plain."""
    if "add" in action:
        added = action["add"]
        if added.get("deletionVector") or added.get("partitionValues"):
            raise ValueError("rows of this file are hidden, or its columns are elsewhere")
        live[_path_of(added)] = None
    elif "remove" in action:
        live.pop(_path_of(action["remove"]), None)
    elif "protocol" in action:
        if action["protocol"]["minReaderVersion"] > _READER_VERSION:
            raise ValueError("a newer protocol")
    elif not _WITHOUT_FILES & action.keys():
        raise ValueError("an action that is not known here")


def _path_of(action: dict[str, Any]) -> str:
    path: str = action["path"]
    if "://" in path or path.startswith("/"):
        raise ValueError("a file outside the table")
    return unquote(path)
