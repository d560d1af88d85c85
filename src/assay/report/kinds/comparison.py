"""Report on two or more runs beside each other, or on the parts of one: its engines, precisions, batches.

The numbers and verdicts are those of `assay compare`. May import: core, analysis, store, report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assay.analysis.compare import compare_groups
from assay.analysis.pairing import explain_no_pair
from assay.analysis.sides import NamedRun, SideResults, find_named_run, gather_sides, split_run
from assay.core.errors import UnknownNameError, UsageError
from assay.core.records import ResultRecord
from assay.core.words import Provenance
from assay.report.base import ReportKind, ReportRequest, report_kinds
from assay.report.cells import short_id
from assay.report.compared import report_of_comparison
from assay.report.origins import sources_of
from assay.report.run_facts import where_scope
from assay.report.values import Report
from assay.store.selection import ANY

if TYPE_CHECKING:
    from assay.store import Store

_METRIC = "latency_ns"
_TWO = 2
_SHOWN = 20
_WORDS = {"yes": True, "no": False}


def build(store: Store, request: ReportRequest) -> Report:
    """Compare the runs of the request with the first one, or with ``by`` the parts of the one run.

    Raises UsageError where there is nothing to compare, UnknownNameError, NotFoundError, StoreError.
    """
    options = request.options
    named = [_named(store, run_id) for run_id in request.run_ids]
    by, baseline = options.get("by"), options.get("against")
    if by is None:
        named = _put_first(store, named, baseline)
        if len(named) < _TWO:
            raise UsageError(
                f"A comparison has two sides or more, and only {named[0].ref!r} was given.",
                hint="Name two runs, or compare the parts of one: --by engine",
            )
        groups = gather_sides(store, named)
    elif len(named) > 1:
        raise UsageError(f"--by compares the parts of one run, and {len(named)} were given.")
    else:
        groups = split_run(store, named[0], by, baseline=baseline)
    groups = tuple(_narrow(store, group, request.where) for group in groups)
    with_imported = _read_flag(options, "with-imported")
    metric = request.metric or _METRIC
    _refuse_empty(groups, metric, with_imported=with_imported)
    across = [*_split(options.get("across")), *([by] if by else [])]
    compared = compare_groups(
        store, groups, metric=metric, stat=request.stat, across=across, phase=options.get("phase"),
        with_imported=with_imported,
    )  # fmt: skip
    if not any(one.result_a is not None and one.result_b is not None for one in compared.comparisons):
        raise _apart(groups, compared.varied)
    runs = tuple(("run", f"{one.run.suite}, {one.run.run_id}") for one in named)
    return report_of_comparison(
        compared,
        time=request.time,
        scope=(*runs, *where_scope(request.where)),
        sources=sources_of((result for group in groups for result in group.results), store),
        limit=request.limit,
    )


def _named(store: Store, run_id: str) -> NamedRun:
    """A run under a name that means the same next week; a baseline keeps its own."""
    found = find_named_run(store, run_id)
    if found.by_series:
        return found
    return replace(found, ref=f"{found.run.suite} {short_id(found.run.run_id)}")


def _put_first(store: Store, named: Sequence[NamedRun], baseline: str | None) -> list[NamedRun]:
    """The runs with the baseline first, which may be one of them or one more."""
    if baseline is None:
        return list(named)
    first = _named(store, baseline)
    return [first, *(one for one in named if one.run.run_id != first.run.run_id)]


def _narrow(store: Store, group: SideResults, where: Mapping[str, Any]) -> SideResults:
    """Keep of a side what the fields of the request select."""
    if not where:
        return group
    fields = {"provenance": ANY, **where, "run_id": list(group.side.run_ids)}
    kept = {one.result_id for one in store.results(**fields)}
    return SideResults(group.side, tuple(one for one in group.results if one.result_id in kept))


def _refuse_empty(groups: Sequence[SideResults], metric: str, *, with_imported: bool) -> None:
    for group in groups:
        if not group.results:
            raise UsageError(f"{group.side.label} has no such results.", hint="`assay ls` says what each run has.")
        if group.side.provenance is Provenance.IMPORTED and not with_imported:
            raise UsageError(
                f"{group.side.label} was imported: it has no launches, which is what a comparison rests on.",
                hint="--option with-imported=yes puts its numbers beside the others', without a verdict.",
            )
    known = {one.name for group in groups for result in group.results for one in result.metrics}
    if known and metric not in known:
        raise UsageError(f"None of these results has {metric}.", hint=f"They have {', '.join(sorted(known)[:_SHOWN])}.")


def _apart(groups: Sequence[SideResults], varied: Sequence[str]) -> UsageError:
    labels = [group.side.label for group in groups]
    results: list[tuple[ResultRecord, ...]] = [group.results for group in groups]
    left = {name: text for name, text in explain_no_pair(results, labels).items() if name not in varied}
    said = " and ".join(labels)
    if not left:
        return UsageError(f"{said} have no case in common.", hint="`assay show RUN` lists the cases of each.")
    described = "; ".join(f"{name} is {text}" for name, text in left.items())
    return UsageError(
        f"{said} have no case in common: {described}.",
        hint=f"To pair across it on purpose: --option across={','.join(left)}",
    )


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _read_flag(options: Mapping[str, str], name: str) -> bool:
    word = options.get(name, "no")
    if word not in _WORDS:
        raise UnknownNameError(f"value of {name}", word, _WORDS)
    return _WORDS[word]


report_kinds.add(
    "comparison",
    ReportKind(
        name="comparison",
        title="Runs beside each other",
        description="Two or more runs, or the parts of one, case by case, with ratios and verdicts",
        build=build,
        runs=(1, None),
        options={
            "by": "the field whose values are the sides within one run: engine, precision, batch",
            "against": "the side that the others are held against: a run, or a value of the field",
            "across": "fields in which the sides differ on purpose, by commas",
            "phase": "which phase, of a metric that has several",
            "with-imported": "yes lets imported numbers stand beside measured ones",
        },
    ),
)
