"""assay's web engine against a plain page (``web_engine.html``) that times the same session in the same browser.

A round is one fresh browser of either side, one after the other; which goes first alternates. Both get the same files
of onnxruntime-web, the same model file, inputs, session options, threads, browser and command line of it; the median of
each browser is one value. assay's side is a fresh process that loads the engine's session and takes samples as a launch
does: its model runs in a Worker, its calls come as jobs, and short calls are timed several at a time. The plain page
runs it on its main thread in one loop and times each call; no time of the page's goes through assay.
Usage: python benchmarks/web_engine.py [--rounds N] [--seconds S] [--model NAME] [--threads N,N] [--browser NAME]
"""

from __future__ import annotations

import argparse
import json
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from assay.core.absence import Unavailable
from assay.engines.base import LoadRequest, engines
from assay.engines.web.assets import fetch_runtime
from assay.engines.web.backends import WASM
from assay.engines.web.browsers import FoundBrowser, LaunchFlags, find_browser
from assay.engines.web.happenings import ProcessEnded
from assay.engines.web.process import BrowserProcess
from assay.engines.web.profile import fresh_profile
from assay.engines.web.session import Model, read_case
from ratios import ratio_of_pairs

MODELS = ("bert/tiny", "resnet/tiny")
SHAPES: Mapping[str, Mapping[str, int]] = {"bert": {"seq": 64}, "resnet": {"image": 64}}
"""Calls of some milliseconds, by family: a window then holds enough of them."""
ENGINE = "web-wasm"
SEED = 0
LIMIT_S = 120
PAGE = Path(__file__).with_name("web_engine.html")
TYPES = {".html": "text/html; charset=utf-8", ".mjs": "text/javascript", ".wasm": "application/wasm"}
ISOLATION = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}


@dataclass(frozen=True, slots=True)
class Subject:
    """One model at one number of threads, with its artefacts made: what both sides are given."""

    workload: str
    threads: int
    seconds: float
    browser: str
    artefacts: Mapping[str, str]

    def request(self) -> LoadRequest:
        """The case, as the runner would ask for it."""
        folders = {recipe: Path(folder) for recipe, folder in self.artefacts.items()}
        return replace(_request(self.workload, self.threads, self.browser), artefacts=folders)


