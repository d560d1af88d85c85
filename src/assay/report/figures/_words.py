"""Phrases that several figures share. Numbers are written by ``report.display``, as everywhere.

May import: core, report.cleaning, report.display, report.values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from assay.core.words import Direction
from assay.report.cleaning import clean_line, shorten
from assay.report.display import direction_words, format_number
from assay.report.values import Axis, Figure, FigureKind

_NAMED = 3
"""Names that a sentence gives before it says how many more there are."""
_LONGEST_NAME = 80
"""Characters of a name within a sentence. The whole name is at its point."""


def say_name(name: str) -> str:
    """A name within a sentence: on one line, and cut where it is very long."""
    return shorten(clean_line(name), _LONGEST_NAME)


def say_names(names: Sequence[str]) -> str:
    """``a, b, c and 4 more``."""
    said = ", ".join(say_name(name) for name in names[:_NAMED])
    return said if len(names) <= _NAMED else f"{said} and {format_number(len(names) - _NAMED)} more"


def say_share(share: float) -> str:
    """``93 %``."""
    return format_number(share, "share")


def say_range(values: Iterable[float], unit: str | None) -> str:
    """``12.3 ms to 45.0 ms``, or the one number that all are."""
    known = list(values)
    low, high = format_number(min(known), unit), format_number(max(known), unit)
    return low if low == high else f"{low} to {high}"


def say_reasons(reasons: Iterable[str | None], *, otherwise: str) -> str:
    """``out of memory (3), not supported``: each reason once, the most frequent first, with its count."""
    counted = Counter(say_name(reason) if reason else otherwise for reason in reasons)
    said = [reason if count == 1 else f"{reason} ({count})" for reason, count in counted.most_common()]
    return "; ".join(said[:_NAMED]) + ("" if len(said) <= _NAMED else f"; and {len(said) - _NAMED} other reasons")


def say_better(direction: Direction | None) -> str | None:
    """``Lower is better.``; None where neither side is."""
    words = direction_words(direction)
    return None if words is None else f"{capital(words)}."


def capital(text: str) -> str:
    """The text with its first letter as a sentence begins."""
    return text[:1].upper() + text[1:]


def join_sentences(*sentences: str | None) -> str:
    """Sentences in a row, without those that are not there."""
    return " ".join(sentence for sentence in sentences if sentence)


def empty_figure(
    key: str, kind: FigureKind, title: str, x: Axis, y: Axis, *, why: str, notes: Sequence[str] = ()
) -> Figure:
    """A figure of nothing, which says why there is nothing."""
    return Figure(key, kind, title, x, y, alt=f"{title}: nothing to draw. {why}", notes=tuple(notes), empty=why)
