"""The client, and a real server on loopback."""

from __future__ import annotations

import http.client
import importlib.util
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the server needs fastapi: pip install 'assay[serve]'")

import uvicorn

from assay.core.errors import NotFoundError, StoreError, UsageError
from assay.store import Store
from assay.web.client import Client, RequestError, UnreachableError
from assay.web.settings import ServeSettings
from assay.web.tokens import hash_token


@dataclass(frozen=True)
class Served:
    url: str
    port: int
    store: Store
    made: Any


@pytest.fixture(scope="module")
def served(
    make_once: Callable[[str, Callable[[Path], None]], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A server of a store of its own, as `assay serve` starts one."""
    spec = importlib.util.spec_from_file_location("client_api_store", Path(__file__).with_name("api_store.py"))
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    filled = make_once("api-store", made.fill) / "store"
    store = Store.open(shutil.copytree(filled, tmp_path_factory.mktemp("client") / "store"))
    app = made.make_app(ServeSettings(store=store.location, token_hashes=(hash_token(made.TOKEN),)))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="critical", access_log=False, server_header=False, timeout_keep_alive=1)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield Served(f"http://127.0.0.1:{port}", port, store, made)
        server.should_exit = True
        thread.join(30)


@pytest.fixture(scope="module")
def client(served: Served) -> Client:
    return Client(served.url, served.made.TOKEN)


def test_runs_and_results_page_by_page(client: Client, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.web.client._PAGE", 4)
    runs = list(client.runs(provenance="any"))
    assert [run["run_id"] for run in runs] == [run.run_id for run in served.store.runs()]
    assert client.run(runs[0]["run_id"][-10:])["run_id"] == runs[0]["run_id"]
    results = list(client.results(workload=["mine:*", "bert/base"], since=datetime(2026, 11, 1, tzinfo=UTC)))
    assert len(results) == 24
    assert {one["provenance"] for one in results} == {"measured"}
    hostile = {one["case"]["workload"] for one in client.results(provenance="imported")}
    assert hostile == set(served.made.HOSTILE)
    whole = client.result(results[0]["result_id"])
    assert whole["numbers"] == results[0]["numbers"]
    quick = next(run for run in runs if run["suite"] == "quick")["run_id"]
    assert len(list(client.results(run=quick))) == 2
    assert len(list(client.launches(quick))) == 4
    assert [len(one["values"]) for one in client.samples(quick)] == [20] * 4


def test_what_it_can_be_asked(client: Client, served: Served) -> None:
    nightly = [run["run_id"] for run in client.runs(suite="nightly")]
    assert client.compare(nightly[2], nightly[1])["counts"]
    assert client.check(nightly[0])["run_id"] == nightly[0]
    assert client.recommend(nightly[0])["run_id"] == nightly[0]
    assert client.rank_hardware("mine:first")["workload"] == "mine:first"
    series = list(client.series())
    assert len(client.trend(next(one["series_id"] for one in series if one["results"] == 10))["points"]) == 10
    assert client.sql("SELECT count(*) AS n FROM runs")["rows"] == [[len(served.store.runs())]]
    assert client.health()["status"] == "ok"


def test_the_example_of_the_docs_runs(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "rest-api.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    assert "http://127.0.0.1:8337" in example
    exec(example.replace("http://127.0.0.1:8337", served.url), {})  # noqa: S102  (our own page)
    assert "bert/base torch cpu fp32 b1 seq128 threads=2 latency_ns median 1000000.0 ns" in capsys.readouterr().out


def test_a_file_is_sent(client: Client, served: Served, tmp_path: Path) -> None:
    file = tmp_path / "tëst results.json"
    file.write_bytes(served.made.google_benchmark(("BM_sent",), time_ns=11.0))
    assert client.import_file(file, dry_run=True)["is_dry_run"]
    taken = client.import_file(file)
    assert (taken["rows_added"], taken["files"][0]["name"]) == (1, "t_st results.json")
    assert taken["files"][0]["import_id"] in [one["import_id"] for one in client.imports()]
    with pytest.raises(UsageError, match="cannot be read"):
        client.import_file(tmp_path / "nothing.json")


def test_errors_are_those_that_they_were(client: Client, served: Served) -> None:
    with pytest.raises(NotFoundError, match="There is no run 'nothing'"):
        client.run("nothing")
    with pytest.raises(UsageError, match=r"is no parameter here.*Did you mean 'workload'"):
        list(client.results(worklod="x"))
    with pytest.raises(UsageError, match="Expected one statement, got 2"):
        client.sql("SELECT 1; SELECT 2")
    with pytest.raises(RequestError, match="The token is not one of this server's") as refused:
        Client(served.url, "assay_wrong").run()
    assert (refused.value.status, refused.value.kind) == (401, "token")
    with pytest.raises(RequestError, match="Writing takes a token"):
        Client(served.url).import_file(__file__)
    with pytest.raises(NotFoundError):
        client.run("../../../etc/passwd")


@pytest.mark.parametrize("url", ["", "ftp://x", "http://", "x", "http://a b", "http://x/?q", "file:///etc/passwd"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(UsageError, match="is no address of a server"):
        Client(url)


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: y", "\xe9"])
def test_tokens_that_are_none_are_not_shown(token: str) -> None:
    with pytest.raises(UsageError, match="not shown"):
        Client("http://127.0.0.1:1", token)


def test_no_answer_is_said_to_be_none(free_port: Callable[[], int]) -> None:
    with pytest.raises(UnreachableError, match=r"gave no answer: .*Is `assay serve` running there"):
        Client(f"http://127.0.0.1:{free_port()}").run()


@pytest.fixture
def odd_server() -> Iterator[tuple[str, list[str], dict[str, Any]]]:
    """A server that answers what a test tells it, and notes what it was asked."""
    asked: list[str] = []
    answer: dict[str, Any] = {"status": 200, "headers": {}, "body": b"{}"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers.get('Authorization')}")
            self.send_response(answer["status"])
            for name, value in answer["headers"].items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer["body"])

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked, answer
        server.shutdown()
        thread.join()


def test_it_waits_as_it_is_told_and_not_for_ever(odd_server: tuple[str, list[str], dict[str, Any]]) -> None:
    url, asked, answer = odd_server
    waited: list[float] = []
    client = Client(url, sleep=waited.append)
    answer |= {"status": 429, "headers": {"Retry-After": "2"}}
    with pytest.raises(RequestError):
        client.run()
    assert (waited, len(asked)) == ([2.0, 2.0, 2.0], 4)
    answer |= {"headers": {"Retry-After": "3600"}}
    with pytest.raises(RequestError):
        client.run()
    assert len(asked) == 5


def test_a_redirect_does_not_take_the_token_along(odd_server: tuple[str, list[str], dict[str, Any]]) -> None:
    url, asked, answer = odd_server
    answer |= {"status": 302, "headers": {"Location": f"{url}/elsewhere"}}
    with pytest.raises(RequestError, match="Found"):
        Client(url, "assay_x").run()
    assert len(asked) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"{", b"\xff"])
def test_what_is_no_answer_of_ours(odd_server: tuple[str, list[str], dict[str, Any]], body: bytes) -> None:
    url, _, answer = odd_server
    answer |= {"body": body}
    with pytest.raises(UnreachableError, match="hardly an assay server"):
        Client(url).run()


def test_a_store_that_fails_is_a_store_error(odd_server: tuple[str, list[str], dict[str, Any]]) -> None:
    url, _, answer = odd_server
    answer |= {"status": 503, "body": b'{"type": "urn:assay:problem:store", "detail": "broken", "hint": "mend it"}'}
    with pytest.raises(StoreError, match="broken mend it"):
        Client(url).run()
    answer |= {"body": b'{"status": "failing", "is_store_readable": false, "reason": "why"}'}
    assert Client(url).health()["reason"] == "why"


def test_a_body_that_is_too_large_is_refused_on_the_wire(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    connection.request(
        "POST", "/api/v1/sql", iter([b"x" * 65536] * 40), {"Content-Type": "application/json"}, encode_chunked=True
    )
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Content-Type")) == (413, "application/problem+json")
    assert answer.getheader("Server") is None
    connection.close()


def test_it_needs_nothing_that_serves() -> None:
    heavy = "('fastapi', 'starlette', 'pydantic', 'duckdb')"
    code = f"import sys, assay.web.client; print([name for name in {heavy} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