def main() -> None:
    """Make the models, take the rounds, print the table; or be one process of a round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="fresh browsers a side, model and threads; at least 2")
    parser.add_argument("--seconds", type=float, default=2.0, help="time a browser takes samples for")
    parser.add_argument("--model", action="append", help=f"only this model; without, {' and '.join(MODELS)}")
    parser.add_argument("--threads", default="1,2", help="numbers of threads, by commas")
    parser.add_argument("--browser", default="chromium", help="browser of both sides")
    parser.add_argument("--make", metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--measure", metavar="SUBJECT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make_model(options.model[0], options.browser, Path(options.make))
    elif options.measure:
        measure_in_assay(Subject(**json.loads(options.measure)))
    elif options.rounds < 2:
        parser.error("--rounds: an interval needs 2 at least")
    else:
        compare(options)


def compare(options: argparse.Namespace) -> None:
    """Take all rounds of one model and number of threads after the other, and print one line each."""
    found = _find(options.browser)
    print(
        f"{options.rounds} rounds, {options.seconds:g} s a browser, {ENGINE} in {found.browser.title} {found.version}, "
        "float32, batch 1; medians in ms; ratio assay / plain page"
    )
    print(f"{'model':<12}{'shape':<11}{'threads':>7}{'assay':>9}{'page':>9}  ratio of medians, mean ratio with 95 % CI")
    with tempfile.TemporaryDirectory() as folder:
        for workload in options.model or MODELS:
            made = _run_self(["--make", folder, "--model", workload, "--browser", options.browser])
            for threads in map(int, options.threads.split(",")):
                subject = Subject(workload, threads, options.seconds, options.browser, made)
                print(_format(subject, *take_rounds(subject, options.rounds)), flush=True)


def take_rounds(subject: Subject, rounds: int) -> tuple[list[float], list[float]]:
    """Return the medians of both sides in ms, one a round."""
    model = read_case(subject.request(), WASM, ENGINE)
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(rounds):
        for side in ("assay", "page") if number % 2 == 0 else ("page", "assay"):
            if side == "assay":
                arguments = {name: getattr(subject, name) for name in Subject.__slots__}
                ours.append(float(_run_self(["--measure", json.dumps(arguments)])["median_ms"]))
            else:
                theirs.append(run_plain_page(subject, model))
    return ours, theirs


def _format(subject: Subject, ours: list[float], theirs: list[float]) -> str:
    ratio = ratio_of_pairs(ours, theirs)
    shape = " ".join(f"{name} {value}" for name, value in SHAPES[subject.workload.partition("/")[0]].items())
    return (
        f"{subject.workload:<12}{shape:<11}{subject.threads:>7}"
        f"{statistics.median(ours):>9.3f}{statistics.median(theirs):>9.3f}  "
        f"{ratio.of_medians:.4f}, {ratio.of_means:.4f} ({ratio.lo:.4f} to {ratio.hi:.4f})"
    )


def _find(browser: str) -> FoundBrowser:
    found = find_browser(browser)
    if isinstance(found, Unavailable):
        sys.exit(f"{browser}: {found}")
    return found


def _request(workload_name: str, threads: int, browser: str) -> LoadRequest:
    from assay.core.words import Precision
    from assay.workloads.base import find_workload

    workload = find_workload(workload_name)
    shape = workload.resolve_shape(SHAPES[workload_name.partition("/")[0]])
    return LoadRequest(workload, "cpu", Precision.FP32, 1, shape, threads, SEED, options={"browser": browser})


# -- assay's side --------------------------------------------------------------------------------------------


def make_model(workload_name: str, browser: str, scratch: Path) -> None:
    """Make what the engine needs, in a process of its own as it imports torch, and print the folders by recipe."""
    from assay.artefacts.cache import make_artefact

    request = _request(workload_name, 1, browser)
    wanted = engines.get(ENGINE).plan_artefacts(request)
    made = {one.recipe: make_artefact(one, request.workload, scratch / "cache", threads=1) for one in wanted}
    print(json.dumps({recipe: str(artefact.folder) for recipe, artefact in made.items()}))


def measure_in_assay(subject: Subject) -> None:
    """Load, warm up and take samples as a worker does, for a fixed time; print the median."""
    from assay.runner.measure import take_samples, warm_up
    from assay.runner.timing import Timing

    request, engine = subject.request(), engines.get(ENGINE)
    able = engine.capabilities
    engine.import_libraries(request.workload)
    session = engine.load(request)
    timing = Timing(min_time_s=subject.seconds, max_time_s=subject.seconds)
    warm = warm_up(session, timing, least_calls=able.least_warmup_calls, least_s=able.least_warmup_s)
    timed = take_samples(session, timing, call_ns=warm.last_call_ns)
    session.unload()
    print(json.dumps({"median_ms": timed.median_call_ns / 1e6}))


def _run_self(arguments: list[str]) -> dict[str, Any]:
    """Run this file in a fresh process, and return the JSON it prints last."""
    done = subprocess.run(
        [sys.executable, __file__, *arguments], capture_output=True, text=True, check=False, timeout=LIMIT_S
    )
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    said: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return said


# -- the plain page's side -----------------------------------------------------------------------------------


class Server(ThreadingHTTPServer):
    """Serves the page and its files on loopback, and takes its result."""

    daemon_threads = True

    def __init__(self, files: Mapping[str, Path | bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.results: queue.Queue[dict[str, Any]] = queue.Queue()

    @property
    def url(self) -> str:
        """What the browser opens."""
        return f"http://127.0.0.1:{self.server_address[1]}/index.html"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        """Serve a file, with the headers without which a page has no threads."""
        name = self.path.lstrip("/")
        content = self.server.files.get(name)
        if content is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        body = content if isinstance(content, bytes) else content.read_bytes()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", TYPES.get(Path(name).suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(len(body)))
        for header, value in ISOLATION.items():
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """Take the result."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(HTTPStatus.NO_CONTENT)
        self.end_headers()
        self.server.results.put(json.loads(body))

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


def run_plain_page(subject: Subject, model: Model) -> float:
    """Open the page in a fresh browser, and return the median of its calls in ms."""
    able = engines.get(ENGINE).capabilities
    inputs = [
        {"name": name, "type": array.dtype.name, "dims": array.shape, "url": f"input-{number}.bin"}
        for number, (name, array) in enumerate(model.feeds.items())
    ]
    task = {
        "threads": subject.threads,
        "options": model.options,
        "inputs": inputs,
        "warmup_calls": able.least_warmup_calls,
        "warmup_ms": able.least_warmup_s * 1e3,
        "window_ms": subject.seconds * 1e3,
    }
    server = Server(
        {
            "index.html": PAGE,
            "task.json": json.dumps(task).encode(),
            "model.onnx": model.graph.file,
            **{f"input-{number}.bin": array.tobytes() for number, array in enumerate(model.feeds.values())},
            **{file.name: file for file in fetch_runtime().iterdir() if file.suffix in TYPES},
        }
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def hear(ended: ProcessEnded) -> None:
        if ended.kind in ("browser", "renderer"):
            server.results.put({"error": f"its {ended.kind} process ended ({ended.code})"})

    browser = BrowserProcess(
        _find(subject.browser), server.url, fresh_profile(), LaunchFlags(webgpu=False, webnn=False), hear
    )
    try:
        result = server.results.get(timeout=LIMIT_S)
    except queue.Empty:
        result = {"error": f"it gave no result within {LIMIT_S} s"}
    finally:
        browser.close()
        server.shutdown()
        server.server_close()
    if "error" in result:
        sys.exit(f"The plain page of {subject.workload} failed: {result['error']}")
    if not result["is_isolated"] or result["threads"] != subject.threads:
        sys.exit(f"The plain page took {result['threads']} threads, and {subject.threads} were asked for.")
    return float(statistics.median(result["durations_ms"]))


if __name__ == "__main__":
    main()
