"""Every registered family, held to what it says of itself; real models at tiny size, the rest on the meta device."""

from __future__ import annotations

import copy
import dataclasses
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from assay.core.errors import AssayError, UnknownNameError, WorkloadError
from assay.workloads.base import Tier, Workload, families, find_workload
from assay.workloads.inputs import make_inputs

torch = pytest.importorskip("torch", reason="building workloads needs torch: pip install 'assay[torch]'")
pytest.importorskip("transformers", reason="building workloads needs transformers: pip install 'assay[torch]'")

PUBLISHED_TOLERANCE = 0.03
"""Papers and cards round; heads and tied weights are counted by some and not by others."""

FAMILY_NAMES = tuple(name for name in families.names() if name != "pipeline")
"""Those with a model: a data pipeline has none to build."""


pytestmark = pytest.mark.usefixtures("one_thread")


def _workload_names() -> Iterator[str]:
    for name in FAMILY_NAMES:
        try:
            labels = tuple(families.get(name).sizes)
        except AssayError:
            labels = ("tiny",)  # a family that cannot be imported fails its own tests, not the collection of all
        yield from (f"{name}/{label}" for label in labels)


WORKLOAD_NAMES = tuple(_workload_names())


def _tensors(outputs: object) -> Iterator[Any]:
    if isinstance(outputs, torch.Tensor):
        yield outputs
    elif isinstance(outputs, Mapping):
        for value in outputs.values():
            yield from _tensors(value)
    elif isinstance(outputs, tuple | list):
        for value in outputs:
            yield from _tensors(value)


def _call(workload: Workload, *, batch: int, dtype: Any) -> list[Any]:
    """Build with the library's own initialisers, cast as an engine does, call, and return the output tensors."""
    torch.manual_seed(0)
    model = workload.family.build(workload.size).eval().to(dtype)
    arrays = make_inputs(workload, batch=batch, shape=workload.resolve_shape({}), seed=0)
    inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
    inputs = {name: value.to(dtype) if value.is_floating_point() else value for name, value in inputs.items()}
    with torch.inference_mode():
        return list(_tensors(workload.family.forward(model, inputs)))


def _run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", WORKLOAD_NAMES)
def test_parameter_count_is_exact_and_near_the_published_one(name: str) -> None:
    size = find_workload(name).size
    config_before = copy.deepcopy(size.config)
    with torch.device("meta"):
        model = find_workload(name).family.build(size)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == size.parameters
    if size.published is not None:
        assert count == pytest.approx(size.published, rel=PUBLISHED_TOLERANCE)
    assert size.source
    assert size.config == config_before, "build changed the configuration it was given"


@pytest.mark.parametrize(("precision", "batch"), [("float32", 2), ("bfloat16", 1)])
@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_tiny_runs_for_real(name: str, precision: str, batch: int) -> None:
    dtype = getattr(torch, precision)
    outputs = _call(find_workload(name), batch=batch, dtype=dtype)
    assert outputs
    assert all(bool(torch.isfinite(tensor).all()) for tensor in outputs)
    assert outputs[0].dtype == dtype
    assert outputs[0].numel() == 1 or outputs[0].float().std() > 0, "constant outputs would agree with anything"


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_family_describes_itself(name: str) -> None:
    family = families.get(name)
    assert family.name == name
    assert family.task
    assert family.modality
    assert family.reference
    assert "torch" in family.requires
    assert [size.tier for size in family.sizes.values()].count(Tier.TINY) == 1
    assert next(iter(family.sizes)) == "tiny"
    assert family.sizes["tiny"].tier is Tier.TINY
    assert find_workload(name).name == f"{name}/tiny"


@pytest.mark.parametrize("name", WORKLOAD_NAMES)
def test_inputs_follow_the_batch(name: str) -> None:
    workload = find_workload(name)
    shape = workload.resolve_shape({})
    one, two = (make_inputs(workload, batch=batch, shape=shape, seed=0) for batch in (1, 2))
    assert [*one] == [spec.name for spec in workload.family.inputs]
    for spec in workload.family.inputs:
        assert one[spec.name].dtype == np.dtype(spec.dtype)
        assert np.isfinite(one[spec.name]).all()
        assert two[spec.name].shape == (2 * one[spec.name].shape[0], *one[spec.name].shape[1:])
    assert workload.batches
    assert all(batch >= 1 for batch in workload.batches)
    units = workload.units_per_call(1, shape)
    assert units > 0
    assert workload.units_per_call(2, shape) == pytest.approx(2 * units)


@pytest.mark.parametrize("name", ["llava", "llava_next"])
def test_published_image_sizes_make_as_many_tokens_as_there_are_placeholders(name: str) -> None:
    # The published images and vocabulary with the tiny widths: the model itself refuses a wrong number.
    tiny, published = (find_workload(f"{name}/{label}").size for label in ("tiny", "7b"))
    vocabulary = {"vocab_size": published.config["text"]["vocab_size"]}
    narrow = dataclasses.replace(
        published, config={"vision": tiny.config["vision"], "text": {**tiny.config["text"], **vocabulary}}
    )
    workload = Workload(f"{name}/narrow", families.get(name), narrow)
    logits = _call(workload, batch=1, dtype=torch.float32)[0]
    assert logits.shape[:2] == (1, workload.units_per_call(1, workload.resolve_shape({})))


def test_unet_says_which_images_it_cannot_take() -> None:
    workload = find_workload("unet")
    inputs = {"pixel_values": torch.zeros(1, 3, 60, 60)}
    with pytest.raises(WorkloadError, match=r"image=60 is not a multiple of 16\. Use image=64"):
        workload.family.forward(workload.family.build(workload.size), inputs)


def test_importing_every_family_imports_no_framework() -> None:
    code = (
        "import sys\n"
        "from assay.workloads.base import families\n"
        "found = [families.get(name).name for name in families.names()]\n"
        "print(sorted({'torch', 'transformers', 'jax', 'tensorflow'} & sys.modules.keys()), len(found))"
    )
    assert _run_python(code) == f"[] {len(families.names())}"


def test_families_that_do_not_name_transformers_do_not_import_it() -> None:
    code = (
        "import sys\n"
        "from assay.workloads.base import families\n"
        "import torch\n"
        "free = [f for f in map(families.get, families.names()) if 'transformers' not in f.requires]\n"
        "free = [family for family in free if family.format == 'torch']\n"
        "with torch.device('meta'):\n"
        "    [family.build(size) for family in free for size in family.sizes.values()]\n"
        "print('transformers' in sys.modules, 'unet' in [family.name for family in free])"
    )
    assert _run_python(code) == "False True"


def test_unknown_names_come_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Unknown workload family 'resnett'") as family_error:
        find_workload("resnett/50")
    assert family_error.value.nearest[0] == "resnet"
    with pytest.raises(UnknownNameError, match="Unknown size of vit 'bsae'") as size_error:
        find_workload("vit/bsae")
    assert size_error.value.nearest == ("base",)
    with pytest.raises(UnknownNameError, match="Unknown dimension of resnet/50 'imge'") as dimension_error:
        find_workload("resnet/50").resolve_shape({"imge": 128})
    assert dimension_error.value.nearest == ("image",)
