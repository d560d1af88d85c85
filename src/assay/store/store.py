"""The store: the one door through which runs are kept and read.

Thin on purpose: each method says what is promised and leaves the work to a module of its own. May import: core
and store; the heavy libraries are imported by what it calls, never by opening a store.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from assay.core.errors import NotFoundError
from assay.core.records import EnvironmentRecord, LaunchRecord, ResultRecord, RunBundle, RunRecord
from assay.store import append as appending
from assay.store import find, history, maintenance, recovery, sandbox
from assay.store import repair as mending
from assay.store.codec import record_to_json
from assay.store.journal import FINAL, Journal, orphaned_journals
from assay.store.location import check_writable, open_location
from assay.store.query import fetch_arrow
from assay.store.upgrade import upgrade_if_older


class Store:
    """Runs, results, launches, samples and environments in one folder."""

    def __init__(self, location: str) -> None:
        self.location = location

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
        return history.read_runs(self.location, limit=limit, suite=suite, since=since)

    def find_run(self, ref: str) -> RunRecord:
        """Return the run meant by an id, a unique beginning or end of one, ``last`` or ``last~N``.

        Raises NotFoundError, or UsageError listing the candidates where several fit.
        """
        return find.find_run(self.runs(), ref)

    def results(
        self,
        *,
        run_id: str | None = None,
        case_id: str | None = None,
        series_id: str | None = None,
        env_id: str | None = None,
        since: datetime | None = None,
        include_superseded: bool = False,
        limit: int | None = None,
    ) -> list[ResultRecord]:
        """Return results, oldest first; with ``limit`` the newest so many.

        Runs that a resumed run took over are left out, since it holds their launches too, unless the run is
        named or ``include_superseded`` is set.
        """
        return history.read_results(
            self.location,
            history.ResultFilter(run_id, case_id, series_id, env_id, since, include_superseded or run_id is not None),
            limit=limit,
        )

    def launches(self, *, run_id: str, with_samples: bool = False) -> list[LaunchRecord]:
        """Return the launches of a run in the order they began, with their raw samples where asked."""
        return history.read_launches(self.location, run_id, with_samples=with_samples)

    def environment(self, env_id: str) -> EnvironmentRecord:
        """Return one environment. Raises NotFoundError."""
        found = history.read_environment(self.location, env_id)
        if found is None:
            raise NotFoundError(f"There is no environment {env_id!r} in the store {self.location}.")
        return found

    def query(self, sql: str, params: Sequence[object] = ()) -> Any:
        """Run trusted SQL over the views; ``params`` fill its question marks. Returns a ``pyarrow.Table``."""
        return fetch_arrow(self.location, sql, params)

    def query_readonly(self, sql: str, *, max_rows: int | None = None, timeout_s: float = 60) -> Any:
        """Run a person's SQL in a connection that can read this store and nothing else.

        Returns a ``pyarrow.Table`` of at most ``max_rows`` rows (ask for one more to see whether there are more).
        Raises UsageError with DuckDB's message.
        """
        return sandbox.query_readonly(self.location, sql, max_rows=max_rows, timeout_s=timeout_s)

    def info(self) -> maintenance.StoreInfo:
        """Return version, rows, files and bytes of each table."""
        return maintenance.describe(self.location)

    def __repr__(self) -> str:
        return f"Store({self.location!r})"
