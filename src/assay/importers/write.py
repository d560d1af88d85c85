"""The second step: mark the rows of a file by what was found over all files, and write them in pieces.

May import: core, store, importers.
"""

from __future__ import annotations

import collections
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import perf_counter_ns
from typing import Any

from assay.core.errors import AssayError, StoreError
from assay.core.records import SCHEMA_VERSION, ResultRecord
from assay.core.words import Mark, Provenance, Status
from assay.importers.base import ImportedRow, ImportFileError, Refusal
from assay.importers.checks import Fallback
from assay.importers.collect import as_file_error
from assay.importers.compose import (
    FileIdentity,
    environment_record,
    import_record,
    launch_record,
    refusal_record,
    result_record,
    run_record,
)
from assay.importers.read import SAY_EVERY_ROWS, Checked, Survey, read_checked, refuse_changed
from assay.importers.report import FileReport, Outcome, Tally
from assay.store import schema
from assay.store.append import Attempt, append_environment
from assay.store.imports import Whereabouts, published_attempts
from assay.store.rows import import_row, launch_row, refusal_row, result_row, sample_rows

PIECE_ROWS = 20_000
PIECE_READINGS = 5_000_000
Row = dict[str, Any]
_Judged = Refusal | tuple[ImportedRow, ResultRecord]


@dataclass(slots=True)
class Judgement:
    """What is known over all files: suspected fallbacks, and where each measurement was seen first."""

    fallbacks: list[Fallback]
    elsewhere: Mapping[str, Whereabouts]
    seen: dict[str, tuple[str, str]] = field(default_factory=dict)

    def mark(self, checked: Checked, file: int, source: str) -> ImportedRow:
        """Return the row with what it is to be marked with; what its importer said stays."""
        row, text = checked.row, checked.fingerprint
        marks: dict[Mark, str] = {}
        if text is not None:
            stored, earlier = self.elsewhere.get(text), self.seen.get(text)
            if stored is not None:
                marks[Mark.REPEATED] = f"also in {stored.source}, {stored.place}"
            elif earlier is not None:
                marks[Mark.REPEATED] = f"also in {earlier[0]}, {earlier[1]}"
            else:
                self.seen[text] = (source, row.place)
        for one in self.fallbacks:
            if row.status is Status.OK and row.case.device == one.device and file in one.files:
                marks[Mark.FALLBACK] = one.text
        return replace(row, marks={**marks, **row.marks}) if marks else row


@dataclass(slots=True)
class Destination:
    """The store that is written, the environments that this import put there, and its attempts by run."""

    location: str
    environments: set[str] = field(default_factory=set)
    attempts: dict[str, str] = field(default_factory=dict)

    def settle(self, reports: Iterable[FileReport]) -> list[FileReport]:
        """Correct the reports on files of which another process's attempt counts: nothing of ours is visible."""
        counting = published_attempts(self.location, self.attempts) if self.attempts else {}
        settled = []
        for one in reports:
            own = self.attempts.get(one.run_id or "")
            if one.outcome is Outcome.TAKEN and own is not None and counting.get(one.run_id or "") != own:
                reason = "another process imported it at the same time"
                settled.append(replace(one, outcome=Outcome.ALREADY_THERE, reason=reason, rows_taken=0, tally=Tally()))
            else:
                settled.append(one)
        return settled


def write_file(
    survey: Survey,
    number: int,
    judgement: Judgement,
    destination: Destination | None,
    *,
    on_rows: Callable[[int], None],
) -> FileReport:
    """Write one file, all of it or nothing; without a destination, only count. Raises StoreError."""
    began_ns = perf_counter_ns()
    report = survey.report(Outcome.WOULD_BE_TAKEN if destination is None else Outcome.TAKEN)
    counts = _Counts(on_rows)
    items = counts.watch(_judged(survey, number, judgement))
    try:
        if destination is None:
            collections.deque(items, maxlen=0)
        else:
            destination.attempts[survey.identity.run_id] = _write(survey, items, destination)
    except StoreError:
        raise
    except (AssayError, OSError) as error:
        failed = as_file_error(report.name, error)
        return replace(report, outcome=Outcome.REFUSED, reason=failed.message, hint=failed.hint, run_id=None)
    return replace(
        report,
        rows_taken=survey.taken,
        tally=counts.tally(),
        wall_ns=report.wall_ns + perf_counter_ns() - began_ns,
    )


