from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from assay.core.errors import AssayError
from assay.predict.base import ExampleSource, Gathered, PredictorKind, predictors
from assay.predict.models import prior_folder
from assay.predict.prior import (
    MOST_BYTES,
    PERMITTED,
    make_priors,
    permitted_source,
    read_priors,
    why_not_permitted,
    write_card,
)

NOT_PERMITTED = ("ml_energy", "lambda_training", "llamacpp_gpu_bench", "kpi_sources")
CARD = Path(__file__).parents[2] / "docs" / "prior-card.md"


def test_folders_without_a_licence_are_out_of_reach(tmp_path: Path) -> None:
    for name in (*NOT_PERMITTED, "timm_bench", "neusight"):
        (tmp_path / name).mkdir()
    source = permitted_source([tmp_path])
    assert [folder.name for folder in source.folders] == ["neusight", "timm_bench"]
    assert all(source.find(name) is None for name in NOT_PERMITTED)
    assert not set(PERMITTED) & set(NOT_PERMITTED)
    with pytest.raises(AssayError, match="No permitted folder"):
        permitted_source([tmp_path / "ml_energy"])


def test_a_prior_is_made_and_its_card_says_what_it_knows(toy: PredictorKind, tmp_path: Path) -> None:
    (tmp_path / "toy_data").mkdir()
    source = ExampleSource(None, (tmp_path,))
    (made,) = make_priors([toy.name], source, tmp_path / "data", splits=["model", "lost"])
    assert made.path is not None
    assert made.size_bytes == made.path.stat().st_size
    (record,) = read_priors(tmp_path / "data")
    card = write_card([record])
    assert f"## toy {record.version}" in card
    assert "| toy_data | 40 | made up |" in card
    assert "It does not answer for a toy that was not measured (split lost): mean did better." in card
    assert "Not to be trusted (split lost)" in card


def test_what_names_no_licence_does_not_ship(
    toy: PredictorKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "toy_data").mkdir()
    source = ExampleSource(None, (tmp_path,))
    gathered = toy.gather(source)
    bare = Gathered(gathered.examples, (replace(gathered.uses[0], licence=None),))
    monkeypatch.setitem(predictors._loaded, "toy", replace(toy, gather=lambda _source: bare))
    (made,) = make_priors(["toy"], source, tmp_path / "data", splits=[])
    assert made.path is None
    assert made.reason == why_not_permitted(bare) == "no licence is known of toy_data"


def test_without_examples_there_is_no_prior(toy: PredictorKind, tmp_path: Path) -> None:
    (made,) = make_priors([toy.name], ExampleSource(), tmp_path)
    assert made.reason == "0 published examples, and it takes 10"


def test_an_empty_card_says_that_nothing_ships() -> None:
    assert "No prior ships" in write_card([])


def test_what_ships_is_sound_small_licensed_and_as_its_card_says() -> None:
    records = read_priors()
    assert sum(path.stat().st_size for path in prior_folder().glob("*.predictor")) <= MOST_BYTES
    for record in records:
        assert record.uses
        assert {use.licence for use in record.uses}.isdisjoint({None, ""})
        assert not {use.name for use in record.uses} & set(NOT_PERMITTED)
        predictors.get(record.kind).load(record.payload)
    assert CARD.read_text(encoding="utf-8") == write_card(records)
