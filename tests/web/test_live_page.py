"""The page of running runs and its stream, over a real socket."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from assay.core.records import RunRecord
from assay.core.words import RunStatus
from assay.store import Store
from assay.store.running import PROGRESS
from assay.web.live import watch_of
from assay.web.pages import live
from assay.web.settings import ServeSettings


def header(run_id: str, suite: str = "quick") -> RunRecord:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return RunRecord(run_id, suite, RunStatus.INTERRUPTED, now, now, "env", {}, 3, "0", "hash")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


@pytest.fixture
def app(store: Store) -> FastAPI:
    app = FastAPI()
    app.state.settings = ServeSettings(store=store.location)
    app.state.store = store
    app.state.live = watch_of(store.location)
    app.include_router(live.router)
    return app


@pytest.fixture
def url(app: FastAPI) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=3))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        app.state.live.stop()
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


async def read_events(answer: httpx.Response) -> Any:
    async for line in answer.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def test_nothing_going_on_teaches(url: str) -> None:
    page = httpx.get(f"{url}/live", timeout=60)
    assert page.status_code == 200
    assert "No run is going on" in page.text
    assert "assay run --suite quick" in page.text


def test_a_run_is_on_the_page_and_on_the_stream(url: str, store: Store) -> None:
    async def follow() -> None:
        async with httpx.AsyncClient(timeout=60) as client, client.stream("GET", f"{url}/live/events") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            events = read_events(answer)
            assert (await anext(events))["runs"] == []
            journal = store.journal("0198-run-1")
            journal.record(header("0198-run-1", "<script>alert(1)</script>"))
            progress = {"number": 2, "total": 5, "case": "bert/tiny torch cpu fp32 b1", "case_id": "c"}
            journal.write(PROGRESS, progress | {"began_at": datetime.now(UTC).isoformat()})
            runs: list[Any] = []
            while not (runs and runs[0]["total"]):
                runs = (await anext(events))["runs"]
            assert (runs[0]["number"], runs[0]["total"], runs[0]["is_alive"]) == (2, 5, True)
            page = (await client.get(f"{url}/live")).text
            assert "bert/tiny torch cpu fp32 b1" in page
            assert "1 of 5 launches" in page
            assert "<script>alert" not in page
            twin = (await client.get(f"{url}/live.json")).json()
            assert twin["title"] == "Running now"
            journal.remove()
            ended: list[str] = []
            while not ended:
                ended = (await anext(events))["ended"]
            assert ended == ["0198-run-1"]
            assert "/runs/0198-run-1" in (await client.get(f"{url}/live")).text

    asyncio.run(asyncio.wait_for(follow(), 120))


def test_an_id_of_another_server_or_of_nobody_means_nothing(url: str, app: FastAPI, store: Store) -> None:
    with store.journal("0198-run-2") as journal:
        journal.record(header("0198-run-2"))
        version = app.state.live.look().version

        async def first_line(last: str) -> str:
            async with (
                httpx.AsyncClient(timeout=60) as client,
                client.stream("GET", f"{url}/live/events", headers={"last-event-id": last}) as answer,
            ):
                async for line in answer.aiter_lines():
                    if line.startswith(("data", ":")):
                        return line
            return ""

        assert asyncio.run(first_line(f"another-{version}")).startswith("data")
        assert asyncio.run(first_line("x" * 10_000)).startswith("data")


def test_a_run_whose_process_is_gone_says_how_to_save_it(url: str, store: Store) -> None:
    with store.journal("0198-run-3") as journal:
        journal.record(header("0198-run-3"))
    assert "assay store recover" in httpx.get(f"{url}/live", timeout=60).text
