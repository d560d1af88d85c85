"""A trend as small as a word (Tufte, "Beautiful Evidence", 2006): where values went, for a row of a list.

Drawn on the server without a style attribute, so that any page may hold many. The numbers stand in the row beside it;
readers of the screen are told nothing twice. May import: nothing of assay.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

WIDTH, HEIGHT, EDGE = 132.0, 28.0, 3.0
MOST_POINTS = 60
_FLAT = 0.02
"""A spread below 2 % is drawn as flat as it is: the height stands for at least that."""


def draw_sparkline(values: Sequence[float | None], *, unused: Sequence[bool] = ()) -> str:
    """Return SVG of values over their order, on a logarithmic scale; of more than 60 the newest.

    ``unused`` marks values that nothing is concluded from, which are hollow. Empty where fewer than two are known.
    """
    marks = list(unused) or [False] * len(values)
    points = [(value, mark) for value, mark in zip(values, marks, strict=True) if value is not None and value > 0]
    points = points[-MOST_POINTS:]
    if len(points) < 2:  # noqa: PLR2004  (a pair)
        return ""
    logs = [math.log(value) for value, _ in points]
    middle, spread = (max(logs) + min(logs)) / 2, max(max(logs) - min(logs), _FLAT)
    step = (WIDTH - 2 * EDGE) / (len(points) - 1)
    places = [
        (EDGE + step * number, HEIGHT / 2 - (log - middle) / spread * (HEIGHT - 2 * EDGE))
        for number, log in enumerate(logs)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    hollow = "".join(
        f'<circle class="spark-unused" cx="{x:.1f}" cy="{y:.1f}" r="1.8"/>'
        for (x, y), (_, mark) in zip(places, points, strict=True)
        if mark
    )
    x, y = places[-1]
    last = "" if points[-1][1] else f'<circle class="spark-last" cx="{x:.1f}" cy="{y:.1f}" r="2.4"/>'
    return (
        f'<svg class="spark" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" width="{WIDTH:g}" height="{HEIGHT:g}" '
        'aria-hidden="true" '
        f'focusable="false"><polyline class="spark-line" points="{line}"/>{hollow}{last}</svg>'
    )
