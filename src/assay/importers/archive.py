"""Unpacking gzip and zip, bounded: a small file may claim to hold a large one, and may lie about it.

What is counted is what comes out, never what a header says. Names in an archive are shown, and never used as paths.
May import: core, importers.base, importers.source.
"""

from __future__ import annotations

import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from assay.importers.base import ImportFileError
from assay.importers.source import Limits

GZIP_MAGIC = b"\x1f\x8b\x08"
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
_PIECE_BYTES = 1 << 20
_FREE_BYTES = 1 << 20
"""What may come out before the ratio counts: a short text of spaces packs 1000-fold and harms nobody."""
_BROKEN = (
    EOFError, NotImplementedError, OSError, RuntimeError, ValueError, lzma.LZMAError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What Python's unpackers raise for archives that are cut, damaged, encrypted or packed in a way it does not know."""


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        ...


def unpack_gzip(path: Path, name: str, target: Path, limits: Limits) -> None:
    """Unpack one file. Raises ImportFileError where it is broken or too large."""
    try:
        with gzip.open(path, "rb") as packed, target.open("wb") as unpacked:
            _copy(packed, unpacked, name, path.stat().st_size, limits, already=0)
    except _BROKEN as error:
        raise ImportFileError(f"{name} cannot be unpacked: {_reason(error)}.") from None


def unpack_zip(path: Path, name: str, folder: Path, limits: Limits) -> Iterator[tuple[str, Path | ImportFileError]]:
    """Give every file in an archive by its name, unpacked into ``folder`` under a name of ours, or what is wrong.

    Hidden files are left out, as they are in folders. Raises ImportFileError where the archive as a whole is broken
    or has too many files; once more has come out than is allowed, it raises too, and the rest is not unpacked.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if _is_wanted(member)]
            if len(members) > limits.members:
                raise ImportFileError(f"{name} holds {len(members)} files; {limits.members} at most are read.")
            total = 0
            for number, member in enumerate(sorted(members, key=lambda one: one.filename)):
                shown = f"{name}!{_printable(member.filename)}"
                target = folder / f"{number:06d}"
                try:
                    with archive.open(member) as packed, target.open("wb") as unpacked:
                        total += _copy(packed, unpacked, shown, member.compress_size, limits, already=total)
                except _BROKEN as error:
                    yield shown, ImportFileError(f"{shown} cannot be unpacked: {_reason(error)}.")
                else:
                    yield shown, target
    except _BROKEN as error:
        raise ImportFileError(f"{name} cannot be unpacked: {_reason(error)}.") from None


def copy_bounded(stream: Readable, target: IO[bytes], name: str, limit_bytes: int) -> int:
    """Copy a stream. Returns its bytes. Raises ImportFileError beyond ``limit_bytes``."""
    copied = 0
    while piece := stream.read(_PIECE_BYTES):
        copied += len(piece)
        if copied > limit_bytes:
            raise ImportFileError(f"{name} has more than the {limit_bytes} bytes that are read.")
        target.write(piece)
    return copied


def _copy(packed: Readable, unpacked: IO[bytes], name: str, packed_bytes: int, limits: Limits, already: int) -> int:
    copied, allowed = 0, limits.unpacked_ratio * packed_bytes + _FREE_BYTES
    while piece := packed.read(_PIECE_BYTES):
        copied += len(piece)
        if copied > allowed:
            raise ImportFileError(
                f"{name} unpacks to more than {limits.unpacked_ratio} times its {packed_bytes} packed bytes, as no "
                "table of results does.",
                hint="If you trust it, unpack it yourself and import what is inside.",
            )
        if already + copied > limits.unpacked_bytes:
            raise ImportFileError(
                f"{name} unpacks to more than {limits.unpacked_bytes} bytes"
                f"{' with what came before it in the archive' if already else ''}.",
                hint="If you trust it, unpack it yourself and import what is inside.",
            )
        unpacked.write(piece)
    return copied


def _is_wanted(member: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    hidden = any((part.startswith(".") and part not in {".", ".."}) or part == "__MACOSX" for part in parts)
    return not member.is_dir() and not hidden


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _reason(error: Exception) -> str:
    text = str(error).strip().rstrip(".") or type(error).__name__
    return text[0].lower() + text[1:]
