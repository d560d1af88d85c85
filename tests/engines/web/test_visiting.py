"""A browser that is started apart plays the person: it opens one address once, and all launches find it there."""

from __future__ import annotations

import random
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from assay.core.absence import Unavailable
from assay.core.errors import EngineError
from assay.engines.web.browsers import LaunchFlags, find_browser
from assay.engines.web.page import PageRequest, open_page
from assay.engines.web.process import BrowserProcess
from assay.engines.web.profile import fresh_profile
from assay.engines.web.visit import VisitSettings, plan_visit

Open = Callable[..., None]
LIMIT_S = 60.0


@pytest.fixture
def person() -> Iterator[Open]:
    """Open an address in a browser of its own, as a person would; it is closed in the end."""
    found = find_browser("chromium")
    found = find_browser() if isinstance(found, Unavailable) else found
    if isinstance(found, Unavailable):
        pytest.skip(f"no browser is here: {found}")
    opened: list[BrowserProcess] = []

    def open_address(url: str, *flags: str) -> None:
        opened.append(BrowserProcess(found, url, fresh_profile(), LaunchFlags(webgpu=False, webnn=False, extra=flags)))

    yield open_address
    for browser in opened:
        browser.close()


def free_port(address: str = "127.0.0.1") -> int:
    """A port below those that systems hand out by themselves: of those, somebody else may take one in between."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as listener:
            try:
                listener.bind((address, port))
            except OSError:
                continue
            return port


def other_address() -> str:
    """An address of this machine that is not loopback, as another machine would use."""
    for interface in psutil.net_if_addrs().values():
        for one in interface:
            if one.family == socket.AF_INET and not one.address.startswith("127."):
                return str(one.address)
    pytest.skip("this machine has no address but loopback")


def request(settings: VisitSettings) -> PageRequest:
    return PageRequest(browser=None, visit=settings)


def test_one_tab_serves_one_launch_after_another(person: Open) -> None:
    settings = plan_visit(f"http://127.0.0.1:{free_port()}", wait_s=LIMIT_S)
    with ThreadPoolExecutor(1) as pool:
        meeting = pool.submit(open_page, request(settings))
        person(settings.page_url)
        page = meeting.result(LIMIT_S)
    with page:
        assert page.hello.is_isolated
        assert (page.pids(), page.memory_by_kind(), page.process) == ((), {}, None)
        assert page.facts["browser_by"] == "visitor"
        assert "browser_launch" not in page.costs_ns
        assert page.url == settings.page_url
    for _ in range(2):
        with open_page(request(settings)) as again:
            assert again.hello.user_agent == page.hello.user_agent
            assert again.call("features", {}, limit_s=LIMIT_S)["wasm"]["threads"] is True


def test_over_plain_http_from_elsewhere_a_page_has_no_threads_and_no_gpu(person: Open) -> None:
    address = other_address()
    settings = plan_visit(f"http://{address}:{free_port(address)}", wait_s=LIMIT_S)
    assert not settings.is_secure
    with ThreadPoolExecutor(1) as pool:
        meeting = pool.submit(open_page, request(settings))
        person(settings.page_url)
        with meeting.result(LIMIT_S) as page:
            assert (page.hello.is_isolated, page.hello.is_secure, page.hello.has_webgpu) == (False, False, False)
            assert page.hello.clock_resolution_ns >= 50_000
            assert page.call("features", {}, limit_s=LIMIT_S)["wasm"]["threads"] is False


def test_over_tls_a_page_from_elsewhere_has_all_of_it(person: Open, tmp_path: Path) -> None:
    address, pem = other_address(), tmp_path / "visit.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-batch",
               "-days", "2", "-addext", f"subjectAltName=IP:{address}",
               "-keyout", str(pem), "-out", str(pem)]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed, which makes the certificate")
    settings = plan_visit(f"{address}:{free_port(address)}", certificate=pem, wait_s=LIMIT_S)
    assert settings.url.startswith("https://")
    with ThreadPoolExecutor(1) as pool:
        meeting = pool.submit(open_page, request(settings))
        person(settings.page_url, "--ignore-certificate-errors")  # what the person agrees to, once
        with meeting.result(LIMIT_S) as page:
            assert (page.hello.is_isolated, page.hello.is_secure) == (True, True)
            assert page.call("features", {}, limit_s=LIMIT_S)["wasm"]["threads"] is True


def test_where_nobody_comes_it_is_said() -> None:
    settings = plan_visit(f"http://127.0.0.1:{free_port()}", wait_s=0.2)
    with pytest.raises(EngineError, match=r"Nobody opened the page within 0\.2 s"):
        open_page(request(settings))


def test_an_address_that_is_taken_is_said_before_anybody_is_waited_for() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = plan_visit(f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(EngineError, match="the port is in use"):
            open_page(request(settings))


def test_a_certificate_that_is_none_is_refused(tmp_path: Path) -> None:
    pem = tmp_path / "visit.pem"
    pem.write_text("no certificate")
    settings = plan_visit(f"127.0.0.1:{free_port()}", certificate=pem)
    with pytest.raises(EngineError, match="cannot be used"):
        open_page(request(settings))
