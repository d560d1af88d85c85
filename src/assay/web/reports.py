"""Reports that pages build themselves: what all of them have alike. May import: core, report, web."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from assay import __version__
from assay.report.how_to_read import how_to_read
from assay.report.values import Block, Ref, Report, Section, Source, Text, Tone


@dataclass(frozen=True, slots=True)
class Lesson:
    """What an empty page teaches: a sentence, and the commands that it is about."""

    words: str
    commands: tuple[str, ...] = ()


def page_report(
    kind: str,
    title: str,
    sections: Iterable[Section],
    *,
    summary: Sequence[Text | str] = (),
    scope: Sequence[tuple[str, str]] = (),
    sources: Sequence[Source] = (),
    topics: Sequence[str] = (),
    ref: Ref | None = None,
) -> Report:
    """Make the report of a page; sections without blocks are left out."""
    return Report(
        kind=kind,
        title=title,
        generated_at=datetime.now(UTC),
        assay_version=__version__,
        summary=tuple(Text((one,)) if isinstance(one, str) else one for one in summary if one),
        scope=tuple(scope),
        sections=tuple(section for section in sections if section.blocks),
        sources=tuple(sources),
        how_to_read=how_to_read(*topics),
        ref=ref,
    )


def section(key: str, title: str, *blocks: Block | None) -> Section:
    """Make a section of the blocks that are there."""
    return Section(key, title, tuple(block for block in blocks if block is not None))


def good(*paragraphs: str) -> Text:
    """Say something that went well."""
    return Text(paragraphs, Tone.GOOD)


def warn(*paragraphs: str) -> Text:
    """Say something to look at."""
    return Text(paragraphs, Tone.WARNING)
