"""Numbers as people read them, and durations as people write them."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assay.core.units import (
    MISSING,
    format_bytes,
    format_count,
    format_duration_ns,
    format_elapsed,
    format_significant,
    parse_duration_s,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)
PLAIN_NUMBER = re.compile(r"-?\d+(\.\d+)?")
SCALES = {
    format_duration_ns: {"ns": 1.0, "µs": 1e3, "ms": 1e6, "s": 1e9},
    format_bytes: {"B": 1.0, "KiB": 1024.0, "MiB": 1024.0**2, "GiB": 1024.0**3, "TiB": 1024.0**4},
    format_count: {"": 1.0, "k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12},
}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1.00"),
        (1234.5, "1234"),
        (0.01234, "0.0123"),
        (12.34, "12.3"),
        (9.994, "9.99"),
        (9.996, "10.0"),
        (99.96, "100"),
        (0.09996, "0.100"),
        (-3.14159, "-3.14"),
        (1e-7, "0.000000100"),
        (123456789, "123456789"),
    ],
)
def test_three_significant_digits(value: float, text: str) -> None:
    assert format_significant(value) == text


@pytest.mark.parametrize(
    ("value_ns", "text"),
    [
        (None, MISSING),
        (0, "0 ns"),
        (0.4, "0.400 ns"),
        (1, "1.00 ns"),
        (999, "999 ns"),
        (999.6, "1.00 µs"),
        (12_345, "12.3 µs"),
        (999_999, "1.00 ms"),
        (181_000_000, "181 ms"),
        (2_500_000_000, "2.50 s"),
        (-5e9, "-5.00 s"),
    ],
)
def test_durations(value_ns: float | None, text: str) -> None:
    assert format_duration_ns(value_ns) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, MISSING),
        (0, "0 B"),
        (0.4, "0.400 B"),
        (512, "512 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (437_256_192, "417 MiB"),
        (4.9 * 1024**3, "4.90 GiB"),
        (-2048, "-2.00 KiB"),
        (3 * 1024**5, "3072 TiB"),
    ],
)
def test_bytes(value: float | None, text: str) -> None:
    assert format_bytes(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, MISSING),
        (0, "0"),
        (7, "7.00"),
        (999_999, "1.00M"),
        (109_482_240, "109M"),
        (1.1e9, "1.10B"),
        (7e13, "70.0T"),
    ],
)
def test_counts(value: float | None, text: str) -> None:
    assert format_count(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (42.4, "42 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.7, "1 h 00 min"),
        (7800, "2 h 10 min"),
        (360_000, "100 h 00 min"),
    ],
)
def test_elapsed(seconds: float, text: str) -> None:
    assert format_elapsed(seconds) == text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_shown_as_such_and_never_as_zero(value: float) -> None:
    for write in (format_significant, format_duration_ns, format_bytes, format_count, format_elapsed):
        assert write(value).startswith(str(value))


@settings(deadline=None)
@given(value=FINITE)
@example(value=5e-324)
@example(value=1.7976931348623157e308)
@example(value=-1e-300)
def test_any_number_can_be_written_and_never_with_an_exponent(value: float) -> None:
    for write in (format_significant, format_duration_ns, format_bytes, format_count):
        number = write(value).rstrip("BKMGTiµmnsk ")
        assert PLAIN_NUMBER.fullmatch(number), write(value)
        assert (float(number) == 0) is (value == 0), "only zero is shown as zero"


@settings(deadline=None)
@given(value=st.floats(1e-3, 1e18), sign=st.sampled_from([1, -1]))
def test_text_is_within_rounding_of_the_number(value: float, sign: int) -> None:
    for write, scales in SCALES.items():
        match = re.fullmatch(r"(-?[\d.]+) ?([a-zA-Zµ]*)", write(sign * value))
        assert match is not None
        assert float(match[1]) * scales[match[2]] == pytest.approx(sign * value, rel=0.006)


@settings(deadline=None)
@given(value=st.floats(1, 999e9))
def test_a_larger_unit_is_taken_as_soon_as_it_fits(value: float) -> None:
    assert len(format_duration_ns(value).partition(" ")[0].replace(".", "")) == 3


@settings(deadline=None)
@given(seconds=st.floats(0, 1e12))
def test_elapsed_has_no_exponent_and_no_sixtieth_minute(seconds: float) -> None:
    text = format_elapsed(seconds)
    assert re.fullmatch(r"\d+ s|\d+ min [0-5]\d s|\d+ h [0-5]\d min", text)
    assert "60" not in text.partition(" ")[2]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("1.5h", 5400),
        ("15m", 900),
        ("5min", 300),
        ("7d", 604_800),
        ("2w", 1_209_600),
        ("250ms", 0.25),
        ("2h30m", 9000),
        ("1 h 30 min", 5400),
        (" 3 Min 05 S ", 185),
        ("0s", 0),
    ],
)
def test_durations_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", " ", "h", "5x", "-5s", "1h later", "about 1h", "1h5", "1.5.5h", "1e3", "nan", "s5"]
)
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{text!r} is not a duration; expected for example 90s")):
        parse_duration_s(text)


@settings(deadline=None)
@given(seconds=st.integers(0, 10**7))
def test_what_elapsed_writes_can_be_read_back(seconds: int) -> None:
    shown_to = 1 if seconds < 3600 else 60
    assert parse_duration_s(format_elapsed(seconds)) == seconds // shown_to * shown_to


@settings(deadline=None)
@given(text=st.text(max_size=20))
def test_reading_gives_seconds_or_a_value_error(text: str) -> None:
    try:
        seconds = parse_duration_s(text)
    except ValueError:
        return
    assert seconds >= 0
