"""Fit a document into so many bytes, honestly: whole lines only, the important ones first, and what was left out said.

May import: standard library, ci.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.ci.text import size_bytes


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table or item of a list, with its line end."""

    text: str
    is_alarm: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a document: what stands before its lines, the lines, what stands after.

    Blocks stand in the order given and are filled by ``priority``, lowest first; ``share`` is the largest part of the
    whole that one may take. A block of lines none of which fits keeps only the sentence that says so, unless it is
    ``is_droppable``, and then goes without a word.
    """

    before: str
    lines: tuple[Line, ...] = ()
    after: str = ""
    priority: int = 0
    share: float = 1.0
    noun: str = "series"
    is_droppable: bool = False


def fit_blocks(blocks: Sequence[Block], limit_bytes: int) -> str:
    """Return the document in at most ``limit_bytes`` of UTF-8.

    Raises ValueError where not even the parts without lines and the sentences fit.
    """
    room = limit_bytes - sum(_least(block) for block in blocks)
    if room < 0:
        raise ValueError(f"{limit_bytes} bytes are {-room} too few for what is always said")
    texts: dict[int, str] = {}
    for index in sorted(range(len(blocks)), key=lambda index: (blocks[index].priority, index)):
        least = _least(blocks[index])
        texts[index] = _fill(blocks[index], min(room + least, max(least, int(blocks[index].share * limit_bytes))))
        room -= size_bytes(texts[index]) - least
    return "".join(texts[index] for index in range(len(blocks)))


def left_out(lines: Sequence[Line], noun: str) -> str:
    """Return the sentence about lines that did not fit: ``and 212 more series, none of them alarms``."""
    if not lines:
        return ""
    alarms = sum(line.is_alarm for line in lines)
    told = "none of them alarms" if alarms == 0 else "all of them alarms" if alarms == len(lines) else None
    return f"\nand {len(lines)} more {noun}, {told or f'{alarms} of them alarms'}.\n"


def _least(block: Block) -> int:
    if not block.lines:
        return size_bytes(block.before + block.after)
    return 0 if block.is_droppable else size_bytes(left_out(block.lines, block.noun))


def _fill(block: Block, room: int) -> str:
    if not block.lines:
        return block.before + block.after
    rest = left_out(block.lines, block.noun)
    # The sentence is longest where nothing was taken, but for one line of another kind: hence the few bytes more.
    spare = room - size_bytes(block.before + block.after) - (size_bytes(rest) + len(" of them alarms") + 8)
    taken = 0
    while taken < len(block.lines) and spare >= size_bytes(block.lines[taken].text):
        spare -= size_bytes(block.lines[taken].text)
        taken += 1
    whole = block.before + "".join(line.text for line in block.lines) + block.after
    if size_bytes(whole) <= room:
        return whole
    if not taken:
        return "" if block.is_droppable else rest
    body = "".join(line.text for line in block.lines[:taken])
    return f"{block.before}{body}{left_out(block.lines[taken:], block.noun)}{block.after}"
