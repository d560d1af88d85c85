"""Engine `torch` on the CPU, for real: what is loaded is what was asked for, and what cannot be is refused in words."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from assay.core.errors import EngineError, UnsupportedError
from assay.core.words import Precision
from assay.engines.base import LoadRequest, Session, device_kind, engines
from assay.engines.torch_device import set_fp32_arithmetic
from assay.engines.torch_eager import TorchEager
from assay.workloads.base import Workload, find_workload

ENGINE = TorchEager()
Load = Callable[..., Session]


@pytest.fixture
def load(settings: None) -> Iterator[Load]:
    """Load a workload by name; whatever is still loaded at the end is unloaded, the last first."""
    del settings
    sessions: list[Session] = []

    def begin(name: str = "bert", precision: str = "fp32", **changes: Any) -> Session:
        workload = find_workload(name)
        request = LoadRequest(workload, "cpu", Precision(precision), 2, workload.resolve_shape({}), threads=1, seed=7)
        sessions.append(ENGINE.load(replace(request, **changes)))
        return sessions[-1]

    yield begin
    for session in reversed(sessions):
        session.unload()


def _tensors(torch: Any, outputs: object) -> Iterator[Any]:
    if isinstance(outputs, torch.Tensor):
        yield outputs
    elif isinstance(outputs, Mapping):
        for value in outputs.values():
            yield from _tensors(torch, value)
    elif isinstance(outputs, tuple | list):
        for value in outputs:
            yield from _tensors(torch, value)


# -- loading and calling -------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", ["bert", "clip", "llama", "resnet", "t5", "unet"])
def test_a_call_gives_finite_numbers_in_the_precision_asked_for(
    torch: Any, load: Load, name: str, precision: str
) -> None:
    session = load(name, precision)
    outputs = [*_tensors(torch, session.infer())]
    assert outputs
    assert all(bool(torch.isfinite(tensor).all()) for tensor in outputs)
    assert outputs[0].dtype == {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    assert outputs[0].shape[0] == 2
    assert session.effective_precision == precision
    assert session.parameters == find_workload(name).size.parameters


def test_a_session_on_the_cpu_says_what_it_runs_on_and_has_no_device_clock(torch: Any, load: Load) -> None:
    session = load()
    assert session.synchronize is None
    assert session.event_timer is None
    assert session.device_memory is None
    assert session.reset_device_memory is None
    assert session.facts["torch"] == torch.__version__
    assert {"cpu_capability", "mkldnn", "mkl", "interop_threads"} <= session.facts.keys()


def test_half_precision_is_read_back_from_the_weights(load: Load) -> None:
    assert load("unet", "fp16").effective_precision == "fp16"


def test_the_same_seed_gives_the_same_outputs_and_another_others(torch: Any, load: Load) -> None:
    one, again, other = (load("unet", seed=seed).infer() for seed in (7, 7, 8))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_thread_count_is_set_and_read_back(torch: Any, load: Load, threads: int) -> None:
    session = load("unet", threads=threads)
    assert session.threads == threads
    assert torch.get_num_threads() == threads


def test_reduced_fp32_is_switched_off(torch: Any, load: Load) -> None:
    torch.set_float32_matmul_precision("high")
    load("unet")
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


def test_inference_mode_lasts_from_load_to_unload(torch: Any, load: Load) -> None:
    assert not torch.is_inference_mode_enabled()
    session = load("unet")
    assert torch.is_inference_mode_enabled()
    assert session.infer().is_inference()
    session.unload()
    assert not torch.is_inference_mode_enabled()
    session.unload()
    assert not torch.is_inference_mode_enabled(), "a second unload must do nothing"


def test_importing_first_leaves_nothing_of_the_family_to_import(load: Load) -> None:
    ENGINE.import_libraries(find_workload("clip"))
    before = set(sys.modules)
    load("clip")
    new = {name for name in set(sys.modules) - before if name.startswith("transformers.models.")}
    assert new == set()


def test_a_missing_package_is_named_with_the_way_to_get_it(torch: Any) -> None:
    del torch
    workload = find_workload("bert")
    family = replace(workload.family, requires=("torch", "no_such_package"))
    expected = r"bert/tiny needs the package 'no_such_package'\. pip install 'assay\[torch\]'"
    with pytest.raises(EngineError, match=expected):
        ENGINE.import_libraries(Workload(workload.name, family, workload.size))


# -- what it refuses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("tpu:0", "PyTorch has no device 'tpu:0'. Expected cpu, cuda:N, rocm:N, mps or xpu:N."),
        ("cuda:x", "Device 'cuda:x' has no number behind its colon. Expected cpu, cuda:N, rocm:N, mps or xpu:N."),
        ("cuda:-1", "Device 'cuda:-1' has no number behind its colon. Expected cpu, cuda:N, rocm:N, mps or xpu:N."),
    ],
)
def test_a_device_that_nobody_has_is_unsupported(load: Load, device: str, message: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        load("unet", device=device)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("device", "cuda", "hip", "message"),
    [
        ("cuda:0", None, None, "this PyTorch was built for the CPU only."),
        ("cuda:0", "12.8", None, "this PyTorch was built for CUDA 12.8 and sees no such device."),
        ("cuda:0", None, "7.1", "this PyTorch was built for ROCm."),
        ("rocm:0", None, "7.1", "this PyTorch was built for ROCm and sees no such device."),
        ("rocm:0", "12.8", None, "this PyTorch was built for CUDA 12.8."),
    ],
)
def test_an_absent_gpu_says_what_this_pytorch_was_built_for(
    torch: Any,
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    cuda: str | None,
    hip: str | None,
    message: str,
) -> None:
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.version, "hip", hip)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UnsupportedError) as caught:
        load("unet", device=device)
    assert str(caught.value) == f"Device {device!r} cannot be used: {message}"


def test_a_gpu_beyond_the_last_is_unsupported(torch: Any, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UnsupportedError, match=r"Device 'cuda:2' is not here: PyTorch sees 2 device\(s\) of this kind"):
        load("unet", device="cuda:2")


def test_absent_metal_and_intel_devices_are_unsupported(
    torch: Any, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.xpu, "is_available", lambda: False)
    with pytest.raises(UnsupportedError, match="Device 'mps' cannot be used: this PyTorch sees no Metal device"):
        load("unet", device="mps")
    with pytest.raises(UnsupportedError, match="Device 'xpu:0' cannot be used: this PyTorch sees no Intel GPU"):
        load("unet", device="xpu:0")


def test_a_precision_that_a_device_lacks_is_unsupported_and_known_before_it_is_loaded(load: Load) -> None:
    expected = "PyTorch eager cannot load unet/tiny in tf32 on cpu. Expected one of: fp32, bf16, fp16, int8, int4."
    with pytest.raises(UnsupportedError) as caught:
        load("unet", "tf32")
    assert str(caught.value) == expected
    workload = find_workload("unet")
    with pytest.raises(UnsupportedError) as caught:
        ENGINE.plan_artefacts(LoadRequest(workload, "cpu", Precision.TF32, 1, {}, threads=1, seed=7))
    assert str(caught.value) == expected
    assert ENGINE.plan_artefacts(LoadRequest(workload, "cpu", Precision.BF16, 1, {}, threads=1, seed=7)) == ()


@pytest.mark.parametrize(("capability", "is_allowed"), [((7, 5), False), ((8, 0), True)])
def test_tf32_is_refused_where_the_hardware_has_none(
    torch: Any, settings: None, monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], *, is_allowed: bool
) -> None:
    del settings
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _device: "Some GPU")
    device = torch.device("cuda", 0)
    if is_allowed:
        set_fp32_arithmetic(device, is_tf32=True)
        assert torch.backends.cuda.matmul.allow_tf32
        assert torch.backends.cudnn.allow_tf32
        assert torch.get_float32_matmul_precision() == "high"
    else:
        with pytest.raises(UnsupportedError, match=r"Some GPU has no TF32: its compute capability is 7\.5"):
            set_fp32_arithmetic(device, is_tf32=True)


def test_a_pruned_model_says_so(load: Load) -> None:
    facts = load("unet", options={"prune": "magnitude:0.5"}).facts
    assert (facts["prune"], facts["zero_weights"]) == ("magnitude:0.5", "242484 of 484968")


def test_the_size_of_a_model_counts_its_parameters_and_buffers(load: Load) -> None:
    full, half = load("unet"), load("unet", "bf16")
    assert full.parameters is not None
    assert int(full.facts["model_bytes"]) > 4 * full.parameters
    assert 2 * full.parameters < int(half.facts["model_bytes"]) < 0.6 * int(full.facts["model_bytes"])


def test_a_refusal_leaves_no_inference_mode_behind(torch: Any, load: Load) -> None:
    with pytest.raises(UnsupportedError):
        load("unet", device="tpu")
    assert not torch.is_inference_mode_enabled()


# -- memory --------------------------------------------------------------------------------------------------


def _error_of(action: Callable[[], object]) -> BaseException:
    with pytest.raises((MemoryError, RuntimeError)) as caught:
        action()
    return caught.value


def test_running_out_of_memory_is_recognised_from_what_is_really_raised(torch: Any) -> None:
    assert ENGINE.is_out_of_memory(_error_of(lambda: torch.empty(10**15)))
    assert ENGINE.is_out_of_memory(_error_of(lambda: np.empty(10**15)))
    assert ENGINE.is_out_of_memory(_error_of(lambda: bytearray(10**17)))
    assert ENGINE.is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."))
    assert ENGINE.is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 18.00 GB)"))


def test_other_errors_are_not_running_out_of_memory(torch: Any) -> None:
    assert not ENGINE.is_out_of_memory(_error_of(lambda: torch.ones(2, 3) @ torch.ones(2, 3)))
    assert not ENGINE.is_out_of_memory(ValueError("not enough memory of yesterday"))
    assert not ENGINE.is_out_of_memory(RuntimeError("view size is not compatible with input tensor's memory layout"))
    illegal = "CUDA error: an illegal memory access was encountered"
    assert not ENGINE.is_out_of_memory(RuntimeError(illegal))
    if hasattr(torch, "AcceleratorError"):  # PyTorch 2.8 and later
        assert not ENGINE.is_out_of_memory(torch.AcceleratorError(illegal))
        assert ENGINE.is_out_of_memory(torch.AcceleratorError("CUDA error: out of memory"))


# -- what it says of itself ----------------------------------------------------------------------------------


def test_it_is_found_by_name_and_says_what_it_can_do() -> None:
    engine = engines.get("torch")
    assert engine.name == "torch"
    assert engine.capabilities.device_kinds == ("cpu", "cuda", "rocm", "mps", "xpu")
    assert all(Precision.FP32 in precisions for precisions in engine.capabilities.precisions.values())
    assert [device_kind(name) for name in ("cpu", "cuda:0", "mps")] == ["cpu", "cuda", "mps"]


def test_without_pytorch_it_is_unavailable_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else found(name))
    assert str(ENGINE.availability("cpu")) == "PyTorch is not installed (pip install 'assay[torch]')"


@pytest.mark.parametrize(
    ("version", "absence"),
    [
        ("2.13.0+cpu", "this PyTorch is built for the CPU only (install a PyTorch built for cuda)"),
        ("2.13.0+cu130", "None"),
        ("2.13.0", "None"),
    ],
)
def test_a_cpu_build_is_known_by_its_version(monkeypatch: pytest.MonkeyPatch, version: str, absence: str) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: version)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    assert str(ENGINE.availability("cuda")) == absence
    assert ENGINE.availability("cpu") is None


@pytest.mark.usefixtures("torch")
def test_availability_knows_kinds_of_device_and_imports_nothing() -> None:
    code = (
        "import sys\n"
        "from assay.engines.base import engines\n"
        "engine = engines.get('torch')\n"
        "print(engine.availability('cpu'), 'torch' in sys.modules)\n"
        "print(engine.availability('tpu'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "None False",
        "PyTorch eager has no device kind 'tpu'; it has cpu, cuda, rocm, mps, xpu",
    ]
