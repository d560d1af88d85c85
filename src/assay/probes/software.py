"""The software: Python, packages (none of them imported), environment variables that change speed, assay itself.

May import: standard library and core.
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
import platform
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import assay
from assay.core.ids import content_hash

REDACTED = "<redacted>"

_RELEVANT_NAMES = """
accelerate amdsmi auto-round bitsandbytes cupy datasets deltalake duckdb flash-attn huggingface-hub jax jaxlib
mkl mkl-service ml-dtypes nncf numpy nvidia-ml-py onnx onnxscript openvino optimum orjson pandas polars psutil
pyarrow safetensors scikit-learn scipy tbb tensorflow tensorrt tokenizers torch torchao torchaudio torchvision
transformers triton triton-rocm vllm xformers
"""
_RELEVANT = frozenset(_RELEVANT_NAMES.split())
_RELEVANT_STARTS = ("onnxruntime", "openvino-", "intel-", "nvidia-", "oneccl", "dpcpp", "tensorrt-", "pytorch-triton")

_VARIABLE_STARTS = """
OMP_ MKL_ KMP_ OPENBLAS_ GOMP_ BLIS_ VECLIB_ NUMEXPR_ TBB_ GLOO_ NCCL_
CUDA_ NVIDIA_ CUBLAS_ CUDNN_ HIP_ ROCR_ ROCM_ HSA_ MIOPEN_ SYCL_ ZE_ ONEAPI_
TORCH_ TORCHINDUCTOR_ TORCHDYNAMO_ PYTORCH_ ATEN_ TRITON_ ONEDNN_ DNNL_ ORT_ OPENVINO_ OV_ XLA_
MALLOC_ MIMALLOC_ TOKENIZERS_
"""
_PREFIXES = tuple(_VARIABLE_STARTS.split())
_VARIABLE_NAMES = """
LD_PRELOAD DYLD_INSERT_LIBRARIES GLIBC_TUNABLES PYTHONHASHSEED PYTHONMALLOC PYTHONOPTIMIZE PYTHONNOUSERSITE
HF_HUB_OFFLINE TRANSFORMERS_OFFLINE USE_TF USE_FLAX
"""
_NAMES = frozenset(_VARIABLE_NAMES.split())
_THREAD_NAMES = (
    "OMP_NUM_THREADS",
    "OMP_PROC_BIND",
    "OMP_PLACES",
    "OMP_WAIT_POLICY",
    "GOMP_CPU_AFFINITY",
    "GOMP_SPINCOUNT",
    "KMP_AFFINITY",
    "KMP_BLOCKTIME",
    "MKL_NUM_THREADS",
    "MKL_DYNAMIC",
    "OPENBLAS_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)

_SECRET_NAMES = ("KEY", "TOKEN", "SECRET", "PASS", "CREDENTIAL", "AUTH")
_NOT_SECRET = frozenset({"TOKENIZERS_PARALLELISM"})
_SIGNED_IN = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
_LONG_RUN = re.compile(r"[A-Za-z0-9+]{20,}")
_LONG_MIXED = re.compile(r"[A-Za-z0-9+_-]{24,}")
_RUN_BITS = 3.0
_MIXED_BITS = 4.0


def collect_python() -> dict[str, Any]:
    """Return Python's version and the packages it would import. Where it is installed is nobody's business."""
    packages = list_packages()
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "compiler": platform.python_compiler(),
        "packages": {name: version for name, version in packages.items() if _is_relevant(name)},
        "package_count": len(packages),
        "packages_hash": content_hash(packages),
    }


def list_packages(search_path: Sequence[str] | None = None) -> dict[str, str]:
    """Return normalised name -> version of every installed distribution, from the names of their metadata folders.

    ``name-version.dist-info`` carries both (Binary distribution format, PyPA specifications), so nothing is
    opened: importlib.metadata parses every METADATA file for the same answer, at tens of milliseconds. The
    current folder and the script's folder are left out, so that a run does not depend on where it is started.
    """
    folders = sys.path if search_path is None else search_path
    left_out = {"", str(Path.cwd()), str(Path(sys.argv[0]).absolute().parent) if sys.argv else ""}
    packages: dict[str, str] = {}
    for folder in folders:
        if search_path is None and folder in left_out:
            continue
        for entry in _list_names(folder):
            found = re.fullmatch(r"([^-]+)-([^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info", entry)
            if found:
                name = re.sub(r"[-_.]+", "-", found[1]).lower()
                # The first on the path is the one that is imported.
                packages.setdefault(name, found[2])
    return dict(sorted(packages.items()))


def collect_env(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that change how fast libraries compute: by name or prefix, secrets redacted."""
    home = environ.get("HOME") or environ.get("USERPROFILE") or ""
    return {
        name: redact_value(name, value, home=home)
        for name, value in sorted(environ.items())
        if name in _NAMES or name.startswith(_PREFIXES)
    }


def collect_threads(environ: Mapping[str, str] = os.environ) -> dict[str, str | None]:
    """Return the settings that decide how many threads compute and where; None where unset."""
    home = environ.get("HOME") or ""
    return {
        name: None if name not in environ else redact_value(name, environ[name], home=home) for name in _THREAD_NAMES
    }


def redact_value(name: str, value: str, *, home: str = "") -> str:
    """Return ``value``, or ``<redacted>`` where its name or its look says secret; the home folder becomes ``~``."""
    named_secret = name not in _NOT_SECRET and any(word in name.upper() for word in _SECRET_NAMES)
    if named_secret or looks_secret(value):
        return REDACTED
    return value.replace(home, "~") if len(home) > 1 else value


def looks_secret(value: str) -> bool:
    """True where ``value`` holds a password in a URL or a long run of random letters and digits.

    Random means entropy: a run of 20 letters and digits with 3 bits a character, or 24 with dashes, both cases
    and 4 bits. Option names such as ``roundup_power2_divisions`` stay below, keys of the usual services above.
    """
    if _SIGNED_IN.search(value):
        return True
    if any(_digits(run) and _letters(run) and _entropy_bits(run) >= _RUN_BITS for run in _LONG_RUN.findall(value)):
        return True
    return any(
        _digits(run) and run.lower() != run and run.upper() != run and _entropy_bits(run) >= _MIXED_BITS
        for run in _LONG_MIXED.findall(value)
    )


@functools.cache
def source_hash() -> str:
    """Hash assay's own Python files (names and contents): which code made a number, even uncommitted. Cached."""
    folder = Path(assay.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py"), key=lambda path: path.relative_to(folder).as_posix()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def collect_assay() -> dict[str, str]:
    """Return which assay this is."""
    return {"version": assay.__version__, "source_hash": source_hash()}


def _is_relevant(name: str) -> bool:
    return name in _RELEVANT or name.startswith(_RELEVANT_STARTS)


def _list_names(folder: str) -> Iterable[str]:
    try:
        return sorted(path.name for path in Path(folder).iterdir())
    except OSError:
        return ()


def _digits(text: str) -> bool:
    return sum(letter.isdigit() for letter in text) >= 2  # noqa: PLR2004  (one digit is a version: ``power2``)


def _letters(text: str) -> bool:
    return any(letter.isalpha() for letter in text)


def _entropy_bits(text: str) -> float:
    """Shannon entropy of the letters of ``text``, in bits a character."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)
