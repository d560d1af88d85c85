"""Engine ``torch-compile``: the model through ``torch.compile`` and its compiler Inductor, compilation timed apart.

The whole forward of the family is compiled, inside ``load``: it is called until a call compiles nothing any more, and
the time of the calls that did is the cost ``compile`` (each includes one execution). Inductor keeps what it compiled in
a folder of its own (``TORCHINDUCTOR_CACHE_DIR``), so a cold compilation, 20 s for a BERT-base on two cores, happens
once and later ones take a fifth of that. Emptying the folder for every launch would multiply that wait; leaving it and
saying nothing would mix two different numbers under one name. So by default the folder is left as the user has it, what
was taken from it is counted, and the time gets one of two names:

``compile``
    no graph came out of the cache. Machine code of single kernels still may have: exactly cold is only "cold" below.
``compile_cached``
    at least one graph did.

The option ``compile_cache="cold"`` gives the launch an empty folder that is removed when it ends; ``warm`` is the
default. The fact ``compile_cache`` says what came of it: ``cold``, ``miss``, ``hit``, or how many graphs of how many
were found. The fact ``graph_breaks`` is Dynamo's own count: one for each nested function that a break parts.

Options: ``compile_mode`` (torch.compile's ``mode``), ``compile_cache``. May import: core, workloads, engines; torch
inside functions.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import shlex
import shutil
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.artefacts.base import ArtefactRequest
from assay.core.absence import Unavailable
from assay.core.errors import EngineError, UnsupportedError, join_or
from assay.core.words import Mode
from assay.engines.base import Capabilities, LoadRequest, Session, engines
from assay.engines.torch_common import (
    INSTALL_HINT,
    PRECISIONS,
    check_availability,
    check_request,
    import_family,
    is_torch_out_of_memory,
    load_model,
    open_session,
)
from assay.engines.torch_device import find_synchronizer
from assay.workloads.base import Workload

_LABEL = "torch.compile"
_MODES = ("default", "reduce-overhead", "max-autotune")
_WARM, _COLD = "warm", "cold"
_TRITON_KINDS = ("cuda", "rocm", "xpu")
_MOST_CALLS = 10
"""Dynamo gives up on a function after 8 recompilations (``recompile_limit``), so ten calls settle what settles."""
_GRAPH_CAPTURE_CALLS = 3
"""CUDA graphs run once to warm up and once to be recorded; the third call replays."""
_LONGEST_REASON = 200


class TorchCompile:
    """PyTorch's compiler, as ``torch.compile(model)`` gives it."""

    name = "torch-compile"
    capabilities = Capabilities(
        precisions=PRECISIONS,
        packages=("torch", "transformers", "torchao", "triton"),
        install_hint=INSTALL_HINT,
        options=("compile_cache", "compile_mode", "prune", "quantization"),
        modes=(Mode.INFERENCE, Mode.SERVING, Mode.TRAINING),
        reads_outputs=True,
    )

    def availability(self, device_kind: str) -> Unavailable | None:
        """Check for PyTorch, and for the compilers that Inductor calls for this kind of device."""
        return check_availability(_LABEL, device_kind) or _find_lack(device_kind)

    def plan_artefacts(self, request: LoadRequest) -> tuple[ArtefactRequest, ...]:
        """Nothing: what is compiled is compiled for the very process."""
        check_request(_LABEL, request)
        _read_options(request)
        return ()

    def import_libraries(self, workload: Workload) -> None:
        """Import torch, the modules of the family, and the compiler."""
        import_family(workload)
        import torch._dynamo
        import torch._inductor.compile_fx  # noqa: F401

    def load(self, request: LoadRequest) -> Session:
        """Build and place the model as eager mode does, compile it, and leave no compiler process behind."""
        import torch

        mode, _cache = _read_options(request)
        loaded = load_model(_LABEL, request)
        forward, module = request.workload.family.forward, loaded.module

        def call(inputs: Any) -> Any:
            return forward(module, inputs)

        infer = functools.partial(torch.compile(call, mode=mode), loaded.inputs)
        guard = contextlib.ExitStack()
        with contextlib.ExitStack() as opening:
            opening.callback(guard.close)
            guard.enter_context(torch.inference_mode())
            costs_ns, facts = settle_compiler(request, infer, loaded.device, guard)
            opening.pop_all()
        return open_session(loaded, infer, guard=guard, facts=facts, costs_ns=costs_ns)

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Recognise torch's errors."""
        return is_torch_out_of_memory(error)


