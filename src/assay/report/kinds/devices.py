"""Devices side by side: the same work on different hardware, and how many times as fast each is as a reference.

Two numbers make a ratio only where they are comparable (``analysis.side_by_side``) and of one provenance. May import:
core, catalog, store, analysis, report.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.analysis.matrix import find_workloads
from assay.analysis.side_by_side import Group, Single, Subject, read_groups
from assay.analysis.usable_numbers import NumberWanted, count_left_out, match_exactly
from assay.core.errors import UnknownNameError
from assay.core.words import Direction, Provenance
from assay.report.base import ReportKind, ReportRequest, report_kinds
from assay.report.cells import metric_column, metric_title
from assay.report.figures.bars import Bar, draw_bars
from assay.report.figures.matrix import Entry, Sides, draw_matrix
from assay.report.how_to_read import how_to_read
from assay.report.kinds._over_many import (
    HOW_GROUPS_READ,
    cut,
    drop_idle_columns,
    empty_report,
    group_cell,
    hardware_cell,
    left_out_sections,
    provenance_column,
    read_sources,
    say_left_out,
    say_rows_cut,
    selection_of,
    spread_cells,
    spread_columns,
    start_report,
    whole_option,
)
from assay.report.values import Cell, Column, Ref, RefKind, Report, Section, Table, Text
from assay.report.wording import say_count

if TYPE_CHECKING:
    from assay.store import Store

KIND = "devices"
TITLE = "Devices side by side"
OPTIONS: Mapping[str, str] = {
    (
        "reference"
    ): "The device that the others are held against, by name or catalogue id. Default: the one that most can be "
    "held against.",
    "workloads": "How many workloads to show, those on most devices first. Default: 6.",
}
_DEFAULT_METRICS = (
    "throughput_per_s", "output_tokens_per_s", "decode_tokens_per_s", "latency_ns", "serving_rate_per_s",
    "time_to_train_ns",
)  # fmt: skip
"""Which metric is shown where none is asked for: the first that any usable result has."""
_MATRIX_ROWS = 40
_MOST_ROWS = 60
"""Of one workload: more are read in the results themselves."""
_HOW = (
    (
        "Run the same suite on each machine with one store, or bring the stores together: `assay run --suite "
        "quick`, then `assay store backup TARGET`."
    ),
    "Others' numbers: `assay import FILE` (`assay import --list-formats` says which are read).",
)


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as fast a group is as the reference under the same conditions.

    ``lo`` and ``hi`` bound it at 95 %, where both are single results with intervals.
    """

    value: float
    lo: float | None
    hi: float | None


Table_ = dict[tuple[Subject, Provenance], dict[str, Group]]
"""Groups by what makes them comparable, then by device."""


def build(store: Store, request: ReportRequest) -> Report:
    """Build the report. Raises StoreError, UsageError, UnknownNameError."""
    wanted, workloads = _choose_metric(store, request)
    if not workloads:
        what = "No usable result in this selection says on which device it was measured, so no devices can be compared."
        return empty_report(KIND, TITLE, request, what, _HOW)
    shown = workloads[: whole_option(request, "workloads", 6)]
    names = [name for name, _ in shown]
    groups = read_groups(store, selection_of(request, workload=match_exactly(names)), wanted)
    table = _by_subject(groups)
    reference = _choose_reference(table, request.options.get("reference"))
    ratios = _ratios(table, reference, wanted.direction)
    sections = [_overall_section(ratios, reference)]
    sections += [
        _workload_section(number, name, table, ratios, reference, wanted, request.limit)
        for number, name in enumerate(names, 1)
    ]
    sections.append(_matrix_section(table, ratios, reference))
    sections += left_out_sections(
        say_left_out(count_left_out(store, selection_of(request, workload=match_exactly(names))))
    )
    return start_report(
        KIND,
        TITLE,
        request,
        summary=_summary(groups, ratios, reference, wanted, len(workloads)),
        scope=[("metric", metric_title(wanted.metric, request.stat)), ("workloads", ", ".join(names))],
        sections=sections,
        sources=read_sources(store, selection_of(request, workload=match_exactly(names))),
        how_to_read=[*how_to_read("ratio", "throughput"), *HOW_GROUPS_READ],
    )


