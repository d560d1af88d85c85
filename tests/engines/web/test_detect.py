"""Asking browsers what they can do: with answers put in their place, and the real ones of this machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from assay.core.absence import Unavailable
from assay.core.errors import EngineError
from assay.engines.web.browsers import BROWSERS, FoundBrowser, find_browser
from assay.engines.web.detect import KEPT_FOR_S, ask_browser, detect_browsers, kept_answers

ANSWERS = {
    "hello": {"user_agent": "a browser", "clock_resolution_ns": 5000, "cross_origin_isolated": True},
    "features": {"wasm": {"simd": True, "threads": True}},
}


@pytest.fixture(scope="session")
def browsers_here() -> dict[str, FoundBrowser | Unavailable]:
    """What is really here; looked for before a test gets a cache of its own, where none would be."""
    return {name: find_browser(name) for name in BROWSERS}


class Asked:
    """Stands for asking a browser: counts, and answers or fails."""

    def __init__(self, answers: Mapping[str, Any] | Exception = ANSWERS) -> None:
        self.names: list[str] = []
        self.answers = answers

    def __call__(self, found: FoundBrowser) -> Mapping[str, Any]:
        self.names.append(found.name)
        if isinstance(self.answers, Exception):
            raise self.answers
        return self.answers


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASSAY_WEB_CACHE", str(tmp_path / "web"))
    return tmp_path / "web"


@pytest.fixture
def executable(tmp_path: Path) -> Path:
    path = tmp_path / "chromium"
    path.write_text("#!/bin/sh\necho Chromium 150.0.1\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def find(executable: Path) -> Callable[[str], FoundBrowser | Unavailable]:
    """Only chromium is here."""

    def look(name: str) -> FoundBrowser | Unavailable:
        if name == "chromium":
            return FoundBrowser(BROWSERS[name], executable)
        return Unavailable(f"{name} is not installed", f"install {name}")

    return look


Find = Callable[[str], FoundBrowser | Unavailable]


def test_every_known_browser_has_its_place(find: Find) -> None:
    asked, begun = Asked(), list[str]()
    found = detect_browsers(find=find, ask=asked, on_start=begun.append)
    assert [one.browser for one in found] == list(BROWSERS)
    assert (asked.names, begun) == (["chromium"], ["chromium"])
    here = found[0]
    assert (here.version, here.user_agent, here.problem, here.is_missing) == ("150.0.1", "a browser", None, False)
    edge = next(one for one in found if one.browser == "edge")
    assert (edge.problem, edge.advice, edge.is_missing, edge.wasm) == (
        "edge is not installed",
        "install edge",
        True,
        None,
    )


def test_answers_are_kept_until_something_changes(find: Find, executable: Path) -> None:
    asked = Asked()

    def detect(**changes: Any) -> int:
        detect_browsers(["chromium"], find=find, ask=asked, **changes)
        return len(asked.names)

    assert detect() == 1
    assert detect() == 1
    assert detect(machine=["another driver"]) == 2
    assert detect(machine=["another driver"]) == 2
    assert detect(again=True) == 3
    assert detect() == 3
    executable.write_text("#!/bin/sh\necho Chromium 151.0\n")
    assert detect() == 4
    assert len(json.loads(kept_answers().read_text())) == 3


def test_answers_grow_old(find: Find) -> None:
    asked = Asked()
    detect_browsers(["chromium"], find=find, ask=asked)
    kept = json.loads(kept_answers().read_text())
    for entry in kept.values():
        entry["asked_at"] -= KEPT_FOR_S + 1
    kept_answers().write_text(json.dumps(kept))
    detect_browsers(["chromium"], find=find, ask=asked)
    assert asked.names == ["chromium", "chromium"]
    assert len(json.loads(kept_answers().read_text())) == 1


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"a": 1}', "null"])
def test_a_broken_file_of_answers_is_asked_again_and_replaced(find: Find, own_cache: Path, content: str) -> None:
    own_cache.mkdir()
    kept_answers().write_text(content)
    asked = Asked()
    assert detect_browsers(["chromium"], find=find, ask=asked)[0].problem is None
    detect_browsers(["chromium"], find=find, ask=asked)
    assert asked.names == ["chromium"]


def test_where_nothing_can_be_kept_it_still_answers(find: Find, own_cache: Path) -> None:
    own_cache.write_text("a file where the folder would be")
    asked = Asked()
    for _ in range(2):
        assert detect_browsers(["chromium"], find=find, ask=asked)[0].problem is None
    assert asked.names == ["chromium", "chromium"]


def test_a_browser_that_fails_says_so_and_is_asked_the_next_time(find: Find) -> None:
    broken = Asked(EngineError("The browser ended at once.", hint="Install what it needs."))
    found = detect_browsers(["chromium"], find=find, ask=broken)[0]
    assert (found.problem, found.advice, found.is_missing) == (
        "The browser ended at once.",
        "Install what it needs.",
        False,
    )
    assert found.version == "150.0.1"
    assert detect_browsers(["chromium"], find=find, ask=Asked())[0].problem is None


def test_a_browser_that_ends_at_once_is_a_problem_and_no_hang(executable: Path) -> None:
    found = FoundBrowser(BROWSERS["chromium"], executable)
    read = detect_browsers(["chromium"], find=lambda _name: found)[0]
    assert read.problem is not None
    assert read.wasm is None


@pytest.mark.parametrize("name", BROWSERS)
def test_a_real_browser_is_asked_for_real(name: str, browsers_here: Mapping[str, FoundBrowser | Unavailable]) -> None:
    found = browsers_here[name]
    if isinstance(found, Unavailable):
        pytest.skip(f"{name} is not here: {found}")
    read = detect_browsers([name], find=lambda _name: found)[0]
    assert read.problem is None
    assert read.user_agent
    assert read.wasm is not None
    assert (read.wasm.has_simd, read.wasm.has_threads, read.wasm.is_isolated) == (True, True, True)
    assert read.wasm.clock_resolution_ns is not None
    assert read.wasm.clock_resolution_ns < 100_000
    assert read.webgpu is not None
    assert (read.webgpu.adapter is None) == (read.webgpu.absence is not None)
    assert read.webnn is not None
    assert not set(read.webnn.devices) & set(read.webnn.refused)
    if name == "sparticuz":
        assert "cpu" in read.webnn.devices
        assert {"gpu", "npu"} <= read.webnn.refused.keys()


def test_what_is_asked_closes_the_browser_again(browsers_here: Mapping[str, FoundBrowser | Unavailable]) -> None:
    found = next((one for one in browsers_here.values() if isinstance(one, FoundBrowser)), None)
    if found is None:
        pytest.skip("no browser is here: assay web fetch sparticuz")
    import psutil

    before = {child.pid for child in psutil.Process().children(recursive=True)}
    answers = ask_browser(found)
    assert set(answers) == {"hello", "features"}
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before
