"""Training: time to a quality, curves, parts of a step, work per second, and what more accelerators bring.

What assay trained itself comes with its curves and parts; published results with what their tables say. May import:
core, catalog, store, analysis, report.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assay.analysis.accelerators import ScalingLine, find_lines
from assay.analysis.side_by_side import Group, label_devices, read_groups_of
from assay.analysis.usable_numbers import TABLES_READ, NumberWanted, count_left_out, usable_sql
from assay.core.words import Direction, Mode, Provenance
from assay.report.base import ReportKind, ReportRequest, report_kinds
from assay.report.cells import metric_column, metric_title, workload_cell
from assay.report.how_to_read import how_to_read
from assay.report.kinds._efficiency import draw_efficiency, efficiency_table
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
    unit_of,
    whole_option,
)
from assay.report.result_sections import trouble_section
from assay.report.training_data import Training, newest_each, read_trainings
from assay.report.training_sections import MOST_CURVES, say_trainings, training_sections
from assay.report.values import Block, Cell, Column, Ref, RefKind, Report, Section, Table, Text
from assay.report.wording import say_count
from assay.store.query import fetch_rows
from assay.store.selection import ANY

if TYPE_CHECKING:
    from assay.store import Store
    from assay.store.selection import Selection

KIND = "training"
TITLE = "Training"
OPTIONS: Mapping[str, str] = {
    "workloads": "How many workloads to show of each section, those with most results first. Default: 6.",
    "curves": f"Of how many measured trainings to draw the curves. Default: {MOST_CURVES}.",
}
TIME, RATE = "time_to_train_ns", "throughput_per_s"
_HOW = (
    (
        "`assay run --mode training --model resnet/tiny` times the steps of a training, and "
        "`assay run --suite accuracy` trains some models to a quality, with their curves."
    ),
    (
        "`assay import FILE` reads published training results: MLPerf Training tables, timm's and Lambda's "
        "training tables."
    ),
)
_NO_CURVES = (
    "No loss or accuracy by step is stored: published tables say what a training reached, and not how. What "
    "assay trains itself keeps both."
)
_HOW_TARGETS_READ = (
    (
        "time to accuracy",
        (
            "From the first step until the accuracy on the test split was the target, evaluations included. A launch "
            "is a seed. It is a number of this model, these data, this batch and learning rate: a faster device "
            "shortens it, and so does a luckier recipe."
        ),
    ),
    (
        "noise scale",
        (
            "Samples in a batch at which the noise of the gradient equals its signal (McCandlish et al. 2018): much "
            "smaller batches take more steps, much larger ones more samples, for the same loss."
        ),
    ),
)
_MOST_READ = 500
_MOST_ROWS = 60
_MOST_WORKLOADS = 24


def build(store: Store, request: ReportRequest) -> Report:
    """Build the report. Raises StoreError, UsageError."""
    selection = selection_of(request, mode=Mode.TRAINING.value)
    read = read_groups_of(store, selection, [NumberWanted.of(TIME, request.stat), NumberWanted.of(RATE, request.stat)])
    times, rates = read[TIME], read[RATE]
    trainings = _read_measured(store, request)
    if not times and not rates and not trainings:
        what = "No usable training result is in this selection."
        return empty_report(KIND, TITLE, request, what, (*_HOW, *say_left_out(count_left_out(store, selection))))
    most = whole_option(request, "workloads", 6)
    time_lines, rate_lines = find_lines(times, Direction.LOWER), find_lines(rates, Direction.HIGHER)
    sections = []
    if any(one.provenance is not Provenance.MEASURED for one in (*times, *rates)):
        overview = drop_idle_columns(_overview(times, rates, request.limit))
        sections.append(Section("overview", "What there is", (overview,)))
    trouble = trouble_section([one.result for one in trainings])
    sections += [] if trouble is None else [trouble]
    drawn = whole_option(request, "curves", MOST_CURVES)
    sections += training_sections(trainings, most_curves=drawn, limit=min(request.limit, _MOST_ROWS))
    sections += _number_sections(times, time_lines, TIME, most, request.limit)
    sections += _number_sections(rates, rate_lines, RATE, most, request.limit)
    if any(one.provenance is not Provenance.MEASURED for one in (*times, *rates)):
        sections.append(_quality_section(store, selection, request.limit))
    sections += left_out_sections(say_left_out(count_left_out(store, selection)))
    return start_report(
        KIND,
        TITLE,
        request,
        summary=[*_summary(times, rates, [*time_lines, *rate_lines]), *say_trainings(trainings)],
        sections=sections,
        sources=read_sources(store, selection),
        how_to_read=[
            *how_to_read("throughput"),
            *HOW_GROUPS_READ,
            *(_HOW_TARGETS_READ if any(one.has_target for one in trainings) else ()),
            (
                "efficiency",
                (
                    "Speed-up over what as many accelerators could bring at best, against the smallest number "
                    "under the same conditions: 100 % is ideal. Time to train mixes speed with convergence: "
                    "larger systems take larger batches, which take more steps."
                ),
            ),
        ],
    )


def _read_measured(store: Store, request: ReportRequest) -> list[Training]:
    """The newest measured training of each case that was asked for. Raises StoreError, UsageError."""
    where: dict[str, Any] = {name: one for name, one in request.where.items() if one is not None}
    if where.pop("provenance", ANY) not in (ANY, Provenance.MEASURED.value):
        return []
    if request.run_ids:
        where["run_id"] = tuple(request.run_ids)
    where |= {"mode": Mode.TRAINING.value, "provenance": Provenance.MEASURED.value}
    found = store.results(limit=_MOST_READ, **where)
    return read_trainings(store, newest_each(list(found)))


# -- sections --------------------------------------------------------------------------------------------------


def _overview(times: Sequence[Group], rates: Sequence[Group], limit: int) -> Table:
    by_workload: dict[str, list[Group]] = {}
    for group in (*times, *rates):
        by_workload.setdefault(group.subject.workload, []).append(group)
    ordered = sorted(by_workload.items(), key=lambda pair: (-sum(one.results for one in pair[1]), pair[0]))
    kept, left = cut(ordered, min(limit, _MOST_WORKLOADS))
    rows = []
    for name, groups in kept:
        counts = [one.subject.accelerators for one in groups if one.subject.accelerators]
        rounds = sorted({str(one.subject.options["round"]) for one in groups if "round" in one.subject.options})
        rows.append((
            workload_cell(name),
            Cell(", ".join(word for word in Provenance if any(one.provenance is word for one in groups))),
            Cell(sum(one.results for one in groups)),
            Cell(len({one.device.label for one in groups})),
            Cell(min(counts), reason=None) if counts else Cell(reason="its source does not say"),
            Cell(max(counts), reason=None) if counts else Cell(reason="its source does not say"),
            Cell(", ".join(rounds) or None, reason=None if rounds else "it is of no benchmark with rounds"),
        ))  # fmt: skip
    columns = (
        Column("workload", "workload", description="What is trained"),
        provenance_column(),
        Column("results", "results", description="Usable results with a time or a throughput"),
        Column("devices", "devices", description="Different devices"),
        Column("fewest", "fewest accelerators", description="In one system"),
        Column("most", "most accelerators", description="In one system"),
        Column("rounds", "rounds", description="Rounds of the benchmark"),
    )
    return Table(
        "workloads", "Workloads", columns, tuple(rows), notes=say_rows_cut(left, len(ordered), "workloads"),
        rows_left_out=left,
    )  # fmt: skip


def _number_sections(
    groups: Sequence[Group], lines: Sequence[ScalingLine], metric: str, most: int, limit: int
) -> list[Section]:
    if not groups:
        return []
    counts: dict[str, int] = {}
    places: dict[str, set[tuple[str, int | None]]] = {}
    for group in groups:
        counts[group.subject.workload] = counts.get(group.subject.workload, 0) + group.results
        places.setdefault(group.subject.workload, set()).add((group.device.label, group.subject.accelerators))
    names = sorted(counts, key=lambda name: (-counts[name], name))
    title = metric_title(metric).capitalize()
    sections = []
    what = "time" if metric == TIME else "rate"
    compared = [name for name in names if len(places[name]) > 1]
    for number, name in enumerate(compared[:most], 1):
        own = [line for line in lines if line.workload == name]
        blocks: list[Block] = [
            drop_idle_columns(
                _numbers_table(
                    f"{what}-{number}", name, [one for one in groups if one.subject.workload == name], metric, limit
                )
            )
        ]
        if own:
            blocks += [
                draw_efficiency(f"{what}-{number}", name, own),
                efficiency_table(f"{what}-{number}", name, own, metric, limit),
            ]
        sections.append(Section(f"{what}-{number}", f"{title} of {name}", tuple(blocks)))
    rest = [name for name in names if name not in compared]
    others: list[Block] = []
    if len(compared) > most:
        more = f"{len(compared) - most} more workloads have a {title.lower()} on several devices"
        others.append(Text((f"{more}: workloads=N shows more, and a filter one alone.",)))
    if rest:
        own_groups = [group for group in groups if group.subject.workload in rest]
        found = _numbers_table(
            f"{what}-single", "Workloads on one device", own_groups, metric, limit, has_workload=True
        )
        others.append(drop_idle_columns(found))
    if others:
        sections.append(Section(f"{what}-more", f"{title} of others", tuple(others)))
    return sections


def _numbers_table(
    key: str, name: str, groups: Sequence[Group], metric: str, limit: int, *, has_workload: bool = False
) -> Table:
    wanted = NumberWanted.of(metric)
    sign = 1 if wanted.direction is Direction.LOWER else -1
    ordered = sorted(
        groups,
        key=lambda one: (
            one.subject.workload, one.subject.label, one.subject.accelerators or 0, sign * one.median,
        ),
    )  # fmt: skip
    kept, left = cut(ordered, min(limit, _MOST_ROWS))
    first = (Column("workload", "workload"),) if has_workload else ()
    rows = [
        (
            *((workload_cell(group.subject.workload),) if has_workload else ()),
            hardware_cell(group.device.label, group.device.hw_id, group.device.reason),
            Cell(group.subject.accelerators, reason=None if group.subject.accelerators else "its source does not say"),
            Cell(group.provenance.value),
            Cell(group.subject.label, reason=group.subject.gap),
            group_cell(group, wanted.unit),
            *spread_cells(group, wanted.unit),
            _per_device_cell(group, metric),
        )
        for group in kept
    ]
    per_device = (
        Column(
            "device_time",
            "device time",
            unit="s",
            direction=Direction.LOWER,
            description="Derived: time x accelerators",
        )
        if metric == TIME
        else Column(
            "per_device",
            "per accelerator",
            unit="1/s",
            direction=Direction.HIGHER,
            description="Derived: throughput / accelerators",
        )
    )
    columns = (
        *first,
        Column("device", "device"),
        Column("accelerators", "accelerators", description="How many took part"),
        provenance_column(),
        Column("conditions", "conditions", description="What has to agree before two rows are compared"),
        metric_column(metric),
        *spread_columns(wanted.unit),
        per_device,
    )
    return Table(
        key, name, columns, tuple(rows),
        caption="Rounds, divisions and systems are kept apart; several results in a row are of several submissions.",
        notes=say_rows_cut(left, len(ordered), "rows"), rows_left_out=left,
    )  # fmt: skip


def _per_device_cell(group: Group, metric: str) -> Cell:
    count = group.subject.accelerators
    if not count:
        return Cell(reason="its source does not say how many accelerators took part")
    if metric == TIME:
        return Cell(group.median * count / 1e9, group.provenance, unit="s", reason="derived: time x accelerators")
    unit = unit_of("1/s", group.subject.unit_of_work)
    return Cell(group.median / count, group.provenance, unit=unit, reason="derived: throughput / accelerators")


def _quality_section(store: Store, selection: Selection, limit: int) -> Section:
    """What published results reached; measured ones have curves, and a table of their own."""
    condition, parameters = usable_sql(selection)
    rows = fetch_rows(
        store.location,
        f"""
        SELECT workload, hardware, device, provenance, result_id, one.name AS name, one.phase AS phase,
               one.stat AS stat, one.value AS value, one.unit AS unit, one.n AS n
        FROM (SELECT *, unnest(metrics) AS one FROM results WHERE {condition} AND provenance <> '{Provenance.MEASURED}')
        WHERE one.name IN ('accuracy', 'loss', 'epochs') AND one.value IS NOT NULL
        ORDER BY workload, result_id, name, phase LIMIT ?
        """,  # noqa: S608  (words of ours; what is asked is bound or quoted)
        [*parameters, min(limit, _MOST_ROWS)],
        tables=TABLES_READ,
        versions=store.versions,
    )
    text = Text((_NO_CURVES,))
    if not rows:
        return Section("reached", "Loss and accuracy of published results", (text,))
    table = Table(
        "quality",
        "What was reached",
        (
            Column("workload", "workload"),
            Column("device", "device"),
            provenance_column(),
            Column("metric", "metric"),
            Column("phase", "phase", description="Which part of the data, or of the training"),
            Column("value", "value", description="As its source says"),
        ),
        tuple(
            (
                workload_cell(row["workload"]),
                Cell(row["hardware"] or row["device"], reason="its source does not name the hardware"),
                Cell(row["provenance"]),
                Cell(f"{row['name']} ({row['stat']})"),
                Cell(row["phase"]),
                Cell(row["value"], Provenance(row["provenance"]), n=row["n"], unit=row["unit"],
                     ref=Ref(RefKind.RESULT, row["result_id"])),
            )
            for row in rows
        ),
    )  # fmt: skip
    return Section("reached", "Loss and accuracy of published results", (table, text))


def _summary(times: Sequence[Group], rates: Sequence[Group], lines: Sequence[ScalingLine]) -> list[Text]:
    groups = [*times, *rates]
    if not groups:
        return []
    by_word = {word: sum(one.results for one in groups if one.provenance is word) for word in Provenance}
    counted = ", ".join(say_count(count, f"{word} result") for word, count in by_word.items() if count)
    devices = {one.device.label for one in groups}
    workloads = {one.subject.workload for one in groups}
    said = [
        (
            f"{counted} of {say_count(len(workloads), 'workload')} on {say_count(len(devices), 'device')}: "
            f"{sum(one.results for one in times)} with a time to train, {sum(one.results for one in rates)} with "
            "a throughput."
        )
    ]
    last = [line.steps[-1] for line in lines]
    if last:
        shares = [step.efficiency for step in last]
        largest = max(last, key=lambda step: step.group.subject.accelerators or 0)
        size = label_devices(largest.group.device.label, largest.group.subject.accelerators)
        said.append(
            f"{say_count(len(lines), 'set of conditions', 'sets of conditions')} with several numbers of "
            f"accelerators: at its largest number each keeps {100 * min(shares):.0f} to {100 * max(shares):.0f} % "
            f"of the ideal (median {100 * statistics.median(shares):.0f} %). The largest is "
            f"{largest.group.subject.workload} on {size}: {largest.speedup:.1f} times the speed of "
            f"{largest.first.subject.accelerators}, {100 * largest.efficiency:.0f} % of the ideal."
        )
    return [Text(tuple(said))]


report_kinds.add(
    KIND,
    ReportKind(
        name=KIND,
        title=TITLE,
        description="Time to train, throughput, and efficiency over accelerators, by benchmark and round",
        build=build,
        options=OPTIONS,
    ),
)
