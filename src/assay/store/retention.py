"""Letting old data go: whole runs, or only the raw readings of old runs, never what is pinned or annotated.

What is removed stays readable as an earlier state until ``vacuum`` (seven days later, or as long as a snapshot names
it). May import: core and store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from assay.core.errors import UsageError
from assay.store.annotations import read_annotations, read_baselines
from assay.store.query import fetch_rows
from assay.store.schema import LAUNCHES, REFUSALS, RESULTS, RUNS, SAMPLES, STAMPED, TELEMETRY
from assay.store.writes import delete_rows, set_rows

_KEPT_OF_EACH_SUITE = 30
"""METHOD 6: the check of a new result against history looks at up to 30 of them."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What may go. ``runs_older_than`` whole runs, ``samples_older_than`` raw readings and telemetry; None keeps all.

    The newest ``keep_last`` runs of each suite stay whole whatever their age, and so do runs with one of ``keep_tags``.
    """

    runs_older_than: timedelta | None = None
    samples_older_than: timedelta | None = None
    keep_last: int = _KEPT_OF_EACH_SUITE
    keep_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """What a policy means here and now: runs to remove, runs to thin, runs that something protects and what."""

    remove: tuple[str, ...]
    thin: tuple[str, ...]
    protected: Mapping[str, str]
    rows: Mapping[str, int]
    """Rows that would go, by table."""


def plan_retention(location: str, policy: Policy, *, now: datetime | None = None) -> RetentionPlan:
    """Say what a policy would remove. Changes nothing. Raises UsageError for a policy that says nothing."""
    if policy.runs_older_than is None and policy.samples_older_than is None:
        raise UsageError(
            "Nothing is said about what may go.", hint="Give --runs-older-than, --samples-older-than or both (180 d)."
        )
    if policy.keep_last < 0:
        raise UsageError(f"--keep-last {policy.keep_last} is negative, expected 0 or more.")
    moment = now or datetime.now(UTC)
    protected = _protected(location)
    runs = fetch_rows(
        location,
        """
        SELECT run_id, parent_id, suite, tags, samples_written, epoch_us(finished_at) AS finished_us,
               row_number() OVER (PARTITION BY suite ORDER BY started_at DESC, run_id DESC) AS place
        FROM runs
        """,
        tables=(),
    )
    with_samples = {
        row["run_id"]
        for table in (SAMPLES, TELEMETRY)
        for row in fetch_rows(location, f"SELECT DISTINCT run_id FROM {table}", tables=[table])  # noqa: S608
    }
    remove: list[str] = []
    thin: list[str] = []
    kept_by: dict[str, str] = {}
    for run in runs:
        age = moment - datetime.fromtimestamp(run["finished_us"] / 1e6, UTC)
        old = policy.runs_older_than is not None and age > policy.runs_older_than
        raw_old = policy.samples_older_than is not None and age > policy.samples_older_than
        if not old and not (raw_old and run["run_id"] in with_samples):
            continue
        tag = next((tag for tag in run["tags"] if tag in policy.keep_tags), None)
        reason = protected.get(run["run_id"]) or (
            f"tagged {tag}"
            if tag is not None
            else f"among the newest {policy.keep_last} of its suite"
            if run["place"] <= policy.keep_last
            else None
        )
        if reason is not None:
            kept_by[run["run_id"]] = reason
        elif old:
            remove.append(run["run_id"])
        else:
            thin.append(run["run_id"])
    return RetentionPlan(tuple(sorted(remove)), tuple(sorted(thin)), kept_by, _count(location, remove, thin))


def apply_retention(location: str, plan: RetentionPlan) -> None:
    """Remove what a plan names. What was interrupted is completed by planning and applying again. Raises StoreError."""
    # First invisible, then gone: killed in between, it leaves rows of an unfinished write, which `repair` removes.
    delete_rows(location, RUNS, "run_id", plan.remove)
    for table in STAMPED:
        delete_rows(location, table, "run_id", plan.remove)
    set_rows(location, RUNS, "run_id", plan.thin, to={"samples_written": "0"})
    for table in (SAMPLES, TELEMETRY):
        delete_rows(location, table, "run_id", plan.thin)


def _protected(location: str) -> dict[str, str]:
    """The runs that people named, each with what they said."""
    reasons: dict[str, str] = {}
    for annotation in read_annotations(location):
        if annotation.subject_kind == "run":
            reasons[annotation.subject_id] = f"annotated ({annotation.kind}) by {annotation.author}"
    results = [one.subject_id for one in read_annotations(location) if one.subject_kind == "result"]
    for row in fetch_rows(
        location,
        "SELECT DISTINCT run_id FROM results WHERE result_id IN (SELECT unnest(?::VARCHAR[]))",
        [results],
        tables=[RESULTS],
    ):
        reasons[row["run_id"]] = "one of its results is annotated"
    for baseline in read_baselines(location):
        if baseline.run_id is not None:
            reasons[baseline.run_id] = f"baseline {baseline.name!r}"
    return reasons


def _count(location: str, remove: list[str], thin: list[str]) -> dict[str, int]:
    counted = {RUNS: len(remove)}
    for table in (RESULTS, LAUNCHES, SAMPLES, TELEMETRY, REFUSALS):
        named = remove + (thin if table in (SAMPLES, TELEMETRY) else [])
        sql = f"SELECT count(*) AS n FROM {table} WHERE run_id IN (SELECT unnest(?::VARCHAR[]))"  # noqa: S608
        counted[table] = fetch_rows(location, sql, [named], tables=[table])[0]["n"]
    return counted
