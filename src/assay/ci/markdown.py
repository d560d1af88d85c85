"""A check as Markdown: the summary of a run and the comment on a change, the same text in two lengths.

Written for GitHub and GitLab, which read the same tables and foldable parts. Every name and reason is escaped, so no
line begins with anything but what stands here (a line that begins with a slash would be a command to GitLab).
May import: core, analysis.values, ci.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence

from assay import __version__
from assay.analysis.values import CheckReport
from assay.ci.fitting import Block, Line, fit_blocks
from assay.ci.lines import (
    format_change,
    format_interval,
    format_ratio,
    format_reasons,
    format_value,
    headline,
    mean_ratios,
    short_hash,
    short_id,
    sort_findings,
)
from assay.ci.text import code_in_prose, code_span, escape_markdown, link_target, marker_name
from assay.ci.values import CheckContext
from assay.ci.words import INTERVAL_MEANING, MEANINGS, WORST_FIRST
from assay.core.records import FindingRecord
from assay.core.units import MISSING
from assay.core.words import Change

COMMENT_LIMIT_BYTES = 60_000
"""GitHub refuses bodies above 65 536 characters; what its own interface adds has to fit as well."""
SMALLEST_LIMIT_BYTES = 8_192
"""Below this there may be no room for what is always said."""
_SHOWN_MEANS = 5

Column = tuple[str, str, Callable[[FindingRecord], str]]
"""Header, alignment, cell."""


def comment_marker(suite: str) -> str:
    """Return the hidden first line by which a comment is found again, one for each suite."""
    return f"<!-- assay:check:{marker_name(suite)} -->"


def is_marker(line: str) -> bool:
    """Say whether a line is such a marker, of any suite."""
    return re.fullmatch(r"<!-- assay:check:[\w.%~-]+ -->", line.rstrip(), re.ASCII) is not None


def render_check(
    report: CheckReport,
    context: CheckContext = CheckContext(),  # noqa: B008  (a frozen value)
    *,
    limit_bytes: int = COMMENT_LIMIT_BYTES,
) -> str:
    """Return the check as Markdown of at most ``limit_bytes`` bytes, worst first, beginning with its marker.

    Where it is cut, whole rows are left out and their number is said. Raises ValueError for a limit below
    ``SMALLEST_LIMIT_BYTES``.
    """
    if limit_bytes < SMALLEST_LIMIT_BYTES:
        raise ValueError(f"the limit is {limit_bytes} bytes; expected at least {SMALLEST_LIMIT_BYTES}")
    heard = sort_findings([one for one in report.findings if one.muted is None])
    told = [one for one in heard if not _is_folded(one)]
    folded = [one for one in heard if _is_folded(one)]
    muted = sort_findings([one for one in report.findings if one.muted is not None])
    blocks = [
        Block(_head(report, context)),
        _break_of_all(report),
        _table("\n", told, columns=_columns(told, report), priority=1, share=0.6),
        _reasons(told),
        _breaks_of_some(report),
        _list("\n**Notes**\n\n", [escape_markdown(note) for note in report.notes], "notes", priority=4),
        _folded_table(_count_words(folded), folded, report, priority=7),
        _folded_table(f"{len(muted)} muted, not counted", muted, report, priority=5),
        _environment(context),
        legend({one.change for one in report.findings}),
        Block(_foot(report, context)),
    ]
    return fit_blocks([block for block in blocks if block.before], limit_bytes)


def _is_folded(finding: FindingRecord) -> bool:
    """Say whether a finding needs no row in sight: nothing is to be said of it that is not said of all such."""
    if finding.change is Change.INCOMPARABLE:
        return finding.environment_break is not None
    return finding.change in (Change.UNCHANGED, Change.NEW)


# -- what is always said ---------------------------------------------------------------------------------------


def _head(report: CheckReport, context: CheckContext) -> str:
    compared = sum(one.ratio is not None for one in report.findings)
    lines = [
        comment_marker(report.suite[:100]),
        f"### assay: {headline(report)}",
        "",
        f"- **Suite** {code_in_prose(report.suite)}: run {_id(report.run_id)}{_of_commit(report, context)}",
        f"- **Against** {_reference(report, context)}",
        f"- **Compared** {compared} of {len(report.findings)}; {report.expected} were expected",
    ]
    means = mean_ratios([one for one in report.findings if one.muted is None])
    if means:
        shown = "; ".join(
            f"{code_in_prose(mean.metric, limit=60)} {format_ratio(mean.ratio)} over {mean.n} of {mean.of}"
            for mean in means[:_SHOWN_MEANS]
        )
        rest = f"; and {len(means) - _SHOWN_MEANS} more metrics" if len(means) > _SHOWN_MEANS else ""
        lines.append(f"- **Geometric mean, new over old**: {shown}{rest}")
    return "\n".join(lines) + "\n"


def _of_commit(report: CheckReport, context: CheckContext) -> str:
    commit = f" of {_commit(report.git_commit, context)}" if report.git_commit else ""
    branch = f" on {code_in_prose(report.git_branch, limit=100)}" if report.git_branch else ""
    return commit + branch + (", with uncommitted changes" if report.git_dirty else "")


def _reference(report: CheckReport, context: CheckContext) -> str:
    parts = [code_in_prose(report.against, limit=100)]
    if report.reference_run_id is not None:
        parts.append(f": run {_id(report.reference_run_id)}")
    if report.reference_git_commit is not None:
        parts.append(f" of {_commit(report.reference_git_commit, context)}")
    if context.reference_branch is not None:
        parts.append(f" on {code_in_prose(context.reference_branch, limit=100)}")
    return "".join(parts)


def _commit(commit: str, context: CheckContext) -> str:
    shown = code_in_prose(short_hash(commit))
    if context.commit_url is None or not commit.isalnum():
        return shown
    return f"[{shown}]({link_target(context.commit_url + commit)})"


def _id(identifier: str) -> str:
    return code_in_prose(short_id(identifier))


def _foot(report: CheckReport, context: CheckContext) -> str:
    link = f"[Full report]({link_target(context.link)}) · " if context.link else ""
    moment = f"{report.created_at:%Y-%m-%d %H:%M} UTC"
    return f"\n{link}check {_id(report.check_id)} · {moment} · assay {__version__}\n"


def legend(words: Collection[Change]) -> Block:
    """Return the foldable part that explains the verdicts that occur, each in one line."""
    lines = [f"- **{change}**: {MEANINGS[change]}" for change in WORST_FIRST if change in words]
    if not lines:
        return Block("")
    lines.append(f"- **interval**: {INTERVAL_MEANING}")
    return Block(_fold("What the words mean", "\n".join(lines) + "\n"))


def _fold(title: str, body: str) -> str:
    return f"\n<details><summary>{title}</summary>\n\n{body}\n</details>\n"


# -- tables and lists ------------------------------------------------------------------------------------------


def _columns(findings: Sequence[FindingRecord], report: CheckReport) -> list[Column]:
    """Return the columns; what is the same in every finding of the check has none."""
    several = len({(one.metric, one.stat) for one in report.findings}) > 1
    hardware = len({one.hardware for one in report.findings}) > 1
    metric: Column = ("metric", ":--", lambda one: code_span(f"{one.metric} {one.stat}", limit=80))
    machine: Column = ("hardware", ":--", lambda one: escape_markdown(one.hardware or "", limit=80))
    slower: Column = ("P(slower)", "--:", lambda one: MISSING if one.p_slower is None else f"{one.p_slower:.2f}")
    muted: Column = ("muted because", ":--", lambda one: escape_markdown(one.muted or ""))
    return [
        ("verdict", ":--", lambda one: f"**{one.change}**" if one.change.is_alarm else str(one.change)),
        ("series", ":--", lambda one: code_span(one.case_label)),
        *([metric] if several else []),
        *([machine] if hardware else []),
        ("change", "--:", format_change),
        ("interval", "--:", format_interval),
        ("now", "--:", lambda one: escape_markdown(format_value(one.value, one.unit))),
        ("before", "--:", lambda one: escape_markdown(format_value(one.reference_value, one.unit))),
        ("launches", "--:", lambda one: str(one.launches) if one.launches else MISSING),
        *([slower] if any(one.p_slower is not None for one in report.findings) else []),
        *([muted] if any(one.muted is not None for one in findings) else []),
    ]


def _table(
    before: str, findings: Sequence[FindingRecord], *, columns: list[Column], priority: int, share: float = 1.0
) -> Block:
    if not findings:
        return Block("")
    header = f"| {' | '.join(name for name, _, _ in columns)} |\n| {' | '.join(rule for _, rule, _ in columns)} |\n"
    rows = [
        Line(f"| {' | '.join(cell(one) for _, _, cell in columns)} |\n", one.change.is_alarm and one.muted is None)
        for one in findings
    ]
    return Block(before + header, tuple(rows), priority=priority, share=share)


def _folded_table(title: str, findings: Sequence[FindingRecord], report: CheckReport, *, priority: int) -> Block:
    table = _table("", findings, columns=_columns(findings, report), priority=priority)
    if not table.lines:
        return table
    before = f"\n<details><summary>{title}</summary>\n\n{table.before}"
    return Block(before, table.lines, "\n</details>\n", priority=priority)


def _count_words(findings: Sequence[FindingRecord]) -> str:
    counts = Counter(one.change for one in findings)
    return ", ".join(f"{counts[change]} {change}" for change in reversed(WORST_FIRST) if counts[change])


def _list(before: str, items: Sequence[str], noun: str, *, priority: int, share: float = 1.0) -> Block:
    lines = tuple(Line(f"- {item}\n") for item in items)
    return Block(before if lines else "", lines, priority=priority, share=share, noun=noun, is_droppable=True)


def _reasons(findings: Sequence[FindingRecord]) -> Block:
    """Return why, for everything that the first table tells of: what is missing or failed has nothing else to say."""
    lines = tuple(
        Line(f"- {code_in_prose(one.case_label)}: **{one.change}**: {escape_markdown(reasons)}\n", one.change.is_alarm)
        for one in findings
        if (reasons := format_reasons(one))
    )
    return Block("\n**Why**\n\n" if lines else "", lines, priority=2, share=0.25, noun="reasons", is_droppable=True)


def _break_of_all(report: CheckReport) -> Block:
    if report.environment_break is None:
        return Block("")
    sentence = "Numbers from before are not compared across that, and it is no regression."
    return Block(f"\n> **The environment changed**: {escape_markdown(report.environment_break)}. {sentence}\n")


def _breaks_of_some(report: CheckReport) -> Block:
    apart = Counter(
        one.environment_break
        for one in report.findings
        if one.environment_break is not None and one.environment_break != report.environment_break
    )
    items = [f"{escape_markdown(text)} ({count} series)" for text, count in apart.most_common()]
    return _list("\n**Environment breaks**\n\n", items, "breaks", priority=3, share=0.1)


def _environment(context: CheckContext) -> Block:
    lines = tuple(
        Line(f"- {escape_markdown(name, limit=60)}: {escape_markdown(text)}\n") for name, text in context.environment
    )
    before = "\n<details><summary>Environment</summary>\n\n" if lines else ""
    return Block(before, lines, "\n</details>\n", priority=6, share=0.1, noun="facts", is_droppable=True)
