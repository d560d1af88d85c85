"""What exactly was read: one SHA-256 over the files of a data set, each checked where its folder says what it must be.

The checksum of several files is that of the text which ``sha256sum`` prints for them, sorted by name, so that it can be
made without assay. A file ``SHA256SUMS`` in the folder, as ``sha256sum`` writes it, is held to. May import: core.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from assay.core.errors import WorkloadError

LIST_NAME = "SHA256SUMS"
HASHED_BYTES = 1 << 30
"""More than this is not read twice: names and sizes are hashed instead, and the notes say so."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The checksum of what was read, and what must be said with it."""

    checksum: str
    notes: tuple[str, ...] = ()


def hash_file(path: Path, algorithm: str = "sha256") -> str:
    """Return the digest of a file, as hexadecimal digits. Raises WorkloadError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    except OSError as error:
        raise WorkloadError(f"{path} could not be read: {error.strerror or error}.") from error


def check_files(root: Path, files: Iterable[Path]) -> Checked:
    """Hash files under ``root``. Raises WorkloadError for one that is not as ``SHA256SUMS`` has it."""
    listed = sorted(files, key=lambda one: one.relative_to(root).as_posix())
    expected = read_list(root)
    sizes = [one.stat().st_size for one in listed]
    if sum(sizes) > HASHED_BYTES:
        lines = [f"{size}  {one.relative_to(root).as_posix()}\n" for size, one in zip(sizes, listed, strict=True)]
        note = "the checksum covers names and sizes: the files are too large to be read twice"
        return Checked(hashlib.sha256("".join(lines).encode()).hexdigest(), (note,))
    lines = []
    for one in listed:
        name, digest = one.relative_to(root).as_posix(), hash_file(one)
        wanted = expected.get(name)
        if wanted not in {None, digest}:
            raise WorkloadError(
                f"{one} is not the file it should be: SHA-256 {digest}, expected {wanted} by {root / LIST_NAME}.",
                hint="Fetch it again, or write the list anew if the change was meant.",
            )
        lines.append(f"{digest}  {name}\n")
    return Checked(hashlib.sha256("".join(lines).encode()).hexdigest())


def read_list(root: Path) -> Mapping[str, str]:
    """Return what ``SHA256SUMS`` says, by name; nothing where there is none. Raises WorkloadError for a bad line."""
    file = root / LIST_NAME
    if not file.is_file():
        return {}
    found = {}
    for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        digest, _, name = line.partition(" ")
        if len(digest) != hashlib.sha256().digest_size * 2 or not name:
            raise WorkloadError(f"{file}, line {number}: expected a SHA-256 and a name, as sha256sum writes them.")
        found[name.lstrip(" *").removeprefix("./")] = digest.lower()
    return found
