"""Whole files of a store on object storage, to this machine and back, for what rewrites them.

Through Arrow's own client, so that several go at once: deltalake's holds Python's lock while it waits for a server.
May import: core and store.remote; pyarrow inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from assay.core.errors import StoreError
from assay.store.remote import explained, reading_file_system

_AT_ONCE = 16
_PIECE_BYTES = 4 * 1024 * 1024
"""Held in memory for each file on its way."""


def fetch_files(address: str, names: Sequence[str], folder: Path) -> list[Path]:
    """Copy objects into a folder; return where they are, in the same order, under names of their own.

    Raises FileNotFoundError where one is gone, OSError where they do not fit on the disk, StoreError where the server
    fails.
    """
    system = reading_file_system(address)

    def fetch(number: int) -> Path:
        path = folder / f"{number:06}.parquet"
        _fetch(system, address, names[number], path)
        return path

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(fetch, range(len(names))))  # where one fails, those not begun are called off


def _fetch(system: Any, address: str, name: str, path: Path) -> None:
    what = f"{address}/{name} could not be read"
    with explained(what):
        try:
            source = system.open_input_stream(name)
        except FileNotFoundError:
            source = None
    if source is None:
        raise FileNotFoundError(name)
    with source, path.open("wb") as target:  # a full disk is no failure of the server's
        while True:
            with explained(what):
                piece = source.read(_PIECE_BYTES)
            if not piece:
                return
            target.write(piece)


def upload_file(address: str, path: Path, name: str) -> None:
    """Copy a file to an object of a name that is new, and see that it arrived whole. Raises StoreError.

    Killed or failing midway it leaves nothing to see, or a cut object that nothing names.
    """
    system = reading_file_system(address)
    expected = path.stat().st_size
    with explained(f"{address}/{name} could not be written"):
        with path.open("rb") as source, system.open_output_stream(name) as target:
            while piece := source.read(_PIECE_BYTES):
                target.write(piece)
        arrived = system.get_file_info(name).size
    if arrived != expected:
        raise StoreError(f"{address}/{name} has {arrived} bytes after writing {expected}; it is not used.")
