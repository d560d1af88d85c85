"""``assay catalog prices``, ``import-prices`` and ``grid``: what they print for people and for programs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from assay.cli import catalog_grid, catalog_import_prices, catalog_prices
from assay.core.errors import UnknownNameError, UsageError

LIST = """instance,gpu,gpu_count,region,on_demand_usd_h,reserved_usd_h,spot_usd_h
p5.48xlarge,NVIDIA H100,8,us-east-1,55.04,40,
p5.48xlarge,NVIDIA H100,8,us-west-1,68.80,,
p5.4xlarge,NVIDIA H100,1,us-west-1,8.60,,
g6f.large,NVIDIA L40,0.125,us-east-1,0.2,,
g5.xlarge,NVIDIA A10G,1,us-east-1,,,
p9.xlarge,NVIDIA H100,1,us-east-1,5,,
"""
H100 = "nvidia-h100-sxm5-80gb"


@pytest.fixture(autouse=True)
def price_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASSAY_STORE", str(tmp_path / "store"))
    path = tmp_path / "aws_2025-11-30.csv"
    path.write_text(LIST, encoding="utf-8")
    return path


def run(*arguments: str) -> Result:
    app = typer.Typer()
    for module in (catalog_prices, catalog_import_prices, catalog_grid):
        module.register(app)
    return CliRunner().invoke(app, list(arguments))


def test_prices_are_listed_by_device_with_their_offer(price_list: Path) -> None:
    assert "No prices are stored" in run("prices").stdout
    said = run("import-prices", str(price_list))
    assert said.exit_code == catalog_import_prices.EXIT_INCOMPLETE
    assert "6 rows, 6 prices; added" in said.stdout
    assert "refused, row 5: it has no amount" in said.stdout
    assert "no one device of the catalogue: NVIDIA H100 (1)" in said.stdout
    text = run("prices").stdout
    assert "AWS p5.48xlarge us-east-1, 2025-11-30" in text
    assert "1 devices; cloud prices (on demand), for one device; 1 prices of names" in text
    [row] = json.loads(run("prices", "--json").stdout)
    assert (row["hw_id"], row["usd"], row["lowest_usd"], row["highest_usd"]) == (H100, 6.88, 6.88, 8.6)
    assert (row["offers"], row["providers"], row["source"], row["source_row"]) == (3, 1, "aws_2025-11-30.csv", 1)
    [again] = csv.DictReader(io.StringIO(run("prices", "--csv").stdout))
    assert (again["hw_id"], float(again["usd"])) == (H100, 6.88)


def test_the_same_list_again_adds_nothing(price_list: Path) -> None:
    assert json.loads(run("import-prices", str(price_list), "--dry-run", "--json").stdout)["added"] == 0
    assert json.loads(run("import-prices", str(price_list), "--json").stdout)["added"] == 6
    content = json.loads(run("import-prices", str(price_list), "--json").stdout)
    assert (content["added"], content["devices"], content["of_known_devices"]) == (0, 2, 5)
    assert "already there" in run("import-prices", str(price_list)).stdout
    before = run("prices", H100, "--json").stdout
    assert json.loads(run("import-prices", str(price_list), "--again", "--json").stdout)["added"] == 6
    assert run("prices", H100, "--json").stdout == before


def test_all_offers_of_one_device(price_list: Path) -> None:
    run("import-prices", str(price_list))
    content = json.loads(run("prices", "H100 SXM5 80GB", "--json").stdout)
    assert [one["per_device_usd"] for one in content["offers"]] == [6.88, 8.6, 8.6]
    assert content["chosen"]["region"] == "us-east-1"
    assert content["release"]["usd"] == 33600
    assert "Epoch AI" in content["release"]["source"]
    text = run("prices", H100, "--limit", "1").stdout
    assert "3 offers; 2 more with --limit 3" in text
    assert "it costs 6.88 USD/h: AWS p5.48xlarge us-east-1, on demand, 2025-11-30" in text
    assert "it costs 8.6 USD/h" in run("prices", H100, "--region", "us-west-1").stdout
    assert "it costs 5 USD/h" in run("prices", H100, "--terms", "reserved").stdout


def test_where_there_is_none_it_says_what_there_is(price_list: Path) -> None:
    run("import-prices", str(price_list))
    assert (
        f"No cloud prices (spot) of {H100} are stored. 4 others are stored"
        in run("prices", H100, "--terms", "spot").stdout
    )
    assert "No cloud prices (spot) of any device are stored." in run("prices", "--terms", "spot").stdout
    assert "No cloud prices (on demand, 2024) of" in run("prices", H100, "--date", "2024").stdout
    text = run("prices", "RTX 4090").stdout
    assert "No cloud prices (on demand) of nvidia-geforce-rtx-4090 are stored." in text
    assert "released at 1599 USD (NVIDIA" in text
    assert run("prices", "RTX 4090", "--csv").stdout.count("\n") == 1


def test_release_prices_need_no_import() -> None:
    rows = json.loads(run("prices", "--kind", "release", "--json").stdout)
    assert len(rows) > 300
    assert (
        "it costs 1599 USD: NVIDIA, release price, 2022-10-12" in run("prices", "RTX 4090", "--kind", "release").stdout
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["prices", "A100"], UsageError), (["prices", "no such thing"], UnknownNameError),
        (["prices", "--kind", "rent"], UnknownNameError), (["prices", "--terms", "ondemand"], UnknownNameError),
        (["grid", "us-central1"], UsageError), (["grid", "nowhere"], UnknownNameError),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_said(arguments: list[str], error: type[Exception]) -> None:
    assert isinstance(run(*arguments).exception, error)


def test_grid_says_figure_year_and_source() -> None:
    text = run("grid", "us-east-1").stdout
    assert "US-VA" in text
    assert "eGRID2023 revision 2" in text
    [row] = json.loads(run("grid", "us-central1", "--provider", "Nebius", "--json").stdout)
    assert (row["zone"], row["year"], row["source_id"]) == ("US-MO", 2023, "egrid")
    assert len(list(csv.DictReader(io.StringIO(run("grid", "--csv").stdout)))) > 100
