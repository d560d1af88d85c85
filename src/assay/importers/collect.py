"""From what was asked for (files, folders, addresses, archives) to files that can be read.

Hidden files are left out of folders; links are followed only within them. A file of ``.gz`` or ``.zip`` content is
unpacked, whatever its name. May import: core, importers.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from assay.core.errors import AssayError, UsageError
from assay.importers.archive import GZIP_MAGIC, ZIP_MAGICS, copy_bounded, unpack_gzip, unpack_zip
from assay.importers.base import ImportFileError
from assay.importers.fetch import fetch_url, is_address, shown_address
from assay.importers.source import Limits

STDIN = "-"
_DEEPEST_PACKING = 2
"""A gzip in a zip is read; what is packed more often is hardly meant to be."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file to read: where it is, what people know it by, and whether it was itself asked for."""

    path: Path
    name: str
    named: bool


@dataclass(frozen=True, slots=True)
class Broken:
    """A file that cannot even be looked at, and why."""

    name: str
    named: bool
    error: AssayError


def check_targets(targets: Sequence[str]) -> None:
    """Raise UsageError where a path is not there: better before anything is taken than halfway through."""
    for target in targets:
        if is_address(target) or target == STDIN:
            continue
        if "://" in target:
            raise UsageError(f"{target!r} is no address that can be read; expected http:// or https://, or a path.")
        try:
            Path(target).lstat()
        except FileNotFoundError:
            raise UsageError(f"There is no file or folder {target!r}.") from None
        except (OSError, ValueError):
            continue  # reading it says what is wrong


class Collector:
    """Gives the files behind the targets, one by one; what it downloads and unpacks goes into ``workspace``."""

    def __init__(self, workspace: Path, limits: Limits) -> None:
        self._workspace = workspace
        self._limits = limits
        self._numbers = count()

    def files(self, targets: Sequence[str]) -> Iterator[Found | Broken]:
        """Give every file, in the order asked for; folders sorted by name."""
        for target in targets:
            for one in self._expand(target):
                yield from self._unpack(one, 0) if isinstance(one, Found) else (one,)

    def _expand(self, target: str) -> Iterator[Found | Broken]:
        name = target
        try:
            if target == STDIN:
                name, path = "standard input", self._new_path()
                with path.open("wb") as file:
                    copy_bounded(sys.stdin.buffer, file, name, self._limits.unpacked_bytes)
            elif is_address(target):
                name, path = shown_address(target), self._new_path()
                fetch_url(target, path, self._limits)
            else:
                path = Path(target)
                name = printable(path)
                if path.is_dir():
                    yield from _walk(path)
                    return
        except (AssayError, OSError, ValueError) as error:
            yield Broken(name, named=True, error=as_file_error(name, error))
        else:
            yield Found(path, name, named=True)

    def _unpack(self, found: Found, depth: int) -> Iterator[Found | Broken]:
        try:
            packing = _packing(found)
            if packing and depth == _DEEPEST_PACKING:
                raise ImportFileError(f"{found.name} is an archive in an archive in an archive; unpack it first.")
            if packing == "gzip":
                path = self._new_path()
                unpack_gzip(found.path, found.name, path, self._limits)
                yield from self._unpack(replace(found, path=path), depth + 1)
            elif packing == "zip":
                folder = self._new_path()
                folder.mkdir()
                for name, member in unpack_zip(found.path, found.name, folder, self._limits):
                    if isinstance(member, ImportFileError):
                        yield Broken(name, named=False, error=member)
                    else:
                        yield from self._unpack(Found(member, name, named=False), depth + 1)
            else:
                yield found
        except (AssayError, OSError) as error:
            yield Broken(found.name, found.named, as_file_error(found.name, error))

    def _new_path(self) -> Path:
        return self._workspace / f"{next(self._numbers):06d}"


def as_file_error(name: str, error: Exception) -> AssayError:
    """Say of which file it is that the operating system refused."""
    if isinstance(error, AssayError):
        return error
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ImportFileError(f"{name} cannot be read: {reason.lower()}.")


def printable(path: Path) -> str:
    """The path as text; bytes that are no UTF-8, which a name may have, are spelled out."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _walk(root: Path) -> Iterator[Found | Broken]:
    resolved = root.resolve()
    for folder, folders, names in os.walk(root, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in sorted([*names, *links]):
            path = Path(folder) / name
            if name.startswith("."):
                continue
            if path.is_symlink() and not _leads_into(path, resolved):
                shown = printable(path)
                error = ImportFileError(
                    f"{shown} is a link that leads out of the folder.", hint="Name what it leads to, to import that."
                )
                yield Broken(shown, named=False, error=error)
            elif name not in links:  # what a link to a folder of this tree leads to is found without it
                yield Found(path, printable(path), named=False)


def _leads_into(link: Path, root: Path) -> bool:
    try:
        return link.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):  # RuntimeError: a loop, before Python 3.13
        return False


def _raise(error: OSError) -> None:
    raise error


def _packing(found: Found) -> str | None:
    if not stat.S_ISREG(found.path.stat().st_mode):
        raise ImportFileError(f"{found.name} is no regular file (a pipe or a device), which is not read.")
    with found.path.open("rb") as file:
        magic = file.read(4)
    if magic[:3] == GZIP_MAGIC:
        return "gzip"
    return "zip" if magic in ZIP_MAGICS else None
