"""Real browsers: what a page answers, and every way in which one can go away."""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from assay.core.absence import Unavailable
from assay.core.errors import EngineError
from assay.engines.web import page as page_module
from assay.engines.web.browsers import FoundBrowser, LaunchFlags, find_browser
from assay.engines.web.gone import PageError, PageGoneError
from assay.engines.web.page import Page, PageRequest, open_page
from assay.engines.web.profile import kept_profile
from assay.engines.web.visit import VisitSettings, plan_visit

LIMIT_S = 60.0
SHORT_S = 2.0

PLANTED = b"""
const verbs = {
  init: () => 'started',
  echo: (value) => value,
  spin: () => { for (;;); },
  silence: () => new Promise(() => {}),
  fail: () => { throw new RangeError('out of  range'); },
  lose: () => { throw Object.assign(new Error('the GPU device was lost'), { name: 'DeviceLost' }); },
  blob: async (_, id) => {
    const body = new Uint8Array([1, 2, 3]);
    await fetch(new URL(`../blobs/${id}/output-0`, import.meta.url), { method: 'POST', body });
    return 3;
  },
  clone: () => () => 0,
  fetched: async ({ url }) => (await (await fetch(url)).arrayBuffer()).byteLength,
};
self.addEventListener('message', async ({ data: { id, verb, args } }) => {
  try { self.postMessage({ id, ok: true, value: await verbs[verb](args, id) }); }
  catch ({ name, message, stack }) { self.postMessage({ id, ok: false, error: { name, message, stack } }); }
});
"""


def wanted_browser() -> FoundBrowser:
    found = find_browser()
    if isinstance(found, Unavailable):
        pytest.skip(f"no browser: {found}")
    return found


def plant(page: Page, source: bytes = PLANTED) -> Page:
    """Give the page another Worker, which does what no Worker of ours would."""
    page._server._files["page/worker.js"] = source
    page.call("restart_worker", limit_s=LIMIT_S)
    return page


@pytest.fixture(scope="module")
def shared() -> Iterator[Page]:
    with open_page(PageRequest(browser=wanted_browser())) as page:
        yield plant(page)


@pytest.fixture
def page() -> Iterator[Page]:
    """A page that the test ends in its own way; nothing of it may be left."""
    before = set(psutil.Process().children())
    with open_page(PageRequest(browser=wanted_browser())) as opened:
        pids = opened.pids()
        folder = opened.process._profile.folder if opened.process else Path()
        yield plant(opened)
    assert not [pid for pid in pids if psutil.pid_exists(pid)], "no process is left, not even a zombie"
    assert set(psutil.Process().children()) <= before, "nor what had left the browser's tree"
    assert not folder.exists()


def of_kind(page: Page, kind: str) -> int:
    assert page.process is not None
    return next(pid for pid, found in page.process.kinds().items() if found == kind)


def soon(action: Callable[[], object]) -> None:
    """Do something while the page is being asked."""
    threading.Timer(0.3, action).start()


def test_the_page_says_what_it_is(shared: Page) -> None:
    assert shared.hello.is_isolated
    assert shared.hello.is_secure
    assert 0 < shared.hello.clock_resolution_ns <= 100_000
    assert shared.hello.visibility == "visible"
    facts = shared.facts
    assert facts["cross_origin_isolated"] == "true"
    assert facts["browser"] == wanted_browser().name
    assert facts["browser_version"].count(".") >= 1
    assert set(shared.costs_ns) == {"browser_launch", "page"}
    assert all(cost > 0 for cost in shared.costs_ns.values())