engines.add("torch-compile", TorchCompile())


def compile_in_place(module: Any, request: LoadRequest) -> None:
    """Have the module compiled when it is first called, as the case's options say. Raises UnsupportedError."""
    mode, _cache = _read_options(request)
    module.compile(mode=mode)


def settle_compiler(
    request: LoadRequest, call: Callable[[], Any], device: Any, guard: contextlib.ExitStack
) -> tuple[dict[str, int], dict[str, str]]:
    """Call until nothing is compiled any more; what that took, in ns, and what came of it in words.

    The compiler's state is given back when ``guard`` closes; no process of it is left when this returns. Raises
    EngineError where nothing was compiled, or the compiler failed.
    """
    import torch

    mode, cache = _read_options(request)
    name = request.workload.name
    if cache == _COLD:
        guard.enter_context(_fresh_cache())
    guard.callback(torch.compiler.reset)
    guard.callback(_end_compile_workers)
    before = _read_counts()
    least = 1 if mode == "default" or device.type != "cuda" else _GRAPH_CAPTURE_CALLS
    compile_ns = _compile(name, call, find_synchronizer(device) or _do_nothing, least)
    # Nothing is left to compile: whatever would still run beside the measurement ends here.
    _end_compile_workers()
    counts = _read_counts().since(before)
    if not counts.graphs:
        raise EngineError(
            f"torch.compile compiled nothing of {name}: all of it would run in eager mode.",
            hint="Use the engine torch.",
        )
    cost = "compile_cached" if cache == _WARM and counts.cache_hits else "compile"
    facts = {"compile_mode": mode, "compile_cache": counts.describe_cache(cache), **counts.describe()}
    return {cost: compile_ns}, facts


@dataclass(frozen=True, slots=True)
class _Counts:
    """Dynamo's and Inductor's own counters, which start with the process."""

    attempts: int
    graphs: int
    recompiles: int
    cache_hits: int
    cache_misses: int
    graph_breaks: dict[str, int]

    def since(self, before: _Counts) -> _Counts:
        breaks = {text: count - before.graph_breaks.get(text, 0) for text, count in self.graph_breaks.items()}
        return _Counts(
            self.attempts - before.attempts,
            self.graphs - before.graphs,
            self.recompiles - before.recompiles,
            self.cache_hits - before.cache_hits,
            self.cache_misses - before.cache_misses,
            {text: count for text, count in breaks.items() if count > 0},
        )

    def describe(self) -> dict[str, str]:
        facts = {
            "graphs": str(self.graphs),
            "graph_breaks": str(sum(self.graph_breaks.values())),
            "recompiles": str(self.recompiles),
        }
        if self.graph_breaks:
            most = max(self.graph_breaks, key=lambda text: self.graph_breaks[text])
            facts["graph_break_reason"] = " ".join(most.split())[:_LONGEST_REASON]
        return facts

    def describe_cache(self, cache: str) -> str:
        if cache == _COLD:
            return cache
        total = self.cache_hits + self.cache_misses
        if self.cache_hits and self.cache_misses:
            return f"{self.cache_hits} of {total} graphs"
        return "hit" if self.cache_hits else "miss"


def _read_counts() -> _Counts:
    from torch._dynamo import convert_frame
    from torch._dynamo.utils import counters

    inductor = counters["inductor"]
    return _Counts(
        attempts=counters["frames"]["total"],
        graphs=counters["stats"]["unique_graphs"],
        recompiles=sum(max(0, int(count) - 1) for count in convert_frame.FRAME_COMPILE_COUNTER.values()),
        cache_hits=inductor["fxgraph_cache_hit"],
        cache_misses=inductor["fxgraph_cache_miss"] + inductor["fxgraph_cache_bypass"],
        graph_breaks=dict(counters["graph_break"]),
    )


