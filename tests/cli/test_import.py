from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.cli.imports import complete_format

Here = Callable[..., Any]
HYPERFINE = {
    "results": [
        {
            "command": "python -c 1", "mean": 0.0125, "stddev": 0.0002, "median": 0.0124, "user": 0.01, "system": 0.002,
            "min": 0.0121, "max": 0.013, "times": [0.0121, 0.0124, 0.013], "exit_codes": [0, 0, 0],
        }
    ]
}  # fmt: skip


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder with a file of hyperfine's and a text that is none."""
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "speed.json").write_text(json.dumps(HYPERFINE), encoding="utf-8")
    (folder / "notes.txt").write_text("about them\n", encoding="utf-8")
    return folder


def test_a_folder_is_imported_once(here: Here, results: Path) -> None:
    first = here("import", results)
    assert first.code == 0, first.err
    assert "speed.json   hyperfine   taken" in first.out
    assert "not recognised: " in first.out
    assert "1 rows added\nprovenance: 1 imported; the sources call 0 of them simulated\nstatus: 1 ok\n" in first.out
    assert first.err == ""
    second = here("import", results)
    assert (second.code, "0 rows added\n" in second.out, "already there" in second.out) == (0, True, True)
    assert here("show", "last").code == 0


def test_json_has_everything(here: Here, results: Path) -> None:
    said = here("import", results / "speed.json", "--json")
    content = json.loads(said.out)
    (one,) = content["files"]
    assert (one["outcome"], one["format"], one["rows_taken"]) == ("taken", "hyperfine", 1)
    assert content["totals"]["rows_added"] == 1
    assert content["totals"]["is_complete"] is True
    assert content["totals"]["tally"]["provenances"] == {"imported": 1}


def test_a_dry_run_makes_no_store(here: Here, results: Path, tmp_path: Path) -> None:
    said = here("import", results, "--dry-run", "--store", tmp_path / "new")
    assert said.code == 0, said.err
    assert "would be taken" in said.out
    assert "1 rows would be added" in said.out
    assert not (tmp_path / "new").exists()


def test_what_is_refused_is_named_and_exits_4(here: Here, results: Path) -> None:
    (results / "speed.json").write_text('{"results": [', encoding="utf-8")
    said = here("import", results)
    assert said.code == 4
    assert f"refused: {results}/speed.json, line 1, column 14: Expecting value." in said.out
    too_large = here("import", results / "speed.json", "--max-json-bytes", "5")
    assert (too_large.code, "has 13 bytes; 5 at most are read at once." in too_large.out) == (4, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Nothing to import was named."),
        (["absent.json"], "There is no file or folder 'absent.json'."),
        (["results", "--format", "hyperfin"], "Unknown importer 'hyperfin'. Did you mean 'hyperfine'"),
        (["results", "--mapping", "absent.yaml"], "There is no file or folder 'absent.yaml'."),
        (["results", "--suggest-mapping"], "--suggest-mapping takes one CSV or Parquet file."),
    ],
)
@pytest.mark.usefixtures("results")
def test_a_wrong_request_exits_2(here: Here, arguments: list[str], message: str) -> None:
    said = here("import", *arguments)
    assert said.code == 2
    assert message in said.err


def test_formats_are_listed_and_completed(here: Here) -> None:
    listed = json.loads(here("import", "--list-formats", "--json").out)
    assert "hyperfine" in {one["format"] for one in listed}
    assert "hyperfine" in here("import", "--list-formats").out
    assert complete_format("hyper") == ["hyperfine"]


def test_a_mapping_is_suggested_and_used(here: Here, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("model,batch,latency_ms\nbert,1,12.5\nbert,2,20\n", encoding="utf-8")
    suggested = here("import", table, "--suggest-mapping")
    assert suggested.code == 0, suggested.err
    mapping = tmp_path / "table.yaml"
    mapping.write_text(suggested.out, encoding="utf-8")
    said = here("import", table, "--mapping", mapping)
    assert said.code == 0, said.err + said.out
    assert "2 rows added" in said.out
