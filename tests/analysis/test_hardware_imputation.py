"""Gaps of the shipped catalogue: filled as the tests allow, and nowhere taken for known."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

import assay
from assay.analysis.hardware_imputation import TIME, Imputation, build_table, impute_devices
from assay.catalog.hardware.cells import Layer
from assay.catalog.hardware.entry import SourceKind
from assay.catalog.hardware.facts import DeviceFacts, view_facts
from assay.catalog.hardware.load import load_sources
from assay.catalog.hardware.presence import Presence, find_presence
from assay.stats.gaps import Method, Situation

SOURCE = Path(assay.__file__).parent
MODULES = ("analysis.hardware_imputation", "stats.method_choice", "stats.masking", "stats.imputation")
ALLOWED = {"cli/catalog_impute.py", "analysis/hardware_imputation.py"}
"""Who may look at imputed values; those modules may import each other."""


@pytest.fixture(scope="module")
def power() -> Imputation:
    return impute_devices(view_facts(), columns=["tdp_w"])


def test_gaps_and_only_gaps_are_filled(power: Imputation) -> None:
    facts = view_facts()
    presence = find_presence(facts.values())
    missing = {hw_id for hw_id, cells in presence.items() if cells["tdp_w"] is Presence.MISSING}
    assert {cell.hw_id for cell in power.cells} | {cell.hw_id for cell in power.refused} == missing
    assert {cell.column for cell in power.cells} == {"tdp_w"}
    assert all(cell.imputed.lo <= cell.imputed.value <= cell.imputed.hi for cell in power.cells)
    assert all(cell.imputed.is_imputed for cell in power.cells)
    # An integrated GPU has no power of its own, so there is no gap.
    assert not any(facts[cell.hw_id].category == "integrated gpu" for cell in power.cells)


def test_the_power_of_processors_is_known_better_than_their_median_says(power: Imputation) -> None:
    [processors] = [one.tests for one in power.tests if one.population == "processors"]
    [within] = [test for test in processors if test.situation is Situation.WITHIN]
    assert within.used in {Method.REGRESSION, Method.NEIGHBOURS}
    used, median = within.score(within.used or Method.MEDIAN), within.score(Method.MEDIAN)
    assert used is not None
    assert median is not None
    assert used.beats_median
    assert used.mean < median.mean
    assert within.chosen is not None
    assert within.chosen.coverage > 0.8


def test_one_device_is_told_what_all_are_told(power: Imputation) -> None:
    cell = next(cell for cell in power.cells if view_facts()[cell.hw_id].kind == "gpu")
    alone = impute_devices(view_facts(), hw_id=cell.hw_id, columns=["tdp_w"])
    assert alone.cells == (cell,)


def test_a_hidden_cell_comes_back_within_its_interval() -> None:
    facts = view_facts()
    device = facts["nvidia-a100-sxm4-80gb"]
    hidden = replace(
        device, cells=MappingProxyType({name: cell for name, cell in device.cells.items() if name != "tensor_units"})
    )
    found = impute_devices({**facts, device.hw_id: hidden}, hw_id=device.hw_id, columns=["tensor_units"])
    [cell] = found.cells
    assert cell.imputed.lo <= 432 <= cell.imputed.hi


def test_computed_cells_are_no_evidence() -> None:
    facts = [device for device in view_facts().values() if device.kind == "gpu"]
    table = build_table(facts, find_presence(facts))
    computed = {name for name, source in load_sources().items() if source.kind is SourceKind.COMPUTED}
    seen = 0
    for row, device in enumerate(facts):
        for place, column in enumerate(table.columns[:-1]):
            cell = device.cells.get(column)
            if cell is not None and cell.layer is Layer.SHIPPED and cell.source_id in computed:
                seen += 1
                assert math.isnan(table.logs[row, place])
                assert not table.is_gap[row, place]
    assert seen > 100


def test_time_teaches_and_is_never_filled() -> None:
    facts: list[DeviceFacts] = [view_facts()["nvidia-h100-sxm5-80gb"], view_facts()["nvidia-tesla-p40"]]
    table = build_table(facts, find_presence(facts))
    assert table.columns[-1] == TIME
    assert not table.is_target[-1]
    years = 2015 + table.logs[:, -1] / np.log(2)
    assert years == pytest.approx([2022.75, 2016.7], abs=0.6)


def test_nothing_that_trains_ranks_or_checks_can_see_imputed_values() -> None:
    found = {
        (path.relative_to(SOURCE).as_posix(), name)
        for path in SOURCE.rglob("*.py")
        for name in imported_modules(path)
        if name in {f"assay.{module}" for module in MODULES}
    }
    assert found
    outside = {(path, name) for path, name in found if path not in ALLOWED and not path.startswith("stats/")}
    assert outside == set()


def imported_modules(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    if not any(module.rpartition(".")[2] in text for module in MODULES):
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
