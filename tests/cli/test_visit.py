"""Asking a person to open the page: what is printed, and what launches find in their environment meanwhile."""

from __future__ import annotations

import builtins
import importlib
import io
import os
import re
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from assay.cli.listing import _describe_place
from assay.cli.visit import (
    Invitation,
    describe_invitation,
    describe_visitor_browser,
    draw_code,
    invite,
    plan_invitation,
    show_invitation,
)
from assay.core.case import Case, Scalar
from assay.core.errors import EngineError, UsageError
from assay.core.records import EnvironmentRecord
from assay.core.words import Mode, Precision, Status
from assay.engines.web.hello import Hello
from assay.engines.web.visit import VisitSettings, plan_visit, read_visit
from assay.runner.collect import CaseIdentity, summarise_case
from assay.runner.plan import Obstacle, PlannedCase
from assay.workloads.resolve import resolve_workload

Here = Callable[..., Any]
TOKEN = "0123456789abcdef"  # noqa: S105  (opens nothing)
HELLO = Hello.read({
    "user_agent": "Mozilla/5.0", "brand": "Google Chrome", "version": "150.0.1", "platform": "Android",
    "hardware_concurrency": 8, "cross_origin_isolated": True, "clock_resolution_ns": 5000,
})  # fmt: skip
HALVES = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}


def planned(**options: Scalar) -> PlannedCase:
    case = Case.make(
        workload="bert/tiny", engine="web-wasm", device="cpu", mode=Mode.INFERENCE, precision=Precision.FP32, batch=1,
        shape={"seq": 128}, options=options,
    )  # fmt: skip
    return PlannedCase(case, resolve_workload("bert/tiny"), threads=1)


def visit(visitor: str = "pixel9", **options: Scalar) -> PlannedCase:
    return planned(browser="visit", visitor=visitor, **options)


def invitation(url: str | None = None) -> Invitation:
    return Invitation("pixel9", plan_visit(url, token=TOKEN))


@pytest.fixture
def _web_engine() -> None:
    """Registered, also where the package's metadata is older than the engine."""
    importlib.import_module("assay.engines.web.wasm")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ASSAY_VISIT")]:
        monkeypatch.delenv(name)


def test_nobody_is_asked_where_nobody_visits() -> None:
    assert plan_invitation([planned(), planned(browser="firefox")], None, None, None, None) is None
    impossible = replace(visit(), obstacle=Obstacle(Status.UNSUPPORTED, "no"))
    assert plan_invitation([impossible], None, None, None, None) is None
    printed = io.StringIO()
    with invite(None, Console(file=printed)):
        assert "ASSAY_VISIT_TOKEN" not in os.environ
    assert printed.getvalue() == ""


def test_a_run_has_one_visitor() -> None:
    made = plan_invitation([visit(), visit(threads=2), planned()], "192.168.1.20", None, None, None)
    assert made is not None
    assert (made.visitor, made.settings.url) == ("pixel9", "http://192.168.1.20:8435")
    with pytest.raises(UsageError, match=r"2 visitors \(pixel9, iphone16\); expected one"):
        plan_invitation([visit(), visit("iphone16")], None, None, None, None)


def test_a_token_of_ones_own_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_VISIT_TOKEN", TOKEN)
    monkeypatch.setenv("ASSAY_VISIT_WAIT_S", "7")
    made = plan_invitation([visit()], None, None, None, None)
    assert made is not None
    assert (made.settings.token, made.settings.wait_s) == (TOKEN, 7)


def test_launches_find_the_address_and_nobody_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_VISIT_WAIT_S", "5")
    made, printed = invitation(), io.StringIO()
    with invite(made, Console(file=printed, highlight=False), meet=lambda _settings: HELLO):
        assert read_visit(os.environ) == made.settings
    assert printed.getvalue().endswith("pixel9 is here: Google Chrome 150.0.1 on Android, 8 cores.\n")
    assert {name for name in os.environ if name.startswith("ASSAY_VISIT")} == {"ASSAY_VISIT_WAIT_S"}
    assert os.environ["ASSAY_VISIT_WAIT_S"] == "5"


def test_where_nobody_comes_nothing_is_run() -> None:
    def meet(_settings: VisitSettings) -> Hello:
        raise EngineError("Nobody came.")

    printed = io.StringIO()
    with pytest.raises(EngineError, match="Nobody came"), invite(invitation(), Console(file=printed), meet=meet):
        pytest.fail("the run began")
    assert TOKEN in printed.getvalue()


def test_who_came_is_described_by_what_is_known() -> None:
    assert describe_visitor_browser(Hello.read({"user_agent": "Mozilla/5.0 (odd)"})) == (
        "Mozilla/5.0 (odd); its page is not cross-origin isolated: one thread, a coarse clock."
    )


VISIT = ("run", "-m", "bert/tiny", "-e", "web-wasm", "-o", "browser=visit")