def _choose_metric(store: Store, request: ReportRequest) -> tuple[NumberWanted, tuple[tuple[str, int], ...]]:
    selection = selection_of(request)
    wanted = NumberWanted.of(request.metric or _DEFAULT_METRICS[0], request.stat)
    for metric in (request.metric,) if request.metric else _DEFAULT_METRICS:
        wanted = NumberWanted.of(metric, request.stat)
        found = find_workloads(store, selection, wanted)
        if found:
            return wanted, found
    return wanted, ()


def _by_subject(groups: Iterable[Group]) -> Table_:
    table: Table_ = {}
    for group in groups:
        table.setdefault((group.subject, group.provenance), {})[group.device.label] = group
    return table


def _choose_reference(table: Table_, asked: str | None) -> str:
    """Return the label of the reference. Raises UnknownNameError for a device that no group is of."""
    met: dict[str, int] = {}
    for groups in table.values():
        for label in groups:
            met[label] = met.get(label, 0) + len(groups) - 1
    if asked is None:
        return min(met, key=lambda label: (-met[label], label))
    ids = {group.device.hw_id: label for groups in table.values() for label, group in groups.items()}
    folded = {label.casefold(): label for label in met}
    found = ids.get(asked) or folded.get(asked.casefold())
    if found is None:
        fitting = [label for low, label in folded.items() if asked.casefold() in low]
        if len(fitting) != 1:
            raise UnknownNameError("device with results of these workloads", asked, fitting or met)
        found = fitting[0]
    return found


def _ratios(table: Table_, reference: str, direction: Direction) -> dict[tuple[Subject, Provenance, str], Ratio]:
    found = {}
    for (subject, provenance), groups in table.items():
        base = groups.get(reference)
        for label, group in groups.items():
            if base is not None and group is not base and group.median > 0 and base.median > 0:
                found[subject, provenance, label] = _ratio(group, base, direction)
    return found


def _ratio(group: Group, base: Group, direction: Direction) -> Ratio:
    value = base.median / group.median if direction is Direction.LOWER else group.median / base.median
    halves = [_half_width(one.only) for one in (group, base)]
    if any(half is None for half in halves):
        return Ratio(value, None, None)
    half = math.hypot(*(one for one in halves if one is not None))
    return Ratio(value, value * math.exp(-half), value * math.exp(half))


def _half_width(single: Single | None) -> float | None:
    if single is None or not single.lo or not single.hi:
        return None
    return math.log(single.hi / single.lo) / 2


# -- sections --------------------------------------------------------------------------------------------------


def _overall_section(ratios: Mapping[tuple[Subject, Provenance, str], Ratio], reference: str) -> Section:
    rows = []
    bars = []
    for (label, provenance), values in _overall(ratios):
        mean = statistics.geometric_mean(values)
        cell = Cell(
            mean, provenance, n=len(values), unit="1",
            reason=f"geometric mean of {say_count(len(values), 'comparable pair')}",
        )  # fmt: skip
        bars.append(Bar(label, cell))
        several = len(values) > 1
        ends = [Cell(end, provenance, unit="1") if several else Cell(reason="there is one pair")
                for end in (min(values), max(values))]  # fmt: skip
        rows.append((hardware_cell(label, None), Cell(provenance.value), cell, Cell(len(values)), *ends))
    columns = (
        Column("device", "device", description="Held against the reference"),
        provenance_column(),
        Column(
            "ratio",
            f"times as fast as {reference}",
            unit="1",
            direction=Direction.HIGHER,
            description="Geometric mean over comparable pairs; n counts pairs",
        ),
        Column("pairs", "pairs", description="Under how many conditions both have usable results"),
        Column("lowest", "lowest", unit="1", description="Of these pairs"),
        Column("highest", "highest", unit="1", description="Of these pairs"),
    )
    table = Table(
        "against-reference", f"Against {reference}", columns, tuple(rows),
        caption=(
                "A mean over different conditions says how far apart two devices tend to be, and stands for no "
                "single one."
            ),
        when_empty=(
                f"Nothing can be held against {reference}: no other device has a usable result under the same "
                "conditions."
            ),
    )  # fmt: skip
    figure = draw_bars(
        bars=bars, title=f"Speed against {reference}", metric="times as fast", unit="1",
        direction=Direction.HIGHER, of="device", key="against-reference-bars",
    )  # fmt: skip
    return Section("overall", f"Against {reference}", (figure, drop_idle_columns(table)))


