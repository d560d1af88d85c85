"""Where the store is, whether this assay may read it, and whether it can be written.

May import: core; platformdirs inside a function.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shlex
from pathlib import Path

from assay import __version__
from assay.core.errors import StoreError, StoreVersionError
from assay.core.records import SCHEMA_VERSION

MARKER = "assay-store.json"
FORMAT = "assay-store"
JOURNALS = "journal"
WRITING = "writing"
QUARANTINE = "quarantine"
MINIMUM_FREE_BYTES = 16 * 1024 * 1024
_ELSEWHERE = "Choose another folder with --store or ASSAY_STORE."
_REASONS = {
    errno.EACCES: "permission was denied",
    errno.EPERM: "permission was denied",
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.ENOTDIR: "a part of the path is a file",
    errno.EEXIST: "a part of the path is a file",
    errno.ENAMETOOLONG: "the path is too long",
}


def default_location() -> str:
    """Return ``$ASSAY_STORE``, or else ``store`` in the user's data folder of this platform."""
    chosen = os.environ.get("ASSAY_STORE")
    if chosen:
        return chosen
    import platformdirs

    return str(Path(platformdirs.user_data_dir("assay", appauthor=False)) / "store")


def open_location(location: str | os.PathLike[str] | None, *, create: bool) -> str:
    """Return the absolute folder of a store this assay can read, creating it where asked.

    Writes nothing to a store that exists, so one on a read-only medium can be read. Raises StoreError where there
    is none or it cannot be made, StoreVersionError where a newer assay wrote it.
    """
    text = os.fspath(location) if location is not None else default_location()
    if "://" in text:
        raise StoreError(f"The store {text!r} is an address; this assay keeps stores in folders.", hint=_ELSEWHERE)
    if set(text) & set("*?["):
        raise StoreError(f"The store path {text!r} has one of * ? [, which queries would expand.", hint=_ELSEWHERE)
    folder = Path(text).expanduser().absolute()
    marker = folder / MARKER
    try:
        found = marker.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        if not create:
            raise StoreError(
                f"There is no store in {folder}.", hint="`assay run` makes one; or pass --store."
            ) from None
        _create(folder)
        found = marker.read_text(encoding="utf-8")
    except OSError as error:
        raise StoreError(f"The store {folder} cannot be read: {reason_of(error)}.", hint=_ELSEWHERE) from error
    _check_version(found, marker)
    return str(folder)


def refuse_absent(location: str | os.PathLike[str]) -> None:
    """Raise StoreError where there is nothing at all: reading must not make an empty store of a mistyped path."""
    text = os.fspath(location)
    if "://" in text:
        return  # opening it says what is wrong
    folder = Path(text).expanduser().absolute()
    try:
        folder.lstat()
    except FileNotFoundError:
        raise StoreError(
            f"There is no store in {folder}.", hint=f"`assay run --store {shlex.quote(text)}` makes one."
        ) from None
    except OSError:
        return  # the same


def check_writable(location: str) -> None:
    """Prove that the store can be written, by writing. Raises StoreError saying why not."""
    folder = Path(location)
    probe = folder / f".probe-{secrets.token_hex(4)}"
    try:
        probe.write_bytes(b"assay")
        for name in (JOURNALS, WRITING):
            (folder / name).mkdir(exist_ok=True)
    except OSError as error:
        raise StoreError(f"The store {folder} cannot be written: {reason_of(error)}.", hint=_ELSEWHERE) from error
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
    free = free_bytes(location)
    if free < MINIMUM_FREE_BYTES:
        raise StoreError(
            f"The disk of the store {folder} is nearly full: {free} bytes are free, expected at least "
            f"{MINIMUM_FREE_BYTES}.",
            hint="Free some space, or choose another folder with --store or ASSAY_STORE.",
        )


def free_bytes(location: str) -> int:
    """Return what the store's disk still takes, in bytes."""
    import shutil

    return shutil.disk_usage(location).free


def reason_of(error: OSError) -> str:
    """Say in words why the operating system refused."""
    return _REASONS.get(error.errno or 0, error.strerror or str(error))


def write_marker(folder: Path, *, schema_version: int = SCHEMA_VERSION) -> None:
    """Write the store's version file, whole or not at all."""
    content = {"format": FORMAT, "schema_version": schema_version, "created_by": f"assay {__version__}"}
    draft = folder / f".{MARKER}.{secrets.token_hex(4)}"
    draft.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    draft.replace(folder / MARKER)


def _create(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A dot file may be another process's draft of the same marker.
        strangers = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        if strangers and MARKER not in strangers and not (folder / MARKER).exists():
            raise StoreError(
                f"The folder {folder} is not empty and holds no store ({MARKER} is missing; found {strangers[0]!r}).",
                hint="Name an empty or a new folder with --store or ASSAY_STORE.",
            )
        if MARKER not in strangers:
            write_marker(folder)
    except OSError as error:
        raise StoreError(f"No store could be made in {folder}: {reason_of(error)}.", hint=_ELSEWHERE) from error


def _check_version(found: str, marker: Path) -> None:
    try:
        content = json.loads(found)
        version = content["schema_version"]
        usable = content["format"] == FORMAT and isinstance(version, int)
    except (ValueError, KeyError, TypeError):
        usable, version = False, 0
    if not usable:
        raise StoreError(
            f"{marker} is not the version file of a store.",
            hint=f'Expected {{"format": "{FORMAT}", "schema_version": {SCHEMA_VERSION}}}.',
        )
    if version > SCHEMA_VERSION:
        raise StoreVersionError(
            f"The store {marker.parent} was written by assay schema {version}; "
            f"this assay reads up to {SCHEMA_VERSION}.",
            hint="Upgrade assay.",
        )
