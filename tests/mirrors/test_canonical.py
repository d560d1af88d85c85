"""The text that assay writes for a JSON document is the one that PostgreSQL's jsonb prints for it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.mirrors.canonical import clean_text, jsonb_text
from assay.mirrors.connection import Connection

numbers = st.integers() | st.floats() | st.sampled_from([-0.0, 1e300, 1e-300, 5e-324, 10**40])
documents = st.recursive(
    st.none() | st.booleans() | numbers | st.text(st.characters(codec=None, categories=None), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
NUMERALS = ("0", "-0", "-0.0", "1.50", "1e2", "1.5e1", "1.50E+1", "1e-3", "0e5", "0.0e-2", "12345678901234567890.10")


def test_texts_that_are_no_json_become_json_texts() -> None:
    assert jsonb_text("not json") == '"not json"'
    assert jsonb_text("[NaN, Infinity, -Infinity]") == '["NaN", "Infinity", "-Infinity"]'
    assert json.loads(jsonb_text("[" * 5000 + "]" * 5000)) == "[" * 5000 + "]" * 5000
    assert jsonb_text('{"n": 1e100000}') == '{"n": "1e100000"}'


def test_what_postgresql_cannot_hold_is_shown() -> None:
    assert clean_text("a\0b") == r"a\u0000b"
    assert clean_text("a\ud800b") == r"a\ud800b"
    assert clean_text("мера 🧪") == "мера 🧪"


def test_keys_are_sorted_by_length_then_bytes_and_the_last_of_equal_ones_counts() -> None:
    assert jsonb_text('{"bb": 1, "é": 2, "c": 3, "aa": 4, "c": 5}') == '{"c": 5, "aa": 4, "bb": 1, "é": 2}'


@pytest.fixture(scope="module")
def connection(server: Any) -> Any:
    with Connection(server.url()) as opened:
        yield opened


def test_numerals_are_written_as_numeric_writes_them(connection: Connection) -> None:
    for numeral in NUMERALS:
        assert _printed(connection, numeral) == jsonb_text(numeral), numeral


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents)
def test_any_document_is_printed_the_same(connection: Connection, document: object) -> None:
    ours = jsonb_text(json.dumps(document))
    assert _printed(connection, ours) == ours


def _printed(connection: Connection, text: str) -> str:
    printed: str = connection.fetch("SELECT ($1::text)::jsonb::text AS t", [text])[0]["t"]
    return printed