def _overall(
    ratios: Mapping[tuple[Subject, Provenance, str], Ratio],
) -> list[tuple[tuple[str, Provenance], list[float]]]:
    found: dict[tuple[str, Provenance], list[float]] = {}
    for (_, provenance, label), ratio in ratios.items():
        found.setdefault((label, provenance), []).append(ratio.value)
    return sorted(
        found.items(), key=lambda pair: (pair[0][1] != Provenance.MEASURED, -statistics.geometric_mean(pair[1]))
    )


def _workload_section(
    number: int,
    name: str,
    table: Table_,
    ratios: Mapping[tuple[Subject, Provenance, str], Ratio],
    reference: str,
    wanted: NumberWanted,
    limit: int,
) -> Section:
    own = sorted(
        ((key, groups) for key, groups in table.items() if key[0].workload == name),
        key=lambda pair: (-len(pair[1]), pair[0][1] != Provenance.MEASURED, pair[0][0].label),
    )
    alone = sum(len(groups) == 1 for _, groups in own)
    if alone < len(own):
        own = [(key, groups) for key, groups in own if len(groups) > 1]
    else:
        alone = 0
    rows = []
    for (subject, provenance), groups in own:
        for group in sorted(groups.values(), key=lambda one: _order(one, wanted.direction)):
            ratio = ratios.get((subject, provenance, group.device.label))
            rows.append((
                hardware_cell(group.device_label, group.device.hw_id, group.device.reason),
                Cell(provenance.value),
                Cell(subject.label, reason=subject.gap),
                Cell("; ".join(group.software) or None, reason=None if group.software else "its source does not say"),
                group_cell(group, wanted.unit),
                *spread_cells(group, wanted.unit),
                _ratio_cell(ratio, group, reference, has_reference=reference in groups),
            ))  # fmt: skip
    kept, left = cut(rows, min(limit, _MOST_ROWS))
    notes = list(say_rows_cut(left, len(rows), "rows"))
    if alone:
        which = say_count(alone, "set of conditions", "sets of conditions")
        notes.append(f"{which} with results on one device only are not shown: there is nothing beside them.")
    columns = (
        Column("device", "device", description="With how many of it take part, where that is more than one"),
        provenance_column(),
        Column("conditions", "conditions", description="What has to agree before two rows are compared"),
        Column("software", "software", description="Software of these results, at most four of them"),
        metric_column(wanted.metric),
        *spread_columns(wanted.unit),
        Column(
            "ratio",
            f"times as fast as {reference}",
            unit="1",
            direction=Direction.HIGHER,
            description="How many times as fast, under the same conditions and from the same kind of source",
        ),
    )
    first, groups = own[0]
    figure = draw_bars(
        bars=[Bar(one.device_label, group_cell(one, wanted.unit)) for one in groups.values()],
        title=f"{name}: {first[0].label}",
        metric=metric_title(wanted.metric),
        unit=next((cell.unit for one in groups.values() if (cell := group_cell(one, wanted.unit)).unit), wanted.unit),
        direction=wanted.direction,
        of="device",
        key=f"bars-{number}",
    )
    found = Table(
        f"devices-{number}", name, columns, tuple(kept),
        caption="Rows of equal conditions stand together, those of most devices first.",
        notes=tuple(notes), rows_left_out=left,
    )  # fmt: skip
    return Section(f"workload-{number}", name, (figure, drop_idle_columns(found, keep=("ratio",))))


