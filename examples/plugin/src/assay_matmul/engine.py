"""The engine ``numpy``: calls what a family of this package computes, on the CPU.

Engines have no state; what is loaded is in the session. assay starts one worker process a launch, which imports this
module, asks it to load, and times ``infer``. May import: assay; numpy inside functions.
"""

from __future__ import annotations

import functools

from assay.artefacts.base import ArtefactRequest
from assay.core.absence import Unavailable
from assay.core.errors import UnsupportedError
from assay.core.words import Precision
from assay.engines.base import Capabilities, LoadRequest, Session, engines
from assay.workloads.base import Workload
from assay_matmul.workload import FORMAT


class NumpyEngine:
    """Runs families in the form ``numpy``: a function of named arrays."""

    name = "numpy"
    capabilities = Capabilities(
        precisions={"cpu": (Precision.FP32,)}, packages=("numpy",), install_hint="pip install numpy"
    )

    def availability(self, device_kind: str) -> Unavailable | None:
        """Say why not, where it is another device than the CPU."""
        return None if device_kind == "cpu" else Unavailable(f"numpy has no device kind {device_kind!r}")

    def plan_artefacts(self, request: LoadRequest) -> tuple[ArtefactRequest, ...]:
        """Nothing has to lie on disk. Raises UnsupportedError for a family of another form."""
        family = request.workload.family
        if family.format != FORMAT:
            raise UnsupportedError(f"The engine numpy runs functions of arrays, and {family.name} is {family.format}.")
        return ()

    def import_libraries(self, workload: Workload) -> None:
        """Import numpy, so that its cost is timed apart from loading."""
        del workload
        import numpy as np

        del np

    def load(self, request: LoadRequest) -> Session:
        """Make the inputs; there are no weights."""
        import numpy as np

        from assay.workloads.inputs import make_inputs

        inputs = make_inputs(request.workload, batch=request.batch, shape=request.shape, seed=request.seed)
        return Session(
            infer=functools.partial(request.workload.family.forward, None, inputs),
            unload=inputs.clear,
            effective_precision="fp32",
            threads=request.threads,
            hardware="",
            parameters=0,
            facts={"numpy": np.__version__},
        )

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Whether memory ran out."""
        return isinstance(error, MemoryError)


engines.add("numpy", NumpyEngine())
