"""What a location is, a folder or an address of object storage, and the few operations that both have.

A location stays a text everywhere: ``/data/store`` or ``s3://bucket/prefix``. Only this module, ``remote`` and
``spool`` know the difference; all others ask here. What fails raises OSError for a folder (``reason_of`` says it in
words) and a StoreError that is complete for an address. May import: core and store.remote.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from assay.core.errors import StoreError
from assay.store import remote

SCHEMES = ("s3", "gs", "az")
_EXPECTED = "Expected s3://bucket/prefix (or gs://, az://), or a folder."
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


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One file or object: its name below the location (with slashes), its bytes, when it was last written."""

    name: str
    size_bytes: int
    modified_at: datetime


def is_remote(location: str) -> bool:
    """True for an address of object storage, False for a folder."""
    return "://" in location


def parse_address(text: str) -> str:
    """Return an address in its one form. Raises StoreError for what is none, without repeating a password."""
    try:
        parts = urlsplit(text)
    except ValueError as error:  # half an IPv6 address, a letter that looks like a slash
        raise StoreError("What was given is no address of a store.", hint=_EXPECTED) from error
    if parts.scheme not in SCHEMES:
        raise StoreError(f"A store cannot be kept on {parts.scheme}://.", hint=_EXPECTED)
    if "@" in parts.netloc:
        raise StoreError(
            f"The store address {parts.scheme}://... has a user or password in it, which would end up in logs.",
            hint="Leave them out; they are read from the environment (AWS_ACCESS_KEY_ID, ...).",
        )
    steps = [step for step in parts.path.split("/") if step]
    odd = sorted({sign for sign in parts.path if sign in "*[]%\\" or not sign.isprintable()})
    if not parts.netloc or parts.query or parts.fragment or odd or {".", ".."}.intersection(steps):
        raise StoreError(f"{text!r} is no address of a store.", hint=_EXPECTED)
    return "/".join([f"{parts.scheme}://{parts.netloc}", *steps])


def table_uri(location: str, table: str) -> str:
    """Return where deltalake finds a table."""
    return f"{location}/{table}" if is_remote(location) else str(Path(location) / table)


def storage_options(location: str) -> dict[str, str] | None:
    """Return what deltalake needs beside the address; None for a folder. Never holds credentials."""
    return remote.storage_options(location) if is_remote(location) else None


def file_system(location: str) -> Any:
    """Return a ``pyarrow.fs.FileSystem`` whose root is the location, to read tables with."""
    if is_remote(location):
        return remote.reading_file_system(location)
    from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

    return SubTreeFileSystem(location, LocalFileSystem())


def name_below(location: str, path: str) -> str:
    """Return what a path or URI of ``live_files`` is called below its location, with slashes."""
    if is_remote(location):
        return path.removeprefix(location).lstrip("/")
    return Path(path).relative_to(location).as_posix()


def read_object(location: str, name: str) -> bytes | None:
    """Return the content, or None where there is no such file or object."""
    if is_remote(location):
        return remote.read(location, name)
    try:
        return (Path(location) / name).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def write_object(location: str, name: str, content: bytes) -> None:
    """Write a small file or object, whole or not at all, in place of one that may be there."""
    if is_remote(location):
        remote.write(location, name, content)
        return
    path = Path(location) / name
    draft = path.with_name(f".{path.name.lstrip('.')}.{secrets.token_hex(4)}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def delete_object(location: str, name: str) -> None:
    """Remove a file or object; one that is gone already is no error."""
    if is_remote(location):
        remote.delete(location, name)
    else:
        (Path(location) / name).unlink(missing_ok=True)


def move_object(location: str, name: str, target: str) -> None:
    """Move a file or object within the location, over one that may be there."""
    if is_remote(location):
        remote.move(location, name, target)
        return
    path = Path(location) / target
    path.parent.mkdir(parents=True, exist_ok=True)
    (Path(location) / name).replace(path)


def list_objects(location: str, under: str = "") -> list[StoredObject]:
    """Return every file or object below the location, or below a folder of it, by name."""
    if is_remote(location):
        return [StoredObject(*entry) for entry in remote.list_below(location, under)]
    found = []
    for folder, _, names in os.walk(Path(location) / under):
        for name in names:
            path = Path(folder) / name
            with contextlib.suppress(FileNotFoundError):  # removed while we looked
                status = path.lstat()
                modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
                found.append(StoredObject(path.relative_to(location).as_posix(), status.st_size, modified_at))
    return sorted(found, key=lambda one: one.name)


def top_names(location: str) -> list[str]:
    """Return what lies directly at the location: files, objects, folders, by name."""
    return remote.top_names(location) if is_remote(location) else sorted(path.name for path in Path(location).iterdir())


def has_object(location: str, name: str) -> bool:
    """True where the file or object is there."""
    return remote.exists(location, name) if is_remote(location) else (Path(location) / name).exists()


def stored_bytes(location: str, under: str = "") -> int:
    """Return the size of everything below the location, or below a folder of it."""
    return sum(one.size_bytes for one in list_objects(location, under))


def reason_of(error: OSError) -> str:
    """Say in words why the operating system refused."""
    return _REASONS.get(error.errno or 0, error.strerror or str(error))
