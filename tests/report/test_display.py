"""One text for a number: as the command line and the comments in CI write it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.ci.lines import format_ratio
from assay.ci.lines import format_value as format_in_ci
from assay.core.units import format_bytes, format_duration_ns
from assay.core.words import Change, Direction, Provenance, Verdict
from assay.report.display import (
    ScaledUnit,
    cell_text,
    cell_title,
    count_provenance,
    direction_words,
    format_interval,
    format_number,
    format_time,
    interval_text,
    is_number_column,
    number_column_unit,
)
from assay.report.marks import shared_reasons, table_footnotes
from assay.report.values import Cell, Column, Table

NUMBERS = [
    (12_345_600.0, "ns", "12.3 ms"), (999_999.0, "ns", "1.00 ms"), (0.0, "ns", "0 ns"), (-3e6, "ns", "−3.00 ms"),
    (437e6, "B", "417 MiB"), (1234.4, "1/s", "1234 /s"), (12_345.6, "1/s", "12\u202f346 /s"),
    (123.0, "samples/s", "123 samples/s"), (0.0123, "J", "12.3 mJ"), (1.5e-5, "J/token", "15.0 µJ/token"),
    (5600.0, "J", "5.60 kJ"), (250.0, "W", "250 W"), (3.2e12, "FLOP/s", "3.20 TFLOP/s"), (24e9, "B/s", "24.0 GB/s"),
    (2.5e9, "Hz", "2.50 GHz"), (2600.0, "MHz", "2600 MHz"), (0.0025, "s", "2.50 ms"), (71.25, "C", "71.2 °C"),
    (1.102, "ratio", "+10.2 %"), (0.96, "ratio", "−4.0 %"), (1.0, "ratio", "0.0 %"), (3.07, "ratio", "×3.1"),
    (0.31, "ratio", "÷3.2"), (0.0, "ratio", "–"), (12.34, "%", "12.3 %"), (0.1234, "share", "12.3 %"),
    (58_559, None, "58\u202f559"), (1234, None, "1234"), (0.98765, "1", "0.988"), (3.0, "1", "3.00"),
    (7.0, "count", "7"), (1.3e-7, "1", "1.30e-7"), (1.5e16, "1", "1.50e16"), (-12.5, None, "−12.5"),
    (math.nan, "ns", "–"), (math.inf, None, "–"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "unit", "text"), NUMBERS)
def test_numbers(value: float, unit: str | None, text: str) -> None:
    assert format_number(value, unit) == text


@given(st.floats(min_value=0, max_value=9e12), st.sampled_from(["ns", "B", "1/s", "1", "J/call", "%"]))
def test_the_same_number_reads_the_same_in_ci(value: float, unit: str) -> None:
    ours = format_number(value, unit).replace("\u202f", "")
    if unit == "J/call" or 0 < value < 1e-6:  # CI writes small energies without a prefix, and all the zeros
        return
    assert ours == format_in_ci(value, unit)


@given(st.floats(min_value=1e-6, max_value=1e15))
def test_times_and_sizes_read_as_on_the_command_line(value: float) -> None:
    assert format_number(value, "ns").replace("\u202f", "") == format_duration_ns(value)
    assert format_number(value, "B").replace("\u202f", "") == format_bytes(value)


@given(st.floats(min_value=1e-3, max_value=1e3))
def test_ratios_read_as_in_ci(ratio: float) -> None:
    assert format_number(ratio, "ratio") == format_ratio(ratio)


@given(st.floats(-1e300, 1e300), st.sampled_from([None, "ns", "B", "J", "FLOP/s", "share"]))
def test_every_number_has_a_text(value: float, unit: str | None) -> None:
    text = format_number(value, unit)
    assert text == text.strip()
    assert text.startswith("−") == (value < 0)


def test_intervals_have_the_digits_that_their_ends_need() -> None:
    assert format_interval(12.1e6, 12.6e6, "ns") == "12.1 … 12.6 ms"
    assert format_interval(12.31e6, 12.34e6, "ns") == "12.31 … 12.34 ms"
    assert format_interval(801_000.0, 1_301_000.0, "ns") == "0.801 … 1.30 ms"
    assert format_interval(None, 3e6, "ns") == "up to 3.00 ms"
    assert format_interval(3e6, None, "ns") == "from 3.00 ms"
    assert format_interval(1.05, 1.157, "ratio") == "+5.0 % … +15.7 %"
    assert format_interval(5.0, 5.0) == "5.00 … 5.00"
    assert format_interval(None, None, "ns") is None
    assert format_interval(math.nan, None, "ns") is None


def test_a_cell_of_another_level_says_so() -> None:
    cell = Cell(3e6, lo=2e6, hi=4e6, level=0.9)
    assert interval_text(cell, Column("a", "a", unit="ns")) == "2.00 … 4.00 ms (90 %)"
    assert interval_text(cell, Column("a", "a", unit="ns"), shared_level=0.9) == "2.00 … 4.00 ms"
    assert interval_text(Cell(reason="x", lo=1.0)) is None


def test_cells() -> None:
    column = Column("a", "a", unit="ns")
    assert cell_text(Cell(3e6), column) == "3.00 ms"
    assert cell_text(Cell(3e6, unit="B"), column) == "2.86 MiB"
    assert cell_text(Cell(float("nan"), reason="x"), column) == "–"
    assert cell_text(Cell(value=True)) == "yes"
    assert cell_text(Cell(123_456), Column("id", "id", is_code=True)) == "123456"
    assert cell_text(Cell("two\nlines")) == "two lines"
    assert cell_text(Cell(datetime(2026, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=2))))) == "2026-01-02 01:04 UTC"
    assert format_time(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), seconds=True) == "2026-01-02 03:04:05 UTC"


def test_the_whole_truth_in_words() -> None:
    cell = Cell(
        1.102, Provenance.IMPORTED, Verdict.NOISY, 1.05, 1.157, n=5, change=Change.REGRESSED, is_usable=False,
        unit="ratio", reason="single shot",
    )  # fmt: skip
    assert cell_title(cell) == (
        "+10.2 %; exactly 1.102 ratio; 95 % interval +5.0 % … +15.7 %; n = 5; imported; noisy; regressed; "
        "left out of rankings; single shot"
    )
    assert cell_title(Cell(reason="no counter")) == "not known: no counter"
    assert cell_title(Cell()) == "not known: no reason was given"


def test_a_column_has_one_unit_where_it_can() -> None:
    columns = (
        Column("a", "a", unit="ns"),
        Column("b", "b", unit="1/s"),
        Column("c", "c"),
        Column("d", "d", is_code=True),
    )
    both = ((1, "x/s"), (900, "y/s"))
    rows = tuple((Cell(value * 1e6), Cell(1.0, unit=unit), Cell("text"), Cell(7)) for value, unit in both)
    table = Table("t", "t", columns, rows)
    assert number_column_unit(table, 0) == ScaledUnit(1e6, "ms")
    assert [number_column_unit(table, place) for place in (1, 2, 3)] == [None, None, None]
    same = Table("t", "t", columns[1:2], tuple((Cell(float(value), unit="samples/s"),) for value in (1, 2)))
    assert number_column_unit(same, 0) == ScaledUnit(1.0, "samples/s")


def test_small_words() -> None:
    assert count_provenance({}) == "no numbers yet"
    assert count_provenance({Provenance.MEASURED: 1}) == "1 number, measured"
    assert count_provenance({Provenance.MEASURED: 2}) == "2 numbers, all measured"
    both = {Provenance.MEASURED: 2, Provenance.PREDICTED: 10_000}
    assert count_provenance(both) == "10\u202f002 numbers: 2 measured, 10\u202f000 predicted"
    assert direction_words(Direction.LOWER) == "lower is better"
    assert direction_words(Direction.NEITHER) is None
    assert is_number_column([Cell(1), Cell(reason="x"), Cell("")])
    assert not is_number_column([Cell(1), Cell("a")])
    assert not is_number_column([Cell()])


@pytest.mark.parametrize(("ratio", "text"), [(1e300, "×1.0e300"), (1e-300, "÷1.0e300"), (5e-324, "–")])
def test_a_ratio_beyond_all_sense_stays_short(ratio: float, text: str) -> None:
    assert format_number(ratio, "ratio") == text


def test_a_reason_that_many_cells_give_is_told_once() -> None:
    columns = (Column("device", "device"), Column("power", "power", "W"), Column("each", "each", "1/s"))
    rows = tuple(
        (Cell(f"d{place}"), Cell(reason="nobody measured it"), Cell(float(place), reason="derived: a / b"))
        for place in range(8)
    )
    told = shared_reasons(Table("t", "T", columns, rows))
    assert told == {
        "nobody measured it": "– without a number under power: nobody measured it.",
        "derived: a / b": "All under each: derived: a / b.",
    }
    assert table_footnotes(Table("t", "T", columns, rows), without=told).texts == ()
    other = (Cell("d9"), Cell(4.0), Cell(1.0))
    assert list(shared_reasons(Table("t", "T", columns, (*rows, other)))) == ["nobody measured it"]
    assert shared_reasons(Table("t", "T", columns, rows[:7])) == {}
