"""Engine `torch` on a CUDA device: run where there is one."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from assay.core.errors import UnsupportedError
from assay.core.words import Precision
from assay.engines.base import LoadRequest, Session
from assay.engines.sync_check import check_sync
from assay.engines.torch_compile import TorchCompile
from assay.engines.torch_eager import TorchEager
from assay.workloads.base import find_workload


def _has_cuda() -> bool:
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available()) and torch.version.hip is None


pytestmark = [pytest.mark.skipif(not _has_cuda(), reason="no CUDA device here"), pytest.mark.usefixtures("settings")]

ENGINE = TorchEager()
Load = Callable[..., Session]


@pytest.fixture
def load(settings: None) -> Iterator[Load]:
    del settings
    sessions: list[Session] = []

    def begin(
        name: str,
        precision: Precision = Precision.FP32,
        device: str = "cuda:0",
        engine: TorchEager | TorchCompile = ENGINE,
        **options: str,
    ) -> Session:
        workload = find_workload(name)
        request = LoadRequest(workload, device, precision, 2, workload.resolve_shape({}), 1, 7, options)
        sessions.append(engine.load(request))
        return sessions[-1]

    yield begin
    for session in reversed(sessions):
        session.unload()


def test_fp32_is_not_tf32(torch: Any, load: Load) -> None:
    # TF32 keeps 10 bits of mantissa: a product of ones and 1 + 2**-12 would lose the small part entirely.
    load("unet")
    fine = torch.full((256, 256), 1 + 2**-12, device="cuda:0")
    product = fine @ torch.eye(256, device="cuda:0")
    assert torch.equal(product, fine)
    kernel = torch.eye(16, device="cuda:0").view(16, 16, 1, 1)
    image = torch.full((1, 16, 32, 32), 1 + 2**-12, device="cuda:0")
    assert torch.equal(torch.nn.functional.conv2d(image, kernel), image)


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.BF16, Precision.FP16])
def test_a_call_is_finite_and_ran_on_the_device(torch: Any, load: Load, precision: Precision) -> None:
    session = load("unet", precision)
    outputs = session.infer()
    assert outputs.device.type == "cuda"
    assert torch.isfinite(outputs).all()
    assert session.effective_precision == precision
    assert session.hardware == torch.cuda.get_device_name(0)
    assert session.facts["cuda"] == torch.version.cuda
    assert "cudnn" in session.facts


def test_weights_are_those_of_the_cpu(torch: Any, load: Load) -> None:
    there = load("unet").infer().cpu()
    here = load("unet", device="cpu").infer()
    assert torch.allclose(here, there, rtol=1e-3, atol=1e-3)


def test_events_time_what_was_put_between_them(load: Load) -> None:
    session = load("unet")
    assert session.synchronize is not None
    assert session.event_timer is not None
    session.infer()
    session.synchronize()
    session.event_timer.start()
    session.infer()
    session.event_timer.stop()
    session.synchronize()
    assert session.event_timer.elapsed_ns() > 0


def test_memory_is_read_from_the_allocator_and_from_the_driver(load: Load) -> None:
    session = load("unet")
    assert session.reset_device_memory is not None
    assert session.device_memory is not None
    session.reset_device_memory()
    session.infer()
    readings = session.device_memory()
    assert session.parameters is not None
    assert readings["allocator_peak"] > 4 * session.parameters
    assert readings["driver_used"] >= readings["allocator_peak"]


def test_running_out_of_device_memory_is_recognised(torch: Any) -> None:
    with pytest.raises(torch.OutOfMemoryError) as caught:
        torch.empty(10**13, device="cuda:0")
    assert ENGINE.is_out_of_memory(caught.value)


def test_a_device_beyond_the_last_is_unsupported(load: Load) -> None:
    with pytest.raises(UnsupportedError, match="Device 'cuda:99' is not here: PyTorch sees"):
        load("unet", device="cuda:99")


def _relative_error(session: Session, reference: Session) -> float:
    assert session.read_outputs is not None
    assert reference.read_outputs is not None
    pairs = zip(session.read_outputs(session.infer()), reference.read_outputs(reference.infer()), strict=True)
    return max(float(np.linalg.norm(one - other) / np.linalg.norm(other)) for one, other in pairs)


def test_tf32_loses_the_bits_that_fp32_keeps_where_the_hardware_has_it(torch: Any, load: Load) -> None:
    if torch.cuda.get_device_capability(0) < (8, 0):
        with pytest.raises(UnsupportedError, match="has no TF32"):
            load("unet", Precision.TF32)
        return
    session = load("unet", Precision.TF32)
    assert session.effective_precision == "tf32"
    fine = torch.full((256, 256), 1 + 2**-12, device="cuda:0")
    assert not torch.equal(fine @ torch.eye(256, device="cuda:0"), fine)


@pytest.mark.skipif(importlib.util.find_spec("torchao") is None, reason="torchao is not installed")
@pytest.mark.parametrize(
    ("precision", "method", "limit"),
    [(Precision.INT8, "dynamic", 0.1), (Precision.INT8, "weight-only", 0.1), (Precision.INT4, "weight-only", 0.4)],
)
def test_linear_layers_are_quantized_on_the_device(load: Load, precision: Precision, method: str, limit: float) -> None:
    reference = load("llama")
    session = load("llama", precision, quantization=method)
    assert session.effective_precision.startswith(f"{precision} {method} (linear layers; ")
    assert session.effective_precision.endswith("the rest bf16)")
    assert 0 < _relative_error(session, reference) < limit


@pytest.mark.skipif(TorchCompile().availability("cuda") is not None, reason="torch.compile needs triton here")
@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_what_is_compiled_for_the_device_computes_the_same(load: Load, mode: str) -> None:
    reference = load("bert")
    session = load("bert", engine=TorchCompile(), compile_mode=mode)
    assert session.facts["graphs"] == "1"
    assert session.facts["compile_mode"] == mode
    assert _relative_error(session, reference) < 1e-3


def test_synchronizing_waits_for_the_device() -> None:
    check = check_sync("cuda:0")
    assert check.has_passed, check.reason
    assert check.is_asynchronous
