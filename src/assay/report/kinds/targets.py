"""Report on the targets of a run: those of its suite as it was run, or others that are given. docs/targets.md says how.

May import: core, analysis, catalog, store, report.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assay import __version__
from assay.analysis.targets import TargetReport, judge_targets
from assay.catalog.targets import Target, parse_target
from assay.core.errors import UsageError
from assay.core.records import ResultRecord, RunRecord
from assay.report.base import ReportKind, ReportRequest, report_kinds
from assay.report.cells import run_ref, short_id
from assay.report.how_to_read import how_to_read
from assay.report.judged import groups_table, scorecard_facts, targets_table, targets_words
from assay.report.origins import environment_facts, sources_of
from assay.report.run_content import read_run_record
from assay.report.run_facts import run_facts, where_scope
from assay.report.values import Report, Section

if TYPE_CHECKING:
    from assay.store import Store


def build(store: Store, request: ReportRequest) -> Report:
    """Hold the results of the one run of the request to their targets.

    Raises UsageError where there are no targets, or one cannot be read; NotFoundError, StoreError.
    """
    if request.metric is not None:
        raise UsageError("The targets name the metrics that are judged.", hint="Leave --metric out.")
    run = read_run_record(store, request.run_ids[0])
    targets = given_targets(request.options) or targets_of(run)
    if not targets:
        raise UsageError(
            f"Run {short_id(run.run_id)} ({run.suite}) has no targets.",
            hint="Write them into the suite file, or give some: --option 'targets=p50_latency_ms <= 50'.",
        )
    where: dict[str, Any] = {**request.where, "run_id": run.run_id}
    results = list(store.results(**where))
    return _report(store, run, results, judge_targets(results, targets), request)


def targets_of(run: RunRecord) -> tuple[Target, ...]:
    """Return the targets of a run's suite as it was run. Raises UsageError for one that this assay cannot read."""
    suite = run.config.get("suite")
    content = suite.get("targets", ()) if isinstance(suite, Mapping) else ()
    return tuple(map(parse_target, content)) if isinstance(content, (list, tuple)) else ()


def given_targets(options: Mapping[str, str]) -> tuple[Target, ...]:
    """Return the targets of the option: expressions separated by semicolons, or a JSON list as suites hold them.

    Raises UsageError for what cannot be read.
    """
    text = options.get("targets", "").strip()
    if not text.startswith("["):
        return tuple(parse_target(one.strip()) for one in text.split(";") if one.strip())
    try:
        content = json.loads(text)
    except ValueError as error:
        raise UsageError(
            f"The targets are no JSON: {error}.", hint="docs/targets.md shows how they are written."
        ) from error
    return tuple(map(parse_target, content))


def _report(
    store: Store, run: RunRecord, results: Sequence[ResultRecord], judged: TargetReport, request: ReportRequest
) -> Report:
    whose = "given with the question" if request.options.get("targets") else f"of suite {run.suite}, as it was run"
    groups = groups_table(judged)
    scores = (scorecard_facts(judged), *((groups,) if groups is not None else ()))
    origin = Section(
        "origin",
        "Where the numbers are from",
        (run_facts(run), environment_facts(store.environment(run.env_id))),
    )
    return Report(
        kind="targets",
        title=f"Targets of {run.suite}, run {short_id(run.run_id)}",
        generated_at=request.time,
        assay_version=__version__,
        summary=tuple(targets_words(judged)),
        scope=(("run", f"{run.suite}, {run.run_id}"), ("targets", whose), *where_scope(request.where)),
        sections=(
            Section("targets", "Scorecard", (*scores, targets_table(judged, limit=request.limit))),
            origin,
        ),
        sources=sources_of(results, store),
        how_to_read=how_to_read("targets"),
        ref=run_ref(run),
    )


report_kinds.add(
    "targets",
    ReportKind(
        name="targets",
        title="Targets",
        description="Is a run within its targets: pass, fail or unknown for each, a score and a grade",
        build=build,
        runs=(1, 1),
        options={"targets": "instead of the suite's: expressions separated by ';', or a JSON list as suites hold them"},
    ),
)
