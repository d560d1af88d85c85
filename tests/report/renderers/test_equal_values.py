"""A heat map whose numbers are all equal has a colour and a scale like any other."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

import pytest

from assay.report.renderers.picture import draw_figure_svg
from assay.report.renderers.plotly import figure_to_plotly
from assay.report.renderers.textplot import plot_figure
from assay.report.renderers.ticks import span_ticks
from assay.report.values import Axis, Cell, Figure, FigureKind, Heat, Scale


@pytest.mark.parametrize("scale", [Scale.LINEAR, Scale.LOG])
@pytest.mark.parametrize("unit", ["ns", "ratio", "share", None])
@pytest.mark.parametrize("value", [0.0, 1.0, 0.125, -3.0, 5e6, 1e-12])
def test_equal_cells_are_drawn_everywhere(value: float, unit: str | None, scale: Scale) -> None:
    x, y = (Axis(name, scale=Scale.CATEGORY, categories=names) for name, names in (("x", ("a", "b")), ("y", ("c",))))
    heat = Heat(((Cell(value), Cell(value)),), unit, "all alike", scale)
    figure = Figure("alike", FigureKind.MATRIX, "All alike", x, y, heat=heat)
    ET.fromstring(draw_figure_svg(figure, themed=True))  # noqa: S314  (our own drawing)
    assert plot_figure(figure, 80)
    drawn = figure_to_plotly(figure)["data"][0]
    assert all(share is None or 0 <= share <= 1 for row in drawn["z"] for share in row)


@pytest.mark.parametrize("value", [0.0, 2.5, -7.0, 1e9])
def test_a_scale_of_one_value_has_it_in_its_middle(value: float) -> None:
    ticks = span_ticks(Axis("x", unit="ns"), value, value)
    assert math.isclose(ticks.share(value), 0.5)
    assert ticks.places