def test_questions_are_answered_with_values_errors_and_bytes(shared: Page) -> None:
    assert shared.call("echo", {"deep": [1, 2.5, None, "ü"]}, limit_s=LIMIT_S) == {"deep": [1, 2.5, None, "ü"]}
    with pytest.raises(PageError, match="The page failed in measure: RangeError: out of range") as caught:
        shared.call("fail", limit_s=LIMIT_S, phase="measure")
    assert caught.value.name == "RangeError"
    assert "worker.js" in caught.value.stack
    assert shared.call("blob", limit_s=LIMIT_S) == 3
    assert shared.blob("output-0") == b"\1\2\3"
    with pytest.raises(EngineError, match="without the bytes 'output-0'"):
        shared.blob("output-0")
    with pytest.raises(PageError, match="could not be cloned"):
        shared.call("clone", limit_s=LIMIT_S)


def test_files_that_are_added_later_can_be_fetched(shared: Page, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"x" * 3_000_000)
    for content in (tmp_path / "weights", b"y" * 1000):
        url = shared.add_file("model.onnx", content)
        size = 1000 if isinstance(content, bytes) else 3_000_000
        assert shared.call("fetched", {"url": url}, limit_s=LIMIT_S) == size


def test_the_tree_is_read_by_kind(shared: Page) -> None:
    assert shared.process is not None
    kinds = set(shared.process.kinds().values())
    assert {"browser", "renderer", "gpu", "utility"} <= kinds
    memory = shared.memory_by_kind()
    assert all(memory[kind] > 5_000_000 for kind in ("browser", "renderer"))
    assert shared.pids()[0] == shared.process.pid
    before_ns = shared.process.cpu_ns()
    with pytest.raises(PageError):
        shared.call("fail", limit_s=LIMIT_S)
    assert shared.process.cpu_ns() >= before_ns > 0


def test_a_worker_that_cannot_be_loaded_is_said(shared: Page) -> None:
    shared._server._files["page/worker.js"] = b"import './absent.js';"
    shared.call("restart_worker", limit_s=LIMIT_S)
    with pytest.raises(PageError, match="scripts could not be loaded"):
        shared.call("echo", limit_s=LIMIT_S)
    with pytest.raises(PageError, match="scripts could not be loaded"):
        shared.call("echo", limit_s=LIMIT_S)
    plant(shared)
    assert shared.call("echo", {"still": "there"}, limit_s=LIMIT_S) == {"still": "there"}


def test_a_renderer_that_crashes_is_named_with_its_signal(page: Page) -> None:
    renderer = of_kind(page, "renderer")
    soon(lambda: os.kill(renderer, signal.SIGSEGV))
    with pytest.raises(
        PageGoneError, match=r"went away in measure: its renderer process ended( \(SIGSEGV\))?\."
    ) as gone:
        page.call("silence", limit_s=LIMIT_S, phase="measure")
    assert gone.value.cause == "renderer"
    with pytest.raises(PageGoneError, match="renderer process ended"):
        page.call("echo", limit_s=LIMIT_S)


def test_a_browser_that_is_killed_is_named_with_its_signal(page: Page) -> None:
    browser = of_kind(page, "browser")
    soon(lambda: os.kill(browser, signal.SIGKILL))
    with pytest.raises(PageGoneError, match=r"went away in its calls: Chromium itself ended \(SIGKILL\)") as gone:
        page.call("silence", limit_s=LIMIT_S, phase="its calls")
    assert gone.value.cause == "browser"


def test_a_browser_that_a_person_quits_is_closed(page: Page) -> None:
    browser = of_kind(page, "browser")
    soon(lambda: os.kill(browser, signal.SIGTERM))
    with pytest.raises(PageGoneError, match="closed") as gone:
        page.call("silence", limit_s=LIMIT_S)
    assert gone.value.cause == "closed"


def test_a_gpu_process_that_dies_ends_what_needs_it(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module, "_GPU_GRACE_S", 0.2)
    gpu = of_kind(page, "gpu")
    page.call("init", {"backend": "webgpu"}, limit_s=LIMIT_S)
    soon(lambda: os.kill(gpu, signal.SIGKILL))
    with pytest.raises(PageGoneError, match=r"no answer to 'silence' in measure after its GPU process ended") as gone:
        page.call("silence", limit_s=LIMIT_S, phase="measure")
    assert gone.value.cause == "gpu"


