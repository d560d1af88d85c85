"""Measured and predicted options as sections of a page: in order, each with where it is from and how sure that is.

May import: core, analysis, predict, recommend, report, web.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from assay.analysis.ranking_values import many_of
from assay.core.words import Direction, Provenance
from assay.predict.questions import why_impossible
from assay.recommend.decision import Objective
from assay.recommend.suggest import suggest_measurements
from assay.report.display import format_number
from assay.report.figures.bars import Bar, draw_bars
from assay.report.values import Block, Cell, Column, Ref, RefKind, Section, Table, Text, Tone
from assay.web.counting import graph_counts
from assay.web.estimators import shelf_state

if TYPE_CHECKING:
    from assay.predict.values import Question
    from assay.recommend.decision import Decision, Option
    from assay.web.page import Ask
    from assay.web.reading import State

KEY = "foretold"
_SHARE = "share"
_MOST_SUGGESTED = 5
_MOST_ABSTAINED = 40
_MEASURES = {
    Objective.LATENCY: ("time of a call", "ns"),
    Objective.THROUGHPUT: ("rate", "1/s"),
    Objective.COST: ("cost of a million", "USD"),
    Objective.ENERGY: ("energy of a million", "J"),
}


def state_of_predictions(ask: Ask) -> State:
    """What predictions depend on beside the store: the graphs that were counted, and which predictors answer."""
    return () if ask.settings.is_static else (("graphs", graph_counts.version), *shelf_state(ask.store))


def decision_sections(found: Decision, model: str) -> list[Section]:
    """Return the order, why others lost, what has no answer, and what to measure next; without what is empty."""
    sections = [Section(KEY, f"{model}: measured and predicted together", tuple(_ranked_blocks(found)))]
    left: list[Block] = []
    if found.lost:
        left.append(_lost_table(found))
    if found.abstained:
        left.append(_abstained_table(found.abstained, model))
    if left:
        sections.append(Section(f"{KEY}-lost", "Not in this order, and why", tuple(left)))
    if suggestions := _suggestions(found):
        sections.append(Section(f"{KEY}-next", "What to measure next", (suggestions,)))
    return sections


# -- the order -------------------------------------------------------------------------------------------------


def _ranked_blocks(found: Decision) -> list[Block]:
    if not found.ranked:
        return [Text(("No device keeps the limits, or is known well enough: the tables below say why.",))]
    title, unit = _MEASURES[found.objective]
    is_rate = found.objective is Objective.THROUGHPUT
    figure = draw_bars(
        bars=[Bar(one.label, _objective_cell(one, found.objective)) for one in found.ranked],
        title=f"{title[0].upper()}{title[1:]} by device, as measured or predicted", metric=title, unit=unit,
        direction=Direction.HIGHER if is_rate else Direction.LOWER, of="device", key=f"{KEY}-bars",
        is_ranked_by_value=False,
    )  # fmt: skip
    table = Table(
        f"{KEY}-ranking", "Options in order", _columns(found), tuple(_row(found, one) for one in found.ranked),
        caption=_caption(found),
    )  # fmt: skip
    blocks: list[Block] = [figure, table]
    notes = dict.fromkeys((*found.notes, *(note for one in found.ranked for note in one.question.device.notes)))
    if found.is_close:
        first = found.ranked[0]
        notes[f"it is close: {first.label} is the best with {format_number(first.p_best, _SHARE)}"] = None
    if notes:
        blocks.append(Text(tuple(f"{note[0].upper()}{note[1:]}." for note in notes), Tone.WARNING))
    return blocks


def _caption(found: Decision) -> str:
    counts = [(word, sum(one.provenance == word for one in found.ranked)) for word in ("measured", "predicted")]
    said = " and ".join(f"{count} {word}" for word, count in counts if count)
    return (
        f"By {found.objective.value}, best first: {said}. A predicted number has the interval that was tested, and "
        "nobody measured it. Each device stands with the conditions that do best and probably keep the limits."
    )


def _columns(found: Decision) -> tuple[Column, ...]:
    chance = "Probability that no other option does better"
    columns = [
        Column("rank", "rank"),
        Column("device", "device"),
        Column("provenance", "number is", description="Measured on this device, or predicted, and by what"),
        Column("conditions", "with"),
        Column("latency", "time of a call", unit="ns", direction=Direction.LOWER),
        Column("rate", "rate", unit="1/s", direction=Direction.HIGHER, description="Of one replica"),
    ]
    if found.limits.max_latency_ns is not None:
        columns.append(Column("meets", "P(meets)", unit=_SHARE, description="Probability that the latency is kept"))
    columns += [
        Column("best", "P(best)", unit=_SHARE, description=chance),
        Column("regret", "regret", unit=_SHARE, description="By what share it is expected to be worse than the best"),
    ]
    if found.limits.qps is not None:
        columns.append(Column("replicas", "replicas", description="As many as the load takes, at the middle"))
    columns += [column for column, _ in _costs(found.ranked)]
    return tuple(columns)


def _row(found: Decision, one: Option) -> tuple[Cell, ...]:
    word = Provenance(one.provenance)
    cells = [
        Cell(one.rank),
        _device_cell(one.question, one.label),
        Cell(_say_source(one)),
        Cell(_say_conditions(one.question, one)),
        _time_cell(one),
        _rate_cell(one),
    ]
    if found.limits.max_latency_ns is not None:
        cells.append(Cell(one.p_meets, word))
    cells += [Cell(one.p_best, word), Cell(one.regret, word)]
    if found.limits.qps is not None:
        cells.append(Cell(one.replicas))
    for column, name in _costs(found.ranked):
        value = one.usd_per_million if name == "cost" else one.joules_per_million
        cells.append(
            Cell(value, word, unit=column.unit, reason=_price(one) if name == "cost" else None)
            if value is not None
            else Cell(reason=one.unknown.get(name, "not known"))
        )
    return tuple(cells)


def _costs(options: Sequence[Option]) -> list[tuple[Column, str]]:
    """The columns of cost and energy, where any option has one."""
    found = []
    if any(one.usd_per_million is not None for one in options):
        found.append((Column("cost", "cost of a million", unit="USD", direction=Direction.LOWER), "cost"))
    if any(one.joules_per_million is not None for one in options):
        found.append((Column("energy", "energy of a million", unit="J", direction=Direction.LOWER), "energy"))
    return found


def _price(one: Option) -> str | None:
    return None if one.price is None else f"price: {one.price.origin}"


def _time_cell(one: Option) -> Cell:
    held = one.answer.intervals[-1] if one.answer.intervals else None
    words = [] if held is not None else ["no interval of it was tested"]
    return Cell(
        one.latency_ns, Provenance(one.provenance), lo=None if held is None else held.lo,
        hi=None if held is None else held.hi, level=0.95 if held is None else held.level, unit="ns",
        reason="; ".join([*words, *one.answer.flags]) or None, ref=_evidence_ref(one),
    )  # fmt: skip


def _rate_cell(one: Option) -> Cell:
    graph = one.question.graph
    unit = "1/s" if graph is None or graph.unit_of_work is None else f"{many_of(graph.unit_of_work)}/s"
    held = one.answer.intervals[-1] if one.answer.intervals else None
    work = one.rate_per_s * one.latency_ns
    return Cell(
        one.rate_per_s, Provenance(one.provenance), lo=None if held is None else work / held.hi,
        hi=None if held is None or not held.lo else work / held.lo, level=0.95 if held is None else held.level,
        unit=unit,
    )  # fmt: skip


def _objective_cell(one: Option, objective: Objective) -> Cell:
    """The number that the order is by; cost and energy are as many times off as the time is."""
    if objective is Objective.LATENCY:
        return _time_cell(one)
    if objective is Objective.THROUGHPUT:
        return _rate_cell(one)
    value, time = one.merit(objective), _time_cell(one)
    scale = None if value is None else value / one.latency_ns
    return Cell(
        value, time.provenance, lo=None if scale is None or time.lo is None else scale * time.lo,
        hi=None if scale is None or time.hi is None else scale * time.hi, level=time.level,
        reason=None if value is not None else "not known",
    )  # fmt: skip


def _evidence_ref(one: Option) -> Ref | None:
    """A measured number leads to its result."""
    ids = [held.result_id for held in one.answer.evidence if held.result_id is not None]
    return Ref(RefKind.RESULT, ids[0]) if ids and one.provenance == "measured" else None


def _device_cell(question: Question, label: str | None = None) -> Cell:
    device = question.device
    many = f"{question.conditions.devices} × {device.name}" if question.conditions.devices > 1 else device.name
    return Cell(label or many, ref=None if device.hw_id is None else Ref(RefKind.DEVICE, device.hw_id))


def _say_source(one: Option) -> str:
    if one.provenance == "measured":
        return "measured"
    return f"predicted by {one.answer.model or one.answer.layer.value}"


def _say_conditions(question: Question, option: Option | None = None) -> str:
    """How it would run; of several devices also how they share the work."""
    conditions = question.conditions
    how = f", {option.strategy}" if option is not None and option.devices > 1 else ""
    return f"{conditions.precision}, batch {conditions.batch}, {conditions.engine}{how}"


# -- the rest --------------------------------------------------------------------------------------------------


def _lost_table(found: Decision) -> Table:
    columns = (
        Column("device", "device"),
        Column("provenance", "number is"),
        Column("conditions", "with"),
        Column("latency", "time of a call", unit="ns", direction=Direction.LOWER),
        Column("why", "why it lost"),
    )
    rows = tuple(
        (
            _device_cell(one.question, one.label),
            Cell(_say_source(one)),
            Cell(_say_conditions(one.question, one)),
            _time_cell(one),
            Cell("; ".join(one.misses)),
        )
        for one in found.lost
    )
    return Table(f"{KEY}-lost-table", "Why others lost", columns, rows)


def _abstained_table(abstained: Sequence[tuple[Question, str]], model: str) -> Table:
    columns = (
        Column("device", "device"),
        Column("conditions", "with"),
        Column("why", "why there is no number"),
        Column("measure", "what to measure there", is_code=True),
    )
    rows = tuple(
        (
            _device_cell(question),
            Cell(_say_conditions(question)),
            Cell(why),
            Cell(reason="it cannot be measured there")
            if why_impossible(question) is not None
            else Cell(_command(question, model)),
        )
        for question, why in abstained[:_MOST_ABSTAINED]
    )
    return Table(
        f"{KEY}-abstained", "No answer", columns, rows, rows_left_out=max(0, len(abstained) - _MOST_ABSTAINED),
        caption="Nothing that was learned reaches these, so no number is given.",
    )  # fmt: skip


def _command(question: Question, model: str) -> str:
    conditions = question.conditions
    if not question.device.flops_per_s:
        return "assay probe"
    words = f"--batch {conditions.batch} --precision {conditions.precision} --engine {conditions.engine}"
    return f"assay run --model {model} {words}"


def _suggestions(found: Decision) -> Table | None:
    suggested = suggest_measurements(found)[:_MOST_SUGGESTED]
    if not suggested:
        return None
    columns = (
        Column("device", "measure on"),
        Column("value", "spares", unit=_SHARE, description="Share of the objective that knowing it spares on average"),
        Column("changes", "changes the choice", unit=_SHARE, description="Probability of it"),
        Column("off", "may be off by", unit="1", description="So many times either way, at one standard deviation"),
        Column("command", "with", is_code=True),
    )
    rows = tuple(
        (
            _device_cell(one.option.question, one.option.label),
            Cell(one.value, Provenance.PREDICTED),
            Cell(one.p_changes, Provenance.PREDICTED),
            Cell(one.spread_factor, Provenance.PREDICTED),
            Cell(one.command or one.note),
        )
        for one in suggested
    )
    return Table(
        f"{KEY}-suggested", "Measurements that would make the choice surer", columns, rows,
        caption="Most valuable first: what is now predicted, and would be known.",
    )  # fmt: skip
