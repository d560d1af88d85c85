"""Numbers and files as every importer reads them: importers.numbers and importers.source."""

from __future__ import annotations

import hashlib
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.records import MetricValue
from assay.importers.base import Conversion, ImportFileError, RowError
from assay.importers.numbers import Numbers, conversion_factor, known_units, read_count, read_number
from assay.importers.source import Limits, Source, is_deeper, parse_json, unrepeated


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (3, 3.0), (2.5, 2.5), ("2.5", 2.5), (" 1e3 ", 1000.0), ("1,014.45", 1014.45), (Decimal("1.5"), 1.5),
        (None, None), ("", None), ("N/A", None), ("nan", None), (math.nan, None), ("–", None), (Decimal("sNaN"), None),
    ],
    ids=repr,
)  # fmt: skip
def test_a_number_is_read_or_known_to_be_unknown(raw: object, value: float | None) -> None:
    assert read_number(raw) == value


@pytest.mark.parametrize(
    "raw", [True, "fast", "1_000", "1,01", "٣", math.inf, "-inf", "1e999", 10**400, [1], {}, b"1"], ids=repr
)
def test_what_is_no_number_is_refused(raw: object) -> None:
    with pytest.raises(RowError):
        read_number(raw)


def test_a_count_is_whole_and_not_negative() -> None:
    assert (read_count("8"), read_count(None)) == (8, None)
    for wrong in (-1, 2.5, "many"):
        with pytest.raises(RowError):
            read_count(wrong)


def test_numbers_keep_how_they_came_about() -> None:
    numbers = Numbers()
    assert numbers.add("latency_ns", "1.5", field="t", unit="ms") == 1.5e6
    assert numbers.add("throughput_per_s", 0, field="rate", unit="1/s") is None
    assert numbers.add("loss", -0.5, field="nll", unit="1", phase="test") == -0.5
    numbers.derive("epochs", 3.0, field="steps", how="steps / 100")
    assert numbers.metrics[:2] == [
        MetricValue("latency_ns", 1.5e6, "ns", "mean"),
        MetricValue(
            "throughput_per_s", None, "1/s", "mean", reason="the source says 0 in rate, which stands for unknown"
        ),
    ]
    assert numbers.conversions["latency_ns.mean"] == Conversion("t", "ms", 1e6)
    assert numbers.conversions["epochs.mean"] == Conversion("steps", "1", None, "steps / 100")
    assert set(numbers.conversions) == {"latency_ns.mean", "throughput_per_s.mean", "loss.mean.test", "epochs.mean"}
    with pytest.raises(RowError, match=r"^t: -1 ms is negative\.$"):
        numbers.add("latency_ns", -1, field="t", unit="ms")
    with pytest.raises(RowError, match=r"^t: 1e\+305 s is more than can be kept in ns\.$"):
        numbers.add("latency_ns", 1e305, field="t", unit="s")
    assert (conversion_factor("latency_ns", "s"), "ms" in known_units("latency_ns")) == (1e9, True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text('ab\\"[]{}é', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('a"[\\', max_size=3), inner, max_size=3),
)


def _depth(value: Any) -> int:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if children is None else 1 + max(map(_depth, children), default=0)


@given(JSON, st.booleans())
def test_nesting_is_counted_outside_of_strings(value: Any, ascii_only: bool) -> None:  # noqa: FBT001
    text, depth = json.dumps(value, ensure_ascii=ascii_only), _depth(value)
    assert not is_deeper(text, depth)
    assert depth == 0 or is_deeper(text, depth - 1)
    assert parse_json(text, "x", depth=depth) == value


@given(st.text('[]{}"\\a', max_size=40))
def test_any_text_is_counted_to_its_end(text: str) -> None:
    is_deeper(text, 3)


def test_a_repeated_header_is_told_apart() -> None:
    assert unrepeated(["a", "b", "a", "a"]) == ["a", "b", "a.1", "a.2"]


def test_a_table_is_read_with_its_header_and_numbers(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes('\ufeffa,b,a\r\n1,"x\r\ny",3\r\n\r\n4\r\n'.encode())
    source = Source(path, "x.csv", path.stat().st_size)
    assert source.csv_header == ("a", "b", "a.1")
    assert list(source.csv_rows()) == [
        (1, {"a": "1", "b": "x\r\ny", "a.1": "3"}),
        (3, {"a": "4", "b": "", "a.1": ""}),
    ]


def test_what_cannot_be_json_is_none_when_only_asked(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for content in (b"", b"[", b"\xff", b'{"a": 1, "a": 1}', b"a,b"):
        path.write_bytes(content)
        assert Source(path, "x", len(content)).json_or_none() is None
    path.write_bytes(b'{"a": 12345}')
    with pytest.raises(ImportFileError, match=r"^x has 12 bytes; 5 at most are read at once\."):
        Source(path, "x", 12, Limits(json_bytes=5)).text()


def test_the_kind_of_a_file_is_in_its_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"PAR1xxxxDUCK")
    source = Source(path, "x", 12)
    assert (source.is_parquet, source.is_duckdb) == (True, True)
    assert source.sha256 == hashlib.sha256(b"PAR1xxxxDUCK").hexdigest()
