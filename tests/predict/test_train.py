from __future__ import annotations

from pathlib import Path

import pytest

from assay.core.errors import UnknownNameError
from assay.predict.base import ExampleSource, PredictorKind
from assay.predict.models import load_active
from assay.predict.train import choose_kinds, judge, train_kinds, validate_kind


@pytest.fixture
def source(tmp_path: Path) -> ExampleSource:
    (tmp_path / "toy_data").mkdir()
    return ExampleSource(None, (tmp_path,))


def test_a_version_that_beats_the_naive_baselines_answers(
    toy: PredictorKind, source: ExampleSource, tmp_path: Path
) -> None:
    said: list[str] = []
    (trained,) = train_kinds([toy.name], source, tmp_path / "shelf", splits=["model"], listener=said.append)
    assert trained.promoted
    assert "beats the naive baselines on model" in trained.why
    loaded = load_active("toy", tmp_path / "shelf")
    assert loaded is not None
    record, fitted = loaded
    assert (record.version, [one.name for one in record.uses]) == (trained.version, ["toy_data"])
    assert record.outcomes == trained.outcomes
    assert fitted.payload().arrays["rate"] == pytest.approx(2.0, rel=0.1)
    assert said[0] == "toy: reading"


def test_one_that_a_baseline_beats_everywhere_is_kept_and_does_not_answer(
    toy: PredictorKind, source: ExampleSource, tmp_path: Path
) -> None:
    (trained,) = train_kinds([toy.name], source, tmp_path / "shelf", splits=["lost"])
    assert trained.version is not None
    assert not trained.promoted
    assert "mean" in trained.why
    assert load_active("toy", tmp_path / "shelf") is None


def test_one_that_was_held_against_nothing_does_not_answer(
    toy: PredictorKind, source: ExampleSource, tmp_path: Path
) -> None:
    (trained,) = train_kinds([toy.name], source, tmp_path / "shelf", splits=[])
    assert not trained.promoted
    assert judge(()) == (False, "it was held against nothing")


def test_too_few_examples_are_said_with_what_it_takes(toy: PredictorKind, tmp_path: Path) -> None:
    (trained,) = train_kinds([toy.name], ExampleSource(), tmp_path)
    assert trained.version is None
    assert trained.reason == "0 examples, and it takes 10"
    assert trained.notes == ("no toy_data",)


def test_a_split_without_data_is_left_out_and_an_unknown_one_is_a_slip(
    toy: PredictorKind, source: ExampleSource
) -> None:
    gathered = toy.gather(source)
    said: list[str] = []
    found = list(validate_kind(toy, gathered, None, listener=said.append))
    assert [one.split for one in found] == ["model", "lost"]
    assert any("empty left out" in one for one in said)
    with pytest.raises(UnknownNameError, match="modle"):
        list(validate_kind(toy, gathered, ["modle"]))


def test_kinds_are_chosen_by_name(toy: PredictorKind) -> None:
    assert choose_kinds([toy.name]) == [toy]
    with pytest.raises(UnknownNameError, match="toy"):
        choose_kinds(["tyo"])
