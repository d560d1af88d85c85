"""Paths as Windows and macOS write them: what is read as one, what is redacted, and which names of files we make."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.errors import AssayError
from assay.engines.web import browsers
from assay.importers.archive import unpack_zip
from assay.importers.source import Limits
from assay.probes.software import collect_env, redact_value
from assay.store.address import is_remote, name_below
from assay.workloads import resolve

RESERVED = {"con", "prn", "aux", "nul", *(f"{word}{n}" for word in ("com", "lpt") for n in range(1, 10))}
"""Names that Windows keeps for devices, with any ending (Naming Files, Paths, and Namespaces, Microsoft)."""


def fits_everywhere(path: str) -> bool:
    """True for a relative path that Windows, macOS and Linux can hold."""
    return all(
        part
        and re.search(r'[<>:"|?*\\\x00-\x1f]', part) is None
        and part[-1] not in ". "
        and part.split(".")[0].lower() not in RESERVED
        for part in path.split("/")
    )


@pytest.mark.parametrize("ref", [r"C:\models\bert", r"c:/models/bert", r"\\server\share\bert", r"D:\mit Leerzeichen"])
def test_a_drive_is_no_module(ref: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Windows(PureWindowsPath):
        """What pathlib.Path is there, as far as deciding goes."""

    monkeypatch.setattr(resolve, "Path", Windows)
    monkeypatch.setattr(resolve, "is_model_file", lambda _ref: False)
    monkeypatch.setattr(resolve, "_folder", asked.append)
    resolve.resolve_workload(ref)
    assert asked == [ref]


def test_a_module_with_a_colon_is_still_one_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(resolve, "Path", PureWindowsPath)
    monkeypatch.setattr(resolve, "is_model_file", lambda _ref: False)
    monkeypatch.setattr(resolve, "_factory", asked.append)
    resolve.resolve_workload("my_model:make")
    assert asked == ["my_model:make"]


@pytest.mark.parametrize(
    ("home", "value", "kept"),
    [
        (r"C:\Users\ana", r"C:\Users\ana\lib\mkl.dll", r"~\lib\mkl.dll"),
        ("/Users/ana", "/Users/ana/lib/libomp.dylib", "~/lib/libomp.dylib"),
        ("/", "/usr/lib", "/usr/lib"),
        ("", "/usr/lib", "/usr/lib"),
    ],
)
def test_homes_of_every_system_become_a_tilde(home: str, value: str, kept: str) -> None:
    assert redact_value("MKL_PATH", value, home=home) == kept


def test_the_home_of_windows_is_found_in_its_own_variable() -> None:
    environ = {"USERPROFILE": r"C:\Users\ana", "MKL_ROOT": r"C:\Users\ana\mkl"}
    assert collect_env(environ) == {"MKL_ROOT": r"~\mkl"}


@pytest.mark.parametrize(
    ("platform", "places"),
    [
        ("darwin", {"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"}),
        ("win32", {r"C:\Program Files/Google/Chrome/Application/chrome.exe"}),
    ],
)
def test_browsers_are_looked_for_where_each_system_has_them(
    platform: str, places: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.engines.web.browsers.sys.platform", platform)
    environ = {"PATH": "", "PROGRAMFILES": r"C:\Program Files", "ProgramFiles": r"C:\Program Files"}
    chrome = next(one for one in browsers.BROWSERS.values() if one.name == "chrome")
    found = {str(one) for one in browsers._candidates(chrome, environ)}
    assert places <= found


@pytest.mark.parametrize("location", [r"C:\stores\one", "C:/stores/one", "/Volumes/Data Disk/store", r"\\nas\bench"])
def test_a_drive_letter_is_no_scheme(location: str) -> None:
    assert not is_remote(location)


def test_names_below_a_store_have_slashes_on_every_system(monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.store import address

    monkeypatch.setattr(address, "Path", PureWindowsPath)
    assert name_below(r"C:\stores\one", r"C:\stores\one\runs\part-1.parquet") == "runs/part-1.parquet"


@pytest.mark.parametrize("name", [r"..\..\evil.json", r"C:\evil.json", "../../evil.json", "/etc/evil.json", "con.json"])
def test_names_in_an_archive_lead_nowhere_on_any_system(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "some.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(name, "{}")
    folder = tmp_path / "deep" / "out"
    folder.mkdir(parents=True)
    for _, found in unpack_zip(archive, "some.zip", folder, Limits()):
        assert isinstance(found, Path)
        assert found.parent == folder
        assert fits_everywhere(found.name)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["deep", "some.zip"]


@given(path=st.text(st.characters(codec="utf-8"), max_size=40), query=st.sampled_from(["", "?a=b", "?q=con"]))
@settings(max_examples=300)
def test_files_of_the_site_can_be_on_every_system(path: str, query: str) -> None:
    pytest.importorskip("fastapi", reason="the site needs the extra serve")
    from urllib.parse import quote

    from assay.web.site import file_of

    for kind in ("text/html", "text/csv", "application/json", "image/svg+xml"):
        assert fits_everywhere(file_of(f"/{quote(path)}{query}", kind))


@pytest.mark.parametrize("path", ["/con", "/runs/aux", "/nul.json", "/workloads/COM1", "/a./b"])
def test_names_that_windows_keeps_are_no_files_of_the_site(path: str) -> None:
    pytest.importorskip("fastapi", reason="the site needs the extra serve")
    from assay.web.site import file_of

    assert fits_everywhere(file_of(path, "text/html"))


@pytest.mark.parametrize("text", ["store\0one", "x" * 5000])
def test_paths_that_no_system_takes_are_refused_in_words(text: str) -> None:
    from assay.store import Store

    with pytest.raises((AssayError, ValueError)) as raised:
        Store.open(text)
    assert isinstance(raised.value, AssayError), "an error of ours says what is wrong"
