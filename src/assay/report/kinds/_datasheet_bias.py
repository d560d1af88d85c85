"""Sections on what devices deliver of what their data sheets promise. May import: core, store, analysis, report."""

from __future__ import annotations

from collections.abc import Sequence

from assay.analysis.datasheet_bias import By, Factor, SheetBias, estimate_parts
from assay.analysis.datasheet_shares import SheetShare, find_shares
from assay.analysis.datasheet_values import Basis, SheetEvidence, take_one_provenance
from assay.core.words import Direction, Provenance
from assay.report.display import format_interval, format_number, format_plain
from assay.report.figures.datasheet import draw_factors, draw_shares, share_cell
from assay.report.kinds._over_many import cut, drop_idle_columns, say_left_out, say_rows_cut
from assay.report.values import Block, Cell, Column, Section, Table, Text
from assay.report.wording import say_count

_ASKED = ((By.VENDOR, Basis.PEAK16), (By.ARCHITECTURE, Basis.PEAK16), (By.PRECISION, Basis.STATED),
          (By.BOTH, Basis.STATED))  # fmt: skip
"""Few sources state a precision; what a maker or a generation delivers is seen against the 16-bit peak of all."""
_MOST_ROWS = 60
HOW_BIAS_READ = (
    (
        "factor",
        (
            "How much more of a figure of its data sheets a group delivers than the group of reference, at the same "
            "work under the same rules: 0.8 is a fifth less. The reference is the group that most witnesses measured. "
            "Factors are estimated and never set by hand."
        ),
    ),
    (
        "witness",
        (
            "Whoever answers for numbers: the submitter of a benchmark, the machine of an own measurement. Many "
            "numbers of one witness count little more than a few, and so for devices and works; intervals know that."
        ),
    ),
    (
        "shrunk, plain",
        (
            "A factor that little is known of is drawn towards those of the other groups; plain is without that. "
            "Reliability is the share that is not drawn."
        ),
    ),
    (
        "precision",
        (
            "The type of the weights as a submitter states it. Arithmetic may be narrower, which makes a share of the "
            "peak look high."
        ),
    ),
)


def bias_sections(evidence: SheetEvidence, *, limit: int = _MOST_ROWS) -> tuple[tuple[Section, ...], Text]:
    """Build the sections on factors and on shares of the peak, and what they say in short.

    Of the provenance that most values have.
    """
    own, word = take_one_provenance(evidence)
    found = [bias for by, basis in _ASKED for bias in estimate_parts(own, by, basis)]
    shares = find_shares(own)
    blocks: list[Block] = []
    for bias in found:
        blocks += [draw_factors(bias, word), factors_table(bias, word, min(limit, _MOST_ROWS))]
    sections = (
        Section("sheet-bias", "Measured against data sheets", tuple(blocks)),
        Section("sheet-shares", "Share of the peak, where the operations are known", tuple(_share_blocks(shares))),
    )
    return sections, Text((_say_bias(next(bias for bias in found if bias.by is By.ARCHITECTURE), word),))


def factors_table(bias: SheetBias, provenance: Provenance | None, limit: int = _MOST_ROWS) -> Table:
    """The factors of one estimate with all they are of, those without one last."""
    kept, left = cut(bias.factors, limit)
    columns = (
        Column("group", str(bias.by)),
        Column("factor", "factor", unit="1", direction=Direction.HIGHER, description="Shrunk, with its interval"),
        Column("plain", "plain", unit="1", direction=Direction.HIGHER, description="Without shrinking"),
        Column("new_lo", "one more, from", unit="1", description="Interval of one more number: lower end"),
        Column("new_hi", "to", unit="1", description="Interval of one more number: upper end"),
        Column("reliability", "reliability", unit="share", description="1: nothing shrunk"),
        Column("values", "values", description="Of one work, device and witness"),
        Column("numbers", "numbers", description="Stored results behind them"),
        Column("witnesses", "witnesses", description="Submitters, machines"),
        Column("devices", "devices"),
        Column("works", "works", description="Workloads"),
    )
    table = Table(
        f"sheet-factors-{bias.key}", f"Factors by {bias.by}{bias.part_words}", columns,
        tuple(_row(one, bias, provenance) for one in kept),
        caption=_caption(bias),
        notes=(*say_rows_cut(left, len(bias.factors), "groups"), *say_left_out(bias.left_out)),
        rows_left_out=left,
        when_empty="No throughput of a device whose data sheet is known.",
    )  # fmt: skip
    return drop_idle_columns(table, keep={"factor"})


