"""Names that sources give their benchmarks come back as they are: data, in sound JSON, and nothing more."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest

from assay.store import Store

if TYPE_CHECKING:
    from starlette.testclient import TestClient

PLACES = range(9)


@pytest.mark.parametrize("place", PLACES)
def test_a_hostile_name_is_found_and_comes_back_whole(client: TestClient, filled: Store, made: Any, place: int) -> None:
    name = made.HOSTILE[place]
    stored = {record.case.workload for record in filled.results(provenance="imported")}
    assert name in stored
    # In a pattern a backslash makes the next letter mean itself. (httpx would leave "%00" of parameters as it is.)
    asked = re.sub(r"[*?\[\\]", r"\\\g<0>", name) if set(name) & set("*?[") else name
    query = urlencode({"provenance": "imported", "workload": asked})
    for path in ("/api/v1/results", "/api/v1/series"):
        answer = client.get(f"{path}?{query}")
        assert answer.status_code == 200, answer.text[:300]
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        found = json.loads(answer.content.decode())["items"]
        assert [one["case"]["workload"] for one in found] == [name]


def test_a_hostile_name_in_sql_in_metrics_and_in_errors(client: TestClient, made: Any) -> None:
    found = client.post("/api/v1/sql", json={"sql": "SELECT workload FROM results WHERE provenance = 'imported'"})
    assert sorted(row[0] for row in found.json()["rows"]) == sorted(made.HOSTILE)
    text = client.get("/metrics").text
    assert all(line.startswith(("#", "assay_", "process_")) for line in text.splitlines())
    for name in made.HOSTILE:
        for path in ("/api/v1/runs/", "/api/v1/results/", "/api/v1/series/", "/api/v1/catalog/devices/"):
            answer = client.get(path + quote(name[:150], safe=""))
            assert answer.status_code in (404, 400), (path, name[:50], answer.text[:200])
            assert answer.headers["content-type"] == "application/problem+json"
            json.loads(answer.content.decode())


@pytest.mark.parametrize("raw", ["%ff%fe", "%00", "%ed%a0%80", "%0d%0aSet-Cookie:%20x=1", "..%2f..%2f", "%c0%af"])
def test_bytes_that_are_no_text_are_no_server_error(client: TestClient, raw: str) -> None:
    for path in (
        f"/api/v1/runs/{raw}",
        f"/api/v1/results?workload={raw}",
        f"/api/v1/catalog/devices?q={raw}",
        f"/{raw}",
    ):
        answer = client.get(path)
        assert answer.status_code < 500, path
        assert "set-cookie" not in answer.headers


def test_deep_and_long_queries_are_no_server_error(client: TestClient) -> None:
    assert client.get("/api/v1/results?workload=" + "a" * 20_000).status_code == 422
    assert client.get("/api/v1/results?" + "&".join(f"workload={n}" for n in range(60))).status_code == 422
    assert client.get("/api/v1/results?" + "&".join(f"p{n}=" for n in range(500))).status_code == 422
    assert client.get("/api/v1/results?option=x:" + "[" * 900).status_code == 200
    assert client.get("/api/v1/results?batch=9223372036854775808").status_code == 422
    assert client.get("/api/v1/results?batch=9223372036854775807&shape=seq:999999999999999").status_code == 200
