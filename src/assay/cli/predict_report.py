"""The report of ``assay predict validate -o``: every split beside its naive baselines, and where not to trust it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from assay import __version__
from assay.core.words import Direction
from assay.predict.scores import GroupScore, Score, SplitOutcome
from assay.report.values import Cell, Column, Report, Section, Table, Text, Tone

KIND = "validation"
_LEVEL = 0.9
_MOST_GROUPS = 60
_SCORES = (
    Column("n", "rows"),
    Column("mean", "mean error", "share", Direction.LOWER, "Of |predicted / actual - 1|"),
    Column("median", "median error", "share", Direction.LOWER),
    Column("within10", "within 10 %", "share", Direction.HIGHER),
    Column("within20", "within 20 %", "share", Direction.HIGHER),
    Column("held", "90 % held", "share", description="The share of outcomes that the 90 % interval held"),
    Column("width", "hi / lo", description="The median of upper over lower end of that interval"),
)


def report_validation(outcomes: Sequence[SplitOutcome], skipped: Sequence[str]) -> Report:
    """Return a report of what was held out. What was left out is said."""
    beaten = [f"{one.kind} {one.split}: {', '.join(one.beaten_by)}" for one in outcomes if one.beaten_by]
    said = [f"{len(outcomes)} splits were held out; each method predicted the same rows."]
    if beaten:
        said.append(f"A naive baseline did better, and assay does not answer there: {'; '.join(beaten)}.")
    sections = [Section("splits", "Every split beside naive baselines", (_table_of(outcomes),))]
    sections += [_section_of(one) for one in outcomes]
    if skipped:
        sections.append(Section("skipped", "What was left out", (Text(tuple(skipped), Tone.WARNING),)))
    return Report(
        KIND, "How good predictions are", datetime.now(UTC), __version__, (Text(tuple(said)),),
        sections=tuple(sections),
        how_to_read=(
            ("error", "|predicted / actual - 1| of what was not learned from. A split is a situation to be asked in."),
            ("90 % held", "85 to 95 % is as promised. Less is an interval that is too narrow for such questions."),
            ("assay", "The project's own predictor, first in each split; the rest are naive baselines."),
        ),
    )  # fmt: skip


def _table_of(outcomes: Sequence[SplitOutcome]) -> Table:
    columns = (
        Column("predictor", "predictor"), Column("split", "held out"), Column("method", "method"), *_SCORES,
        Column("goal", "goal", "share"),
    )  # fmt: skip
    rows = tuple(
        (
            Cell(one.kind), Cell(one.split), Cell(name), *_cells(score),
            Cell(one.goal) if name == "assay" else Cell(reason="of assay's own alone"),
        )
        for one in outcomes
        for name, score in one.methods.items()
    )  # fmt: skip
    return Table("splits", "Errors on what was held out", columns, rows)


def _section_of(one: SplitOutcome) -> Section:
    blocks: list[Text | Table] = [Text((one.question, *one.notes))]
    if one.groups:
        worst = sorted(one.groups, key=lambda group: -group.score.mean_error)
        blocks.append(_groups_table(f"worst-{one.kind}-{one.split}", "Held-out groups, worst first", worst))
    blocks += [
        _groups_table(f"{title}-{one.kind}-{one.split}", f"By {title}", groups)
        for title, groups in one.stratified.items()
    ]
    return Section(f"{one.kind}-{one.split}", f"{one.kind}, {one.split}", tuple(blocks))


def _groups_table(key: str, title: str, groups: Sequence[GroupScore]) -> Table:
    rows = tuple((Cell(group.group), *_cells(group.score)) for group in groups[:_MOST_GROUPS])
    left = max(0, len(groups) - _MOST_GROUPS)
    notes = (f"{left} more with smaller errors",) if left else ()
    return Table(key, title, (Column("group", "group"), *_SCORES), rows, notes=notes, rows_left_out=left)


def _cells(score: Score) -> tuple[Cell, ...]:
    none = "no interval at this level"
    held, width = score.coverage.get(_LEVEL), score.width.get(_LEVEL)
    return (
        Cell(score.n), Cell(score.mean_error), Cell(score.median_error), Cell(score.within_10), Cell(score.within_20),
        Cell(held, reason=none if held is None else None), Cell(width, reason=none if width is None else None),
    )  # fmt: skip
