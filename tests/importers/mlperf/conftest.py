"""Reading a composed file with one importer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from assay.importers.base import ImportedRow, Importer, Item, Note, Refusal, importers
from assay.importers.mlperf import collected, loadgen, summary, table
from assay.importers.source import Source

MODULES = (collected, loadgen, summary, table)  # importing a module registers its importer
Read: TypeAlias = Callable[[str, Path], tuple[list[ImportedRow], list[Refusal], list[Note]]]


def open_source(path: Path) -> Source:
    return Source(path, path.as_posix(), path.stat().st_size)


@pytest.fixture
def recognised_by() -> Callable[[Path], list[str]]:
    """Give the names of the importers of MLPerf's formats that take a file for theirs."""
    names = ("mlperf-loadgen", "mlperf-parquet", "mlperf-summary", "mlperf-table")
    return lambda path: [name for name in names if importers.get(name).recognise(open_source(path))]


@pytest.fixture
def read() -> Read:
    """Give rows, refusals and notes of a file."""

    def read_file(name: str, path: Path) -> tuple[list[ImportedRow], list[Refusal], list[Note]]:
        importer: Importer = importers.get(name)
        items: list[Item] = list(importer.read(open_source(path)))
        return (
            [item for item in items if isinstance(item, ImportedRow)],
            [item for item in items if isinstance(item, Refusal)],
            [item for item in items if isinstance(item, Note)],
        )

    return read_file
