"""`assay suggest`: the table, the probes below it, JSON and CSV, over predictors that are made up here."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assay.predict.layers import Estimator
from assay.predict.values import LEVELS, Answer, Conditions, DeviceProfile, Interval, Layer, Prediction, Question
from assay.recommend.suggest_probes import ProbeWanted

pytest.importorskip("torch", reason="graphs of families are counted with torch: pip install 'assay[torch]'")

Here = Callable[..., Any]
ASK = ("suggest", "--model", "bert/tiny", "--on", "l4,t4,h100", "--precision", "fp32")
MIDDLES = {"NVIDIA L4": 1.1e6, "NVIDIA Tesla T4": 9e6, "NVIDIA H100 SXM5 80GB": 1e6}


@dataclass(frozen=True)
class Sure(Estimator):
    """Says what is written above of each device, and is as sure of it as it is told to be."""

    spread: float = 0.3

    def estimate(self, questions: Sequence[Question]) -> list[Answer]:
        return [self._tell(one) for one in questions]

    def _tell(self, question: Question) -> Answer:
        middle = MIDDLES[question.device.name]
        bounds = tuple(Interval(one, middle / (1 + self.spread), middle * (1 + self.spread)) for one in LEVELS)
        return Prediction(question.metric, middle, "ns", bounds, Layer.LEARNED, ("made up",))


@pytest.fixture
def asked(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("ASSAY_STORE", str(tmp_path / "store"))

    def ask(*words: str, spread: float = 0.3) -> Any:
        monkeypatch.setattr("assay.predict.layers.open_estimator", lambda *_, **__: Sure((), spread=spread))
        said = here(*ASK, *words)
        assert said.code == 0, said.err
        return said

    return ask


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two models to measure on one device, one of which assay does not have."""
    question = Question("bert/tiny", "bert", DeviceProfile("NVIDIA L4"), Conditions())
    command = "assay run --model resnet/50 --batch 1 --precision fp32 --engine torch"
    found = [
        ProbeWanted("NVIDIA L4", "resnet/50", (), question, command, 0.12, 0.06),
        ProbeWanted("NVIDIA L4", "timm/x", (), question, None, 0.12, 0.06, "assay has no such model"),
    ]
    monkeypatch.setattr("assay.recommend.suggest_probes.suggest_probes", lambda *_: found)


def test_what_may_overtake_the_first_stands_first_with_its_command(asked: Callable[..., Any]) -> None:
    said = asked()
    first, second = (line for line in said.out.splitlines() if "assay run --model bert/tiny" in line)
    assert {"NVIDIA L4" in first or "NVIDIA H100" in first, "NVIDIA L4" in second or "NVIDIA H100" in second} == {True}
    assert "the choice now: NVIDIA H100" in said.out
    assert "T4" not in said.out
    rows = json.loads(asked("--json").out)
    assert rows["probes"] == []
    assert rows["suggestions"][0]["value"] >= rows["suggestions"][1]["value"] > 0
    assert len(json.loads(asked("--limit", "1", "--json").out)["suggestions"]) == 1


def test_a_choice_that_stands_leaves_nothing_to_measure(asked: Callable[..., Any]) -> None:
    said = asked(spread=0.001)
    assert "Nothing to measure would change the choice: see assay recommend --model bert/tiny" in said.out
    assert json.loads(asked("--json", spread=0.001).out)["suggestions"] == []


@pytest.mark.usefixtures("probes")
def test_models_to_measure_on_a_device_that_is_foretold_by_others(asked: Callable[..., Any]) -> None:
    said = asked()
    assert "to foretell any other model on NVIDIA L4, measure these there" in said.out
    assert "12.0% without, 6.0% with" in said.out
    assert "  assay run --model resnet/50" in said.out
    assert "  assay has no such model" in said.out
    rows = list(csv.DictReader(io.StringIO(asked("--csv").out)))
    assert [row["command"] for row in rows][-2:] == [
        "assay run --model resnet/50 --batch 1 --precision fp32 --engine torch", "",
    ]  # fmt: skip
    assert [one["note"] for one in json.loads(asked("--json").out)["probes"]] == [None, "assay has no such model"]


def test_nothing_to_choose_between_is_said(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_STORE", str(tmp_path / "store"))
    monkeypatch.setattr("assay.predict.layers.open_estimator", lambda *_, **__: Estimator(()))
    said = here(*ASK)
    assert said.code == 0
    assert "Nothing is known to choose between" in said.out
