"""Imported figures and prices in the store: one commit a file, the same file once, read again it replaces itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from assay.catalog.hardware.cells import CatalogueCell, Layer
from assay.catalog.hardware.prices import Price, PriceKind, Terms
from assay.core.errors import NotFoundError, UsageError
from assay.store import Store
from assay.store.catalogue import (
    CatalogueImport,
    append_cells,
    append_prices,
    read_catalogue_imports,
    read_cells,
    read_facts,
    read_prices,
    remove_catalogue_import,
)
from assay.store.copying import copy_runs

A100 = "nvidia-a100-sxm4-80gb"
CELLS = (
    CatalogueCell(A100, "A100", "tdp_w", 410.0, Layer.IMPORTED, "epoch:ml.csv", "2026-03-18", 4, 0.9),
    CatalogueCell(A100, "A100", "foundry", "TSMC", Layer.IMPORTED, "epoch:ml.csv", "", None),
    CatalogueCell(None, "Cerebras WSE-9 \0 it's", "tdp_w", 9e9, Layer.IMPORTED, "epoch:ml.csv", "2026", 5, 0.0),
)
FACTS = CatalogueImport("ml.csv", "epoch", "ab" * 32, 5, 1)
PRICES = (
    Price(A100, "A100", PriceKind.CLOUD, "ACME", "eu", "big", 8, 16.0, True, Terms.SPOT, "2026-01", "q.csv", 3),  # noqa: FBT003
    Price(None, "Fast", PriceKind.STREET, "Shop", "", "", None, 99.5, False, None, "2026-01-02", "q.csv"),  # noqa: FBT003
)


@pytest.fixture(autouse=True)
def _own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_CATALOGUE", str(tmp_path / "own"))


def test_a_store_without_any_is_read_as_empty(store: Store) -> None:
    assert (read_cells(store), read_prices(store), read_catalogue_imports(store)) == ((), (), ())


def test_what_is_read_is_what_was_kept_in_its_order(store: Store) -> None:
    assert append_cells(store, CELLS, FACTS) == 3
    assert append_prices(store, PRICES, replace(FACTS, format="fsdl")) == 2
    assert read_cells(store, include_unknown=True) == CELLS
    assert read_cells(store) == CELLS[:2]
    assert read_cells(store, hw_id="nvidia-l4") == ()
    assert read_prices(store) == PRICES
    assert read_prices(store, hw_id=A100) == PRICES[:1]


def test_the_same_file_twice_adds_nothing_and_again_replaces(store: Store) -> None:
    append_cells(store, CELLS, FACTS)
    assert append_cells(store, CELLS, replace(FACTS, file="renamed.csv")) == 0
    known = replace(CELLS[2], hw_id="nvidia-l4", confidence=0.9)
    assert append_cells(store, [known], FACTS, again=True) == 1
    assert read_cells(store, include_unknown=True) == (known,)
    (kept,) = read_catalogue_imports(store)
    assert (kept.rows, kept.resolved, kept.devices, kept.rows_seen, kept.rows_refused) == (1, 1, 1, 5, 1)
    other = replace(FACTS, settings="--date 2026")
    assert append_cells(store, CELLS[:1], other) == 1
    assert read_cells(store) == (known, CELLS[0])


def test_prices_without_a_file_are_known_by_what_they_say(store: Store) -> None:
    assert append_prices(store, PRICES) == 2
    assert append_prices(store, PRICES) == 0
    assert append_prices(store, PRICES[:1]) == 1
    assert [one.file for one in read_catalogue_imports(store)] == ["q.csv", "q.csv"]


def test_an_import_can_be_forgotten_with_what_it_replaced(store: Store) -> None:
    append_cells(store, CELLS, FACTS)
    append_cells(store, CELLS[:1], FACTS, again=True)
    append_prices(store, PRICES)
    first, second = read_catalogue_imports(store)
    with pytest.raises(UsageError, match="fits 2 imports"):
        remove_catalogue_import(store, "-")
    with pytest.raises(NotFoundError, match="assay catalog imports"):
        remove_catalogue_import(store, "unheard-of")
    assert remove_catalogue_import(store, first.import_id[-8:]) == first
    assert read_cells(store, include_unknown=True) == ()
    assert read_catalogue_imports(store) == (second,)


def test_only_imported_cells_are_kept(store: Store) -> None:
    with pytest.raises(UsageError, match="assay catalog add"):
        append_cells(store, [replace(CELLS[0], layer=Layer.OWN)], FACTS)
    assert append_cells(store, [], FACTS) == 0


def test_earlier_states_sql_and_the_check_know_the_tables(store: Store) -> None:
    append_cells(store, CELLS, FACTS)
    store.snapshot("before")
    append_cells(store, CELLS[:1], FACTS, again=True)
    assert read_cells(store.as_of("before")) == CELLS[:2]
    assert read_cells(store) == CELLS[:1]
    assert store.query_readonly("SELECT field, number FROM catalogue_cells").to_pylist() == [
        {"field": "tdp_w", "number": 410}
    ]
    assert store.check().problems == ()
    assert read_cells(Store.open(store.location).as_of("before"), hw_id=A100) == CELLS[:2]


def test_a_copy_has_them_too_and_twice_copied_once(store: Store, tmp_path: Path) -> None:
    append_cells(store, CELLS, FACTS)
    append_prices(store, PRICES)
    target = Store.open(tmp_path / "copy")
    for _ in range(2):
        copy_runs(store.location, target.location)
        assert read_cells(target, include_unknown=True) == CELLS
        assert read_prices(target) == PRICES
    assert append_cells(target, CELLS, FACTS) == 0


def test_the_facts_of_a_store_are_own_then_shipped_then_imported(store: Store, tmp_path: Path) -> None:
    append_cells(store, [*CELLS, replace(CELLS[0], field="l3_mib", value=3.0)], FACTS)
    facts = read_facts(store)[A100]
    assert (facts.number("tdp_w"), facts.number("l3_mib")) == (400, 3)
    (tmp_path / "own").mkdir()
    text = f"source: racks\ndevices:\n  - id: {A100}\n    tdp_w: 300\n"
    (tmp_path / "own" / "lab.yaml").write_text(text, encoding="utf-8")
    assert read_facts(store)[A100].number("tdp_w") == 300
    assert read_facts(store, prefer=(Layer.IMPORTED,))[A100].number("tdp_w") == 410
