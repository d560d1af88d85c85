"""The real command over a store with made-up predictors: asking, keeping, learning, validating, versions."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from assay.core.errors import AssayError
from assay.predict.base import DataUse, ExampleSource, Gathered, Payload, PredictorKind, predictors
from assay.predict.memory_kind import KIND as MEMORY
from assay.predict.scores import SplitOutcome, score_groups, score_predictions
from assay.predict.values import LEVELS, Answer, Interval, Layer, Prediction, Question, Situation
from assay.store import Store

pytest.importorskip("torch", reason="graphs of families are counted with torch: pip install 'assay[torch]'")


class Said(Protocol):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


Here = Callable[..., Said]


class Flat:
    """Says the same number of everything."""

    def __init__(self, value: float) -> None:
        self.value = value

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        bounds = tuple(Interval(level, self.value / (1 + level), self.value * (1 + level)) for level in LEVELS)
        return [
            Prediction(
                one.metric, self.value, "ns", bounds, Layer.LEARNED, ("made up",),
                calibrated_on=Situation.UNSEEN_MODEL, calibration_n=9, calibration_groups=4,
                flags=("only a toy",), would_change=("a measurement",),
            )
            for one in questions
        ]  # fmt: skip

    def payload(self) -> Payload:
        return Payload({}, {"value": np.array([self.value])})


def load_flat(payload: Payload) -> Flat:
    try:
        return Flat(float(payload.arrays["value"][0]))
    except (KeyError, IndexError) as error:
        raise AssayError("not a flat predictor") from error


def gather_flat(source: ExampleSource) -> Gathered:
    if source.find("flat_data") is None:
        return Gathered((), (), ("no flat_data",))
    return Gathered(tuple(range(1, 21)), (DataUse("flat_data", 20, "ab" * 32, "made up"),))


def validate_flat(gathered: Gathered, split: str, seed: int) -> SplitOutcome:
    del seed
    actual = np.array([float(one) for one in gathered.examples])
    own, bounds = actual * 1.1, {0.9: (actual * 0.9, actual * 1.2)}
    methods = {"assay": score_predictions(actual, own, bounds), "naive": score_predictions(actual, actual * 2)}
    names = [f"group {one % 4}" for one in gathered.examples]
    return SplitOutcome(
        "flat", split, "a thing not measured", "latency_ns", methods, score_groups(names, actual, own, bounds),
        {"size": score_groups(["small"] * 20, actual, own, bounds)}, goal=0.2, notes=("made up",),
    )  # fmt: skip


@pytest.fixture
def flat(monkeypatch: pytest.MonkeyPatch) -> PredictorKind:
    """The only predictor there is."""
    predictors.get(MEMORY)  # what the estimator imports registers itself once: not into a registry of this test alone
    kind = PredictorKind(
        name="flat", title="Flat", metrics=("latency_ns",), splits={"model": "a thing not measured"},
        gather=gather_flat, fit=lambda _gathered, _seed: Flat(1e6), load=load_flat, validate=validate_flat, fewest=10,
    )  # fmt: skip
    monkeypatch.setattr(predictors, "_declared", {})
    monkeypatch.setattr(predictors, "_loaded", {"flat": kind})
    return kind


@pytest.fixture
def asked(here: Here, kept: str, flat: PredictorKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    """The command over a copy of a store in which the predictor was trained."""
    assert flat.name == "flat"
    location = shutil.copytree(kept, tmp_path / "store")
    monkeypatch.setenv("ASSAY_STORE", str(location))
    (tmp_path / "data" / "flat_data").mkdir(parents=True)
    trained = here("predict", "train", "--data", tmp_path / "data")
    assert trained.code == 0, trained.err
    assert "answers from now on" in trained.out
    return here


def answers_of(said: Said) -> list[dict[str, Any]]:
    assert said.code == 0, said.err
    found: list[dict[str, Any]] = json.loads(said.out)["predictions"]
    return found


ASK = ("predict", "--model", "bert/tiny", "--on", "l4,h100,cpu", "--batch", "1,8")


def test_models_devices_and_batches_are_crossed_in_all_three_forms(asked: Here) -> None:
    rows = answers_of(asked(*ASK, "--json"))
    assert [(row["device"], row["batch"]) for row in rows][:3] == [
        ("NVIDIA L4", 1), ("NVIDIA H100 SXM5 80GB", 1), (rows[2]["device"], 1),
    ]  # fmt: skip
    assert len(rows) == 6
    assert {row["provenance"] for row in rows} == {"predicted"}
    assert {(row["lo"], row["hi"]) for row in rows} == {(1e6 / 1.9, 1.9e6)}
    table = asked(*ASK, "--explain")
    assert "NVIDIA L4" in table.out
    assert "1.00 ms" in table.out
    assert "only a toy" in table.out
    assert "a measurement" in table.out
    lines = list(csv.DictReader(io.StringIO(asked(*ASK, "--csv").out)))
    assert [line["batch"] for line in lines] == ["1", "1", "1", "8", "8", "8"]


def test_a_level_chooses_the_interval(asked: Here) -> None:
    (row,) = answers_of(asked("predict", "-m", "bert/tiny", "--on", "l4", "--level", "50", "--json"))
    assert (row["level"], row["lo"]) == (0.5, 1e6 / 1.5)


def test_what_is_kept_is_a_run_of_predictions(asked: Here, tmp_path: Path) -> None:
    said = asked("predict", "-m", "bert/tiny", "--on", "l4", "--save")
    assert "kept as run" in said.out
    (result,) = Store.open(tmp_path / "store").results(provenance="predicted")
    assert result.case.workload == "bert/tiny"
    assert result.hardware == "NVIDIA L4"
    scores = asked("predict", "scores")
    assert "No stored prediction was measured later" in scores.out
    assert json.loads(asked("predict", "scores", "--json").out)["scores"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "bert/tiny", "--on", "h1000"), "Did you mean 'H100'"),
        (("--model", "bert/tyni", "--on", "l4"), "tiny"),
        (("--model", "bert/tiny", "--on", "l4", "--precision", "fp7"), "expected one of fp32"),
        (("--model", "bert/tiny", "--on", "l4", "--metric", "speed"), "speed"),
        (("--model", "bert/tiny", "--on", "l4", "--level", "77"), "77"),
        (("--model", "bert/tiny", "--on", "l4", "--batch", "0"), "batch"),
        (("--on", "l4"), "Nothing was asked"),
        (("--model", "bert/tiny", "ls"), "stands before 'ls'"),
        (("validate", "--kind", "flta"), "flat"),
        (("validate", "--split", "modle", "--kind", "flat"), "model"),
        (("show", "nosuch"), "nosuch"),
        (("promote", "flat", "ffffffff"), "ffffffff"),
    ],
)
def test_slips_are_said_with_what_was_expected(asked: Here, words: tuple[str, ...], said: str) -> None:
    ended = asked("predict", *words)
    assert ended.code == 2
    assert said in ended.err


def test_a_precision_that_a_device_lacks_has_a_reason_and_no_number(asked: Here) -> None:
    (row,) = answers_of(asked("predict", "-m", "bert/tiny", "--on", "p100", "--precision", "bf16", "--json"))
    assert row["value"] is None
    assert "no bf16 arithmetic" in row["reason"]


def test_a_store_without_predictors_abstains_and_says_what_to_do(
    here: Here, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictors.get(MEMORY)
    monkeypatch.setattr(predictors, "_declared", {})
    monkeypatch.setattr(predictors, "_loaded", {})
    said = here("predict", "-m", "bert/tiny", "--on", "l4", "--store", kept, "--explain")
    assert said.code == 0
    assert "no predictor has been learned" in said.out
    assert "assay predict train" in said.out


def test_a_store_with_three_rows_teaches_nothing_and_says_what_it_takes(here: Here, kept: str) -> None:
    said = here("predict", "train", "--kind", "own", "--store", kept)
    assert said.code == 0
    assert "nothing learned" in said.out
    assert "it takes" in said.out


def test_a_damaged_predictor_is_left_out_and_said(asked: Here, tmp_path: Path) -> None:
    for path in tmp_path.rglob("flat-*.predictor"):
        path.write_bytes(b"\x80\x04K\x01.")
    said = asked("predict", "-m", "bert/tiny", "--on", "l4")
    assert said.code == 0
    assert "damaged" in said.out
    listed = asked("predict", "ls")
    assert "damaged" in " ".join(listed.out.split())


def test_validation_prints_baselines_coverage_and_the_worst_and_writes_a_report(asked: Here, tmp_path: Path) -> None:
    words = ("predict", "validate", "--data", tmp_path / "data")
    said = asked(*words, "-o", tmp_path / "report.md", "-o", tmp_path / "report.html")
    assert said.code == 0, said.err
    for text in ("10.0%", "naive", "100.0%", "worst decile: group", "made up"):
        assert text in said.out
    report = (tmp_path / "report.md").read_text()
    assert "Every split beside naive baselines" in report
    assert "group 3" in report
    content = json.loads(asked(*words, "--json").out)
    (outcome,) = content["outcomes"]
    assert outcome["methods"]["assay"]["mean_error"] == pytest.approx(0.1)
    assert [line["method"] for line in csv.DictReader(io.StringIO(asked(*words, "--csv").out))] == ["assay", "naive"]


def test_validation_without_data_says_what_is_missing(asked: Here) -> None:
    said = asked("predict", "validate")
    assert "0 examples, and it takes 10" in said.out


def test_versions_are_listed_shown_exported_imported_promoted_and_rolled_back(
    asked: Here, tmp_path: Path, flat: PredictorKind
) -> None:
    (row,) = [one for one in json.loads(asked("predict", "ls", "--json").out) if one["kind"] == flat.name]
    assert row["is_active"]
    assert "flat_data: 20 rows, made up" in asked("predict", "show", "flat").out
    shown = json.loads(asked("predict", "show", "flat", "--json").out)
    assert shown["version"] == row["version"]
    assert datetime.fromisoformat(shown["made_at"]) <= datetime.now(UTC)
    file = tmp_path / "mine.predictor"
    assert asked("predict", "export", "flat", "-o", file).code == 0
    elsewhere = tmp_path / "elsewhere"
    Store.open(elsewhere)
    shutil.copytree(tmp_path / "store", elsewhere, dirs_exist_ok=True, ignore=shutil.ignore_patterns("predictors"))
    assert "kept; to have it answer" in asked("predict", "import", file, "--store", elsewhere).out
    assert "answers from now on" in asked("predict", "promote", "flat", row["version"][:6], "--store", elsewhere).out
    assert "prior answers from now on" in asked("predict", "rollback", "flat", "--store", elsewhere).out
    file.write_bytes(b"PK\x05\x06 no")
    assert "damaged" in asked("predict", "import", file, "--store", elsewhere).err


def test_nothing_is_learned_anew_while_nothing_is_new(asked: Here, tmp_path: Path) -> None:
    said = asked("predict", "train", "--if-needed", "--data", tmp_path / "data")
    assert said.code == 0
    assert "flat: nothing to learn yet: 0 of 30 new results, 0 predictions measured later" in said.out


def test_the_end_of_a_run_says_what_could_be_learned_and_learns_it_once_that_is_on(
    asked: Here, flat: PredictorKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught = replace(
        flat,
        is_self_taught=True,
        gather=lambda _source: Gathered(tuple(range(1, 21)), (DataUse("own", 20, "ab" * 32, "made up"),), ()),
    )
    monkeypatch.setattr(predictors, "_loaded", {"flat": taught})
    # A launch on a busy machine is contaminated and counts as nothing new, so what is new is given.
    monkeypatch.setattr("assay.predict.drift.count_new", lambda _record, _store: (30, 0))
    suite = tmp_path / "fast.yaml"
    suite.write_text(
        "name: fast\nlaunches: 1\nlaunch_limit_s: 60\n"
        "timing: {min_time_s: 0.05, max_time_s: 0.2, min_samples: 5, warmup_min_s: 0, warmup_max_s: 0.1}\n"
        "cases:\n  - {model: ['plain_models:good'], engine: plain, batch: 1}\n"
    )
    assert "are not learned by themselves: flat" in asked("predict", "auto").out
    off = asked("run", "--suite", suite)
    assert off.code == 0, off.err
    assert "flat: there is something new to learn: assay predict train --if-needed" in off.err
    assert "are learned again at the end of a run" in asked("predict", "auto", "on").out
    on = asked("run", "--suite", suite)
    assert on.code == 0, on.err
    assert "flat: version " in on.err
    assert not json.loads(asked("predict", "auto", "off", "--json").out)["on"]


def test_a_switch_is_on_or_off(asked: Here) -> None:
    said = asked("predict", "auto", "perhaps")
    assert said.code == 2
    assert "expected on or off" in said.err


def test_published_workloads_need_no_graph_and_only_those_who_know_them_answer(here: Here) -> None:
    asked = ("predict", "--model", "mlperf/resnet", "--metric", "throughput", "--engine", "tensorrt", "-p", "int8")
    one, eight = (
        answers_of(here(*asked, "--on", "h200-sxm5-141gb", "--devices", count, "--json"))[0] for count in (1, 8)
    )
    assert one["model"].startswith("system")
    assert eight["value"] > 4 * one["value"]
    assert eight["devices"] == 8
    server = answers_of(here(*asked, "--on", "h200-sxm5-141gb", "-o", "scenario=Server", "--json"))[0]
    assert server["value"] != one["value"]
    (power,) = answers_of(here(*asked[:3], "--metric", "power", *asked[5:], "--on", "l4", "--devices", 8, "--json"))
    assert power["model"] is None or power["model"].startswith("power")
    unknown = here("predict", "--model", "mlperf/nothing", "--metric", "throughput", "--on", "l4")
    assert "nobody published 'nothing Offline sample' yet" in " ".join(unknown.out.split())
    assert "graph" not in unknown.out
    assert "expected a name and its value" in here(*asked, "--on", "l4", "-o", "scenario").err
    assert "expected 1 or more" in here(*asked, "--on", "l4", "--devices", 0).err
