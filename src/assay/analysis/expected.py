"""Which results a run should have, by what the runs before it had, and how those ended.

A case that vanishes from a report is the alarm that other tools do not give. May import: core, store.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.analysis.environments import TABLES_READ
from assay.analysis.history import NOT_A_TRIAL, naive
from assay.core.records import AnnotationRecord, ResultRecord, RunRecord
from assay.core.words import Fidelity, Provenance, Status
from assay.store.query import fetch_rows
from assay.store.rows import case_from_row

if TYPE_CHECKING:
    from assay.store import Store

EXPECTED_FROM_RUNS = 5
"""So many runs of the same suite say what the next one should have."""
AD_HOC_SUITES = frozenset({"command-line", "sweep", "probe"})
"""Names under which every run may have other cases: none of them is missed."""
NOT_TRIED = (Status.SKIPPED, Status.UNSUPPORTED)


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier result of a case: how it ended, where, and of which code."""

    case_id: str
    series_id: str
    label: str
    hardware: str | None
    run_id: str
    env_id: str
    git_commit: str | None
    status: Status
    fidelity: Fidelity | None
    reason: str | None

    @property
    def is_good(self) -> bool:
        """True where it gave a number that counts."""
        return self.status is Status.OK and self.fidelity is not Fidelity.FAILED


def read_expected(
    store: Store, run: RunRecord, annotations: Iterable[AnnotationRecord], *, leave_out: Collection[str] = ()
) -> dict[str, Earlier]:
    """Return the newest result of each case that the last runs of this suite tried, by case id.

    Runs on the same machine or the same class of hardware count, back to the newest that a person accepted whole: with
    it they accepted which cases there are. Raises StoreError.
    """
    if run.suite in AD_HOC_SUITES:
        return {}
    accepted = {one.subject_id for one in annotations if (one.kind, one.subject_kind) == ("accept", "run")}
    if run.run_id in accepted:
        return {}
    recent = fetch_rows(
        store.location,
        f"""
        WITH own AS (SELECT host_id, hardware_class FROM environments WHERE env_id = ?)
        SELECT run_id FROM runs JOIN environments USING (env_id), own
        WHERE suite = ? AND provenance = ? AND NOT superseded AND {NOT_A_TRIAL} AND run_id <> ?
          AND run_id NOT IN (SELECT unnest(?::VARCHAR[])) AND started_at < ?
          AND (environments.host_id = own.host_id OR environments.hardware_class = own.hardware_class)
        ORDER BY started_at DESC, run_id DESC LIMIT ?
        """,  # noqa: S608  (a condition of ours)
        [
            run.env_id, run.suite, Provenance.MEASURED.value, run.run_id, list(leave_out), naive(run.started_at),
            EXPECTED_FROM_RUNS,
        ],
        tables=TABLES_READ,
        versions=store.versions,
    )  # fmt: skip
    run_ids = [row["run_id"] for row in recent]
    newest_accepted = next((place for place, run_id in enumerate(run_ids) if run_id in accepted), len(run_ids))
    return _newest(_read_earlier(store, "run_id", run_ids[: newest_accepted + 1]))


def read_of_runs(store: Store, run_ids: Sequence[str]) -> dict[str, Earlier]:
    """Return what these runs tried, by case id. Raises StoreError."""
    return _newest(_read_earlier(store, "run_id", run_ids))


def read_previous(
    store: Store, run: RunRecord, results: Sequence[ResultRecord], *, leave_out: Collection[str] = ()
) -> dict[str, Earlier]:
    """Return the newest earlier result of the series of some results, by case id. Raises StoreError."""
    series_ids = [one.series_id for one in results]
    found = _read_earlier(store, "series_id", series_ids, before=run, leave_out=leave_out) if series_ids else []
    return _newest(found)


def _newest(rows: Iterable[Mapping[str, Any]]) -> dict[str, Earlier]:
    """The last of each case, of rows in order of time; those that were not even tried say nothing."""
    found = {}
    for row in rows:
        status = Status(row["status"])
        if status in NOT_TRIED:
            continue
        case = case_from_row(row)
        found[case.case_id] = Earlier(
            case.case_id, row["series_id"], case.label, row["hardware"], row["run_id"], row["env_id"],
            row["git_commit"], status, Fidelity(row["fidelity"]) if row["fidelity"] else None, row["reason"],
        )  # fmt: skip
    return found


_CASE = "workload, engine, device, mode, precision, batch, shape, options, results.provenance"


def _read_earlier(
    store: Store,
    column: str,
    wanted: Sequence[str],
    *,
    before: RunRecord | None = None,
    leave_out: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Read results by run or series, oldest first; of many results of one series only the newest."""
    if not wanted:
        return []
    start = None if before is None else naive(before.started_at)
    return fetch_rows(
        store.location,
        f"""
        SELECT series_id, hardware, results.status, fidelity, reason, results.run_id, env_id, git_commit, {_CASE}
        FROM results JOIN runs USING (run_id)
        WHERE results.{column} IN (SELECT unnest(?::VARCHAR[])) AND results.run_id NOT IN (SELECT unnest(?::VARCHAR[]))
          AND (?::TIMESTAMP IS NULL OR (started_at < ? AND NOT superseded AND {NOT_A_TRIAL}))
          AND results.status NOT IN ({", ".join(f"'{status.value}'" for status in NOT_TRIED)})
        QUALIFY row_number() OVER (PARTITION BY series_id ORDER BY started_at DESC, result_id DESC) = 1
        ORDER BY started_at, result_id
        """,  # noqa: S608  (words and a column of ours)
        [list(wanted), list(leave_out), start, start],
        tables=TABLES_READ,
        versions=store.versions,
    )
