"""Model files as workloads: signatures held to the packages that wrote them, and files that lie, refused in words."""

from __future__ import annotations

import io
import json
import pickle
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.core.errors import UnknownNameError, UnsupportedError, WorkloadError
from assay.workloads.base import Fill, InputSpec, Workload, find_workload
from assay.workloads.files import is_model_file, refuse_batch, refuse_format
from assay.workloads.inputs import make_inputs
from assay.workloads.resolve import resolve_workload, weight_bytes
from assay.workloads.signature_expressions import say_expression
from assay.workloads.signatures import Dimension, FileInput, make_specs

SaveOnnx = Callable[..., Path]


@pytest.fixture(scope="module")
def onnx() -> Any:
    return pytest.importorskip("onnx", reason="writing ONNX files needs onnx: pip install 'assay[onnx]'")


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch", reason="writing torch.export files needs torch: pip install 'assay[torch]'")


@pytest.fixture
def save_onnx(onnx: Any, tmp_path: Path) -> SaveOnnx:
    """Write a graph that adds a weight to its first input; inputs are ``name=(type, dims)``."""

    def save(name: str = "model.onnx", *, external: bool = False, **inputs: tuple[int, list[Any]]) -> Path:
        helper = onnx.helper
        weight = helper.make_tensor("weight", onnx.TensorProto.FLOAT, [256], b"\0" * 1024, raw=True)
        first = next(iter(inputs))
        node = helper.make_node("Add", [first, "weight"], ["sum"])
        output = helper.make_tensor_value_info("sum", onnx.TensorProto.FLOAT, None)
        declared = [helper.make_tensor_value_info(one, kind, dims) for one, (kind, dims) in inputs.items()]
        listed = [*declared, helper.make_tensor_value_info("weight", onnx.TensorProto.FLOAT, [256])]  # as old files do
        graph = helper.make_graph([node], "g", listed, [output], [weight])
        path = tmp_path / name
        onnx.save(
            helper.make_model(graph), path, save_as_external_data=external, location="model.data", size_threshold=0
        )
        return path

    return save


def dims_of(workload: Workload) -> dict[str, tuple[int | str, ...]]:
    return {spec.name: spec.dims for spec in workload.family.inputs}


# --- ONNX -----------------------------------------------------------------------------------------------------


def test_an_onnx_file_is_a_workload(onnx: Any, save_onnx: SaveOnnx) -> None:
    kind = onnx.TensorProto
    path = save_onnx(
        input_ids=(kind.INT64, ["batch", "sequence"]), attention_mask=(kind.INT64, ["batch", "sequence"]),
        features=(kind.FLOAT, ["batch", 3, "2*sequence"]),
    )  # fmt: skip
    workload = resolve_workload(str(path))
    assert (workload.name, workload.family.format) == (str(path), "onnx")
    assert workload.size.config["file"] == str(path)
    assert workload.family.inputs == (
        InputSpec("input_ids", ("batch", "sequence"), "int64", Fill.TOKENS, 0, 100),
        InputSpec("attention_mask", ("batch", "sequence"), "int64", Fill.TOKENS, 0, 2),
        InputSpec("features", ("batch", 3, "2*sequence"), "float32", Fill.NORMAL, 0, 1),
    )
    assert (workload.resolve_shape({}), workload.batches) == ({"sequence": 128}, (1,))
    assert workload.units_per_call(8, {}) == 8
    assert weight_bytes(workload, 0.5) == path.stat().st_size
    made = make_inputs(workload, batch=2, shape=workload.resolve_shape({"sequence": 5}), seed=0)
    assert {name: (array.shape, str(array.dtype)) for name, array in made.items()} == {
        "input_ids": ((2, 5), "int64"), "attention_mask": ((2, 5), "int64"), "features": ((2, 3, 10), "float32"),
    }  # fmt: skip
    assert set(made["attention_mask"].flat) <= {0, 1}
    with pytest.raises(UnknownNameError, match="Unknown dimension"):
        workload.resolve_shape({"seq": 5})


