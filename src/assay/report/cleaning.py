"""Hostile text made showable: names and reasons are whatever a file of a stranger says.

Nothing is escaped here, since that belongs to each format; what no format can show safely is replaced by something
visible. Surrogates and non-characters cannot be encoded, control characters break terminals, CSV and XML, and the marks
that turn the direction of writing make a text look like another. May import: standard library.
"""

from __future__ import annotations

import re
import unicodedata

CLIPPED = "…"
_REPLACEMENT = "\ufffd"
_UNSHOWABLE = re.compile("[\ud800-\udfff\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_SPACE = re.compile(r"[ \t\r\n\u2028\u2029]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL_PICTURES = 0x2400
"""U+2400 is the picture of NUL, and the others follow in order."""
_FIRST_STRONG_ISOLATE, _POP_ISOLATE = "\u2068", "\u2069"
_FAR_ENOUGH = 2_000
"""Characters of a text in which a right-to-left one is looked for."""


def clean_text(text: str) -> str:
    """Return a text that every format can hold: what cannot be shown becomes a picture of it, or U+FFFD."""
    if text.isascii() and text.isprintable():
        return text
    shown = _CONTROL.sub(lambda found: chr(_CONTROL_PICTURES + ord(found[0])), text)
    return _UNSHOWABLE.sub(_REPLACEMENT, shown)


def clean_line(text: str) -> str:
    """Return a text as one line: cleaned, and every run of blanks and line ends one blank."""
    return _SPACE.sub(" ", clean_text(text)).strip()


def without_surrogates(text: str) -> str:
    """Return a text that can be encoded, and is else as it was: what JSON holds."""
    return _SURROGATE.sub(_REPLACEMENT, text)


def shorten(text: str, limit: int) -> str:
    """Return at most ``limit`` characters of a text, with an ellipsis where it was cut."""
    return text if len(text) <= limit else text[: max(0, limit - 1)].rstrip() + CLIPPED


def has_right_to_left(text: str) -> bool:
    """True where a text has a letter of a script that is written from right to left near its beginning."""
    if text.isascii():
        return False
    return any(unicodedata.bidirectional(character) in {"R", "AL", "AN"} for character in text[:_FAR_ENOUGH])


def isolate(text: str) -> str:
    """Return a text that cannot turn what stands beside it: right-to-left text between isolating marks.

    For formats without markup of their own for it (Unicode Standard Annex #9, section 2.4).
    """
    return f"{_FIRST_STRONG_ISOLATE}{text}{_POP_ISOLATE}" if has_right_to_left(text) else text
