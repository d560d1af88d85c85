"""Comparing, checking, advising, over HTTP: the same numbers as the functions give."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assay.analysis.check import check_run
from assay.analysis.compare import compare_runs
from assay.analysis.sides import find_named_run, gather_sides
from assay.store import Store

if TYPE_CHECKING:
    from starlette.testclient import TestClient


def two_runs(store: Store) -> tuple[str, str]:
    runs = store.runs(suite="nightly")
    return runs[2].run_id, runs[1].run_id


def test_compare_gives_what_the_function_gives(client: TestClient, filled: Store) -> None:
    a, b = two_runs(filled)
    found = client.get("/api/v1/compare", params={"a": a, "b": b}).json()
    sides = [group.side for group in gather_sides(filled, [find_named_run(filled, ref) for ref in (a, b)])]
    report = compare_runs(filled, sides)
    assert found["counts"] == {change.value: count for change, count in report.counts().items()}
    assert [one["label"] for one in found["sides"]] == [a, b]
    for shown, one in zip(found["comparisons"], report.comparisons, strict=True):
        assert one.estimate is not None
        assert (shown["case"], shown["change"]) == (one.case_label, one.change)
        assert (shown["ratio"], shown["ratio_lo"]) == (one.estimate.ratio, one.estimate.lo95)
        assert (shown["baseline_value"], shown["value"]) == (one.value_a, one.value_b)
    assert (found["unit"], found["is_interleaved"]) == ("ns", report.is_interleaved)


def test_compare_says_why_there_is_nothing_to_compare(client: TestClient, filled: Store) -> None:
    quick, nightly = filled.runs(suite="quick")[0].run_id, filled.runs(suite="nightly")[0].run_id
    found = client.get("/api/v1/compare", params={"a": quick, "b": nightly}).json()
    assert found["notes"][0].startswith("the sides have no case in common: ")
    assert {one["change"] for one in found["comparisons"]} == {"new", "missing"}


def test_compare_the_parts_of_one_run(client: TestClient, filled: Store) -> None:
    quick = filled.runs(suite="quick")[0].run_id
    found = client.get("/api/v1/compare", params={"a": quick, "by": "batch"}).json()
    assert [one["label"] for one in found["sides"]] == ["1", "2"]
    both = client.get("/api/v1/compare", params={"a": quick, "b": "last", "by": "batch"})
    assert both.status_code == 400
    same = client.get("/api/v1/compare", params={"a": quick, "b": quick})
    assert "the same run" in same.json()["detail"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("a=nothing", 404), ("a=tag:nothing&b=last", 404), ("metric=nothing", 400), ("stat=p7", 400),
        ("across=nothing", 400), ("a=", 422), ("b=baseline:nothing", 400),
    ],
)  # fmt: skip
def test_compare_refuses_what_is_not_there(client: TestClient, query: str, status: int) -> None:
    answer = client.get(f"/api/v1/compare?{query}")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_check_gives_what_the_function_gives_and_keeps_nothing(client: TestClient, filled: Store) -> None:
    run = filled.runs(suite="nightly")[0]
    found = client.get("/api/v1/check", params={"run": run.run_id}).json()
    report = check_run(filled, run)
    assert found["counts"] == {change.value: count for change, count in report.counts().items()}
    assert [one["change"] for one in found["findings"]] == [one.change for one in report.findings]
    assert [one["value"] for one in found["findings"]] == [one.value for one in report.findings]
    assert found["against"] == "history"
    assert filled.findings() == []
    assert "etag" not in client.get("/api/v1/check").headers


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("against=fork-point:main", 422), ("against=nothing", 422), ("against=tag:release", 200), ("run=nothing", 404),
        ("against=baseline:nothing", 400), ("metric=nothing", 400), ("run=last", 400),
    ],
)  # fmt: skip
def test_check_refuses_what_it_does_not_do(client: TestClient, query: str, status: int) -> None:
    assert client.get(f"/api/v1/check?{query}").status_code == status


def test_recommend_says_what_it_stands_on(client: TestClient, filled: Store) -> None:
    run = filled.runs(suite="quick")[0].run_id
    found = client.get("/api/v1/recommend", params={"run": run}).json()
    assert (found["run_id"], found["results"]) == (run, 2)
    for advice in found["advice"]:
        assert advice["evidence"]
    assert client.get("/api/v1/recommend", params={"run": run, "rule": "nothing"}).status_code == 400
    assert client.get("/api/v1/recommend?run=last").status_code == 400  # it was imported


def test_which_hardware(client: TestClient) -> None:
    found = client.get("/api/v1/recommend/hardware?workload=bert/base&objective=latency").json()
    assert found["workload"] == "bert/base"
    assert [one["provenance"] for one in found["ranked"]] == ["measured"] * len(found["ranked"])
    nothing = client.get("/api/v1/recommend/hardware?workload=nothing").json()
    assert (nothing["basis"], nothing["ranked"]) == (None, [])
    assert client.get("/api/v1/recommend/hardware?workload=a&prices=b").status_code == 400
    assert client.get("/api/v1/recommend/hardware").status_code == 422
