"""Read the inputs of a ``torch.export`` file (.pt2) without torch, and load it without running anything it carries.

``torch.export.load`` itself warns that it unpickles: weights of odd kinds, constants, sample inputs; and it hands
symbolic expressions to sympy, which evaluates text. A model file is data, so an archive with a pickle that matters, or
an expression that is more than arithmetic, is refused here before torch sees it. The layout is that of PyTorch 2.8 and
later (torch/export/pt2_archive). May import: core, workloads; torch inside ``load_exported``.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from assay.core.errors import WorkloadError
from assay.workloads.signature_expressions import say_expression
from assay.workloads.signatures import Dimension, FileInput, FileSignature

_MODEL = "models/model.json"
_PAYLOADS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
_MAX_JSON_BYTES = 512 * 1024 * 1024
_MAX_ENTRIES = 200_000
_SCALAR_TYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64",
    9: "complex32", 10: "complex64", 11: "complex128", 12: "bool",
    13: "float32",  # bfloat16, which numpy lacks; the engine casts floating inputs to the model's precision anyhow
    28: "uint16", 34: "uint32", 35: "uint64",
}  # fmt: skip
_TARGETS = re.compile(r"torch\.ops\.[\w.]+|torch\.sym_\w+|_operator\.\w+|math\.\w+")
_SAVE_AGAIN = "Save it again with torch.export.save of PyTorch 2.8 or later."
_FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


def read_export_signature(ref: str, path: Path) -> FileSignature:
    """Return the tensors that the program takes, in order, and the bytes of the file.

    Raises WorkloadError for what is no such file, is cut short, or would have to be unpickled.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _entries(archive)
            content = _read_json(archive, entries[_MODEL])
            _refuse_pickles(archive, entries)
        _refuse_code(content)
        inputs = tuple(_read_inputs(content))
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        words = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise WorkloadError(f"{ref!r} is not a torch.export file: {words}.", hint=_SAVE_AGAIN) from error
    except (zipfile.BadZipFile, NotImplementedError, RecursionError, EOFError) as error:
        raise WorkloadError(f"{ref!r} is not a torch.export file: {error}.", hint=_SAVE_AGAIN) from error
    return FileSignature(inputs, path.stat().st_size)


def load_exported(ref: str, path: Path) -> Any:
    """Return the program as a ``torch.nn.Module`` that takes its tensors by name. Raises WorkloadError.

    The file is looked through again first: it may be another one by now.
    """
    import torch

    read_export_signature(ref, path)
    with _weights_only():
        try:
            program = torch.export.load(path)
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            words = str(error).strip().partition("\n")[0]
            raise WorkloadError(f"{ref!r} could not be loaded by torch.export: {words}", hint=_SAVE_AGAIN) from error
    return _by_name(program)


def _by_name(program: Any) -> Any:
    import torch
    from torch.export.graph_signature import ConstantArgument, InputKind
    from torch.utils import _pytree

    accepts_guards = "check_guards" in inspect.signature(program.module).parameters
    # Guards are source text of the file's, which this would compile; shapes are checked all the same.
    inner = program.module(**({"check_guards": False} if accepts_guards else {}))
    wanted = [one.arg for one in program.graph_signature.input_specs if one.kind is InputKind.USER_INPUT]
    structure = program.call_spec.in_spec

    class Exported(torch.nn.Module):  # type: ignore[misc]  # torch is not followed, so its classes are Any
        """The program's module, called with the tensors' names."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, **tensors: Any) -> Any:
            flat = [one.value if isinstance(one, ConstantArgument) else tensors[one.name] for one in wanted]
            args, kwargs = _pytree.tree_unflatten(flat, structure)
            return self.inner(*args, **kwargs)

        def train(self, mode: bool = True) -> Exported:  # noqa: FBT001, FBT002  (torch's signature)
            """Change nothing: which mode a program is in was settled when it was exported."""
            del mode
            return self

    return Exported()


@contextlib.contextmanager
def _weights_only() -> Iterator[None]:
    """Keep torch from falling back to unpickling where reading as plain tensors fails."""
    before = os.environ.get(_FORCE)
    os.environ[_FORCE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_FORCE]
        else:
            os.environ[_FORCE] = before


# -- looking through the archive -------------------------------------------------------------------------------


def _entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Every file of the archive by its path below the one folder that it all lies in."""
    found = archive.infolist()
    if len(found) > _MAX_ENTRIES:
        raise ValueError(f"it has {len(found)} files inside, expected at most {_MAX_ENTRIES}")
    roots = {one.filename.partition("/")[0] for one in found}
    if len(roots) > 1:
        raise ValueError("its files do not lie in one folder, as PyTorch 2.8 and later write them")
    entries = {one.filename.partition("/")[2]: one for one in found}
    if len(entries) != len(found):
        raise ValueError("two of its files have one name")
    if _MODEL not in entries:
        raise ValueError(_missing(entries))
    return entries


