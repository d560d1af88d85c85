"""What a person means by a subject: a number of the last check, a run, a result, a series, a case by its label."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer  # noqa: TC002  (typer reads the annotations of completions when it starts)

from assay.core.errors import NotFoundError, UsageError, nearest_names

if TYPE_CHECKING:
    from assay.core.records import FindingRecord
    from assay.store import Store

_NUMBER = re.compile(r"\d{1,4}")
_SHORTEST_ID = 6
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Subject:
    """What is meant: a run, a result or a series; ``finding`` where it was named by the number of one."""

    kind: str
    subject_id: str
    label: str
    finding: FindingRecord | None = None


def find_subject(store: Store, text: str) -> Subject:
    """Return what a text means: a finding's number, a run, a result, a series or a case label, the first that fits.

    Ids may be given by their last (a series' by its first) characters, at least six. Raises NotFoundError, and
    UsageError where several fit.
    """
    wanted = text.strip()
    if _NUMBER.fullmatch(wanted):
        return _of_finding(store, int(wanted))
    run = _find_run(store, wanted)
    if run is not None:
        return run
    found = _find_ids(store, wanted) if len(wanted) >= _SHORTEST_ID else []
    found = found or _find_labels(store, wanted)
    if len(found) == 1:
        return found[0]
    if found:
        listed = "; ".join(f"{one.kind} {one.subject_id} ({one.label})" for one in found[:_SHOWN])
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise UsageError(f"{text!r} fits {len(found)}: {listed}{more}.", hint="Give the id.")
    labels = [label for _, label in _read_series(store)]
    near = nearest_names(wanted, [*labels, *(label.partition(" ")[0] for label in labels)])
    hint = f"Did you mean {near[0]!r}?" if near else "Expected a number of the last check, a run, a result or a case."
    raise NotFoundError(f"{text!r} is no run, result or series of {store.location}.", hint=hint)


def find_author(folder: Path | None = None) -> str:
    """Return who is speaking: git's user.name where it is set, else the user's name on this machine."""
    from assay.runner.repository import ask_git
    from assay.store.annotations import default_author

    said = ask_git(folder or Path.cwd(), "config", "user.name")
    return said.text if said.ok and said.text else default_author()


def complete_subject(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer what can be spoken of, for the shell: numbers of the last check, last, cases."""
    from assay.cli.output import open_for_reading
    from assay.core.errors import AssayError

    try:
        store = open_for_reading(ctx.params.get("store"))
        findings = read_last_check(store)
        names = [str(number) for number, one in enumerate(findings, start=1) if one.change.is_alarm]
        names += ["last", *(one.case_label for one in findings)]
    except AssayError:  # there is nothing to offer, and nowhere to say why
        return []
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]


def read_last_check(store: Store) -> list[FindingRecord]:
    """Return the findings of the newest check, in the order in which they were listed. Raises StoreError."""
    from assay.report.histories import read_last_findings

    return sorted(read_last_findings(store), key=lambda one: one.finding_id)


def read_labels(store: Store, ids: Sequence[str]) -> dict[str, str]:
    """Return words for runs (suite and id), results and series (their case), by id. Raises StoreError."""
    from assay.store.query import fetch_rows
    from assay.store.rows import case_from_row
    from assay.store.schema import RESULTS

    wanted = list(ids)
    runs = fetch_rows(
        store.location,
        "SELECT run_id, suite FROM runs WHERE run_id IN (SELECT unnest(?::VARCHAR[]))",
        [wanted],
        tables=[RESULTS],
        versions=store.versions,
    )
    results = fetch_rows(
        store.location,
        """
        SELECT * FROM results WHERE result_id IN (SELECT unnest(?::VARCHAR[]))
        UNION ALL
        SELECT * FROM results WHERE series_id IN (SELECT unnest(?::VARCHAR[]))
        QUALIFY row_number() OVER (PARTITION BY series_id) = 1
        """,
        [wanted, wanted],
        tables=[RESULTS],
        versions=store.versions,
    )
    labels = {row["run_id"]: f"{row['run_id'][-8:]} of {row['suite']}" for row in runs}
    for row in results:
        label = case_from_row(row).label
        labels |= {row["result_id"]: label, row["series_id"]: label}
    return labels


def _of_finding(store: Store, number: int) -> Subject:
    findings = read_last_check(store)
    if not 1 <= number <= len(findings):
        raise NotFoundError(
            f"The last check has no finding {number}; it has {len(findings)}.", hint="`assay check` numbers them."
        )
    one = findings[number - 1]
    if one.result_id is None:
        return Subject("series", one.series_id, one.case_label, one)
    return Subject("result", one.result_id, one.case_label, one)


def _find_run(store: Store, text: str) -> Subject | None:
    try:
        run = store.find_run(text)
    except NotFoundError:
        return None
    return Subject("run", run.run_id, f"run {run.run_id[-8:]} of {run.suite}")


def _find_ids(store: Store, text: str) -> list[Subject]:
    from assay.store.query import fetch_rows
    from assay.store.rows import case_from_row
    from assay.store.schema import RESULTS

    rows: list[dict[str, Any]] = fetch_rows(
        store.location,
        """
        SELECT 'result' AS kind, result_id AS id, * FROM results WHERE ends_with(result_id, ?)
        UNION ALL BY NAME
        SELECT 'series' AS kind, series_id AS id, * FROM results WHERE starts_with(series_id, ?)
        QUALIFY row_number() OVER (PARTITION BY series_id ORDER BY result_id DESC) = 1
        """,
        [text.lower(), text.lower()],
        tables=[RESULTS],
        versions=store.versions,
    )
    return [Subject(row["kind"], row["id"], case_from_row(row).label) for row in rows]


def _find_labels(store: Store, text: str) -> list[Subject]:
    """Series by the label of their case: the whole of it, else a part of it that only one case has."""
    folded = text.casefold()
    series = _read_series(store)
    whole = [(series_id, label) for series_id, label in series if label.casefold() == folded]
    part = [(series_id, label) for series_id, label in series if folded and folded in label.casefold()]
    return [Subject("series", series_id, label) for series_id, label in whole or part]


def _read_series(store: Store) -> list[tuple[str, str]]:
    """Every measured series with the label of its case."""
    from assay.core.words import Provenance
    from assay.store.query import LATEST_VIEW, fetch_rows
    from assay.store.rows import case_from_row
    from assay.store.schema import RESULTS

    rows = fetch_rows(
        store.location,
        f"SELECT series_id, workload, engine, device, mode, precision, batch, shape, options, provenance "  # noqa: S608
        f"FROM {LATEST_VIEW} WHERE provenance = ? ORDER BY series_id",
        [Provenance.MEASURED.value],
        tables=[RESULTS, LATEST_VIEW],
        versions=store.versions,
    )
    return [(row["series_id"], case_from_row(row).label) for row in rows]
