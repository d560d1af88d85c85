"""The catalogue in the mirror: the shipped table, and what the store imported, each row with its layer and source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from assay.catalog.hardware.cells import CatalogueCell, Layer
from assay.catalog.hardware.facts import view_facts
from assay.catalog.hardware.prices import Price, PriceKind, Terms
from assay.mirrors.transfer import mirror_store
from assay.mirrors.verify import verify_mirror
from assay.store import Store
from assay.store.catalogue import CatalogueImport, append_cells, append_prices

Fetch = Callable[..., list[dict[str, Any]]]
A100 = "nvidia-a100-sxm4-80gb"
EPOCH = CatalogueImport("ml.csv", "epoch", "ab" * 32, 3, 0)
QUOTES = CatalogueImport("quotes.csv", "fsdl", "cd" * 32, 1, 0)


def cell(hw_id: str | None, field: str, value: float | str) -> CatalogueCell:
    return CatalogueCell(hw_id, "A \0 name's", field, value, Layer.IMPORTED, "epoch:ml.csv", "2026-07", 4, 0.9)


def test_layers_stand_side_by_side_and_a_second_mirroring_moves_nothing(store: Store, url: str, fetch: Fetch) -> None:
    cells = [cell(A100, "tdp_w", 410.0), cell(None, "tdp_w", 70.0), cell("of-a-newer-assay", "foundry", "TSMC")]
    append_cells(store, cells, EPOCH)
    price = Price(A100, "A100", PriceKind.CLOUD, "ACME", "eu", "x8", 8, 16.0, True, Terms.SPOT, "2026-01", "quotes.csv")  # noqa: FBT003
    append_prices(store, [price], QUOTES)
    first = mirror_store(store.location, url)

    shipped = sum(len(device.cells) for device in view_facts().values())
    assert first.rows["hardware_cells"] == shipped + 3
    assert fetch(
        "SELECT layer, number, source_id FROM assay.hardware_cells WHERE hw_id = $1 AND field = 'tdp_w' ORDER BY 1",
        A100,
    ) == [
        {"layer": "imported", "number": 410.0, "source_id": "epoch:ml.csv"},
        {"layer": "shipped", "number": 400.0, "source_id": "nv-a100-ds"},
    ]
    assert fetch("SELECT name FROM assay.hardware WHERE hw_id = 'of-a-newer-assay'") == [{"name": None}]
    assert fetch("SELECT usd / n_devices AS usd, terms FROM assay.hardware_prices") == [{"usd": 2.0, "terms": "spot"}]
    assert fetch("SELECT content, file FROM assay.hardware_imports ORDER BY 1") == [
        {"content": "cells", "file": "ml.csv"},
        {"content": "prices", "file": "quotes.csv"},
    ]
    assert mirror_store(store.location, url).moved == 0
    assert verify_mirror(store.location, url).is_equal


def test_a_file_that_is_read_again_replaces_its_rows(store: Store, url: str, fetch: Fetch) -> None:
    append_cells(store, [cell(None, "tdp_w", 410.0), cell(None, "die_mm2", 826.0)], EPOCH)
    mirror_store(store.location, url)
    append_cells(store, [cell(A100, "tdp_w", 410.0)], EPOCH, again=True)
    report = mirror_store(store.location, url)

    assert report.rows_removed["hardware_cells"] == 2
    assert fetch("SELECT hw_id FROM assay.hardware_cells WHERE layer = 'imported'") == [{"hw_id": A100}]
    assert verify_mirror(store.location, url).is_equal