def test_a_lost_device_is_explained_and_webassembly_goes_on(page: Page) -> None:
    gpu = of_kind(page, "gpu")
    page.call("init", {"backend": "webgpu"}, limit_s=LIMIT_S)
    os.kill(gpu, signal.SIGKILL)
    with pytest.raises(PageError, match=r"DeviceLost: the GPU device was lost \(its GPU process ended"):
        page.call("lose", limit_s=LIMIT_S)
    page.call("init", {"backend": "wasm"}, limit_s=LIMIT_S)
    assert page.call("echo", {"still": "there"}, limit_s=LIMIT_S) == {"still": "there"}


def test_a_worker_that_hangs_is_ended(page: Page) -> None:
    with pytest.raises(
        PageGoneError, match=r"no answer to 'spin' in measure within 2 s: its main thread still answers"
    ) as gone:
        page.call("spin", limit_s=SHORT_S, phase="measure")
    assert gone.value.cause == "hang"
    assert page.pids() == ()


def test_a_closed_page_is_not_asked() -> None:
    page = open_page(PageRequest(browser=wanted_browser()))
    page.close()
    page.close()
    with pytest.raises(EngineError, match="after it was closed"):
        page.call("echo", limit_s=LIMIT_S)


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def named(path: Path) -> FoundBrowser:
    found = find_browser("chromium", {"ASSAY_BROWSER_CHROMIUM": str(path)})
    assert isinstance(found, FoundBrowser)
    return found


def test_a_browser_that_ends_at_once_leaves_its_last_words(tmp_path: Path) -> None:
    found = named(script(tmp_path / "browser", "echo starting; echo 'FATAL: No usable sandbox!' >&2; echo; exit 3"))
    with pytest.raises(
        PageGoneError, match=r"ended \(exit code 3\) before its page answered; .*No usable sandbox!"
    ) as gone:
        open_page(PageRequest(browser=found))
    assert gone.value.cause == "start"
    assert "ASSAY_BROWSER_SANDBOX=off" in str(gone.value)


def test_a_browser_that_opens_nothing_is_ended(tmp_path: Path) -> None:
    found = named(script(tmp_path / "browser", "exec sleep 1000"))
    with pytest.raises(PageGoneError, match=r"did not ask for its page within 0\.5 s"):
        open_page(PageRequest(browser=found, limit_s=0.5))


def test_a_file_that_is_no_program_is_said(tmp_path: Path) -> None:
    file = tmp_path / "browser"
    file.write_bytes(b"\x7fELF nonsense")
    file.chmod(0o755)
    with pytest.raises(EngineError, match="could not be started"):
        open_page(PageRequest(browser=named(file)))


def test_a_kept_profile_is_for_one_launch_at_a_time(tmp_path: Path) -> None:
    held = kept_profile(tmp_path / "kept")
    with pytest.raises(EngineError, match="in use by another launch"):
        open_page(PageRequest(browser=wanted_browser(), profile=tmp_path / "kept"))
    held.release()
    assert (tmp_path / "kept").is_dir()


def test_a_kept_profile_is_used_again_after_a_crash(tmp_path: Path) -> None:
    request = PageRequest(browser=wanted_browser(), profile=tmp_path / "kept")
    first = open_page(request)
    first.close(patience_s=0.0)
    (tmp_path / "kept" / "SingletonLock").unlink(missing_ok=True)
    (tmp_path / "kept" / "SingletonLock").symlink_to("another-host-1")
    with open_page(request) as second:
        assert second.hello.is_isolated
    assert any((tmp_path / "kept").iterdir())


