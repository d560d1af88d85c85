"""Tables of a Markdown text, with where they stand and what is said above them.

GitHub's tables are read: a header, a line of dashes, rows; code blocks are passed over. May import: standard library.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_RULE = re.compile(r"^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$")
_FENCE = re.compile(r"^\s*(```|~~~)")
_BAR = re.compile(r"(?<!\\)\|")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_EMPHASIS = re.compile(r"\*\*|__|`")


@dataclass(frozen=True, slots=True)
class MarkdownTable:
    """One table. ``line`` is that of its header, from 1; ``rows`` have their own.

    ``headings`` are those it stands under, outermost first; ``sentence`` is the text between the last of them and the
    table, empty where there is none.
    """

    line: int
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    headings: tuple[str, ...]
    sentence: str


def read_tables(text: str) -> Iterator[MarkdownTable]:
    """Give the tables in order. Cells are without emphasis and links; no row is left out, however many cells it has."""
    lines = text.splitlines()
    headings: list[tuple[int, str]] = []
    sentence: list[str] = []
    fenced = False
    index = 0
    while index < len(lines):
        line = lines[index]
        index += 1
        if _FENCE.match(line):
            fenced = not fenced
        elif fenced:
            continue
        elif heading := _HEADING.match(line):
            depth = len(heading[1])
            headings = [(level, title) for level, title in headings if level < depth] + [(depth, _clean(heading[2]))]
            sentence = []
        elif "|" in line and index < len(lines) and "|" in lines[index] and _RULE.match(lines[index]):
            first = index
            index = _find_end(lines, first + 1)
            rows = tuple((number + 1, split_cells(lines[number])) for number in range(first + 1, index))
            titles = tuple(title for _, title in headings)
            yield MarkdownTable(first, split_cells(line), rows, titles, _clean(" ".join(sentence)))
            sentence = []
        elif line.strip():
            sentence.append(line.strip())


def split_cells(line: str) -> tuple[str, ...]:
    """Split one line of a table into its cells."""
    inner = line.strip()
    inner = inner.removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return tuple(_clean(cell) for cell in _BAR.split(inner))


def _find_end(lines: list[str], start: int) -> int:
    index = start
    while index < len(lines) and "|" in lines[index] and not _FENCE.match(lines[index]):
        index += 1
    return index


def _clean(text: str) -> str:
    return _EMPHASIS.sub("", _LINK.sub(r"\1", text)).replace("\\|", "|").strip()
