"""``assay web fetch`` and ``assay web ls``, over a package and browsers made here: nothing is downloaded or started."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from assay.artefacts.npm import AssetFile, Package, digest
from assay.cli import web
from assay.core.absence import Unavailable
from assay.core.errors import AssayError, UnknownNameError
from assay.engines.web import assets, sparticuz
from assay.engines.web.sparticuz import Sparticuz

CODE = b"\0asm\1\0\0\0"
PACKAGE = Package("some-runtime", "1.2.3", "MIT", "runtime", (AssetFile("dist/run.wasm", "run.wasm", digest(CODE)),))
ABSENT = Unavailable("no Firefox was found", "apt-get install firefox-esr")


@dataclass(frozen=True)
class Found:
    """Just enough of a browser that was found."""

    version: str
    executable: Path


def ask(*arguments: str) -> Result:
    return CliRunner().invoke(web.app, list(arguments))


def answer(result: Result) -> Any:
    return json.loads(result.stdout)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a Chromium, no Firefox, and no runtime."""
    browsers = ModuleType("assay.engines.web.browsers")
    found = {"chromium": Found("150.0", Path("/usr/bin/chromium")), "firefox": ABSENT}
    browsers.BROWSERS, browsers.find_browser = found, found.__getitem__  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, browsers.__name__, browsers)
    monkeypatch.setattr(assets, "VENDOR", tmp_path / "vendor")
    monkeypatch.setattr(assets, "runtime_package", lambda: PACKAGE)
    monkeypatch.setenv("ASSAY_WEB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def put_runtime(folder: Path, code: bytes = CODE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.wasm").write_bytes(code)
    return folder


def test_what_is_here_and_what_is_not_is_listed(here: Path) -> None:
    result = ask("ls", "--json")
    assert result.exit_code == web.EXIT_MISSING  # no runtime
    runtime, chromium, firefox = answer(result)
    assert (runtime["name"], runtime["reason"]) == ("some-runtime", "some-runtime 1.2.3 is not here")
    assert chromium == {
        "name": "chromium", "kind": "browser", "version": "150.0", "path": "/usr/bin/chromium",
        "reason": None, "install_hint": None,
    }  # fmt: skip
    assert firefox["install_hint"] == "apt-get install firefox-esr"
    put_runtime(here / "vendor")
    result = ask("ls")
    assert result.exit_code == 0
    assert "no Firefox was found (apt-get install firefox-esr)" in result.stdout
    assert str(here / "vendor") in result.stdout
    rows = list(csv.DictReader(io.StringIO(ask("ls", "--csv").stdout)))
    assert tuple(rows[0]) == web.COLUMNS
    assert [row["name"] for row in rows] == ["some-runtime", "chromium", "firefox"]


def test_a_file_that_somebody_changed_is_listed_as_such(here: Path) -> None:
    put_runtime(here / "vendor", CODE + b"more")
    result = ask("ls", "--json")
    assert result.exit_code == web.EXIT_MISSING
    assert "another SHA-512" in answer(result)[0]["reason"]


def test_the_runtime_is_fetched_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch_files(_packages: object, folder: Path, *_: object, **__: object) -> tuple[str, ...]:
        put_runtime(folder)
        return ("run.wasm",)

    monkeypatch.setattr(assets, "fetch_files", fetch_files)
    folder = here / "cache" / "some-runtime-1.2.3"
    assert ask("fetch").stdout.split() == f"some-runtime 1.2.3: fetched into {folder}".split()
    assert answer(ask("fetch", "runtime", "--json")) == [
        {"name": "some-runtime", "version": "1.2.3", "path": str(folder), "fetched": False}
    ]
    put_runtime(folder, b"changed")
    assert answer(ask("fetch", "--json"))[0]["fetched"]
    assert (folder / "run.wasm").read_bytes() == CODE


def test_without_npm_the_error_says_what_to_do() -> None:
    result = ask("fetch")
    assert isinstance(result.exception, AssayError)
    assert "Install npm (Debian: apt-get install npm), then: assay web fetch." in str(result.exception)


def test_the_chromium_is_fetched_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Sparticuz(Path("/cache/chromium"), "Chromium 147", {})
    monkeypatch.setattr(sparticuz, "find_sparticuz", lambda: Unavailable("it is not unpacked here"))
    monkeypatch.setattr(sparticuz, "fetch_sparticuz", lambda: found)
    (one,) = answer(ask("fetch", "sparticuz", "--json"))
    assert (one["name"], one["path"], one["fetched"]) == ("@sparticuz/chromium", "/cache/chromium", True)


def test_what_cannot_be_fetched_is_a_slip() -> None:
    result = ask("fetch", "runtme")
    assert isinstance(result.exception, UnknownNameError)
    assert "Did you mean 'runtime'?" in str(result.exception)
    assert web.complete_fetched("sp") == ["sparticuz"]
