"""Fetching files out of npm's packages, with archives composed here in place of npm's: nothing is downloaded."""

from __future__ import annotations

import io
import os
import sys
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from assay.artefacts.npm import (
    AssetFile,
    Manifest,
    Package,
    bring_files,
    digest,
    digest_file,
    fetch_files,
    missing_files,
    pack_with_npm,
    read_members,
)
from assay.core.errors import AssayError

SCRIPT = b"export const answer = 42;\n"
LICENCE = b"Do as you like.\n"
PACKAGE = Package(
    "some-scripts", "1.2.3", "0BSD", "pages",
    (
        AssetFile("dist/some.min.js", "some.min.js", digest(SCRIPT)),
        AssetFile("LICENSE", "some.LICENSE.txt", digest(LICENCE)),
    ),
)  # fmt: skip
FILES = {"package/dist/some.min.js": SCRIPT, "package/LICENSE": LICENCE, "package/evil.js": b"boom()"}
MANIFEST = Manifest(
    Path("assets.json"), what="Some scripts", command="make scripts", without="Without them all is slower."
)

Pack = Callable[[str, str, Path], Path]


def archive(path: Path, files: Mapping[str, bytes], *others: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as opened:
        for entry in others:
            opened.addfile(entry)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            opened.addfile(entry, io.BytesIO(content))
    return path


@pytest.fixture
def packed() -> tuple[Pack, list[str]]:
    """What stands in for npm, and what it was asked for."""
    asked: list[str] = []

    def pack(name: str, version: str, folder: Path) -> Path:
        asked.append(f"{name}@{version}")
        return archive(folder / "some.tgz", FILES)

    return pack, asked


def test_what_is_missing_is_fetched_and_nothing_else_of_the_package(
    packed: tuple[Pack, list[str]], tmp_path: Path
) -> None:
    pack, asked = packed
    folder = tmp_path / "vendor"
    assert fetch_files([PACKAGE], folder, MANIFEST, pack=pack) == ("some.min.js", "some.LICENSE.txt")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "some.min.js": SCRIPT,
        "some.LICENSE.txt": LICENCE,
    }
    assert asked == ["some-scripts@1.2.3"]
    assert list(missing_files([PACKAGE], folder)) == []
    assert fetch_files([PACKAGE], folder, MANIFEST, pack=pack) == ()
    assert len(asked) == 1


def test_only_a_file_that_somebody_changed_here_is_fetched_again(
    packed: tuple[Pack, list[str]], tmp_path: Path
) -> None:
    pack, _ = packed
    fetch_files([PACKAGE], tmp_path, MANIFEST, pack=pack)
    (tmp_path / "some.min.js").write_bytes(b"changed")
    assert [file.target for _, file in missing_files([PACKAGE], tmp_path)] == ["some.min.js"]
    assert fetch_files([PACKAGE], tmp_path, MANIFEST, pack=pack) == ("some.min.js",)
    assert (tmp_path / "some.min.js").read_bytes() == SCRIPT


def test_one_file_that_is_not_the_one_named_keeps_the_whole_package_from_being_written(tmp_path: Path) -> None:
    def pack(_name: str, _version: str, folder: Path) -> Path:
        return archive(folder / "some.tgz", FILES | {"package/LICENSE": LICENCE + b"steal();"})

    with pytest.raises(AssayError, match=r"LICENSE of some-scripts 1\.2\.3 is not the file .* expected sha512-"):
        fetch_files([PACKAGE], tmp_path / "vendor", MANIFEST, pack=pack)
    assert not (tmp_path / "vendor").exists()


