"""``assay catalog import``, ``imports``, ``add``, ``own`` and ``conflicts``, as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from assay.cli import catalog_conflicts, catalog_import, catalog_own
from assay.core.errors import AssayError, UsageError

A100 = "nvidia-a100-sxm4-80gb"
TABLE = """\
Hardware name,Manufacturer,Release date,TDP (W),Memory bandwidth (byte/s),Last modified
NVIDIA A100 SXM4 80 GB,NVIDIA,2020-11-16,500,2039000000000,2026-03-18 12:56
NVIDIA A100,NVIDIA,2020-05-14,400,,
Cerebras WSE-9,Cerebras,2029-01-01,9,,
"""
PRICES = "GPU,price\nNVIDIA L4,0.5\n"
LAB = f"source: racks\ndevices:\n  - id: {A100}\n    tdp_w: 300\n"


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    for module in (catalog_import, catalog_own, catalog_conflicts):
        module.register(made)
    return made


@pytest.fixture
def call(app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("ASSAY_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("ASSAY_CATALOGUE", str(tmp_path / "own"))
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: object, code: int = 0) -> Result:
        result = CliRunner().invoke(app, [str(one) for one in arguments])
        if isinstance(result.exception, AssayError):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "ml.csv"
    path.write_text(TABLE, encoding="utf-8-sig")
    return path


def test_an_import_says_what_was_taken_and_the_same_file_adds_nothing(call: Any, table: Path) -> None:
    first = json.loads(call("import", table, "--json").stdout)
    expected = {"format": "epoch", "rows": 3, "taken": 3, "cells": 7, "cells_of_known_devices": 3, "devices": 1}
    assert {key: first[key] for key in expected} == expected
    assert first["added"] == 7
    assert [one["text"] for one in first["ambiguous"]] == ["NVIDIA A100"]
    assert [one["text"] for one in first["unknown"]] == ["Cerebras WSE-9"]
    text = call("import", table).output
    assert "3 rows: 3 taken, 0 refused" in text
    assert "all of it is there already" in text
    assert json.loads(call("import", table, "--again", "--json").stdout)["added"] == 7


def test_a_price_list_goes_its_own_way(call: Any, tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(PRICES, encoding="utf-8")
    found = json.loads(call("import", path, "--date", "2026-01", "--json").stdout)
    assert (found["rows"], found["prices"], found["added"]) == (1, 1, 1)
    (kept,) = json.loads(call("imports", "--json").stdout)
    assert (kept["table"], kept["rows"], kept["devices"]) == ("prices", 1, 1)


def test_a_dry_run_writes_nothing(call: Any, table: Path, tmp_path: Path) -> None:
    assert "nothing was written" in call("import", table, "--dry-run").output
    assert not (tmp_path / "store").exists()


def test_refused_rows_are_shown_and_end_with_4(call: Any, table: Path) -> None:
    table.write_text(TABLE + ",NVIDIA,,,,\n", encoding="utf-8")
    assert "refused, row 4: it names no device." in call("import", table, code=4).output


def test_imports_are_listed_and_forgotten(call: Any, table: Path) -> None:
    assert "nothing is imported yet" in call("imports").output
    call("import", table)
    (kept,) = json.loads(call("imports", "--json").stdout)
    assert (kept["file"], kept["rows"], kept["devices"]) == ("ml.csv", 7, 1)
    assert "ml.csv" in call("imports").output
    assert "7 rows of catalogue_cells forgotten" in call("imports", "--remove", kept["import_id"][-8:]).output
    assert "nothing is imported yet" in call("imports").output


def test_conflicts_of_files_and_of_the_store_are_the_same(call: Any, table: Path) -> None:
    by_file = json.loads(call("conflicts", table, "--json").stdout)
    call("import", table)
    assert json.loads(call("conflicts", "--json").stdout) == by_file
    (found,) = by_file["conflicts"]
    assert (found["hw_id"], found["field"], found["value"], found["other_value"]) == (A100, "tdp_w", 400, 500)
    assert (found["settled"], found["other_row"], found["ratio"]) == ("maker", 1, 1.25)
    (source,) = by_file["sources"]
    assert (source["compared"], source["agreeing"]) == (3, 2)
    text = call("conflicts").output
    assert "66.7%" in text
    assert "1.25 x" in text
    assert call("conflicts", "--csv").stdout.splitlines()[1].startswith(f"{A100},tdp_w,400")
    assert "no disagreement" in call("conflicts", "--open").output
    assert "no disagreement" in call("conflicts", "--over", 30).output
    assert "no disagreement" in call("conflicts", "--device", "NVIDIA L4").output
    assert json.loads(call("conflicts", "--field", "release", "--json").stdout)["conflicts"] == []
    with pytest.raises(UsageError, match="does not name one device"):
        call("conflicts", "--device", "A100")


def test_conflicts_of_nothing_say_what_to_do(call: Any, table: Path) -> None:
    call("import", table)
    call("imports", "--remove", "-")
    assert "nothing to compare" in call("conflicts").output


def test_own_devices_are_added_listed_and_answer_first(call: Any, table: Path, tmp_path: Path) -> None:
    assert "no device of your own" in call("own").output
    lab = tmp_path / "lab.yaml"
    lab.write_text(LAB, encoding="utf-8")
    assert "nothing was copied" in call("add", lab, "--dry-run").output
    assert json.loads(call("own", "--json").stdout)["devices"] == []
    assert "figures that go before the shipped ones, 1 cell" in call("add", lab).output
    (device,) = json.loads(call("own", "--json").stdout)["devices"]
    assert (device["hw_id"], device["is_new"], device["cells"]) == (A100, False, {"tdp_w": 300})
    assert A100 in call("own").output
    found = json.loads(call("conflicts", table, "--json").stdout)["conflicts"]
    assert {(one["value"], one["settled"]) for one in found} == {(300, "own")}
    shipped = json.loads(call("conflicts", table, "--prefer", "shipped", "--json").stdout)["conflicts"]
    assert {one["other_value"] for one in shipped} == {300, 500}
