"""Publishing what a crash left: journals that nobody holds become interrupted runs.

May import: core and store.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from assay.core.records import RunBundle, RunRecord
from assay.core.words import RunStatus
from assay.store.append import append_bundle, has_run
from assay.store.journal import SUFFIX, JournalContent, orphaned_journals, read_journal
from assay.store.locks import take_abandoned

UNREADABLE_SUFFIX = ".unreadable"


class Outcome(StrEnum):
    """What became of an orphaned journal."""

    PUBLISHED = "published"
    ALREADY_THERE = "already there"
    EMPTY = "empty"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class RecoveredRun:
    """One orphaned journal and what was made of it; ``status`` is that of the published run."""

    run_id: str
    outcome: Outcome
    status: RunStatus | None = None
    results: int = 0
    launches: int = 0
    unreadable_lines: int = 0
    reason: str | None = None


def recover(location: str) -> list[RecoveredRun]:
    """Publish every orphaned journal and remove it.

    A run whose journal holds no result and no launch leaves nothing to keep. A journal without a readable run or
    environment is renamed to ``*.unreadable`` and kept. Raises StoreError where the store cannot be written; the
    journals not yet dealt with stay.
    """
    found = (_recover_one(location, path) for path in orphaned_journals(location))
    return [recovered for recovered in found if recovered is not None]


def _recover_one(location: str, path: Path) -> RecoveredRun | None:
    lock = take_abandoned(path)
    if lock is None:  # another process is recovering it
        return None
    run_id = path.name.removesuffix(SUFFIX)
    keep = True
    try:
        content = read_journal(path)
        recovered = _publish(location, run_id, content, path)
        if recovered.outcome is Outcome.UNREADABLE:
            path.rename(path.with_name(path.name + UNREADABLE_SUFFIX))
        else:
            keep = False
    finally:
        if keep:
            lock.close()
        else:
            lock.remove()
    return recovered


def _publish(location: str, run_id: str, content: JournalContent, path: Path) -> RecoveredRun:
    counts = (len(content.results), len(content.launches), content.unreadable_lines)
    header = content.final or content.run
    if not (content.results or content.launches) and (header is None or content.environment is None):
        if path.stat().st_size == 0 or content.unreadable_lines <= 1:
            return RecoveredRun(run_id, Outcome.EMPTY, None, *counts, "the run ended before its first line was written")
        return RecoveredRun(run_id, Outcome.UNREADABLE, None, *counts, "no line of the journal could be read")
    if header is None or content.environment is None:
        missing = "run" if header is None else "environment"
        return RecoveredRun(run_id, Outcome.UNREADABLE, None, *counts, f"the line that describes its {missing} is lost")
    if not (content.results or content.launches or content.final):
        return RecoveredRun(run_id, Outcome.EMPTY, None, *counts, "the run ended before its first launch did")
    if has_run(location, run_id):
        return RecoveredRun(run_id, Outcome.ALREADY_THERE, None, *counts)
    run = content.final or _interrupted(header, path)
    append_bundle(
        location,
        RunBundle(run, content.environment, tuple(content.results.values()), tuple(content.launches.values())),
    )
    return RecoveredRun(run_id, Outcome.PUBLISHED, run.status, *counts)


def _interrupted(header: RunRecord, path: Path) -> RunRecord:
    """The run as it stood when its process died: its journal was last written then."""
    last_written = header.started_at
    with contextlib.suppress(OSError):
        last_written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return replace(header, status=RunStatus.INTERRUPTED, finished_at=max(last_written, header.started_at))