def test_our_reader_sees_what_onnx_sees(onnx: Any, save_onnx: SaveOnnx) -> None:
    from assay.workloads.signature_onnx import read_onnx_signature

    kinds = {"FLOAT": "float32", "FLOAT16": "float16", "DOUBLE": "float64", "INT8": "int8", "INT16": "int16",
             "INT32": "int32", "INT64": "int64", "UINT8": "uint8", "UINT16": "uint16", "UINT32": "uint32",
             "UINT64": "uint64", "BOOL": "bool", "STRING": "string", "BFLOAT16": "bfloat16",
             "COMPLEX64": "complex64"}  # fmt: skip
    path = save_onnx(**{
        f"in_{kind}": (getattr(onnx.TensorProto, kind), ["batch", index, None, "größe"])
        for index, kind in enumerate(kinds, start=1)
    })  # fmt: skip
    signature = read_onnx_signature("ref", path)
    seen = onnx.load(path, load_external_data=False).graph
    weights = {one.name for one in seen.initializer}
    expected = [
        (one.name, [dim.dim_value or None for dim in one.type.tensor_type.shape.dim],
         [dim.dim_param for dim in one.type.tensor_type.shape.dim])
        for one in seen.input if one.name not in weights
    ]  # fmt: skip
    assert [
        (one.name, [dim.size for dim in one.dims], [dim.symbol for dim in one.dims]) for one in signature.inputs
    ] == expected
    assert [one.dtype for one in signature.inputs] == list(kinds.values())


def test_a_file_is_fed_the_same_values_wherever_it_lies(onnx: Any, save_onnx: SaveOnnx, tmp_path: Path) -> None:
    here = save_onnx(x=(onnx.TensorProto.FLOAT, ["batch", 256]))
    there = tmp_path / "elsewhere" / here.name
    there.parent.mkdir()
    there.write_bytes(here.read_bytes())
    fed = [make_inputs(resolve_workload(str(file)), batch=2, shape={}, seed=7)["x"] for file in (here, there)]
    assert fed[0].any()
    assert fed[0].tobytes() == fed[1].tobytes()


def test_weights_beside_an_onnx_file_count_and_must_be_there(onnx: Any, save_onnx: SaveOnnx) -> None:
    path = save_onnx(x=(onnx.TensorProto.FLOAT, ["batch", 256]), external=True)
    beside = path.with_name("model.data")
    assert weight_bytes(resolve_workload(str(path)), 4.0) == path.stat().st_size + beside.stat().st_size
    assert beside.stat().st_size == 1024
    beside.unlink()
    with pytest.raises(WorkloadError, match=r"is not whole: its weights are in 'model.data', which is not beside it"):
        resolve_workload(str(path))


def test_weights_outside_the_folder_are_refused(onnx: Any, save_onnx: SaveOnnx) -> None:
    path = save_onnx(x=(onnx.TensorProto.FLOAT, ["batch", 256]), external=True)
    model = onnx.load(path, load_external_data=False)
    for location in ("../model.data", "/etc/passwd"):
        model.graph.initializer[0].external_data[0].value = location
        path.write_bytes(model.SerializeToString())
        with pytest.raises(WorkloadError, match=f"its weights are said to lie in '{location}', outside its folder"):
            resolve_workload(str(path))


def test_a_fixed_batch_is_the_only_one(onnx: Any, save_onnx: SaveOnnx) -> None:
    path = save_onnx(x=(onnx.TensorProto.FLOAT, [4, 256]), y=(onnx.TensorProto.FLOAT, [1, 256]))
    workload = resolve_workload(str(path))
    assert workload.batches == (4,)
    assert dims_of(workload) == {"x": ("batch", 256), "y": (1, 256)}
    refuse_batch(workload, 4)
    message = f"{path} was made for batch 4 alone, and 8 was asked for Export it with a dynamic first dimension"
    with pytest.raises(UnsupportedError, match=re.escape(message)):
        refuse_batch(workload, 8)
    refuse_batch(find_workload("bert/tiny"), 8)


@pytest.mark.parametrize("cut", [0, 1, 10, 100, 1000, -1])
def test_an_onnx_file_cut_short_is_refused(onnx: Any, save_onnx: SaveOnnx, cut: int) -> None:
    path = save_onnx(x=(onnx.TensorProto.FLOAT, ["batch", 256]))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(WorkloadError, match="is not an ONNX model: "):
        resolve_workload(str(path))


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"\xff" * 4096, b"\x80" * 64, b"PK\x03\x04rubbish", b"<?xml version='1.0'?>", b"\x08\x07", b"\x0b" * 9,
     b"\x08\x0a\x3a\x04\x5a\x02\x08\x01"],
)  # fmt: skip
def test_what_is_no_onnx_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(WorkloadError, match=r"'.*model\.onnx' (is not an ONNX model|cannot be a workload): "):
        resolve_workload(str(path))


