"""Our reading of the transaction log against deltalake's: the same files, or none of our business."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.core.records import RunBundle
from assay.store.log import read_log

deltalake: Any = pytest.importorskip("deltalake")
pa: Any = pytest.importorskip("pyarrow")

Append = Callable[..., Any]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "größe und % raum" / "runs"


@pytest.fixture
def append(table: Path) -> Append:
    """Append one small file, and open the table."""

    def write(**options: Any) -> Any:
        deltalake.write_deltalake(str(table), pa.table({"x": [1]}), mode="append", **options)
        return deltalake.DeltaTable(str(table))

    return write


def files_of(opened: Any) -> list[str]:
    from urllib.parse import unquote

    return sorted(unquote(uri.removeprefix("file://")) for uri in opened.file_uris())


def test_appended_compacted_and_deleted_files(append: Append, table: Path) -> None:
    for _ in range(5):
        opened = append()
        assert sorted(read_log(table) or []) == files_of(opened)
    opened.optimize.compact()
    assert sorted(read_log(table) or []) == files_of(deltalake.DeltaTable(str(table)))
    opened = append()
    assert len(read_log(table) or []) == 2
    opened.delete()
    assert read_log(table) == []
    assert all(Path(path).is_file() for path in files_of(append()))
    assert sorted(read_log(table) or []) == files_of(deltalake.DeltaTable(str(table)))


def test_what_is_not_plain_is_left_to_deltalake(append: Append, table: Path, tmp_path: Path) -> None:
    assert read_log(tmp_path) is None
    opened = append()
    log = table / "_delta_log"
    assert read_log(table) is not None
    commit = log / f"{1:020}.json"
    for action in (
        "{", "[]", '{"add": {}}', '{"add": {"path": "s3://b/x"}}', '{"add": {"path": "/x"}}',
        '{"add": {"path": "x", "deletionVector": {"a": 1}}}', '{"add": {"path": "x", "partitionValues": {"a": "1"}}}',
        '{"protocol": {"minReaderVersion": 3, "minWriterVersion": 7}}',
    ):  # fmt: skip
        commit.write_text(action)
        assert read_log(table) is None, action
    commit.rename(log / f"{2:020}.json")
    assert read_log(table) is None
    (log / f"{2:020}.json").unlink()
    assert read_log(table) is not None
    opened.create_checkpoint()
    assert read_log(table) is not None, "the commits are all there still"
    (log / f"{0:020}.json").unlink()
    assert read_log(table) is None


def test_a_listing_of_an_empty_store_imports_nothing_heavy(tmp_path: Path) -> None:
    from assay.store import Store

    location = Store.open(tmp_path / "store").location
    code = (
        "import json, sys\n"
        "from assay.cli.main import app\n"
        "try:\n"
        f"    app(['ls', '--store', {location!r}])\n"
        "except SystemExit:\n"
        "    print(json.dumps(sorted({'deltalake', 'duckdb', 'pyarrow', 'numpy'} & sys.modules.keys())))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_a_listing_imports_no_writer(tmp_path: Path, make_bundle: Callable[..., RunBundle]) -> None:
    from assay.store import Store

    store = Store.open(tmp_path / "store")
    store.append(make_bundle())
    code = (
        "import json, sys\n"
        "from assay.cli.main import app\n"
        "try:\n"
        f"    app(['ls', '--store', {store.location!r}])\n"
        "except SystemExit:\n"
        "    print(json.dumps(sorted({'deltalake', 'pyarrow', 'numpy'} & sys.modules.keys())))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "suite" in done.stdout
    assert json.loads(done.stdout.splitlines()[-1]) == []
