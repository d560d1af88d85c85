"""Damaged files and left-over ones are found, said, and set aside."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.core.errors import StoreError
from assay.core.records import RunBundle
from assay.store import Store
from assay.store.maintenance import Flaw
from assay.store.tables import live_files

MakeBundle = Callable[..., RunBundle]


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def scribble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4:200] = b"\xff" * 196
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("damage", [Path.unlink, cut_short, scribble])
def test_a_damaged_file_is_found_and_set_aside(
    store: Store, make_bundle: MakeBundle, damage: Callable[[Path], None]
) -> None:
    hurt, healthy = make_bundle(), make_bundle()
    store.append(hurt)
    (path,) = map(Path, live_files(store.location, "launches"))
    store.append(healthy)
    damage(path)
    (problem,) = store.check().problems
    assert (problem.flaw, problem.subject) == (Flaw.DAMAGED_FILE, str(path))
    with pytest.raises(StoreError, match="assay store repair"):
        store.query("SELECT * FROM launches")
    mended = store.repair()
    assert store.launches(run_id=healthy.run.run_id, with_samples=True) == list(healthy.launches)
    (left,) = mended.problems
    assert (left.flaw, left.subject, left.repairable) == (Flaw.INCOMPLETE_RUN, hurt.run.run_id, False)
    assert "0 of 4 launches" in left.detail
    set_aside = Path(store.location) / "quarantine" / "launches" / path.name
    assert set_aside.exists() == (damage is not Path.unlink)
    assert not path.exists()


def test_a_file_with_other_columns_is_damage(store: Store, make_bundle: MakeBundle) -> None:
    store.append(make_bundle())
    (results,), (launches,) = live_files(store.location, "results"), live_files(store.location, "launches")
    Path(results).write_bytes(Path(launches).read_bytes())
    (problem,) = store.check().problems
    assert problem.flaw is Flaw.DAMAGED_FILE
    assert "expected ['result_id'" in problem.detail


def test_old_drafts_are_swept_and_young_ones_left(store: Store, make_bundle: MakeBundle) -> None:
    store.append(make_bundle())
    old, young = (Path(store.location) / "writing" / name for name in (".a.draft", ".b.draft"))
    for path in (old, young):
        path.write_text("")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    assert [problem.flaw for problem in store.check().problems] == [Flaw.LEFTOVER_FILE]
    assert store.repair().clean
    assert (old.exists(), young.exists()) == (False, True)


def test_a_run_whose_environment_is_missing_is_reported(store: Store, make_bundle: MakeBundle) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("assay.store.append.append_environment", lambda *_: None)
        store.append(make_bundle())
    (problem,) = store.check().problems
    assert (problem.flaw, problem.repairable) == (Flaw.MISSING_ENVIRONMENT, False)


def test_results_of_one_id_are_reported(store: Store, make_bundle: MakeBundle) -> None:
    bundle = make_bundle(cases=1)
    store.append(RunBundle(bundle.run, bundle.environment, bundle.results * 2, bundle.launches))
    (problem,) = store.check().problems
    assert problem.flaw is Flaw.REPEATED_KEY
    assert "is there 2 times" in problem.detail


def test_info_counts_rows_files_and_bytes(store: Store, make_bundle: MakeBundle) -> None:
    store.append(make_bundle(cases=3, launches=2))
    tables = {table.name: table for table in store.info().tables if table.version is not None}
    assert {name: table.rows for name, table in tables.items()} == {
        "runs": 1,
        "results": 3,
        "launches": 6,
        "samples": 6,
        "telemetry": 6,
        "environments": 1,
    }
    for table in tables.values():
        assert (table.files, table.version) == (1, 1)
        assert 0 < table.live_bytes < table.disk_bytes
    assert store.info().disk_bytes > sum(table.live_bytes for table in tables.values())
