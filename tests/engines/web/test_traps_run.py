"""A whole run, by the command line, whose browser crashes, hangs or is closed: what is kept of it, and what is left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from assay.core.absence import Unavailable
from assay.engines.web.assets import find_runtime
from assay.engines.web.browsers import find_browser
from assay.store import Store

onnx = pytest.importorskip("onnx", reason="the model is a graph of onnx: pip install 'assay[onnx]'")

LIMIT_S = 90.0
ENDLESS = ("--min-time", "60", "--max-time", "60")
LIMITED = ("--min-time", "1", "--max-time", "1", "--launch-limit", "12s")
"""A limit above what warm-up and sampling may take; the browser hangs before either is over."""
AT_WORK_S = 1.0
"""CPU time of a renderer that has its page, and the runtime and model in it: the warm-up alone takes two seconds."""


def need() -> None:
    """Skip with a reason; in CI the browser must be there."""
    for found in (find_runtime(), find_browser("chromium")):
        if isinstance(found, Unavailable):
            if os.environ.get("CI") == "true":
                pytest.fail(f"chromium: {found}")
            pytest.skip(f"chromium: {found}")


def save_graph(file: Path) -> Path:
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    ends = [helper.make_tensor_value_info(name, kind, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "planted", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), str(file))
    return file


@contextlib.contextmanager
def running(folder: Path, *more: str) -> Iterator[psutil.Popen]:
    """``assay run`` on one model, for longer than anybody waits."""
    file = save_graph(folder / "planted.onnx")
    command = [
        sys.executable, "-P", "-m", "assay.cli.main", "run", "-e", "web-wasm", "-m", str(file),
        "--threads", "1", "-n", "1", "-o", "browser=chromium", "--store", str(folder / "store"), *more,
    ]  # fmt: skip
    run = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        yield run
    finally:
        for one in (*descend(run), run):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        run.wait()


def descend(run: psutil.Popen) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        found: list[psutil.Process] = run.children(recursive=True)
        return found
    return []


def wait_for(run: psutil.Popen, is_wanted: Callable[[str], bool]) -> list[psutil.Process]:
    """The processes of the browser, once it has one that is wanted, by its command line."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline and run.poll() is None:
        found = []
        for one in descend(run):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if is_wanted(" ".join(one.cmdline())):
                    found.append(one)
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("the run came to no browser")


def wait_for_work(run: psutil.Popen) -> None:
    """Until the page computes, which its renderer's CPU time tells: it may be a while until then on a busy machine."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline and run.poll() is None:
        for one in wait_for(run, is_renderer):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if sum(one.cpu_times()[:2]) > AT_WORK_S:
                    return
        time.sleep(0.05)
    raise AssertionError("the page did not come to its model")


def is_renderer(words: str) -> bool:
    return "--type=renderer" in words and "--extension-process" not in words


def is_browser(words: str) -> bool:
    return "--user-data-dir=" in words and "--type=" not in words and words.split(" ", 1)[0].endswith("chromium")


@pytest.mark.parametrize(
    ("victim", "how", "more", "status", "said"),
    [
        (is_renderer, signal.SIGSEGV, ENDLESS, "failed", "renderer process ended"),
        (is_browser, signal.SIGTERM, ENDLESS, "failed", "Chromium was closed"),
        (is_renderer, signal.SIGSTOP, LIMITED, "timeout", "12 s"),
    ],
    ids=["crashes", "is_closed", "hangs"],
)
def test_a_browser_that_goes_away_is_a_result_with_its_reason_and_leaves_nothing(
    tmp_path: Path, victim: Callable[[str], bool], how: signal.Signals, more: tuple[str, ...], status: str, said: str
) -> None:
    need()
    with running(tmp_path, *more) as run:
        wait_for_work(run)
        everything = descend(run)
        for one in wait_for(run, victim):
            one.send_signal(how)
        run.wait(LIMIT_S)
        left = [one for one in everything if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
        assert not left, "nothing of the browser or of the worker is left"
    (result,) = Store.open(tmp_path / "store").results()
    assert result.status == status
    assert said in (result.reason or "")
