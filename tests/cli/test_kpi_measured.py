"""``assay kpi report``, ``bias`` and ``compare`` on planted biases: tables, JSON, CSV, files, and refusals."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from assay.cli.kpi_measured import register
from assay.core.errors import UnknownNameError, UsageError
from assay.store import Store

app = typer.Typer()
register(app)


def _load(name: str) -> Any:
    path = Path(__file__).parents[1] / "analysis" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"kpi_measured_tests_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


composed, planted = _load("ranked_results"), _load("sheet_results")
HOPPER, CDNA3 = planted.HOPPER, planted.CDNA3


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kpi") / "store"
    results = composed.Results(Store.open(folder))
    planted.plant(results, {HOPPER: 1.0, planted.AMPERE: 1.3, CDNA3: 0.5})
    results.keep()
    return folder


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    results = composed.Results(Store.open(folder))
    results.measured("bert/base", throughput_per_s=1.0)
    results.keep()
    return folder


def run(store: Path, *words: str) -> str:
    said = CliRunner().invoke(app, [*words, "--store", str(store)])
    if said.exception is not None and not isinstance(said.exception, SystemExit):
        raise said.exception
    assert said.exit_code == 0, said.output
    return said.output


def test_bias_prints_factors_their_intervals_and_what_they_are_of(store: Path) -> None:
    printed = run(store, "bias", "--reference", HOPPER, "--check")
    assert f"by architecture against {HOPPER}, imported numbers" in printed
    assert "150 values of 5 witnesses" in printed
    assert "Told without their own witness" in printed
    rows = json.loads(run(store, "bias", "--reference", HOPPER, "--check", "--json"))
    (estimate,) = rows["estimates"]
    factors = {one["group"]: one for one in estimate["factors"]}
    assert factors[CDNA3]["factor"] == pytest.approx(0.5, rel=0.12)
    assert factors[CDNA3]["lo"] < 0.5 < factors[CDNA3]["hi"]
    assert (factors[HOPPER]["factor"], factors[HOPPER]["lo"]) == (1.0, None)
    assert estimate["provenance"] == "imported"
    assert rows["check"]["is_better"] is True


def test_bias_as_csv_has_a_row_a_group(store: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run(store, "bias", "--by", "vendor", "--basis", "bandwidth", "--csv"))))
    assert {row["group"] for row in rows} == {"NVIDIA", "AMD"}
    assert {row["basis"] for row in rows} == {"bandwidth"}


def test_where_nothing_is_stated_the_reason_stands(store: Path) -> None:
    printed = run(store, "bias", "--by", "both")
    assert "No factors by architecture and precision" in printed
    assert "no precision stated" in printed


def test_nothing_to_hold_against_data_sheets_says_so(empty: Path) -> None:
    printed = run(empty, "bias")
    assert "No factors" in printed
    assert "left out: 1" in printed
    assert json.loads(run(empty, "bias", "--json"))["estimates"][0]["factors"] == []


def test_compare_says_measured_promised_and_each_work(store: Path) -> None:
    printed = run(store, "compare", CDNA3, HOPPER)
    for words in ("measured / promised", "by the data sheet", "resnet", "50 and 50 values"):
        assert words in printed
    found = json.loads(run(store, "compare", "Tesla A30", "NVIDIA A100 PCIe 80GB", "--by", "device", "--json"))
    assert found["one"] == "NVIDIA A30"
    assert found["over_promise"]["value"] == pytest.approx(1.0, rel=0.1)
    assert len(found["works"]) == 5


def test_the_report_goes_to_the_terminal_or_a_file(store: Path, tmp_path: Path) -> None:
    assert "Measured over data sheet, by architecture" in run(store, "report", "--show", "bias")
    path = tmp_path / "kpi.html"
    run(store, "report", "--show", "bias", "-o", str(path))
    assert "Factors by vendor" in path.read_text(encoding="utf-8")
    assert json.loads(run(store, "report", "--show", "bias", "--json"))["kind"] == "kpi"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("bias", "--by", "colour"), UnknownNameError),
        (("bias", "--basis", "peak17"), UnknownNameError),
        (("bias", "--provenance", "predicted"), UnknownNameError),
        (("bias", "--reference", "NVIDIA Voltas"), UnknownNameError),
        (("bias", "--json", "--csv"), UsageError),
        (("compare", "NVIDIA Hoper", CDNA3), UnknownNameError),
        (("compare", CDNA3, CDNA3), UsageError),
        (("report", "--show", "everything"), UsageError),
        (("report", "--json", "-o", "x.html"), UsageError),
    ],
)
def test_what_means_nothing_is_refused(store: Path, words: tuple[str, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        run(store, *words)
