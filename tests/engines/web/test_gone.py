from __future__ import annotations

from pathlib import Path

import pytest

from assay.core.errors import EngineError
from assay.engines.web.browsers import BROWSERS, FoundBrowser
from assay.engines.web.gone import PageGoneError, Witness, explain_gone, explain_hang, explain_start
from assay.engines.web.happenings import ProcessEnded, Told
from assay.engines.web.hello import Hello
from assay.engines.web.process import describe_exit

CHROMIUM = FoundBrowser(BROWSERS["chromium"], Path("/usr/bin/chromium"))
BYE = (Told("page_hide", None),)


@pytest.mark.parametrize(
    ("witness", "cause", "words"),
    [
        (
            Witness("measure", CHROMIUM, ended=(ProcessEnded("renderer", 7, -11),)),
            "renderer",
            "The page went away in measure: its renderer process ended (SIGSEGV).",
        ),
        (Witness("fetch", CHROMIUM, missing=("renderer",)), "renderer", "its renderer process ended."),
        (
            Witness("fetch", CHROMIUM, ended=(ProcessEnded("browser", 7, -6),), last_words="FATAL: no"),
            "browser",
            "Chromium itself ended (SIGABRT); its last words: FATAL: no.",
        ),
        (Witness("fetch", CHROMIUM, ended=(ProcessEnded("browser", 7, 0),)), "closed", "Chromium was closed."),
        # A closed tab's renderer ends as well, and that is not why.
        (
            Witness("fetch", CHROMIUM, ended=(ProcessEnded("renderer", 7, 0),), events=BYE),
            "closed",
            "its tab was closed",
        ),
        (Witness("fetch", CHROMIUM, ended=(ProcessEnded("renderer", 7, 0),)), "closed", "its tab was closed"),
        (Witness("fetch", CHROMIUM), "lost", "no process was seen to end"),
        (Witness("fetch", None), "lost", "the connection to the visitor's browser broke"),
        (Witness("fetch", None, events=BYE), "closed", "its tab was closed"),
    ],
)
def test_every_way_to_go_has_its_words(witness: Witness, cause: str, words: str) -> None:
    problem = explain_gone(witness)
    assert words in problem.message
    assert problem.cause == cause


@pytest.mark.parametrize(
    ("witness", "is_main_alive", "cause", "words"),
    [
        (Witness("measure", CHROMIUM), True, "hang", "within 3 s: its main thread still answers"),
        (Witness("measure", CHROMIUM), False, "hang", "neither does its main thread"),
        (Witness("measure", CHROMIUM, missing=("gpu",)), False, "gpu", "after its GPU process ended."),
        (
            Witness("measure", CHROMIUM, ended=(ProcessEnded("gpu", 7, 133),)),
            True,
            "gpu",
            "after its GPU process ended (exit code 133).",
        ),
    ],
)
def test_a_hang_says_what_still_answers(witness: Witness, *, is_main_alive: bool, cause: str, words: str) -> None:
    problem = explain_hang(witness, "chunk", 3.0, is_main_alive=is_main_alive)
    assert words in problem.message
    assert problem.cause == cause


def test_a_start_that_fails_says_how_far_it_came() -> None:
    def said(witness: Witness) -> PageGoneError:
        problem = explain_start(witness, 60.0)
        assert problem.cause == "start"
        return problem

    assert "did not ask for its page within 60 s" in said(Witness("page", CHROMIUM)).message
    assert "its page did not answer within 60 s" in said(Witness("page", CHROMIUM, was_asked_for=True)).message
    assert "Nobody opened the page" in said(Witness("page", None)).message
    handed_over = said(Witness("page", CHROMIUM, ended=(ProcessEnded("browser", 7, 0),)))
    assert "Another copy" in str(handed_over)


def test_an_exit_is_named() -> None:
    assert [describe_exit(code) for code in (None, 0, 3, -11, -9, -500)] == [
        "", "exit code 0", "exit code 3", "SIGSEGV", "SIGKILL", "signal 500",
    ]  # fmt: skip


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def test_a_hello_is_read_with_care() -> None:
    hello = Hello.read({
        "user_agent": f"{FIREFOX}\x1b[31m{'x' * 1000}", "brand": None, "version": None, "platform": 3,
        "is_mobile": "yes", "cross_origin_isolated": "true", "hardware_concurrency": -4, "clock_resolution_ns": "fine",
        "has_webgpu": 1,
    })  # fmt: skip
    assert len(hello.user_agent) == 300
    assert "\x1b" not in hello.user_agent
    assert (hello.version, hello.platform, hello.is_mobile) == ("140.0", None, None)
    assert (hello.is_isolated, hello.has_webgpu, hello.has_webnn) == (False, False, False)
    assert (hello.hardware_concurrency, hello.clock_resolution_ns, hello.visibility) == (None, 1, "unknown")
    assert "hardware_concurrency" not in hello.facts()


APPLE = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
ANDROID = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "browser", "version"),
    [
        (FIREFOX, "Firefox", "140.0"),
        (f"{APPLE} Version/18.3 Safari/605.1.15", "Safari", "18.3"),
        (f"{APPLE} FxiOS/141.2 Mobile/15E148 Safari/605.1.15", "Firefox", "141.2"),
        (f"{APPLE} CriOS/141.0.7390.26 Mobile/15E148 Safari/604.1", "Google Chrome", "141.0.7390.26"),
        (f"{ANDROID} SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36", "Samsung Internet", "28.0"),
        (f"{ANDROID} Version/4.0 Chrome/141.0.0.0 Mobile Safari/537.36", "Chromium", "141.0.0.0"),
        ("something else", None, None),
    ],
)
def test_browsers_that_only_their_user_agent_names(user_agent: str, browser: str | None, version: str | None) -> None:
    facts = Hello.read({"user_agent": user_agent, "brand": None, "version": None}).facts()
    assert (facts.get("browser"), facts.get("browser_version")) == (browser, version)


@pytest.mark.parametrize("said", [None, [], "hello", {}, {"user_agent": 3}])
def test_what_is_no_hello_is_refused(said: object) -> None:
    with pytest.raises(EngineError, match="first answer"):
        Hello.read(said)
