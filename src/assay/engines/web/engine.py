"""What the three web engines share: a model in a page of a real browser, run by onnxruntime-web.

The method stays in Python; the page makes calls and reads its clock. May import: core, workloads, artefacts, engines;
everything heavy inside functions.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

from assay.artefacts.base import ArtefactRequest
from assay.core.absence import Unavailable
from assay.core.case import Scalar
from assay.core.errors import EngineError, UnsupportedError
from assay.core.words import Mode
from assay.engines.base import Capabilities, LoadRequest, Session
from assay.engines.web.backends import WEBNN, Backend, webnn_device
from assay.engines.web.limits import check_planned
from assay.engines.web.precision import is_sharded, plan_model
from assay.engines.web.visit import check_visitor, is_visit
from assay.workloads.base import Workload
from assay.workloads.files import refuse_batch, refuse_format
from assay.workloads.resolve import weight_bytes

INSTALL_HINT = "pip install 'assay[web]'"
_LEAST_WARMUP_CALLS = 20
_LEAST_WARMUP_S = 2.0
"""V8 compiles WebAssembly twice, fast first and well later, function by function as they are used: three calls read up
to five times slow, and twenty calls within two seconds are over before the second compiler is."""
_OUT_OF_MEMORY = (
    "out of memory", "bad_alloc", "failed to allocate", "array buffer allocation failed", "memory access out of bounds",
    "cannot enlarge memory", "aborted(oom)", "allocation of size", "invalid array buffer length",
)  # fmt: skip


class WebEngine:
    """onnxruntime-web with one of its backends, in a browser that is started anew for every launch.

    ``capabilities`` are the backend's; what a browser can do is asked of that browser.
    """

    def __init__(self, name: str, backend: Backend) -> None:
        self.name = name
        self.backend = backend
        self.capabilities = Capabilities(
            precisions=backend.precisions,
            packages=("onnx",),
            install_hint=INSTALL_HINT,
            options=backend.options,
            modes=(Mode.INFERENCE,),
            reads_outputs=True,
            least_warmup_calls=_LEAST_WARMUP_CALLS,
            least_warmup_s=_LEAST_WARMUP_S,
        )

    def availability(self, device_kind: str) -> Unavailable | None:
        """Look for the runtime's files. Which browser a case runs in is the case's, and one may be a visitor's."""
        from assay.engines.web.assets import runtime_absence

        if device_kind not in self.backend.precisions:
            here = ", ".join(self.backend.precisions)
            return Unavailable(f"{self.backend.title} has no device kind {device_kind!r}; it has {here}")
        if importlib.util.find_spec("onnx") is None:
            return Unavailable("the package onnx is not installed", INSTALL_HINT)
        return runtime_absence()

    def plan_artefacts(self, request: LoadRequest) -> tuple[ArtefactRequest, ...]:
        """Ask for the same ONNX file as the native engine, and refuse what no page can hold."""
        workload = request.workload
        refuse_format(workload, ("torch", "onnx"), self.name)
        refuse_batch(workload, request.batch)
        check_visitor(request.options)
        _check_browser(request.options)
        if self.backend is WEBNN:
            webnn_device(request.device)
        weights = weight_bytes(workload, request.precision.bytes_per_parameter)
        check_planned(workload.name, weights, backend=self.backend.name, is_sharded=is_sharded(request))
        return plan_model(request, self.name)

    def import_libraries(self, workload: Workload) -> None:
        """Import what reads graphs, and see that onnxruntime-web is here, byte for byte the one named."""
        del workload
        if importlib.util.find_spec("onnx") is None:
            raise EngineError("The package onnx is not installed.", hint=INSTALL_HINT)
        import onnx  # noqa: F401

        import assay.engines.web.page
        import assay.engines.web.session  # noqa: F401
        from assay.engines.web.assets import fetch_runtime

        fetch_runtime()

    def load(self, request: LoadRequest) -> Session:
        """Start the browser, the page and the runtime, and load the model there."""
        from assay.engines.web.session import load_web

        return load_web(request, self.backend, self.name)

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Recognise the words of V8, of emscripten and of the runtime's allocator."""
        said = str(error).lower()
        return isinstance(error, MemoryError) or any(words in said for words in _OUT_OF_MEMORY)


def _check_browser(options: Mapping[str, Scalar]) -> None:
    """Raise UnsupportedError where the browser that the case names, or any at all, is not here."""
    from assay.engines.web.browsers import find_browser

    if is_visit(options):
        return
    named = options.get("browser")
    found = find_browser() if named is None else find_browser(str(named))
    if isinstance(found, Unavailable):
        raise UnsupportedError(f"There is no browser to run in: {found.reason}.", hint=found.install_hint)