def _missing(entries: Mapping[str, zipfile.ZipInfo]) -> str:
    if any(name.startswith("data/aotinductor/") for name in entries):
        return "it is a compiled AOTInductor package, which holds machine code and no program"
    models = sorted(name for name in entries if name.startswith("models/"))
    return f"it has no {_MODEL}; found {', '.join(models[:3]) or 'no model at all'}"


def _read_json(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Any:
    if entry.file_size > _MAX_JSON_BYTES:
        raise ValueError(f"{entry.filename} has {entry.file_size} bytes, expected at most {_MAX_JSON_BYTES}")
    return json.loads(archive.read(entry))


def _refuse_pickles(archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo]) -> None:
    for name in entries:
        if name.startswith(("data/weights/", "data/constants/")) and name.endswith(".pt"):
            raise ValueError(f"{name} is a pickle, as older versions of PyTorch wrote them")
        if name.startswith(("models/", "data/aotinductor/")) and name != _MODEL:
            raise ValueError(f"it holds more than one program ({name})")
    for name in _PAYLOADS:
        if name not in entries:
            raise ValueError(f"it has no {name}")
        for weight, meta in _read_json(archive, entries[name])["config"].items():
            if meta["use_pickle"] or not str(meta["path_name"]).startswith(("weight_", "tensor_")):
                raise ValueError(f"its tensor {weight!r} is pickled, and a pickle can run anything")


def _refuse_code(content: Any) -> None:
    """Hold expressions to arithmetic and nodes to operators; graphs in graphs are walked with a stack of our own."""
    stack = [content]
    checked: set[str] = set()  # the same few sizes come back at every node
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            for key, entry in value.items():
                if key == "expr_str" and entry not in checked:
                    say_expression(entry)
                    checked.add(entry)
                elif key == "target" and not _TARGETS.fullmatch(entry):
                    raise ValueError(f"one of its nodes calls {entry[:80]!r}, which is no operator")
                stack.append(entry)
        elif isinstance(value, list):
            stack.extend(value)
    for symbol in content["range_constraints"]:
        say_expression(symbol)


# -- the signature ---------------------------------------------------------------------------------------------


def _read_inputs(content: Any) -> Iterator[FileInput]:
    module = content["graph_module"]
    values = module["graph"]["tensor_values"]
    ranges = content["range_constraints"]
    for spec in module["signature"]["input_specs"]:
        if "user_input" not in spec:
            continue  # weights, buffers and constants lie in the archive
        ((kind, arg),) = spec["user_input"]["arg"].items()
        if kind == "as_tensor":
            meta = values[arg["name"]]
            dims = tuple(_read_dim(arg["name"], size, ranges) for size in meta["sizes"])
            yield FileInput(arg["name"], _SCALAR_TYPES.get(meta["dtype"], f"of torch type {meta['dtype']}"), dims)
        elif kind.startswith("as_sym_"):
            raise ValueError("one of its inputs is a number rather than a tensor")


def _read_dim(name: str, size: Mapping[str, Any], ranges: Mapping[str, Any]) -> Dimension:
    if "as_int" in size:
        return Dimension(int(size["as_int"]))
    symbol = say_expression(size["as_expr"]["expr_str"])
    if "(" in symbol:
        raise ValueError(f"its input {name!r} has a size that is neither a number nor a sum of products: {symbol[:80]}")
    bounds = ranges.get(symbol) or {}
    lo, hi = bounds.get("min_val"), bounds.get("max_val")
    return Dimension(None, symbol, max(1, int(lo or 1)), None if hi is None or hi < 1 else int(hi))
