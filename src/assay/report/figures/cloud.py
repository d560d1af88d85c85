"""Any two numbers against each other: a point a result, told apart by a group and by where its number is from.

May import: core, report.
"""

from __future__ import annotations

from collections.abc import Sequence

from assay.report.figures._layers import Dot, layers_of
from assay.report.values import Axis, Figure, FigureKind, Shape

__all__ = ["Dot", "draw_cloud"]


def draw_cloud(
    *,
    dots: Sequence[Dot],
    x: Axis,
    y: Axis,
    title: str,
    alt: str,
    key: str = "cloud",
    notes: Sequence[str] = (),
    empty: str | None = None,
) -> Figure:
    """Draw points at two numbers, one colour a group, in the order given; measured, imported and predicted look apart.

    ``empty`` says why there is nothing to draw.
    """
    return Figure(
        key, FigureKind.PARETO, title, x, y, layers=layers_of(dots, Shape.POINTS), alt=alt, notes=tuple(notes),
        empty=empty,
    )  # fmt: skip
