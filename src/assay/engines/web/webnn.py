"""Engine ``web-webnn``: onnxruntime-web in a real browser by WebNN, its own machine learning on CPU, GPU or NPU.

May import: engines.
"""

from __future__ import annotations

from assay.engines.base import engines
from assay.engines.web.backends import WEBNN
from assay.engines.web.engine import WebEngine

engines.add("web-webnn", WebEngine("web-webnn", WEBNN))
