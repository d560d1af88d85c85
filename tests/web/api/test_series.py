from __future__ import annotations

from typing import TYPE_CHECKING

from assay.store import Store

if TYPE_CHECKING:
    from starlette.testclient import TestClient


def find(client: TestClient, workload: str) -> str:
    found = client.get("/api/v1/series", params={"workload": workload}).json()["items"]
    assert len(found) == 1
    series_id: str = found[0]["series_id"]
    return series_id


def test_series_with_their_newest_results(client: TestClient, filled: Store) -> None:
    found = client.get("/api/v1/series").json()["items"]
    assert [one["case"]["workload"] for one in found] == ["bert/base", "bert/base", "mine:first", "mine:second"]
    for one in found:
        results = filled.results(series_id=one["series_id"])
        assert (one["results"], one["usable_results"]) == (len(results), len(results))
        assert one["newest"]["result_id"] == results[-1].result_id
        assert one["provenance"] == one["newest"]["provenance"] == "measured"
    imported = client.get("/api/v1/series?provenance=imported").json()["items"]
    assert len(imported) == 9
    assert {one["provenance"] for one in imported} == {"imported"}


def test_pages_give_every_series_once(client: TestClient) -> None:
    whole = [one["series_id"] for one in client.get("/api/v1/series?provenance=any").json()["items"]]
    paged: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(f"/api/v1/series?provenance=any&limit=2{f'&cursor={cursor}' if cursor else ''}").json()
        paged += [one["series_id"] for one in page["items"]]
        cursor = page["next"]
    assert paged == whole
    assert len(set(whole)) == 13


def test_one_series(client: TestClient) -> None:
    series_id = find(client, "mine:first")
    found = client.get(f"/api/v1/series/{series_id}").json()
    assert (found["series_id"], found["results"]) == (series_id, 10)
    assert client.get("/api/v1/series/nothing").status_code == 404


def test_a_trend_has_points_levels_and_says_what_they_are(client: TestClient) -> None:
    found = client.get(f"/api/v1/series/{find(client, 'mine:first')}/trend").json()
    assert (found["metric"], found["stat"], found["unit"], found["direction"]) == (
        "latency_ns",
        "median",
        "ns",
        "lower",
    )
    assert found["provenance"] == "measured"
    assert len(found["points"]) == 10
    assert found["points"][-1]["value"] == 13e6
    used = [place for segment in found["segments"] for place in segment["places"]]
    assert used == [place for place, point in enumerate(found["points"]) if point["is_used"]]


def test_a_trend_of_another_number_and_of_none(client: TestClient) -> None:
    series_id = find(client, "mine:first")
    memory = client.get(f"/api/v1/series/{series_id}/trend?metric=memory_peak_bytes").json()
    assert (memory["stat"], memory["unit"]) == ("max", "B")
    unknown = client.get(f"/api/v1/series/{series_id}/trend?metric=latency")
    assert (unknown.status_code, unknown.json()["type"]) == (400, "urn:assay:problem:unknown-name")
    assert "latency_ns" in unknown.json()["detail"]
    later = client.get(f"/api/v1/series/{series_id}/trend?since=2030-01-01T00:00:00Z")
    assert later.status_code == 404
    imported = client.get("/api/v1/series?provenance=imported&limit=1").json()["items"][0]["series_id"]
    assert client.get(f"/api/v1/series/{imported}/trend").status_code == 404
