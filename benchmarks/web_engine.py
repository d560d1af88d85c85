"""assay's web engine against a plain page that times the same model in the same browser, in turns.

One browser holds three ways to time one model, on the same files, inputs and session options. *assay* is the path of
a launch: jobs down the event stream, the module Worker, series of calls, the worker process's own sampling and median.
*loop* is a loop written by hand over the very session that assay made, in its Worker (`web_engine_worker.js`): every
call timed alone, nothing of assay between calls. *page* is a page as a careful user would write it
(`web_engine_plain.js`): a session of its own, on the page's own thread. assay over loop says what assay's timing adds.
assay over page holds session and thread against it as well; two sessions differ by where their memory and code came to
lie, so its interval is wider.

A round gives each way one turn, in an order drawn anew; neighbouring turns meet the same machine. Rounds of a browser
share what the browser is, so a browser counts once: the median over rounds of the ratio is its value, and the interval
is Student's t over browsers. Each turn's value is its median call.
Usage: python benchmarks/web_engine.py [--browsers N] [--rounds N] [--seconds S] [--model NAME] [--threads N,N]
       [--browser NAME]
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.absence import Unavailable
from assay.engines.base import LoadRequest, engines
from assay.engines.web.backends import WASM
from assay.engines.web.browsers import FoundBrowser, LaunchFlags, find_browser
from assay.engines.web.page import Page, PageRequest, open_page
from assay.engines.web.session import Model, choose_threads, load_into, read_case, serve_inputs, serve_model
from ratios import ratio_of_pairs

if TYPE_CHECKING:
    from assay.engines.base import Session

MODELS = ("bert/tiny", "resnet/tiny")
SHAPES: Mapping[str, Mapping[str, int]] = {"bert": {"seq": 64}, "resnet": {"image": 64}}
"""Calls of some milliseconds, by family: a turn then holds enough of them."""
ENGINE = "web-wasm"
SEED = 0
LIMIT_S = 300
TURN_LIMIT_S = 60.0
SIDES = ("assay", "loop", "page")
HERE = Path(__file__).parent

Turns = Mapping[str, Sequence[float]]
"""The medians of one browser in ms, by side, one a round."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One model at one number of threads, with its artefacts made."""

    workload: str
    threads: int
    rounds: int
    seconds: float
    browser: str
    artefacts: Mapping[str, str]
    seed: int = SEED

    def request(self) -> LoadRequest:
        """The case, as the runner would ask for it."""
        folders = {recipe: Path(folder) for recipe, folder in self.artefacts.items()}
        return replace(_request(self.workload, self.threads, self.browser), artefacts=folders)


def main() -> None:
    """Make the models, open the browsers, print the table; or be the process of one browser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--browsers", type=int, default=7, help="fresh browsers a model and threads; at least 2")
    parser.add_argument("--rounds", type=int, default=6, help="turns of each side in a browser")
    parser.add_argument("--seconds", type=float, default=0.3, help="length of a turn")
    parser.add_argument("--model", action="append", help=f"only this model; without, {' and '.join(MODELS)}")
    parser.add_argument("--threads", default="1,2", help="numbers of threads, by commas")
    parser.add_argument("--browser", default="chromium", help="which browser")
    parser.add_argument("--make", metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--measure", metavar="SUBJECT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make_model(options.model[0], options.browser, Path(options.make))
    elif options.measure:
        print(json.dumps(measure_in_browser(Subject(**json.loads(options.measure)))))
    elif options.browsers < 2 or options.rounds < 1:
        parser.error("--browsers: an interval needs 2 at least; --rounds: 1 at least")
    else:
        compare(options)


def compare(options: argparse.Namespace) -> None:
    """Open all browsers of one model and number of threads after the other, and print one line each."""
    found = _find(options.browser)
    print(
        f"{ENGINE} in {found.browser.title} {found.version}, float32, batch 1: {options.browsers} browsers, in each "
        f"{options.rounds} rounds of {options.seconds:g} s a side; medians in ms, ratios with 95 % CI over browsers"
    )
    print(
        f"{'model':<12}{'shape':<11}{'threads':>7}{'assay':>9}{'loop':>9}{'page':>9}  {'assay / loop':<28}assay / page"
    )
    with tempfile.TemporaryDirectory() as folder:
        for workload in options.model or MODELS:
            made = _run_self(["--make", folder, "--model", workload, "--browser", options.browser])
            for threads in map(int, options.threads.split(",")):
                subject = Subject(workload, threads, options.rounds, options.seconds, options.browser, made)
                turns = [_measure(replace(subject, seed=number)) for number in range(options.browsers)]
                print(format_line(subject, turns), flush=True)


def format_line(subject: Subject, turns: Sequence[Turns]) -> str:
    """One line of the table: the medians of all turns, and both ratios."""
    shape = " ".join(f"{name} {size}" for name, size in SHAPES[subject.workload.partition("/")[0]].items())
    medians = [statistics.median(itertools.chain(*(one[side] for one in turns))) for side in SIDES]
    ratios = [_format_ratio(turns, side) for side in ("loop", "page")]
    return (
        f"{subject.workload:<12}{shape:<11}{subject.threads:>7}{''.join(f'{one:>9.3f}' for one in medians)}"
        f"  {ratios[0]:<28}{ratios[1]}"
    )


def _format_ratio(turns: Sequence[Turns], side: str) -> str:
    """Divide assay by a side: the turns of a round are a pair, and the median of a browser's pairs is its one value."""
    of_browsers = [
        statistics.median(ours / theirs for ours, theirs in zip(one["assay"], one[side], strict=True)) for one in turns
    ]
    ratio = ratio_of_pairs(of_browsers, [1.0] * len(of_browsers))
    return f"{ratio.of_means:.4f} ({ratio.lo:.4f} to {ratio.hi:.4f})"


