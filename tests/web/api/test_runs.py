from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from assay.store import Store

if TYPE_CHECKING:
    from starlette.testclient import TestClient


def walk(client: TestClient, path: str, limit: int) -> list[dict[str, Any]]:
    """Follow the Link headers from page to page."""
    found: list[dict[str, Any]] = []
    address = f"{path}{'&' if '?' in path else '?'}limit={limit}"
    while address:
        answer = client.get(address)
        assert answer.status_code == 200, answer.text
        items = answer.json()["items"]
        assert len(items) <= limit
        found += items
        link = answer.headers.get("link", "")
        assert bool(link) == (answer.json()["next"] is not None)
        address = link.partition("<")[2].partition(">")[0]
    return found


def test_runs_are_listed_newest_first_and_measured_unless_asked(client: TestClient, filled: Store) -> None:
    found = client.get("/api/v1/runs").json()["items"]
    expected = [run.run_id for run in filled.runs() if run.provenance == "measured"]
    assert [one["run_id"] for one in found] == expected
    assert {one["provenance"] for one in found} == {"measured"}
    assert found[0]["started_at"].endswith("Z")
    imported = client.get("/api/v1/runs", params={"provenance": "imported"}).json()["items"]
    assert [one["provenance"] for one in imported] == ["imported"]
    assert len(client.get("/api/v1/runs?provenance=any").json()["items"]) == len(found) + 1


def test_pages_give_every_run_once(client: TestClient) -> None:
    whole = client.get("/api/v1/runs?provenance=any").json()["items"]
    assert walk(client, "/api/v1/runs?provenance=any", 2) == whole


def test_pages_are_not_shifted_by_a_run_that_arrives_meanwhile(
    own_client: TestClient, own_store: Store, made: Any
) -> None:
    bundles = made.load("store/bundles.py")
    before = [one["run_id"] for one in own_client.get("/api/v1/runs").json()["items"]]
    first = own_client.get("/api/v1/runs?limit=3").json()
    own_store.append(bundles.make_bundle(started_at=datetime(2026, 11, 20, tzinfo=UTC)))
    second = own_client.get("/api/v1/runs", params={"limit": 100, "cursor": first["next"]}).json()
    assert [one["run_id"] for one in first["items"] + second["items"]] == before
    assert len(own_client.get("/api/v1/runs").json()["items"]) == len(before) + 1


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("suite=nightly", 10), ("suite=quick", 2), ("suite=nightly&suite=quick", 12), ("suite=nothing", 0),
        ("tag=release", 1), ("status=failed", 0), ("git_branch=main", 10), ("git_commit=0123456789", 10),
        ("git_commit=f", 0), ("since=2026-11-05T00:00:00Z", 2), ("until=2026-11-05T00:00:00%2B01:00", 10),
        ("since=0001-01-01T00:00:00Z", 12), ("include_superseded=false", 12),
    ],
)  # fmt: skip
def test_filters(client: TestClient, query: str, expected: int) -> None:
    assert len(client.get(f"/api/v1/runs?{query}").json()["items"]) == expected


def test_one_run_by_id_by_its_end_and_by_age(client: TestClient, filled: Store) -> None:
    run = filled.runs(suite="nightly")[0]
    by_id = client.get(f"/api/v1/runs/{run.run_id}").json()
    assert by_id == client.get(f"/api/v1/runs/{run.run_id[-12:]}").json()
    assert by_id["environment"]["cpu"]["model"] == "some cpu"
    assert by_id["statuses"] == {"ok": 2}
    assert [one["text"] for one in by_id["annotations"]] == ["looked at"]
    newest = filled.runs()[1]
    assert client.get("/api/v1/runs/last~1").json()["run_id"] == newest.run_id


def test_a_run_that_is_not_there_and_one_that_is_several(client: TestClient) -> None:
    absent = client.get("/api/v1/runs/nothing")
    assert (absent.status_code, absent.json()["type"]) == (404, "urn:assay:problem:not-found")
    several = client.get("/api/v1/runs/0")
    assert (several.status_code, several.json()["type"]) == (400, "urn:assay:problem:usage")
    assert "fits" in several.json()["detail"]


def test_results_of_a_run_whatever_their_provenance(client: TestClient, filled: Store) -> None:
    run = next(run for run in filled.runs() if run.provenance == "imported")
    found = walk(client, f"/api/v1/runs/{run.run_id}/results", 4)
    assert len(found) == 9
    assert {one["provenance"] for one in found} == {"imported"}
    quick = walk(client, "/api/v1/runs/last/results?batch=2", 1)
    assert [one["case"]["batch"] for one in quick] in ([2], [])


def test_launches_and_raw_readings(client: TestClient, filled: Store) -> None:
    run = filled.runs(suite="quick")[0]
    launches = walk(client, f"/api/v1/runs/{run.run_id}/launches", 3)
    stored = filled.launches(run_id=run.run_id, with_samples=True)
    assert {one["launch_id"] for one in launches} == {one.launch_id for one in stored}
    assert launches[0]["costs_ns"] == {"import": 10**8, "load": 5 * 10**7}
    assert launches[0]["provenance"] == "measured"
    readings = walk(client, f"/api/v1/runs/{run.run_id}/samples?max_values=5", 1)
    assert len(readings) == 4
    values = {one.launch_id: one.samples[0].values for one in stored}
    for one in readings:
        assert tuple(one["values"]) == values[one["launch_id"]][:5]
        assert (one["count"], one["left_out"], one["unit"]) == (20, 15, "ns")
    of_one = walk(client, f"/api/v1/runs/{run.run_id}/launches?result_id={launches[0]['result_id']}", 10)
    assert {one["result_id"] for one in of_one} == {launches[0]["result_id"]}


def test_a_cursor_belongs_to_its_list_and_filters(client: TestClient, filled: Store) -> None:
    cursor = client.get("/api/v1/runs?limit=2").json()["next"]
    for address in (
        f"/api/v1/runs?suite=nightly&cursor={cursor}",
        f"/api/v1/results?cursor={cursor}",
        "/api/v1/runs?cursor=bm90aGluZw",
        "/api/v1/runs?cursor=WyIiLCIwIiwiMSJd",
        f"/api/v1/runs/{filled.runs()[0].run_id}/launches?cursor={cursor}",
    ):
        refused = client.get(address)
        assert refused.status_code == 400, address
        assert refused.json()["type"] == "urn:assay:problem:cursor"
    assert client.get(f"/api/v1/runs?limit=3&cursor={cursor}").status_code == 200
    assert client.get("/api/v1/runs?cursor=%3C%3E").status_code == 422


def test_the_cursor_of_a_run_called_last_does_not_go_on_in_another(
    own_client: TestClient, own_store: Store, made: Any
) -> None:
    bundles = made.load("store/bundles.py")
    cursor = own_client.get("/api/v1/runs/last/results?limit=1").json()["next"]
    own_store.append(bundles.make_bundle(started_at=datetime(2100, 1, 1, tzinfo=UTC)))
    refused = own_client.get("/api/v1/runs/last/results", params={"limit": 1, "cursor": cursor})
    assert (refused.status_code, refused.json()["detail"]) == (
        400,
        "The cursor cannot be used. It is the cursor of another list.",
    )
