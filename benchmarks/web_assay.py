"""The page of benchmarks/web.py in assay: the dashboard with one page more. `python web_assay.py PORT`.

Drawn as every page of assay is: a report, its templates, its scripts, its security. Nothing of it is kept between two
requests, so that all three servers ask the store each time.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from fastapi import APIRouter

from assay.core.words import Direction, Provenance
from assay.report.values import Axis, Cell, Column, Figure, FigureKind, Layer, Scale, Shape, Table
from assay.web.app import create_app
from assay.web.forms import Form, select
from assay.web.navigation import Place
from assay.web.page import Ask, Page
from assay.web.reports import page_report, section
from assay.web.settings import ServeSettings
from assay.web.views import add_page
from web_data import ALL, COLUMNS, ENGINES, newest, trend

TITLES = {
    "latency_ns": Column("latency_ns", "latency", "ns", Direction.LOWER),
    "throughput_per_s": Column("throughput_per_s", "throughput", "1/s", Direction.HIGHER),
}


def build(ask: Ask) -> Page:
    """Make the page: a filter, the trend of the first series, fifty rows."""
    engine = ask.query.choice("engine", (ALL, *ENGINES), ALL)
    rows, total = newest(ask.store, engine)
    columns = tuple(TITLES.get(name) or Column(name, name) for name in COLUMNS)
    cells = tuple(
        tuple(Cell(row[name], Provenance.MEASURED if name in TITLES else None) for name in COLUMNS)
        for row in rows.to_pylist()
    )
    table = Table("newest", "Newest results", columns, cells, caption=f"{total} series of {engine}")
    report = page_report(
        "benchmark",
        "Trends",
        [
            section("trend", "Trend", draw(trend(ask.store, rows["series_id"][0].as_py()))),
            section("rows", "Rows", table),
        ],
    )
    form = Form("/benchmark", (select("engine", "engine", [(name, name) for name in ENGINES], engine, any_label=ALL),))
    return Page(report, Place.TRENDS, form=form)


def draw(table: Any) -> Figure:
    """Return the trend as a figure: a line with points, and its band."""
    times = tuple(table["measured_at"].to_pylist())
    values = {name: tuple(table[name].to_pylist()) for name in table.column_names[1:]}
    lo, hi = values["latency_ns_lo"], values["latency_ns_hi"]
    layers = (
        Layer("95 % interval", Shape.BAND, times, lo=lo, hi=hi, provenance=Provenance.MEASURED, group="latency"),
        Layer(
            "latency", Shape.LINE_POINTS, times, values["latency_ns"], provenance=Provenance.MEASURED, group="latency"
        ),
    )
    y = Axis("latency", "ns", direction=Direction.LOWER)
    return Figure(
        "trend", FigureKind.TREND, "Trend", Axis("measured", scale=Scale.TIME), y, layers, alt="Latency over time"
    )


if __name__ == "__main__":
    import uvicorn

    router = APIRouter()
    add_page(router, "/benchmark", build, name="benchmark", is_kept=False)
    app = create_app(ServeSettings(store=os.environ["ASSAY_STORE"], requests_per_minute=1_000_000))
    app.include_router(router)
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
