"""Files out of npm's packages: named in a manifest, fetched once, and held to their SHA-512.

What the dashboard's pages load and what a browser runs a model with is other people's work, megabytes of it, and so no
part of the sources. npm only brings the archive and runs nothing of it. No file but those named is read out of it, and
one that is not byte for byte the one named is refused and never written.

Build hooks use this before anything is installed. May import: core and the standard library.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.core.errors import AssayError

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
    """One npm package at one version; ``use`` says what it is for."""

    name: str
    version: str
    licence: str
    use: str
    files: tuple[AssetFile, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A file that names packages, and how to speak of what it names.

    ``what`` begins a sentence ("The scripts of the pages"), ``command`` fetches it, ``without`` says what is missed.
    No file may be larger than ``file_limit_bytes``, and npm has ``limit_s`` for each package.
    """

    path: Path
    what: str
    command: str
    without: str
    file_limit_bytes: int = 16 << 20
    limit_s: float = 180.0


def read_packages(manifest: Path, *, use: str | None = None) -> tuple[Package, ...]:
    """Return the packages that a manifest names, or those of one use."""
    content = json.loads(manifest.read_text(encoding="utf-8"))
    return tuple(
        Package(
            one["name"], one["version"], one["licence"], one["use"], tuple(AssetFile(**each) for each in one["files"])
        )
        for one in content["packages"]
        if use is None or one["use"] == use
    )


def digest(content: bytes) -> str:
    """Return the SHA-512 of a file's content as a manifest writes it."""
    return _write_digest(hashlib.sha512(content).digest())


def digest_file(path: Path) -> str:
    """Return the SHA-512 of a file as a manifest writes it, without holding all of it in memory."""
    with path.open("rb") as file:
        return _write_digest(hashlib.file_digest(file, "sha512").digest())


def missing_files(packages: Sequence[Package], folder: Path) -> Iterator[tuple[Package, AssetFile]]:
    """Yield the files that are not in the folder, or are not the ones that the manifest names."""
    for package in packages:
        for file in package.files:
            path = folder / file.target
            if not path.is_file() or digest_file(path) != file.sha512:
                yield package, file


def fetch_files(
    packages: Sequence[Package], folder: Path, manifest: Manifest, *, pack: PackPackage | None = None
) -> tuple[str, ...]:
    """Bring what is missing into the folder, and return the names of the files that were written.

    A file appears whole or not at all, and none of a package before all of them were found to be the ones named.
    Raises AssayError where npm is missing or fails, where a package has not the file that is named, where a file is
    not the one that is named, and where the folder cannot be written.
    """
    wanted: dict[Package, list[AssetFile]] = {}
    for package, file in missing_files(packages, folder):
        wanted.setdefault(package, []).append(file)
    written = []
    for package, files in wanted.items():
        with tempfile.TemporaryDirectory(prefix="assay-assets-") as scratch:
            archive = pack_package(package, manifest, Path(scratch), pack=pack)
            contents = read_members(
                archive,
                [file.member for file in files],
                f"{package.name} {package.version}",
                limit_bytes=manifest.file_limit_bytes,
            )
        for file in files:
            _check(package, file, contents[file.member], manifest)
        for file in files:
            _write(folder / file.target, contents[file.member])
            written.append(file.target)
    return tuple(written)


def bring_files(packages: Sequence[Package], folder: Path, manifest: Manifest, *, is_check: bool) -> str:
    """Fetch what is missing, or raise AssayError where this is only a check; return a line that says what was done."""
    if is_check:
        absent = [file.target for _, file in missing_files(packages, folder)]
        if absent:
            raise AssayError(f"Not in {folder}, or not as named: {', '.join(absent)}.", hint="Run without --check.")
        return f"{folder}: everything is here.\n"
    written = fetch_files(packages, folder, manifest)
    return f"{folder}: {'fetched ' + ', '.join(written) if written else 'everything is here'}.\n"


def pack_package(package: Package, manifest: Manifest, folder: Path, *, pack: PackPackage | None = None) -> Path:
    """Bring the archive of a package into the folder: by npm, or by what stands in for it."""
    if pack is not None:
        return pack(package.name, package.version, folder)
    return pack_with_npm(package.name, package.version, folder, manifest)


def pack_with_npm(name: str, version: str, folder: Path, manifest: Manifest) -> Path:
    """Have npm download the archive of a package; it runs none of the package's scripts."""
    npm = shutil.which("npm")
    if npm is None:
        raise AssayError(
            f"{manifest.what} are not here, and npm, which fetches them, is not installed.",
            hint=f"Install npm (Debian: apt-get install npm), then: {manifest.command}. {manifest.without}",
        )
    command = [npm, "pack", f"{name}@{version}", "--silent", "--ignore-scripts", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=manifest.limit_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AssayError(f"npm could not fetch {name} {version}: {error}.", hint=manifest.without) from error
    archives = sorted(folder.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        said = " ".join((done.stderr or done.stdout).split())[-300:] or "it said nothing, as it does without a network"
        raise AssayError(
            f"npm could not fetch {name} {version} (exit {done.returncode}): {said}.",
            hint=f"Try `npm view {name}@{version} version`: it says what npm reaches. {manifest.without}",
        )
    return archives[0]


def read_members(archive: Path, members: Sequence[str], package: str, *, limit_bytes: int) -> Mapping[str, bytes]:
    """Return files of a package's archive by their paths in it.

    Nothing is unpacked, so no name in the archive can lead anywhere. Raises AssayError where one is not there, is no
    plain file, or has more than ``limit_bytes``, and where the archive is broken.
    """
    wanted = {f"package/{member}": member for member in members}
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r:gz") as opened:
            for entry in opened:
                if entry.name not in wanted or not entry.isreg():
                    continue
                member = wanted[entry.name]
                if entry.size > limit_bytes:
                    raise AssayError(f"{member} of {package} has {entry.size} bytes, over {limit_bytes}.")
                content = opened.extractfile(entry)
                contents[member] = content.read() if content is not None else b""
                if len(contents) == len(wanted):
                    break
    except (tarfile.TarError, EOFError, OSError) as error:
        raise AssayError(f"The archive of {package} cannot be read: {error}.") from error
    absent = [member for member in members if member not in contents]
    if absent:
        raise AssayError(
            f"The archive of {package} has no file {', '.join(absent)}.",
            hint="The manifest names it: the version there and its files do not belong together.",
        )
    return contents


def _write_digest(value: bytes) -> str:
    return "sha512-" + base64.b64encode(value).decode("ascii")


def _check(package: Package, file: AssetFile, content: bytes, manifest: Manifest) -> None:
    got = digest(content)
    if got != file.sha512:
        raise AssayError(
            f"{file.member} of {package.name} {package.version} is not the file that {manifest.path.name} names: "
            f"got {got}, expected {file.sha512}.",
            hint="It was not written. Somebody changed the package or the way to it: find out who before going on.",
        )


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content)
    except OSError as error:
        raise AssayError(
            f"{path.name} cannot be written into {path.parent}: {error}.",
            hint="It needs the right to write there, and space.",
        ) from error


def _replace(path: Path, content: bytes) -> None:
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(scratch).chmod(0o644)
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
