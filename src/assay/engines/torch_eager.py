"""Engine ``torch``: PyTorch eager mode on cpu, cuda, rocm, mps and xpu.

May import: core, workloads, engines; torch inside functions.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.core.absence import Unavailable
from assay.core.errors import EngineError, UnsupportedError
from assay.core.words import Precision
from assay.engines.base import Capabilities, EventTimer, LoadRequest, Session, engines
from assay.workloads.base import Tier, Workload
from assay.workloads.inputs import make_inputs

if TYPE_CHECKING:
    import torch

_FLOATS = (Precision.FP32, Precision.BF16, Precision.FP16)
_DTYPE_NAMES = {Precision.FP32: "float32", Precision.BF16: "bfloat16", Precision.FP16: "float16"}
_DEVICES_HINT = "Expected cpu, cuda:N, rocm:N, mps or xpu:N."
_OUT_OF_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory")


class TorchEager:
    """The framework as most people run it: no compilation, one call after another."""

    name = "torch"
    capabilities = Capabilities(
        precisions={"cpu": _FLOATS, "cuda": _FLOATS, "rocm": _FLOATS, "mps": _FLOATS, "xpu": _FLOATS},
        packages=("torch", "transformers"),
        install_hint="pip install 'assay[torch]'",
    )

    def availability(self, device_kind: str) -> Unavailable | None:
        """Check for the package only; whether it was built for the device is asked in a worker."""
        if importlib.util.find_spec("torch") is None:
            return Unavailable("PyTorch is not installed", self.capabilities.install_hint)
        if device_kind not in self.capabilities.precisions:
            known = ", ".join(self.capabilities.device_kinds)
            return Unavailable(f"PyTorch eager has no device kind {device_kind!r}; it has {known}")
        if device_kind != "cpu" and _is_cpu_build():
            return Unavailable("this PyTorch is built for the CPU only", f"install a PyTorch built for {device_kind}")
        return None

    def import_libraries(self, workload: Workload) -> None:
        """Import torch and the modules of the family.

        Building the family's tiny size on the meta device imports exactly what its real size needs, and
        allocates nothing.
        """
        for package in workload.family.requires:
            if importlib.util.find_spec(package) is None:
                raise EngineError(
                    f"{workload.name} needs the package {package!r}.", hint=self.capabilities.install_hint
                )
        import torch

        if workload.family.bring is None:
            tiny = next(size for size in workload.family.sizes.values() if size.tier is Tier.TINY)
            with torch.device("meta"):
                workload.family.build(tiny)

    def load(self, request: LoadRequest) -> Session:
        """Build the model in the precision asked for, place it, make and place its inputs."""
        import torch

        device = _torch_device(request.device)
        if request.precision not in _DTYPE_NAMES:
            raise UnsupportedError(
                f"PyTorch eager cannot load {request.workload.name} in {request.precision}.",
                hint=f"Expected one of: {', '.join(_DTYPE_NAMES)}.",
            )
        torch.set_num_threads(request.threads)
        _forbid_reduced_fp32(torch)
        model, inputs = _model_and_inputs(request, device)
        guard = contextlib.ExitStack()
        # Entered once for the whole session: entering it for each call would be timed with the call.
        guard.enter_context(torch.inference_mode())
        first = next(iter(model.parameters()), None)
        return Session(
            infer=functools.partial(request.workload.family.forward, model, inputs),
            unload=guard.close,
            effective_precision=_precision_of(first),
            threads=torch.get_num_threads(),
            hardware=_hardware_name(device),
            parameters=sum(parameter.numel() for parameter in model.parameters()) if first is not None else None,
            facts=_facts(device),
            synchronize=_synchronizer(device),
            event_timer=_CudaEvents() if device.type == "cuda" else None,
            reset_device_memory=_memory_reset(device),
            device_memory=_memory_reader(device),
        )

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Recognise torch's own class on accelerators, and a plain RuntimeError from the CPU allocator.

        A word like "memory" alone does not do: an illegal memory access is a fault of a kernel.
        """
        if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            return True
        return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY_WORDS)


engines.add("torch", TorchEager())


def _is_cpu_build() -> bool:
    """Tell by the version's local part, as the wheels are labelled (``2.13.0+cpu``); importing torch costs 1.5 s."""
    try:
        return importlib.metadata.version("torch").endswith("+cpu")
    except importlib.metadata.PackageNotFoundError:
        return False


def _torch_device(name: str) -> torch.device:
    """Map our device word to torch's, and prove that it is there."""
    import torch

    kind, _, ordinal = name.partition(":")
    if ordinal and not ordinal.isdecimal():
        raise UnsupportedError(f"Device {name!r} has no number behind its colon.", hint=_DEVICES_HINT)
    index = int(ordinal or 0)
    if kind == "cpu":
        return torch.device("cpu")
    if kind in {"cuda", "rocm"}:
        is_hip = torch.version.hip is not None
        if not torch.cuda.is_available() or is_hip != (kind == "rocm"):
            built = "ROCm" if is_hip else f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU only"
            is_for_it = is_hip if kind == "rocm" else torch.version.cuda is not None
            lack = " and sees no such device" if is_for_it else ""
            raise UnsupportedError(f"Device {name!r} cannot be used: this PyTorch was built for {built}{lack}.")
        return _checked("cuda", index, torch.cuda.device_count(), name)
    if kind == "mps":
        if not torch.backends.mps.is_available():
            raise UnsupportedError(f"Device {name!r} cannot be used: this PyTorch sees no Metal device.")
        return torch.device("mps")
    if kind == "xpu":
        if not torch.xpu.is_available():
            raise UnsupportedError(f"Device {name!r} cannot be used: this PyTorch sees no Intel GPU.")
        return _checked("xpu", index, torch.xpu.device_count(), name)
    raise UnsupportedError(f"PyTorch eager has no device {name!r}.", hint=_DEVICES_HINT)


