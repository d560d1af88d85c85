"""Exports: the same rows and names in every format, readable by what people read them with."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from assay.core.errors import StoreError, UsageError
from assay.core.records import MetricValue, RunBundle
from assay.core.words import ExportFormat as Format
from assay.core.words import ExportWhat as What
from assay.store import Store
from assay.store.export import collect, format_of, write, write_to
from assay.store.results import COLUMNS, LONG_COLUMNS
from assay.store.schema import SAMPLES, TABLES


@pytest.fixture
def filled(store: Store, make_bundle: Callable[..., RunBundle]) -> Store:
    bundle = make_bundle(cases=2)
    odd = replace(
        bundle.results[0], reason='a "quoted", two\nlined reason', metrics=(MetricValue("latency_ns", math.inf, "ns"),)
    )
    store.append(replace(bundle, results=(odd, bundle.results[1])))
    return store


def export(store: Store, what: What, form: Format) -> bytes:
    file = io.BytesIO()
    write_to(collect(store.results(), what, store.location), form, file)
    return file.getvalue()


def rows_of(content: bytes, form: Format) -> list[dict[str, Any]]:
    match form:
        case Format.JSON:
            rows: list[dict[str, Any]] = json.loads(content)
        case Format.NDJSON:
            rows = [json.loads(line) for line in content.decode().splitlines()]
        case Format.CSV:
            rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
        case Format.PARQUET:
            rows = pyarrow.parquet.read_table(io.BytesIO(content)).to_pylist(maps_as_pydicts="strict")
    return rows


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("what", What)
def test_every_format_has_the_same_rows_and_names(filled: Store, what: What, form: Format) -> None:
    rows = rows_of(export(filled, what, form), form)
    reference = rows_of(export(filled, what, Format.PARQUET), Format.PARQUET)
    assert [tuple(row) for row in rows] == [tuple(row) for row in reference]
    key = {What.RESULTS: "result_id", What.NUMBERS: "name", What.LAUNCHES: "launch_id", What.SAMPLES: "launch_id"}[what]
    assert [row[key] for row in rows] == [row[key] for row in reference]
    assert len(rows) == {What.RESULTS: 2, What.NUMBERS: 5, What.LAUNCHES: 4, What.SAMPLES: 4}[what]


def test_columns_are_those_of_the_docs(filled: Store) -> None:
    assert tuple(rows_of(export(filled, What.RESULTS, Format.JSON), Format.JSON)[0]) == COLUMNS
    assert tuple(rows_of(export(filled, What.NUMBERS, Format.CSV), Format.CSV)[0]) == LONG_COLUMNS
    expected = [one.name for one in TABLES[SAMPLES] if one.name not in {"write_id", "schema_version"}]
    assert list(rows_of(export(filled, What.SAMPLES, Format.NDJSON), Format.NDJSON)[0]) == expected


def test_values_survive(filled: Store) -> None:
    odd, usual = rows_of(export(filled, What.RESULTS, Format.JSON), Format.JSON)
    assert odd["reason"] == 'a "quoted", two\nlined reason'
    assert odd["latency_ns"] is None
    assert (usual["latency_ns"], usual["shape"], usual["batch"]) == (1e6 + 1, {"seq": 128}, 2)
    assert usual["measured_at"] == "2026-11-05T12:30:16.123456Z"
    odd, usual = rows_of(export(filled, What.RESULTS, Format.CSV), Format.CSV)
    assert odd["reason"] == 'a "quoted", two\nlined reason'
    assert (odd["latency_ns"], usual["latency_ns"], usual["shape"]) == ("inf", "1000001.0", '{"seq": 128}')
    samples = rows_of(export(filled, What.SAMPLES, Format.PARQUET), Format.PARQUET)
    first = filled.launches(run_id=filled.runs()[0].run_id, with_samples=True)
    written = {launch.launch_id: list(launch.samples[0].values) for launch in first}
    assert {row["launch_id"]: row["values"] for row in samples} == written


def test_nothing_to_export_is_still_a_file(store: Store) -> None:
    assert rows_of(export(store, What.RESULTS, Format.JSON), Format.JSON) == []
    assert export(store, What.RESULTS, Format.NDJSON) == b""
    assert export(store, What.RESULTS, Format.CSV).decode().split(",")[0] == "result_id"


def test_a_file_is_there_whole_or_not_at_all(filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = collect(filled.results(), What.RESULTS, filled.location)
    target = tmp_path / "out.json"
    assert write(content, Format.JSON, target) == target.stat().st_size

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("assay.store.export.write_to", refuse)
    with pytest.raises(StoreError, match=r"out\.json cannot be written: the disk is full"):
        write(content, Format.JSON, target)
    assert [path.name for path in tmp_path.glob("*out*")] == ["out.json"]
    assert len(json.loads(target.read_text())) == 2


def test_the_ending_says_the_format() -> None:
    assert [format_of(f"x{ending}") for ending in (".json", ".CSV", ".parquet", ".jsonl")] == [
        Format.JSON, Format.CSV, Format.PARQUET, Format.NDJSON,
    ]  # fmt: skip
    with pytest.raises(UsageError, match=r"'x.xlsx' does not say a format\. End it in '.json', '.csv'"):
        format_of("x.xlsx")