@pytest.mark.usefixtures("_web_engine")
def test_a_visit_without_a_name_is_refused_before_anything_is_run(here: Here) -> None:
    said = here(*VISIT)
    assert said.code == 2
    assert "browser=visit was given with no visitor; expected the name of the device" in said.err


@pytest.mark.usefixtures("_web_engine")
def test_a_dry_run_invites_nobody_but_refuses_what_could_not_be_opened(here: Here) -> None:
    said = here(*VISIT, "-o", "visitor=pixel9", "--dry-run")
    assert (said.code, said.err) == (0, "")
    assert "visitor=pixel9" in said.out
    said = here(*VISIT, "-o", "visitor=pixel9", "--dry-run", "--visit", "ftp://pixel9")
    assert (said.code, said.out) == (2, "")
    assert "is none that a browser could open" in said.err


@pytest.mark.usefixtures("_web_engine")
def test_where_nobody_comes_the_command_says_so(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_VISIT_WAIT_S", "0.2")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    said = here(*VISIT, "-o", "visitor=pixel9", "--visit", address)
    assert (said.code, said.out) == (2, "")
    assert "Open this on pixel9" in said.err
    assert "error: Nobody opened the page within 0.2 s." in said.err


def test_a_run_says_whose_device_computed() -> None:
    here = EnvironmentRecord("env", "host", "some CPU", {}, datetime(2026, 1, 1, tzinfo=UTC))

    def place(*cases: PlannedCase) -> str:
        identity = CaseIdentity("result", "run", "hardware", launches_planned=1)
        results = [summarise_case(identity, one, [], now=here.first_seen_at, parameters=None) for one in cases]
        return _describe_place(results, here)

    assert place() == place(planned()) == "some CPU"
    assert place(visit(), visit(threads=2)) == "pixel9 (visitor), asked from some CPU"
    assert place(planned(), visit()) == "some CPU and pixel9 (visitor)"


def show(made: Invitation, *, is_terminal: bool, width: int = 100) -> str:
    printed = io.StringIO()
    colors: Any = "truecolor" if is_terminal else None
    console = Console(file=printed, force_terminal=is_terminal, width=width, color_system=colors, highlight=False)
    show_invitation(made, console)
    return printed.getvalue()


def test_the_address_is_printed_whole_and_the_code_on_a_terminal_only() -> None:
    plain = show(invitation(), is_terminal=False, width=30)
    assert f"\n  http://127.0.0.1:8435/{TOKEN}/\n" in plain
    assert "Open this on pixel9" in plain
    assert "█" not in plain
    assert "\x1b" not in plain
    assert "█" in show(invitation(), is_terminal=True)


def test_what_must_be_minded_is_said() -> None:
    here = " ".join(describe_invitation(plan_visit()))
    assert "The run waits 300 s" in here
    assert "adb reverse tcp:8435 tcp:8435" in here
    assert "plain HTTP" not in here
    others = " ".join(describe_invitation(plan_visit("192.168.1.20")))
    assert "adb" not in others
    assert "Over plain HTTP browsers give one thread" in others


def modules_of(url: str) -> list[list[int]]:
    """Read the drawing back into black and white modules, as a camera would."""
    drawn = draw_code(url, width=100)
    assert not isinstance(drawn, str)
    rows: list[list[int]] = []
    for line in drawn.plain.rstrip("\n").split("\n"):
        pairs = [HALVES[letter] for letter in line[2:]]
        rows += [[upper for upper, _ in pairs], [lower for _, lower in pairs]]
    return rows


def test_the_code_that_is_drawn_is_the_code_of_the_address() -> None:
    segno = pytest.importorskip("segno", reason="segno draws QR codes: pip install 'assay[web]'")
    url = invitation().settings.page_url
    rows = modules_of(url)
    expected = [list(row) for row in segno.make_qr(url, error="l", boost_error=False).matrix_iter(border=2)]
    assert rows[: len(expected)] == expected
    assert all(not any(row) for row in rows[len(expected) :])
    assert all(not any(row) for row in (rows[0], rows[1]))  # the quiet zone, without which no reader finds it


def test_black_is_drawn_on_white_whatever_the_terminal_is() -> None:
    pytest.importorskip("segno", reason="segno draws QR codes: pip install 'assay[web]'")
    assert re.search(r"\x1b\[38;2;0;0;0;48;2;255;255;255m", show(invitation(), is_terminal=True))


def test_a_terminal_that_is_too_narrow_gets_no_broken_code() -> None:
    pytest.importorskip("segno", reason="segno draws QR codes: pip install 'assay[web]'")
    said = show(invitation(), is_terminal=True, width=24)
    assert "█" not in said
    assert "No QR code: it takes" in said.replace("\n", " ")


def test_without_segno_there_is_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **named: Any) -> Any:
        if name == "segno":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    said = show(invitation(), is_terminal=True)
    assert "No QR code: pip install 'assay[web]' draws one." in said
    assert f"http://127.0.0.1:8435/{TOKEN}/" in said
