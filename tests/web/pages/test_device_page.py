"""The page of a device: its sheet with layers, its offers, what follows; and the list with prices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from assay.catalog.hardware.cells import CatalogueCell, Layer
from assay.catalog.hardware.prices import Price, PriceKind, Terms
from assay.store import Store
from assay.store.catalogue import CatalogueImport, append_cells, append_prices
from assay.web.app import create_app
from assay.web.settings import ServeSettings

HOSTILE = "<b>cloud</b>"


def offer(usd: float, terms: Terms) -> Price:
    return Price(
        "nvidia-l4", "L4", PriceKind.CLOUD, HOSTILE, "here", "one", 1, usd, per_hour=True, terms=terms,
        as_of="2026-01-01", source="list.csv", source_row=7,
    )  # fmt: skip


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder: Path = tmp_path_factory.mktemp("device") / "store"
    store = Store.open(folder)
    append_prices(
        store, [offer(0.8, Terms.ON_DEMAND), offer(0.3, Terms.SPOT)],
        CatalogueImport("list.csv", "composed", "0" * 64, 2, 0),
    )  # fmt: skip
    append_cells(
        store, [CatalogueCell("nvidia-l4", "L4", "tensor_int4_tops", 484.0, Layer.IMPORTED, "table.csv", "2025", 3)],
        CatalogueImport("table.csv", "composed", "1" * 64, 1, 0),
    )  # fmt: skip
    settings = ServeSettings(store=str(folder), requests_per_minute=1_000_000)
    with TestClient(create_app(settings), base_url="http://localhost:8337") as made:
        yield made


def tables_of(client: TestClient, address: str) -> dict[str, Any]:
    report = client.get(address, headers={"accept": "application/json"}).json()
    blocks = [block for section in report["sections"] for block in section["blocks"]]
    return {block["key"]: block for block in blocks if "key" in block}


def test_the_sheet_says_whose_each_figure_is(client: TestClient) -> None:
    page = client.get("/devices?name=nvidia-l4").text
    assert "the catalogue" in page
    assert "table.csv" in page
    assert "imported" in page


def test_offers_and_what_follows_are_shown_and_escaped(client: TestClient) -> None:
    page = client.get("/devices?name=nvidia-l4").text
    assert HOSTILE not in page
    assert "list.csv, row 7" in page
    assert "0.800 USD/h" in page
    assert "peak16 / bandwidth" in page
    assert "403 FLOP/B" in page


def test_one_without_prices_says_how_to_get_some(client: TestClient) -> None:
    assert "import-prices" in client.get("/devices?name=nvidia-a10").text


def test_the_list_has_prices_and_rates_per_watt(client: TestClient) -> None:
    page = client.get("/devices?all=1&q=nvidia+l4&sort=-rent").text
    assert "1.68 TFLOP/s/W" in page
    assert "0.800 USD" in page
