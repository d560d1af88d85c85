"""What every operation has: tags, compression, a true description; and the server's own numbers."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from assay.store import Store
from assay.web import client_types
from assay.web.api import models, series

if TYPE_CHECKING:
    from starlette.testclient import TestClient

TAGGED = (
    "/api/v1/runs", "/api/v1/results?limit=3", "/api/v1/series", "/api/v1/compare?a=last~2&b=last~3",
    "/api/v1/catalog/metrics", "/api/v1/imports",
)  # fmt: skip


@pytest.mark.parametrize("address", TAGGED)
def test_an_unchanged_answer_costs_nothing(client: TestClient, address: str) -> None:
    first = client.get(address)
    tag = first.headers["etag"]
    assert tag.startswith('W/"')
    for presented in (tag, f'"other", {tag}', "*", tag.removeprefix("W/")):
        again = client.get(address, headers={"If-None-Match": presented})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get(address, headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.head(address).headers["etag"] == tag


def test_a_tag_changes_with_the_store_and_with_the_question(
    own_client: TestClient, own_store: Store, made: Any
) -> None:
    bundles = made.load("store/bundles.py")
    before = own_client.get("/api/v1/runs").headers["etag"]
    assert own_client.get("/api/v1/runs?limit=2").headers["etag"] != before
    own_store.append(bundles.make_bundle(started_at=datetime(2026, 11, 20, tzinfo=UTC)))
    after = own_client.get("/api/v1/runs", headers={"If-None-Match": before})
    assert (after.status_code, after.headers["etag"] != before) == (200, True)


def test_large_answers_are_compressed_and_none_is_kept_by_others(client: TestClient) -> None:
    answer = client.get("/api/v1/results", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in answer.headers["vary"]
    assert answer.headers["cache-control"] == "private, no-cache"
    plain = client.get("/api/v1/results", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.json() == answer.json()


def test_the_description_is_complete_and_of_the_api_alone(client: TestClient) -> None:
    schema = client.get("/api/v1/openapi.json").json()
    ids = [operation["operationId"] for item in schema["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids)) >= 27
    assert all(path.startswith("/api/v1/") or path == "/metrics" for path in schema["paths"])
    tags = {tag["name"] for tag in schema["tags"]}
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            assert operation["summary"], path
            assert operation["description"], path
            assert set(operation["tags"]) <= tags, path
            assert {"400", "401", "404", "421", "422", "429", "500"} <= operation["responses"].keys()
            assert all(one.get("description") for one in operation.get("parameters", ())), path
            if method == "post" and path.endswith("/imports"):
                assert operation["security"] == [{"token": []}, {"session": []}]
    assert "HTTPValidationError" not in schema["components"]["schemas"]
    text = str(schema)
    for name in re.findall(r"#/components/(\w+)/([\w.-]+)", text):
        assert name[1] in schema["components"][name[0]], name


def test_health_tells_strangers_only_whether_it_works(made: Any, filled: Store, client: TestClient) -> None:
    known = client.get("/api/v1/health").json()
    assert (known["status"], known["is_store_readable"], known["runs"]) == ("ok", True, 13)
    with made.serve(filled, host="0.0.0.0", hosts=("127.0.0.1",)) as open_to_all:  # noqa: S104  (nothing is bound)
        stranger = open_to_all.get("/api/v1/health")
        assert (stranger.status_code, stranger.json()["status"]) == (200, "ok")
        assert {stranger.json()[name] for name in ("assay_version", "schema_version", "runs")} == {None}


def test_a_store_that_cannot_be_read_is_told_without_its_place(made: Any, filled: Store, tmp_path: Path) -> None:
    location = shutil.copytree(filled.location, tmp_path / "store")
    with made.serve(location) as client:
        assert client.get("/api/v1/runs").status_code == 200
        for file in (Path(location) / "runs").glob("*.parquet"):
            file.write_bytes(b"not Parquet")
        for path in ("/api/v1/runs?limit=7", "/api/v1/health"):
            answer = client.get(path)
            assert answer.status_code == 503, path
        broken = client.get("/api/v1/runs?limit=8")
        assert broken.json()["type"] == "urn:assay:problem:store"
        assert str(tmp_path / "store") + " " not in broken.json()["detail"]
    with made.serve(location, host="0.0.0.0", hosts=("127.0.0.1",), is_public_read=True) as public:  # noqa: S104
        strangers = public.get("/api/v1/runs?limit=7").json()
        assert (strangers["detail"], "hint" in strangers) == ("The store cannot be read.", False)


def test_metrics_are_prometheus_text_and_count_what_is_there(made: Any, filled: Store) -> None:
    with made.serve(filled) as client:
        client.get("/api/v1/runs")
        client.get("/api/v1/runs/nothing")
        client.get("/nowhere/<script>")
        answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples: dict[str, float] = {}
    sample = re.compile(r'([a-z_]+(?:\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})?) (\S+)')
    for line in answer.text.splitlines():
        if not line.startswith("#"):
            found = sample.fullmatch(line)
            assert found is not None, line
            assert found[1] not in samples, line
            samples[found[1]] = float(found[2])
    assert samples['assay_runs{provenance="measured",status="ok"}'] == 12
    assert samples['assay_results{provenance="imported",status="ok",usable="true"}'] == 9
    assert samples['assay_http_requests_total{method="GET",route="/api/v1/runs",status="200"}'] == 1
    assert samples['assay_http_requests_total{method="GET",route="/api/v1/runs/{run}",status="404"}'] == 1
    assert samples['assay_http_requests_total{method="GET",route="other",status="404"}'] == 1
    assert samples['assay_http_request_duration_seconds_bucket{route="/api/v1/runs",le="+Inf"}'] == 1
    assert samples["process_resident_memory_bytes"] > 10**7
    assert samples["assay_http_requests_in_progress"] == 1
    latencies = {name: value for name, value in samples.items() if name.startswith("assay_series_latency_seconds")}
    assert len(latencies) == 4
    assert 0.013 in latencies.values()


@pytest.mark.parametrize("name", ["Case", "Number", "Result", "Run", "Series"])
def test_the_client_knows_every_field(name: str) -> None:
    described = getattr(models, f"{name}Model", None) or series.SeriesModel
    assert list(getattr(client_types, name).__annotations__) == list(described.model_fields)
