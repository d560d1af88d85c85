"""What a report on one run is made of, read once: the run, its results, their counts, its launches.

May import: core, store, report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.records import EnvironmentRecord, ImportRecord, LaunchRecord, ResultRecord, RunRecord
from assay.core.words import Provenance, Status, Verdict
from assay.report.base import ReportRequest
from assay.store.query import fetch_rows
from assay.store.rows import run_from_row
from assay.store.schema import RESULTS
from assay.store.selection import ANY, Selection

if TYPE_CHECKING:
    from assay.store import Store


@dataclass(frozen=True, slots=True)
class Tally:
    """How many results there are of each status, verdict and provenance; ``left_out`` ended well and are not usable."""

    total: int
    statuses: Mapping[Status, int]
    verdicts: Mapping[Verdict, int]
    provenances: Mapping[Provenance, int]
    left_out: int

    @property
    def ok(self) -> int:
        """Results that ended well."""
        return self.statuses.get(Status.OK, 0)

    @property
    def failed(self) -> int:
        """Results of cases that were tried and did not work."""
        return sum(count for status, count in self.statuses.items() if status.is_failure)

    @property
    def not_run(self) -> int:
        """Results of cases that were skipped or cannot be."""
        return self.total - self.ok - self.failed


@dataclass(frozen=True, slots=True)
class RunContent:
    """One run. ``results`` are in the order of the plan, at most as many as a table may have; ``tally`` counts all."""

    run: RunRecord
    environment: EnvironmentRecord
    results: tuple[ResultRecord, ...]
    launches: tuple[LaunchRecord, ...]
    tally: Tally
    imported: ImportRecord | None = None

    @property
    def is_imported(self) -> bool:
        """True where it is somebody else's numbers."""
        return self.run.provenance is Provenance.IMPORTED

    @property
    def good(self) -> tuple[ResultRecord, ...]:
        """The results that ended well."""
        return tuple(one for one in self.results if one.status is Status.OK)

    def launches_of(self, result: ResultRecord) -> tuple[LaunchRecord, ...]:
        """The launches of one result, by their number."""
        found = (one for one in self.launches if one.result_id == result.result_id)
        return tuple(sorted(found, key=lambda one: one.ordinal))


def read_run(store: Store, run: RunRecord, request: ReportRequest) -> RunContent:
    """Read a run, narrowed by the fields of the request. Raises UsageError for a field, StoreError."""
    where: dict[str, Any] = {**request.where, "run_id": run.run_id}
    tally = count_results(store, where)
    found = store.results(limit=request.limit, **where)
    results = tuple(sorted(found, key=lambda one: one.result_id))  # ids are made in the order of the plan
    is_imported = run.provenance is Provenance.IMPORTED
    record = next((one for one in store.imports() if one.import_id == run.import_id), None) if is_imported else None
    launches = tuple(store.launches(run_id=run.run_id)) if tally.total else ()
    return RunContent(run, store.environment(run.env_id), results, launches, tally, record)


def read_run_record(store: Store, run_id: str) -> RunRecord:
    """Return the run of a full id without reading every other. Raises NotFoundError."""
    rows = fetch_rows(
        store.location, "SELECT * FROM runs WHERE run_id = ?", [run_id], tables=(), versions=store.versions
    )
    return run_from_row(rows[0]) if rows else store.find_run(run_id)


def count_results(store: Store, where: Mapping[str, Any]) -> Tally:
    """Count what a selection finds, without making records of it."""
    condition, parameters = Selection.of({"provenance": ANY, **where}).where()
    rows = fetch_rows(
        store.location,
        f"SELECT status, verdict, provenance, usable, count(*) AS count FROM results WHERE {condition} GROUP BY ALL",  # noqa: S608
        parameters,
        tables=[RESULTS],
        versions=store.versions,
    )
    statuses: Counter[Status] = Counter()
    verdicts: Counter[Verdict] = Counter()
    provenances: Counter[Provenance] = Counter()
    left_out = 0
    for row in rows:
        count, status = row["count"], Status(row["status"])
        statuses[status] += count
        provenances[Provenance(row["provenance"])] += count
        if row["verdict"] is not None:
            verdicts[Verdict(row["verdict"])] += count
        left_out += count if status is Status.OK and not row["usable"] else 0
    return Tally(
        total=statuses.total(),
        statuses={word: statuses[word] for word in Status if statuses[word]},
        verdicts={word: verdicts[word] for word in Verdict if verdicts[word]},
        provenances={word: provenances[word] for word in Provenance if provenances[word]},
        left_out=left_out,
    )
