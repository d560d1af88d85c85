"""The store: the one door through which runs are kept and read.

Thin on purpose: each method says what is promised and leaves the work to a module of its own. May import: core
and store; the heavy libraries are imported by what it calls, never by opening a store.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self, Unpack

from assay.core.errors import NotFoundError
from assay.core.records import (
    AnnotationRecord,
    BaselineRecord,
    CalibrationRecord,
    EnvironmentRecord,
    FindingRecord,
    ImportRecord,
    LaunchRecord,
    RefusalRecord,
    RunBundle,
    RunRecord,
    SnapshotRecord,
)
from assay.store import append as appending
from assay.store import find, history, maintenance, recovery, sandbox
from assay.store import repair as mending
from assay.store.codec import record_to_json
from assay.store.journal import FINAL, Journal, orphaned_journals
from assay.store.location import check_writable, open_location
from assay.store.query import fetch_arrow
from assay.store.results import ResultSet
from assay.store.selection import Selection, SelectionFields
from assay.store.upgrade import upgrade_if_older


class Store:
    """Runs, results, launches, samples and environments in one folder."""

    def __init__(self, location: str, *, versions: Mapping[str, int] | None = None) -> None:
        self.location = location
        self.versions = versions
        """The version of each table, of a store as it was at an earlier time; None is now."""

    @classmethod
    def open(cls, location: str | os.PathLike[str] | None = None, *, create: bool = True) -> Self:
        """Open a store: ``location``, or ``$ASSAY_STORE``, or ``store`` in the user's data folder.

        Raises StoreError where there is none (``create=False``) or it cannot be made, StoreVersionError where a
        newer assay wrote it. One that an older assay wrote is upgraded, which needs write access once; other reading
        works on a read-only medium.
        """
        found = open_location(location, create=create)
        upgrade_if_older(found)
        return cls(found)

    def check_writable(self) -> None:
        """Prove that a run could be kept here, before time is spent on one. Raises StoreError saying why not."""
        check_writable(self.location)

    # ------------------------------------------------------------------ writing

    def append(self, bundle: RunBundle) -> None:
        """Keep a run: all of it is visible afterwards, or none. A run that is there already is left alone.

        Raises StoreError (disk full, permission, a value that cannot be stored).
        """
        appending.append_bundle(self.location, bundle)

    def journal(self, run_id: str) -> Journal:
        """Begin the journal of a run, locked for as long as this process lives. Raises StoreError."""
        return Journal.begin(self.location, run_id)

    def publish(self, bundle: RunBundle, journal: Journal | None) -> None:
        """Keep a finished run and remove its journal. Where that fails the journal stays for :meth:`recover`."""
        if journal is not None:
            journal.write(FINAL, record_to_json(bundle.run))
        self.append(bundle)
        if journal is not None:
            journal.remove()

    # ------------------------------------------------------------------ what a crash left

    def orphans(self) -> list[Path]:
        """Return the journals of runs whose process is gone, oldest first."""
        return orphaned_journals(self.location)

    def recover(self) -> list[recovery.RecoveredRun]:
        """Publish every orphaned journal, as interrupted unless its run had ended; say what became of each."""
        return recovery.recover(self.location)

    def check(self) -> maintenance.CheckReport:
        """Look for damaged files, rows of runs that were never finished, journals left behind. Changes nothing."""
        return maintenance.check(self.location)

    def repair(self) -> maintenance.CheckReport:
        """Mend what :meth:`check` finds, and return what is then left."""
        return mending.repair(self.location)

    # ------------------------------------------------------------------ reading

    def runs(
        self, *, limit: int | None = None, suite: str | None = None, since: datetime | None = None
    ) -> list[RunRecord]:
        """Return runs, newest first."""
        return history.read_runs(self.location, limit=limit, suite=suite, since=since, versions=self.versions)

    def find_run(self, ref: str) -> RunRecord:
        """Return the run meant by an id, a unique beginning or end of one, ``last`` or ``last~N``.

        Raises NotFoundError, or UsageError listing the candidates where several fit.
        """
        known = history.read_run(self.location, ref, versions=self.versions) if find.is_full_id(ref) else None
        return known or find.find_run(self.runs(), ref)

    def results(self, *, limit: int | None = None, **wanted: Unpack[SelectionFields]) -> ResultSet:
        """Return results, oldest first; with ``limit`` the newest so many.

        Any field of a case, a time, status, verdict or provenance narrows them (docs/api.md); a text may be several,
        and may have ``*`` in it. Unless ``provenance`` says otherwise only measured results are returned, or those of
        the run, import or result named. Runs that a resumed run took over are left out, since it holds their launches
        too, unless the run is named or ``include_superseded`` is set.

        The answer is a sequence of records that reads nothing before it is looked at; its ``arrow``, ``pandas`` and
        ``polars`` give a table. Raises UsageError for a word or keyword that nobody knows.
        """
        return ResultSet(self.location, Selection.of(wanted), limit=limit, versions=self.versions)

    def launches(self, *, run_id: str, with_samples: bool = False) -> list[LaunchRecord]:
        """Return the launches of a run in the order they began, with their raw samples where asked."""
        return history.read_launches(self.location, run_id, with_samples=with_samples, versions=self.versions)

    def environment(self, env_id: str) -> EnvironmentRecord:
        """Return one environment. Raises NotFoundError."""
        found = history.read_environment(self.location, env_id, versions=self.versions)
        if found is None:
            raise NotFoundError(f"There is no environment {env_id!r} in the store {self.location}.")
        return found

    def imports(self) -> list[ImportRecord]:
        """Return the files that were imported, newest first."""
        return history.read_imports(self.location, versions=self.versions)

    def refusals(self, import_id: str) -> list[RefusalRecord]:
        """Return the rows of an imported file that were not taken."""
        return history.read_refusals(self.location, import_id, versions=self.versions)

    def query(self, sql: str, params: Sequence[object] = ()) -> Any:
        """Run trusted SQL over the views; ``params`` fill its question marks. Returns a ``pyarrow.Table``."""
        return fetch_arrow(self.location, sql, params, versions=self.versions)

    def query_readonly(
        self, sql: str, params: Sequence[object] = (), *, max_rows: int | None = None, timeout_s: float = 60
    ) -> Any:
        """Run a person's SQL in a connection that can read this store and nothing else; ``params`` as in ``query``.

        Returns a ``pyarrow.Table`` of at most ``max_rows`` rows (ask for one more to see whether there are more).
        Raises UsageError with DuckDB's message.
        """
        return sandbox.query_readonly(
            self.location, sql, params, max_rows=max_rows, timeout_s=timeout_s, versions=self.versions
        )

    # ------------------------------------------------------------------ earlier states, copies, upkeep

    def as_of(self, when: str | datetime) -> Self:
        """Return this store as it was: at a time, an age (``2 d``) or a named snapshot. For reading only.

        Raises NotFoundError for a snapshot that is not there, StoreError where the log no longer reaches back.
        """
        from assay.store import versions

        found = (
            versions.resolve_versions(self.location, when)
            if isinstance(when, str)
            else versions.versions_at(self.location, when)
        )
        return type(self)(self.location, versions=found)

    def snapshot(self, name: str, *, note: str | None = None) -> SnapshotRecord:
        """Name the present state. Raises UsageError for a name that is taken."""
        from assay.store import snapshots

        return snapshots.make_snapshot(self.location, name, note=note)

    def snapshots(self) -> list[SnapshotRecord]:
        """Return the named states, newest first."""
        from assay.store import snapshots

        return snapshots.list_snapshots(self.location)

    def annotations(self, *, subject_id: str | None = None, include_ended: bool = False) -> list[AnnotationRecord]:
        """Return what people said and did not take back, oldest first; ``include_ended`` adds the rest."""
        from assay.store import annotations

        return annotations.read_annotations(
            self.location, subject_id=subject_id, include_ended=include_ended, versions=self.versions
        )

    def baselines(self) -> list[BaselineRecord]:
        """Return the runs that are pinned now, by name."""
        from assay.store import annotations

        return annotations.read_baselines(self.location, versions=self.versions)

    def findings(
        self, *, check_id: str | None = None, run_id: str | None = None, series_id: str | None = None
    ) -> list[FindingRecord]:
        """Return what checks found, oldest first: of one check, one judged run, one series, or all."""
        from assay.store import findings

        return findings.read_findings(
            self.location, check_id=check_id, run_id=run_id, series_id=series_id, versions=self.versions
        )

    def calibrations(self, *, series_id: str | None = None) -> list[CalibrationRecord]:
        """Return what launches of the same thing showed, oldest first; the newest of a series counts."""
        from assay.store import findings

        return findings.read_calibrations(self.location, series_id=series_id, versions=self.versions)

    def info(self) -> maintenance.StoreInfo:
        """Return version, rows, files and bytes of each table."""
        return maintenance.describe(self.location)

    def __repr__(self) -> str:
        return f"Store({self.location!r})"
