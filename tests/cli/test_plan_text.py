"""``assay plan --users``: the table, JSON and CSV, and what is refused."""

from __future__ import annotations

import csv
import io
import json

import pytest
from typer.testing import CliRunner

from assay.cli.main import app
from assay.core.errors import AssayError

pytest.importorskip("torch", reason="configurations are counted with torch: pip install 'assay[torch]'")
pytest.importorskip("scipy", reason="what lies within limits is learned with scipy: pip install 'assay[predict]'")

ASK = (
    "plan", "--model", "llama/8b", "--users", "40", "--max-itl", "60ms", "--max-ttft", "10s", "--isl", "256",
    "--on", "a10,t4,l4", "--devices", "1,2", "--price", "a10=1.0,t4=0.5,l4=0.7",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _own_store(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_STORE", str(tmp_path))


def test_the_same_plan_as_a_table_json_and_csv() -> None:
    runner = CliRunner()
    said = runner.invoke(app, [*ASK, "--json"])
    assert said.exit_code == 0, said.output
    found = json.loads(said.stdout)
    assert {one["provenance"] for one in found["plans"]} == {"predicted"}
    assert {(one["hw_id"], one["devices"]) for one in found["plans"]} == {
        ("nvidia-a10", 1), ("nvidia-a10", 2), ("nvidia-tesla-t4", 1), ("nvidia-tesla-t4", 2),
    }  # fmt: skip
    assert {one["device"] for one in found["abstained"]} == {"NVIDIA L4", "2 × NVIDIA L4"}
    rows = list(csv.DictReader(io.StringIO(runner.invoke(app, [*ASK, "--csv"]).stdout)))
    assert [(row["hw_id"], int(row["replicas"])) for row in rows] == [
        (one["hw_id"], one["replicas"]) for one in found["plans"]
    ]
    plain = runner.invoke(app, list(ASK)).stdout
    assert "predicted, not measured" in plain
    assert "no answer for NVIDIA L4, 2 × NVIDIA L4: no server was measured on it" in plain


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--model", "llama/8b"), "give --qps (units a second), or --users"),
        (("--model", "llama/8b", "--qps", "1", "--users", "2"), "give --qps (units a second), or --users"),
        (("--model", "bert/base", "--users", "2", "--on", "a10"), "does not generate text"),
        (("--model", "llama/8b", "--users", "2", "--max-itl", "soon"), "--max-itl"),
    ],
)
def test_what_cannot_be_planned_is_said(words: tuple[str, ...], says: str) -> None:
    said = CliRunner().invoke(app, ["plan", *words])
    assert isinstance(said.exception, AssayError)
    assert says in str(said.exception)