def test_no_rubbish_makes_the_onnx_reader_raise_anything_else(onnx: Any, save_onnx: SaveOnnx) -> None:
    import random

    path = save_onnx(x=(onnx.TensorProto.FLOAT, ["batch", 256]))
    good = path.read_bytes()
    shuffler = random.Random(0)
    for _ in range(300):
        content = bytearray(good)
        for _ in range(3):
            content[shuffler.randrange(len(content))] = shuffler.randrange(256)
        path.write_bytes(content)
        try:
            resolve_workload(str(path))
        except WorkloadError:
            continue


@pytest.mark.parametrize(
    ("kind", "dims", "message"),
    [
        ("STRING", ["batch"], "its input 'x' is string, expected one of bool, float16"),
        ("BFLOAT16", ["batch"], "its input 'x' is bfloat16"),
        ("COMPLEX64", ["batch"], "its input 'x' is complex64"),
        ("FLOAT8E4M3FN", ["batch"], "its input 'x' is of ONNX type 17"),
        ("FLOAT", None, "its input 'x' has no shape"),
    ],
)
def test_inputs_that_cannot_be_made(onnx: Any, save_onnx: SaveOnnx, kind: str, dims: Any, message: str) -> None:
    path = save_onnx(x=(getattr(onnx.TensorProto, kind), dims))
    with pytest.raises(WorkloadError, match=message):
        resolve_workload(str(path))


def test_a_sequence_is_no_tensor(onnx: Any, tmp_path: Path) -> None:
    helper, path = onnx.helper, tmp_path / "model.onnx"
    declared = helper.make_tensor_sequence_value_info("many", onnx.TensorProto.FLOAT, ["batch"])
    output = helper.make_tensor_value_info("n", onnx.TensorProto.INT64, [])
    node = helper.make_node("SequenceLength", ["many"], ["n"])
    onnx.save(helper.make_model(helper.make_graph([node], "g", [declared], [output])), path)
    with pytest.raises(WorkloadError, match="its input 'many' is a sequence, expected one of"):
        resolve_workload(str(path))


# --- names of dimensions --------------------------------------------------------------------------------------


def free(symbol: str = "", lo: int = 1, hi: int | None = None) -> Dimension:
    return Dimension(None, symbol, lo, hi)


def fixed(size: int) -> Dimension:
    return Dimension(size)


@pytest.mark.parametrize(
    ("inputs", "dims", "shape"),
    [
        (  # names of the file's own
            [FileInput("ids", "int64", (free("N"), free("max seq.len")))],
            [("batch", "max_seq_len")], {"max_seq_len": 128},
        ),
        (  # no names: by place
            [FileInput("ids", "int64", (free(), free())), FileInput("mask", "int64", (free(), free()))],
            [("batch", "seq"), ("batch", "seq")], {"seq": 128},
        ),
        (  # images, channels first and last
            [FileInput("x", "float32", (free(), fixed(3), free(), free()))],
            [("batch", 3, "height", "width")], {"height": 224, "width": 224},
        ),
        (
            [FileInput("x", "float32", (free(), free(), free(), fixed(3)))],
            [("batch", "height", "width", 3)], {"height": 224, "width": 224},
        ),
        (  # a batch that is not in front, and a sum
            [FileInput("state", "float32", (fixed(2), free("B"), fixed(8))),
             FileInput("x", "float32", (free("B"), free("past")  , free("past + seq")))],
            [(2, "batch", 8), ("batch", "past", "past+seq")], {"past": 1, "seq": 128},
        ),
        (  # a first dimension whose name says that it is no batch
            [FileInput("ids", "int64", (free("seq"),))],
            [("seq",)], {"seq": 128},
        ),
        (  # bounds hold the default
            [FileInput("ids", "int64", (free("s1"), free("s2", 2, 64)))],
            [("batch", "seq")], {"seq": 64},
        ),
        (  # a scalar, and an embedding
            [FileInput("x", "float32", (free(), free(), fixed(16))), FileInput("rate", "int64", ())],
            [("batch", "seq", 16), ()], {"seq": 128},
        ),
        (  # names that would be one, or nothing
            [FileInput("x", "float32", (free("N"), free("a.b"), free("a b"), free("1st")))],
            [("batch", "a_b", "a_b_2", "dim_1st")], {"a_b": 1, "a_b_2": 1, "dim_1st": 1},
        ),
    ],
)  # fmt: skip
def test_free_dimensions_get_names_and_sizes(inputs: Any, dims: Any, shape: dict[str, int]) -> None:
    made = make_specs("ref", inputs)
    assert [spec.dims for spec in made.specs] == dims
    assert made.shape == shape


