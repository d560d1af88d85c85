"""A real server on loopback over a small store, and a real Chromium that watches what a page does.

Chromium is the system's (``tools/install_browsers.py`` installs it): Playwright downloads none. Where it is missing
the tests are skipped and say so; in CI that is a failure. Everything is made once a module, since Playwright's loop
must not be running when tests of another file want one of their own.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest

HERE = Path(__file__).parent
AXE = HERE / "vendor" / "axe.min.js"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
PAGES = (
    "overview", "runs", "run", "results", "result", "compare", "trends", "series", "devices", "workloads", "matrix",
    "decide", "kpi", "store", "method", "search", "live", "matrix-predicted", "decide-predicted",
)  # fmt: skip
IN_CI = os.environ.get("CI") == "true"


def give_up(reason: str) -> None:
    """Skip with a reason; in CI everything must be there."""
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for ``page_name`` is about every page."""
    if "page_name" in metafunc.fixturenames:
        metafunc.parametrize("page_name", PAGES)


def _load(name: str, folder: Path = HERE) -> ModuleType:
    found = importlib.util.spec_from_file_location(f"browser_{name}", folder / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module  # dataclasses look their module up
    found.loader.exec_module(module)
    return module


# -- the server ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Site:
    """A server: its address, and what its store holds (None: nothing)."""

    origin: str
    facts: Any = None

    def paths(self) -> dict[str, str]:
        """Every page by name."""
        facts = self.facts
        return {
            "overview": "/",
            "runs": "/runs",
            "run": f"/runs/{facts.run_id}",
            "results": "/results",
            "result": f"/results/{facts.result_id}",
            "compare": f"/compare?a={facts.other_run_id}&b={facts.run_id}",
            "trends": "/trends",
            "series": f"/series/{facts.series_id}",
            "devices": "/devices",
            "workloads": "/workloads",
            "matrix": "/matrix",
            "decide": "/decide",
            "kpi": "/kpi",
            "store": "/store",
            "method": "/method",
            "search": "/search?q=bert",
            "live": "/live",
            "matrix-predicted": "/matrix?metric=latency_ns&on=l4,h100&model=bert/tiny",
            "decide-predicted": "/decide?workload=bert/tiny&objective=latency&on=l4,h100,p100,cpu",
        }


@contextmanager
def serving(store: Path) -> Iterator[str]:
    """Serve a store on a port of the system's choice, in a thread of this process."""
    import uvicorn

    from assay.web.app import create_app
    from assay.web.settings import ServeSettings

    app = create_app(ServeSettings(store=str(store), requests_per_minute=1_000_000))
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="browser-tests-server", daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        thread.join(0.02)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="session")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The store, and what is in it. Each process of the tests makes its own: it takes a second or two."""
    folder = tmp_path_factory.mktemp("pages") / "store"
    return folder, _load("small_store").fill_store(folder)


@pytest.fixture(scope="module")
def site(small_store: tuple[Path, Any], browser_path: str) -> Iterator[Site]:  # noqa: ARG001  (no browser: no server)
    """The server over the small store."""
    folder, facts = small_store
    with serving(folder) as origin:
        yield Site(origin, facts)


@pytest.fixture(scope="module")
def empty_site(tmp_path_factory: pytest.TempPathFactory, browser_path: str) -> Iterator[Site]:  # noqa: ARG001
    """A server over a store that was just made."""
    with serving(tmp_path_factory.mktemp("empty") / "store") as origin:
        yield Site(origin)


@pytest.fixture(scope="module")
def browsers_site(tmp_path_factory: pytest.TempPathFactory, browser_path: str) -> Iterator[Site]:  # noqa: ARG001
    """A server over a store with results of browsers, and of native engines beside them."""
    from assay.store import Store

    folder = tmp_path_factory.mktemp("browsers") / "store"
    _load("web_runs", HERE.parents[1] / "analysis").fill(Store.open(folder))
    with serving(folder) as origin:
        yield Site(origin)


# -- the browser -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def browser_path() -> str:
    """The Chromium or Chrome of this machine."""
    pytest.importorskip("playwright", reason="the browser tests need Playwright: pip install --group dev")
    named = os.environ.get("ASSAY_TEST_BROWSER")
    found = next((path for path in map(shutil.which, [named] if named else NAMES) if path), None)
    if found is None:
        give_up(f"no browser: {named or ', '.join(NAMES)} not found; run tools/install_browsers.py")
    return str(found)


@pytest.fixture(scope="module")
def browser(browser_path: str) -> Iterator[Any]:
    """One Chromium a module."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser_path, args=["--disable-dev-shm-usage"])
        yield opened
        opened.close()


