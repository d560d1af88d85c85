"""How wide texts are, and which fonts pictures are lettered in: names are shortened and sentences broken to fit.

Sizes are px. May import: report.cleaning, matplotlib (inside functions).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Protocol

from assay.report.cleaning import clean_line

BODY, SMALL, TITLE = 11.0, 9.5, 13.5
_PREFERRED = ("Inter", "Helvetica Neue", "Arial", "Liberation Sans", "Noto Sans")
"""For pictures of dots, the first that is installed; DejaVu Sans comes with matplotlib."""
_FALLBACKS = (
    "DejaVu Sans", "Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Hiragino Sans", "Microsoft YaHei",
    "WenQuanYi Micro Hei", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Thai",
    "Arial Unicode MS",
)  # fmt: skip
_LEAST_LETTERS = 3
_LETTER_WIDTH = 0.58
"""A letter is about so many times its size wide."""
_MOST_LETTERS = 300
"""Letters that are measured of one name: a hostile one is as long as its writer likes."""
_LETTERS_A_LINE = 250


def shorten_middle(text: str, limit: int) -> str:
    """Return at most ``limit`` letters of a name: what is cut is its middle, since names differ at their ends."""
    if len(text) <= limit:
        return text
    tail = max(0, (limit - 1) // 2)
    return f"{text[: limit - 1 - tail]}…{text[len(text) - tail :]}"


@dataclass(frozen=True, slots=True)
class Ruler:
    """Measures texts. ``is_vector``: for SVG, by a font that is the same on every machine and wider than a reader's."""

    is_vector: bool

    def font(self, size: float, *, is_bold: bool = False) -> Any:
        """Return matplotlib's font properties."""
        return _font(_families(self.is_vector), size, is_bold)

    def width(self, text: str, size: float = BODY, *, is_bold: bool = False) -> float:
        """Return how wide a text is."""
        return _width(_families(self.is_vector), text, size, is_bold)

    def fit(self, text: str, width: float, size: float = BODY, *, is_bold: bool = False) -> str:
        """Return a name on one line, its middle cut out until it fits; at least three letters stay."""
        name = shorten_middle(clean_line(text), _MOST_LETTERS)
        limit, shown = len(name), name
        while limit > _LEAST_LETTERS and (wide := self.width(shown, size, is_bold=is_bold)) > width:
            limit = max(_LEAST_LETTERS, min(limit - 1, int(limit * width / wide) + 1))
            shown = shorten_middle(name, limit)
        return shown

    def wrap(self, text: str, width: float, size: float, *, most: int, is_bold: bool = False) -> list[str]:
        """Break a text into at most ``most`` lines; what does not fit is cut off visibly."""
        cleaned = clean_line(text)
        lines = [""]
        for word in cleaned[: _LETTERS_A_LINE * most].split(" "):
            longer = f"{lines[-1]} {word}".strip()
            if lines[-1] and self.width(longer[:_MOST_LETTERS], size, is_bold=is_bold) > width:
                lines.append(word)
            else:
                lines[-1] = longer
        is_cut = len(lines) > most or len(cleaned) > _LETTERS_A_LINE * most
        lines = lines[:most]
        if is_cut:
            lines[-1] = f"{lines[-1]} …"
        return [self.fit(line, width, size, is_bold=is_bold) for line in lines if line]


class Measures(Protocol):
    """What can say how wide a text is, and cut one to a width."""

    def width(self, text: str, size: float = BODY) -> float:
        """Return how wide a text is."""
        ...

    def fit(self, text: str, width: float, size: float = BODY) -> str:
        """Return a name on one line, its middle cut out until it fits."""
        ...


@dataclass(frozen=True, slots=True)
class RoughRuler:
    """Measures by the number of letters, where the reader's own font draws."""

    def width(self, text: str, size: float = BODY) -> float:
        """Return about how wide a text is."""
        return len(text) * size * _LETTER_WIDTH

    def fit(self, text: str, width: float, size: float = BODY) -> str:
        """Return a name on one line, its middle cut out until it fits."""
        return shorten_middle(clean_line(text), max(_LEAST_LETTERS, int(width / (size * _LETTER_WIDTH))))


@functools.cache
def _families(is_vector: bool) -> tuple[str, ...]:  # noqa: FBT001  (a key of the cache)
    from matplotlib import font_manager

    if is_vector:
        return ("DejaVu Sans",)
    installed = set(font_manager.get_font_names())
    first = next((name for name in _PREFERRED if name in installed), "DejaVu Sans")
    return tuple(dict.fromkeys((first, *(name for name in _FALLBACKS if name in installed or name == "DejaVu Sans"))))


@functools.lru_cache(maxsize=64)
def _font(families: tuple[str, ...], size: float, is_bold: bool) -> Any:  # noqa: FBT001  (a key of the cache)
    from matplotlib.font_manager import FontProperties

    return FontProperties(family=list(families), size=size, weight="bold" if is_bold else "normal")


@functools.lru_cache(maxsize=4096)
def _width(families: tuple[str, ...], text: str, size: float, is_bold: bool) -> float:  # noqa: FBT001  (same)
    from matplotlib.textpath import text_to_path

    width, _, _ = text_to_path.get_text_width_height_descent(text, _font(families, size, is_bold), ismath=False)
    return float(width)
