"""Which hardware should I use: devices in order of what was measured on them for one workload, and why others lost.

The ranking itself is ``analysis.ranking``. May import: core, catalog, store, analysis, report.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.analysis.matrix import find_workloads
from assay.analysis.ranking import rank_hardware, read_prices
from assay.analysis.ranking_values import Candidate, Objective, Quantity, Ranking, RankingRequest, many_of
from assay.analysis.usable_numbers import NumberWanted, match_exactly
from assay.core.words import Direction, Provenance
from assay.report.base import ReportKind, ReportRequest, report_kinds
from assay.report.cells import metric_title, work_unit
from assay.report.display import format_number
from assay.report.figures.bars import Bar, draw_bars
from assay.report.figures.pareto import Candidate as Choice
from assay.report.figures.pareto import Measure, draw_pareto
from assay.report.how_to_read import how_to_read
from assay.report.kinds._derived import sheet_blocks
from assay.report.kinds._over_many import (
    HOW_GROUPS_READ,
    choice_option,
    cut,
    drop_idle_columns,
    empty_report,
    hardware_cell,
    number_option,
    provenance_column,
    read_sources,
    say_left_out,
    say_rows_cut,
    selection_of,
    start_report,
    whole_option,
)
from assay.report.kinds._ranking_prices import price_blocks
from assay.report.values import Block, Cell, Column, Ref, RefKind, Report, Section, Table, Text
from assay.report.wording import say_count

if TYPE_CHECKING:
    from assay.store import Store

KIND = "hardware"
TITLE = "Which hardware"
OPTIONS: Mapping[str, str] = {
    "objective": "What the best has least or most of: latency, throughput, energy or cost. Default: throughput.",
    "max_latency_ms": "A latency that a device has to keep; the upper end of its interval counts.",
    "min_throughput": "A throughput per second that a device has to reach; the lower end of its interval counts.",
    "accelerators": "Only systems of so many devices.",
    "scenario": "Only this scenario of a benchmark that has some: Offline, Server, SingleStream ...",
    ("price"): (
        "What devices cost an hour in USD, by catalogue id or name: nvidia-l4=0.71,NVIDIA A30=1.10. Needed for cost."
    ),
}
_UNITS = {Objective.LATENCY: "ns", Objective.THROUGHPUT: "1/s", Objective.ENERGY: "J", Objective.COST: "USD"}
_HOW = (
    "Measure it: `assay run --model bert/base` on each machine, with one store or with `assay store backup`.",
    "Import others' results of it: `assay import FILE`.",
    "What devices without a result would do is predicted by `assay recommend --model bert/base`.",
)
_MOST_NAMED = 16
_MOST_BARS = 30
_MOST_BASES = 8
_MOST_ROWS = 200


def build(store: Store, request: ReportRequest) -> Report:
    """Build the report. Raises StoreError, UsageError."""
    where = dict(request.where)
    asked = where.pop("workload", None)
    named = [asked] if isinstance(asked, str) else list(asked or ())
    is_one = len(named) == 1 and not set(named[0]) & set("*?[")
    workload = named[0] if is_one else _most_measured(store, request)
    if workload is None:
        return empty_report(KIND, TITLE, request, "No workload of this selection has a usable number.", _HOW)
    ranking = rank_hardware(store, _read_request(request, workload, where))
    if ranking.basis is None:
        what = f"No device has a usable number of {workload} under these conditions."
        known = f"{say_count(len(ranking.unmeasured), 'device')} of the store were measured with other workloads."
        return empty_report(KIND, TITLE, request, what, (known, *say_left_out(ranking.left_out), *_HOW))
    sections = [
        Section("ranking", f"{ranking.basis.workload}: devices in order", tuple(_ranking_blocks(ranking, request)))
    ]
    sections.append(Section("fronts", "What is not beaten in both", tuple(_fronts(ranking))))
    if prices := price_blocks(ranking):
        sections.append(Section("prices", "Prices behind the costs", tuple(prices)))
    named = [one.device.hw_id for one in ranking.ranked if one.device.hw_id is not None]
    if sheets := sheet_blocks(store, named, min(request.limit, _MOST_BARS)):
        sections.append(Section("sheets", "What their sheets and prices say", tuple(sheets)))
    sections.append(Section("lost", "Why the others lost", tuple(_lost_blocks(ranking, request))))
    scope = [("workload", ranking.basis.workload), ("objective", ranking.request.objective.value)]
    return start_report(
        KIND,
        f"Which hardware for {ranking.basis.workload}",
        request,
        summary=_summary(ranking, chosen=not is_one),
        scope=[*scope, ("basis", ranking.basis.label)],
        sections=sections,
        sources=read_sources(store, selection_of(request, workload=match_exactly([workload]))),
        how_to_read=[
            *how_to_read("throughput", "energy"),
            *HOW_GROUPS_READ,
            (
                "ranking",
                (
                    "Each device stands with the conditions (precision, batch, engine, round) in which it does "
                    "best by the objective and keeps the limits. What a person does not choose (inputs, load, "
                    "scenario) is the same for all. Systems of several devices are ranked as the systems they "
                    "are. Measured and imported numbers stand in one order, each marked; none is predicted."
                ),
            ),
            ("level with the first", "Its interval, or the spread of its results, overlaps that of the first."),
        ],
    )


def _most_measured(store: Store, request: ReportRequest) -> str | None:
    """The workload with a throughput, or else a latency, on most devices."""
    for metric in ("throughput_per_s", "latency_ns"):
        found = find_workloads(store, selection_of(request), NumberWanted.of(metric))
        if found:
            return found[0][0]
    return None


def _read_request(request: ReportRequest, workload: str, where: Mapping[str, Any]) -> RankingRequest:
    words = [one.value for one in Objective]
    max_latency_ms = number_option(request, "max_latency_ms")
    has_count = "accelerators" in request.options
    fields = {**where, **({"run_id": request.run_ids} if request.run_ids else {})}
    return RankingRequest(
        workload=workload,
        objective=Objective(choice_option(request, "objective", words, Objective.THROUGHPUT.value)),
        where=fields,
        max_latency_ns=None if max_latency_ms is None else max_latency_ms * 1e6,
        min_throughput_per_s=number_option(request, "min_throughput"),
        prices_usd_per_h=read_prices(request.options.get("price", "")),
        scenario=request.options.get("scenario"),
        accelerators=whole_option(request, "accelerators", 1, most=1_000_000) if has_count else None,
    )


# -- sections --------------------------------------------------------------------------------------------------


def _ranking_blocks(ranking: Ranking, request: ReportRequest) -> list[Block]:
    objective = ranking.request.objective
    kept, left = cut(ranking.ranked, min(request.limit, _MOST_ROWS))
    table = Table(
        "ranking",
        "Devices in order",
        _columns(ranking, is_ranked=True),
        tuple(_row(ranking, one, is_ranked=True) for one in kept),
        caption=f"By {objective.value}, best first. {_basis_text(ranking)}",
        notes=(*_say_cut(left, len(ranking.ranked), request), *say_left_out(ranking.left_out)),
        rows_left_out=left,
        when_empty="No device meets the limits: the table below says what each of them misses.",
    )
    bars = [Bar(one.label, _cell(ranking, one, objective)) for one in ranking.ranked]
    figure = draw_bars(
        bars=bars, title=f"{ranking.request.objective.value.capitalize()} by device", metric=_title(ranking, objective),
        unit=_unit(ranking, objective), direction=objective.direction, of=(
                "device"
            ), key="ranking-bars", limit=min(request.limit, _MOST_BARS),
    )  # fmt: skip
    return [figure, drop_idle_columns(table)]


def _say_cut(left: int, total: int, request: ReportRequest) -> tuple[str, ...]:
    """Where no greater limit would show more, what would."""
    return say_rows_cut(left, total, "devices") if request.limit >= _MOST_ROWS else ()


def _columns(ranking: Ranking, *, is_ranked: bool) -> tuple[Column, ...]:
    first = [Column("rank", "rank")] if is_ranked else []
    worse = Column(
        "worse", "times worse", unit="1", direction=Direction.LOWER, description="Than the first, by the objective"
    )
    middle = [
        Column("device", "device", description="With how many of it take part, where that is more than one"),
        provenance_column(),
        *(
            Column(one.value, _title(ranking, one), unit=_unit(ranking, one), direction=one.direction)
            for one in Objective
        ),
        Column("power", "power", unit="W", description="Mean power while it worked, as its source measured it"),
        Column(
            "per_device",
            "throughput per device",
            unit=_unit(ranking, Objective.THROUGHPUT),
            direction=Direction.HIGHER,
            description="Derived: throughput / number of devices",
        ),
        worse,
        Column("results", "results", description="Usable results under these conditions"),
        Column("conditions", "conditions", description="Under which it does best"),
        Column("software", "software"),
    ]
    last = [] if is_ranked else [Column("why", "why it lost")]
    return (*first, *middle, *last)


def _row(ranking: Ranking, one: Candidate, *, is_ranked: bool) -> tuple[Cell, ...]:
    rate = one.throughput
    per_device = (
        Cell(rate.value / (one.accelerators or 1), one.provenance, reason="derived: throughput / number of devices")
        if rate.value
        else Cell(reason=rate.reason)
    )
    level = "level with the first: their intervals or spreads overlap" if one.is_level else None
    cells = [
        hardware_cell(one.label, one.device.hw_id, one.device.reason),
        Cell(one.provenance.value),
        *(_cell(ranking, one, objective) for objective in Objective),
        _quantity_cell(one, one.power, "W"),
        per_device,
        Cell(
            one.times_worse, one.provenance, reason=level or (None if one.times_worse else "nothing to hold it against")
        ),
        Cell(one.quantity(ranking.request.objective).results or max(one.throughput.results, one.latency.results)),
        Cell(one.subject.label, reason=one.subject.gap),
        Cell("; ".join(one.software) or None, reason=None if one.software else "its source does not say"),
    ]
    if is_ranked:
        return (Cell(one.rank), *cells)
    return (*cells, Cell("; ".join(one.misses)))


def _cell(ranking: Ranking, one: Candidate, objective: Objective) -> Cell:
    return _quantity_cell(one, one.quantity(objective), _unit(ranking, objective))


def _quantity_cell(one: Candidate, quantity: Quantity, unit: str) -> Cell:
    if quantity.value is None:
        return Cell(reason=quantity.reason or "not known")
    several = None
    if quantity.results > 1 and quantity.lowest is not None and quantity.highest is not None:
        spread = f"{format_number(quantity.lowest, unit)} to {format_number(quantity.highest, unit)}"
        several = f"median of {quantity.results} results, {spread}"
    return Cell(
        quantity.value,
        one.provenance,
        quantity.verdict if quantity.results == 1 else None,
        lo=quantity.lo,
        hi=quantity.hi,
        n=quantity.n if quantity.results == 1 else quantity.results,
        reason="; ".join(filter(None, (quantity.reason, several))) or None,
        ref=None if quantity.result_id is None else Ref(RefKind.RESULT, quantity.result_id),
    )


def _fronts(ranking: Ranking) -> list[Block]:
    pairs = (
        (Objective.LATENCY, Objective.THROUGHPUT),
        (Objective.ENERGY, Objective.THROUGHPUT),
        (Objective.COST, Objective.THROUGHPUT),
    )
    figures: list[Block] = []
    for x, y in pairs:
        choices = [Choice(one.label, _cell(ranking, one, x), _cell(ranking, one, y)) for one in ranking.candidates]
        measures = [Measure(_title(ranking, one), _unit(ranking, one), one.direction) for one in (x, y)]
        has_both = any(
            one.quantity(x).value is not None and one.quantity(y).value is not None for one in ranking.candidates
        )
        if has_both:
            figures.append(draw_pareto(candidates=choices, x=measures[0], y=measures[1], key=f"front-{x}-{y}"))
    why = "No device has throughput together with latency, energy or cost under these conditions."
    return figures or [Text((why,))]


def _lost_blocks(ranking: Ranking, request: ReportRequest) -> list[Block]:
    kept, left = cut(ranking.lost, min(request.limit, _MOST_ROWS))
    table = Table(
        "lost", "Measured, and not in the order", _columns(ranking, is_ranked=False),
        tuple(_row(ranking, one, is_ranked=False) for one in kept),
        notes=_say_cut(left, len(ranking.lost), request), rows_left_out=left,
        when_empty="Every device with a usable number takes part.",
    )  # fmt: skip
    blocks: list[Block] = [drop_idle_columns(table)]
    if ranking.other_bases:
        shown, left_out = cut(ranking.other_bases, _MOST_BASES)
        blocks.append(
            Table(
                "other-work", "Not the same work, and so not in this order",
                (Column("basis", "work"), Column("devices", "devices", unit="count")),
                tuple((Cell(basis.label), Cell(count)) for basis, count in shown),
                caption="Filters and scenario choose another.", rows_left_out=left_out,
            )
        )  # fmt: skip
    if ranking.unmeasured:
        named = ", ".join(ranking.unmeasured[:_MOST_NAMED])
        more = f" and {len(ranking.unmeasured) - _MOST_NAMED} more" if len(ranking.unmeasured) > _MOST_NAMED else ""
        blocks.append(
            Text((
                (f"Not measured for this workload under these conditions, though with other work: {named}{more}. "
                "They are not in this order."),
            ))
        )  # fmt: skip
    return blocks


# -- words -----------------------------------------------------------------------------------------------------


def _title(ranking: Ranking, objective: Objective) -> str:
    match objective:
        case Objective.LATENCY:
            return metric_title(ranking.latency_metric)
        case Objective.THROUGHPUT:
            return metric_title(ranking.throughput_metric)
        case Objective.ENERGY:
            return "energy per call" if ranking.is_energy_of_a_call else f"energy per {_work(ranking)}"
        case Objective.COST:
            return f"cost of a million {many_of(_work(ranking))}"


def _unit(ranking: Ranking, objective: Objective) -> str:
    if objective is Objective.THROUGHPUT and ranking.basis is not None:
        return work_unit(ranking.basis.unit_of_work) or "1/s"
    return _UNITS[objective]


def _work(ranking: Ranking) -> str:
    return (ranking.basis.unit_of_work if ranking.basis else None) or "unit"


def _basis_text(ranking: Ranking) -> str:
    label = "" if ranking.basis is None else ranking.basis.label
    return f"The same for all: {label}. Rounds, software and precision may differ, and stand in each row."


def _summary(ranking: Ranking, *, chosen: bool) -> list[Text]:
    objective = ranking.request.objective
    words = {word: sum(one.provenance is word for one in ranking.ranked) for word in Provenance}
    counted = ", ".join(f"{count} {word}" for word, count in words.items() if count)
    said = []
    if chosen:
        said.append(f"No one workload was named: {ranking.basis.workload if ranking.basis else ''} is on most devices.")
    if not ranking.ranked:
        said.append(f"None of {say_count(len(ranking.lost), 'device')} meets what was asked.")
        return [Text(tuple(said))]
    first = ranking.ranked[0]
    value = format_number(first.quantity(objective).value or 0.0, _unit(ranking, objective))
    said.append(
        f"By {_title(ranking, objective)}, {first.label} is first of {len(ranking.ranked)} ({counted}) with {value} "
        f"({first.provenance}; {first.subject.label})."
    )
    if len(ranking.ranked) > 1:
        second = ranking.ranked[1]
        level = ", level with it by their spread" if second.is_level else ""
        value = format_number(second.quantity(objective).value or 0.0, _unit(ranking, objective))
        said.append(f"Second is {second.label} with {value}{level}.")
    by_device = sorted(
        ranking.ranked, key=lambda one: -((one.throughput.value or 0.0) / (one.accelerators or 1)),
    )  # fmt: skip
    if objective is Objective.THROUGHPUT and by_device[0].throughput.value:
        best = by_device[0]
        rate = format_number(best.throughput.value / (best.accelerators or 1), _unit(ranking, objective))  # type: ignore[operator]  # asked above
        said.append(f"For each device {best.label} brings most: {rate} (derived).")
    if ranking.lost:
        said.append(f"{say_count(len(ranking.lost), 'device')} measured and not in the order.")
    if ranking.unmeasured:
        count = say_count(len(ranking.unmeasured), "device")
        said.append(f"{count} of the store not measured for this.")
    return [Text(tuple(said))]


report_kinds.add(
    KIND,
    ReportKind(
        name=KIND,
        title=TITLE,
        description="Devices in order for one workload by latency, throughput, energy or cost, and why others lost",
        build=build,
        options=OPTIONS,
    ),
)
