"""Sections on data sheets: all of them stand, in every format, and what cannot be had says why."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from assay.analysis.hardware_table import DeviceChoice, Pricing, read_hardware
from assay.catalog.hardware.facts import view_facts
from assay.report.base import RenderOptions, renderers
from assay.report.kinds._hardware_statistics import HOW_SHEETS_READ, _Content, hardware_sections
from assay.report.values import Figure, Report, Section, Table, Text

DATACENTRE = DeviceChoice(categories=("datacentre gpu",))


@pytest.fixture(scope="module")
def sections() -> tuple[Section, ...]:
    return hardware_sections(view_facts(), choice=DATACENTRE, limit=10)


def test_every_part_is_there_with_its_own_keys(sections: tuple[Section, ...]) -> None:
    assert [section.key for section in sections] == [
        "hw-devices", "hw-correlations", "hw-trends", "hw-tiers", "hw-clusters", "hw-pareto", "hw-matrix",
    ]  # fmt: skip
    blocks = [block for section in sections for block in section.blocks]
    figures = [block for block in blocks if isinstance(block, Figure)]
    tables = [block for block in blocks if isinstance(block, Table)]
    keys = [figure.key for figure in figures] + [table.key for table in tables]
    assert len(keys) == len(set(keys))
    assert len(figures) >= 10
    assert all(figure.alt for figure in figures)
    for table in tables:
        for row in table.rows:
            assert all(cell.value is not None or cell.reason for cell in row), table.key


def test_asked_again_nothing_is_computed_again(sections: tuple[Section, ...]) -> None:
    assert hardware_sections(view_facts(), choice=DATACENTRE, limit=10) is sections
    assert _Content(read_hardware(view_facts(), ["tdp"])) != _Content(read_hardware(view_facts(), ["l2"]))


@pytest.mark.parametrize("name", ["text", "json"])
def test_they_are_drawn(sections: tuple[Section, ...], name: str) -> None:
    report = Report(
        "kpi", "Devices", datetime(2026, 11, 23, tzinfo=UTC), "1", sections=sections, how_to_read=HOW_SHEETS_READ
    )
    drawn = renderers.get(name).render(report, RenderOptions()).decode()
    assert "AI flagship" in drawn
    assert "nan" not in drawn.lower().replace("nanosecond", "").split()


def test_too_few_devices_say_so() -> None:
    few = hardware_sections(view_facts(), Pricing("street", "USD", {}), choice=DeviceChoice(categories=("tpu",)))
    said = {section.key: [part for block in section.blocks if isinstance(block, Text) for part in block.paragraphs]
            for section in few}  # fmt: skip
    assert any("tiers take 20" in part for part in said["hw-tiers"])
    assert any("expected 20" in part for part in said["hw-clusters"])
    assert any("No front of price" in part for part in said["hw-pareto"])
    assert any("price-performance" in part for part in said["hw-matrix"])
