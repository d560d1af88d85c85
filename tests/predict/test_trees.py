"""Trees as arrays give what LightGBM gives, in two ways to the same bits, and refuse arrays that are no forest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from assay.core.errors import AssayError
from assay.predict.trees import Forest, forest_of, learn_forest, predict_by_planes, predict_walking, read_forest

lightgbm = pytest.importorskip("lightgbm")
SETTINGS: dict[str, Any] = {"num_leaves": 63, "max_depth": 9, "max_bin": 63, "learning_rate": 0.1, "seed": 0}


def make_rows(count: int, seed: int = 0) -> tuple[Any, Any]:
    rows = np.random.default_rng(seed).normal(size=(count, 12))
    return rows, rows[:, 0] * rows[:, 1] + np.sin(3 * rows[:, 2]) + 0.3 * rows[:, 3:].sum(axis=1)


@pytest.fixture(scope="module")
def forest() -> Forest:
    rows, target = make_rows(4000)
    return learn_forest(rows, target, rounds=40, **SETTINGS)


def test_the_arrays_answer_what_lightgbm_answers(forest: Forest) -> None:
    rows, target = make_rows(4000)
    fixed = {"num_threads": 1, "verbose": -1, "deterministic": True, "force_row_wise": True, "use_missing": False}
    booster = lightgbm.train({**fixed, **SETTINGS}, lightgbm.Dataset(rows, target), 40)
    assert forest.predict(rows) == pytest.approx(booster.predict(rows), abs=1e-5)  # leaves are kept in float32
    assert forest.trees == 40
    assert forest.depth <= 9


@pytest.mark.parametrize("count", [1, 63, 64, 65, 1500])
def test_both_ways_give_the_same_bits(forest: Forest, count: int) -> None:
    rows, _ = make_rows(count, seed=count)
    assert np.array_equal(predict_walking(forest, rows), predict_by_planes(forest, rows))


def test_more_rows_than_a_chunk_are_answered_in_their_order(forest: Forest) -> None:
    rows, _ = make_rows(40_000, seed=3)
    places = [0, 32_767, 32_768, 39_999]
    assert np.array_equal(forest.predict(rows)[places], predict_walking(forest, rows[places]))


def test_what_was_kept_reads_back_to_the_same_bits(forest: Forest) -> None:
    again = read_forest({name: np.array(values) for name, values in forest.arrays("a_").items()}, "a_")
    rows, _ = make_rows(300, seed=4)
    assert np.array_equal(forest.predict(rows), again.predict(rows))
    assert all(values.dtype.kind in "iuf" for values in forest.arrays().values())


def test_a_tree_without_a_split_is_a_constant() -> None:
    rows, _ = make_rows(50)
    forest = learn_forest(rows, np.full(50, 2.5), rounds=2, **SETTINGS)
    assert predict_walking(forest, rows[:3]) == pytest.approx([2.5] * 3)
    assert np.array_equal(predict_walking(forest, rows), predict_by_planes(forest, rows))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("left", lambda values: values * 0),  # a node that is its own child: a walk without an end
        ("right", lambda values: values * 0 + 120),
        ("left", lambda values: values * 0 - 120),
        ("pair", lambda values: values + 60_000),
        ("pair_feature", lambda values: values + 100),
        ("pair_threshold", lambda values: values * np.nan),
        ("leaves", lambda values: values[:, :3]),
        ("shape", lambda values: values * np.inf),
    ],
)
def test_arrays_that_are_no_forest_are_refused(forest: Forest, name: str, change: Any) -> None:
    kept = forest.arrays()
    with np.errstate(all="ignore"):
        kept[name] = change(kept[name])
    with pytest.raises((ValueError, OverflowError)):
        read_forest(kept)


def test_rows_of_another_width_are_refused(forest: Forest) -> None:
    with pytest.raises(ValueError, match=r"expected \(n, 12\)"):
        forest.predict(np.zeros((2, 5)))


def test_larger_trees_and_other_splits_are_refused() -> None:
    leaf = {"leaf_value": 1.0}
    split = {"split_feature": 0, "threshold": 0.0, "decision_type": "==", "left_child": leaf, "right_child": leaf}
    with pytest.raises(ValueError, match="expected '<='"):
        forest_of({"tree_info": [{"tree_structure": split}]}, 1)
    tall: dict[str, Any] = leaf
    for place in range(70):
        tall = {**split, "decision_type": "<=", "threshold": float(place), "left_child": tall, "right_child": leaf}
    with pytest.raises(ValueError, match="expected at most 64"):
        forest_of({"tree_info": [{"tree_structure": tall}]}, 1)


def test_without_lightgbm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lightgbm", None)
    with pytest.raises(AssayError, match=r"pip install 'assay\[predict\]'"):
        learn_forest(np.zeros((5, 2)), np.zeros(5), rounds=1)
