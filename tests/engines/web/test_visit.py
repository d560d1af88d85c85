"""Where a person's browser finds the page: what may be asked for, and that launches read back what the run settled."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.core.errors import UnsupportedError, UsageError
from assay.engines.web.visit import (
    DEFAULT_URL,
    DEFAULT_WAIT_S,
    TOKEN_VARIABLE,
    check_visitor,
    describe_visitor,
    is_loopback,
    is_visit,
    plan_visit,
    read_visit,
    read_wait,
)

TOKEN = "0123456789abcdef"  # noqa: S105  (opens nothing)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "visit.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\n")
    return path


def test_without_anything_only_this_machine_is_let_in() -> None:
    settings = plan_visit()
    assert (settings.url, settings.address, settings.port) == (DEFAULT_URL, "127.0.0.1", 8435)
    assert settings.page_url == f"http://127.0.0.1:8435/{settings.token}/"
    assert settings.host == "127.0.0.1:8435"
    assert (settings.is_secure, settings.is_for_others, settings.wait_s) == (True, False, DEFAULT_WAIT_S)


def test_every_run_has_a_token_of_its_own_of_128_bits() -> None:
    tokens = {plan_visit().token for _ in range(20)}
    assert len(tokens) == 20
    assert all(len(token) >= 128 / 6 for token in tokens)


@pytest.mark.parametrize(
    ("url", "expected", "address", "port"),
    [
        ("192.168.1.20", "http://192.168.1.20:8435", "192.168.1.20", 8435),
        ("192.168.1.20:9000", "http://192.168.1.20:9000", "192.168.1.20", 9000),
        ("http://bench.local/", "http://bench.local", "bench.local", 80),
        ("http://bench.local:80", "http://bench.local", "bench.local", 80),
        ("http://[fd00::20]:9000", "http://[fd00::20]:9000", "fd00::20", 9000),
        ("[::1]", "http://[::1]:8435", "::1", 8435),
    ],
)
def test_an_address_may_be_short(url: str, expected: str, address: str, port: int) -> None:
    settings = plan_visit(url, token=TOKEN)
    assert (settings.url, settings.address, settings.port) == (expected, address, port)
    assert settings.page_url == f"{expected}/{TOKEN}/"


def test_a_certificate_makes_it_https(certificate: Path) -> None:
    settings = plan_visit("192.168.1.20", certificate=certificate)
    assert settings.url == "https://192.168.1.20:8435"
    assert (settings.certificate, settings.key) == (certificate, None)
    assert (settings.is_secure, settings.is_for_others) == (True, True)
    assert plan_visit("https://bench.local:443", certificate=certificate).host == "bench.local"


def test_plain_http_for_others_is_not_secure() -> None:
    assert not plan_visit("192.168.1.20").is_secure


def test_what_is_opened_and_what_is_listened_to_may_differ() -> None:
    settings = plan_visit("https://bench.local:443", listen="127.0.0.1:9000")
    assert (settings.url, settings.host) == ("https://bench.local", "bench.local")
    assert (settings.address, settings.port, settings.is_for_others) == ("127.0.0.1", 9000, False)
    assert plan_visit("http://localhost:8435", listen="[::]:9000").address == "::"


@pytest.mark.parametrize(
    "url",
    ["ftp://bench.local", "http://", "http://bench.local/page", "http://bench.local:99999", "http://a@bench.local",
     "http://bench.local?x=1", "http://bench.local:0", "http://[::1", "://"],
)  # fmt: skip
def test_what_no_browser_could_open_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="is none that a browser could open"):
        plan_visit(url)


@pytest.mark.parametrize("url", ["0.0.0.0:8435", "http://[::]:8435"])
def test_every_address_at_once_is_none_to_open(url: str) -> None:
    with pytest.raises(UsageError, match="means every address of this machine") as error:
        plan_visit(url)
    assert f"--visit-listen {url.removeprefix('http://')} beside it" in str(error.value)


@pytest.mark.parametrize(
    "listen", ["9000", "bench.local", "bench.local:0", "bench.local:70000", "a:b", ":9000", "[::1"]
)
def test_what_cannot_be_listened_to_is_refused(listen: str) -> None:
    with pytest.raises(UsageError, match="is no place to listen at; expected ADDRESS:PORT"):
        plan_visit(listen=listen)


def test_files_for_tls_must_fit_the_address(certificate: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="begins with https: needs a certificate"):
        plan_visit("https://192.168.1.20")
    with pytest.raises(UsageError, match="begins with http:"):
        plan_visit("http://192.168.1.20", certificate=certificate)
    with pytest.raises(UsageError, match="without its certificate"):
        plan_visit(key=certificate)
    with pytest.raises(UsageError, match=r"There is no file .*absent\.pem"):
        plan_visit("192.168.1.20", certificate=tmp_path / "absent.pem")


@pytest.mark.parametrize(
    "token", ["short", "x" * 129, "0123456789abcdef/..", "0123456789abcdef\n", "0123456789abc def"]
)
def test_a_token_that_could_be_guessed_or_misread_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(UsageError, match=r"16 to 128 letters") as error:
        plan_visit(token=token)
    assert token not in str(error.value)


def test_launches_read_back_what_the_run_settled(certificate: Path) -> None:
    for settings in (
        plan_visit(),
        plan_visit("192.168.1.20", certificate=certificate, key=certificate, wait_s=12.5),
        plan_visit("http://[fd00::20]:9000", token=TOKEN),
        plan_visit("https://bench.local", listen="[::]:9000", token=TOKEN),
    ):
        assert read_visit(settings.to_environ()) == settings


def test_a_launch_without_a_token_says_what_to_do() -> None:
    with pytest.raises(UsageError, match=TOKEN_VARIABLE) as error:
        read_visit({})
    assert "`assay run` makes one" in str(error.value)


@pytest.mark.parametrize("text", ["soon", "-1", "0", "nan", "inf"])
def test_a_wait_is_a_number_of_seconds(text: str) -> None:
    assert read_wait(None) == read_wait("") == DEFAULT_WAIT_S
    assert read_wait("30") == 30
    with pytest.raises(UsageError, match="expected seconds"):
        plan_visit(wait_s=read_wait(text))


def test_a_visit_needs_the_name_of_the_device() -> None:
    check_visitor({})
    check_visitor({"browser": "firefox"})
    check_visitor({"browser": "visit", "visitor": "Pixel 9 Pro (".removesuffix(" (")})
    with pytest.raises(UnsupportedError, match=r"with no visitor; expected the name of the device.*visitor=pixel9"):
        check_visitor({"browser": "visit"})
    for name in ("", " pixel", "a|b", "x" * 65, "pixel\n9"):
        with pytest.raises(UnsupportedError, match="expected the name of the device"):
            check_visitor({"browser": "visit", "visitor": name})
    with pytest.raises(UnsupportedError, match="visitor=pixel9 was given without browser=visit"):
        check_visitor({"visitor": "pixel9"})


def test_the_hardware_of_a_visit_is_the_visitor() -> None:
    assert describe_visitor({"browser": "visit", "visitor": "pixel9"}) == "pixel9 (visitor)"
    assert describe_visitor({"browser": "chromium"}) is None
    assert describe_visitor({}) is None
    assert is_visit({"browser": "visit"})
    assert not is_visit({})


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("LOCALHOST.", True), ("a.localhost", True), ("127.0.0.1", True), ("127.9.9.9", True),
     ("::1", True), ("::", False), ("localhost.example", False), ("192.168.1.20", False), ("", False),
     ("0.0.0.0", False)],  # noqa: S104  (compared, not bound)
)  # fmt: skip
def test_loopback_is_only_what_can_mean_nothing_else(host: str, expected: bool) -> None:  # noqa: FBT001  (a parameter of pytest's)
    assert is_loopback(host) is expected
