"""Predictions over REST: the same answers as `assay predict`, and no way to have the server import or read anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from assay.predict.layers import Estimator
from assay.predict.numbers import Numbers, from_answers
from assay.predict.values import LEVELS, Interval, Layer, Prediction, Situation

if TYPE_CHECKING:
    from starlette.testclient import TestClient

pytest.importorskip("torch", reason="graphs of families are counted with torch: pip install 'assay[torch]'")


class Plain:
    """Answers every question with the same number."""

    broken = {"graph": "The predictor /somewhere/graph.predictor is damaged."}  # noqa: RUF012

    def numbers(self, questions: Any) -> Numbers:
        return from_answers(self.estimate(questions))

    def estimate(self, questions: Any) -> list[Prediction]:
        bounds = tuple(Interval(level, 1e6 / (1 + level), 1e6 * (1 + level)) for level in LEVELS)
        return [
            Prediction(
                one.metric, 1e6, "ns", bounds, Layer.LEARNED, ("made up",), calibrated_on=Situation.UNSEEN_MODEL,
                calibration_n=9, calibration_groups=4, model="toy 1", flags=("beware",),
            )
            for one in questions
        ]  # fmt: skip


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Plain:
    made = Plain()
    monkeypatch.setattr("assay.web.api.predict._estimator_of", lambda _request: made)
    return made


def test_answers_have_intervals_layers_and_provenance(client: TestClient, plain: Plain) -> None:
    query = "workload=bert/tiny&hardware=l4&hardware=h100&precision=fp16&batch=1&batch=8&level=0.8"
    answer = client.get(f"/api/v1/predict?{query}")
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert content["level"] == 0.8
    assert [(one["device"], one["batch"]) for one in content["answers"]] == [
        ("NVIDIA L4", 1), ("NVIDIA H100 SXM5 80GB", 1), ("NVIDIA L4", 8), ("NVIDIA H100 SXM5 80GB", 8),
    ]  # fmt: skip
    first = content["answers"][0]
    assert (first["value"], first["unit"], first["provenance"]) == (1e6, "ns", "predicted")
    assert (first["lo"], first["hi"]) == (pytest.approx(1e6 / 1.8), pytest.approx(1.8e6))
    assert (first["layer"], first["model"], first["flags"]) == ("learned", "toy 1", ["beware"])
    assert [one["level"] for one in first["intervals"]] == list(LEVELS)
    assert content["broken"] == plain.broken


def test_what_a_device_cannot_compute_has_a_reason_and_no_number(client: TestClient, plain: Plain) -> None:
    assert plain.broken
    (one,) = client.get("/api/v1/predict?workload=bert/tiny&hardware=p100&precision=bf16").json()["answers"]
    assert one["value"] is None
    assert "no bf16 arithmetic" in one["reason"]
    assert one["measure"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("workload=os:system&hardware=l4", 400),
        ("workload=/etc/passwd&hardware=l4", 400),
        ("workload=hf:org/name&hardware=l4", 400),
        ("workload=../bert/tiny&hardware=l4", 400),
        ("workload=bert/nosuch&hardware=l4", 400),
        ("workload=bert/tiny&hardware=h1000", 400),
        ("workload=bert/tiny&hardware=l4&precision=fp7", 422),
        ("workload=bert/tiny&hardware=l4&batch=0", 422),
        ("workload=bert/tiny&hardware=l4&batch=99999999", 422),
        ("workload=bert/tiny&hardware=l4&metric=speed", 400),
        ("workload=bert/tiny&hardware=l4&level=0.77", 400),
        ("workload=bert/tiny&hardware=l4&modle=x", 422),
        ("workload=bert/tiny", 422),
        ("hardware=l4", 422),
    ],
)
def test_slips_and_hostile_names_are_refused(client: TestClient, query: str, status: int) -> None:
    answer = client.get(f"/api/v1/predict?{query}")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")


def test_what_others_published_is_asked_by_its_name_with_devices_and_options(client: TestClient) -> None:
    asked = "workload=llm/llama-3.1-8b&hardware=h100&metric=tpot&engine=vllm&precision=bf16&devices=2"
    options = "option=isl%3D1024&option=osl%3D256&option=users%3D"
    few, many = (client.get(f"/api/v1/predict?{asked}&{options}{users}").json()["answers"][0] for users in ("8", "256"))
    assert (few["workload"], few["devices"], few["metric"]) == ("llm/llama-3.1-8b", 2, "time_per_output_token_ns")
    assert 0 < few["value"] < many["value"]
    without = client.get(f"/api/v1/predict?{asked}").json()["answers"][0]
    assert without["value"] is None
    assert "users" in without["reason"]


@pytest.mark.parametrize("extra", ["option=users", "option=%3D4", "devices=0", "devices=9999"])
def test_options_and_devices_that_are_none_are_refused(client: TestClient, extra: str) -> None:
    answer = client.get(f"/api/v1/predict?workload=llm/llama-3.1-8b&hardware=h100&metric=tpot&{extra}")
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["detail"]


def test_too_many_numbers_at_once_are_refused(client: TestClient) -> None:
    devices = "&".join(["hardware=l4"] * 100)
    batches = "&".join(f"batch={one}" for one in range(1, 6))
    answer = client.get(f"/api/v1/predict?workload=bert/tiny&{devices}&{batches}")
    assert answer.status_code == 400
    assert "500 numbers" in answer.json()["detail"]


def test_an_abstention_says_what_to_measure(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.web.api.predict._estimator_of", lambda _request: Estimator(()))
    (one,) = client.get("/api/v1/predict?workload=bert/tiny&hardware=l4").json()["answers"]
    assert (one["value"], one["reason"]) == (None, "no predictor has been learned or shipped")
    assert one["measure"] == ["assay predict train"]


def test_predictors_are_listed_with_the_errors_of_their_validation(client: TestClient) -> None:
    content = client.get("/api/v1/predictors").json()
    for one in content["predictors"]:
        assert one["origin"] in ("prior", "own")
        assert one["broken"] is None
        assert all(error >= 0 for error in one["splits"].values())


def test_what_answers_is_loaded_once_for_a_state_of_the_store(
    own_client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []

    def open_it(store: object) -> Estimator:
        opened.append(store)
        return Estimator(())

    monkeypatch.setattr("assay.predict.layers.open_estimator", open_it)
    for _ in range(3):
        assert own_client.get("/api/v1/predict?workload=bert/tiny&hardware=l4").status_code == 200
    assert len(opened) == 1


def test_nothing_is_stored_by_asking(client: TestClient) -> None:
    assert client.get("/api/v1/predictions").json() == {"items": [], "next": None}
