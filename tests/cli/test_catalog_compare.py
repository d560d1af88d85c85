"""``assay catalog compare`` and ``metrics``: tables, JSON, CSV, choices and what is refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from assay.catalog.hardware.derived import DERIVED
from assay.catalog.hardware.prices import Price, PriceKind, Terms
from assay.cli import catalog_compare
from assay.core.errors import UnknownNameError, UsageError
from assay.store import Store
from assay.store.catalogue import CatalogueImport, append_prices

RENT = Price(
    "nvidia-l4", "L4", PriceKind.CLOUD, "a cloud", "here", "one", 1, 0.8, per_hour=True, terms=Terms.ON_DEMAND,
    as_of="2026-01-01", source="list.csv",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_STORE", str(tmp_path / "store"))


def run(*words: str, width: int = 80) -> Result:
    app = typer.Typer()
    catalog_compare.register(app)
    return CliRunner().invoke(app, list(words), env={"COLUMNS": str(width)})


def text_of(*words: str, width: int = 80) -> str:
    result = run(*words, width=width)
    assert result.exit_code == 0, result.output
    return result.output


def json_of(*words: str) -> Any:
    return json.loads(text_of(*words, "--json"))


def test_devices_by_name_with_units_and_marks() -> None:
    said = text_of("compare", "nvidia-h100-sxm5-80gb", "L4")
    assert "NVIDIA L4" in said
    assert "1.41 TFLOP/s/W" in said
    assert "~22.3 /s" in said
    assert "nothing of it measured" in said
    assert "no price of an hour of it is stored" in said


@pytest.mark.parametrize("width", [80, 200])
def test_many_devices_go_down_the_page(width: int) -> None:
    said = text_of("compare", "--category", "datacentre gpu", "--sort", "rate16_per_w", width=width)
    assert "nvidia-h100-sxm5-80gb" in said.replace("\n", "")
    assert "more metrics" in said


def test_json_has_reasons_notes_and_layers() -> None:
    (one,) = json_of("compare", "L4", "--grid", "DE")
    assert one["hw_id"] == "nvidia-l4"
    assert set(one["metrics"]) == set(DERIVED)
    assert one["metrics"]["usd_per_h"]["value"] is None
    assert "import-prices" in one["metrics"]["usd_per_h"]["reason"]
    assert one["metrics"]["balance16"]["layers"] == ["shipped"]
    assert "Germany" in one["metrics"]["carbon_bert_base"]["note"]
    assert one["metrics"]["rate_bert_base"]["is_estimate"] is True


def test_stored_prices_count(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    append_prices(store, [RENT], CatalogueImport("list.csv", "composed", "0" * 64, 1, 0))
    (one,) = json_of("compare", "L4", "--metric", "usd_per_h")
    assert one["metrics"]["usd_per_h"]["value"] == pytest.approx(0.8)
    assert "rent of nvidia-l4: a cloud one here" in text_of("compare", "L4")
    (spot,) = json_of("compare", "L4", "--metric", "usd_per_h", "--terms", "spot")
    assert spot["metrics"]["usd_per_h"]["value"] is None


def test_csv_is_one_row_a_device_in_order() -> None:
    rows = list(csv.DictReader(io.StringIO(text_of(
        "compare", "--category", "tpu", "-m", "memory_reads_per_s", "--sort", "memory_reads_per_s", "--csv"
    ))))  # fmt: skip
    values = [float(row["memory_reads_per_s"]) for row in rows if row["memory_reads_per_s"]]
    assert len(rows) > 1
    assert values == sorted(values, reverse=True)


def test_the_metrics_with_their_formulas() -> None:
    assert "peak16 / bandwidth" in text_of("metrics", width=200)
    rows = json_of("metrics")
    assert [row["name"] for row in rows] == list(DERIVED)
    assert all(row["source"] and row["unit"] for row in rows)
    assert text_of("metrics", "--csv").startswith("name,group,title,unit")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((), UsageError),
        (("no such thing",), UnknownNameError),
        (("L4", "--metric", "speed"), UnknownNameError),
        (("L4", "--metric", "balance16", "--sort", "gain8"), UnknownNameError),
        (("L4", "--terms", "gift"), UnknownNameError),
        (("L4", "--grid", "atlantis"), UnknownNameError),
        (("--category", "toaster"), UnknownNameError),
    ],
)
def test_what_is_refused(words: tuple[str, ...], error: type[Exception]) -> None:
    assert isinstance(run("compare", *words).exception, error)
