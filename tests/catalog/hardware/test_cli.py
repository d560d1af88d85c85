"""``assay catalog``: what it prints for people and for programs."""

from __future__ import annotations

import csv
import io
import json
from types import MappingProxyType

import pytest
import typer
from typer.testing import CliRunner, Result

from assay.catalog.hardware import check
from assay.catalog.hardware.load import load_catalogue
from assay.cli import catalog
from assay.core.errors import UnknownNameError, UsageError


def run(*arguments: str) -> Result:
    app = typer.Typer()
    catalog.register(app)
    return CliRunner().invoke(app, ["catalog", *arguments])


def test_ls_filters_by_vendor_and_category() -> None:
    rows = json.loads(run("ls", "--vendor", "nvidia", "--category", "datacentre gpu", "--json").stdout)
    assert {row["vendor"] for row in rows} == {"NVIDIA"}
    assert {row["category"] for row in rows} == {"datacentre gpu"}
    assert len(json.loads(run("ls", "--json").stdout)) == len(load_catalogue())
    assert {row["vendor"] for row in json.loads(run("ls", "--category", "soc", "--json").stdout)} == {"Apple"}
    kinds = {row["category"] for row in json.loads(run("ls", "--category", "cpu", "--json").stdout)}
    assert kinds == {"server cpu", "workstation cpu", "desktop cpu", "mobile cpu"}


def test_the_three_forms_have_the_same_devices() -> None:
    table = run("ls", "--vendor", "Google").stdout
    rows = list(csv.DictReader(io.StringIO(run("ls", "--vendor", "Google", "--csv").stdout)))
    content = json.loads(run("ls", "--vendor", "Google", "--json").stdout)
    assert [row["hw_id"] for row in rows] == [row["hw_id"] for row in content]
    assert all(row["hw_id"] in table for row in rows)
    assert "9 devices" in table
    [tpu] = [row for row in rows if row["hw_id"] == "google-tpu-v5p"]
    assert (float(tpu["tensor_bf16_per_s"]), tpu["vector_fp32_per_s"]) == (459e12, "")
    assert set(rows[0]) == set(content[0])


@pytest.mark.parametrize(("flag", "value"), [("--vendor", "nvidea"), ("--category", "gpus")])
def test_ls_names_the_nearest(flag: str, value: str) -> None:
    said = run("ls", flag, value)
    assert isinstance(said.exception, UnknownNameError)
    assert said.exception.nearest


def test_show_by_id_and_by_name() -> None:
    by_name = run("show", "RTX 4090").stdout
    assert by_name == run("show", "nvidia-geforce-rtx-4090").stdout
    assert "NVIDIA GeForce RTX 4090 · nvidia-geforce-rtx-4090" in by_name
    assert "nv-sm-rates" in by_name
    content = json.loads(run("show", "RTX 4090", "--json").stdout)
    assert content["tensor_fp16_acc16_per_s"] == 330.3e12
    assert "white papers" in content["sources"]["tensor_fp16_tflops"]
    assert set(content["sources"]) >= {"tdp_w", "memory_gib"}


def test_show_refuses_what_names_several_or_none() -> None:
    several = run("show", "A100")
    assert isinstance(several.exception, UsageError)
    assert "nvidia-a100-pcie-40gb" in str(several.exception)
    assert isinstance(run("show", "nvidia-l400").exception, UnknownNameError)


def test_match_says_which_and_why() -> None:
    said = run("match", "NVIDIA H100 PCIe MIG 1g.10gb")
    assert said.exit_code == 0
    assert "nvidia-h100-pcie-80gb · confidence 0.9" in said.stdout
    assert "MIG 1g.10gb: 0.143 of its compute units, 0.125 of its memory (derived)" in said.stdout
    content = json.loads(run("match", "RTX 3080", "--memory", "11.9", "--json").stdout)
    assert (content["hw_id"], content["confidence"]) == ("nvidia-geforce-rtx-3080-12gb", 0.8)


def test_match_exits_4_where_it_means_none() -> None:
    said = run("match", "a100 80g")
    assert said.exit_code == 4
    assert said.stdout.splitlines()[0] == "no device: it fits 2 devices"
    assert "it may be nvidia-a100-sxm4-80gb" in said.stdout
    assert json.loads(run("match", "K80", "--json").stdout)["candidates"] == []
    assert isinstance(run("match", "K80", "--kind", "tpu").exception, UnknownNameError)


def test_check_counts_and_is_silent_about_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    said = run("check")
    assert said.exit_code == 0
    assert "units, physics, names and sources are sound" in said.stdout
    assert json.loads(run("check", "--json").stdout)["faults"] == []
    wrong = dict(load_catalogue())
    wrong["second"] = wrong["nvidia-l4"]
    monkeypatch.setattr(check, "load_catalogue", lambda: MappingProxyType(wrong))
    said = run("check")
    assert said.exit_code == 2
    assert "✗ nvidia-l4, name: nvidia-l4 has the same name" in said.stdout
