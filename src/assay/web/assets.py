"""The scripts that pages load: which files of which npm packages, fetched once and held to their SHA-512.

They are other people's work and megabytes of it, so they are no part of the sources: ``assets.json`` names them, npm
brings them when a wheel is built or a checkout is installed (``make assets``), and they lie in ``static/vendor``.
Pages never ask another host for them. What npm brings is data here: nothing of it is run, no file but those named is
read out of the archive, and a file that is not byte for byte the one named is refused.

Runs as ``python -m assay.web.assets``, from a build hook too, before anything is installed. May import: core and the
standard library.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.core.errors import AssayError

MANIFEST = Path(__file__).with_name("assets.json")
VENDOR = Path(__file__).parent / "static" / "vendor"
PAGES = "pages"
TESTS = "tests"
FILE_LIMIT_BYTES = 16 << 20
_NPM_LIMIT_S = 180
_WITHOUT = "Without them the dashboard works, but its charts are still pictures and its filters load whole pages."

PackPackage = Callable[[str, str, Path], Path]
"""Brings a package: name, version and a folder to put the archive into; returns the archive."""


@dataclass(frozen=True, slots=True)
class AssetFile:
    """One file: ``member`` is its path in the package, ``target`` its name here.

    ``sha512`` is its digest as browsers write it (``sha512-`` and base64: W3C Subresource Integrity, 3.5).
    """

    member: str
    target: str
    sha512: str


@dataclass(frozen=True, slots=True)
class Package:
    """One npm package at one version. ``use`` is ``pages`` or ``tests``; what tests use is never shipped."""

    name: str
    version: str
    licence: str
    use: str
    files: tuple[AssetFile, ...]


def read_assets(manifest: Path = MANIFEST) -> tuple[Package, ...]:
    """Return the packages that the manifest names."""
    content = json.loads(manifest.read_text(encoding="utf-8"))
    return tuple(
        Package(
            one["name"], one["version"], one["licence"], one["use"], tuple(AssetFile(**each) for each in one["files"])
        )
        for one in content["packages"]
    )


def digest(content: bytes) -> str:
    """Return the SHA-512 of a file as the manifest writes it."""
    return "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode("ascii")


def missing_files(packages: Sequence[Package], folder: Path) -> Iterator[tuple[Package, AssetFile]]:
    """Yield the files that are not in the folder, or are not the ones that the manifest names."""
    for package in packages:
        for file in package.files:
            path = folder / file.target
            if not path.is_file() or digest(path.read_bytes()) != file.sha512:
                yield package, file


def fetch_assets(packages: Sequence[Package], folder: Path, *, pack: PackPackage | None = None) -> tuple[str, ...]:
    """Bring what is missing into the folder, and return the names of the files that were written.

    A file appears whole or not at all. Raises AssayError where npm is missing or fails, where a package has not the
    file that is named, and where a file is not the one that is named.
    """
    wanted = tuple(dict.fromkeys(package for package, _ in missing_files(packages, folder)))
    written = []
    for package in wanted:
        with tempfile.TemporaryDirectory(prefix="assay-assets-") as scratch:
            archive = (pack or pack_with_npm)(package.name, package.version, Path(scratch))
            for file in package.files:
                content = read_member(archive, file.member, f"{package.name} {package.version}")
                _check(package, file, content)
                _write(folder / file.target, content)
                written.append(file.target)
    return tuple(written)


def pack_with_npm(name: str, version: str, folder: Path) -> Path:
    """Have npm download the archive of a package; it runs none of the package's scripts."""
    npm = shutil.which("npm")
    if npm is None:
        raise AssayError(
            "The scripts of the pages are not here, and npm, which fetches them, is not installed.",
            hint=f"Install npm (Debian: apt-get install npm), then: python -m assay.web.assets. {_WITHOUT}",
        )
    command = [npm, "pack", f"{name}@{version}", "--silent", "--ignore-scripts", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_NPM_LIMIT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AssayError(f"npm could not fetch {name} {version}: {error}.", hint=_WITHOUT) from error
    archives = sorted(folder.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        said = " ".join((done.stderr or done.stdout).split())[-300:] or "it said nothing, as it does without a network"
        raise AssayError(
            f"npm could not fetch {name} {version} (exit {done.returncode}): {said}.",
            hint=f"Try `npm view {name}@{version} version`: it says what npm reaches. {_WITHOUT}",
        )
    return archives[0]


def read_member(archive: Path, member: str, package: str) -> bytes:
    """Return one file of a package's archive. Nothing is unpacked, so no name in the archive can lead anywhere."""
    path = f"package/{member}"
    try:
        with tarfile.open(archive, "r:gz") as opened:
            for entry in opened:
                if entry.name != path or not entry.isreg():
                    continue
                if entry.size > FILE_LIMIT_BYTES:
                    raise AssayError(f"{member} of {package} has {entry.size} bytes, over {FILE_LIMIT_BYTES}.")
                content = opened.extractfile(entry)
                return content.read() if content is not None else b""
    except (tarfile.TarError, EOFError, OSError) as error:
        raise AssayError(f"The archive of {package} cannot be read: {error}.") from error
    raise AssayError(f"The archive of {package} has no file {member}.", hint=f"{MANIFEST.name} names it.")


def _check(package: Package, file: AssetFile, content: bytes) -> None:
    got = digest(content)
    if got != file.sha512:
        raise AssayError(
            f"{file.member} of {package.name} {package.version} is not the file that {MANIFEST.name} names: "
            f"got {got}, expected {file.sha512}.",
            hint="It was not written. Somebody changed the package or the way to it: find out who before going on.",
        )


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(scratch).chmod(0o644)
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch or check, say what was done, and return the exit status: 0, or 1 where a file is still missing."""
    parser = argparse.ArgumentParser(prog="python -m assay.web.assets", description="Fetch the scripts of the pages.")
    parser.add_argument("--check", action="store_true", help="only say whether they are here")
    parser.add_argument(
        "--tests", type=Path, metavar="FOLDER", help="fetch what the browser tests need too, into FOLDER"
    )
    chosen = parser.parse_args(arguments)
    packages = read_assets()
    places = [(PAGES, VENDOR)] + ([(TESTS, chosen.tests)] if chosen.tests else [])
    try:
        for use, folder in places:
            _bring([package for package in packages if package.use == use], folder, is_check=chosen.check)
    except AssayError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _bring(packages: Sequence[Package], folder: Path, *, is_check: bool) -> None:
    if is_check:
        absent = [file.target for _, file in missing_files(packages, folder)]
        if absent:
            raise AssayError(f"Not in {folder}, or not as named: {', '.join(absent)}.", hint="Run without --check.")
        sys.stdout.write(f"{folder}: everything is here.\n")
        return
    written = fetch_assets(packages, folder)
    sys.stdout.write(f"{folder}: {'fetched ' + ', '.join(written) if written else 'everything is here'}.\n")


if __name__ == "__main__":
    sys.exit(main())
