"""An engine that keeps what a factory tells of itself, so that tests see which code ran; and a recipe that does too.

A factory gives ``(call, inputs)``, and ``call.told`` is a text. The artefact ``told-file`` holds the text as it was
when it was made.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from assay.artefacts.base import ArtefactRequest, BuildRequest, Recipe, recipes, request_artefact
from assay.core.absence import Unavailable
from assay.core.errors import UnsupportedError
from assay.core.words import Precision
from assay.engines.base import Capabilities, LoadRequest, Session, engines
from assay.workloads.base import Workload


def build_told(wanted: BuildRequest) -> Mapping[str, str]:
    bring = wanted.workload.family.bring
    if bring is None:
        raise UnsupportedError("recipe told-file tells of factories only")
    call, _ = bring(wanted.workload.size, wanted.request.batch, dict(wanted.request.shape), "float32")
    (wanted.folder / "told.txt").write_text(call.told)
    return {}


class ToldEngine:
    name = "told"
    capabilities = Capabilities(precisions={"cpu": (Precision.FP32,)}, packages=(), install_hint="nothing to install")

    def availability(self, device_kind: str) -> Unavailable | None:
        return None if device_kind == "cpu" else Unavailable(f"engine told has no device kind {device_kind!r}")

    def plan_artefacts(self, request: LoadRequest) -> tuple[ArtefactRequest, ...]:
        if request.batch > 64:
            raise UnsupportedError("engine told has no batch above 64")
        return (
            request_artefact(
                "told-file", request.workload, batch=request.batch, shape=request.shape, seed=request.seed
            ),
        )

    def import_libraries(self, workload: Workload) -> None:
        """There are none."""

    def load(self, request: LoadRequest) -> Session:
        family = request.workload.family
        if family.bring is None:
            raise UnsupportedError(f"engine told runs factories only, not {request.workload.name}")
        call, inputs = family.bring(request.workload.size, request.batch, request.shape, "float32")
        made_of = (request.artefacts["told-file"] / "told.txt").read_text()
        return Session(
            infer=functools.partial(family.forward, call, inputs),
            unload=lambda: None,
            effective_precision="fp32",
            threads=request.threads,
            hardware="",
            parameters=None,
            facts={"told": call.told, "artefact told": made_of},
        )

    def is_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, MemoryError)


engines.add("told", ToldEngine())
recipes.add("told-file", Recipe("told-file", 1, "what the factory tells", build_told, (), "nothing to install"))
