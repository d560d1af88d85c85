from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def torch() -> Any:
    """PyTorch, or a skip. Tests that need no PyTorch do not ask for it."""
    pytest.importorskip("transformers", reason="building workloads needs transformers: pip install 'assay[torch]'")
    return pytest.importorskip("torch", reason="this engine needs torch: pip install 'assay[torch]'")


@pytest.fixture
def settings(torch: Any) -> Iterator[None]:
    """Run on one thread, as tiny models gain nothing from two, and put back what an engine sets for its process."""
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = tf32
    torch.set_float32_matmul_precision(precision)