def test_flags_are_zero_or_one_and_scalars_are_one() -> None:
    names = ("attention_mask", "token_type_ids", "segment_ids", "position_ids", "use")
    inputs = [FileInput(name, "bool" if name == "use" else "int32", (free(), fixed(4))) for name in names]
    made = make_specs("ref", [*inputs, FileInput("rate", "float32", ())])
    assert [spec.high for spec in made.specs[:5]] == [2, 2, 2, 100, 2]
    assert made.specs[5].fill is Fill.ONES
    workload = resolve_like(made.specs)
    arrays = make_inputs(workload, batch=2, shape={}, seed=0)
    assert arrays["rate"].shape == ()
    assert str(arrays["use"].dtype) == "bool"


def resolve_like(specs: tuple[InputSpec, ...]) -> Workload:
    from dataclasses import replace

    workload = find_workload("bert/tiny")
    return replace(workload, family=replace(workload.family, inputs=specs))


def test_a_graph_without_inputs_or_with_far_too_many() -> None:
    with pytest.raises(WorkloadError, match="its graph has no inputs"):
        make_specs("ref", [])
    with pytest.raises(WorkloadError, match="got 1001 inputs, expected at most 1000"):
        make_specs("ref", [FileInput(f"x{index}", "float32", (fixed(1),)) for index in range(1001)])


def test_the_batch_has_the_bounds_of_every_input() -> None:
    made = make_specs("ref", [
        FileInput("x", "float32", (free("N", 2, 64),)), FileInput("y", "float32", (free("M", 1, 32),)),
    ])  # fmt: skip
    assert (made.batch.lo, made.batch.hi) == (2, 32)
    assert [made.batch.holds(batch) for batch in (1, 2, 32, 33)] == [False, True, True, False]


# --- OpenVINO -------------------------------------------------------------------------------------------------

IR = """<?xml version="1.0"?>
<net name="model" version="11"><layers>
{layers}
<layer id="9" name="loop" type="TensorIterator" version="opset1"><body><layers>
<layer id="0" name="inner" type="Parameter" version="opset1"><data shape="7" element_type="f32" /></layer>
</layers></body></layer></layers><edges/></net>
"""
PARAMETER = """<layer id="0" name="{name}" type="Parameter" version="opset1">
<data shape="{shape}" element_type="{kind}" /><output><port id="0" precision="FP32" names="{names}">
<dim>-1</dim></port></output></layer>"""


def write_ir(folder: Path, *layers: str) -> Path:
    path = folder / "model.xml"
    path.write_text(IR.format(layers="\n".join(layers)), encoding="utf-8")
    path.with_suffix(".bin").write_bytes(b"\0" * 64)
    return path


def parameter(name: str, shape: str, kind: str = "f32", names: str = "") -> str:
    return PARAMETER.format(name=name, shape=shape, kind=kind, names=names)


def test_an_openvino_file_is_a_workload(tmp_path: Path) -> None:
    path = write_ir(
        tmp_path, parameter("Parameter_1", "?,1..512", "i64", r"input_ids,also"), parameter("x", "?,3,?,?", "f16")
    )
    workload = resolve_workload(str(path))
    assert (workload.family.format, workload.size.config["file"]) == ("openvino", str(path))
    assert workload.family.inputs == (
        InputSpec("input_ids", ("batch", "seq"), "int64", Fill.TOKENS, 0, 100),
        InputSpec("x", ("batch", 3, "height", "width"), "float16", Fill.NORMAL, 0, 1),
    )
    assert workload.resolve_shape({}) == {"seq": 128, "height": 224, "width": 224}
    assert weight_bytes(workload, 4.0) == path.stat().st_size + 64


