"""How many columns of a terminal a text takes, and cutting to that: wide, combining and invisible characters.

May import: standard library.
"""

from __future__ import annotations

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
    """Return lines of at most ``width`` columns; words longer than a line are cut apart.

    ``indent`` begins every line but the first one, which begins with ``first`` where that is given.
    """
    lines, line = [], indent if first is None else first
    is_begun = False
    for word in text.split(" "):
        rest = word
        while text_width(line) + is_begun + text_width(rest) > width:
            if is_begun:
                lines.append(line)
            else:
                piece = _beginning(rest, width - text_width(line))
                lines.append(line + piece)
                rest = rest[len(piece) :]
            line, is_begun = indent, False
        line += (" " if is_begun else "") + rest
        is_begun = True
    return [*lines, line]


def _beginning(text: str, width: int) -> str:
    """As much of a text as fits, one character at least."""
    used = 0
    for place, character in enumerate(text):
        used += _character_width(character)
        if used > width:
            return text[: max(1, place)]
    return text


def _character_width(character: str) -> int:
    if unicodedata.category(character) in _INVISIBLE:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
