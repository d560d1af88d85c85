"""docs/suites.md says what the reader does: every key, type and default, and examples that work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from assay.core.errors import SuiteError
from assay.runner.suite_check import MAX_CASES
from assay.runner.suite_model import CaseMatrix, parse_suite, suite_json_schema, suite_names
from assay.runner.suite_schema import EntryForm, SuiteForm, TimingForm
from assay.runner.suite_yaml import MAX_DEPTH, MAX_NODES

TEXT = (Path(__file__).parents[2] / "docs" / "suites.md").read_text(encoding="utf-8")
ROWS = {
    key: (kind, default, meaning)
    for key, kind, default, meaning in re.findall(r"^\| `([\w.]+)` \| (.+?) \| (.+?) \| (.+?) \|$", TEXT, re.MULTILINE)
}
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def test_every_key_has_one_row_and_every_row_a_key() -> None:
    keys = [*SuiteForm.model_fields, *(f"timing.{key}" for key in TimingForm.model_fields), *EntryForm.model_fields]
    assert sorted(ROWS) == sorted(keys)


def test_defaults_are_those_of_the_reader() -> None:
    schema = suite_json_schema()
    numbers = {**schema["properties"]}
    numbers |= {f"timing.{key}": value for key, value in schema["$defs"]["TimingForm"]["properties"].items()}
    for key, value in numbers.items():
        if isinstance(value.get("default"), bool):
            assert ROWS[key][1] == f"`{str(value['default']).lower()}`", key
        elif isinstance(value.get("default"), int | float):
            assert float(ROWS[key][1]) == value["default"], key
    assert {key for key in ROWS if ROWS[key][1] == "required"} == set(schema["required"])
    matrix = CaseMatrix(("bert/tiny",))
    for key, values in (
        ("engine", matrix.engines),
        ("device", matrix.devices),
        ("mode", matrix.modes),
        ("precision", matrix.precisions),
    ):
        assert (ROWS[key][1],) == tuple(f"`{value}`" for value in values)


def test_closed_lists_of_names_are_complete() -> None:
    entry = suite_json_schema()["$defs"]["EntryForm"]["properties"]
    for key in ("tiers", "mode", "precision"):
        names = entry[key]["anyOf"][0]["enum"]
        assert ROWS[key][0] == f"one or a list of {', '.join(f'`{name}`' for name in names)}"
    assert ROWS["max_size"][0] == f"one of {', '.join(f'`{name}`' for name in entry['max_size']['enum'])}"


def test_limits_are_those_of_the_reader() -> None:
    assert f"at most {MAX_CASES:,} cases".replace(",", " ") in TEXT
    assert f"{MAX_NODES:,} values".replace(",", " ") in TEXT
    assert f"{MAX_DEPTH} levels" in TEXT


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_are_suites(example: str) -> None:
    assert parse_suite(example).cases


def test_the_first_example_has_the_number_of_cases_it_claims() -> None:
    assert parse_suite(EXAMPLES[0]).cases[0].combinations == 8


def test_the_faults_shown_are_the_faults_given() -> None:
    shown = re.findall(r"```text\n(.*?)\n```", TEXT, re.DOTALL)[0]
    with pytest.raises(SuiteError) as caught:
        parse_suite("name: x\ncases:\n  - model: bert\n    precison: fp16\n    batch: [1, 0]\n", path="my.yaml")
    assert str(caught.value) == shown


def test_every_shipped_suite_is_listed() -> None:
    listed = re.findall(r"^\| `([\w-]+)` \| [^|]+ \|$", TEXT, re.MULTILINE)
    assert tuple(sorted(listed)) == suite_names()
