"""Where a run was: this machine, or those of the people who opened the page."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.loading import load_module

from assay.report.base import ReportRequest
from assay.report.build import build_report
from assay.store import Store

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


made = load_module("analysis.web_runs")


def visited(name: str, backend: str = "wasm", adapter: str = "") -> Any:
    return made.web(
        backend, browser="visit", hardware=f"{adapter}{name} (visitor)", case={"options": {"visitor": name}}
    )


@pytest.mark.parametrize(
    ("results", "where"),
    [
        ([made.web()], made.MACHINE),
        ([visited("pixel9"), visited("pixel9", "webgpu", "Mali-G715 | ")], "pixel9 (visitor)"),
        ([made.native(), visited("pixel9"), visited("ipad")], f"{made.MACHINE}, ipad (visitor) and pixel9 (visitor)"),
    ],
)
def test_the_headline_names_who_computed(tmp_path: Path, results: list[Any], where: str) -> None:
    store = Store.open(tmp_path / "store")
    run_id = made.runs.append_run(store, *results, suite="web")
    report = build_report(store, "run", ReportRequest(run_ids=(run_id,), now=NOW))
    assert f"measured on {where}, in " in "".join(report.summary[0].paragraphs)
