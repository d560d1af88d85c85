"""A format of the tests' own, so that the pipeline is tested without any real one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assay.core.case import ForeignCase
from assay.core.records import SampleSeries
from assay.core.registry import Registry
from assay.core.words import Mark, Status
from assay.importers.base import Facts, ImportedRow, Importer, ImportFileError, Item, Note, Refusal, RowError
from assay.importers.numbers import Numbers
from assay.importers.pipeline import import_paths
from assay.importers.report import ImportReport
from assay.importers.source import Source
from assay.store import Store


class PlainImporter:
    """``{"plain": [{"model", "device", "ms", ...}], "machine": {...}}``; a row ``{"break": true}`` breaks the file."""

    name = "plain"
    title = "the tests' own format"

    def recognise(self, source: Source) -> bool:
        content = source.json_or_none()
        return isinstance(content, dict) and isinstance(content.get("plain"), list)

    def read(self, source: Source) -> Iterator[Item]:
        content = source.json
        if "machine" in content:
            yield Facts(content["machine"], hardware=content["machine"].get("cpu"))
        yield from (Note(text) for text in content.get("notes", ()))
        for number, entry in enumerate(content["plain"]):
            if entry.get("break"):
                raise ImportFileError(f"{source.name}: row {number} breaks the file.")
            if entry.get("bug"):
                raise KeyError("ms")
            try:
                yield read_entry(f"/plain/{number}", entry)
            except RowError as error:
                yield Refusal(f"/plain/{number}", error.message, json.dumps(entry))


def read_entry(place: str, entry: dict[str, Any]) -> ImportedRow:
    numbers = Numbers()
    if "ms" in entry:
        numbers.add("latency_ns", entry["ms"], field="ms", unit="ms", zero_is_unknown=False)
    if "per_s" in entry:
        numbers.add("throughput_per_s", entry["per_s"], field="per_s", unit="1/s")
    readings = entry.get("readings_ns", ())
    return ImportedRow(
        place=place,
        case=ForeignCase.make(workload=entry["model"], device=entry.get("device"), batch=entry.get("batch")),
        status=Status(entry.get("status", "ok")),
        reason=entry.get("reason"),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=entry,
        hardware=entry.get("hardware"),
        samples=(SampleSeries("latency", "ns", tuple(readings)),) if readings else (),
        simulated=entry.get("simulated"),
        marks={Mark(word): "the source says so" for word in entry.get("marks", ())},
    )


@pytest.fixture
def registry() -> Registry[Importer]:
    """A registry with the plain format only, whatever is installed."""
    own: Registry[Importer] = Registry("importer")
    own._declared = {}
    own.add("plain", PlainImporter())
    return own


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


WritePlain = Callable[..., Path]
RunImport = Callable[..., ImportReport]


@pytest.fixture
def write_plain(tmp_path: Path) -> WritePlain:
    """Write a file of the plain format below ``data``."""

    def write(name: str, *entries: dict[str, Any], **more: Any) -> Path:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"plain": entries, **more}), encoding="utf-8")
        return path

    return write


@pytest.fixture
def run_import(store: Store, registry: Registry[Importer]) -> RunImport:
    """Import into the test's store with the plain format only."""

    def run(*targets: Path | str, **options: Any) -> ImportReport:
        return import_paths(store, targets, **{"importers": registry, **options})

    return run
