"""The page of one result: an imported one with its source's own record, one that was left out, one with its sensors."""

from __future__ import annotations

import html
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from assay.core.case import Case
from assay.core.ids import new_id
from assay.core.records import (
    EnvironmentRecord,
    LaunchRecord,
    MetricValue,
    ResultRecord,
    RunBundle,
    RunRecord,
    SampleSeries,
    TelemetrySeries,
)
from assay.core.words import Fidelity, Mark, RunStatus, Status, Verdict
from assay.store import Store
from assay.web.app import create_app
from assay.web.settings import ServeSettings

if TYPE_CHECKING:
    from starlette.testclient import TestClient

AT = datetime(2026, 11, 1, tzinfo=UTC)
CASE = Case.make(workload="bert/tiny", engine="torch", device="cpu")


def page_of(client: TestClient, result_id: str) -> str:
    answer = client.get(f"/results/{result_id}", headers={"Accept": "text/html"})
    assert answer.status_code == 200
    return html.unescape(answer.text)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


@pytest.fixture
def client(store: Store) -> TestClient:
    from starlette.testclient import TestClient

    return TestClient(create_app(ServeSettings(store=store.location)), base_url="http://localhost:8337")


def keep(store: Store, launches: int = 0, sensors: tuple[TelemetrySeries, ...] = (), **fields: Any) -> ResultRecord:
    """Append a run with one result, composed for this test."""
    run_id, result_id = new_id(), new_id()
    given: dict[str, Any] = {"status": Status.OK, "verdict": Verdict.TRUSTED, "hardware": "made-up"}
    given |= {"measured_at": AT} | fields
    result = ResultRecord(
        result_id=result_id, run_id=run_id, series_id="series", case=CASE,
        metrics=(MetricValue("latency_ns", 2e6, "ns", n=launches or None),), launches_planned=launches,
        launches_ok=launches, **given,
    )  # fmt: skip
    kept = tuple(
        LaunchRecord(
            launch_id=new_id(), run_id=run_id, result_id=result_id, origin_run_id=run_id, ordinal=ordinal,
            status=Status.OK, started_at=AT + timedelta(seconds=ordinal), wall_ns=10**9, verdict=Verdict.TRUSTED,
            median_ns=2e6 + ordinal,
            samples=(SampleSeries("latency", "ns", (1_999_999, 2_000_000 + ordinal, 2_000_009), 1),),
            witnesses={"other_cpu_share": 0.25 / (ordinal + 1)}, telemetry=sensors,
        )
        for ordinal in range(launches)
    )  # fmt: skip
    run = RunRecord(
        run_id=run_id, suite="test", status=RunStatus.OK, started_at=AT, finished_at=AT, env_id="env", config={},
        cases_planned=1, assay_version="0", source_hash="0",
    )  # fmt: skip
    store.append(RunBundle(run, EnvironmentRecord("env", "host", "made-up", {}, AT), (result,), kept))
    return result


def test_an_imported_result_shows_the_record_of_its_source_and_how_it_was_read(imported: TestClient) -> None:
    items = imported.get("/api/v1/results?provenance=imported&limit=500").json()["items"]
    sources = {one["source"]: one["result_id"] for one in items}
    assert len(sources) >= 4
    for result_id in sources.values():
        found = imported.get(f"/api/v1/results/{result_id}").json()
        text = page_of(imported, result_id)
        assert "Somebody else's numbers" in text
        assert "The record in the source, under its own names" in text
        assert found["source_fields"]
        for name, value in found["source_fields"].items():
            assert name in text
            if isinstance(value, str) and 0 < len(value) < 40:
                assert value in text
        for how in found["conversions"].values():
            assert how["field"] is None or str(how["field"]) in text


def test_sensors_are_told_with_what_failed(client: TestClient, store: Store) -> None:
    read = TelemetrySeries("power", "cpu:0", "W", "rapl", "package", 0, (1, 2, 3), (10.0, None, 30.0))
    broken = TelemetrySeries("temperature", "cpu:0", "C", "hwmon", "package", 0, (1, 2), (None, None))
    text = page_of(client, keep(store, 2, (read, broken)).result_id)
    assert "Read by the supervisor beside the worker." in text
    assert "rapl, package" in text
    assert "1 reading failed" in text
    assert "no reading worked" in text
    assert "other_cpu_share" in text


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"status": Status.FAILED, "verdict": None, "reason": "the engine said no"}, "the engine said no"),
        ({"fidelity": Fidelity.FAILED, "fidelity_reason": "off by 3"}, "Rankings and means leave this result out."),
        ({"marks": {Mark.REPEATED: "it stands in another row"}}, "repeated: it stands in another row"),
        ({"verdict": Verdict.CONTAMINATED, "verdict_reasons": ("others ran",)}, "should be measured again"),
        ({"verdict": Verdict.NOISY, "verdict_reasons": ("it jumped",)}, "The machine was not quiet."),
    ],
)
def test_what_is_to_be_known_first_stands_first(
    client: TestClient, store: Store, fields: dict[str, Any], says: str
) -> None:
    result = keep(store, **fields)
    text = page_of(client, result.result_id)
    assert says.casefold() in text.casefold()
    assert result.case.label in text