def _ratio_cell(ratio: Ratio | None, group: Group, reference: str, *, has_reference: bool) -> Cell:
    if ratio is None:
        if group.device.label == reference:
            return Cell(reason="it is the reference")
        why = "a number of 0 makes no ratio" if has_reference else f"{reference} has no result under these conditions"
        return Cell(reason=why)
    unsure = None if ratio.lo is not None else "without an interval: not both are single results that have one"
    return Cell(
        ratio.value, group.provenance, lo=ratio.lo, hi=ratio.hi, unit="1", reason=unsure,
        ref=Ref(RefKind.RESULT, group.newest.result_id),
    )  # fmt: skip


def _matrix_section(table: Table_, ratios: Mapping[tuple[Subject, Provenance, str], Ratio], reference: str) -> Section:
    with_reference = [key for key, groups in table.items() if reference in groups and len(groups) > 1]
    ordered = sorted(with_reference, key=lambda key: (-len(table[key]), key[0].workload, key[0].label))[:_MATRIX_ROWS]
    entries = []
    for subject, provenance in ordered:
        row = f"{subject.workload}: {subject.label}"
        if subject.accelerators not in (None, 1):
            row += f", {subject.accelerators} devices"
        for label in table[subject, provenance]:
            ratio = ratios.get((subject, provenance, label))
            if ratio is not None:
                entries.append(Entry(row, label, Cell(ratio.value, provenance, lo=ratio.lo, hi=ratio.hi, unit="1")))
    figure = draw_matrix(
        entries=entries, sides=Sides("conditions", "device"), title=f"Speed against {reference}",
        metric="times as fast", unit="1", direction=Direction.HIGHER, key="matrix",
    )  # fmt: skip
    text = Text((
        (f"Each cell holds a device against {reference} under the conditions of its row. A blank one has no usable "
        "result there; nothing is carried over from other conditions."),
    ))  # fmt: skip
    return Section("matrix", "Condition by condition", (text, figure))


# -- summary ---------------------------------------------------------------------------------------------------


def _summary(
    groups: Sequence[Group],
    ratios: Mapping[tuple[Subject, Provenance, str], Ratio],
    reference: str,
    wanted: NumberWanted,
    workloads_found: int,
) -> list[Text]:
    devices = {group.device.label for group in groups}
    by_word = {word: sum(group.results for group in groups if group.provenance is word) for word in Provenance}
    counted = ", ".join(f"{say_count(count, f'{word} result')}" for word, count in by_word.items() if count)
    shown = len({group.subject.workload for group in groups})
    first = (
        f"{metric_title(wanted.metric).capitalize()} of {say_count(shown, 'workload')} of {workloads_found} on "
        f"{say_count(len(devices), 'device')}: {counted}."
    )
    overall = _overall(ratios)
    if not overall:
        return [Text((first, f"No device can be held against {reference}: no conditions are shared."))]
    said = []
    for word in Provenance:
        own = [(label, values) for (label, provenance), values in overall if provenance is word]
        if own:
            label, values = own[0]
            pairs = say_count(len(values), "comparable pair")
            said.append(f"{word.value.capitalize()}: {label} is {_times(values)} as fast as {reference} ({pairs}).")
    return [Text((first, *said))]


def _times(values: Sequence[float]) -> str:
    return f"{statistics.geometric_mean(values):.2f} times"


def _order(group: Group, direction: Direction) -> tuple[float, str]:
    return (group.median if direction is Direction.LOWER else -group.median), group.device_label


report_kinds.add(
    KIND,
    ReportKind(
        name=KIND,
        title=TITLE,
        description="The same work on different hardware, and each device against a reference",
        build=build,
        options=OPTIONS,
    ),
)
