from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from assay.catalog.hardware.load import load_catalogue
from assay.catalog.metrics import metrics
from assay.report.base import report_kinds
from assay.store import Store

if TYPE_CHECKING:
    from starlette.testclient import TestClient


def test_devices(client: TestClient) -> None:
    every = client.get("/api/v1/catalog/devices").json()["items"]
    assert [one["hw_id"] for one in every] == list(load_catalogue())
    some = client.get("/api/v1/catalog/devices?vendor=nvidia&category=gpu&q=h100").json()["items"]
    assert some
    assert all(one["vendor"] == "NVIDIA" and one["kind"] == "gpu" for one in some)
    assert client.get("/api/v1/catalog/devices?vendor=nobody").json()["items"] == []


def test_one_device_says_whose_each_figure_is(client: TestClient) -> None:
    found = client.get("/api/v1/catalog/devices/nvidia-h100-sxm5-80gb").json()
    assert found["memory_bytes"] == 80 * 2**30
    assert found["figures"]["memory_gib"]["source"].startswith("NVIDIA")
    absent = client.get("/api/v1/catalog/devices/nvidia-h100-sxm5-80g")
    assert (absent.status_code, "nvidia-h100-sxm5-80gb" in absent.json()["hint"]) == (404, True)


def test_metrics_workloads_and_engines(client: TestClient) -> None:
    found = client.get("/api/v1/catalog/metrics").json()["items"]
    assert [one["name"] for one in found] == list(metrics.names())
    families = {one["name"]: one for one in client.get("/api/v1/catalog/workloads").json()["items"]}
    assert "bert/base" in [one["workload"] for one in families["bert"]["sizes"]]
    engines = {one["name"]: one for one in client.get("/api/v1/catalog/engines").json()["items"]}
    assert engines["torch"]["reason"] is None
    assert "fp32" in engines["torch"]["precisions"]["cpu"]


def test_reports_in_formats(client: TestClient, filled: Store) -> None:
    listed = client.get("/api/v1/reports").json()
    assert {one["name"] for one in listed["kinds"]} == set(report_kinds.names()) - set(listed["broken"])
    if "run" not in report_kinds.names():
        pytest.skip("no report of a run is installed")
    run = filled.runs(suite="quick")[0].run_id
    # The others take seconds to draw, and tests of their own draw them.
    for form in [one for one in listed["formats"] if one["name"] in {"json", "csv", "markdown", "html"}]:
        answer = client.get("/api/v1/reports/run", params={"run": run, "format": form["name"]})
        assert answer.status_code in (200, 422), (form, answer.text[:300])
        if answer.status_code == 422:  # a package that the format needs is not installed
            assert "install" in answer.text
            continue
        assert answer.headers["content-type"].partition(";")[0] == form["media_type"].partition(";")[0]
        assert "sandbox" in answer.headers["content-security-policy"]
        assert answer.content
    whole = json.loads(client.get("/api/v1/reports/run", params={"run": run, "format": "json"}).content)
    assert whole["kind"] == "run"


def test_reports_that_are_not_there(client: TestClient) -> None:
    assert client.get("/api/v1/reports/nothing").status_code == 404
    assert client.get("/api/v1/reports/run?run=nothing").status_code == 404
    assert client.get("/api/v1/reports/run?run=last&format=nothing").status_code == 400
    assert client.get("/api/v1/reports/run?run=last&set=nothing:1").status_code == 400
    assert client.get("/api/v1/reports/run?run=last&table=nothing").status_code == 400
    assert client.get("/api/v1/reports/run").status_code == 400
