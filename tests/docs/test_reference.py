"""The reference that is made from the code leaves nothing out, and nothing in it is without a word on what it is."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from assay.catalog.metrics import metrics
from assay.store.schema import TABLES

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "tools"


@pytest.fixture(scope="module")
def maker() -> Any:
    pytest.importorskip("fastapi", reason="the routes need the extra serve")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TOOLS)
        yield importlib.import_module("make_reference")


@pytest.fixture(scope="module")
def pages(maker: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("reference")
    return {page.stem: page.read_text(encoding="utf-8") for page in maker.write_reference(folder)}


def rows_of(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[part.strip() for part in re.split(r" \| |^\| | \|$", line)[1:-1]] for line in lines]


def section_of(text: str, heading: str) -> str:
    return text.partition(f"\n{heading}\n")[2].partition("\n## ")[0]


def test_every_command_has_a_section_with_every_option_and_argument(maker: Any, pages: dict[str, str]) -> None:
    commands = maker.commands()
    assert re.findall(r"^## `(assay[^`]*)`$", pages["commands"], re.MULTILINE) == list(commands)
    assert len(commands) > 80
    for name, command in commands.items():
        section = section_of(pages["commands"], f"## `{name}`")
        cells = {cell for row in rows_of(section) for cell in re.findall(r"`([^`]+)`", row[0])}
        wanted = {text for one in command.params if one.param_type_name == "option" for text in one.opts}
        wanted |= {one.metavar or one.name.upper() for one in command.params if one.param_type_name == "argument"}
        assert wanted <= cells, name
        assert section.strip().partition("\n")[0], name


def test_every_option_and_argument_says_what_it_is(maker: Any, pages: dict[str, str]) -> None:
    for name in maker.commands():
        for row in rows_of(section_of(pages["commands"], f"## `{name}`")):
            assert row[-1], (name, row)


def test_every_metric_has_a_row(pages: dict[str, str]) -> None:
    rows = {row[0].strip("`"): row for row in rows_of(pages["metrics"])[1:]}
    assert rows.keys() >= {name for name in metrics.names() if metrics.get(name).source.startswith("docs/")}
    for name, row in rows.items():
        assert row[1] == f"`{metrics.get(name).unit}`"
        assert row[2] == metrics.get(name).direction.value
        assert all(row[3:]), name


def test_every_column_of_every_table_has_a_row_and_a_meaning(pages: dict[str, str]) -> None:
    assert re.findall(r"^## `(\w+)`$", pages["tables"], re.MULTILINE) == list(TABLES)
    for table, columns in TABLES.items():
        rows = rows_of(section_of(pages["tables"], f"## `{table}`"))[1:]
        assert [row[0] for row in rows] == [f"`{one.name}`" for one in columns]
        assert all(row[2] and row[4] for row in rows), table


def test_every_operation_and_page_has_an_entry(maker: Any, pages: dict[str, str]) -> None:
    described, others = maker.routes()
    operations = {f"{word.upper()} {path}" for path, item in described["paths"].items() for word in item}
    assert set(re.findall(r"^### `([A-Z]+ [^`]+)`$", pages["routes"], re.MULTILINE)) == operations
    assert len(operations) > 30
    shown = {row[0].strip("`") for row in rows_of(section_of(pages["routes"], "## Pages"))[1:]}
    twins = re.compile(r"\.(csv|json|svg)$")
    assert shown == {one.path if one.path.startswith("/api") else twins.sub("", one.path) or "/" for one in others}
    assert all(len(row[2]) > 5 for row in rows_of(section_of(pages["routes"], "## Pages"))[1:])


def test_every_entry_point_of_the_project_is_named_with_what_it_is(pages: dict[str, str]) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    assert re.findall(r"^## `([\w.]+)`$", pages["extensions"], re.MULTILINE) == sorted(declared)
    for group, points in declared.items():
        rows = rows_of(section_of(pages["extensions"], f"## `{group}`"))[1:]
        assert {row[0].strip("`"): row[1].strip("`") for row in rows} == points, "install again: make install-dev"
        assert all(row[2] for row in rows), group


def test_markup_in_a_cell_stays_text(maker: Any) -> None:
    assert maker.cell("a | b\nand <tag> `x|y`") == "a ¦ b and &lt;tag> `x¦y`"
    assert maker.cell("two*two and a_b") == "two\\*two and a\\_b"
