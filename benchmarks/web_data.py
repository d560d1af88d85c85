"""What all pages of benchmarks/web.py show: the newest result of each series, fifty rows of it, and one trend.

Used by the pages of Streamlit and Dash; assay's own page asks the same of the store in its own way.
"""

from __future__ import annotations

import os
from typing import Any

from assay.store import Store

ROWS = 50
ALL = "all"
ENGINES = ("torch", "torch-compile", "onnxruntime", "openvino")
COLUMNS = (
    "workload",
    "engine",
    "precision",
    "batch",
    "hardware",
    "latency_ns",
    "throughput_per_s",
    "measured_at",
    "verdict",
)


def open_store() -> Store:
    """Return the store that the benchmark made."""
    return Store.open(os.environ["ASSAY_STORE"], create=False)


def newest(store: Store, engine: str) -> tuple[Any, int]:
    """Return fifty rows of the newest result of each series as a table, and how many series there are."""
    where, given = ("WHERE engine = ?", [engine]) if engine != ALL else ("", [])
    columns = ", ".join(COLUMNS)
    rows = store.query(
        f"SELECT {columns}, series_id, count(*) OVER () AS total FROM latest {where} "  # noqa: S608  (names of ours)
        f"ORDER BY measured_at DESC, series_id LIMIT {ROWS}",
        given,
    )
    return rows, rows["total"][0].as_py() if rows.num_rows else 0


def trend(store: Store, series_id: str) -> Any:
    """Return every result of a series, oldest first: time, latency and its interval."""
    return store.query(
        "SELECT measured_at, latency_ns, latency_ns_lo, latency_ns_hi FROM results WHERE series_id = ? ORDER BY 1",
        [series_id],
    )


def trend_figure(table: Any) -> dict[str, Any]:
    """Return a trend as plotly draws it: a line with points, and a band between the bounds of the interval."""
    times = [time.isoformat() for time in table["measured_at"].to_pylist()]
    scaled = {name: [value / 1e6 for value in table[name].to_pylist()] for name in table.column_names[1:]}
    band = {
        "x": times + times[::-1], "y": scaled["latency_ns_hi"] + scaled["latency_ns_lo"][::-1], "fill": "toself",
        "mode": "lines", "line": {"width": 0}, "name": "95 % interval",
    }  # fmt: skip
    line = {"x": times, "y": scaled["latency_ns"], "mode": "lines+markers", "name": "latency"}
    return {"data": [band, line], "layout": {"yaxis": {"title": {"text": "latency (ms)"}}, "height": 380}}
