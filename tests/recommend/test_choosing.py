"""A wish becomes a decision over a store: its measured numbers, what is predicted, bounds on how much is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from assay.core.errors import UnknownNameError, UsageError
from assay.predict.layers import Estimator, open_estimator
from assay.recommend.capacity import Load, Margin
from assay.recommend.choosing import LARGEST_LOAD, Wish, choose_device
from assay.recommend.decision import Limits, Objective
from assay.recommend.rows import describe_decision, plan_rows
from assay.store import Store

pytest.importorskip("torch", reason="graphs of families are counted with torch: pip install 'assay[torch]'")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def test_a_wish_is_decided_and_described(store: Store) -> None:
    wish = Wish("bert/tiny", Objective.COST, ("l4", "h100", "p100"), prices_usd_h={"l4": 0.7, "h100": 4.0})
    content = describe_decision(choose_device(store, wish, open_estimator(store)))
    assert [(one["device"], one["usd_h"], one["provenance"]) for one in content["ranked"]] == [
        ("NVIDIA L4", 0.7, "predicted"), ("NVIDIA H100 SXM5 80GB", 4.0, "predicted"),
    ]  # fmt: skip
    (lost,) = content["lost"]
    assert (lost["device"], lost["misses"]) == (
        "NVIDIA Tesla P100 SXM2 16GB",
        ["no price of an hour of it is stored or given"],
    )


def test_nothing_learned_is_an_abstention_for_each_device(store: Store) -> None:
    content = describe_decision(choose_device(store, Wish("bert/tiny", devices=("l4",)), Estimator(())))
    assert (content["ranked"], content["lost"]) == ([], [])
    assert {one["reason"] for one in content["abstained"]} == {"no predictor has been learned or shipped"}


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish("bert/tiny", devices=("l4", "h100"), batches=(1, 2)), "8 numbers were asked for; expected at most 7"),
        (Wish("bert/tiny", devices=("l4",), counts=(1, 2, 4, 8)), "8 numbers were asked for; expected at most 7"),
        (Wish("bert/tiny", devices=("l4",), counts=(0,)), "got 0; expected 1 to 1024"),
        (Wish("bert/tiny", devices=("l4",), optimizer="adamw"), "of training"),
        (Wish("bert/tiny", devices=("l4",), prices_usd_h={"l4": 2 * LARGEST_LOAD}), "above"),
        (Wish("bert/tiny", devices=("l4",), prices_usd_h={str(one): 1.0 for one in range(300)}), "300 prices"),
    ],
)
def test_too_much_is_refused_before_anything_is_counted(store: Store, wish: Wish, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        choose_device(store, wish, Estimator(()), most=7)


def test_unknown_names_are_refused_with_the_nearest(store: Store) -> None:
    with pytest.raises(UnknownNameError):
        choose_device(store, Wish("bert/tiny", devices=("h1000",)), Estimator(()))


def test_an_optimizer_that_nobody_knows_is_refused_with_those_that_are_known(store: Store) -> None:
    with pytest.raises(UnknownNameError, match="adamw"):
        choose_device(store, Wish("bert/tiny", devices=("l4",), mode="training", optimizer="adam"), Estimator(()))


def test_several_devices_and_a_machine_by_its_name_are_options(store: Store) -> None:
    wish = Wish("bert/tiny", Objective.THROUGHPUT, ("l4", "g6.12xlarge"), precisions=("fp16",), counts=(2, 1, 2))
    found = choose_device(store, wish, open_estimator(store))
    labels = {one.label for one in (*found.ranked, *found.lost)}
    assert labels == {"NVIDIA L4", "2 × NVIDIA L4", "4 × NVIDIA L4 (AWS g6.12xlarge)"}
    alone = choose_device(store, replace(wish, devices=("g6.12xlarge",)), open_estimator(store))
    assert {one.label for one in (*alone.ranked, *alone.lost)} == {"4 × NVIDIA L4 (AWS g6.12xlarge)"}


def test_a_device_that_carries_no_load_does_not_silence_the_others(store: Store) -> None:
    wish = Wish("bert/tiny", Objective.THROUGHPUT, ("l4", "h100"), limits=Limits())
    decision = choose_device(store, wish, open_estimator(store))
    rates = {one.question.device.name: one.rate_per_s for one in decision.ranked}
    rows, failed = plan_rows(decision, Load(100.0), Margin())
    assert (sorted(row["device"] for row in rows), failed) == (sorted(rates), [])
    assert all(row["replicas"] >= 1 and row["provenance"] == "predicted" for row in rows)
    with pytest.raises(UsageError, match="would take more than"):
        plan_rows(decision, Load(1e9), Margin())
