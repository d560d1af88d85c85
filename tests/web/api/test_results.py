from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from assay.core.records import MetricValue
from assay.store import Store

if TYPE_CHECKING:
    from starlette.testclient import TestClient


def test_results_are_those_of_the_store_newest_first(client: TestClient, filled: Store) -> None:
    found = client.get("/api/v1/results?limit=1000").json()
    expected = list(reversed(filled.results()))
    assert [one["result_id"] for one in found["items"]] == [one.result_id for one in expected]
    first, record = found["items"][0], expected[0]
    assert first["case"]["label"] == record.case.label
    assert first["provenance"] == "measured"
    assert [(one["name"], one["stat"], one["value"], one["unit"]) for one in first["numbers"]] == [
        (one.name, one.stat, one.value, one.unit) for one in record.metrics
    ]
    assert first["numbers"][0]["direction"] == "lower"
    unknown = [one for one in first["numbers"] if one["value"] is None]
    assert [(one["name"], one["reason"]) for one in unknown] == [("load_ns", "the engine does not say")]


@pytest.mark.parametrize(
    ("query", "selection"),
    [
        ("workload=bert/base", {"workload": "bert/base"}),
        ("workload=bert/*", {"workload": "bert/*"}),
        ("workload=mine:first&workload=mine:second", {"workload": ["mine:first", "mine:second"]}),
        ("engine=torch&batch=2", {"engine": "torch", "batch": 2}),
        ("shape=seq:128&option=threads:2", {"shape": {"seq": 128}, "options": {"threads": 2}}),
        ("option=threads:3", {"options": {"threads": 3}}),
        ("suite=nightly&tag=release", {"suite": "nightly", "tag": "release"}),
        ("provenance=imported", {"provenance": "imported"}),
        ("provenance=measured&provenance=imported", {"provenance": ["measured", "imported"]}),
        ("provenance=any&usable=true", {"provenance": "any", "usable": True}),
        ("verdict=trusted&mode=inference&status=ok", {"verdict": "trusted", "mode": "inference", "status": "ok"}),
        ("hardware=some*", {"hardware": "some*"}),
    ],
)
def test_filters_are_those_of_the_store(
    client: TestClient, filled: Store, query: str, selection: dict[str, Any]
) -> None:
    found = client.get(f"/api/v1/results?limit=1000&{query}").json()["items"]
    assert sorted(one["result_id"] for one in found) == sorted(one.result_id for one in filled.results(**selection))


def test_pages_give_every_result_once_also_those_without_a_time(
    own_client: TestClient, own_store: Store, made: Any
) -> None:
    bundles = made.load("store/bundles.py")
    bundle = bundles.make_bundle(cases=5, launches=1, samples=1)
    timeless = [replace(one, measured_at=None) for one in bundle.results]
    own_store.append(replace(bundle, results=tuple(timeless)))
    seen, cursor = [], None
    while True:
        page = own_client.get(
            "/api/v1/results",
            params={"limit": 4, "provenance": "any", "cursor": cursor} if cursor else {"limit": 4, "provenance": "any"},
        ).json()
        seen += [one["result_id"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    expected = {one.result_id for one in own_store.results(provenance="any")}
    assert len(seen) == len(expected)
    assert set(seen) == expected
    assert set(seen[-5:]) == {one.result_id for one in timeless}


def test_one_result_whole(client: TestClient, filled: Store) -> None:
    record = filled.results(provenance="imported")[0]
    found = client.get(f"/api/v1/results/{record.result_id}").json()
    assert found["provenance"] == "imported"
    assert found["source"] == record.source
    assert found["source_fields"] == dict(record.source_fields)
    assert found["conversions"].keys() == record.conversions.keys()
    assert found["fingerprint"] == record.fingerprint
    assert client.get("/api/v1/results/nothing").status_code == 404


def test_what_json_cannot_say_is_null_with_a_reason(own_client: TestClient, own_store: Store, made: Any) -> None:
    bundles = made.load("store/bundles.py")
    bundle = bundles.make_bundle(cases=1, started_at=bundles.STARTED_AT + timedelta(days=400))
    odd = (MetricValue("latency_ns", math.nan, "ns", ci_hi=math.inf), MetricValue("export_ns", -math.inf, "ns"))
    result = replace(bundle.results[0], metrics=odd)
    launch = replace(bundle.launches[0], witnesses={"steal": math.nan}, median_ns=math.inf)
    run = replace(bundle.run, config={"odd": [math.nan, {"deep": math.inf}], "text": "\ud800"})
    own_store.append(replace(bundle, run=run, results=(result,), launches=(launch,)))
    answer = own_client.get(f"/api/v1/runs/{run.run_id}/results")
    assert answer.status_code == 200
    assert "NaN" not in answer.text
    numbers = {one["name"]: (one["value"], one["ci_hi"], one["reason"]) for one in answer.json()["items"][0]["numbers"]}
    assert numbers["export_ns"] == (None, None, "it is stored as -inf")
    assert numbers["latency_ns"][0] is None
    launches = own_client.get(f"/api/v1/runs/{run.run_id}/launches").json()["items"]
    assert (launches[0]["witnesses"], launches[0]["median_ns"]) == ({"steal": None}, None)
    config = own_client.get(f"/api/v1/runs/{run.run_id}").json()["config"]
    assert config["odd"] == [None, {"deep": None}]
    assert config["text"] == "\\ud800"
    assert own_client.get("/metrics").status_code == 200


def test_slips_in_names_and_values_are_told(client: TestClient) -> None:
    slip = client.get("/api/v1/results?worklod=bert")
    assert slip.status_code == 422
    assert slip.json()["hint"] == "Did you mean 'workload'?"
    assert slip.json()["errors"][0]["where"] == ["query", "worklod"]
    wrong = client.get("/api/v1/results?limit=0&status=nice&since=yesterday")
    assert wrong.status_code == 422
    assert wrong.headers["content-type"] == "application/problem+json"
    places = {".".join(map(str, one["where"])) for one in wrong.json()["errors"]}
    assert places == {"query.limit", "query.status.0", "query.since"}
    assert client.get("/api/v1/results?workload=****").status_code == 422
    assert client.get("/api/v1/results?option=a'b:1").status_code == 422
