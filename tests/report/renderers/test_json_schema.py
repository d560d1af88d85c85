"""The published schema is that of the code, and reports are of it."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from assay.report.base import RenderOptions, renderers
from assay.report.json_content import report_schema, report_to_content, to_content
from assay.report.renderers.json_text import render_json
from assay.report.values import Cell, Column, Layer, Report, Shape, Table

jsonschema: Any = import_module("jsonschema")  # it publishes no types
PUBLISHED = Path(__file__).parents[3] / "docs" / "report-schema.json"


def test_the_published_schema_is_current() -> None:
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == report_schema(), (
        "docs/report-schema.json is old; write json.dumps(report_schema(), indent=2) there"
    )


def test_a_report_is_of_the_schema(report: Report) -> None:
    schema = report_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(render_json(report)))


def test_the_schema_refuses_what_is_none(report: Report) -> None:
    validator = jsonschema.Draft202012Validator(report_schema())
    content = report_to_content(report)
    for broken in (
        {**content, "schema_version": 2},
        {**content, "added": 1},
        {name: value for name, value in content.items() if name != "title"},
        {**content, "sections": [{"key": "a", "title": "b", "blocks": [{"type": "picture"}]}]},
    ):
        assert not validator.is_valid(broken)


def test_every_field_of_a_report_is_there(report: Report) -> None:
    assert list(report_to_content(report)) == [one.name for one in fields(Report)]


def test_what_is_no_number_is_null_and_defaults_are_left_out() -> None:
    assert to_content(Cell(float("nan"), lo=float("inf"))) == {"value": None, "lo": None}
    assert to_content(Cell(value=False)) == {"value": False}
    assert to_content(Cell(0)) == {"value": 0}
    layer = Layer("a", Shape.LINE, (1.0,), (None,))
    assert to_content(layer) == {"label": "a", "shape": "line", "x": [1.0], "y": [None]}
    with pytest.raises(TypeError, match="holds no set"):
        to_content({1})


def test_one_table_of_a_report(report: Report) -> None:
    content = json.loads(renderers.get("json").render(report, RenderOptions(table="ratios")))
    assert [block["key"] for section in content["sections"] for block in section["blocks"]] == ["ratios"]


def test_not_a_number_never_reaches_the_file(report: Report) -> None:
    table = Table("t", "T", (Column("a", "a"),), ((Cell(float("inf")),),))
    odd = replace(report, sections=(replace(report.sections[0], blocks=(table,)),))
    assert "Infinity" not in render_json(odd)
