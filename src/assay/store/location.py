"""Where the store is, whether this assay may read it, and whether it can be written.

May import: core and store; platformdirs inside a function.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
from pathlib import Path

from assay import __version__
from assay.core.errors import StoreError, StoreVersionError
from assay.core.records import SCHEMA_VERSION
from assay.store.address import (
    delete_object,
    is_remote,
    parse_address,
    read_object,
    reason_of,
    top_names,
    write_object,
)
from assay.store.spool import ensure_state_folder, free_bytes

MARKER = "assay-store.json"
FORMAT = "assay-store"
JOURNALS = "journal"
WRITING = "writing"
QUARANTINE = "quarantine"
MINIMUM_FREE_BYTES = 16 * 1024 * 1024
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
"""What Delta's library takes for an escape, also in the path of a folder: it would write to another one."""
_ELSEWHERE = "Choose another folder with --store or ASSAY_STORE."


def default_location() -> str:
    """Return ``$ASSAY_STORE``, or else ``store`` in the user's data folder of this platform."""
    chosen = os.environ.get("ASSAY_STORE")
    if chosen:
        return chosen
    import platformdirs

    return str(Path(platformdirs.user_data_dir("assay", appauthor=False)) / "store")


def open_location(location: str | os.PathLike[str] | None, *, create: bool) -> str:
    """Return the absolute folder, or the address, of a store this assay can read, creating it where asked.

    Writes nothing to a store that exists, so one on a read-only medium can be read. Raises StoreError where there
    is none or it cannot be made, StoreVersionError where a newer assay wrote it.
    """
    found = normalise(os.fspath(location) if location is not None else default_location())
    try:
        marker = read_object(found, MARKER)
    except OSError as error:
        raise StoreError(f"The store {found} cannot be read: {reason_of(error)}.", hint=_ELSEWHERE) from error
    if marker is None:
        if not create:
            raise StoreError(f"There is no store in {found}.", hint="`assay run` makes one; or pass --store.")
        _create(found)
        marker = read_object(found, MARKER) or b""
    _check_version(marker, found)
    return found


def normalise(text: str) -> str:
    """Return a location in its one form: an absolute folder, or an address. Raises StoreError."""
    if is_remote(text):
        return parse_address(text)
    if set(text) & set("*?["):
        raise StoreError(f"The store path {text!r} has one of * ? [, which queries would expand.", hint=_ELSEWHERE)
    if _ESCAPE.search(text):
        raise StoreError(f"The store path {text!r} has a % that reads like an escape of an address.", hint=_ELSEWHERE)
    if "\0" in text:
        raise StoreError(f"The store path {text!r} has a zero byte, which no path can have.", hint=_ELSEWHERE)
    return str(Path(text).expanduser().absolute())


def refuse_absent(location: str | os.PathLike[str]) -> None:
    """Raise StoreError where there is nothing at all: reading must not make an empty store of a mistyped path."""
    text = os.fspath(location)
    made_by = f"`assay run --store {shlex.quote(text)}` makes one."
    if is_remote(text):
        address = parse_address(text)
        if read_object(address, MARKER) is None:
            raise StoreError(f"There is no store in {address}.", hint=made_by)
        return
    folder = Path(text).expanduser().absolute()
    try:
        folder.lstat()
    except FileNotFoundError:
        raise StoreError(f"There is no store in {folder}.", hint=made_by) from None
    except OSError:
        return  # opening it says what is wrong


def check_writable(location: str) -> None:
    """Prove that the store can be written, by writing. Raises StoreError saying why not."""
    state = ensure_state_folder(location)
    probe = f".probe-{secrets.token_hex(4)}"
    try:
        for name in (JOURNALS, WRITING):
            (state / name).mkdir(exist_ok=True)
        write_object(location, probe, b"assay")
        delete_object(location, probe)
    except OSError as error:
        raise StoreError(f"The store {location} cannot be written: {reason_of(error)}.", hint=_ELSEWHERE) from error
    free = free_bytes(location)
    if free < MINIMUM_FREE_BYTES:
        raise StoreError(
            f"The disk of {state} is nearly full: {free} bytes are free, expected at least {MINIMUM_FREE_BYTES}.",
            hint="Free some space, or choose another folder with --store or ASSAY_STORE.",
        )


def read_version(location: str) -> int:
    """Return the schema version of a store that is there. Raises StoreError, StoreVersionError."""
    return _check_version(read_object(location, MARKER) or b"", location)


def write_marker(location: str, *, schema_version: int = SCHEMA_VERSION) -> None:
    """Write the store's version file, whole or not at all. Raises OSError for a folder, StoreError for an address."""
    content = {"format": FORMAT, "schema_version": schema_version, "created_by": f"assay {__version__}"}
    write_object(location, MARKER, (json.dumps(content, indent=2) + "\n").encode())


def _create(location: str) -> None:
    """Write the marker where nothing else is. Several that do so at once write the same bytes."""
    try:
        if not is_remote(location):
            Path(location).mkdir(parents=True, exist_ok=True)
        # A dot file may be another process's draft of the same marker.
        strangers = [name for name in top_names(location) if not name.startswith(".")]
        if strangers and MARKER not in strangers and read_object(location, MARKER) is None:
            what = "prefix" if is_remote(location) else "folder"
            raise StoreError(
                f"The {what} {location} is not empty and holds no store ({MARKER} is missing; found {strangers[0]!r}).",
                hint=f"Name an empty or a new {what} with --store or ASSAY_STORE.",
            )
        if MARKER not in strangers:
            write_marker(location)
    except OSError as error:
        raise StoreError(f"No store could be made in {location}: {reason_of(error)}.", hint=_ELSEWHERE) from error


def _check_version(found: bytes, location: str) -> int:
    try:
        content = json.loads(found)
        version = content["schema_version"]
        usable = content["format"] == FORMAT and isinstance(version, int)
    except (ValueError, KeyError, TypeError):
        usable, version = False, 0
    if not usable:
        raise StoreError(
            f"{location}/{MARKER} is not the version file of a store.",
            hint=f'Expected {{"format": "{FORMAT}", "schema_version": {SCHEMA_VERSION}}}.',
        )
    if version > SCHEMA_VERSION:
        raise StoreVersionError(
            f"The store {location} was written by assay schema {version}; this assay reads up to {SCHEMA_VERSION}.",
            hint="Upgrade assay.",
        )
    return int(version)
