"""Engine ``web-wasm``: onnxruntime-web in a real browser by WebAssembly, on the CPU: one thread or several, with SIMD.

May import: engines.
"""

from __future__ import annotations

from assay.engines.base import engines
from assay.engines.web.backends import WASM
from assay.engines.web.engine import WebEngine

engines.add("web-wasm", WebEngine("web-wasm", WASM))
