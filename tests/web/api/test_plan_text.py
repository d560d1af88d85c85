"""Plans for users of a language model over REST: what the command prints, and nothing that a name could open."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from assay.store import Store

pytest.importorskip("torch", reason="configurations are counted with torch: pip install 'assay[torch]'")
pytest.importorskip("scipy", reason="what lies within limits is learned with scipy: pip install 'assay[predict]'")

ASKED = "model=llama/8b&users=40&hardware=a10&hardware=t4&hardware=l4&prices=a10%3D1.0,t4%3D0.5,l4%3D0.7"


def test_a_plan_is_what_the_command_prints(
    client: TestClient, filled: Store, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from assay.cli.main import main

    asked = f"{ASKED}&devices=1&devices=2&isl=256&max_ttft_s=10&max_itl_s=0.06"
    answer = client.get(f"/api/v1/plan/text?{asked}")
    assert answer.status_code == 200, answer.text
    said = [
        "assay", "plan", "--model", "llama/8b", "--users", "40", "--on", "a10,t4,l4", "--devices", "1,2",
        "--price", "a10=1.0,t4=0.5,l4=0.7", "--isl", "256", "--max-ttft", "10s", "--max-itl", "60ms",
        "--store", filled.location, "--json",
    ]  # fmt: skip
    monkeypatch.setattr(sys, "argv", said)
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert answer.json() == json.loads(capfd.readouterr().out)
    assert {(one["hw_id"], one["devices"]) for one in answer.json()["plans"]} == {
        ("nvidia-a10", 1), ("nvidia-a10", 2), ("nvidia-tesla-t4", 1), ("nvidia-tesla-t4", 2),
    }  # fmt: skip
    assert {one["device"] for one in answer.json()["abstained"]} == {"NVIDIA L4", "2 × NVIDIA L4"}


def test_a_published_model_can_be_asked_about(client: TestClient) -> None:
    answer = client.get(f"/api/v1/plan/text?{ASKED.replace('llama/8b', 'llm/llama-3.1-8b')}&devices=1")
    assert answer.status_code == 200, answer.text
    assert answer.json()["plans"]


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ("llama/8b", "os:system", 400),
        ("llama/8b", "/etc/passwd", 400),
        ("llama/8b", "../llama/8b", 400),
        ("llama/8b", "hf:org/name", 400),
        ("llama/8b", "llm/unheard", 400),
        ("llama/8b", "llm/../../etc", 400),
        ("llama/8b", "bert/tiny", 400),
        ("hardware=l4", "hardware=l4000", 400),
        ("prices=a10%3D1.0", "prices=a10", 400),
        ("prices=a10%3D1.0", "prices=a10%3D1e308", 400),
        ("users=40", "users=0", 422),
        ("users=40", "qps=40", 422),
        ("users=40", "users=40&isl=0", 422),
        ("users=40", "users=40&max_itl_s=-1", 422),
        ("users=40", "users=40&devices=65", 422),
        ("users=40", "users=40&max_itl=50ms", 422),
    ],
)
def test_slips_and_hostile_names_are_refused(client: TestClient, old: str, new: str, status: int) -> None:
    assert old in ASKED
    answer = client.get(f"/api/v1/plan/text?{ASKED.replace(old, new)}")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["detail"]


def test_plans_wait_for_one_another_and_not_for_ever(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.web.api import plan_text

    monkeypatch.setattr(plan_text, "_LONGEST_TURN_S", 0.01)
    with plan_text._in_turn():
        busy = client.get(f"/api/v1/plan/text?{ASKED}&devices=1")
    assert (busy.status_code, busy.json()["type"]) == (503, "urn:assay:problem:busy")
    assert int(busy.headers["Retry-After"]) > 0
    assert client.get(f"/api/v1/plan/text?{ASKED}&devices=1").status_code == 200