def _row(one: Factor, bias: SheetBias, word: Provenance | None) -> tuple[Cell, ...]:
    why = one.reason or "not known"
    is_reference = one.group == bias.reference and one.factor is not None

    def bounded(value: float | None, lo: float | None, hi: float | None) -> Cell:
        if value is None:
            return Cell(reason=why)
        return Cell(value, word, lo=lo, hi=hi, level=bias.level, n=one.n, reason=one.reason)

    unknown = "the reference" if is_reference else why
    return (
        Cell(one.group),
        bounded(one.factor, one.lo, one.hi),
        bounded(one.plain, one.plain_lo, one.plain_hi),
        *(Cell(edge, word, reason=None if edge else unknown) for edge in (one.new_lo, one.new_hi)),
        Cell(one.reliability if one.factor is not None else None, reason=None if one.factor is not None else why),
        Cell(one.n),
        Cell(one.numbers),
        Cell(one.witnesses),
        Cell(one.devices),
        Cell(one.works),
    )


def _caption(bias: SheetBias) -> str:
    if bias.reason is not None:
        return f"No factors against the {bias.basis.words}: {bias.reason}."
    spreads = ", ".join(f"{name} {format_plain(100 * (spread - 1), 2)} %" for name, spread in bias.spreads)
    return (
        f"Against {bias.reference}, of the {bias.basis.words}: {say_count(bias.n, 'value')} of "
        f"{say_count(bias.witnesses, 'witness', 'witnesses')} at {say_count(bias.subjects, 'kind')} of work under "
        f"one set of rules. Typical differences: {spreads}. {say_count(bias.outlying, 'value')} far from the rest "
        "counted less."
    )


def _say_bias(bias: SheetBias, word: Provenance | None) -> str:
    known = [one for one in bias.factors if one.factor is not None and one.lo is not None]
    if not known:
        return f"Nothing can be said of measured over data sheet: {bias.reason or 'no value'}."
    apart = [one for one in known if one.lo is not None and one.hi is not None and not one.lo <= 1 <= one.hi]
    said = "; ".join(
        f"{one.group} {format_number(one.factor or 1.0, '1')} "
        f"({format_interval(one.lo, one.hi, '1')}, {say_count(one.witnesses, 'witness', 'witnesses')})"
        for one in apart
    )
    start = f"Of {len(known)} generations against {bias.reference} ({word} numbers)"
    return f"{start}, {len(apart)} deliver surely more or less of their data sheet: {said}." if apart else (
        f"{start}, none delivers surely more or less of its data sheet."
    )  # fmt: skip


def _share_blocks(shares: Sequence[SheetShare]) -> list[Block]:
    works = list(dict.fromkeys(one.workload for one in shares))
    return [*(draw_shares(shares, work) for work in works), shares_table(shares)]


def shares_table(shares: Sequence[SheetShare]) -> Table:
    """The shares of the peak with their intervals over witnesses."""
    columns = (
        Column("workload", "workload"),
        Column("vendor", "vendor"),
        Column("architecture", "architecture"),
        Column("precision", "precision", description="Of the weights, as the source states it"),
        Column("share", "share of the peak", unit="share", direction=Direction.HIGHER),
        Column("bound", "is", description="Whether the share is known or a bound from below"),
        Column("lowest", "lowest", unit="share"),
        Column("highest", "highest", unit="share"),
        Column("values", "values"),
        Column("witnesses", "witnesses"),
        Column("devices", "devices"),
    )
    rows = [
        (
            Cell(one.workload),
            Cell(one.vendor),
            Cell(one.architecture),
            Cell(one.precision),
            share_cell(one),
            Cell("at least" if one.is_bound else "as counted", reason=one.operations.source),
            Cell(one.lowest, one.provenance),
            Cell(one.highest, one.provenance),
            Cell(one.n),
            Cell(one.witnesses),
            Cell(one.devices),
        )
        for one in shares
    ]
    named = {one.operations.workload: one.operations for one in shares}
    return Table(
        "sheet-shares", "Share of the data sheet's peak", columns, tuple(rows),
        caption="Geometric means over witnesses, throughput without a limit on latency.",
        notes=tuple(
            f"{name}: {format_plain(one.operations / 1e9, 4)} G operations a {one.unit_of_work} ({one.source})."
            for name, one in named.items()
        ),
        when_empty="No throughput of work whose operations somebody counted, on a device whose peak is known.",
    )  # fmt: skip
