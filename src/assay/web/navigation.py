"""The places that every page leads to, in groups. May import: nothing of assay."""

from __future__ import annotations

from enum import StrEnum


class Place(StrEnum):
    """Where in the navigation a page belongs."""

    OVERVIEW = "overview"
    LIVE = "live"
    RUNS = "runs"
    RESULTS = "results"
    COMPARE = "compare"
    TRENDS = "trends"
    MATRIX = "matrix"
    KPI = "kpi"
    WEB = "web"
    DEVICES = "devices"
    WORKLOADS = "workloads"
    DECIDE = "decide"
    STORE = "store"
    METHOD = "method"
    SEARCH = "search"


NAVIGATION: tuple[tuple[str, tuple[tuple[Place, str, str], ...]], ...] = (
    ("", ((Place.OVERVIEW, "Overview", "/"), (Place.LIVE, "Running now", "/live"))),
    (
        "Look",
        ((Place.RUNS, "Runs", "/runs"), (Place.RESULTS, "Results", "/results"), (Place.TRENDS, "Trends", "/trends")),
    ),
    (
        "Compare",
        (
            (Place.COMPARE, "Two runs", "/compare"),
            (Place.MATRIX, "Matrix", "/matrix"),
            (Place.KPI, "KPI explorer", "/kpi"),
            (Place.WEB, "In browsers", "/web"),
        ),
    ),
    ("Know", ((Place.DEVICES, "Devices", "/devices"), (Place.WORKLOADS, "Workloads", "/workloads"))),
    ("Decide", ((Place.DECIDE, "Which hardware", "/decide"),)),
    ("About", ((Place.STORE, "Store health", "/store"), (Place.METHOD, "The method", "/method"))),
)
"""Groups with their title: place, words, path."""
