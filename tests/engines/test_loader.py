"""The loader hands out batches in order, from one process or several, cleans up, and refuses what is no pipeline."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.core.errors import UnsupportedError
from assay.core.words import Mode, Precision
from assay.engines.base import LoadRequest, Session, engines
from assay.engines.loader import BATCH_BYTES
from assay.engines.torch_common import is_cpu_build
from assay.workloads.base import find_workload

torch: Any = pytest.importorskip("torch", reason="the loader is PyTorch's: pip install 'assay[torch]'")
LOADER = engines.get("loader")
REQUEST = LoadRequest(
    workload=find_workload("pipeline/windows"), device="cpu", precision=Precision.FP32, batch=4,
    shape={"window": 64, "channels": 2}, threads=1, seed=0,
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def take(session: Session, count: int) -> list[Any]:
    return [session.infer() for _ in range(count)]


@pytest.mark.usefixtures("own_folder")
def test_processes_change_who_makes_the_batches_and_not_which() -> None:
    alone = LOADER.load(REQUEST)
    helped = LOADER.load(replace(REQUEST, options={"workers": 2, "prefetch": 3}))
    for one, other in zip(take(alone, 5), take(helped, 5), strict=True):
        assert isinstance(one["signal"], torch.Tensor)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert alone.facts[BATCH_BYTES] == str(4 * (2 * 64 * 4 + 8))
    assert (helped.facts["workers"], helped.facts["prefetch"]) == ("2", "3")
    assert "prefetch" not in alone.facts
    alone.unload()
    helped.unload()


def test_nothing_is_left_behind(own_folder: Path) -> None:
    import psutil

    request = replace(REQUEST, workload=find_workload("pipeline/storage"), options={"storage": "memmap", "workers": 1})
    session = LOADER.load(request)
    take(session, 2)
    assert list(own_folder.glob("assay-data-*/windows.npy"))
    assert psutil.Process().children()
    session.unload()
    assert not list(own_folder.iterdir())
    deadline = time.monotonic() + 20
    while psutil.Process().children() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not psutil.Process().children()


def test_a_pipeline_that_cannot_be_opened_leaves_no_folder(own_folder: Path) -> None:
    request = replace(REQUEST, workload=find_workload("pipeline/dataset"), options={"dataset": "no-such-data"})
    with pytest.raises(Exception, match="no-such-data"):
        LOADER.load(request)
    assert not list(own_folder.iterdir())


def test_it_runs_pipelines_and_nothing_else() -> None:
    assert LOADER.capabilities.modes == (Mode.DATA,)
    assert LOADER.plan_artefacts(REQUEST) == ()
    with pytest.raises(UnsupportedError, match="engine loader cannot run a PyTorch module; use torch"):
        LOADER.plan_artefacts(replace(REQUEST, workload=find_workload("bert/tiny")))
    with pytest.raises(UnsupportedError, match="cannot run a data pipeline; use loader"):
        engines.get("torch").plan_artefacts(REQUEST)
    assert "loader has no device kind 'cuda'" in str(LOADER.availability("cuda"))
    assert LOADER.availability("cpu") is None


def test_page_locked_memory_takes_an_accelerator() -> None:
    request = replace(REQUEST, options={"pin": "on"})
    if is_cpu_build():
        with pytest.raises(UnsupportedError, match="Page-locked memory needs"):
            LOADER.plan_artefacts(request)
    else:
        assert LOADER.plan_artefacts(request) == ()


def test_memory_that_ran_out_is_recognised() -> None:
    assert LOADER.is_out_of_memory(MemoryError())
    assert LOADER.is_out_of_memory(RuntimeError("unable to mmap: Cannot allocate memory (12)"))
    assert not LOADER.is_out_of_memory(ValueError("bad"))
