"""The page on browsers: its twins, its filters, and what it teaches where no browser ran."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from assay.store import Store
from assay.web.app import create_app
from assay.web.settings import ServeSettings

if TYPE_CHECKING:
    from starlette.testclient import TestClient


def _load(path: Path, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


page_parser = _load(Path(__file__).with_name("page_parser.py"), "web_page_parser")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    from starlette.testclient import TestClient

    folder = tmp_path_factory.mktemp("browsers") / "store"
    made = _load(Path(__file__).parents[2] / "analysis" / "web_runs.py", "page_tests_web_runs")
    made.fill(Store.open(folder))
    settings = ServeSettings(store=str(folder), requests_per_minute=1_000_000)
    return TestClient(create_app(settings), base_url="http://localhost:8337")


def test_the_page_holds_the_report_and_leads_to_results(client: TestClient) -> None:
    answer = client.get("/web")
    assert answer.status_code == 200
    page = page_parser.parse(answer.text)
    for words in ("Web against native", "Software adapters", "Phases of a launch", "Audio", "firefox 140"):
        assert words in answer.text
    assert any(one.attributes.get("href", "").startswith("/results/") for one in page.walk() if one.tag == "a")
    current = [one for one in page.walk() if one.attributes.get("aria-current") == "page"]
    assert {one.text for one in current} == {"In browsers"}


def test_its_twins_hold_the_same_numbers(client: TestClient) -> None:
    content = client.get("/web.json").json()
    tables = {
        block["key"]: block
        for section in content["sections"]
        for block in section["blocks"]
        if block["type"] == "table"
    }
    assert len(tables["pairs"]["rows"]) == 7
    assert "chromium 141" in client.get("/web.csv?table=pairs").text
    assert client.get("/web.svg?figure=phases-figure").headers["content-type"].startswith("image/svg")


@pytest.mark.parametrize(
    ("query", "is_there", "is_not"),
    [
        ("browser=firefox", "firefox 140", "sparticuz 147"),
        ("backend=webnn+cpu", "sparticuz 147", "firefox 140"),
        ("family=vit", "vit/tiny", "firefox 140"),
        ("native=onnxruntime&metric=throughput_per_s", "throughput in the browser", "latency in the browser"),
    ],
)
def test_filters_narrow_what_it_shows(client: TestClient, query: str, is_there: str, is_not: str) -> None:
    text = client.get(f"/web.json?{query}").text
    assert is_there in text
    assert is_not not in text
    assert client.get(f"/web?{query}").status_code == 200


def test_words_that_it_does_not_know_are_refused(client: TestClient) -> None:
    assert client.get("/web?native=tensorflow").status_code == 400
    assert client.get("/web?metric=beauty").status_code == 400


def test_where_no_browser_ran_it_says_how(empty: TestClient) -> None:
    text = empty.get("/web").text
    assert "assay run --suite web" in text
    assert "assay doctor --web" in text
