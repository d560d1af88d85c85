"""What ``assay trend`` shows people: a line for each series, every change, or the picture of one with its tables.

Every text goes through the glyphs, so that an output without Unicode gets letters.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from assay.analysis.trend import Begin, Trend, TrendBreak, TrendChange, TrendPoint
from assay.cli.output import format_age, new_table, short_id
from assay.cli.plot import NARROWEST, Glyphs, Level, Mark, Plot, draw_plot, draw_sparkline
from assay.cli.scale import choose_scale, format_in
from assay.core.units import MISSING, format_significant

if TYPE_CHECKING:
    from rich.table import Table

_SPARKLINE = 24
_HEIGHT = 12
_COMMIT = 9
_DIGITS = 4
_ROOMY = 80
_NUMBERS = frozenset({"results", "newest", "level", "spread"})
_MOST_CUTS = 26
_MOST_REASONS = 4
_STYLES = {
    "axis": "dim", "cut": "cyan", "level": "blue", "point": "bold", "left out": "dim", "worse": "bold red",
    "better": "bold green", "settled": "dim", "": "",
}  # fmt: skip
_FACTOR = 2.0
"""From here on a change is shown as a factor: ×3 says more than +200 %."""


def line_for_each(trends: Sequence[Trend], glyphs: Glyphs) -> Iterator[Table | Text]:
    """A sparkline, the newest value and the last change of each series."""
    hardware = {one.hardware for one in trends}
    table = new_table()
    for header in ("case", *(("hardware",) if len(hardware) > 1 else ()), "results", "", "newest", "last change"):
        table.add_column(header, overflow="fold", justify="right" if header in _NUMBERS else "left")
    for one in trends:
        values = [point.value for point in one.points if point.is_used]
        newest = one.newest
        when = "" if newest is None or newest.measured_at is None else f" {format_age(newest.measured_at)}"
        value = format_in(one.unit, newest.value if newest else None, digits=_DIGITS)
        row: list[str | Text] = [
            glyphs.plain(one.case_label), _count(one), draw_sparkline(values, _SPARKLINE, glyphs),
            glyphs.plain(value + when), _last_change(one, glyphs),
        ]  # fmt: skip
        if len(hardware) > 1:
            row.insert(1, glyphs.plain(one.hardware or MISSING))
        table.add_row(*row)
    yield table
    first = trends[0]
    shared = f"{first.metric} ({first.stat}), {len(trends)} series"
    if len(hardware) == 1:
        shared += f" on {first.hardware or 'unknown hardware'}"
    yield Text(glyphs.plain(f"{shared} · one of them as a plot: assay trend WORD ..."), style="dim")


def changes_of_all(trends: Sequence[Trend], glyphs: Glyphs) -> Iterator[Table | Text]:
    """Each change point of each series, the newest first."""
    found = [(one, change) for one in trends for change in one.changes]
    if not found:
        yield Text(f"No change point in {len(trends)} series.")
        return
    found.sort(key=lambda each: _time(each[0].between(each[1])[1]), reverse=True)
    for one, change in found:
        yield Text(glyphs.plain(one.case_label), style="bold")
        yield _change_line(one, change, glyphs)


def picture_of_one(one: Trend, width: int, glyphs: Glyphs) -> Iterator[Table | Text]:
    """The plot of one series, what its breaks are, its segments and changes."""
    title = (
        f"{one.case_label} · {one.hardware or 'unknown hardware'} · {one.metric} ({one.stat}), {_count(one)} results"
    )
    yield Text(glyphs.plain(title), style="bold")
    if one.newest is None:
        yield Text("None of its results can be used:")
        yield from _left_out(one, glyphs)
        return
    cuts = _shown_breaks(one)
    for line in draw_plot(_plot(one, cuts), width=max(width, NARROWEST), height=_HEIGHT, glyphs=glyphs):
        yield Text.assemble(*((text, _STYLES[style]) for text, style in line), no_wrap=True)
    for letter, found in cuts.items():
        yield Text(glyphs.plain(f"  {letter}  {_day(one.points[found.after])}  {_describe(found)}"), style="cyan")
    hidden = len(one.breaks) - len(cuts)
    if hidden:
        yield Text(f"     {hidden} more breaks are not drawn; --json has them", style="dim")
    yield from _left_out(one, glyphs)
    if len(one.segments) > 1:
        yield _segments_table(one, cuts, glyphs, with_end=width >= _ROOMY)
    for change in one.changes:
        yield _change_line(one, change, glyphs)
    yield Text(f"series {one.series_id}", style="dim")


# -- the plot --------------------------------------------------------------------------------------------------


def _plot(one: Trend, cuts: dict[str, TrendBreak]) -> Plot:
    points = one.points
    scale, unit = choose_scale(one.unit, max(segment.level for segment in one.segments))
    return Plot(
        values=[point.value for point in points],
        is_used=[point.is_used for point in points],
        labels=[_day(point) for point in points],
        levels=[Level(segment.places[0], segment.places[-1], segment.level) for segment in one.segments],
        changes=[Mark(change.after, _ratio(change), _style(change)) for change in one.changes],
        cuts=[Mark(found.after, letter, "cut") for letter, found in cuts.items()],
        unit=unit,
        scale=scale,
    )


def _shown_breaks(one: Trend) -> dict[str, TrendBreak]:
    """The breaks by letter: all, or where those are too many, without returns to an environment; the newest count."""
    shown = [found for found in one.breaks if not found.is_return] if len(one.breaks) > _MOST_CUTS else one.breaks
    return dict(zip(string.ascii_lowercase, shown[-_MOST_CUTS:], strict=False))


def _describe(found: TrendBreak) -> str:
    if found.kind is Begin.ENVIRONMENT:
        return f"{'environment, as before' if found.is_return else 'environment'}: {found.text}"
    return f"{'accepted' if found.kind is Begin.ACCEPT else 'split'}: {found.text}"


def _left_out(one: Trend, glyphs: Glyphs) -> Iterator[Text]:
    reasons = Counter(point.left_out for point in one.points if point.left_out is not None)
    if not reasons:
        return
    shown = [f"{count} {reason}" for reason, count in reasons.most_common(_MOST_REASONS)]
    more = len(reasons) - len(shown)
    rest = f"; and {more} other reasons" if more else ""
    signs = f"{glyphs.left_out}, beyond the edge {glyphs.above} {glyphs.below}"
    yield Text(glyphs.plain(f"  {signs}: not used: {'; '.join(shown)}{rest}"), style="dim")


# -- levels and changes -----------------------------------------------------------------------------------------


def _segments_table(one: Trend, cuts: dict[str, TrendBreak], glyphs: Glyphs, *, with_end: bool) -> Table:
    letters = {found.after: letter for letter, found in cuts.items()}
    table = new_table()
    for header in ("from", *(("to",) if with_end else ()), "results", "level", "spread", "begins by"):
        table.add_column(header, overflow="fold", justify="right" if header in _NUMBERS else "left")
    for segment in one.segments:
        first, last = one.points[segment.places[0]], one.points[segment.places[-1]]
        begun = "" if segment.begun_by is Begin.FIRST else segment.begun_by.value
        spread = MISSING if segment.sd_log is None else f"{100 * segment.sd_log:.1f} %"
        table.add_row(
            _day(first), *([_day(last)] if with_end else []), str(len(segment.places)),
            glyphs.plain(format_in(one.unit, segment.level, digits=_DIGITS)), glyphs.plain(spread),
            f"{begun} {letters.get(segment.places[0], '')}".strip(),
        )  # fmt: skip
    return table


def _change_line(one: Trend, change: TrendChange, glyphs: Glyphs) -> Text:
    before, after = one.between(change)
    facts = [_day(after), f"p {change.p:.1g}"]
    if after.git_commit is not None:
        facts.append(f"commits {_commit(before)} → {_commit(after)}")
    facts.append(f"runs {short_id(before.run_id)} → {short_id(after.run_id)}")
    facts += [f"accepted: {change.accepted}"] if change.accepted else []
    facts += [f"muted: {change.muted}"] if change.muted else []
    head = glyphs.plain(f"  {glyphs.mark} {_ratio(change)}")
    return Text.assemble((head, _STYLES[_style(change)]), glyphs.plain(f"  {', '.join(facts)}"))


def _last_change(one: Trend, glyphs: Glyphs) -> Text:
    if not one.changes:
        return Text("")
    change = one.changes[-1]
    after = one.between(change)[1]
    when = "" if after.measured_at is None else f", {format_age(after.measured_at)}"
    commit = f" at {_commit(after)}" if after.git_commit else ""
    settled = "; accepted" if change.accepted else "; muted" if change.muted else ""
    return Text(glyphs.plain(f"{_ratio(change)}{when}{commit}{settled}"), style=_STYLES[_style(change)])


# -- words -----------------------------------------------------------------------------------------------------


def _ratio(change: TrendChange) -> str:
    """``+5.2 % worse``; beyond a factor of two ``×2.3 worse``, ``÷2.3 better``."""
    ratio = change.ratio
    if ratio >= _FACTOR or ratio <= 1 / _FACTOR:
        text = f"×{format_significant(ratio, 2)}" if ratio > 1 else f"÷{format_significant(1 / ratio, 2)}"
    else:
        text = f"{'+' if ratio >= 1 else '−'}{100 * abs(ratio - 1):.1f} %"
    return f"{text}{'' if change.is_worse is None else ' worse' if change.is_worse else ' better'}"


def _style(change: TrendChange) -> str:
    if change.accepted or change.muted or change.is_worse is None:
        return "settled"
    return "worse" if change.is_worse else "better"


def _count(one: Trend) -> str:
    used = sum(point.is_used for point in one.points)
    return str(used) if used == len(one.points) else f"{used}/{len(one.points)}"


def _day(point: TrendPoint) -> str:
    return MISSING if point.measured_at is None else f"{point.measured_at.astimezone():%Y-%m-%d}"


def _time(point: TrendPoint) -> float:
    return 0.0 if point.measured_at is None else point.measured_at.timestamp()


def _commit(point: TrendPoint) -> str:
    if point.git_commit is None:
        return MISSING
    return point.git_commit[:_COMMIT] + ("+" if point.git_dirty else "")
