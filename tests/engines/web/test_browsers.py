from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from assay.core.absence import Unavailable
from assay.core.errors import UnknownNameError
from assay.engines.web.browsers import (
    BROWSERS,
    FoundBrowser,
    LaunchFlags,
    build_command,
    build_environment,
    find_browser,
)

posix = pytest.mark.skipif(os.name == "nt", reason="a shell script plays the browser")


def program(path: Path, text: str = "exit 0") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_an_unknown_browser_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'chromium'"):
        find_browser("chromiun")


@posix
def test_a_browser_is_found_on_the_path_and_starts_nothing(tmp_path: Path) -> None:
    program(tmp_path / "firefox-esr", f"touch {tmp_path}/started")
    found = find_browser("firefox", {"PATH": str(tmp_path)})
    assert isinstance(found, FoundBrowser)
    assert (found.name, found.executable) == ("firefox", tmp_path / "firefox-esr")
    assert not (tmp_path / "started").exists()


@posix
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere browsers lie outside the path as well")
def test_the_first_that_is_here_is_taken(tmp_path: Path) -> None:
    program(tmp_path / "firefox")
    program(tmp_path / "google-chrome")
    found = find_browser(None, {"PATH": str(tmp_path)})
    assert isinstance(found, FoundBrowser)
    assert found.name == "chrome"
    missing = find_browser("edge", {"PATH": str(tmp_path)})
    assert missing == Unavailable("Microsoft Edge is not installed", BROWSERS["edge"].install_hint)


@posix
def test_a_variable_names_the_executable(tmp_path: Path) -> None:
    own = program(tmp_path / "own" / "my-chrome")
    for name in (str(own), "my-chrome"):
        found = find_browser("chrome", {"PATH": str(own.parent), "ASSAY_BROWSER_CHROME": name})
        assert isinstance(found, FoundBrowser)
        assert found.executable == own
    gone = find_browser("chrome", {"PATH": "", "ASSAY_BROWSER_CHROME": str(tmp_path / "absent")})
    assert isinstance(gone, Unavailable)
    assert "ASSAY_BROWSER_CHROME names" in gone.reason


@posix
@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("echo 'Chromium 150.0.7204.92 built on Debian GNU/Linux 12 (bookworm)'", "150.0.7204.92"),
        ("echo 'Mozilla Firefox 140.3.0esr'", "140.3.0"),
        ("echo nothing", None),
        ("exit 1", None),
    ],
)
def test_the_version_is_what_the_executable_says(tmp_path: Path, text: str, version: str | None) -> None:
    assert FoundBrowser(BROWSERS["chromium"], program(tmp_path / "browser", text)).version == version


def test_no_executable_has_no_version(tmp_path: Path) -> None:
    assert FoundBrowser(BROWSERS["chromium"], tmp_path / "absent").version is None


def chromium_command(tmp_path: Path, flags: LaunchFlags) -> list[str]:
    found = FoundBrowser(BROWSERS["chromium"], Path("/usr/bin/chromium"))
    return build_command(found, "http://127.0.0.1:1/t/", tmp_path, flags)


def test_chromium_gets_its_own_profile_and_the_page_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASSAY_BROWSER_WINDOW", raising=False)
    command = chromium_command(tmp_path, LaunchFlags(extra=("--window-size=800,600",)))
    assert command[:2] == ["/usr/bin/chromium", "--headless=new"]
    assert command[-2:] == ["--window-size=800,600", "http://127.0.0.1:1/t/"]
    assert f"--user-data-dir={tmp_path}" in command
    assert "--disable-renderer-backgrounding" in command
    assert len([flag for flag in command if flag.startswith("--enable-features=")]) == 1
    assert "--headless=new" not in chromium_command(tmp_path, LaunchFlags(is_headless=False))
    monkeypatch.setenv("ASSAY_BROWSER_WINDOW", "on")
    assert "--headless=new" not in chromium_command(tmp_path, LaunchFlags())
    assert "--headless=new" in chromium_command(tmp_path, LaunchFlags(is_headless=True))


def test_apis_behind_flags_are_switched_on_where_asked_for(tmp_path: Path) -> None:
    with_all = " ".join(chromium_command(tmp_path, LaunchFlags()))
    assert "--enable-unsafe-webgpu" in with_all
    assert "WebMachineLearningNeuralNetwork" in with_all
    without = " ".join(chromium_command(tmp_path, LaunchFlags(webgpu=False, webnn=False)))
    assert "--enable-unsafe-webgpu" not in without
    assert "--enable-features" not in without


def test_the_sandbox_stays_except_as_root_or_where_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    monkeypatch.delenv("ASSAY_BROWSER_SANDBOX", raising=False)
    assert "--no-sandbox" not in chromium_command(tmp_path, LaunchFlags())
    assert "--no-sandbox" in chromium_command(tmp_path, LaunchFlags(has_sandbox=False))
    monkeypatch.setenv("ASSAY_BROWSER_SANDBOX", "off")
    assert "--no-sandbox" in chromium_command(tmp_path, LaunchFlags())
    assert "--no-sandbox" not in chromium_command(tmp_path, LaunchFlags(has_sandbox=True))
    monkeypatch.delenv("ASSAY_BROWSER_SANDBOX")
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    assert "--no-sandbox" in chromium_command(tmp_path, LaunchFlags())


def test_firefox_gets_a_profile_with_preferences(tmp_path: Path) -> None:
    found = FoundBrowser(BROWSERS["firefox"], Path("/usr/bin/firefox"))
    command = build_command(found, "http://127.0.0.1:1/t/", tmp_path, LaunchFlags(webgpu=True))
    assert command == [
        "/usr/bin/firefox", "--headless", "--no-remote", "--profile", str(tmp_path), "http://127.0.0.1:1/t/",
    ]  # fmt: skip
    written = (tmp_path / "user.js").read_text()
    assert 'user_pref("dom.webgpu.enabled", true);\n' in written
    assert 'user_pref("dom.max_script_run_time", 0);\n' in written
    assert all(line.startswith("user_pref(") for line in written.splitlines())


def test_the_environment_keeps_reports_in_the_profile_and_workers_settings_out(tmp_path: Path) -> None:
    found = FoundBrowser(BROWSERS["sparticuz"], Path("chromium"), {"FONTCONFIG_PATH": "/fonts"})
    given = {"HOME": "/home/a", "OMP_NUM_THREADS": "1", "SSLKEYLOGFILE": "keys"}
    assert build_environment(found, tmp_path, given) == {
        "HOME": "/home/a", "FONTCONFIG_PATH": "/fonts", "BREAKPAD_DUMP_LOCATION": str(tmp_path),
        "ASSAY_BROWSER_PROFILE": str(tmp_path),
    }  # fmt: skip


@posix
def test_a_version_that_never_comes_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("browser", 1.0)

    monkeypatch.setattr(subprocess, "run", never)
    assert FoundBrowser(BROWSERS["chromium"], program(tmp_path / "browser")).version is None