def _compile(name: str, infer: Callable[[], Any], synchronize: Callable[[], None], least: int) -> int:
    """Call until a call compiles nothing, at least ``least`` times; returns the time of the calls before it, in ns."""
    total_ns = 0
    for number in range(1, _MOST_CALLS + 1):
        before = _read_counts().attempts
        begin = time.perf_counter_ns()
        try:
            infer()
            synchronize()
        except Exception as error:
            if is_torch_out_of_memory(error) or not _is_compiler_error(error):
                raise
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            what = " ".join(lines[:2])[:_LONGEST_REASON] or "no reason given"
            raise EngineError(f"torch.compile could not compile {name}: {type(error).__name__}: {what}") from error
        duration_ns = time.perf_counter_ns() - begin
        if _read_counts().attempts == before and number > least:
            return total_ns
        total_ns += duration_ns
    raise EngineError(
        f"torch.compile still compiles {name} after {_MOST_CALLS} calls on the same inputs.",
        hint="Use the engine torch.",
    )


def _is_compiler_error(error: BaseException) -> bool:
    """Errors of the compiler itself; what the model raises while it is traced keeps its own class."""
    return any(
        (parent.__module__ or "").startswith(("torch._dynamo", "torch._inductor")) for parent in type(error).__mro__
    )


def _end_compile_workers() -> None:
    """End the processes that Inductor starts to compile Triton kernels; they would idle beside the measurement."""
    from torch._inductor.async_compile import shutdown_compile_workers

    shutdown_compile_workers()


@contextlib.contextmanager
def _fresh_cache() -> Iterator[None]:
    """An empty folder for all that Inductor and Triton keep, removed at the end."""
    from torch._inductor import utils

    fresh = getattr(utils, "fresh_cache", None) or utils.fresh_inductor_cache  # renamed in 2.8
    with fresh():
        yield


def _read_options(request: LoadRequest) -> tuple[str, str]:
    """Return the mode and the kind of cache asked for. Raises UnsupportedError."""
    mode = _one_of("compile_mode", str(request.options.get("compile_mode", _MODES[0])), _MODES)
    return mode, _one_of("compile_cache", str(request.options.get("compile_cache", _WARM)), (_WARM, _COLD))


def _one_of(option: str, got: str, valid: tuple[str, ...]) -> str:
    if got not in valid:
        raise UnsupportedError(f"torch.compile has no {option} {got!r}.", hint=f"Expected {join_or(valid)}.")
    return got


def _find_lack(kind: str) -> Unavailable | None:
    """Say which compiler Inductor would miss: it writes C++ for the CPU, Triton for most GPUs, Metal for mps."""
    if kind in _TRITON_KINDS:
        if importlib.util.find_spec("triton") is None:
            return Unavailable(
                f"torch.compile writes Triton kernels for {kind}, and triton is not installed", "pip install triton"
            )
        named = os.environ.get("CC", "")
        if not any(_is_program(one) for one in ([named] if named else ["gcc", "clang", "cc", "cl"])):
            return Unavailable("Triton needs a C compiler, and none is on the path", "install gcc or clang")
        return _find_missing_headers()
    if kind == "cpu":
        usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
        compiler = os.environ.get("CXX") or usual
        if not _is_program(compiler):
            return Unavailable(
                f"torch.compile writes C++ for the CPU, and the compiler {compiler!r} is not on the path",
                "install a C++ compiler (Debian: apt install g++), or name one in CXX",
            )
        return _find_missing_headers()
    return None


def _find_missing_headers() -> Unavailable | None:
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if sys.platform != "win32" and not header.exists():
        return Unavailable(
            f"torch.compile builds modules for this Python, and its headers are missing ({header.name})",
            "install them (Debian: apt install python3-dev)",
        )
    return None


def _is_program(command: str) -> bool:
    words = shlex.split(command)
    return bool(words) and shutil.which(words[0]) is not None


def _do_nothing() -> None:
    """Synchronize a device whose calls are synchronous."""