def _checked(kind: str, index: int, count: int, name: str) -> torch.device:
    import torch

    if index >= count:
        raise UnsupportedError(f"Device {name!r} is not here: PyTorch sees {count} device(s) of this kind.")
    return torch.device(kind, index)


def _forbid_reduced_fp32(torch: Any) -> None:
    """fp32 means IEEE fp32; TF32 is a precision of its own and is never used silently."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")


def _model_and_inputs(request: LoadRequest, device: torch.device) -> tuple[Any, Any]:
    import torch

    from assay.engines.weights import build_seeded

    dtype_name = _DTYPE_NAMES[request.precision]
    dtype = getattr(torch, dtype_name)
    workload = request.workload
    if workload.family.bring is not None:
        model, inputs = workload.family.bring(workload.size, request.batch, request.shape, dtype_name)
        if isinstance(model, torch.nn.Module):
            model = model.eval().to(dtype=dtype)
    else:
        model = build_seeded(functools.partial(workload.family.build, workload.size), dtype=dtype, seed=request.seed)
        arrays = make_inputs(workload, batch=request.batch, shape=request.shape, seed=request.seed)
        inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
    model = model.to(device) if isinstance(model, torch.nn.Module) else _CallableModule(model)
    return model, _place(inputs, device, dtype)


class _CallableModule:
    """A user's plain function in the place of a module: it has no parameters and no device."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    @staticmethod
    def parameters() -> tuple[()]:
        return ()


def _place(inputs: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """Move every tensor to the device, floating ones in the case's precision."""
    import torch

    if isinstance(inputs, torch.Tensor):
        return inputs.to(device, dtype) if inputs.is_floating_point() else inputs.to(device)
    if isinstance(inputs, Mapping):
        return {name: _place(value, device, dtype) for name, value in inputs.items()}
    if isinstance(inputs, (list, tuple)):
        return tuple(_place(value, device, dtype) for value in inputs)
    return inputs


def _precision_of(parameter: torch.Tensor | None) -> str:
    if parameter is None:
        return "unknown"
    names = {text: precision.value for precision, text in _DTYPE_NAMES.items()}
    text = str(parameter.dtype).removeprefix("torch.")
    return names.get(text, text)


def _hardware_name(device: torch.device) -> str:
    import torch

    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    if device.type == "xpu":
        return str(torch.xpu.get_device_name(device))
    return ""


def _facts(device: torch.device) -> dict[str, str]:
    import torch

    facts = {"torch": str(torch.__version__), "interop_threads": str(torch.get_num_interop_threads())}
    if device.type == "cpu":
        facts["cpu_capability"] = torch.backends.cpu.get_cpu_capability()
        facts["mkldnn"] = str(torch.backends.mkldnn.is_available())
        facts["mkl"] = str(torch.backends.mkl.is_available())
    elif device.type == "cuda":
        facts["cuda"] = str(torch.version.cuda or torch.version.hip)
        facts["cudnn"] = str(torch.backends.cudnn.version())
    return facts


def _synchronizer(device: torch.device) -> Any:
    import torch

    if device.type == "cuda":
        return functools.partial(torch.cuda.synchronize, device)
    if device.type == "mps":
        return torch.mps.synchronize
    if device.type == "xpu":
        return functools.partial(torch.xpu.synchronize, device)
    return None


def _memory_reset(device: torch.device) -> Any:
    import torch

    if device.type == "cuda":
        return functools.partial(torch.cuda.reset_peak_memory_stats, device)
    if device.type == "xpu":
        return functools.partial(torch.xpu.reset_peak_memory_stats, device)
    return None


def _memory_reader(device: torch.device) -> Any:
    """Allocator peak and the driver's view, each under its own name."""
    import torch

    def read_cuda() -> dict[str, int]:
        free, total = torch.cuda.mem_get_info(device)
        return {"allocator_peak": int(torch.cuda.max_memory_allocated(device)), "driver_used": int(total - free)}

    def read_xpu() -> dict[str, int]:
        return {"allocator_peak": int(torch.xpu.max_memory_allocated(device))}

    def read_mps() -> dict[str, int]:
        # Metal keeps no peak; what the driver holds after the calls is its closest figure, under its own name.
        return {"driver_used": int(torch.mps.driver_allocated_memory())}

    return {"cuda": read_cuda, "xpu": read_xpu, "mps": read_mps}.get(device.type)


class _CudaEvents(EventTimer):
    """The device's own clock around one call."""

    def __init__(self) -> None:
        import torch

        self._start = torch.cuda.Event(enable_timing=True)
        self._stop = torch.cuda.Event(enable_timing=True)

    def start(self) -> None:
        self._start.record()

    def stop(self) -> None:
        self._stop.record()

    def elapsed_ns(self) -> int:
        return round(float(self._start.elapsed_time(self._stop)) * 1e6)
