"""Files into the store: find them, recognise them, read them, judge their rows together, write each file whole.

Every file is read to its end before a row of any is written, so that a broken one leaves nothing, and so that rows
can be judged by those of other files. Small files keep their rows in between; a large one is read a second time. Each
becomes one run, which is visible whole or not at all (see ``store.append``). May import: core, store, importers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter_ns

from assay.core.errors import AssayError, UsageError
from assay.core.registry import Registry
from assay.importers.base import Importer
from assay.importers.base import importers as all_importers
from assay.importers.checks import DevicePairs
from assay.importers.collect import Broken, Collector, Found, as_file_error, check_targets
from assay.importers.compose import import_id
from assay.importers.detect import UnrecognisedError, detect
from assay.importers.read import Survey, survey_file
from assay.importers.report import FileReport, ImportReport, Outcome
from assay.importers.source import Limits, Source
from assay.importers.write import Destination, Judgement, write_file
from assay.store import Store
from assay.store.imports import known_fingerprints, known_imports

HELD_ROWS = 20_000
HELD_BYTES = 64 * 1024 * 1024
"""Rows kept between reading and writing, and the size of the files they are from. Beyond it, files are read twice."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an import is: ``stage`` is ``reading`` or ``writing``, ``rows`` how many of this file are behind it."""

    stage: str
    name: str
    rows: int


Listener = Callable[[Progress], None]


def import_paths(  # noqa: PLR0913  (each is something that people ask for)
    store: Store | None,
    targets: Sequence[str | Path],
    *,
    format: str | None = None,  # noqa: A002  (the word that people type)
    mapping: str | Path | None = None,
    dry_run: bool = False,
    limits: Limits | None = None,
    progress: Listener = lambda _progress: None,
    importers: Registry[Importer] = all_importers,
    names: Mapping[str, str] | None = None,
) -> ImportReport:
    """Import files, folders, archives and addresses; what is there already is not added again.

    ``format`` says what every file is, instead of its content. ``mapping`` is the file that says what columns mean.
    With ``dry_run`` nothing is written, and the store may be None, as if it were empty. Raises UsageError for a path,
    a format or a mapping that is not there, and StoreError where the store cannot be written; a file that cannot be
    read is in the report. ``names`` calls targets by other names than their paths, in the store too.
    """
    if store is None and not dry_run:
        raise UsageError("No store was given; expected one, unless it is a dry run.")
    if format is not None:
        importers.get(format)
    if mapping is not None:
        check_targets([str(mapping)])
        from assay.importers.tables.mapping import load_mapping

        load_mapping(Path(mapping))  # a wrong mapping is the request's fault, and no file's
    asked = [str(target) for target in targets]
    check_targets(asked)
    if store is not None and not dry_run:
        store.check_writable()
    began = perf_counter_ns()
    with tempfile.TemporaryDirectory(prefix="assay-import-") as workspace:
        session = _Session(
            store=store,
            collector=Collector(Path(workspace), limits or Limits()),
            format=format,
            mapping=None if mapping is None else Path(mapping),
            limits=limits or Limits(),
            progress=progress,
            importers=importers,
            names=names or {},
        )
        session.read(asked)
        files = session.write(dry_run=dry_run)
    return ImportReport(tuple(files), perf_counter_ns() - began)


@dataclass(slots=True)
class _Session:
    """One import: what was found of each file, in order, first as read and then as written."""

    store: Store | None
    collector: Collector
    format: str | None
    mapping: Path | None
    limits: Limits
    progress: Listener
    importers: Registry[Importer]
    files: list[FileReport | Survey] = field(default_factory=list)
    pairs: DevicePairs = field(default_factory=DevicePairs)
    known: dict[str, str] = field(default_factory=dict)
    held_rows: int = HELD_ROWS
    held_bytes: int = HELD_BYTES
    names: Mapping[str, str] = field(default_factory=dict)

    def read(self, targets: Sequence[str]) -> None:
        """Read every file to its end."""
        if self.store is not None:
            self.known = {key: f"as {source}" for key, source in known_imports(self.store.location).items()}
        for one in map(self._named, self.collector.files(targets)):
            began = perf_counter_ns()
            if isinstance(one, Broken):
                self.files.append(refused(one.name, one.error, named=one.named, began_ns=began))
            else:
                self.files.append(self._read_one(one, began))

    def write(self, *, dry_run: bool) -> list[FileReport]:
        """Judge all rows together, and write file by file; or only count what would be written."""
        surveys = [one for one in self.files if isinstance(one, Survey)]
        elsewhere = {}
        if self.store is not None and self.known:
            prints = (text for survey in surveys for text in survey.fingerprints)
            elsewhere = known_fingerprints(self.store.location, prints)
        judgement = Judgement(self.pairs.find(), elsewhere)
        destination = None if dry_run or self.store is None else Destination(self.store.location)
        done = []
        for number, one in enumerate(self.files):
            if isinstance(one, FileReport):
                done.append(one)
                continue
            done.append(
                write_file(one, number, judgement, destination, on_rows=self._listen("writing", one.source.name))
            )
            self.files[number] = done[-1]  # lets go of the rows
        return done if destination is None else destination.settle(done)

    def _named(self, one: Found | Broken) -> Found | Broken:
        """Call a file what the caller calls it: one that was uploaded lies under a name that says nothing."""
        for target, name in self.names.items():
            if one.name == target or one.name.startswith(f"{target}!"):
                return replace(one, name=name + one.name[len(target) :])
        return one

    def _read_one(self, found: Found, began_ns: int) -> FileReport | Survey:
        self.progress(Progress("reading", found.name, 0))
        try:
            source = Source(found.path, found.name, found.path.stat().st_size, self.limits, self.mapping)
            detection = detect(source, self.importers, format_name=self.format)
            mapping_hash = None if self.mapping is None else Source(self.mapping, str(self.mapping), 0).sha256
            identity = import_id(source.sha256, detection.importer.name, mapping_hash)
            if identity in self.known:
                return FileReport(
                    found.name, Outcome.ALREADY_THERE, found.named, detection.importer.name, self.known[identity],
                    sha256=source.sha256, import_id=identity, wall_ns=perf_counter_ns() - began_ns,
                )  # fmt: skip
            survey = survey_file(
                source,
                detection,
                identity,
                number=len(self.files),
                named=found.named,
                pairs=self.pairs,
                may_hold=(self.held_rows, self.held_bytes),
                on_rows=self._listen("reading", found.name),
                began_ns=began_ns,
            )
        except (AssayError, OSError) as error:
            return refused(found.name, as_file_error(found.name, error), named=found.named, began_ns=began_ns)
        if survey.held is not None:
            self.held_rows -= len(survey.held)
            self.held_bytes -= source.size_bytes
        if survey.nothing_taken is not None:
            return survey.nothing_taken
        self.known[identity] = f"as {found.name}"
        return survey

    def _listen(self, stage: str, name: str) -> Callable[[int], None]:
        return lambda rows: self.progress(Progress(stage, name, rows))


def refused(name: str, error: AssayError, *, named: bool, began_ns: int) -> FileReport:
    """Report on a file that is not taken."""
    outcome = Outcome.NOT_RECOGNISED if isinstance(error, UnrecognisedError) else Outcome.REFUSED
    return FileReport(name, outcome, named, reason=error.message, hint=error.hint, wall_ns=perf_counter_ns() - began_ns)