def _write(survey: Survey, items: Iterable[_Judged], destination: Destination) -> str:
    file = survey.identity
    environment = environment_record(file, survey.began_at)
    with Attempt(destination.location) as attempt:
        if environment.env_id not in destination.environments:
            append_environment(destination.location, environment, SCHEMA_VERSION)
            destination.environments.add(environment.env_id)
        for piece in _pieces(file, items):
            for table, rows in piece.items():
                attempt.add(table, rows)
        refuse_changed(survey.source, survey.stamp)
        imported = import_record(
            file, taken=survey.taken, refused=survey.refused, notes=survey.notes, imported_at=survey.began_at
        )
        attempt.add(schema.IMPORTS, [import_row(imported)])
        now = max(survey.began_at, datetime.now(UTC))  # a clock may be set back
        attempt.commit(run_record(file, environment.env_id, survey.taken, started_at=survey.began_at, finished_at=now))
    return attempt.write_id


def _judged(survey: Survey, number: int, judgement: Judgement) -> Iterator[_Judged]:
    """Give the rows again, marked, and the refusals among them. Raises ImportFileError where the file changed."""
    again: Iterable[Any] = survey.held if survey.held is not None else read_checked(survey.source, survey.importer)
    taken = 0
    for item in again:
        if isinstance(item, Refusal):
            yield item
        elif isinstance(item, Checked):
            row = judgement.mark(item, number, survey.identity.source)
            yield row, result_record(survey.identity, taken, row, item.fingerprint)
            taken += 1
    if taken != survey.taken:
        raise ImportFileError(f"{survey.source.name} had {survey.taken} rows at first, and then {taken}.")


def _pieces(file: FileIdentity, items: Iterable[_Judged]) -> Iterator[dict[str, list[Row]]]:
    """Give rows of tables, so many at a time that they fit in memory."""
    piece, readings, taken = _new_piece(), 0, 0
    for item in items:
        if isinstance(item, Refusal):
            piece[schema.REFUSALS].append(refusal_row(refusal_record(file, item)))
        else:
            row, result = item
            piece[schema.RESULTS].append(result_row(result))
            if row.samples:
                launch = launch_record(file, taken, result, row)
                piece[schema.LAUNCHES].append(launch_row(launch))
                piece[schema.SAMPLES] += sample_rows(launch)
                readings += sum(len(series.values) for series in row.samples)
            taken += 1
        if sum(map(len, piece.values())) >= PIECE_ROWS or readings >= PIECE_READINGS:
            yield piece
            piece, readings = _new_piece(), 0
    yield piece


def _new_piece() -> dict[str, list[Row]]:
    return {table: [] for table in (schema.RESULTS, schema.LAUNCHES, schema.SAMPLES, schema.REFUSALS)}


class _Counts:
    """Counts rows as they go by, and says how many now and then."""

    def __init__(self, on_rows: Callable[[int], None]) -> None:
        self._on_rows = on_rows
        self._statuses: Counter[Status] = Counter()
        self._marks: Counter[Mark] = Counter()
        self._provenances: Counter[Provenance] = Counter()
        self._simulated = self._usable = self._readings = 0

    def watch(self, items: Iterable[_Judged]) -> Iterator[_Judged]:
        """Pass everything on."""
        for number, item in enumerate(items, start=1):
            if not isinstance(item, Refusal):
                row, result = item
                self._statuses[result.status] += 1
                self._marks.update(list(result.marks))  # of a mapping, the values would be added
                self._provenances[result.provenance] += 1
                self._simulated += bool(result.simulated)
                self._usable += result.is_usable
                self._readings += sum(len(series.values) for series in row.samples)
            if number % SAY_EVERY_ROWS == 0:
                self._on_rows(number)
            yield item

    def tally(self) -> Tally:
        """Return what went by."""
        return Tally(
            dict(self._statuses),
            dict(self._marks),
            dict(self._provenances),
            self._simulated,
            self._usable,
            self._readings,
        )