def test_our_reader_sees_what_openvino_sees(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino", reason="comparing with OpenVINO needs it: pip install 'assay[openvino]'")
    opset = pytest.importorskip("openvino.opset8", reason="building a graph needs OpenVINO")
    kinds = {"f32": "float32", "f16": "float16", "i64": "int64", "i32": "int32", "u8": "uint8", "boolean": "bool"}
    shapes: tuple[list[int], ...] = ([-1, 4], [2, 3], [-1], [5], [1, 1, -1], [])
    inputs = [
        opset.parameter(openvino.PartialShape(shape), getattr(openvino.Type, kind), name=f"in_{kind}")
        for kind, shape in zip(kinds, shapes, strict=True)
    ]
    for one in inputs:
        one.output(0).set_names({f"tensor_{one.get_friendly_name()}"})
    model = openvino.Model([opset.result(one) for one in inputs], inputs, "m")
    path = tmp_path / "model.xml"
    openvino.save_model(model, str(path), compress_to_fp16=False)
    read = resolve_workload(str(path)).family.inputs
    seen = openvino.Core().read_model(str(path)).inputs
    assert {spec.name for spec in read} == {one.get_any_name() for one in seen}
    assert [spec.dtype for spec in read] == list(kinds.values())
    ranks = {one.get_any_name(): len(one.get_partial_shape()) for one in seen}
    assert {spec.name: len(spec.dims) for spec in read} == ranks


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "no element found"),
        ("rubbish", "syntax error"),
        ("<html/>", "its outermost element is <html>"),
        ("<net/>", "its outermost element is <net>"),
        ("<net version='11'><layers>", "no element found"),
        ("<net version='11'/>", "its graph has no inputs"),
        ('<!DOCTYPE net [<!ENTITY a "aa">]><net version="11"/>', "it declares a document type"),
        (IR.format(layers=parameter("x", "...")), "expected a known number of dimensions"),
        (IR.format(layers=parameter("x", "1,two")), "has a dimension 'two'"),
        (IR.format(layers=parameter("x", "0")), "has a dimension '0'"),
        (IR.format(layers=parameter("x", ",".join("1" * 17))), "expected a known number of dimensions"),
        (IR.format(layers=parameter("x", "1", "string")), "is of type 'string', expected one of"),
        (IR.format(layers=parameter("x", "1").replace("shape=", "form=")), "its input 'x' has no shape"),
    ],
)
def test_what_is_no_openvino_file_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "model.xml"
    path.write_text(content, encoding="utf-8")
    path.with_suffix(".bin").write_bytes(b"")
    with pytest.raises(WorkloadError, match=re.escape(reason)):
        resolve_workload(str(path))


def test_an_openvino_file_needs_its_weights(tmp_path: Path) -> None:
    path = write_ir(tmp_path, parameter("x", "1"))
    path.with_suffix(".bin").unlink()
    with pytest.raises(WorkloadError, match=r"is not whole: 'model.bin' is not beside it"):
        resolve_workload(str(path))


# --- torch.export ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(torch: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program with a keyword input, a free batch and a bounded free length."""

    class Model(torch.nn.Module):  # type: ignore[misc]  # torch is not followed by mypy, so its classes are Any
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(100, 8)
            self.head = torch.nn.Linear(8, 3)

        def forward(self, input_ids: Any, *, attention_mask: Any, scale: Any = None) -> Any:
            del scale
            return self.head(self.table(input_ids) * attention_mask.unsqueeze(-1))

    ids = torch.ones(2, 5, dtype=torch.int64)
    batch, seq = torch.export.Dim("batch"), torch.export.Dim("seq", max=64)
    free_dims = {"input_ids": {0: batch, 1: seq}, "attention_mask": {0: batch, 1: seq}, "scale": None}
    program = torch.export.export(
        Model().eval(), (ids,), {"attention_mask": ids, "scale": None}, dynamic_shapes=free_dims
    )
    path: Path = tmp_path_factory.mktemp("exported") / "model.pt2"
    torch.export.save(program, path)
    return path


