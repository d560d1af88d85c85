"""``assay catalog quality`` and ``impute``: what they print for people and for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from assay.analysis import hardware_imputation
from assay.analysis.hardware_imputation import Imputation, impute_devices
from assay.catalog.hardware.facts import DeviceFacts, view_facts
from assay.cli import catalog_impute, catalog_quality
from assay.core.errors import UnknownNameError, UsageError

A2 = "nvidia-a2"


_ASKED: dict[tuple[object, ...], Imputation] = {}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty store. Imputed are CPUs alone, which is quick, and once for all forms of the same answer."""
    monkeypatch.setenv("ASSAY_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("ASSAY_CATALOGUE", str(tmp_path / "own"))

    def impute_once(facts: Mapping[str, DeviceFacts], **asked: Any) -> Imputation:
        key = tuple((name, str(value)) for name, value in sorted(asked.items()))
        if key not in _ASKED:
            processors = {hw_id: device for hw_id, device in facts.items() if device.kind == "cpu"}
            _ASKED[key] = impute_devices(processors, **asked)
        return _ASKED[key]

    monkeypatch.setattr(hardware_imputation, "impute_devices", impute_once)


def run(*arguments: str) -> Result:
    app = typer.Typer()
    catalog_quality.register(app)
    catalog_impute.register(app)
    return CliRunner().invoke(app, [*arguments])


pytestmark = pytest.mark.usefixtures("store")


def test_quality_counts_what_can_be_filled() -> None:
    content = json.loads(run("quality", "--json").stdout)
    assert content["devices"] == len(view_facts())
    filled = sum(row["filled"] for row in content["coverage"])
    said = run("quality").stdout
    assert said.startswith(f"{len(view_facts())} devices: {filled} cells filled of ")
    assert "explained (--explained)" in said
    rows = list(csv.DictReader(io.StringIO(run("quality", "--csv").stdout)))
    assert [row["column"] for row in rows] == [row["column"] for row in content["coverage"]]


def test_quality_by_architecture_and_of_one_device() -> None:
    assert "NVIDIA Hopper" in run("quality", "--by-architecture").stdout
    said = run("quality", "NVIDIA A2").stdout
    assert said.startswith(f"{A2}: ")
    assert "cells filled of" in said


def test_explained_findings_are_shown_when_asked_for() -> None:
    assert "right all the same" not in run("quality").stdout
    assert "right all the same: the one H100 with HBM2e" in run("quality", "--explained").stdout


def test_impute_says_how_it_knows() -> None:
    rows = json.loads(run("impute", "--field", "tdp_w", "--json").stdout)
    assert rows
    for row in rows:
        assert row["is_imputed"] is True
        assert row["lo"] <= row["value"] <= row["hi"]
        assert row["method"] in {"architecture median", "regression on logs", "k nearest neighbours"}
        assert row["level"] == 0.9
    table = run("impute", "--field", "tdp_w").stdout
    assert "not stated by anybody" in table
    assert f"~{round(rows[0]['value'])}" in table.replace(" ", "")
    assert f"{len(rows)} gaps filled" in table


def test_refused_gaps_come_with_a_reason() -> None:
    rows = json.loads(run("impute", "--field", "vector_fp32_tflops", "--refused", "--json").stdout)
    assert rows
    assert all(row["is_imputed"] is False and row["value"] is None and row["reason"] for row in rows)
    assert "too few cells to test on" in run("impute", "--field", "vector_fp32_tflops", "--refused").stdout


def test_a_device_without_gaps_says_so() -> None:
    said = run("impute", "amd-epyc-7502", "--field", "units")
    assert "No gaps here that could be filled" in said.stdout
    assert json.loads(run("impute", "amd-epyc-7502", "--field", "units", "--json").stdout) == []


def test_check_shows_every_method() -> None:
    rows = json.loads(run("impute", "--check", "--field", "threads", "--json").stdout)
    [within] = [row for row in rows if row["population"] == "processors" and row["situation"] == "within"]
    assert within["used"] == "regression on logs"
    assert within["regression_error"] < within["neighbours_error"] < within["median_error"]
    assert within["regression_worst"] < 1
    table = run("impute", "--check", "--field", "threads").stdout
    assert "processors, where the architecture has others" in table
    assert "held: share of cells" in table


def test_unknown_names_are_refused() -> None:
    assert isinstance(run("impute", "--field", "tdp").exception, UnknownNameError)
    assert isinstance(run("quality", "A100").exception, UsageError)
    assert isinstance(run("quality", "toaster").exception, UnknownNameError)
