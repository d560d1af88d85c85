"""Shape I: ``hardware_cpu_results_*.json``: words of each test program for each platform, and no number.

May import: core, importers.base, importers.ipfs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from assay.core.case import ForeignCase
from assay.core.words import Status
from assay.importers.base import ImportedRow, Item, importers
from assay.importers.ipfs.checks import by_platform, says_simulated, verdict
from assay.importers.ipfs.common import JsonImporter, cut, keys_without, outcome, refusal
from assay.importers.plain import pointer


def _fits(content: dict[str, Any]) -> bool:
    return (
        bool(content)
        and all(key.startswith("test_") for key in content)
        and any(isinstance(words, dict) and "init" in words for words in content.values())
    )


def _items(content: dict[str, Any]) -> Iterator[Item]:
    for test, words in content.items():
        place = pointer(test)
        model = test.removeprefix("test_")
        if isinstance(words, str) and words.strip():
            yield ImportedRow(place, _case(model, None), outcome(words), cut(words), fields={"result": words})
        elif isinstance(words, dict) and words:
            yield from _platforms(model, words, place)
        else:
            yield refusal(place, words, "It is neither a message nor an object of words.")


def _case(model: str, platform: str | None) -> ForeignCase:
    return ForeignCase.make(workload=model, device=platform, options={"check": "hardware test"})


def _platforms(model: str, words: dict[str, Any], place: str) -> Iterator[Item]:
    groups, others = by_platform(words)
    status, reason, marks = verdict(others)
    if status is not Status.OK or not groups:
        # What belongs to no platform is in the rows of all; by itself it is a row only where it tells more.
        yield ImportedRow(place, _case(model, None), status, reason, fields=keys_without(others), marks=marks)
    for platform, group in groups.items():
        status, reason, marks = verdict(group)
        yield ImportedRow(
            place=f"{place} ({platform})",
            case=_case(model, platform),
            status=status,
            reason=reason,
            fields={**keys_without(others), **keys_without(group)},
            simulated=says_simulated(group),
            marks=marks,
        )


importers.add(
    "ipfs-hardware-tests",
    JsonImporter(
        "ipfs-hardware-tests",
        "ipfs_accelerate_py hardware test words",
        "an object of tests (test_...) with their words for each platform",
        _fits,
        _items,
    ),
)
