"""Count the graphs of all families at all sizes, for machines without PyTorch: src/assay/predict/data/graphs.json.

    python tools/make_graphs.py

Takes a minute or two, and needs PyTorch and transformers. Run it where a family, a size or the counting changes.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from assay.core.errors import UnsupportedError
from assay.predict.graphs import profile_workload
from assay.predict.llm.config_shape import decoder_of
from assay.predict.llm.shapes import LlmShape
from assay.predict.shipped_graphs import FILE, content_of
from assay.predict.values import GraphProfile
from assay.workloads.base import families

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Count, and write."""
    graphs: dict[str, GraphProfile] = {}
    decoders: dict[str, LlmShape] = {}
    for family in families.names():
        for size in families.get(family).sizes:
            name = f"{family}/{size}"
            try:
                graphs[name] = profile_workload(name)
            except UnsupportedError:  # a data pipeline has no graph
                continue
            with contextlib.suppress(UnsupportedError):  # few are decoders of text
                if (shape := decoder_of(name)) is not None:
                    decoders[name] = shape
    path = ROOT / "src" / "assay" / "predict" / "data" / FILE
    path.write_text(content_of(graphs, decoders), encoding="utf-8")
    print(f"{len(graphs)} graphs, {len(decoders)} decoders, {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
