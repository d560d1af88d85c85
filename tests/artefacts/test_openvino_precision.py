"""Recipes `openvino-int8`, `-int8-weight` and `-int4-weight`, for real, in processes that never see torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.artefacts import openvino_precision
from assay.artefacts.base import ArtefactRequest, BuildRequest, request_artefact
from assay.artefacts.cache import Artefact, make_artefact
from assay.artefacts.onnx_files import read_inputs
from assay.artefacts.openvino_convert import OPENVINO
from assay.artefacts.openvino_files import MODEL_FILE
from assay.artefacts.openvino_library import import_openvino, quiet_nncf
from assay.artefacts.openvino_precision import (
    OPENVINO_INT4_WEIGHT,
    OPENVINO_INT8,
    OPENVINO_INT8_WEIGHT,
    needs_openvino,
)
from assay.core.errors import UnsupportedError
from assay.workloads.base import Workload, find_workload
from assay.workloads.inputs import make_inputs
from assay.workloads.resolve import resolve_workload

pytest.importorskip("openvino", reason="these recipes need openvino: pip install 'assay[openvino]'")
pytest.importorskip("nncf", reason="these recipes need nncf: pip install 'assay[openvino]'")

IN_A_PROCESS_OF_ITS_OWN = """
import json, sys
from pathlib import Path
from assay.artefacts import openvino_precision
from assay.artefacts.base import request_artefact
from assay.artefacts.cache import make_artefact
from assay.workloads.base import find_workload

root, recipes = Path(sys.argv[1]), sys.argv[2:]
workload = find_workload("bert")
made = {}
for recipe in recipes:
    options = {"samples": 3} if recipe == "openvino-int8" else {}
    request = request_artefact(
        recipe, workload, batch=2, shape=workload.resolve_shape({}), seed=7, options=options)
    made[recipe] = make_artefact(request, workload, root, threads=1).folder.name
