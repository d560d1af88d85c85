"""Names and words of strangers: shown as text, found again by their links, and harmless in every filter."""

from __future__ import annotations

import importlib.util
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from assay.core.case import Case
from assay.core.ids import content_hash, new_id
from assay.core.records import EnvironmentRecord, MetricValue, ResultRecord, RunBundle, RunRecord
from assay.core.words import RunStatus, Status, Verdict
from assay.store import Store
from assay.web.app import create_app
from assay.web.settings import ServeSettings

_SPEC = importlib.util.spec_from_file_location("page_parser_hostile", Path(__file__).with_name("page_parser.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
page_parser = importlib.util.module_from_spec(_SPEC)
sys.modules["page_parser_hostile"] = page_parser
_SPEC.loader.exec_module(page_parser)

NAMES = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "'; DROP TABLE results; --",
    "../../etc/passwd",
    '" onmouseover="alert(3)',
    "%2e%2e/%00?a=b&c=d#e",
    "=HYPERLINK(1)",
    "שלום \u202e txt.exe",
    "line\none\ttab",
    "{{ 1337 * 1337 }} {% raw %}",
    "javascript:alert(4)",
    "x" * 10_000,
)
AT = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    folder = tmp_path_factory.mktemp("hostile") / "store"
    store = Store.open(folder)
    for place, name in enumerate(NAMES):
        facts: dict[str, Any] = {"cpu": {"model": name}}
        environment = EnvironmentRecord(content_hash(facts), "host", name, facts, AT)
        run = RunRecord(
            new_id(), name, RunStatus.OK, AT, AT, environment.env_id, {}, 1, "0.1", "b", note=name, tags=(name,)
        )
        case = Case.make(workload=f"mine:{name}", engine="torch", device="cpu")
        result = ResultRecord(
            new_id(), run.run_id, content_hash([name]), case, Status.OK,
            measured_at=AT,
            verdict=Verdict.TRUSTED, hardware=name, unit_of_work="sample", launches_planned=1, launches_ok=1,
            metrics=(
                MetricValue("latency_ns", 1e6 * (place + 1), "ns", n=1),
                MetricValue("throughput_per_s", 1e3 / (place + 1), "1/s", n=1),
            ),
        )  # fmt: skip
        store.append(RunBundle(run, environment, (result,), ()))
    return TestClient(
        create_app(ServeSettings(store=str(folder), requests_per_minute=10**6)), base_url="http://localhost:8337"
    )


def look(client: TestClient, path: str) -> Any:
    answer = client.get(path, headers={"accept": "text/html"})
    assert answer.status_code == 200, (path[:100], answer.text[:300])
    page = page_parser.parse(answer.text)
    for one in page.walk():
        assert not any(name.startswith("on") for name in one.attributes), one.attributes
        assert not one.attributes.get("href", "").lower().startswith("javascript"), one.attributes
        if one.tag == "script" and "src" not in one.attributes:
            assert one.attributes["type"] == "application/json"
    assert "alert(" not in "".join(
        child for one in page.find("script") if "src" in one.attributes for child in one.children
    )
    assert "1787569" not in answer.text
    return page


@pytest.mark.parametrize(
    "path", ["/", "/runs", "/results", "/trends", "/devices", "/workloads", "/kpi?group=hardware", "/matrix", "/decide"]
)
def test_hostile_names_are_text_in_every_list(hostile: TestClient, path: str) -> None:
    look(hostile, path)
    assert hostile.get(
        path.replace("?", ".json?") if "?" in path else (path.rstrip("/") or "/overview") + ".json"
    ).json()


def test_every_name_is_found_again_by_its_own_link(hostile: TestClient) -> None:
    for path in ("/devices", "/workloads", "/runs"):
        page = look(hostile, path)
        links = {
            one.attributes["href"]
            for one in page.find("tbody")[0].walk()
            if one.tag == "a" and "href" in one.attributes
        }
        assert len(links) >= len(NAMES) - 1  # a name too long for a cell unfolds there and is no link
        for link in links:
            look(hostile, link)


def test_hostile_words_in_filters_find_their_rows_and_nothing_else(hostile: TestClient) -> None:
    for name in NAMES:
        for path, key in (("/runs", "suite"), ("/runs", "tag"), ("/results", "hardware")):
            answer = hostile.get(path + ".json", params={key: name})
            assert answer.status_code == 200, (key, name[:40], answer.text[:200])
            rows = answer.json()["sections"][0]["blocks"][0]["rows"] if answer.json()["sections"] else []
            assert len(rows) == 1, (key, name[:40])
        for path in ("/runs", "/results", "/trends", "/devices", "/workloads", "/search"):
            assert hostile.get(path, params={"q": name}).status_code == 200


def test_what_is_no_name_of_a_column_or_word_is_refused(hostile: TestClient) -> None:
    for path in (
        "/runs?sort=started%3B",
        "/runs?cols=x%27",
        "/kpi?group=%22",
        "/results?metric=%27%29",
        "/trends?metric=1",
    ):
        assert hostile.get(path).status_code == 400
