"""A report into a file, whole or not at all. May import: core."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from pathlib import Path

from assay.core.errors import AssayError, UsageError

_KEPT = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 80
_MODE = 0o666


def write_file(path: Path, content: bytes) -> None:
    """Write a file as one step: readers see the old one or the new one. Folders above it are made.

    Raises UsageError where a folder has that name, AssayError where it cannot be written.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder, and a report is one file.", hint="Name a file, or give --format too.")
    draft: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:_LONGEST_NAME]}.", dir=path.parent)
        draft = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        draft.chmod(_MODE & ~_umask())
        draft.replace(path)
    except OSError as error:
        if draft is not None:
            with contextlib.suppress(OSError):
                draft.unlink()
        raise AssayError(
            f"{path} could not be written: {error.strerror or error}.", hint="Choose another place with -o."
        ) from error


def file_name(kind: str, about: str, suffix: str) -> str:
    """A name for a report's file: ``run-1a2b3c4d.html``, of letters, digits, dots, dashes and underscores."""
    return f"{_KEPT.sub('-', '-'.join(filter(None, (kind, about)))).strip('-.')[:_LONGEST_NAME]}{suffix}"


def _umask() -> int:
    """The process's mask, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
