"""Kernels: a law is found again, unseen devices are foretold, what was learned is kept, bad files are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.core.errors import AssayError, UnknownNameError
from assay.predict.base import ExampleSource, Gathered, Payload
from assay.predict.devices import find_profile
from assay.predict.kernels.fit import fit_kernels, table_of
from assay.predict.kernels.law import CONSTANTS, power_share_of, rates_of, rates_of_rows
from assay.predict.kernels.model import KernelModel, load_kernels
from assay.predict.kernels.table import KernelTable, gather_kernels
from assay.predict.kernels.validate import HELD_OUT, validate_kernels
from assay.predict.values import Abstention, Conditions, Question

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"


@pytest.fixture(scope="module")
def gathered(made_up_kernels: Path) -> Gathered:
    return gather_kernels(ExampleSource(None, (made_up_kernels,)))


@pytest.fixture(scope="module")
def model(gathered: Gathered) -> KernelModel:
    table = table_of(gathered)
    return fit_kernels(table.take(~np.isin(table.device, HELD_OUT)), 0)


def test_other_makers_and_convolutions_are_left_out_and_said(gathered: Gathered) -> None:
    assert len(gathered.examples) == 8 * 5 * 80
    assert gathered.notes == ("1 rows of other makers are left out", "1 rows of conv are left out")
    assert gathered.uses[0].licence == "MIT"
    assert gather_kernels(ExampleSource()).notes == ("no folder neusight was given",)


def test_the_law_that_made_the_times_is_found_again(model: KernelModel) -> None:
    for family, reached in (("elementwise", 0.8), ("softmax", 0.6), ("norm", 0.5)):
        place = CONSTANTS[False].index("reached_bandwidth")
        assert model.constants[family][place] == pytest.approx(reached, rel=0.05)
    assert model.constants["linear"][CONSTANTS[True].index("reached_compute")] == pytest.approx(0.8, rel=0.15)


def test_devices_that_were_held_out_are_foretold(model: KernelModel, gathered: Gathered) -> None:
    table = table_of(gathered)
    held = table.take(np.isin(table.device, HELD_OUT))
    told = model.predict_ns(held.kernels, rates_of_rows(held.profiles, held.device))
    assert np.median(np.abs(told / held.latency_ns - 1)) < 0.08
    assert set(model.devices).isdisjoint(HELD_OUT)


def test_a_kernel_among_others_does_not_pay_for_starting(model: KernelModel, gathered: Gathered) -> None:
    some = table_of(gathered).kernels.take(np.arange(50))
    rates = rates_of(find_profile("h100-sxm5-80gb"))
    alone, chained = model.predict_ns(some, rates), model.predict_in_chain_ns(some, rates)
    assert (chained < alone).all()
    assert (chained >= 1000).all()


def test_intervals_need_enough_devices(model: KernelModel) -> None:
    # Five devices: 80 % of outcomes need 0.8 x 6/5 of the weight, 90 % would need more than all of it.
    assert set(model.widths()) == {0.5, 0.8}
    assert 1 < model.widths()[0.5] <= model.widths()[0.8]


def test_what_was_learned_is_kept_to_the_bit(
    model: KernelModel, gathered: Gathered, through_file: Callable[[Payload], Payload]
) -> None:
    rates, some = rates_of(find_profile("l4")), table_of(gathered).kernels
    again = load_kernels(through_file(model.payload()))
    assert (again.predict_ns(some, rates) == model.predict_ns(some, rates)).all()
    assert again.widths().keys() == model.widths().keys()


@pytest.mark.parametrize("damage", ["constants/linear", "forest/bmm/shape", "scores"])
def test_what_is_not_sound_is_refused(model: KernelModel, damage: str) -> None:
    kept = model.payload()
    arrays = dict(kept.arrays)
    arrays[damage] = np.asarray(arrays[damage])[:1]
    with pytest.raises(AssayError, match="not sound"):
        load_kernels(Payload(kept.meta, arrays))
    del arrays[damage]
    with pytest.raises(AssayError, match="not sound"):
        load_kernels(Payload(kept.meta, arrays))


def test_questions_about_graphs_are_not_for_it(model: KernelModel) -> None:
    question = Question("bert/base", "bert", find_profile("l4"), Conditions())
    (answer,) = model.answer([question])
    assert isinstance(answer, Abstention)
    assert "sizes" in answer.reason


def test_validation_names_baseline_devices_and_what_it_cannot_give(gathered: Gathered) -> None:
    outcome = validate_kernels(gathered, "neusight", 0)
    assert outcome.own.mean_error < outcome.methods["roofline"].mean_error
    assert {one.group for one in outcome.groups} == set(HELD_OUT)
    assert {one.group for one in outcome.stratified["family"]} == {"linear", "bmm", "elementwise", "softmax", "norm"}
    assert any("ten devices" in note for note in outcome.notes)
    with pytest.raises(UnknownNameError):
        validate_kernels(gathered, "vendor", 0)
    with pytest.raises(AssayError, match="0 timings"):
        validate_kernels(Gathered((), ()), "neusight", 0)


def test_a_card_with_little_power_for_its_units_has_a_small_share() -> None:
    assert power_share_of(find_profile("l4")) < 0.6
    assert power_share_of(find_profile("h100-sxm5-80gb")) == 1.0
    assert power_share_of(replace(find_profile("l4"), power_w=None)) == 1.0


def test_a_sheet_without_rates_is_refused() -> None:
    with pytest.raises(AssayError, match="bandwidth"):
        rates_of(replace(find_profile("l4"), bandwidth_bytes_per_s=None))


@pytest.mark.parametrize("content", [b"not parquet", None])
def test_a_file_that_is_no_table_of_kernels_is_refused(tmp_path: Path, content: bytes | None) -> None:
    folder = tmp_path / "neusight"
    folder.mkdir()
    if content is None:
        pq.write_table(pa.table({"OPName": ["bmm"]}), folder / "kernels.parquet")
    else:
        (folder / "kernels.parquet").write_bytes(content)
    with pytest.raises(AssayError, match="kernels could not be read"):
        gather_kernels(ExampleSource(None, (folder,)))


def test_the_published_kernels_are_read_whole() -> None:
    if not (DATA / "neusight").is_dir():
        pytest.skip("neusight is not at hand: the shared data folder is not beside this checkout")
    found = gather_kernels(ExampleSource(None, (DATA,)))
    table = table_of(found)
    assert isinstance(table, KernelTable)
    assert len(table) == 283_848 - 24_662
    assert len(table.profiles) == 8
    assert found.notes == ("51551 rows of other makers are left out", "24662 rows of conv are left out")
