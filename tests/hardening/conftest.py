from __future__ import annotations

from pathlib import Path

import pytest

SUITE = """\
name: small
launches: 1
launch_limit_s: 60
timing: {min_time_s: 0.02, max_time_s: 0.05, min_samples: 5, warmup_min_s: 0, warmup_max_s: 0.05}
cases:
  - model: ["plain_models:good"]
    engine: plain
    batch: [1, 2]
"""


@pytest.fixture
def suite_file(tmp_path: Path) -> Path:
    """A suite of two cases whose launches take a fraction of a second and need no PyTorch."""
    file = tmp_path / "small.yaml"
    file.write_text(SUITE, encoding="utf-8")
    return file
