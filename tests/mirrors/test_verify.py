from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from assay.mirrors.connection import MirrorError
from assay.mirrors.transfer import mirror_store
from assay.mirrors.verify import verify_mirror
from assay.store import Store

TAMPERINGS = {
    "runs": "UPDATE assay.runs SET note = 'forged' WHERE suite = 'import'",
    "results": "UPDATE assay.results SET reason = reason || ' ' WHERE status = 'failed'",
    "metrics": "UPDATE assay.metrics SET value = value * 1.0000000000000002 WHERE metric = 'accuracy'",
    "launches": "UPDATE assay.launches SET costs_ns = costs_ns || '{\"load\": 1}'",
    "samples": "UPDATE assay.samples SET values[3] = 7",
    "telemetry": "UPDATE assay.telemetry SET values[2] = 0",
    "result_marks": "DELETE FROM assay.result_marks WHERE mark = 'simulated'",
    "imports": "UPDATE assay.imports SET imported_at = imported_at + interval '1 microsecond'",
    "cases": "UPDATE assay.cases SET shape = '{\"seq\": 129}' WHERE engine = 'torch' AND batch = 1",
    "devices": "UPDATE assay.devices SET memory_bytes = 1 WHERE kind = 'gpu'",
    "metric_registry": "UPDATE assay.metric_registry SET unit = 's' WHERE metric = 'latency_ns'",
    "annotations": "DELETE FROM assay.annotations",
}


def test_any_change_is_found_and_named(filled: Store, url: str, tamper: Callable[[str], None]) -> None:
    mirror_store(filled.location, url)
    assert verify_mirror(filled.location, url).is_equal
    for statement in TAMPERINGS.values():
        tamper(statement)
    found = {table.table: table for table in verify_mirror(filled.location, url).tables if not table.is_equal}
    assert found.keys() == TAMPERINGS.keys()
    assert all(table.store_checksum != table.mirror_checksum for table in found.values())
    assert "1 row is different: latency_ns" in found["metric_registry"].differences
    assert "1 row is not in the mirror" in found["annotations"].differences[0]
    assert found["runs"].differences[0].startswith("run ")
    assert (found["result_marks"].store_rows, found["result_marks"].mirror_rows) == (8, 7)
    assert any("5 rows are different" in text for text in found["metrics"].differences)


def test_runs_that_are_not_mirrored_yet_are_counted(filled: Store, url: str, bundles: Any) -> None:
    mirror_store(filled.location, url)
    filled.append(bundles.make_bundle())
    found = verify_mirror(filled.location, url)
    assert (found.is_equal, found.runs_not_mirrored) == (False, 1)
    assert all(table.is_equal for table in found.tables)


def test_a_database_without_a_mirror_says_so(filled: Store, url: str) -> None:
    with pytest.raises(MirrorError, match="no mirror in the schema 'assay'"):
        verify_mirror(filled.location, url)
