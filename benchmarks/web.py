"""Shows what the dashboard costs at a million results, beside the same page in Streamlit and in Dash.

One store of **synthetic results: no machine measured any of them** (suite and hardware are called SYNTHETIC). One real
Chromium loads each page several times, with an empty cache and with a filled one, and says when the first chart was
drawn, how much came over the wire, and how long a change of the filter takes until everything new is shown. Rivals
have a virtual environment of their own, which is made here with pip where it is missing; they read the same store
through assay's own door, and run the same two queries for a page (``web_data.py``). Rerun where nothing
else runs:

    python benchmarks/web.py --rivals build/rivals
    python benchmarks/web.py --rows 100000 --loads 3 --only assay
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import site
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from assay.store import Store
from assay.store.append import Attempt, append_environment
from assay.store.housekeeping import tidy_after_append
from assay.store.schema import RESULTS, RUNS
from synthetic import RESULTS_PER_SERIES, environment, pieces
from web_data import ALL, ENGINES, newest

HERE = Path(__file__).parent
RIVAL_PACKAGES = ("streamlit", "dash", "pandas")
ROWS_PER_RUN = 10_000
LIMIT_MS = 60_000
WATCH = HERE / "web_watch.js"


@dataclass(frozen=True, slots=True)
class Page:
    """One page to load, and how its filter is set."""

    name: str
    url: str
    set_filter: Callable[[Any, str], None]


@dataclass
class Traffic:
    """What came over the wire: bytes as transferred, and unpacked."""

    transferred: int = 0
    unpacked: int = 0
    requests: int = 0

    def listen(self, session: Any) -> None:
        """Count what a page receives, websockets too."""
        session.send("Network.enable")
        session.on("Network.loadingFinished", self._finished)
        session.on("Network.dataReceived", self._received)
        session.on("Network.webSocketFrameReceived", self._frame)

    def _finished(self, event: dict[str, Any]) -> None:
        self.transferred += event["encodedDataLength"]
        self.requests += 1

    def _received(self, event: dict[str, Any]) -> None:
        self.unpacked += event["dataLength"]

    def _frame(self, event: dict[str, Any]) -> None:
        frame = event["response"]
        size = len(frame["payloadData"]) * (3 if frame["opcode"] == 2 else 4) // 4  # binary frames come as base64
        self.transferred += size
        self.unpacked += size


@dataclass(slots=True)
class Times:
    """What was measured of one page."""

    chart_ms: list[float] = field(default_factory=list)
    plot_ms: list[float] = field(default_factory=list)
    again_ms: list[float] = field(default_factory=list)
    change_ms: list[float] = field(default_factory=list)
    transferred: list[float] = field(default_factory=list)
    unpacked: list[float] = field(default_factory=list)
    requests: list[float] = field(default_factory=list)
    first_visit_ms: float | None = None


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument(
        "--loads", type=int, default=7, help="loads of each page, with an empty and with a filled cache"
    )
    parser.add_argument("--only", action="append", choices=["assay", "streamlit", "dash"])
    parser.add_argument("--rivals", type=Path, default=Path("build/rivals"), help="virtual environment of the rivals")
    parser.add_argument("--work", type=Path, help="folder for the store; one that is there from before is used again")
    parser.add_argument("--browser", default=os.environ.get("ASSAY_TEST_BROWSER", "chromium"))
    chosen = parser.parse_args()
    wanted = chosen.only or ["assay", "streamlit", "dash"]
    with ExitStack() as stack:
        work = chosen.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        location = str(work / "store")
        fill(location, chosen.rows)
        python = rival_python(chosen.rivals) if set(wanted) - {"assay"} else sys.executable
        print(f"SYNTHETIC: {chosen.rows:,} results of {chosen.rows // RESULTS_PER_SERIES:,} series")
        load = f"load {os.getloadavg()[0]:.1f} before it began"
        print(f"{os.cpu_count()} processors, {load}; medians of {chosen.loads} loads")
        browser = stack.enter_context(chromium(chosen.browser))
        measured = {}
        for name in wanted:
            with serving(name, location, python) as page:
                measured[page.name] = measure(browser, page, choices(location), chosen.loads)
        print_comparison(measured)
        if "assay" in wanted:
            print_pages(location)
        print(f"load {os.getloadavg()[0]:.1f} at the end")


# -- the store -------------------------------------------------------------------------------------------------


def fill(location: str, rows: int) -> None:
    """Fill the store, unless it is there. Its rows lack the mark that leaves made-up numbers out of every page."""
    if Path(location).exists():
        return
    Store.open(location)
    append_environment(location, environment(), 1)
    for piece in pieces(rows, ROWS_PER_RUN):
        results = piece.results
        count = results.num_rows
        for name, value in (("marks", pa.array([[]] * count, results.schema.field("marks").type)),
                            ("simulated", pa.nulls(count, pa.bool_()))):  # fmt: skip
            results = results.set_column(results.schema.get_field_index(name), name, value)
        with Attempt(location) as attempt:
            attempt.add_arrow(RESULTS, results)
            attempt.commit(piece.run)
    tidy_after_append(location, [RESULTS, RUNS])


# -- the servers -----------------------------------------------------------------------------------------------


def rival_python(folder: Path) -> str:
    """Return the interpreter of the rivals' environment, which is made where it is missing.

    It sees this environment's packages after its own, so that both read the store with the same libraries.
    """
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *RIVAL_PACKAGES], check=True)
    ours = [path for path in (*site.getsitepackages(), str(HERE.parent / "src")) if path]
    (packages,) = (folder / "lib").glob("python*/site-packages")
    (packages / "assay-benchmark.pth").write_text("\n".join(ours) + "\n", encoding="utf-8")
    return str(python)


@contextmanager
def serving(name: str, location: str, python: str) -> Iterator[Page]:
    """Start one server and stop it again."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    commands = {
        "assay": [sys.executable, str(HERE / "web_assay.py"), str(port)],
        "streamlit": [
            python, "-m", "streamlit", "run", str(HERE / "web_streamlit.py"), "--server.port", str(port),
            "--server.address", "127.0.0.1", "--server.headless", "true", "--browser.gatherUsageStats", "false",
        ],
        "dash": [python, str(HERE / "web_dash.py"), str(port)],
    }  # fmt: skip
    process = subprocess.Popen(
        commands[name], env=os.environ | {"ASSAY_STORE": location}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    origin = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{origin}/method" if name == "assay" else origin, process)  # a page that reads nothing
        yield PAGES[name](origin)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def wait_for(origin: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{' '.join(map(str, process.args))} ended with {process.returncode}")  # type: ignore[arg-type]
        with suppress(OSError), urllib.request.urlopen(origin, timeout=30):  # noqa: S310  (a loopback address of ours)
            return
        time.sleep(0.2)
    raise RuntimeError(f"{origin} did not answer")


def _choose_in_assay(page: Any, engine: str) -> None:
    page.locator("form select[name=engine]").select_option(engine)


def _choose_radio(page: Any, engine: str) -> None:
    page.get_by_text(engine, exact=True).first.click()


PAGES: dict[str, Callable[[str], Page]] = {
    "assay": lambda origin: Page("assay", f"{origin}/benchmark", _choose_in_assay),
    "streamlit": lambda origin: Page("Streamlit", origin, _choose_radio),
    "dash": lambda origin: Page("Dash", origin, _choose_radio),
}


# -- the browser -----------------------------------------------------------------------------------------------


@contextmanager
def chromium(path: str) -> Iterator[Any]:
    """Open the browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which(path) or path, args=["--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


def choices(location: str) -> list[str]:
    """Return what the filter is set to, one after the other: what makes the chart another one."""
    store = Store.open(location)
    shown = {engine: newest(store, engine)[0]["series_id"][0].as_py() for engine in (ALL, *ENGINES)}
    return [engine for engine in ENGINES if shown[engine] != shown[ALL]]


def measure(browser: Any, page: Page, engines: Sequence[str], loads: int) -> Times:
    """Load a page over and over, and change its filter."""
    times = Times()
    times.first_visit_ms = _load(browser, page, Times(), ())  # whatever a server does once, it has done now
    for number in range(loads):
        _load(browser, page, times, (engines[number % len(engines)],))
    return times


def _load(browser: Any, page: Page, times: Times, engines: Sequence[str]) -> float:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(path=WATCH)
    opened = context.new_page()
    traffic = Traffic()
    traffic.listen(context.new_cdp_session(opened))
    opened.goto(page.url)
    chart_ms = _wait(opened, "() => window.__seen.plot ?? window.__seen.picture")
    opened.wait_for_timeout(1500)  # what comes after the chart counts as traffic too
    seen = opened.evaluate("() => window.__seen")
    times.chart_ms.append(min(seen.values()))
    times.plot_ms.append(seen.get("plot", float("nan")))
    times.transferred.append(traffic.transferred)
    times.unpacked.append(traffic.unpacked)
    times.requests.append(traffic.requests)
    for engine in engines:
        opened.evaluate("engine => window.__expect(engine)", engine)
        page.set_filter(opened, engine)
        ended = _wait(opened, "() => window.__seen.change")
        times.change_ms.append(ended - opened.evaluate("() => window.__began"))
    opened.goto("about:blank")
    opened.goto(page.url)
    times.again_ms.append(_wait(opened, "() => window.__seen.plot ?? window.__seen.picture"))
    context.close()
    return float(chart_ms)


def _wait(page: Any, question: str) -> float:
    # Not wait_for_function: a strict policy forbids how that looks again and again within the page.
    deadline = time.monotonic() + LIMIT_MS / 1000
    while time.monotonic() < deadline:
        found = page.evaluate(question)
        if found is not None:
            return float(found)
        page.wait_for_timeout(20)
    raise RuntimeError(f"{page.url}: {question} was not true within {LIMIT_MS} ms")


# -- the tables ------------------------------------------------------------------------------------------------


def print_comparison(measured: dict[str, Times]) -> None:
    """Print a row for each quantity, a column for each page, and how many times assay's the others are."""
    rows: tuple[tuple[str, str, Callable[[Times], Sequence[float]], float], ...] = (
        ("first chart, empty cache", "ms", lambda t: t.chart_ms, 1),
        ("interactive chart, empty cache", "ms", lambda t: t.plot_ms, 1),
        ("first chart, filled cache", "ms", lambda t: t.again_ms, 1),
        ("filter changed", "ms", lambda t: t.change_ms, 1),
        ("transferred", "kB", lambda t: t.transferred, 1e-3),
        ("the same, unpacked", "kB", lambda t: t.unpacked, 1e-3),
        ("requests", "", lambda t: t.requests, 1),
    )
    print(f"\n{'':>32}" + "".join(f"{name:>22}" for name in measured))
    own = measured.get("assay")
    for title, unit, values, factor in rows:
        cells = []
        for times in measured.values():
            value = statistics.median(values(times)) * factor
            beside = statistics.median(values(own)) * factor if own is not None and times is not own else None
            ratio = f"{value / beside:6.1f} x" if beside else " " * 8
            cells.append(f"{value:9,.0f} {unit:2} {ratio}")
        print(f"{title:>32}" + "".join(f"{cell:>22}" for cell in cells))
    visits = "".join(f"{times.first_visit_ms or 0:9,.0f} ms" + " " * 10 for times in measured.values())
    print(f"{'first visit after the start':>32}{visits}")


def print_pages(location: str) -> None:
    """Print how long the server takes for each page, by itself, and how large it is."""
    import httpx

    store = Store.open(location)
    series = store.query("SELECT series_id FROM latest ORDER BY 1 LIMIT 1")["series_id"][0].as_py()
    run = store.runs(limit=1)[0].run_id
    paths = (
        "/", "/runs", f"/runs/{run}", "/trends", f"/series/{series}", "/devices", "/workloads", "/matrix", "/decide",
        "/kpi", "/store", "/method", "/search?q=bert",
    )  # fmt: skip
    print(f"\n{'page':>24} {'server':>9} {'first':>9} {'transferred':>12} {'unpacked':>10}")
    with (
        serving("assay", location, sys.executable) as page,
        httpx.Client(base_url=page.url.removesuffix("/benchmark"), timeout=120) as client,
    ):
        for path in paths:
            times = []
            for _ in range(6):
                started = time.perf_counter()
                answer = client.get(path, headers={"Accept-Encoding": "gzip"})
                times.append((time.perf_counter() - started) * 1e3)
            name = "/".join(part if len(part) < 20 else "{id}" for part in path.split("/"))
            said = "" if answer.status_code == 200 else f"  status {answer.status_code}"
            sent = answer.num_bytes_downloaded
            print(
                f"{name:>24} {statistics.median(times[1:]):6.0f} ms {times[0]:6.0f} ms {sent / 1e3:9.1f} kB "
                f"{len(answer.content) / 1e3:7.1f} kB{said}"
            )


if __name__ == "__main__":
    main()
