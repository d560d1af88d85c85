"""Engine ``torch``: PyTorch eager mode on cpu, cuda, rocm, mps and xpu.

May import: core, workloads, engines; torch inside functions.
"""

from __future__ import annotations

import contextlib
import functools

from assay.artefacts.base import ArtefactRequest
from assay.core.absence import Unavailable
from assay.core.words import Mode
from assay.engines.base import Capabilities, LoadRequest, Session, engines
from assay.engines.torch_common import (
    INSTALL_HINT,
    PRECISIONS,
    check_availability,
    check_request,
    import_family,
    is_torch_out_of_memory,
    load_model,
    open_session,
)
from assay.workloads.base import Workload

_LABEL = "PyTorch eager"


class TorchEager:
    """The framework as most people run it: no compilation, one call after another."""

    name = "torch"
    capabilities = Capabilities(
        precisions=PRECISIONS,
        packages=("torch", "transformers", "torchao"),
        install_hint=INSTALL_HINT,
        options=("prune", "quantization"),
        modes=(Mode.INFERENCE, Mode.GENERATION, Mode.SERVING, Mode.TRAINING),
        reads_outputs=True,
    )

    def availability(self, device_kind: str) -> Unavailable | None:
        """Check for the package only; whether it was built for the device is asked in a worker."""
        return check_availability(_LABEL, device_kind)

    def plan_artefacts(self, request: LoadRequest) -> tuple[ArtefactRequest, ...]:
        """Nothing: it builds the model itself."""
        check_request(_LABEL, request)
        return ()

    def import_libraries(self, workload: Workload) -> None:
        """Import torch and the modules of the family."""
        import_family(workload)

    def load(self, request: LoadRequest) -> Session:
        """Build the model in the precision asked for, place it, make and place its inputs."""
        import torch

        loaded = load_model(_LABEL, request)
        guard = contextlib.ExitStack()
        # Entered once for the whole session: entering it for each call would be timed with the call.
        guard.enter_context(torch.inference_mode())
        infer = functools.partial(request.workload.family.forward, loaded.module, loaded.inputs)
        return open_session(loaded, infer, guard=guard)

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Recognise torch's errors."""
        return is_torch_out_of_memory(error)


engines.add("torch", TorchEager())
