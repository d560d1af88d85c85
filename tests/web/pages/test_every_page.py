"""Every page and its twins, at three stores: well formed, labelled, nothing inline, teaching where it is empty."""

from __future__ import annotations

import csv
import importlib.util
import io
import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from starlette.testclient import TestClient

_SPEC = importlib.util.spec_from_file_location("page_parser", Path(__file__).with_name("page_parser.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
page_parser = importlib.util.module_from_spec(_SPEC)
sys.modules["page_parser"] = page_parser
_SPEC.loader.exec_module(page_parser)

LISTS = ("/", "/runs", "/results", "/trends", "/devices", "/workloads", "/store", "/search?q=bert")
OTHERS = (
    "/compare",
    "/matrix",
    "/decide",
    "/kpi",
    "/kpi?view=together",
    "/web",
    "/web?provenance=any",
    "/method",
    "/search",
    "/live",
    "/store?check=1",
)
STORES = ("empty", "measured", "imported")


def paths_of(facts: Any) -> tuple[str, ...]:
    return (
        f"/runs/{facts.run_id}",
        f"/results/{facts.result_id}",
        f"/series/{facts.series_id}",
        f"/compare?a={facts.other_run_id}&b={facts.run_id}",
        f"/compare?a={facts.run_id}&by=engine",
        f"/workloads?name={facts.workload}",
        "/devices?name=Test+GPU+80GiB",
        "/devices?name=nvidia-h100-sxm5-80gb",
        "/devices?all=1",
        "/store?check=1",
        "/results?provenance=any",
        "/kpi?provenance=any&x=peak_fp16&y=throughput_per_s&group=hardware&scale=none",
    )


def check_page(text: str) -> Any:
    page = page_parser.parse(text)
    assert len(page.find("h1")) == 1
    assert len(page.find("main")) == 1
    assert page.find("html", lang="en")
    assert page.find("title")[0].text
    ids = [one.attributes["id"] for one in page.walk() if "id" in one.attributes]
    assert len(ids) == len(set(ids)), sorted(one for one in set(ids) if ids.count(one) > 1)
    levels = [int(one.tag[1]) for one in page.walk() if one.tag in {"h1", "h2", "h3", "h4"}]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), levels
    for one in page.walk():
        assert "style" not in one.attributes
        assert not any(name.startswith("on") for name in one.attributes)
        assert one.tag != "style"
        if one.tag == "script":
            assert one.attributes.get("src", "").startswith("/static/") or one.attributes["type"] == "application/json"
        if one.tag in {"input", "select"} and one.attributes.get("type") != "hidden":
            named = page.find("label", for_=one.attributes.get("id", "?"))
            assert named or one.inside("label"), one.attributes
        if one.tag == "a":
            assert one.text or "aria-label" in one.attributes, one.attributes
        if one.tag == "img":
            assert one.attributes.get("alt")
        for name in ("href", "src", "action", "srcset"):
            assert one.attributes.get(name, "/").startswith(("/", "#")), one.attributes[name]
    return page


def check(client: TestClient, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text[:400]
    page = check_page(answer.text)
    twins = {one.text: one.attributes["href"] for one in page.walk() if one.tag == "a" and one.attributes.get("type")}
    data = client.get(twins["JSON"])
    assert data.status_code == 200, data.text[:300]
    assert data.json()["schema_version"] == 1
    if "CSV" in twins:
        table = client.get(twins["CSV"])
        assert table.status_code == 200, table.text[:300]
        assert list(csv.reader(io.StringIO(table.text)))
    return page


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("path", [*LISTS, *OTHERS])
def test_a_page_is_well_formed_and_its_twins_are_there(store: str, path: str, request: pytest.FixtureRequest) -> None:
    check(request.getfixturevalue(store), path)


def test_pages_of_single_things_are_too(measured: TestClient, facts: Any) -> None:
    for path in paths_of(facts):
        check(measured, path)


@pytest.mark.parametrize(
    "path", ["/", "/runs", "/results", "/trends", "/devices", "/workloads", "/decide", "/compare", "/live"]
)
def test_an_empty_store_is_told_what_to_do_next(empty: TestClient, path: str) -> None:
    page = page_parser.parse(empty.get(path).text)
    taught = [one for one in page.walk() if one.has_class("app-teach")]
    assert taught
    assert path == "/devices" or any("assay " in one.text for one in taught)


def test_pages_lead_only_to_pages_that_are_there(measured: TestClient, facts: Any) -> None:
    """Every address of every page answers, each kind of it once."""
    waiting = ["/", "/runs", "/results?provenance=any", "/trends", "/devices", "/workloads", "/store", *paths_of(facts)]
    kinds: set[tuple[str, ...]] = set()
    while waiting:
        path = waiting.pop()
        answer = measured.get(path)
        assert answer.status_code == 200, (path, answer.text[:200])
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        for one in page_parser.parse(answer.text).walk():
            for name in ("href", "src"):
                found = one.attributes.get(name, "").partition("#")[0]
                place, _, query = found.partition("?")
                kind = (
                    *("id" if len(part) > 15 else part for part in place.split("/")),
                    *sorted(pair.partition("=")[0] for pair in query.split("&")),
                )
                if place.endswith((".json", ".csv", ".svg")):
                    kind = (place.rpartition(".")[2], place.split("/")[1].partition(".")[0])
                if found and kind not in kinds:
                    kinds.add(kind)
                    waiting.append(found)
    assert len(kinds) > 40


def test_what_is_not_there_is_a_page_that_says_so(measured: TestClient) -> None:
    for path, status in (
        ("/runs/nothing", 404),
        ("/results/nothing", 404),
        ("/series/nothing", 404),
        ("/devices?name=nothing", 404),
        ("/workloads?name=nothing", 404),
        ("/imports?id=nothing", 404),
        ("/nothing", 404),
        ("/runs?status=odd", 400),
        ("/runs?sort=odd", 400),
        ("/runs?page=0", 400),
        ("/results?batch=x", 400),
        ("/trends?metric=odd", 400),
        ("/runs?since=yesterday", 400),
        ("/matrix?metric=odd", 400),
        ("/kpi?x=odd", 400),
        ("/decide?max_latency_ms=-1", 400),
        ("/compare/choose?run=a", 400),
    ):
        answer = measured.get(path, headers={"accept": "text/html"})
        assert answer.status_code == status, path
        check_page(answer.text)
    problem = measured.get("/runs/nothing.json")
    assert problem.status_code == 404
    assert problem.headers["content-type"] == "application/problem+json"