def test_a_port_that_is_taken_is_said_before_anybody_is_waited_for() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        visit = plan_visit(f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(EngineError, match="port is in use"):
            open_page(PageRequest(browser=None, visit=visit))


def free_port() -> int:
    """A port below those that systems hand out by themselves: of those, somebody else may take one in between."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def free_visit(wait_s: float = LIMIT_S) -> VisitSettings:
    return plan_visit(f"http://127.0.0.1:{free_port()}", wait_s=wait_s)


def test_nobody_comes() -> None:
    with pytest.raises(PageGoneError, match=r"Nobody opened the page within 0\.2 s"):
        open_page(PageRequest(browser=None, visit=free_visit(0.2)))


class Visited:
    """A launch that waits for a visitor in a thread, as a worker would in its process."""

    def __init__(self, visit: VisitSettings) -> None:
        self.pages: list[Page] = []
        self.errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._open, args=(visit,))
        self._thread.start()

    def _open(self, visit: VisitSettings) -> None:
        try:
            self.pages.append(open_page(PageRequest(browser=None, visit=visit)))
        except EngineError as error:
            self.errors.append(error)

    def page(self) -> Page:
        self._thread.join(LIMIT_S)
        assert not self.errors
        return self.pages[0]


@pytest.fixture(scope="module")
def person() -> Iterator[Any]:
    """Somebody with a browser of their own: Playwright plays the person."""
    from playwright.sync_api import sync_playwright

    found = wanted_browser()
    if found.browser.is_firefox:
        pytest.skip("Playwright drives no Firefox that it has not built")
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(found.executable), args=arguments)
        yield browser
        browser.close()


def test_a_visitors_page_finds_the_next_launch_by_itself(person: Any) -> None:
    visit = free_visit()
    tab = person.new_page()
    first = Visited(visit)
    wait_for_server(visit)
    tab.goto(visit.page_url)
    with first.page() as page:
        assert page.process is None
        assert page.pids() == ()
        assert page.facts["browser_by"] == "visitor"
        assert set(page.costs_ns) == {"visitor_wait", "page"}
        assert plant(page).call("echo", {"visit": 1}, limit_s=LIMIT_S) == {"visit": 1}
        second_tab = person.new_page()
        second_tab.goto(visit.page_url)
        second_tab.get_by_text("Another page is at work").wait_for()
        second_tab.close()
    tab.get_by_text("This launch is over").wait_for()

    second = Visited(visit)
    with second.page() as page:
        soon(lambda: None)
        assert plant(page).call("echo", {"visit": 2}, limit_s=LIMIT_S) == {"visit": 2}
    tab.close()


HIDE = """Object.defineProperty(document, 'visibilityState', { get: () => 'hidden' });
document.dispatchEvent(new Event('visibilitychange'));"""


@pytest.mark.parametrize(
    ("leave", "words", "cause"),
    [
        (lambda tab: tab.close(run_before_unload=True), "tab was closed, reloaded or sent elsewhere", "closed"),
        (lambda tab: tab.evaluate(HIDE), "tab was hidden in measure", "hidden"),
    ],
    ids=["closes", "hides"],
)
def test_a_visitor_who_leaves(person: Any, leave: Callable[[Any], object], words: str, cause: str) -> None:
    visit = free_visit()
    tab = person.new_page()
    launch = Visited(visit)
    wait_for_server(visit)
    tab.goto(visit.page_url)
    with launch.page() as page:
        plant(page)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(page.call, "silence", limit_s=LIMIT_S, phase="measure")
            leave(tab)
            with pytest.raises(PageGoneError, match=words) as gone:
                asked.result(LIMIT_S)
        assert gone.value.cause == cause


def wait_for_server(visit: VisitSettings) -> None:
    for _ in range(1000):
        with socket.socket() as knock:
            if knock.connect_ex((visit.address, visit.port)) == 0:
                return
        time.sleep(0.01)


def test_flags_reach_the_browser() -> None:
    with open_page(PageRequest(browser=wanted_browser(), flags=LaunchFlags(webgpu=False, webnn=False))) as page:
        assert page.process is not None
        words = psutil.Process(page.process.pid).cmdline()
        assert "--enable-unsafe-webgpu" not in words
        assert page.call("hello", limit_s=LIMIT_S)["has_webnn"] is False
