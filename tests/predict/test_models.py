from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from assay.core.errors import AssayError, NotFoundError, UsageError
from assay.predict.base import Payload, PredictorKind
from assay.predict.model_file import ModelRecord, write_model
from assay.predict.models import (
    find_active,
    find_entry,
    list_models,
    load_active,
    prior_folder,
    promote,
    read_log,
    roll_back,
    save_model,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def record(rate: float) -> ModelRecord:
    return ModelRecord("toy", NOW, "0.9", Payload({}, {"rate": np.array([rate])}))


def keep(rate: float, shelf: Path) -> str:
    return save_model(record(rate), shelf).stem.rpartition("-")[2]


def test_a_version_answers_once_it_is_promoted_and_the_one_before_after_rolling_back(
    tmp_path: Path, toy: PredictorKind
) -> None:
    first, second = keep(1.0, tmp_path), keep(2.0, tmp_path)
    assert load_active(toy.name, tmp_path) is None
    promote("toy", first, tmp_path, why="it is better", now=NOW)
    promote("toy", second[:6], tmp_path, why="it is better still", now=NOW + timedelta(days=1))
    loaded = load_active("toy", tmp_path)
    assert loaded is not None
    assert loaded[0].version == second
    assert [one.is_active for one in list_models(tmp_path) if one.kind == "toy"].count(True) == 1
    assert roll_back("toy", tmp_path, why="it was not").version == first
    again = load_active("toy", tmp_path)
    assert again is not None
    assert again[0].version == first
    assert [one.why for one in read_log(tmp_path)] == ["it is better", "it is better still", "it was not"]


def test_what_is_kept_twice_is_there_once(tmp_path: Path) -> None:
    assert save_model(record(1.0), tmp_path) == save_model(record(1.0), tmp_path)
    assert len([one for one in list_models(tmp_path) if one.kind == "toy"]) == 1


def test_versions_are_named_by_their_beginning_and_slips_are_said(tmp_path: Path) -> None:
    version = keep(1.0, tmp_path)
    assert find_entry("toy", version[:5], tmp_path).version == version
    with pytest.raises(NotFoundError, match=version):
        find_entry("toy", "ffffffffffff", tmp_path)
    with pytest.raises(NotFoundError):
        find_entry("toy", version[:2], tmp_path)
    with pytest.raises(UsageError, match="none to go back"):
        roll_back("toy", tmp_path, why="?")


def test_a_damaged_version_is_not_promoted_and_never_loaded(tmp_path: Path, toy: PredictorKind) -> None:
    version = keep(1.0, tmp_path)
    promote("toy", version, tmp_path, why="it is better")
    path = find_active(toy.name, tmp_path)
    assert path is not None
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(AssayError, match="damaged"):
        load_active("toy", tmp_path)
    with pytest.raises(AssayError, match="damaged"):
        promote("toy", version, tmp_path, why="again")


def test_a_file_of_another_kind_under_this_name_is_refused(tmp_path: Path, toy: PredictorKind) -> None:
    content, version = write_model(ModelRecord("another", NOW, "0.9", Payload({})))
    tmp_path.joinpath(f"toy-{version}.predictor").write_bytes(content)
    promote(toy.name, version, tmp_path, why="by mistake")
    with pytest.raises(AssayError, match="another"):
        load_active("toy", tmp_path)


def test_lines_of_the_log_that_a_crash_cut_off_are_left_out(tmp_path: Path) -> None:
    version = keep(1.0, tmp_path)
    promote("toy", version, tmp_path, why="it is better")
    with (tmp_path / "active.jsonl").open("a") as log:
        log.write('{"kind": "toy", "vers')
    assert [one.version for one in read_log(tmp_path)] == [version]
    assert find_active("toy", tmp_path) is not None


def test_without_a_shelf_only_priors_are_there() -> None:
    shipped = {path.stem for path in prior_folder().glob("*.predictor")}
    assert {one.kind for one in list_models(None)} == shipped
    assert all(one.origin == "prior" and one.is_active for one in list_models(None))
