"""From a name to something that runs: families, the user's own factories, saved models, hub ids; and the refusals."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assay.core.errors import UnknownNameError, WorkloadError
from assay.core.words import Precision
from assay.engines.base import LoadRequest, engines
from assay.workloads.base import Workload
from assay.workloads.resolve import resolve_workload, weight_bytes

WriteModule = Callable[[str], str]
SaveModel = Callable[[str], Path]


@pytest.fixture(scope="module")
def torch() -> Iterator[Any]:
    pytest.importorskip("transformers", reason="saved models need transformers: pip install 'assay[torch]'")
    module = pytest.importorskip("torch", reason="running workloads needs torch: pip install 'assay[torch]'")
    threads = module.get_num_threads()
    yield module
    module.set_num_threads(threads)


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteModule:
    """Write a module where the user stands; returns its name, which is new each time as imports are kept."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])

    def write(text: str) -> str:
        name = f"own_{uuid.uuid4().hex[:8]}"
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        return name

    return write


@pytest.fixture(scope="module")
def save_model(torch: Any, tmp_path_factory: pytest.TempPathFactory) -> SaveModel:
    """Save a tiny model of a kind with ``save_pretrained``, once."""
    import transformers as hf

    text = {"vocab_size": 100, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {"image_size": 32, "patch_size": 8, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    wide = {"intermediate_size": 32}
    whisper = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    makers: dict[str, Callable[[], Any]] = {
        "bert": lambda: hf.BertModel(hf.BertConfig(**text, **wide)),
        "vit": lambda: hf.ViTModel(hf.ViTConfig(**vision, **wide)),
        "t5": lambda: hf.T5Model(hf.T5Config(vocab_size=100, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)),
        "clip": lambda: hf.CLIPModel(
            hf.CLIPConfig(
                text_config={**text, **wide, "max_position_embeddings": 128},
                vision_config={**vision, **wide},
                projection_dim=16,
            )
        ),
        "wav2vec2": lambda: hf.Wav2Vec2Model(
            hf.Wav2Vec2Config(**text, **wide, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2)
        ),
        "whisper": lambda: hf.WhisperModel(
            hf.WhisperConfig(
                **whisper,
                **heads,
                vocab_size=100,
                max_source_positions=50,
                pad_token_id=0,
                bos_token_id=1,
                eos_token_id=2,
                decoder_start_token_id=1,
            )
        ),
        "decision": lambda: hf.DecisionTransformerModel(
            hf.DecisionTransformerConfig(hidden_size=16, n_layer=1, n_head=2)
        ),
    }
    saved: dict[str, Path] = {}

    def save(kind: str) -> Path:
        if kind not in saved:
            torch.manual_seed(0)
            saved[kind] = tmp_path_factory.mktemp("models") / kind
            makers[kind]().save_pretrained(saved[kind])
        return saved[kind]

    return save


def _call(
    workload: Workload, *, batch: int = 2, precision: Precision = Precision.FP32, shape: dict[str, int] | None = None
) -> Any:
    resolved = workload.resolve_shape(shape or {})
    session = engines.get("torch").load(LoadRequest(workload, "cpu", precision, batch, resolved, threads=1, seed=0))
    try:
        assert session.effective_precision in {precision.value, "unknown"}
        return session.infer()
    finally:
        session.unload()


# -- names ---------------------------------------------------------------------------------------------------


def test_a_family_and_size() -> None:
    assert resolve_workload("bert/base").name == "bert/base"
    assert resolve_workload("bert").name == "bert/tiny"
    with pytest.raises(UnknownNameError, match=r"Unknown workload family 'brt'\. Did you mean 'bert'"):
        resolve_workload("brt/base")
    with pytest.raises(UnknownNameError, match=r"Unknown size of bert 'bse'\. Did you mean 'base'"):
        resolve_workload("bert/bse")


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("", "Unknown workload family ''"),
        ("bert/", "Unknown size of bert ''"),
        ("hf", "Unknown workload family 'hf'"),
        ("/bert", "'/bert' is not a model folder"),
        ("~/no/such/model", "'~/no/such/model' is not a model folder"),
        (".", "'.' is not a model folder"),
        (":", "':' does not name a factory. Expected package.module:function"),
        ("module:", "'module:' does not name a factory"),
        (":make", "':make' does not name a factory"),
        ("module:make it", "'module:make it' does not name a factory"),
    ],
)
def test_what_names_nothing_is_refused_in_words(
    ref: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((WorkloadError, UnknownNameError), match=re.escape(message)):
        resolve_workload(ref)


def test_bytes_of_weights_are_known_without_building() -> None:
    assert weight_bytes(resolve_workload("bert/base"), 4.0) == 4 * 109_482_240
    assert weight_bytes(resolve_workload("bert/base"), 0.5) == 109_482_240 // 2
    assert weight_bytes(resolve_workload("hf:org/model"), 4.0) is None
    assert weight_bytes(resolve_workload("own_model:make"), 4.0) is None


def test_resolving_imports_neither_framework_nor_factory() -> None:
    code = (
        "import sys\n"
        "from assay.workloads.resolve import resolve_workload\n"
        "for ref in ('bert/base', 'hf:org/model', 'no_such_module:make'):\n"
        "    print(resolve_workload(ref).name)\n"
        "print(sorted({'torch', 'transformers', 'huggingface_hub'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["bert/base", "hf:org/model", "no_such_module:make", "[]"]


# -- the user's own function ---------------------------------------------------------------------------------


def test_a_module_and_its_tensor(torch: Any, write_module: WriteModule) -> None:
    name = write_module(
        "import torch\ndef make(batch): return torch.nn.Linear(4, 3), torch.ones(batch, 4, dtype=torch.float64)\n"
    )
    workload = resolve_workload(f"{name}:make")
    assert workload.name == f"{name}:make"
    assert workload.units_per_call(5, {}) == 5
    outputs = _call(workload, batch=5, precision=Precision.BF16)
    assert outputs.shape == (5, 3)
    assert outputs.dtype == torch.bfloat16


@pytest.mark.parametrize(
    "inputs",
    [
        "(torch.ones(batch, 4), torch.arange(batch))",
        "[torch.ones(batch, 4), torch.arange(batch)]",
        "{'rows': torch.ones(batch, 4), 'picks': torch.arange(batch)}",
    ],
)
def test_a_function_that_is_no_module_and_several_inputs(torch: Any, write_module: WriteModule, inputs: str) -> None:
    text = "def pick(rows, picks): return rows[picks] * 2\n"
    name = write_module(f"import torch\n{text}def make(batch=1): return pick, {inputs}\n")
    outputs = _call(resolve_workload(f"{name}:make"), batch=3, precision=Precision.FP16)
    assert torch.equal(outputs, torch.full((3, 4), 2.0, dtype=torch.float16))


@pytest.mark.usefixtures("torch")
def test_a_function_has_no_parameters_and_no_precision_of_its_own(write_module: WriteModule) -> None:
    name = write_module("import torch\ndef make(**options): return torch.neg, torch.ones(options['batch'])\n")
    workload = resolve_workload(f"{name}:make")
    session = engines.get("torch").load(LoadRequest(workload, "cpu", Precision.FP32, 2, {}, threads=1, seed=0))
    session.unload()
    assert session.parameters is None
    assert session.effective_precision == "unknown"
    assert session.infer().tolist() == [-1, -1]


@pytest.mark.usefixtures("torch")
def test_a_factory_without_batch_makes_batch_1_only(write_module: WriteModule) -> None:
    name = write_module("import torch\ndef make(): return torch.neg, torch.ones(1)\n")
    workload = resolve_workload(f"{name}:make")
    assert _call(workload, batch=1).tolist() == [-1]
    expected = rf"The factory '{name}:make' takes no `batch`, so it cannot make a batch of 8\. Give it a `batch`"
    with pytest.raises(WorkloadError, match=expected):
        _call(workload, batch=8)


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize(
    ("made", "got"),
    [
        ("None", "NoneType"),
        ("'rubbish'", "str"),
        ("[torch.neg, torch.ones(1)]", "list"),
        ("(torch.neg,)", "tuple"),
        ("(1, torch.ones(1))", "tuple"),
        ("torch.nn.Linear(1, 1)", "Linear"),
    ],
)
def test_a_factory_that_returns_something_else(write_module: WriteModule, made: str, got: str) -> None:
    name = write_module(f"import torch\ndef make(batch): return {made}\n")
    expected = rf"The factory '{name}:make' returned {got}; expected a pair \(module, inputs\)\."
    with pytest.raises(WorkloadError, match=expected):
        _call(resolve_workload(f"{name}:make"))


@pytest.mark.usefixtures("torch")
def test_what_a_factory_raises_stays_what_it_is(write_module: WriteModule) -> None:
    # Wrapped, an error of memory could no longer be told from any other.
    name = write_module("def make(batch): raise MemoryError('too large')\ndef other(batch): return {}['absent']\n")
    with pytest.raises(MemoryError, match="too large"):
        _call(resolve_workload(f"{name}:make"))
    with pytest.raises(KeyError, match="absent"):
        _call(resolve_workload(f"{name}:other"))


@pytest.mark.usefixtures("torch")
def test_a_factory_that_is_not_there(write_module: WriteModule) -> None:
    name = write_module("def make_model(batch): ...\nconstant = 3\n")
    with pytest.raises(UnknownNameError, match=rf"Unknown factory in {name} 'make_modl'\. Did you mean 'make_model'"):
        _call(resolve_workload(f"{name}:make_modl"))
    with pytest.raises(UnknownNameError, match=rf"Unknown factory in {name} 'constant'"):
        _call(resolve_workload(f"{name}:constant"))
    expected = r"The factory 'no_such_module:make' could not be imported: No module named 'no_such_module'\. Run assay"
    with pytest.raises(WorkloadError, match=expected):
        _call(resolve_workload("no_such_module:make"))


# -- saved models --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "shape", "expected", "precision"),
    [
        ("bert", {"seq": 12}, (2, 12, 16), Precision.FP32),
        ("bert", {"seq": 12}, (2, 12, 16), Precision.BF16),
        ("vit", {}, (2, 17, 16), Precision.FP32),
        ("vit", {}, (2, 17, 16), Precision.BF16),
        ("t5", {"seq": 12}, (2, 8, 16), Precision.FP32),
        ("t5", {"seq": 12}, (2, 8, 16), Precision.BF16),
        ("clip", {"seq": 12}, (2, 2), Precision.FP32),
        ("wav2vec2", {"seconds": 1}, (2, 49, 16), Precision.FP32),
        ("whisper", {}, (2, 8, 16), Precision.FP32),
    ],
)
def test_a_saved_model_runs(
    torch: Any, save_model: SaveModel, kind: str, shape: dict[str, int], expected: tuple[int, ...], precision: Precision
) -> None:
    workload = resolve_workload(str(save_model(kind)))
    outputs = _call(workload, shape=shape, precision=precision)[0]
    assert outputs.shape == expected
    assert outputs.dtype == {Precision.FP32: torch.float32, Precision.BF16: torch.bfloat16}[precision]
    assert torch.isfinite(outputs).all()


def test_a_saved_model_keeps_its_own_weights(torch: Any, save_model: SaveModel) -> None:
    import transformers as hf

    folder = save_model("bert")
    workload = resolve_workload(str(folder))
    assert workload.family.bring is not None
    model, inputs = workload.family.bring(workload.size, 2, workload.resolve_shape({"seq": 5}), "float32")
    original = hf.BertModel.from_pretrained(folder)
    assert inputs["input_ids"].shape == (2, 5)
    assert not model.training
    for key, value in original.state_dict().items():
        assert torch.equal(model.state_dict()[key], value), key
    # A buffer that is in no file is made by transformers' own initialisers.
    assert (model.embeddings.token_type_ids == 0).all()
    assert weight_bytes(workload, 4.0) == (folder / "model.safetensors").stat().st_size


def test_images_have_the_size_that_the_case_says(save_model: SaveModel) -> None:
    for kind in ("vit", "clip"):
        assert resolve_workload(str(save_model(kind))).resolve_shape({})["image"] == 32
    assert resolve_workload(str(save_model("bert"))).resolve_shape({})["image"] == 224
    workload = resolve_workload(str(save_model("vit")))
    # Never the configuration's size under the name of another one.
    with pytest.raises(ValueError, match=r"Input image size \(64\*64\) doesn't match model \(32\*32\)"):
        _call(workload, shape={"image": 64})


def test_a_folder_by_a_relative_path(save_model: SaveModel, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_model("bert")
    monkeypatch.chdir(folder.parent)
    assert _call(resolve_workload(f"./{folder.name}"), shape={"seq": 3})[0].shape == (2, 3, 16)


def test_a_folder_without_a_configuration(tmp_path: Path) -> None:
    expected = r"is not a model folder: it has no config\.json\. Expected what transformers' save_pretrained writes"
    with pytest.raises(WorkloadError, match=expected):
        resolve_workload(str(tmp_path))
    with pytest.raises(WorkloadError, match="is not a model folder"):
        resolve_workload(str(tmp_path / "nowhere"))


def test_weights_as_pickle_are_refused(torch: Any, save_model: SaveModel, tmp_path: Path) -> None:
    import transformers as hf

    shutil.copy(save_model("bert") / "config.json", tmp_path)
    torch.save(hf.BertModel.from_pretrained(save_model("bert")).state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(WorkloadError, match=r"no file named model\.safetensors.* weights as \.safetensors\.$"):
        _call(resolve_workload(str(tmp_path)))


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("{", "is not a valid JSON file"),
        ("{}", "Unrecognized model"),
        ("[]", "could not be loaded"),
        ('{"model_type": "nope"}', "does not recognize this architecture"),
        ('{"model_type": "bert", "hidden_size": "wide"}', "could not be loaded"),
    ],
)
@pytest.mark.usefixtures("torch")
def test_a_broken_configuration(tmp_path: Path, config: str, reason: str) -> None:
    (tmp_path / "config.json").write_text(config, encoding="utf-8")
    with pytest.raises(WorkloadError, match=reason):
        _call(resolve_workload(str(tmp_path)))


def test_broken_weights(save_model: SaveModel, tmp_path: Path) -> None:
    shutil.copy(save_model("bert") / "config.json", tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(WorkloadError, match=r"could not be loaded: .*header"):
        _call(resolve_workload(str(tmp_path)))


def test_weights_of_another_shape(save_model: SaveModel, tmp_path: Path) -> None:
    shutil.copytree(save_model("bert"), tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps({**config, "hidden_size": 32}), encoding="utf-8")
    with pytest.raises(WorkloadError, match=r"could not be loaded: .*mismatched"):
        _call(resolve_workload(str(tmp_path)))


@pytest.mark.parametrize("model_type", ["unheard_of", "bert"])
def test_code_that_comes_with_a_model_is_never_run(save_model: SaveModel, tmp_path: Path, model_type: str) -> None:
    shutil.copytree(save_model("bert"), tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    own = {"model_type": model_type, "auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}}
    (tmp_path / "config.json").write_text(json.dumps({**config, **own}), encoding="utf-8")
    mark = tmp_path / "was_run"
    (tmp_path / "code.py").write_text(
        f"open({str(mark)!r}, 'w')\nclass Config: ...\nclass Model: ...\n", encoding="utf-8"
    )
    workload = resolve_workload(str(tmp_path))
    if model_type == "bert":
        assert _call(workload, shape={"seq": 3})[0].shape == (2, 3, 16)
    else:
        with pytest.raises(WorkloadError, match="contains custom code"):
            _call(workload)
    assert not mark.exists()


def test_inputs_that_cannot_be_guessed(save_model: SaveModel) -> None:
    expected = r"Inputs for DecisionTransformerModel \(main input 'states'\) cannot be guessed\. Write a factory"
    with pytest.raises(WorkloadError, match=expected):
        _call(resolve_workload(str(save_model("decision"))))


@pytest.mark.usefixtures("torch")
def test_a_hub_model_that_cannot_be_reached(tmp_path: Path) -> None:
    # A process of its own: the hub's client reads the variable once, when it is imported.
    code = (
        "from assay.core.errors import WorkloadError\n"
        "from assay.workloads.resolve import resolve_workload\n"
        "for ref in ('hf:nobody/no-such-model', 'hf:', 'hf:a/b/c'):\n"
        "    workload = resolve_workload(ref)\n"
        "    try:\n"
        "        workload.family.bring(workload.size, 1, workload.resolve_shape({}), 'float32')\n"
        "    except WorkloadError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    unreachable, empty, deep = done.stdout.splitlines()
    assert unreachable.startswith("The saved model 'nobody/no-such-model' could not be loaded: ")
    assert empty.startswith("The saved model '' could not be loaded: ")
    assert deep.startswith("The saved model 'a/b/c' could not be loaded: ")
    assert unreachable.endswith("It needs a config.json that transformers knows and weights as .safetensors.")


# -- where a factory's module is looked for ------------------------------------------------------------------


def _make_in_a_worker(folder: Path, ref: str, *, before: str = "") -> subprocess.CompletedProcess[str]:
    """Bring a factory in a fresh process as a worker does: nothing of the folder is on the path (``-P``)."""
    code = (
        f"{before}\n"
        "import sys\n"
        "from assay.core.errors import AssayError\n"
        "from assay.workloads.resolve import resolve_workload\n"
        f"workload = resolve_workload({ref!r})\n"
        "try:\n"
        "    made, inputs = workload.family.bring(workload.size, 1, {}, 'float32')\n"
        "    print(made(*inputs))\n"
        "except AssayError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-P", "-c", code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)


def test_a_file_beside_the_factory_replaces_no_package(tmp_path: Path) -> None:
    (tmp_path / "colorsys.py").write_text("raise AssertionError('not the library')\n")
    (tmp_path / "own_helper.py").write_text("word = 'helped'\n")
    text = "import colorsys, own_helper\ndef make(): return (lambda: (own_helper.word, colorsys.ONE_THIRD > 0)), ()\n"
    (tmp_path / "own_model.py").write_text(text)
    assert _make_in_a_worker(tmp_path, "own_model:make").stdout == "('helped', True)\n"


def test_the_module_that_was_named_is_the_users(tmp_path: Path) -> None:
    # The library has a module `test`, and installed packages may have any name.
    (tmp_path / "test.py").write_text("def make(): return (lambda: 'mine'), ()\n")
    assert _make_in_a_worker(tmp_path, "test:make").stdout == "mine\n"
    package = tmp_path / "colorsys"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "deep.py").write_text("def make(): return (lambda: 'mine too'), ()\n")
    assert _make_in_a_worker(tmp_path, "colorsys.deep:make").stdout == "mine too\n"


def test_a_package_in_use_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "colorsys.py").write_text("def make(): return (lambda: 'mine'), ()\n")
    said = _make_in_a_worker(tmp_path, "colorsys:make", before="import colorsys").stdout
    assert said == (
        "The factory 'colorsys:make' cannot be imported: 'colorsys' is a package in use already, and colorsys.py here "
        "has its name. Rename the file.\n"
    )


def test_a_module_that_fails_leaves_nothing_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "own_broken.py").write_text("raise RuntimeError('at once')\n")
    workload = resolve_workload("own_broken:make")
    assert workload.family.bring is not None
    with pytest.raises(RuntimeError, match="at once"):
        workload.family.bring(workload.size, 1, {}, "float32")
    assert "own_broken" not in sys.modules
