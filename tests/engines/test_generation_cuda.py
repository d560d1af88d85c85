"""Generation on a CUDA device: the same text as on the CPU, and a device that is waited for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from assay.core.words import Precision
from assay.engines.base import LoadRequest
from assay.engines.generation import load_generation
from assay.runner.generate import measure_generation
from assay.runner.timing import Timing
from assay.workloads.base import find_workload

NEW_TOKENS = 4


@pytest.fixture
def cuda(torch: Any) -> str:
    if not torch.cuda.is_available():
        pytest.skip("this test needs a CUDA device that PyTorch sees")
    return "cuda:0"


@pytest.mark.parametrize("family", ["llama", "t5", "whisper", "llava"])
def test_a_device_writes_the_text_that_the_cpu_writes(family: str, cuda: str, settings: None) -> None:  # noqa: ARG001
    workload = find_workload(f"{family}/tiny")
    shape = workload.resolve_shape({"seq": 8} if "seq" in workload.family.default_shape else {})
    texts = []
    for device in ("cpu", cuda):
        request = LoadRequest(workload, device, Precision.FP32, 2, shape, threads=1, seed=0)
        generation = load_generation("torch", request, new_tokens=NEW_TOKENS)
        assert (generation.session.synchronize is None) == (device == "cpu")
        assert generation.session.read_outputs is not None
        texts.append(generation.session.read_outputs(generation.session.infer())[0])
        if device == cuda:
            timed = measure_generation(generation, Timing(min_time_s=0.1, max_time_s=1, warmup_min_s=0.1))
            assert len(timed.decode_step_ns) == (NEW_TOKENS - 1) * len(timed.total_ns)
        generation.session.unload()
    # The first tokens follow from the same prompt; a later one may tip where two are nearly as likely.
    np.testing.assert_array_equal(texts[0][:, 0], texts[1][:, 0])
