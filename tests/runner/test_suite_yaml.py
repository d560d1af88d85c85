"""The YAML reader: what plain text means, where it stood, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.errors import SuiteError
from assay.runner.suite_yaml import MAX_BYTES, MAX_DEPTH, MAX_NODES, Positions, load_yaml


def read(text: str) -> Any:
    return load_yaml(text, path="s.yaml")[0]


def refusal(text: str) -> str:
    with pytest.raises(SuiteError) as caught:
        read(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-4", 1e-4),
        ("1E6", 1e6),
        ("-.5", -0.5),
        ("3.", 3.0),
        ("12", 12),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("off", "off"),
        ("y", "y"),
        ("1_000", "1_000"),
        ("12:30:00", "12:30:00"),
        ("2024-01-02", "2024-01-02"),
        ("'1'", "1"),
        ('"true"', "true"),
        ('"\\u00e9"', "é"),
        ("bert/tiny", "bert/tiny"),
        ("1e", "1e"),
        ("=", "="),
    ],
)
def test_scalars_mean_what_yaml_1_2_says(text: str, expected: object) -> None:
    value = read(f"a: {text}")["a"]
    assert value == expected
    assert type(value) is type(expected)


def test_infinity_and_nan_are_numbers() -> None:
    assert read("[.inf, -.INF]") == [math.inf, -math.inf]
    assert math.isnan(read(".nan"))


def test_countries_are_text_also_as_keys() -> None:
    assert read("no: [no, se, dk]\ntrue: 1\n7: 2") == {"no": ["no", "se", "dk"], "true": 1, "7": 2}


def test_empty_texts_are_nothing() -> None:
    for text in ("", "\n\n", "# only a comment\n", "---\n", "\ufeff"):
        assert read(text) is None


def test_a_byte_order_mark_moves_no_column() -> None:
    content, positions = load_yaml("\ufeffname: x", path="s.yaml")
    assert content == {"name": "x"}
    assert positions.find(("name",)) == (1, 7)


def test_positions_are_those_of_the_text() -> None:
    text = "name: x\ncases:\n  - model: [bert/tiny,\n            vit/tiny]\n    é: {ü: 1}\n"
    content, positions = load_yaml(text, path="s.yaml")
    assert content["cases"][0]["é"] == {"ü": 1}
    assert positions.find(("cases", 0)) == (3, 5)
    assert positions.find(("cases", 0, "model", 1)) == (4, 13)
    assert positions.find(("cases", 0, "é")) == (5, 8)
    assert positions.find(("cases", 0, "é"), at_key=True) == (5, 5)
    assert positions.find(("cases", 0, "é", "ü")) == (5, 12)
    assert positions.locate(("cases", 0, "nothing", "there")) == "s.yaml:3:5"


def test_positions_of_windows_lines() -> None:
    content, positions = load_yaml("a: 1\r\nb:\r\n  - 2\r\n", path="s.yaml")
    assert content == {"a": 1, "b": [2]}
    assert positions.find(("b", 0)) == (3, 5)


def test_an_alias_is_found_where_it_is_used() -> None:
    content, positions = load_yaml("a: &x [1, 2]\nb: *x\n", path="s.yaml")
    assert content == {"a": [1, 2], "b": [1, 2]}
    assert positions.find(("b", 1)) == (2, 4)


def test_without_a_text_there_is_only_a_name() -> None:
    assert Positions("command line").locate(("cases", 0)) == "command line"
    assert Positions("command line").describe("wrong.", ("cases", 0)) == "command line: wrong."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b: c", "s.yaml:1:5: not YAML: mapping values are not allowed here.\n    1 | a: b: c\n      |     ^"),
        ("a: 1\na: 2", "s.yaml:2:1: the key 'a' is already given at s.yaml:1:1; write it once."),
        ("a: {b: 1, 'b': 2}", "s.yaml:1:11: the key 'b' is already given at s.yaml:1:5; write it once."),
        ("a:\n\tb: 1", "s.yaml:2:1: got a tab, expected spaces"),
        ("a: [1", "s.yaml:1:6: not YAML: expected ',' or ']'"),
        ("a: 'x", "s.yaml:1:6: not YAML: found unexpected end of stream while scanning a quoted scalar."),
        ("x: !!python/object:os.system ls", "s.yaml:1:4: got the tag 'tag:yaml.org,2002:python/object:os.system'"),
        ("x: !!int '3'", "tags are not accepted"),
        ("x: ! y", "tags are not accepted"),
        ("!!str k: y", "s.yaml:1:1: got a key that is not a plain word"),
        ("? [a]\n: b", "s.yaml:1:3: got a key that is not a plain word, expected 'key: value'."),
        ("- 1\n--- \n- 2", "s.yaml:2:1: got a second document, expected one suite in a file."),
        ("a: *nowhere", "s.yaml:1:4: the alias '*nowhere' refers to no anchor above it."),
        ("a: &a [*a]", "s.yaml:1:8: the alias '*a' refers to no anchor above it."),
        ("a: &x 1\nb: &x 2", "s.yaml:2:4: the anchor '&x' is already defined above."),
        ("a: &x {b: 1}\nc: {<<: *x}", "s.yaml:2:5: got the merge key '<<'"),
        ("a: 1\nb: \x07", "s.yaml:2:4: got the character U+0007, which YAML does not allow."),
        ("\udc80", "s.yaml:1:1: got the character U+DC80"),
        ('a: "\\ud800"', "s.yaml:1:4: got half of a surrogate pair"),
        ('"\\ud800": 1', "s.yaml:1:1: got half of a surrogate pair"),
        ('a: "\\UFFFFFFFF"', "not YAML: "),
        (f"%YAML {'9' * 5000}.1\n--- a", "not YAML: "),
        ("a: " + "9" * 5000, "s.yaml:1:4: got a number of 5000 digits, expected a shorter one."),
        ("- " * 100, f"s.yaml:1:{2 * MAX_DEPTH + 1}: nested deeper than {MAX_DEPTH} levels."),
        ("[" * 100_000, "nested deeper than"),
        ("[" + "1," * (MAX_NODES + 1) + "]", f"got more than {MAX_NODES} values"),
    ],
)
def test_what_is_refused_says_where_and_why(text: str, message: str) -> None:
    assert message in refusal(text)


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    assert f"got more than {MAX_NODES} values (aliases counted as what they stand for)" in refusal("\n".join(levels))


def test_a_huge_text_is_refused_unread() -> None:
    assert refusal("#" * (MAX_BYTES + 1)).startswith(f"s.yaml: got more than {MAX_BYTES} bytes")
    assert read("#" * MAX_BYTES) is None


def test_a_long_line_is_shown_around_the_place_without_control_characters() -> None:
    message = refusal("a: [" + "x, " * 200 + "\x7f: b: c")
    assert "U+007F" in message
    shown, caret = message.splitlines()[1:]
    assert len(shown) < 120
    assert shown[caret.index("^")] == "?"


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(codec=None), max_size=200))
def test_any_text_is_data_or_a_suite_error(text: str) -> None:
    try:
        read(text)
    except SuiteError as error:
        str(error).encode("utf-8")


_TOKENS = [*"-[]{},!|>'\"#?%@é", "name", ":", "&a", "*a", "---", "...", "<<", "1e-4", "no", "\\u", "\\U0011"]
_SPACES = ["\n", "  ", ": ", "- ", "\t", "\u2028", "\x85", "\ufeff"]
_yaml_like = st.lists(st.sampled_from(_TOKENS + _SPACES), max_size=40).map("".join)


@settings(max_examples=200, deadline=None)
@given(_yaml_like)
def test_any_yaml_like_text_is_data_or_a_suite_error(text: str) -> None:
    try:
        _, positions = load_yaml(text, path="s.yaml")
    except SuiteError:
        return
    lines = len(positions.lines)
    assert all(1 <= line <= lines and column >= 1 for line, column in positions.values.values())
