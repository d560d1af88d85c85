"""Learning again by itself: off until switched on, only what a store alone can teach, only with a need."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from assay.core.errors import AssayError
from assay.predict.auto import AutoSetting, find_needs, learn_needed, read_setting, self_taught, write_setting
from assay.predict.base import PredictorKind, predictors
from assay.predict.drift import judge_need
from assay.predict.models import shelf_of
from assay.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def test_the_switch_is_off_until_it_is_set(tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    assert not read_setting(shelf).is_on
    write_setting(shelf, AutoSetting(is_on=True))
    assert read_setting(shelf).is_on
    (shelf / "auto.json").write_text("[]")
    with pytest.raises(AssayError, match="could not be read"):
        read_setting(shelf)


def test_a_switch_that_cannot_be_kept_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AssayError, match="could not be written"):
        write_setting(tmp_path / "file", AutoSetting(is_on=True))


def test_own_results_and_memory_are_taught_by_a_store_alone() -> None:
    assert {"own", "memory"} <= set(self_taught())
    assert {"system", "serving", "kernels"}.isdisjoint(self_taught())


def test_what_is_measured_here_is_no_news_to_published_data(
    store: Store, toy: PredictorKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = replace(toy, name="published", is_self_taught=False)
    monkeypatch.setattr(predictors, "_loaded", {**predictors._loaded, "published": published})
    need = judge_need("published", store, shelf_of(store.location))
    assert not need.is_needed
    assert need.known.startswith("0 of 30 new results")


def test_without_a_need_nothing_is_learned(store: Store, toy: PredictorKind) -> None:
    assert toy.is_self_taught
    assert not any(one.is_needed for one in find_needs(store, [toy.name]))
    assert [one.kind for one in learn_needed(store) if one.kind == toy.name] == []
