"""A store with some of everything, for tests of the API: measured runs with a history, raw readings, an imported file.

Loaded by path from several test modules, since tests are no package.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse
from starlette.testclient import TestClient

from assay.importers.pipeline import import_paths
from assay.store import Store
from assay.store.annotations import annotate
from assay.web.app import API
from assay.web.security import add_security
from assay.web.settings import ServeSettings
from assay.web.tokens import hash_token

TESTS = Path(__file__).parents[1]
TOKEN = "assay_for-tests"  # noqa: S105  (of no server but these tests' own)
BEARER = {"Authorization": f"Bearer {TOKEN}"}
HOST = "http://127.0.0.1:8337"
HOSTILE = (
    "<script>alert(1)</script>",
    "'; DROP TABLE results; --",
    "../../../../etc/passwd",
    "\u202egnp.exe\u202c \u05e9\u05dc\u05d5\u05dd",
    "a\x00b\x07\x1b[31m\u2028c",
    '=HYPERLINK("http://example.org","x")',
    "back\\slash \"quotes\" 'single' %00 %2e%2e {{ 7*7 }} ${x}",
    "x" * 10_240,
    "\U0001f600 *?[a-z]",
)
"""Names that a source may give its benchmarks."""


def load(relative: str) -> Any:
    """Load a module of other tests."""
    path = TESTS / relative
    spec = importlib.util.spec_from_file_location(f"web_tests_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def google_benchmark(names: tuple[str, ...], *, time_ns: float = 1000.0) -> bytes:
    """The file that google/benchmark writes, with a benchmark of each name."""
    return json.dumps(
        {
            "context": {
                "date": "2026-11-01T10:00:00+00:00", "host_name": "build", "executable": "./bench", "num_cpus": 2,
                "mhz_per_cpu": 2000, "cpu_scaling_enabled": False, "caches": [], "library_build_type": "release",
            },
            "benchmarks": [
                {
                    "name": name, "run_name": name, "run_type": "iteration", "repetitions": 1,
                    "repetition_index": 0, "threads": 1, "iterations": 1000 + place, "real_time": time_ns + place,
                    "cpu_time": time_ns + place, "time_unit": "ns", "family_index": place,
                    "per_family_instance_index": 0,
                }
                for place, name in enumerate(names)
            ],
        }
    ).encode()  # fmt: skip


def fill(folder: Path) -> Store:
    """Make the store: ten runs of two cases, two runs with raw readings, one imported file with hostile names."""
    store = Store.open(folder / "store")
    composed = load("analysis/composed_runs.py")
    composer = composed.Composer(store)
    composer.add_history(["first", "second"])
    composer.add({"first": 13.0, "second": 10.0}, tags=("release",), note="slower on purpose")
    composer.add({"first": 13.0, "second": 10.0})
    composer.flush()
    bundles = load("store/bundles.py")
    for hours in (2, 3):
        store.append(bundles.make_bundle(started_at=bundles.STARTED_AT + timedelta(hours=hours)))
    file = folder / "bench.json"
    file.write_bytes(google_benchmark(HOSTILE))
    import_paths(store, [file])
    run = store.runs(suite="nightly", limit=1)[0]
    annotate(
        store.location, kind="note", subject_kind="run", subject_id=run.run_id, text="looked at", author="somebody"
    )
    return store


def serve(store: Store | Path | str, **settings: Any) -> TestClient:
    """Return a client of an application with the API, and pages that tests need; it has the token ``TOKEN``."""
    location = store.location if isinstance(store, Store) else str(store)
    chosen = {"token_hashes": (hash_token(TOKEN),), "requests_per_minute": 0, **settings}
    app = make_app(ServeSettings(store=location, **chosen))
    return TestClient(app, base_url=HOST, raise_server_exceptions=False, follow_redirects=False)


def make_app(settings: ServeSettings) -> FastAPI:
    """Return the API without the dashboard's pages, and four pages of a test's own."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json")
    app.state.settings = settings
    app.state.store = Store.open(settings.store)
    add_security(app, settings)
    for name in API:
        app.include_router(import_module(f"assay.web.api.{name}").router)

    @app.get("/page")
    def page() -> Response:
        return HTMLResponse("<p>" + "a page " * 1000)

    @app.get("/broken")
    def broken() -> Response:
        raise RuntimeError("a secret: /home/somebody")

    @app.get("/stream")
    async def stream() -> Response:
        async def pieces() -> AsyncIterator[str]:
            for place in range(3):
                yield f"data: {place}\n\n"

        return StreamingResponse(pieces(), media_type="text/event-stream")

    @app.post("/echo")
    async def echo(request: Request) -> Response:
        return Response(str(len(await request.body())))

    return app
