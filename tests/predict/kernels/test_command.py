"""``assay predict neusight`` as people call it: from a folder of kernels, with and without measured times."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers", reason="models are built with transformers: pip install 'assay[torch]'")

TINY = {"model_type": "gpt2", "vocab_size": 100, "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4}


def call(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "assay", "predict", "neusight", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    (tmp_path / "gpt2.json").write_text(json.dumps(TINY))
    return tmp_path


def test_labels_are_scored_by_device_and_mode(made_up_kernels: Path, tiny: Path) -> None:
    labels = tiny / "labels.csv"
    labels.write_text(
        "device,config,e2e_latency\nNVIDIA L4,gpt2-inf-16-2,0.5\nNVIDIA H100 80GB HBM3,gpt2-train-16-2,2\n"
        "NVIDIA H100 80GB HBM3,gpt2-train-16-64,\n"
    )
    done = call("--data", made_up_kernels, "--labels", labels, "--configurations", tiny, "--json")
    assert done.returncode == 0, done.stderr
    assert not done.stderr.strip()
    said: dict[str, Any] = json.loads(done.stdout)
    assert "NVIDIA L4" not in said["learned_on"]
    assert len(said["learned_on"]) == 5
    first, second = said["rows"]
    assert (first["device"], first["config"], first["measured_ms"]) == ("NVIDIA L4", "gpt2-inf-16-2", 0.5)
    assert first["error"] == pytest.approx(first["predicted_ms"] / 0.5 - 1)
    assert first["lo_80_ms"] < first["predicted_ms"] < first["hi_80_ms"]
    parts = sum(first[f"{name}_ms"] for name in ("linear", "bmm", "elementwise", "softmax", "norm"))
    assert parts == pytest.approx(first["predicted_ms"])
    assert second["kernels"] > first["kernels"]
    scores = {one["group"]: one for one in said["scores"]}
    assert scores["all"]["n"] == 2
    assert scores["training"]["n"] == scores["inference"]["n"] == 1


def test_without_labels_predictions_are_printed(made_up_kernels: Path, tiny: Path) -> None:
    done = call("--data", made_up_kernels, "--configurations", tiny, "-c", "gpt2-inf-16-2", "--on", "l4,h100", "--csv")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["device"] for row in rows] == ["NVIDIA L4", "NVIDIA H100 SXM5 80GB"]
    assert all(row["measured_ms"] == "" and float(row["predicted_ms"]) > 0 for row in rows)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "No kernels were given"),
        (("--data", ".", "-c", "gpt2-inf-16-2"), "0 timings of kernels"),
        (("--data", ".", "-c", "bert_larg-inf-8-1"), "bert_large"),
        (("--data", ".", "--on", "l5"), "l5"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    done = call(*(tmp_path if one == "." else one for one in words))
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert "Traceback" not in done.stderr