json.dump({"made": made, "torch": "torch" in sys.modules}, sys.stderr)
"""


@pytest.fixture(scope="module")
def cache(artefact_cache: Path) -> Path:
    """Shared with the tests of the recipe for float32 and of the engine: a graph is converted once a session."""
    return artefact_cache


@pytest.fixture(scope="module")
def float32(cache: Path) -> Artefact:
    pytest.importorskip("transformers", reason="converting needs torch and transformers: pip install 'assay[torch]'")
    workload = find_workload("bert")
    return make_artefact(_request(OPENVINO, workload), workload, cache, threads=1)


@pytest.fixture(scope="module")
def made(cache: Path, float32: Artefact, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """All three, made in one process that has a home folder of its own."""
    del float32
    home = tmp_path_factory.mktemp("home")
    done = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS_OF_ITS_OWN, str(cache), *RECIPES],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stderr.splitlines()[-1])
    assert not said["torch"], "torch was imported"
    assert not done.stdout, "NNCF printed"
    assert not list(home.rglob("*")), "something was written into the home folder"
    return {recipe: cache / key for recipe, key in said["made"].items()}


RECIPES = (OPENVINO_INT8, OPENVINO_INT8_WEIGHT, OPENVINO_INT4_WEIGHT)


def _request(recipe: str, workload: Workload, **changes: Any) -> ArtefactRequest:
    wanted = {"batch": 2, "shape": workload.resolve_shape({}), "seed": 7, **changes}
    return request_artefact(recipe, workload, **wanted)


def _facts(folder: Path) -> dict[str, str]:
    content = json.loads((folder / "assay-artefact.json").read_text())
    return dict(content["facts"])


def _answers(folder: Path, arrays: dict[str, Any]) -> list[Any]:
    core = import_openvino().Core()
    compiled = core.compile_model(str(folder / MODEL_FILE), "CPU", {"INFERENCE_NUM_THREADS": "1"})
    results = compiled(arrays)
    return [results[index] for index in range(len(compiled.outputs))]


@pytest.mark.parametrize("recipe", RECIPES)
def test_quantized_graphs_are_smaller_and_say_what_was_quantized(
    recipe: str, made: dict[str, Path], float32: Artefact
) -> None:
    facts = _facts(made[recipe])
    assert facts["float32_bytes"] == float32.facts["model_bytes"]
    assert int(facts["model_bytes"]) < 0.3 * int(facts["float32_bytes"])
    assert facts["parameters"] == float32.facts["parameters"]
    narrow, total = (int(word) for word in facts["quantized_nodes"].split(" of "))
    # Six products a layer in two layers; in 8 bits also the pooler and both embeddings.
    assert narrow == (12 if recipe == OPENVINO_INT4_WEIGHT else 15)
    assert total == 17
    assert facts["weights_by_type"]


def test_static_quantization_takes_ranges_of_activations_from_samples(made: dict[str, Path]) -> None:
    facts = _facts(made[OPENVINO_INT8])
    assert facts["calibration_samples"] == "3"
    assert facts["calibration_batch"] == "1"
    assert int(facts["activation_quantizers"]) > 0
    assert "transformer" in facts["quantization"]
    assert "activation_quantizers" not in _facts(made[OPENVINO_INT8_WEIGHT])


def test_quantized_graphs_serve_every_batch_and_answer_nearly_as_the_float_one(
    made: dict[str, Path], float32: Artefact
) -> None:
    workload = find_workload("bert")
    arrays = make_inputs(workload, batch=3, shape=workload.resolve_shape({}), seed=7)
    expected = _answers(float32.folder, arrays)
    errors = {}
    for recipe, folder in made.items():
        answers = _answers(folder, arrays)
        assert [one.shape for one in answers] == [one.shape for one in expected]
        errors[recipe] = float(np.abs(answers[0] - expected[0]).mean() / np.abs(expected[0]).mean())
    assert 0 < errors[OPENVINO_INT8_WEIGHT] < errors[OPENVINO_INT8] < 0.2
    assert errors[OPENVINO_INT8_WEIGHT] < errors[OPENVINO_INT4_WEIGHT] < 0.5


def test_what_is_needed_is_the_same_model_without_the_options_of_quantizing() -> None:
    workload = find_workload("bert")
    options = {"samples": 3, "prune": "magnitude:0.5", "scope": "run"}
    (needed,) = needs_openvino(_request(OPENVINO_INT8, workload, options=options))
    assert needed == _request(OPENVINO, workload, options={"prune": "magnitude:0.5", "scope": "run"})


def test_a_model_of_the_users_own_is_calibrated_on_its_own_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="the user's module is a torch module: pip install 'assay[torch]'")
    (tmp_path / "openvino_small.py").write_text(
        "import torch\n"
        "def convolution(batch):\n"
        "    torch.manual_seed(0)\n"
        "    return torch.nn.Conv2d(4, 32, 3), (torch.ones(batch, 4, 8, 8),)\n"
        "def plain(batch):\n"
        "    return torch.nn.ReLU(), (torch.ones(batch, 4),)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    own = resolve_workload("openvino_small:convolution")
    artefact = make_artefact(_request(OPENVINO_INT8, own), own, tmp_path / "cache", threads=1)
    assert artefact.batch == 2
    assert artefact.facts["calibration"] == "the model's own inputs"
    assert artefact.facts["calibration_samples"] == "1"
    assert artefact.facts["quantized_nodes"] == "1 of 1"
    assert read_inputs(artefact.folder) is not None
    with pytest.raises(UnsupportedError, match="found nothing in openvino_small:convolution that it could quantize"):
        make_artefact(_request(OPENVINO_INT4_WEIGHT, own), own, tmp_path / "cache", threads=1)
    plain = resolve_workload("openvino_small:plain")
    with pytest.raises(UnsupportedError, match="found nothing in openvino_small:plain"):
        make_artefact(_request(OPENVINO_INT8_WEIGHT, plain), plain, tmp_path / "cache", threads=1)


def test_lending_nncf_leaves_the_modules_as_they_were() -> None:
    before = {name: sys.modules.get(name, "absent") for name in ("torch", "onnx")}
    with quiet_nncf() as nncf:
        assert nncf.__name__ == "nncf"
    assert {name: sys.modules.get(name, "absent") for name in ("torch", "onnx")} == before


def test_the_inputs_that_are_timed_are_not_among_the_samples(float32: Artefact) -> None:
    workload = find_workload("bert")
    model = import_openvino().Core().read_model(str(float32.folder / MODEL_FILE))
    wanted = BuildRequest(_request(OPENVINO_INT8, workload), workload, float32.folder)
    samples, facts = openvino_precision._calibration(wanted, model, is_static=False)
    assert facts["calibration_samples"] == str(len(samples)) == "8"
    timed = make_inputs(workload, batch=1, shape=workload.resolve_shape({}), seed=7)["input_ids"]
    assert len({sample["input_ids"].tobytes() for sample in samples} | {timed.tobytes()}) == 9
