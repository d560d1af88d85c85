from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("fastapi", reason="the server needs fastapi: pip install 'assay[serve]'")


from assay.store import Store

if TYPE_CHECKING:
    from starlette.testclient import TestClient

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def made() -> Any:
    """The module that makes the store and the application of these tests."""
    spec = importlib.util.spec_from_file_location("web_tests_api_store", HERE.parent / "api_store.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def filled(made: Any, make_once: Callable[[str, Callable[[Path], None]], Path]) -> Store:
    """A store that no test writes to."""
    return Store.open(make_once("api-store", made.fill) / "store")


@pytest.fixture(scope="session")
def client(made: Any, filled: Store) -> Iterator[TestClient]:
    """A server on loopback, asked by this machine's user."""
    with made.serve(filled) as found:
        yield found


@pytest.fixture
def own_store(filled: Store, tmp_path: Path) -> Store:
    """A copy of the store, to write to."""
    return Store.open(shutil.copytree(filled.location, tmp_path / "store"))


@pytest.fixture
def own_client(made: Any, own_store: Store) -> Iterator[TestClient]:
    """A server of a store that may be written to."""
    with made.serve(own_store) as found:
        yield found
