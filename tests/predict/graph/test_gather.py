"""Own results join the published ones, weigh more, and only where features tell their engine apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.predict.base import ExampleSource, Gathered
from assay.predict.graph import gather
from assay.predict.values import Conditions, DeviceProfile, Example, Question

if TYPE_CHECKING:
    import pytest


def make_own(engine: str) -> Example:
    question = Question("bert/tiny", "bert", DeviceProfile("own", vendor="Made"), Conditions(engine))
    groups = {"model": "bert/tiny", "family": "bert", "engine": engine, "device": "own", "case": "bert/tiny"}
    return Example(question, 1e6, groups, f"result of {engine}")


def test_own_results_weigh_more_and_other_runtimes_stay_out(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Gathered(tuple(make_own(engine) for engine in ("torch", "onnxruntime", "torch-compile")), (), ("a note",))
    monkeypatch.setattr(gather, "gather_own", lambda _source: own)
    found = gather.gather_graphs(ExampleSource())
    assert [one.question.conditions.engine for one in found.examples] == ["torch", "torch-compile"]
    assert {one.weight for one in found.examples} == {gather.OWN_WEIGHT}
    assert found.examples[0].groups["config"] == "own torch"
    assert found.examples[0].groups["vendor"] == "Made"
    assert "a note" in found.notes
