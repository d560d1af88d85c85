"""Sentences of reports: counts, lists and numbers in words, all with the one text of a number.

May import: core, report.cleaning, report.display.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from assay.core.units import MISSING
from assay.report.cleaning import clean_line, shorten
from assay.report.display import format_interval, format_number

_NOT_IN_S = {"series": "series", "is": "are", "was": "were", "has": "have"}
_MOST_NAMED = 4
_LONGEST_NAME = 80
"""Characters of a name within a sentence; tables have the whole of it."""


def plural(count: int, word: str) -> str:
    """``1 case``, ``5 cases``, ``no cases``."""
    if count == 1:
        return f"1 {word}"
    return f"{format_number(count) if count else 'no'} {_many(word)}"


def say_count(count: int, one: str, many: str | None = None) -> str:
    """``1 launch``, ``5 launches``, ``0 launches``: the plural is ``many``, or the word with an s."""
    return f"{format_number(count)} {one if count == 1 else many or f'{one}s'}"


def agree(count: int, verb: str) -> str:
    """The form of a verb that goes with a count: ``was`` of one, ``were`` of others."""
    return verb if count == 1 else _NOT_IN_S.get(verb, verb.removesuffix("s"))


def join_and(parts: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    every = [part for part in parts if part]
    if len(every) <= 1:
        return "".join(every)
    return f"{', '.join(every[:-1])} and {every[-1]}"


def name_some(names: Iterable[str], most: int = _MOST_NAMED) -> str:
    """The first names, each once, and how many more there are: ``a, b and 3 more``."""
    every = list(dict.fromkeys(short_name(name) for name in names))
    more = len(every) - most
    return join_and(every) if more <= 1 else f"{', '.join(every[:most])} and {more} more"


def short_name(name: str) -> str:
    """A name within a sentence: on one line, cut where it is very long."""
    return shorten(clean_line(name), _LONGEST_NAME)


def count_words(counts: Mapping[str, int]) -> str:
    """``4 trusted, 1 noisy``: those that are not zero, in the order given."""
    return ", ".join(f"{format_number(count)} {word}" for word, count in counts.items() if count)


def number_words(value: float | None, unit: str | None, *, lo: float | None = None, hi: float | None = None) -> str:
    """A number with its unit, and its interval in brackets where it has one."""
    if value is None:
        return MISSING
    interval = format_interval(lo, hi, unit) if lo is not None and hi is not None else None
    text = format_number(value, unit)
    return text if interval is None else f"{text} ({interval})"


def sentence(*parts: str | None) -> str:
    """Parts joined by semicolons, as one sentence with a capital and a full stop."""
    text = "; ".join(part for part in parts if part)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _many(word: str) -> str:
    if word in _NOT_IN_S:
        return _NOT_IN_S[word]
    if word.endswith("y") and word[-2] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "sh", "ch", "x")) else f"{word}s"