def test_a_torch_export_file_is_a_workload(exported: Path) -> None:
    workload = resolve_workload(str(exported))
    assert (workload.family.format, workload.family.requires) == ("torch-export", ("torch",))
    assert workload.family.inputs == (
        InputSpec("input_ids", ("batch", "seq"), "int64", Fill.TOKENS, 0, 100),
        InputSpec("attention_mask", ("batch", "seq"), "int64", Fill.TOKENS, 0, 2),
    )
    assert (workload.resolve_shape({}), workload.batches) == ({"seq": 64}, (1,))
    assert weight_bytes(workload, 2.0) == exported.stat().st_size


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_torch_export_file_is_run_by_torch(torch: Any, exported: Path, dtype: str) -> None:
    from assay.workloads.torch_build import build_torch_model

    workload = resolve_workload(str(exported))
    built = build_torch_model(workload, dtype=dtype, batch=3, shape=workload.resolve_shape({"seq": 7}), seed=0)
    output = workload.family.forward(built.module, built.inputs)
    assert (output.shape, output.dtype) == ((3, 7, 3), getattr(torch, dtype))
    if dtype == "float32":
        program = torch.export.load(exported)
        expected = program.module()(
            built.inputs["input_ids"], attention_mask=built.inputs["attention_mask"], scale=None
        )
        assert torch.equal(output, expected)
    assert sum(weight.numel() for weight in built.module.parameters()) == 100 * 8 + 8 * 3 + 3


def test_signatures_are_read_without_frameworks(exported: Path, tmp_path: Path) -> None:
    path = write_ir(tmp_path, parameter("x", "?,4"))
    code = (
        "import sys\n"
        "from assay.workloads.resolve import resolve_workload\n"
        "for ref in sys.argv[1:]:\n"
        "    print(resolve_workload(ref).family.format)\n"
        "print(sorted({'torch', 'onnx', 'openvino', 'onnxruntime', 'sympy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code, exported, path], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["torch-export", "openvino", "[]"]


class Evil:
    """Running it would be seen: it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return open, (str(self.mark), "w")


def rewrite(source: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Copy an archive with other content; entries are named below its one folder."""
    with zipfile.ZipFile(source) as archive:
        files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"model/{name}", content)
    return target


def edit_json(files: dict[str, bytes], name: str, change: Callable[[Any], None]) -> None:
    content = json.loads(files[name])
    change(content)
    files[name] = json.dumps(content).encode()


def _pickled_weight(files: dict[str, bytes]) -> None:
    def change(content: Any) -> None:
        next(iter(content["config"].values()))["use_pickle"] = True

    edit_json(files, "data/weights/model_weights_config.json", change)


def _opaque_constant(files: dict[str, bytes]) -> None:
    def change(content: Any) -> None:
        content["config"]["c"] = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": False}

    edit_json(files, "data/constants/model_constants_config.json", change)


def _calling_size(files: dict[str, bytes]) -> None:
    old = files["models/model.json"]
    files["models/model.json"] = old.replace(b"Symbol('s", b"__import__('os').system('s")


def _foreign_node(files: dict[str, bytes]) -> None:
    def change(content: Any) -> None:
        content["graph_module"]["graph"]["nodes"][0]["target"] = "torch.hub.load"

    edit_json(files, "models/model.json", change)


def _second_program(files: dict[str, bytes]) -> None:
    files["models/other.json"] = files["models/model.json"]


def _legacy_weights(files: dict[str, bytes]) -> None:
    files["data/weights/model.pt"] = b""


def _compiled_package(files: dict[str, bytes]) -> None:
    del files["models/model.json"]
    files["data/aotinductor/model/x.so"] = b""


def _nothing_inside(files: dict[str, bytes]) -> None:
    files.clear()


def _wrong_json(files: dict[str, bytes]) -> None:
    files["models/model.json"] = b'{"graph_module": []}'


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_pickled_weight, "is pickled, and a pickle can run anything"),
        (_opaque_constant, "is pickled, and a pickle can run anything"),
        (_calling_size, "which is more than arithmetic"),
        (_foreign_node, "one of its nodes calls 'torch.hub.load', which is no operator"),
        (_second_program, "it holds more than one program"),
        (_legacy_weights, "data/weights/model.pt is a pickle"),
        (_compiled_package, "it is a compiled AOTInductor package"),
        (_nothing_inside, "it has no models/model.json; found no model at all"),
        (_wrong_json, "is not a torch.export file"),
    ],
)
def test_what_a_torch_export_file_must_not_hold(
    exported: Path, tmp_path: Path, change: Callable[[dict[str, bytes]], None], reason: str
) -> None:
    path = rewrite(exported, tmp_path / "model.pt2", change)
    with pytest.raises(WorkloadError, match=re.escape(reason)):
        resolve_workload(str(path))