def test_only_plain_files_inside_the_package_are_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    link = tarfile.TarInfo("package/dist/some.min.js")
    link.type, link.linkname = tarfile.SYMTYPE, str(secret)
    device = tarfile.TarInfo("package/dist/device")
    device.type = tarfile.CHRTYPE
    path = archive(tmp_path / "some.tgz", {"package/../../escape": b"x", "/absolute": b"x"}, link, device)
    for member in ("dist/some.min.js", "dist/device", "absolute"):
        with pytest.raises(AssayError, match="has no file"):
            read_members(path, [member], "some-scripts 1.2.3", limit_bytes=100)
    assert sorted(tmp_path.iterdir()) == [secret, path]


def test_a_file_that_is_too_large_and_a_broken_archive_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "some.tgz", FILES)
    with pytest.raises(AssayError, match="has 26 bytes, over 10"):
        read_members(path, ["dist/some.min.js"], "some-scripts 1.2.3", limit_bytes=10)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(AssayError, match=r"The archive of some-scripts 1\.2\.3 cannot be read"):
        read_members(path, ["LICENSE"], "some-scripts 1.2.3", limit_bytes=100)


def test_writing_leaves_nothing_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(AssayError, match=r"some\.min\.js cannot be written into .*vendor: no space left"):
        fetch_files(
            [PACKAGE], tmp_path / "vendor", MANIFEST, pack=lambda _n, _v, folder: archive(folder / "a.tgz", FILES)
        )
    assert list((tmp_path / "vendor").iterdir()) == []


def test_a_digest_is_the_same_read_at_once_and_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "some").write_bytes(SCRIPT)
    assert digest_file(tmp_path / "some") == digest(SCRIPT)
    assert len(digest(SCRIPT)) == 95


def test_a_line_says_what_was_done_and_a_check_fetches_nothing(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match=r"Not in .*, or not as named: some\.min\.js, some\.LICENSE\.txt"):
        bring_files([PACKAGE], tmp_path, MANIFEST, is_check=True)
    (tmp_path / "some.min.js").write_bytes(SCRIPT)
    (tmp_path / "some.LICENSE.txt").write_bytes(LICENCE)
    for is_check in (True, False):
        assert bring_files([PACKAGE], tmp_path, MANIFEST, is_check=is_check) == f"{tmp_path}: everything is here.\n"


# -- npm itself ------------------------------------------------------------------------------------------------


def fake_npm(folder: Path, body: str) -> Path:
    path = folder / "npm"
    path.write_text(f"#!{sys.executable}\nimport sys, pathlib\n{body}\n")
    path.chmod(0o755)
    return path


posix_only = pytest.mark.skipif(os.name != "posix", reason="the stand-in for npm is a script with a shebang")


def test_without_npm_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        AssayError,
        match=r"Some scripts are not here, and npm, .* is not installed\. Install npm .* make scripts\. Without them",
    ):
        pack_with_npm("some-scripts", "1.2.3", tmp_path, MANIFEST)


@posix_only
def test_npm_is_asked_for_the_archive_and_runs_no_script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here, place = tmp_path / "bin", tmp_path / "place"
    here.mkdir()
    place.mkdir()
    fake_npm(here, "pathlib.Path(sys.argv[-1], 'got.tgz').write_text(' '.join(sys.argv[1:-1]))")
    monkeypatch.setenv("PATH", str(here), prepend=os.pathsep)
    got = pack_with_npm("some-scripts", "1.2.3", place, MANIFEST)
    assert got == place / "got.tgz"
    assert got.read_text() == "pack some-scripts@1.2.3 --silent --ignore-scripts --pack-destination"


@posix_only
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("sys.exit(1)", "it said nothing, as it does without a network"),
        ("print('E404 not found', file=sys.stderr); sys.exit(1)", "E404 not found"),
        ("pass", "it said nothing"),
    ],
)
def test_when_npm_fails_what_it_said_is_in_the_message(
    body: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_npm(tmp_path, body)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(AssayError, match=rf"npm could not fetch some-scripts 1\.2\.3 \(exit [01]\): {said}"):
        pack_with_npm("some-scripts", "1.2.3", tmp_path, MANIFEST)
