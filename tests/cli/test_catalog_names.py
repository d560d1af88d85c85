"""``assay catalog names`` and ``instances``: tables of names in, outcomes out, in three forms."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
import typer
from typer.testing import CliRunner, Result

from assay.catalog.hardware.instances import load_instances
from assay.cli.catalog_names import register
from assay.core.errors import UnknownNameError, UsageError

NAMES = ["RTX 4090", "NVIDIA A100", "RTX 4090", "Voodoo3", "nvidia ampere", "4x L40S"]


def run(*arguments: str, text: str | None = None) -> Result:
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, list(arguments), input=text)


def write(folder: Path, form: str) -> Path:
    path = folder / f"names.{form}"
    rows = [{"gpu": name, "price": index} for index, name in enumerate(NAMES)]
    if form == "parquet":
        pyarrow.parquet.write_table(pa.Table.from_pylist(rows), path)
    elif form == "json":
        path.write_text(json.dumps(rows))
    elif form == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows))
    else:
        sign = "\t" if form == "tsv" else ","
        lines = [f"gpu{sign}price", *(f'"{row["gpu"]}"{sign}{row["price"]}' for row in rows)]
        path.write_text("\ufeff" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("form", ["csv", "tsv", "json", "jsonl", "parquet"])
def test_every_form_of_table_gives_the_same_names(tmp_path: Path, form: str) -> None:
    said = json.loads(run("names", str(write(tmp_path, form)), "--column", "gpu", "--json").stdout)
    assert said["counts"] == {
        "resolved": {"names": 2, "rows": 3},
        "ambiguous": {"names": 2, "rows": 2},
        "unknown": {"names": 1, "rows": 1},
    }
    found: dict[str, dict[str, Any]] = {row["text"]: row for row in said["names"]}
    assert found["RTX 4090"]["hw_id"] == "nvidia-geforce-rtx-4090"
    assert (found["4x L40S"]["hw_id"], found["4x L40S"]["n_devices"]) == ("nvidia-l40s", 4)
    assert found["nvidia ampere"]["family"] == "NVIDIA Ampere"
    assert len(found["NVIDIA A100"]["candidates"]) == 4
    assert found["Voodoo3"]["hw_id"] is None


def test_the_table_says_what_is_open_and_why(tmp_path: Path) -> None:
    path = str(write(tmp_path, "csv"))
    text = run("names", path, "--column", "gpu").stdout
    assert "nvidia-geforce-rtx-4090" not in text
    assert "it fits 4 devices" in text
    assert "and 2 more" in text
    assert "nvidia-geforce-rtx-4090" in run("names", path, "--column", "gpu", "--all").stdout
    assert "4 x nvidia-l40s" in run("names", path, "--column", "gpu", "--all").stdout


def test_lines_come_from_standard_input_and_the_kind_narrows_them() -> None:
    said = run("names", "-", "--kind", "cpu", "--csv", text="AMD EPYC 7763 64-Core Processor\nRTX 4090\n\n")
    rows = list(csv.DictReader(io.StringIO(said.stdout)))
    assert [(row["text"], row["hw_id"]) for row in rows] == [
        ("AMD EPYC 7763 64-Core Processor", "amd-epyc-7763"),
        ("RTX 4090", ""),
    ]
    assert "no names" in run("names", "-", text="\n").stdout


def test_what_cannot_be_read_is_refused_with_a_way_out(tmp_path: Path) -> None:
    path = str(write(tmp_path, "csv"))
    assert isinstance(run("names", path).exception, UsageError)
    assert "gpu, price" in str(run("names", path).exception)
    assert isinstance(run("names", path, "--column", "gpus").exception, UnknownNameError)
    assert isinstance(run("names", path, "--column", "gpu", "--kind", "tpu").exception, UnknownNameError)
    assert "not a file" in str(run("names", str(tmp_path / "none.csv")).exception)
    (tmp_path / "broken.json").write_text("{")
    assert "not JSON" in str(run("names", str(tmp_path / "broken.json")).exception)
    (tmp_path / "object.json").write_text("{}")
    assert "expected a list" in str(run("names", str(tmp_path / "object.json")).exception)
    (tmp_path / "latin.csv").write_bytes(b"gpu\n\xe9\n")
    assert "UTF-8" in str(run("names", str(tmp_path / "latin.csv")).exception)


def test_instances_are_listed_by_provider_and_word() -> None:
    rows = json.loads(run("instances", "--provider", "azure", "h100", "--json").stdout)
    assert {row["provider"] for row in rows} == {"Azure"}
    assert {row["hw_id"] for row in rows} == {"nvidia-h100-nvl-94gb", "nvidia-h100-sxm5-80gb"}
    assert all(row["source_title"].startswith("Microsoft") for row in rows)
    every = list(csv.DictReader(io.StringIO(run("instances", "--csv").stdout)))
    assert len(every) == len(load_instances())
    assert "1/8" in run("instances", "g6f").stdout
    assert "NVIDIA Tesla K80 (no entry)" in run("instances", "p2").stdout
    assert "no machine" in run("instances", "zz9").stdout
    assert isinstance(run("instances", "--provider", "azzure").exception, UnknownNameError)