def test_sample_inputs_are_never_unpickled(torch: Any, exported: Path, tmp_path: Path) -> None:
    mark, buffer = tmp_path / "was_run", io.BytesIO()
    torch.save(((Evil(mark),), {}), buffer)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(io.BytesIO(buffer.getvalue()), weights_only=True)

    def change(files: dict[str, bytes]) -> None:
        files["data/sample_inputs/model.pt"] = buffer.getvalue()

    path = rewrite(exported, tmp_path / "model.pt2", change)
    workload = resolve_workload(str(path))
    assert workload.family.bring is not None
    with pytest.raises(WorkloadError, match=r"could not be loaded by torch\.export"):
        workload.family.bring(workload.size, 2, {"seq": 4}, "float32")
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"rubbish" * 100])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(content)
    with pytest.raises(WorkloadError, match=r"is not a torch.export file: File is not a zip file"):
        resolve_workload(str(path))


def test_an_archive_cut_short_is_refused(exported: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(exported.read_bytes()[:-200])
    with pytest.raises(WorkloadError, match=r"is not a torch\.export file"):
        resolve_workload(str(path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s1", "s1"),
        ("Symbol('s1', positive=True, integer=True)", "s1"),
        ("Mul(Integer(2), Symbol('s1', integer=True))", "2*s1"),
        ("Add(Symbol('s1'), Mul(Integer(2), Symbol('s2')), Integer(1))", "s1+2*s2+1"),
        ("2*s1 + 3", "2*s1+3"),
        ("FloorDiv(Symbol('s1'), Integer(2))", "FloorDiv(Symbol('s1'), Integer(2))"),
        ("s1 - 1", "s1 - 1"),
        ("Integer(-1)", "Integer(-1)"),
    ],
)
def test_arithmetic_is_said_in_our_words(text: str, said: str) -> None:
    assert say_expression(text) == said


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('x')", "Symbol('__class__')", "Symbol(open('x'))", "Symbol('s1', positive=exec('x'))",
        "s1.real", "[s1]", "(lambda: 1)()", "exec('x')", "Mul(exec('x'), s1)", "", "s1 if s1 else 2", "f'{s1}'",
        "s1[0]",
        "(" * 50, "1+" * 2000, "'text'", "Symbol()", "not-a word",
    ],
)  # fmt: skip
def test_what_is_more_than_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="one of its sizes"):
        say_expression(text)


# --- names and engines ----------------------------------------------------------------------------------------


def test_which_names_are_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here.onnx").write_bytes(b"")
    refs = ("./no.onnx", "/no.xml", "~/no.pt2", "no.onnx", "here.onnx", "./MODEL.ONNX", "./model.pt", "bert/tiny", ".")
    assert [is_model_file(ref) for ref in refs] == [True, True, True, False, True, True, False, False, False]
    with pytest.raises(WorkloadError, match=r"There is no file './no.onnx'"):
        resolve_workload("./no.onnx")
    Path("weights.pt").write_bytes(b"")
    with pytest.raises(WorkloadError, match=r"'./weights.pt' is a file of no kind that can be run\. Expected one"):
        resolve_workload("./weights.pt")


@pytest.mark.parametrize(
    ("accepted", "message"),
    [
        (("torch", "torch-export"), "engine here cannot run an OpenVINO file; use openvino"),
        (("openvino",), None),
    ],
)
def test_engines_refuse_what_they_cannot_run(tmp_path: Path, accepted: tuple[str, ...], message: str | None) -> None:
    workload = resolve_workload(str(write_ir(tmp_path, parameter("x", "?,4"))))
    if message is None:
        refuse_format(workload, accepted, "here")
        return
    with pytest.raises(UnsupportedError, match=message):
        refuse_format(workload, accepted, "here")
    with pytest.raises(WorkloadError, match="is a file, and cannot be built as a PyTorch module"):
        workload.family.build(workload.size)
