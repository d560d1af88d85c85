"""Engine ``web-webgpu``: onnxruntime-web in a real browser by WebGPU, on the browser's GPU.

May import: engines.
"""

from __future__ import annotations

from assay.engines.base import engines
from assay.engines.web.backends import WEBGPU
from assay.engines.web.engine import WebEngine

engines.add("web-webgpu", WebEngine("web-webgpu", WEBGPU))
