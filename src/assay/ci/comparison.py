"""A comparison as Markdown: what ``assay compare`` answers, for a pull request or an issue.

May import: core, analysis.values, ci.
"""

from __future__ import annotations

from collections import Counter

from assay.analysis.values import CompareReport, Comparison, Side
from assay.ci.fitting import Block, Line, fit_blocks
from assay.ci.lines import format_ratio, format_value, short_hash, short_id
from assay.ci.markdown import COMMENT_LIMIT_BYTES, SMALLEST_LIMIT_BYTES, legend
from assay.ci.text import code_in_prose, code_span, escape_markdown
from assay.ci.words import WORST_FIRST
from assay.core.units import MISSING
from assay.core.words import Direction

_RANK = {change: rank for rank, change in enumerate(WORST_FIRST)}


def render_comparison(report: CompareReport, *, limit_bytes: int = COMMENT_LIMIT_BYTES) -> str:
    """Return the comparison as Markdown of at most ``limit_bytes`` bytes, worst first.

    Raises ValueError for a limit below ``SMALLEST_LIMIT_BYTES``.
    """
    if limit_bytes < SMALLEST_LIMIT_BYTES:
        raise ValueError(f"the limit is {limit_bytes} bytes; expected at least {SMALLEST_LIMIT_BYTES}")
    rows = sorted(report.comparisons, key=lambda one: (_RANK[one.change], -_distance(one), one.case_label, one.side))
    blocks = [Block(_head(report)), *(_side(side) for side in report.sides), _table(report, rows), _reasons(rows)]
    blocks.append(legend({one.change for one in rows}))
    return fit_blocks([block for block in blocks if block.before], limit_bytes)


def _head(report: CompareReport) -> str:
    counts = Counter(one.change for one in report.comparisons)
    words = ", ".join(f"{counts[change]} {change}" for change in WORST_FIRST if counts[change]) or "nothing compared"
    labels = " against ".join(code_in_prose(side.label, limit=80) for side in (*report.sides[1:], report.sides[0])[:4])
    lines = [f"### assay: {labels}: {words}", ""]
    lines.append(f"- {code_in_prose(f'{report.metric} {report.stat}')}, {_better(report.direction)}")
    for mean in report.means[:8]:
        interval = "" if mean.lo95 is None else f" ({format_ratio(mean.lo95)} … {format_ratio(mean.hi95)})"
        side = code_in_prose(report.sides[mean.side].label, limit=80)
        lines.append(
            f"- Geometric mean of {side}: {format_ratio(mean.ratio)}{interval} over {mean.n} of {mean.of} cases"
        )
    if not report.is_interleaved:
        lines.append("- The launches were **not interleaved**: a difference may be the machine's.")
    return "\n".join(lines) + "\n"


def _better(direction: Direction) -> str:
    return "neither side is better" if direction is Direction.NEITHER else f"{direction} is better"


def _side(side: Side) -> Block:
    facts = dict(side.described)
    if side.git_commit:
        facts.setdefault("commit", short_hash(side.git_commit))
    facts |= {"hardware": ", ".join(side.hardware), "runs": ", ".join(short_id(run) for run in side.run_ids[:8])}
    lines = tuple(
        Line(f"- {escape_markdown(name, limit=60)}: {escape_markdown(text)}\n") for name, text in facts.items() if text
    )
    before = f"\n<details><summary>{escape_markdown(side.label, limit=80)}</summary>\n\n" if lines else ""
    after = "\n</details>\n"
    return Block(before, lines, after, priority=3, share=0.1, noun="facts", is_droppable=True)


def _table(report: CompareReport, rows: list[Comparison]) -> Block:
    if not rows:
        return Block("")
    several = len(report.sides) > 2  # noqa: PLR2004  (a baseline and one other need no column to say which)
    worse = "P(greater)" if report.direction is Direction.NEITHER else "P(worse)"
    header = ["verdict", "case", *(["side"] if several else []), "change", "interval", "launches", worse]
    header += ["value", "baseline"]
    rules = [":--", ":--", *([":--"] if several else []), *["--:"] * 6]
    before = f"\n| {' | '.join(header)} |\n| {' | '.join(rules)} |\n"
    return Block(before, tuple(_row(report, one, several=several) for one in rows), priority=1, share=0.7, noun="cases")


def _row(report: CompareReport, one: Comparison, *, several: bool) -> Line:
    estimate = one.estimate
    interval, launches, probability = MISSING, MISSING, MISSING
    if estimate is not None:
        interval = f"{format_ratio(estimate.lo95)} … {format_ratio(estimate.hi95)}"
        launches = f"{estimate.n_b} and {estimate.n_a}"
        is_lower_worse = report.direction is Direction.HIGHER
        probability = f"{1 - estimate.p_greater if is_lower_worse else estimate.p_greater:.2f}"
    cells = [
        f"**{one.change}**" if one.change.is_alarm else str(one.change), code_span(one.case_label),
        *([code_span(report.sides[one.side].label, limit=80)] if several else []),
        format_ratio(estimate.ratio if estimate else None), interval, launches, probability,
        *(escape_markdown(format_value(value, report.unit)) for value in (one.value_b, one.value_a)),
    ]  # fmt: skip
    return Line(f"| {' | '.join(cells)} |\n", one.change.is_alarm)


def _reasons(rows: list[Comparison]) -> Block:
    lines = []
    for one in rows:
        needed = [] if one.launches_needed is None else [f"{one.launches_needed} launches a side would decide"]
        if reasons := [*one.reasons, *needed]:
            text = escape_markdown("; ".join(reasons))
            lines.append(Line(f"- {code_in_prose(one.case_label)}: **{one.change}**: {text}\n", one.change.is_alarm))
    before = "\n**Why**\n\n" if lines else ""
    return Block(before, tuple(lines), priority=2, share=0.3, noun="reasons", is_droppable=True)


def _distance(one: Comparison) -> float:
    if one.estimate is None or one.estimate.ratio <= 0:
        return 0.0
    return max(one.estimate.ratio, 1 / one.estimate.ratio)
