"""How many columns of a terminal a text takes, and cutting to that: wide, combining and invisible characters.

May import: standard library.
"""

from __future__ import annotations

import textwrap
import unicodedata

CLIPPED = "…"
_INVISIBLE = {"Mn", "Me", "Cf"}


def text_width(text: str) -> int:
    """Return the columns that a text takes: two for wide characters (UAX #11), none for combining and format marks."""
    if text.isascii():
        return len(text)
    return sum(_character_width(character) for character in text)


def clip(text: str, width: int) -> str:
    """Return a text of at most ``width`` columns, with an ellipsis where it was cut."""
    if text_width(text) <= width:
        return text
    used, kept = 0, []
    for character in text:
        used += _character_width(character)
        if used > width - 1:
            break
        kept.append(character)
    return "".join(kept).rstrip() + CLIPPED


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Return a text filled with blanks to ``width`` columns; ``right`` aligns it there."""
    blanks = " " * max(0, width - text_width(text))
    return blanks + text if right else text + blanks


def wrap(text: str, width: int, indent: str = "", first: str | None = None) -> list[str]:
    """Return lines of at most ``width`` columns; words longer than a line are cut apart."""
    return textwrap.wrap(
        text, max(20, width), initial_indent=indent if first is None else first, subsequent_indent=indent
    ) or [first if first is not None else ""]


def _character_width(character: str) -> int:
    if unicodedata.category(character) in _INVISIBLE:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
