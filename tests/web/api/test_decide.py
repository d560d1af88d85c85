"""Choices over REST: the same as the command line prints, bounded, and no name has the server import or read anything.

The predictors that ship answer; nothing here asserts what they say, but for what follows from how it is asked.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from assay.catalog.hardware.prices import Price, PriceKind, Terms
from assay.predict.layers import Estimator
from assay.store.catalogue import append_prices

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from assay.store import Store

pytest.importorskip("torch", reason="graphs of families are counted with torch: pip install 'assay[torch]'")

Printed = Callable[..., Any]
ON = "hardware=l4&hardware=h100"
OFFER = Price(
    "nvidia-l4", "L4", PriceKind.CLOUD, "AWS", "us-east-1", "g6.12xlarge", 4, 4.6, per_hour=True,
    terms=Terms.ON_DEMAND, as_of="2026-01-01", source="list.csv", source_row=1,
)  # fmt: skip


@pytest.fixture
def printed(filled: Store, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Printed:
    """What a command prints as JSON over the same store."""
    from assay.cli.main import main

    def run(*arguments: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["assay", *arguments, "--store", filled.location, "--json"])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr()
        assert ended.value.code == 0, said.err
        return json.loads(said.out)

    return run


def get(client: TestClient, address: str) -> Any:
    answer = client.get(f"/api/v1/{address}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_choice_is_what_the_command_prints(client: TestClient, printed: Printed) -> None:
    asked = f"recommend/model?model=bert/tiny&{ON}&hardware=p100&objective=cost&batch=1&batch=8"
    content = get(client, f"{asked}&max_latency_ns=50000000&prices=l4%3D0.71,h100%3D4&qps=5000")
    assert content == printed(
        "recommend", "--model", "bert/tiny", "--objective", "cost", "--on", "l4,h100,p100", "--batch", "1,8",
        "--max-latency", "50ms", "--price", "l4=0.71,h100=4", "--qps", "5000",
    )  # fmt: skip
    assert {one["provenance"] for one in content["ranked"]} == {"predicted"}
    assert all(one["lo"] < one["latency_ns"] < one["hi"] for one in content["ranked"])
    assert [one["misses"] for one in content["lost"]] == [["no price of an hour of it is stored or given"]]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (f"{ON}&hardware=g6.12xlarge&devices=4&devices=1", "--on l4,h100,g6.12xlarge --devices 1,4"),
        (f"{ON}&cloud=true&objective=cost", "--on l4,h100 --cloud --objective cost"),
        (
            "hardware=h100&mode=training&optimizer=sgd&devices=1&devices=8&precision=fp32&batch=8",
            "--on h100 --mode training --optimizer sgd --devices 1,8 --precision fp32 --batch 8",
        ),
    ],
)
def test_so_are_several_devices_and_machines(client: TestClient, printed: Printed, query: str, words: str) -> None:
    content = get(client, f"recommend/model?model=bert/tiny&{query}")
    assert content == printed("recommend", "--model", "bert/tiny", *words.split())
    assert content["ranked"] or content["lost"]


def test_several_devices_are_options_of_their_own(client: TestClient) -> None:
    content = get(client, f"recommend/model?model=bert/tiny&{ON}&devices=1&devices=2&objective=throughput")
    found = {(one["device"], one["devices"]): one for one in (*content["ranked"], *content["lost"])}
    assert {devices for _, devices in found} == {1, 2}
    assert found["NVIDIA L4", 2]["strategy"] == "replicas"
    assert {one["devices"] for one in get(client, f"recommend/model?model=bert/tiny&{ON}")["ranked"]} == {1}


def test_machines_with_a_stored_price_are_options(own_store: Store, own_client: TestClient) -> None:
    append_prices(own_store, [OFFER])
    asked = "recommend/model?model=bert/tiny&hardware=l4&objective=cost"
    assert {one["machine"] for one in get(own_client, asked)["ranked"]} == {None}
    (machine,) = [one for one in get(own_client, f"{asked}&cloud=true")["ranked"] if one["machine"] is not None]
    assert (machine["machine"], machine["devices"], machine["usd_h"]) == ("AWS g6.12xlarge us-east-1", 4, 4.6)


def test_suggestions_are_what_the_command_prints(client: TestClient, printed: Printed) -> None:
    content = get(client, f"suggest?model=bert/tiny&{ON}&limit=3")
    assert content == printed("suggest", "--model", "bert/tiny", "--on", "l4,h100", "--limit", "3")
    assert content["suggestions"][0]["command"].startswith("assay run --model bert/tiny")


def test_a_plan_is_what_the_command_prints(client: TestClient, printed: Printed) -> None:
    content = get(client, f"plan?model=bert/tiny&{ON}&qps=20000&max_wait_s=0.02&precision=fp16")
    wanted = printed(
        "plan", "--model", "bert/tiny", "--on", "l4,h100", "--qps", "20000", "--max-wait", "20ms", "--precision", "fp16"
    )
    assert content["plans"] == [{name: row[name] for name in content["plans"][0]} for row in wanted["plans"]]
    assert content["abstained"] == wanted["abstained"]
    assert all(one["replicas"] > 1 for one in content["plans"])


def test_cells_of_a_matrix_are_those_of_the_command(client: TestClient, printed: Printed) -> None:
    asked = "matrix?workload=bert/tiny&workload=resnet/tiny&hardware=l4&hardware=p100&precision=bf16&batch=8"
    content = get(client, asked)
    wanted = printed(
        "matrix", "--model", "bert/tiny,resnet/tiny", "--on", "l4,p100", "--precision", "bf16", "--batch", "8"
    )["cells"]
    values = [(one["workload"], one["device"]) for one in content["cells"]]
    assert values == [(one["workload"], one["device"]) for one in wanted]
    on_l4 = [one for one in content["cells"] if one["device"] == "NVIDIA L4"]
    assert [one["value"] for one in on_l4] == [one["value"] for one in wanted if one["device"] == "NVIDIA L4"]
    # The command asks the predictors all the same; what a sheet rules out has no number here.
    impossible = [one for one in content["cells"] if one["device"] != "NVIDIA L4"]
    assert all(one["value"] is None and "no bf16 arithmetic" in one["reason"] for one in impossible)
    assert (content["measured"], content["predicted"], content["abstained"]) == (0, 2, 2)


def test_a_matrix_can_be_asked_for_what_was_measured_alone(client: TestClient) -> None:
    content = get(client, "matrix?workload=bert/tiny&hardware=l4&predicted=false")
    assert (content["predicted"], content["abstained"]) == (0, 1)
    assert "not measured" in content["cells"][0]["reason"]


@pytest.mark.parametrize("operation", ["recommend/model?model={}", "suggest?model={}", "plan?qps=9&model={}"])
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("os:system&hardware=l4", 400),
        ("/etc/passwd&hardware=l4", 400),
        ("hf:org/name&hardware=l4", 400),
        ("bert/nosuch&hardware=l4", 400),
        ("pipeline/windows&hardware=l4", 400),
        ("bert/tiny&hardware=h1000", 400),
        ("bert/tiny&hardware=l4&prices=l4", 400),
        ("bert/tiny&hardware=l4&prices=l4%3D1e300", 400),
        ("bert/tiny&hardware=l4&precision=fp7", 422),
        ("bert/tiny&hardware=l4&batch=0", 422),
        ("bert/tiny&hardware=l4&objective=joy", 422),
        ("bert/tiny&hardware=l4&max_latency_ns=-1", 422),
        ("bert/tiny&hardware=l4&modle=x", 422),
    ],
)
def test_slips_and_hostile_names_are_refused(client: TestClient, operation: str, query: str, status: int) -> None:
    answer = client.get(f"/api/v1/{operation.format(query)}")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("optimizer=adamw", 400, "An optimizer is of training"),
        ("mode=training&optimizer=os:system", 400, "os:system"),
        ("hardware=g2.2xlarge", 400, "cannot be chosen"),
        ("devices=0", 422, "devices"),
        ("devices=1025", 422, "devices"),
        ("devices=1,2", 422, "devices"),
        ("cloud=some", 422, "cloud"),
        ("mode=dreaming", 422, "mode"),
    ],
)
def test_slips_in_fleets_are_refused(client: TestClient, query: str, status: int, said: str) -> None:
    answer = client.get(f"/api/v1/recommend/model?model=bert/tiny&hardware=l4&{query}")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert said in answer.text


@pytest.mark.parametrize(
    "operation", ["suggest?model=bert/tiny", "plan?qps=9&model=bert/tiny", "matrix?workload=bert/tiny"]
)
@pytest.mark.parametrize("parameter", ["devices=2", "cloud=true", "optimizer=sgd"])
def test_only_the_choice_takes_them(client: TestClient, operation: str, parameter: str) -> None:
    assert client.get(f"/api/v1/{operation}&hardware=l4&{parameter}").status_code == 422


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("workload=os:system&hardware=l4", 400),
        ("workload=bert/tiny&hardware=h1000", 400),
        ("workload=bert/tiny&hardware=l4&metric=accuracy", 400),
        ("workload=bert/tiny&hardware=l4&metric=nosuch", 400),
        ("&".join(f"workload=bert/{place}" for place in range(9)), 422),
        ("hardware=l4", 422),
    ],
)
def test_a_matrix_refuses_them_too(client: TestClient, query: str, status: int) -> None:
    assert client.get(f"/api/v1/matrix?{query}").status_code == status


def test_more_than_two_hundred_numbers_are_refused(client: TestClient) -> None:
    batches = "&".join(f"batch={one}" for one in range(1, 21))
    devices = "&".join(f"hardware={name}" for name in ("l4", "h100", "t4", "a10", "p100", "v100"))
    answer = client.get(f"/api/v1/recommend/model?model=bert/tiny&{devices}&{batches}")
    assert answer.status_code == 400
    assert "240 numbers" in answer.json()["detail"]
    assert answer.json()["hint"]


def test_numbers_of_devices_count_too(client: TestClient) -> None:
    counts = "&".join(f"devices={one}" for one in range(1, 21))
    precisions = "precision=fp32&precision=fp16&precision=bf16"
    asked = f"model=bert/tiny&{ON}&hardware=t4&hardware=a10&{counts}&{precisions}"
    answer = client.get(f"/api/v1/recommend/model?{asked}")
    assert answer.status_code == 400
    assert "240 numbers" in answer.json()["detail"]


def test_a_load_that_nothing_carries_is_said(client: TestClient) -> None:
    answer = client.get("/api/v1/plan?model=bert/tiny&hardware=l4&qps=1e9")
    assert answer.status_code == 400
    assert "would take more than" in answer.json()["detail"]


def test_nobody_who_can_answer_is_an_abstention(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.web.api.decide._estimator_of", lambda _request: Estimator(()))
    content = get(client, "recommend/model?model=bert/tiny&hardware=l4")
    assert (content["ranked"], content["lost"]) == ([], [])
    assert {one["reason"] for one in content["abstained"]} == {"no predictor has been learned or shipped"}
    assert get(client, "suggest?model=bert/tiny&hardware=l4") == {"suggestions": [], "probes": []}
    assert get(client, "plan?model=bert/tiny&hardware=l4&qps=1")["plans"] == []
