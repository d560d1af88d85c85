"""An engine that calls a factory's function as it is, so that tests of the runner start workers without PyTorch.

It enters by the door that every engine does: an entry point, which tests/conftest.py declares.
"""

from __future__ import annotations

import functools

from assay.artefacts.base import ArtefactRequest
from assay.core.absence import Unavailable
from assay.core.errors import UnsupportedError
from assay.core.words import Precision
from assay.engines.base import Capabilities, LoadRequest, Session, engines
from assay.workloads.base import Workload


class PlainEngine:
    name = "plain"
    capabilities = Capabilities(precisions={"cpu": (Precision.FP32,)}, packages=(), install_hint="nothing to install")

    def availability(self, device_kind: str) -> Unavailable | None:
        return None if device_kind == "cpu" else Unavailable(f"engine plain has no device kind {device_kind!r}")

    def plan_artefacts(self, request: LoadRequest) -> tuple[ArtefactRequest, ...]:
        del request
        return ()

    def import_libraries(self, workload: Workload) -> None:
        """There are none."""

    def load(self, request: LoadRequest) -> Session:
        family = request.workload.family
        if family.bring is None:
            raise UnsupportedError(f"engine plain runs factories only, not {request.workload.name}")
        model, inputs = family.bring(request.workload.size, request.batch, request.shape, "float32")
        return Session(
            infer=functools.partial(family.forward, model, inputs),
            unload=lambda: None,
            effective_precision="fp32",
            threads=request.threads,
            hardware="",
            parameters=None,
            facts={},
        )

    def is_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, MemoryError)


engines.add("plain", PlainEngine())
