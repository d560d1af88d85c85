"""Engine ``loader``: batches of a data pipeline through PyTorch's DataLoader. One call is one batch.

Its workers are PyTorch's own, started as PyTorch starts them, because that is what training waits for. May import:
core, workloads, engines; torch inside functions.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.artefacts.base import ArtefactRequest
from assay.core.absence import Unavailable
from assay.core.errors import EngineError, UnsupportedError
from assay.core.words import Mode, Precision
from assay.engines.base import Capabilities, LoadRequest, Session, engines
from assay.workloads.base import Workload
from assay.workloads.datasets.base import Batch
from assay.workloads.files import refuse_format
from assay.workloads.pipelines.base import Pipeline, PipelineRequest, count_bytes
from assay.workloads.pipelines.kinds import check_options, find_kind, missing_package, open_pipeline

INSTALL_HINT = "pip install 'assay[torch]'"
BATCH_BYTES = "batch_bytes"
"""The fact that holds the bytes of a batch as it is in memory."""
_PREFETCH = 2
_OUT_OF_MEMORY_WORDS = ("can't allocate memory", "cannot allocate memory", "no space left on device")
"""What torch says where memory ran out, of the process or of what its workers share."""


class Loader:
    """The next batch, in the main process or from worker processes that work ahead."""

    name = "loader"
    capabilities = Capabilities(
        precisions={"cpu": (Precision.FP32,)},
        packages=("torch",),
        install_hint=INSTALL_HINT,
        modes=(Mode.DATA,),
    )

    def availability(self, device_kind: str) -> Unavailable | None:
        """Check for the package only."""
        if importlib.util.find_spec("torch") is None:
            return Unavailable("PyTorch is not installed", INSTALL_HINT)
        if device_kind != "cpu":
            return Unavailable(f"batches are made by the CPU; the loader has no device kind {device_kind!r}")
        return None

    def plan_artefacts(self, request: LoadRequest) -> tuple[ArtefactRequest, ...]:
        """Nothing: files are written while loading. Refuses models, options without effect and missing packages."""
        refuse_format(request.workload, ("data",), self.name)
        kind = find_kind(request.workload.size.config["kind"])
        check_options(kind, tuple(request.options))
        missing = missing_package(kind, request.options)
        if missing is not None:
            raise UnsupportedError(f"{request.workload.name} needs the package {missing[0]!r}.", hint=missing[1])
        if request.options.get("pin") == "on" and not _has_accelerator_build():
            raise UnsupportedError(
                "Page-locked memory needs a PyTorch that drives an accelerator; this one is built for the CPU only.",
                hint="Leave out pin=on, or install a PyTorch built for your device.",
            )
        return ()

    def import_libraries(self, workload: Workload) -> None:
        """Import torch. What a pipeline decodes or reads with is imported where it is opened."""
        del workload
        if importlib.util.find_spec("torch") is None:
            raise EngineError("PyTorch is not installed.", hint=INSTALL_HINT)
        import torch.utils.data  # noqa: F401

    def load(self, request: LoadRequest) -> Session:
        """Make what the pipeline works on, start the workers, and wait for nothing."""
        import torch

        asked = Asked.of(request)
        torch.set_num_threads(request.threads)
        _limit_tokenizers(request.threads, asked.workers)
        folder = Path(tempfile.mkdtemp(prefix="assay-data-"))
        try:
            kind = find_kind(request.workload.size.config["kind"])
            opened = open_pipeline(
                kind, PipelineRequest(request.batch, request.shape, request.seed, folder, request.options)
            )
            batch_bytes = count_bytes(opened.pipeline.make_batch(0))
            batches = iterate_batches(opened.pipeline, asked)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return Session(
            infer=functools.partial(next, batches),
            unload=functools.partial(_close, batches, folder),
            effective_precision="fp32",
            threads=request.threads,
            hardware="",
            parameters=None,
            facts={
                "torch": torch.__version__,
                "pipeline": kind.summary,
                BATCH_BYTES: str(batch_bytes),
                "workers": str(asked.workers),
                **({"prefetch": str(asked.prefetch), "start": _start_method()} if asked.workers else {}),
                "pin": "on" if asked.pin else "off",
                **opened.facts,
            },
        )

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Recognise Python's and torch's errors."""
        return isinstance(error, MemoryError) or any(word in str(error).lower() for word in _OUT_OF_MEMORY_WORDS)


@dataclass(frozen=True, slots=True)
class Asked:
    """How batches are loaded: ``workers`` processes (0: the one that asks), each ``prefetch`` batches ahead."""

    workers: int = 0
    prefetch: int = _PREFETCH
    pin: bool = False

    @classmethod
    def of(cls, request: LoadRequest) -> Asked:
        """Read the options of a case."""
        options = request.options
        return cls(
            int(options.get("workers", 0)), int(options.get("prefetch", _PREFETCH)), options.get("pin", "off") == "on"
        )


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A pipeline as PyTorch wants a data set: an item is a whole batch."""

    pipeline: Pipeline

    def __getitem__(self, index: int) -> Batch:
        return self.pipeline.make_batch(index)


def iterate_batches(pipeline: Pipeline, asked: Asked) -> Iterator[dict[str, Any]]:
    """Yield batches 0, 1, 2 ... without end, in order, as tensors; workers begin at once."""
    import torch.utils.data

    loader = torch.utils.data.DataLoader(
        _Numbered(pipeline),
        batch_size=None,  # the pipeline makes whole batches: it gathers many samples faster than one by one
        sampler=itertools.count(),
        num_workers=asked.workers,
        prefetch_factor=asked.prefetch if asked.workers else None,
        pin_memory=asked.pin,
    )
    return iter(loader)


def _close(batches: Iterator[Any], folder: Path) -> None:
    # PyTorch has no public way to end the workers of an iterator; letting go of it is what ends them.
    shutdown = getattr(batches, "_shutdown_workers", None)
    if shutdown is not None:
        shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def _limit_tokenizers(threads: int, workers: int) -> None:
    """Hold the tokenizer's own threads to what the case may use; each of several workers is one thread."""
    os.environ["RAYON_NUM_THREADS"] = str(1 if workers else threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false" if workers else "true"


def _start_method() -> str:
    import torch.multiprocessing

    return str(torch.multiprocessing.get_start_method())


def _has_accelerator_build() -> bool:
    from assay.engines.torch_common import is_cpu_build

    return not is_cpu_build()


engines.add("loader", Loader())