# -- one browser ---------------------------------------------------------------------------------------------


def measure_in_browser(subject: Subject) -> dict[str, list[float]]:
    """Load the model for both, warm all sides up, and take turns; medians in ms by side."""
    request, engine = subject.request(), engines.get(ENGINE)
    engine.import_libraries(request.workload)
    model = read_case(request, WASM, ENGINE)
    with tempfile.TemporaryDirectory() as scripts:
        _gather_scripts(Path(scripts))
        flags = LaunchFlags(webgpu=False, webnn=False)
        page = open_page(PageRequest(_find(subject.browser), flags, scripts=Path(scripts)))
        session = load_into(page, request, WASM, model)
        try:
            _load_plain_page(page, request, model)
            return _take_turns(_warm_up(page, session, subject), subject)
        finally:
            session.unload()


def _gather_scripts(folder: Path) -> None:
    """Put the benchmark's scripts where they stand in the place of the page's own; assay's Worker goes beside them."""
    from assay.engines.web import page

    own = Path(page.__file__).with_name("page")
    shutil.copy(own / "worker.js", folder / "assay-worker.js")
    for name, served in {".html": "index.html", "_plain.js": "plain.js", "_worker.js": "worker.js"}.items():
        shutil.copy(HERE / f"web_engine{name}", folder / served)


def _load_plain_page(page: Page, request: LoadRequest, model: Model) -> None:
    """Give the plain page the same files, inputs, options and threads as assay's session has."""
    threads = choose_threads(page, request)
    task = {
        "ort": page.path(f"ort/{WASM.bundle}"),
        "threads": threads,
        "model": serve_model(page, model)["model"],
        "options": model.options,
        "inputs": serve_inputs(page, model),
    }
    said = page.call("page", {"ask": "load", **task}, limit_s=TURN_LIMIT_S)
    if not said["is_isolated"] or said["threads"] != threads:
        sys.exit(f"The plain page took {said['threads']} threads, and {threads} were asked for.")


def _warm_up(page: Page, session: Session, subject: Subject) -> dict[str, Callable[[], float]]:
    """Warm every side up as a launch does, and return what makes a turn of each: its median in ms."""
    from assay.runner.measure import take_samples, warm_up
    from assay.runner.timing import Timing

    able = engines.get(ENGINE).capabilities
    timing = Timing(min_time_s=subject.seconds, max_time_s=subject.seconds)
    warm = warm_up(session, timing, least_calls=able.least_warmup_calls, least_s=able.least_warmup_s)

    def turn_of_assay() -> float:
        return take_samples(session, timing, call_ns=warm.last_call_ns).median_call_ns / 1e6

    def turn(verb: str, window_s: float = subject.seconds, calls: int = 1) -> float:
        task = {"ask": "time", "window_ms": window_s * 1e3, "calls": calls}
        return float(statistics.median(page.call(verb, task, limit_s=TURN_LIMIT_S)))

    for verb in ("page", "loop"):
        turn(verb, able.least_warmup_s if verb == "page" else subject.seconds, able.least_warmup_calls)
    turn_of_assay()
    return {"assay": turn_of_assay, "loop": lambda: turn("loop"), "page": lambda: turn("page")}


def _take_turns(sides: Mapping[str, Callable[[], float]], subject: Subject) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {name: [] for name in SIDES}
    draw = random.Random(subject.seed)
    for _ in range(subject.rounds):
        for name in draw.sample(SIDES, len(SIDES)):
            taken[name].append(sides[name]())
    return taken


# -- processes -----------------------------------------------------------------------------------------------


def make_model(workload_name: str, browser: str, scratch: Path) -> None:
    """Make what the engine needs, in a process of its own as it imports torch, and print the folders by recipe."""
    from assay.artefacts.cache import make_artefact

    request = _request(workload_name, 1, browser)
    wanted = engines.get(ENGINE).plan_artefacts(request)
    made = {one.recipe: make_artefact(one, request.workload, scratch / "cache", threads=1) for one in wanted}
    print(json.dumps({recipe: str(artefact.folder) for recipe, artefact in made.items()}))


def _measure(subject: Subject) -> Turns:
    arguments = {name: getattr(subject, name) for name in Subject.__slots__}
    turns: Turns = _run_self(["--measure", json.dumps(arguments)])
    return turns


def _run_self(arguments: list[str]) -> dict[str, Any]:
    """Run this file in a fresh process, and return the JSON it prints last."""
    done = subprocess.run(
        [sys.executable, __file__, *arguments], capture_output=True, text=True, check=False, timeout=LIMIT_S
    )
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    said: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return said


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


if __name__ == "__main__":
    main()
