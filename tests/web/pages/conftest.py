"""The whole application over three stores, called in this process: an empty one, a small one, imports alone."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from assay.importers.pipeline import import_paths
from assay.store import Store
from assay.web.app import create_app
from assay.web.settings import ServeSettings

pytest.importorskip("fastapi", reason="the pages need assay[serve]")

SMALL_STORE = Path(__file__).parents[1] / "browser" / "small_store.py"
SEEDS = Path(__file__).parents[2] / "importers" / "seeds"
IMPORTED = ("mlperf-table/0-table.csv", "llm-table/0-speeds.md", "timm/0-both.csv", "ml-energy/0-energy.csv")


def client_of(store: Path, **settings: Any) -> TestClient:
    made = ServeSettings(store=str(store), requests_per_minute=1_000_000, **settings)
    return TestClient(create_app(made), base_url="http://localhost:8337")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A small store of composed runs and a few imports, and the ids in it. Nothing is written to it."""
    found = importlib.util.spec_from_file_location("pages_small_store", SMALL_STORE)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("pages") / "store"
    return folder, module.fill_store(folder)


@pytest.fixture(scope="session")
def measured(small: tuple[Path, Any]) -> TestClient:
    return client_of(small[0])


@pytest.fixture(scope="session")
def facts(small: tuple[Path, Any]) -> Any:
    return small[1]


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    return client_of(tmp_path_factory.mktemp("empty") / "store")


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    folder = tmp_path_factory.mktemp("imported") / "store"
    store = Store.open(folder)
    for name in IMPORTED:
        import_paths(store, [SEEDS / name])
    return client_of(folder)
