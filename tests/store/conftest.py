from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assay.core.records import RunBundle
from assay.store import Journal, Store

BUNDLES = Path(__file__).parent / "bundles.py"


@pytest.fixture(scope="session")
def bundles() -> Any:
    """The module that makes runs to store."""
    spec = importlib.util.spec_from_file_location("store_test_bundles", BUNDLES)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def make_bundle(bundles: Any) -> Callable[..., RunBundle]:
    made: Callable[..., RunBundle] = bundles.make_bundle
    return made


@pytest.fixture
def write_all(bundles: Any) -> Callable[[Journal, RunBundle], None]:
    """Write every record of a run into its journal, as the runner does."""
    written: Callable[[Journal, RunBundle], None] = bundles.write_all
    return written


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


@pytest.fixture
def start_script() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start ``bundles.py`` with some arguments; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, str(BUNDLES), *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mount a file system of so many MiB, which takes a root that may mount."""
    mounted: list[Path] = []

    def mount(size_mib: int) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        if not sys.platform.startswith("linux") or os.geteuid() != 0:
            pytest.skip("mounting a small tmpfs takes root on Linux")
        command = ["/bin/mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(folder)]
        outcome = subprocess.run(command, capture_output=True, text=True, check=False)
        if outcome.returncode != 0:
            pytest.skip(f"a tmpfs cannot be mounted here: {outcome.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["/bin/umount", "-l", str(folder)], check=True)
