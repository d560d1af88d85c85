"""Pages with predictions: told apart from what was measured, left out where that is asked, never waited for.

The predictors that ship answer, over a store whose few measured numbers are composed.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from assay.store import Store
from assay.web.app import create_app
from assay.web.counting import GraphCounts, Wanted, count_graph
from assay.web.settings import ServeSettings
from assay.workloads.base import find_workload

pytest.importorskip("torch", reason="graphs of families are counted with torch: pip install 'assay[torch]'")

L4, T4 = "NVIDIA L4", "NVIDIA Tesla T4"
MODEL = "bert/tiny"
TESTS = Path(__file__).parents[2]


def _load(relative: str) -> Any:
    path = TESTS / relative
    spec = importlib.util.spec_from_file_location(f"prediction_pages_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    results = _load("analysis/ranked_results.py").Results(Store.open(tmp_path_factory.mktemp("foretold") / "store"))
    shape = dict(find_workload(MODEL).resolve_shape({}))
    results.measured(MODEL, hardware=L4, shape=shape, latency_ns=(1e6, 0.9e6, 1.1e6), throughput_per_s=1000.0)
    results.measured("resnet/tiny", hardware=T4, latency_ns=3e6, throughput_per_s=333.0)
    results.measured(MODEL, hardware="A machine of mine", shape=shape, latency_ns=7e6, throughput_per_s=140.0)
    kept: Store = results.keep()
    return kept


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> GraphCounts:
    """Graphs that nobody counted yet, for which pages wait as long as it takes."""
    made = GraphCounts()
    for module in ("pages.matrix", "pages.decide", "foretold"):
        monkeypatch.setattr(f"assay.web.{module}.graph_counts", made)
    for name in ("pages.matrix._WAIT_S", "pages.decide._WAIT_S"):
        monkeypatch.setattr(f"assay.web.{name}", 60.0)
    return made


@pytest.fixture
def client(store: Store, counts: GraphCounts) -> Iterator[TestClient]:
    assert counts.version == 0
    with client_of(store) as found:
        yield found


def client_of(store: Store, **settings: Any) -> TestClient:
    made = ServeSettings(store=store.location, requests_per_minute=1_000_000, **settings)
    return TestClient(create_app(made), base_url="http://localhost:8337")


def table(client: TestClient, path: str, key: str) -> list[list[dict[str, Any]]]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    blocks = [block for section in answer.json()["sections"] for block in section["blocks"]]
    found: list[list[dict[str, Any]]] = next(block["rows"] for block in blocks if block.get("key") == key)
    return found


def column(client: TestClient, path: str, key: str, name: str) -> list[dict[str, Any]]:
    blocks = [block for section in client.get(path).json()["sections"] for block in section["blocks"]]
    block = next(block for block in blocks if block.get("key") == key)
    place = [one["key"] for one in block["columns"]].index(name)
    return [row[place] for row in block["rows"]]


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


# -- the matrix ------------------------------------------------------------------------------------------------


def test_gaps_of_the_matrix_are_predicted_and_told_apart(client: TestClient) -> None:
    path = "/matrix?metric=latency_ns&model=t5/tiny"
    page = client.get(path).text
    said = words(page)
    assert re.search(r"of 9 cells 3 measured, [234] predicted", said)
    assert "hatched in the picture" in said
    assert "computed by a model, measured by nobody" in said
    assert "r-predicted" in page
    rows = table(client, "/matrix.json?metric=latency_ns&model=t5/tiny", "matrix-table")
    cells = {(row[0]["value"], place): cell for row in rows for place, cell in enumerate(row)}
    measured = [one for one in cells.values() if one.get("provenance") == "measured"]
    predicted = [one for one in cells.values() if one.get("provenance") == "predicted"]
    assert sorted(one["value"] for one in measured) == [1e6, 3e6, 7e6]
    assert predicted
    assert all("torch" in one["reason"] and " by " in one["reason"] for one in predicted)
    assert all(one["lo"] < one["value"] < one["hi"] for one in predicted if one.get("lo") is not None)
    gaps = [one["reason"] for one in cells.values() if one.get("value") is None]
    assert any("no sheet" in one for one in gaps)


@pytest.mark.parametrize("word", ["stored", "measured"])
def test_the_matrix_can_be_had_without_predictions(client: TestClient, counts: GraphCounts, word: str) -> None:
    page = client.get(f"/matrix?metric=latency_ns&provenance={word}").text
    assert "r-predicted" not in page
    assert "predicted," not in words(page).partition("empty.")[0].partition("cells")[2]
    assert "With predictions" in page
    assert counts.version == 0
    assert "Without predictions" in client.get("/matrix?metric=latency_ns").text


def test_devices_and_models_can_be_added(client: TestClient) -> None:
    path = "/matrix.json?metric=latency_ns&on=h100,+a10&model=t5/tiny"
    blocks = [block for section in client.get(path).json()["sections"] for block in section["blocks"]]
    found = next(block for block in blocks if block.get("key") == "matrix-table")
    titles = [one["title"] for one in found["columns"]]
    assert {L4, T4, "NVIDIA H100 SXM5 80GB", "NVIDIA A10"} <= set(titles)
    (row,) = [row for row in found["rows"] if row[0]["value"] == "t5/tiny"]
    assert row[titles.index("NVIDIA A10")]["provenance"] == "predicted"


@pytest.mark.parametrize(
    "query", ["on=h1000", "model=os:system", "model=nosuch/model", "provenance=odd", "on=" + ",".join("abcdefghijklm")]
)
def test_what_the_matrix_cannot_add_is_refused(client: TestClient, query: str) -> None:
    assert client.get(f"/matrix?{query}").status_code == 400


def test_a_matrix_shows_at_once_what_is_there(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, counts: GraphCounts
) -> None:
    go = threading.Event()

    def count(one: Wanted) -> Any:
        go.wait(60)
        return count_graph(one)

    monkeypatch.setattr(counts, "_count", count)
    monkeypatch.setattr("assay.web.pages.matrix._WAIT_S", 0.0)
    first = words(client.get("/matrix?metric=latency_ns&on=h100").text)
    assert "Not predicted yet, as their models are being counted" in first
    assert "3 measured" in first
    go.set()
    monkeypatch.setattr("assay.web.pages.matrix._WAIT_S", 60.0)
    counts.find([("t5/tiny", ())], wait_s=60)  # the thread counts one after the other: those before it are done
    assert "being counted:" not in words(client.get("/matrix?metric=latency_ns&on=h100").text)


def test_an_unchanged_matrix_is_made_once(client: TestClient, counts: GraphCounts) -> None:
    path = "/matrix?metric=latency_ns"
    client.get(path)
    tag = client.get(path).headers["etag"]
    assert client.get(path, headers={"if-none-match": tag}).status_code == 304
    counts.find([("t5/tiny", ())], wait_s=60)
    assert client.get(path, headers={"if-none-match": tag}).status_code == 200


def test_an_empty_store_can_be_asked_for_predictions(tmp_path: Path, counts: GraphCounts) -> None:
    assert counts.version == 0
    with client_of(Store.open(tmp_path / "store")) as client:
        rows = table(client, f"/matrix.json?metric=latency_ns&on=l4&model={MODEL}", "matrix-table")
        assert rows[0][1]["provenance"] == "predicted"
        assert client.get("/matrix").status_code == 200
        assert "t5/tiny: measured and predicted together" in words(client.get("/decide?workload=t5/tiny").text)


# -- which hardware --------------------------------------------------------------------------------------------


def test_measured_and_predicted_options_stand_in_one_order_each_marked(client: TestClient) -> None:
    path = f"/decide.json?workload={MODEL}&objective=latency&precision=fp16&on=l4,h100,p100"
    rows = table(client, path, "foretold-ranking")
    by_device = {row[1]["value"]: row for row in rows}
    assert set(by_device) == {L4, "NVIDIA H100 SXM5 80GB", "NVIDIA Tesla P100 SXM2 16GB"}
    assert by_device[L4][2]["value"] == "measured"
    assert (by_device[L4][4]["value"], by_device[L4][4]["provenance"]) == (1e6, "measured")
    other = by_device["NVIDIA H100 SXM5 80GB"]
    assert other[2]["value"].startswith("predicted by ")
    assert other[4]["provenance"] == "predicted"
    assert other[4]["lo"] < other[4]["value"] < other[4]["hi"]
    best = [one["value"] for one in column(client, path, "foretold-ranking", "best")]
    assert sum(best) == pytest.approx(1.0)
    page = client.get(path.replace(".json", "")).text
    assert f"{MODEL}: measured and predicted together" in words(page)
    assert "What to measure next" in page


def test_limits_prices_and_loads_show_who_lost_and_why(client: TestClient) -> None:
    path = (
        f"/decide.json?workload={MODEL}&objective=cost&precision=fp16&on=l4,h100,p100&price=l4%3D0.71,h100%3D4.1"
        "&max_latency_ms=20&min_throughput=5000"
    )
    meets = column(client, path, "foretold-ranking", "meets")
    assert all(0.5 <= one["value"] <= 1 for one in meets)
    assert all(one["value"] >= 1 for one in column(client, path, "foretold-ranking", "replicas"))
    assert all(one["unit"] == "USD" for one in column(client, path, "foretold-ranking", "cost"))
    why = [one["value"] for one in column(client, path, "foretold-lost-table", "why")]
    assert why == ["no price of an hour of it is stored or given"]


def test_several_devices_and_machines_are_rows_of_their_own(client: TestClient) -> None:
    path = f"/decide.json?workload={MODEL}&objective=throughput&precision=fp16&on=l4,g6.12xlarge&devices=1,2&cloud=1"
    rows = {row[1]["value"]: row for row in table(client, path, "foretold-ranking")}
    assert set(rows) == {L4, f"2 × {L4}", f"4 × {L4} (AWS g6.12xlarge)"}
    assert rows[f"2 × {L4}"][3]["value"].endswith(", replicas")
    assert rows[f"2 × {L4}"][5]["value"] == pytest.approx(2 * rows[L4][5]["value"])
    form = client.get(path.replace(".json", "")).text
    assert re.search(r'name="devices"[^>]*value="1, 2"', form)
    assert re.search(r'name="cloud"[^>]*checked', form)


def test_an_abstention_says_why_and_what_to_measure(client: TestClient) -> None:
    path = f"/decide.json?workload={MODEL}&precision=bf16&on=p100,l4&objective=latency"
    (row,) = table(client, path, "foretold-abstained")
    assert "no bf16 arithmetic" in row[2]["value"]
    assert row[3]["reason"] == "it cannot be measured there"


@pytest.mark.parametrize(
    "query", ["on=h1000", "batch=x", "batch=0", "devices=0", "devices=4096", "cloud=yes", "min_throughput=1e12",
              "precision=odd", "budget=-1",
              "on=" + ",".join(["l4", "h100", "t4"] * 40) + "&batch=" + ",".join(map(str, range(1, 40)))]
)  # fmt: skip
def test_what_cannot_be_decided_is_refused(client: TestClient, query: str) -> None:
    answer = client.get(f"/decide?workload={MODEL}&{query}", headers={"accept": "text/html"})
    assert answer.status_code == 400


def test_a_workload_of_others_is_ranked_and_not_predicted(client: TestClient, counts: GraphCounts) -> None:
    page = words(client.get("/decide?workload=os:system").text)
    assert "Where a model of an installed family is chosen" in page
    assert counts.version == 0


def test_nothing_is_counted_before_a_model_was_chosen(client: TestClient, counts: GraphCounts) -> None:
    page = client.get("/decide").text
    assert "chosen above, they stand here beside the measured ones" in words(page)
    assert counts.version == 0
    link = re.search(r'href="([^"]+)">With predictions</a>', page)
    assert link is not None
    assert "measured and predicted together" in client.get(link[1].replace("&amp;", "&")).text


def test_a_model_that_is_being_counted_is_said(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.web.pages.decide._WAIT_S", 0.0)
    assert "is being counted: load this page again" in words(client.get("/decide?workload=vit/tiny").text)


def test_files_for_others_hold_what_is_stored_alone(store: Store, counts: GraphCounts) -> None:
    with client_of(store, is_static=True) as client:
        assert "r-predicted" not in client.get("/matrix?metric=latency_ns&on=h100").text
        assert "measured and predicted together" not in client.get(f"/decide?workload={MODEL}").text
    assert counts.version == 0
