"""The first reading of a file: to its end, keeping what judging and writing need, and its rows where they are few.

May import: core, importers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import perf_counter_ns

from assay.core.errors import AssayError
from assay.importers.base import Facts, ImportedRow, Importer, ImportFileError, Item, Note, Refusal
from assay.importers.checks import DevicePairs, find_fault, fingerprint
from assay.importers.compose import FileIdentity, cut, hashed_uuid, merge_facts
from assay.importers.detect import Detection, describe_error
from assay.importers.report import FileReport, Outcome
from assay.importers.source import Source

SHOWN_REFUSALS = 10
SAY_EVERY_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Checked:
    """A row that can be kept, and its fingerprint."""

    row: ImportedRow
    fingerprint: str | None


@dataclass(frozen=True, slots=True)
class Survey:
    """What one reading of a file told. ``held`` are its rows and refusals, or None where it must be read again."""

    source: Source
    importer: Importer
    identity: FileIdentity
    named: bool
    taken: int
    refused: int
    notes: tuple[str, ...]
    first_refusals: tuple[Refusal, ...]
    fingerprints: frozenset[str]
    held: tuple[Checked | Refusal, ...] | None
    stamp: tuple[int, int]
    began_at: datetime
    reading_ns: int

    @property
    def nothing_taken(self) -> FileReport | None:
        """The report on a file whose every row was refused, which is not written; else None."""
        if self.taken or not self.refused:
            return None
        return replace(
            self.report(Outcome.REFUSED), reason=f"None of its {self.refused} rows could be taken.", run_id=None
        )

    def report(self, outcome: Outcome) -> FileReport:
        """Return what is known of the file before it is written."""
        return FileReport(
            name=self.source.name,
            outcome=outcome,
            named=self.named,
            format=self.importer.name,
            sha256=self.identity.sha256,
            import_id=self.identity.import_id,
            run_id=self.identity.run_id,
            rows_seen=self.taken + self.refused,
            rows_refused=self.refused,
            notes=self.notes,
            refusals=self.first_refusals,
            wall_ns=self.reading_ns,
        )


def survey_file(  # noqa: PLR0913  (what a reading needs to know, by keyword)
    source: Source,
    detection: Detection,
    import_id: str,
    *,
    number: int,
    named: bool,
    pairs: DevicePairs,
    may_hold: tuple[int, int],
    on_rows: Callable[[int], None],
    began_ns: int,
) -> Survey:
    """Read a file to its end. ``may_hold`` says how many rows, of a file of how many bytes, may be kept.

    Raises ImportFileError where it breaks, on whatever row.
    """
    began_at, before = datetime.now(UTC), stamp_of(source)
    heap = _Heap(most_rows=may_hold[0] if source.size_bytes <= may_hold[1] else -1)
    for item in read_checked(source, detection.importer):
        if isinstance(item, Checked):
            pairs.add(number, item.row)
        if heap.take(item) % SAY_EVERY_ROWS == 0:
            on_rows(heap.taken + heap.refused)
    refuse_changed(source, before)
    values, hardware = merge_facts(heap.facts)
    return Survey(
        source=replace(source),  # a copy has nothing of the file in its caches
        importer=detection.importer,
        identity=FileIdentity(
            source=source.name,
            format=detection.importer.name,
            sha256=source.sha256,
            size_bytes=source.size_bytes,
            import_id=import_id,
            run_id=hashed_uuid(import_id, "run"),
            facts=values,
            hardware=hardware,
        ),
        named=named,
        taken=heap.taken,
        refused=heap.refused,
        notes=(*detection.complaints, *heap.notes),
        first_refusals=tuple(heap.first_refusals),
        fingerprints=frozenset(heap.fingerprints),
        held=None if heap.held is None else tuple(heap.held),
        stamp=before,
        began_at=began_at,
        reading_ns=perf_counter_ns() - began_ns,
    )


class _Heap:
    """What is kept of one reading."""

    def __init__(self, *, most_rows: int) -> None:
        self._most_rows = most_rows
        self.taken = self.refused = 0
        self.held: list[Checked | Refusal] | None = []
        self.facts: list[Facts] = []
        self.notes: list[str] = []
        self.first_refusals: list[Refusal] = []
        self.fingerprints: set[str] = set()

    def take(self, item: Checked | Refusal | Note | Facts) -> int:
        """Take in one thing, and return how many rows there were so far."""
        match item:
            case Checked(_, text):
                self.taken += 1
                self._hold(item)
                if text is not None:
                    self.fingerprints.add(text)
            case Refusal():
                self.refused += 1
                self._hold(item)
                if len(self.first_refusals) < SHOWN_REFUSALS:
                    self.first_refusals.append(item)
            case Note(text):
                self.notes.append(text)
            case Facts():
                self.facts.append(item)
        return self.taken + self.refused

    def _hold(self, item: Checked | Refusal) -> None:
        if self.held is not None:
            self.held.append(item)
            if len(self.held) > self._most_rows:
                self.held = None


def read_checked(source: Source, importer: Importer) -> Iterator[Checked | Refusal | Note | Facts]:
    """Give what a file holds, impossible rows as refusals. Raises ImportFileError, whatever broke."""
    for item in _read_guarded(source, importer):
        if not isinstance(item, ImportedRow):
            yield replace(item, raw=cut(item.raw)) if isinstance(item, Refusal) else item
            continue
        fault = find_fault(item)
        if fault is None:
            yield Checked(item, fingerprint(item))
        else:
            end = "" if fault.endswith("?") else "."
            yield Refusal(item.place, f"{fault[0].upper()}{fault[1:]}{end}", cut(str(dict(item.fields))))


def stamp_of(source: Source) -> tuple[int, int]:
    """Size and time of last change: another stamp is another content."""
    found = source.path.stat()
    return found.st_size, found.st_mtime_ns


def refuse_changed(source: Source, before: tuple[int, int]) -> None:
    """Raise ImportFileError where a file is no longer what it was."""
    if stamp_of(source) != before:
        raise ImportFileError(f"{source.name} changed while it was read.", hint="Import it when it is complete.")


def _read_guarded(source: Source, importer: Importer) -> Iterator[Item]:
    try:
        yield from importer.read(source)
    except (AssayError, OSError):
        raise
    except Exception as error:
        raise ImportFileError(
            f"{source.name} could not be read: the importer {importer.name!r} broke on it ({describe_error(error)}).",
            hint="This is a fault of the importer, not of the file; please report it with the file.",
        ) from error
