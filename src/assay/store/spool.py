"""What has to stay on this machine: journals and the locks of running writers.

A folder holds them itself. Object storage has neither appending nor locks, and must not be needed while something is
measured: its journals and locks are in a folder of the user's on this machine, one for each address. So what was
measured is written here first and pushed at the end; a server that is down then costs nothing but a later
``assay store recover``. May import: core and store.address; platformdirs inside a function.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from assay.core.errors import StoreError
from assay.core.ids import content_hash
from assay.store.address import is_remote, reason_of
from assay.store.remote import S3_ENDPOINTS

_ENDPOINTS = {
    "s3": S3_ENDPOINTS,
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_STORAGE_ACCOUNT_NAME"),
    "gs": ("STORAGE_EMULATOR_HOST",),
}
_NOTE = "address.txt"


def state_folder(location: str) -> Path:
    """Return the folder of journals and locks; it need not exist yet.

    For an address it depends on the server as well, as the same bucket name means another bucket on another server.
    """
    if not is_remote(location):
        return Path(location)
    import platformdirs

    base = Path(platformdirs.user_state_dir("assay", appauthor=False)) / "spool"
    return base / content_hash([location, *_server(location)])


def ensure_state_folder(location: str) -> Path:
    """Make that folder, with a note of which store it is for. Raises StoreError."""
    folder = state_folder(location)
    note = folder / _NOTE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if is_remote(location) and not note.exists():
            note.write_text("\n".join([location, *_server(location), ""]), encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"The folder {folder}, where runs are kept until they are in {location}, cannot be written: "
            f"{reason_of(error)}.",
            hint="Make it writable; it is in the user's state folder (XDG_STATE_HOME on Linux).",
        ) from error
    return folder


def free_bytes(location: str) -> int:
    """Return what the disk takes on which runs are written first, in bytes."""
    folder = state_folder(location)
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _server(location: str) -> list[str]:
    scheme = location.partition("://")[0]
    return [value for name in _ENDPOINTS.get(scheme, ()) if (value := os.environ.get(name))][:1]