@dataclass  # without slots: Playwright notes on the object which methods it calls
class Watch:
    """What went wrong in a page: errors of its console, requests that failed, requests to anybody else."""

    origin: str
    problems: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)
    is_over: bool = False

    def note(self, what: str) -> None:
        if not self.is_over:
            self.problems.append(what)

    def attach(self, context: Any) -> None:
        """Watch every page of a context. A request that leaves the server's origin is stopped and noted."""
        context.on("console", self._said)
        context.on("weberror", lambda error: self.note(f"uncaught: {error.error}"))
        context.on("response", self._answered)
        context.on("requestfailed", self._failed)
        context.route("**/*", self._route)

    def _said(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.note(f"console {message.type}: {message.text} ({message.location.get('url', '')})")

    def _answered(self, response: Any) -> None:
        if response.status >= 400:
            self.note(f"{response.status} for {response.url}")

    def _failed(self, request: Any) -> None:
        # The browser drops what a page no longer waits for when it goes elsewhere: that is no failure of a server.
        if "ERR_ABORTED" not in (request.failure or ""):
            self.note(f"failed: {request.url}: {request.failure}")

    def _route(self, route: Any) -> None:
        url = route.request.url
        self.requested.append(url)
        parts = urlsplit(url)
        inside = f"{parts.scheme}://{parts.netloc}" == self.origin or parts.scheme in {"data", "blob", "about"}
        if inside or (self.origin == "file://" and parts.scheme == "file"):
            route.continue_()
        else:
            self.note(f"outside request: {url}")
            route.abort()


OpenPage = Callable[..., Any]


@pytest.fixture
def open_page(browser: Any, request: pytest.FixtureRequest) -> Iterator[OpenPage]:
    """Open pages; the test fails at its end for anything that went wrong in one of them.

    ``open_page(url, width="phone", scheme="dark", javascript=False, scripts=[...])`` gives Playwright's page.
    """
    opened: list[tuple[Any, Watch]] = []

    def make(
        url: str, *, width: str = "desktop", scheme: str = "light", javascript: bool = True,
        scripts: tuple[Path, ...] = (), offline: bool = False,
    ) -> Any:  # fmt: skip
        parts = urlsplit(url)
        context = browser.new_context(
            viewport=PHONE if width == "phone" else DESKTOP,
            color_scheme=scheme,
            java_script_enabled=javascript,
            reduced_motion="reduce",
            offline=offline,
        )
        context.set_default_timeout(15_000)
        watch = Watch("file://" if parts.scheme == "file" else f"{parts.scheme}://{parts.netloc}")
        watch.attach(context)
        for script in scripts:
            context.add_init_script(path=script)
        opened.append((context, watch))
        page = context.new_page()
        page.watch = watch
        page.goto(url, wait_until="load")
        return page

    yield make
    problems = []
    for context, watch in opened:
        watch.is_over = True
        problems += watch.problems
        context.close()
    assert not problems, f"{request.node.name}: " + "\n".join(dict.fromkeys(problems))


@pytest.fixture(scope="session")
def axe() -> Path:
    """The accessibility engine, as npm brought it for the tests."""
    if not AXE.is_file():
        give_up(f"{AXE.name} is not here; run: python -m assay.web.assets --tests {AXE.parent}")
    return AXE


@pytest.fixture(scope="session")
def violations() -> Callable[..., list[str]]:
    """Run axe in a page, and name each serious or critical violation with the elements that have it."""

    def find(page: Any, *, rules: tuple[str, ...] = ()) -> list[str]:
        options: dict[str, Any] = {"resultTypes": ["violations"], "iframes": False}
        if rules:
            options["runOnly"] = {"type": "rule", "values": list(rules)}
        found = page.evaluate("options => axe.run(document, options)", options)
        return [
            f"{one['impact']} {one['id']}: {one['help']}: "
            + "; ".join(f"{node['target'][0]} {node['html'][:160]}" for node in one["nodes"][:3])
            + (f" and {len(one['nodes']) - 3} more" if len(one["nodes"]) > 3 else "")
            for one in found["violations"]
            if one["impact"] in {"serious", "critical"}
        ]

    return find
