"""A grid of letters that is drawn on by shares of its width and height: 0 is left and the foot, 1 is right and the top.

May import: standard library.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

_PLAIN = str.maketrans({
    "–": "-", "−": "-", "×": "x", "÷": "/", "·": ".", "µ": "u", "…": "~", "±": "+-", "●": "o", "◇": "<", "△": "^",
    "⊗": "x", "│": "|", "┊": ":", "─": "-", "┄": "-", "━": "=", "┃": "|", "└": "+", "█": "#", "▉": "#", "▊": "#",
    "▋": "#", "▌": "#", "▍": "#", "▎": "|", "▏": "|", "░": ".", "▒": ":", "▓": "%", "↑": "^", "↓": "v",
    "→": ">", "←": "<", "\u202f": " ", "\u00a0": " ", "\u2068": "", "\u2069": "", "°": " ",
})  # fmt: skip


def to_ascii(text: str) -> str:
    """Return a text in ASCII, as wide as before but for an ellipsis; letters of other scripts become question marks."""
    return text.translate(_PLAIN).encode("ascii", "replace").decode("ascii")


class Grid:
    """Letters in rows; what is put later covers what was there."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._cells = [[" "] * width for _ in range(height)]

    def put(self, x: float, y: float, letter: str, *, is_over: bool = True) -> None:
        """Put a letter at shares; beyond the edges is nothing drawn."""
        if not (-0.001 <= x <= 1.001 and -0.001 <= y <= 1.001):  # noqa: PLR2004  (the edges, with what reckoning leaves)
            return
        row, column = self._row(y), self._column(x)
        if is_over or self._cells[row][column] == " ":
            self._cells[row][column] = letter

    def column(self, x: float, low: float, high: float, letter: str, *, is_over: bool = True) -> None:
        """Fill the rows between two heights."""
        first, last = sorted((self._row(min(max(low, 0.0), 1.0)), self._row(min(max(high, 0.0), 1.0))))
        for row in range(first, last + 1):
            self.put(x, 1 - (row + 0.5) / self.height, letter, is_over=is_over)

    def row(self, start: float, stop: float, letters: str) -> None:
        """Fill the columns between two places of the only row; of eight letters the last column gets what fits."""
        start, stop = sorted((min(max(start, 0.0), 1.0), min(max(stop, 0.0), 1.0)))
        first, end = self._column(start), stop * self.width
        for column in range(first, min(self.width, max(first + 1, math.ceil(end)))):
            share = min(1.0, end - column)
            letter = letters[min(len(letters) - 1, max(0, math.ceil(share * len(letters)) - 1))]
            self._cells[0][column] = letter

    def rule(self, share: float, *, is_upright: bool) -> None:
        """Draw a line across, beneath all else."""
        if is_upright:
            self.column(share, 0.0, 1.0, "┊", is_over=False)
            return
        for column in range(self.width):
            self.put((column + 0.5) / self.width, share, "┄", is_over=False)

    def polyline(self, points: Sequence[tuple[float, float]], letter: str, *, is_step: bool) -> None:
        """Draw a line through points, in steps where values hold until the next."""
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            for column in range(self._column(min(max(x0, 0.0), 1.0)), self._column(min(max(x1, 0.0), 1.0)) + 1):
                x = (column + 0.5) / self.width
                share = 0.0 if is_step or x1 <= x0 else min(max((x - x0) / (x1 - x0), 0.0), 1.0)
                self.put(x, y0 + share * (y1 - y0), letter)
            if is_step:
                self.column(x1, y0, y1, letter)
        for x, y in points[:1] if len(points) == 1 else ():
            self.put(x, y, letter)

    def lines(self) -> list[str]:
        """The rows, the highest first."""
        return ["".join(row) for row in self._cells]

    def _row(self, y: float) -> int:
        return min(self.height - 1, max(0, math.floor((1 - y) * self.height)))

    def _column(self, x: float) -> int:
        return min(self.width - 1, max(0, math.floor(x * self.width)))
