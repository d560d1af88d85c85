"""Seeded weights: the same in every process, ordinary numbers everywhere, and nothing left switched off."""

from __future__ import annotations

import functools
import hashlib
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from assay.workloads.base import families, find_workload
from assay.workloads.weights import build_seeded, fill_parameters, without_initialisation

pytestmark = pytest.mark.usefixtures("settings")

MODELS = tuple(name for name in families.names() if name != "pipeline")
"""Families with weights: a data pipeline has none."""

HASH = """
import functools, hashlib, sys, torch
from assay.engines.base import engines
from assay.workloads.weights import build_seeded
from assay.workloads.base import find_workload
torch.set_num_threads(2)
for name in ("bert/tiny", "unet/tiny"):
    workload = find_workload(name)
    engines.get("torch").import_libraries(workload)
    for seed in (7, 8):
        model = build_seeded(functools.partial(workload.family.build, workload.size), dtype=torch.float32, seed=seed)
        digest = hashlib.sha256()
        for key, value in sorted(model.state_dict().items()):
            digest.update(key.encode() + value.numpy().tobytes())
        print(digest.hexdigest())
"""


def _build(name: str, *, dtype: Any, seed: int = 7) -> Any:
    workload = find_workload(name)
    return build_seeded(functools.partial(workload.family.build, workload.size), dtype=dtype, seed=seed)


def _digest(model: Any) -> str:
    digest = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        digest.update(key.encode() + value.numpy().tobytes())
    return digest.hexdigest()


def _named_tensors(model: Any) -> Mapping[str, Any]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def test_a_seed_gives_the_same_weights_in_every_process_and_another_seed_others(torch: Any) -> None:
    here = [_digest(_build(name, dtype=torch.float32, seed=seed)) for name in ("bert", "unet") for seed in (7, 8)]
    assert len(set(here)) == 4
    done = subprocess.run(
        [sys.executable, "-c", HASH],
        env={**os.environ, "PYTHONHASHSEED": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == here


@pytest.fixture
def poisoned_memory(torch: Any) -> Iterator[None]:
    """Fill every uninitialised tensor with NaN (integers: with their maximum), which fresh zeroed memory would hide."""
    assert torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(mode=True)
    assert torch.isnan(torch.empty(3)).all()
    yield
    torch.use_deterministic_algorithms(mode=False)


@pytest.mark.usefixtures("poisoned_memory")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", MODELS)
def test_every_number_of_every_family_is_ordinary(torch: Any, name: str, precision: str) -> None:
    # A build that was kept from initialising leaves raw memory wherever nobody fills it in.
    dtype = getattr(torch, precision)
    model = _build(name, dtype=dtype)
    assert not model.training
    for key, value in _named_tensors(model).items():
        assert torch.isfinite(value).all(), key
        assert value.float().abs().max() < 1e5, key
    assert {parameter.dtype for parameter in model.parameters()} == {dtype}
    # A tie that came loose would show as parameters counted twice.
    assert sum(parameter.numel() for parameter in model.parameters()) == find_workload(name).size.parameters
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1 and parameter.numel() > 1]
    assert matrices
    assert all(matrix.float().std() > 0 for matrix in matrices)


@pytest.mark.usefixtures("poisoned_memory")
@pytest.mark.parametrize("name", MODELS)
def test_buffers_are_those_of_a_plain_build(torch: Any, name: str) -> None:
    workload = find_workload(name)
    plain = dict(workload.family.build(workload.size).named_buffers())
    seeded = dict(_build(name, dtype=torch.float32).named_buffers())
    assert seeded.keys() == plain.keys()
    assert [key for key, value in seeded.items() if not torch.equal(value, plain[key])] == []


def test_tied_weights_stay_tied(torch: Any) -> None:
    t5 = _build("t5", dtype=torch.bfloat16)
    assert t5.lm_head.weight is t5.shared.weight
    assert t5.encoder.embed_tokens.weight is t5.shared.weight
    qwen2 = _build("qwen2", dtype=torch.float32)
    assert qwen2.lm_head.weight is qwen2.model.embed_tokens.weight


def test_each_kind_of_parameter_gets_its_own_kind_of_values(torch: Any) -> None:
    nn = torch.nn

    class Mixed(nn.Module):  # type: ignore[misc,name-defined]  # torch is not followed by mypy
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(1000, 64)
            self.norm = nn.LayerNorm(64)
            self.linear = nn.Linear(400, 300)
            self.convolution = nn.Conv2d(32, 64, 3)
            self.token = nn.Parameter(torch.empty(5000))
            self.temperature = nn.Parameter(torch.tensor(2.5))
            self.empty = nn.Parameter(torch.empty(0, 3))

    model = build_seeded(Mixed, dtype=torch.float32, seed=1)
    assert model.embedding.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert torch.equal(model.norm.weight, torch.ones(64))
    assert torch.equal(model.norm.bias, torch.zeros(64))
    assert torch.equal(model.linear.bias, torch.zeros(300))
    assert model.linear.weight.std().item() == pytest.approx(1 / math.sqrt(400), rel=0.05)
    assert model.convolution.weight.std().item() == pytest.approx(math.sqrt(2 / (32 * 9)), rel=0.05)
    assert model.token.std().item() == pytest.approx(0.02, rel=0.05)
    assert model.temperature == 2.5
    assert abs(model.linear.weight.mean().item()) < 0.001


def test_rows_beyond_the_pool_and_out_of_order_memory_are_filled_alike(torch: Any) -> None:
    plain, turned = torch.nn.Linear(1100, 2000, bias=False), torch.nn.Linear(1100, 2000, bias=False)
    turned.weight.data = turned.weight.data.t().contiguous().t()
    assert not turned.weight.is_contiguous()
    fill_parameters(plain, seed=5)
    fill_parameters(turned, seed=5)
    assert torch.equal(plain.weight, turned.weight)
    assert plain.weight.numel() > 2 * 1_048_583
    assert not torch.equal(plain.weight[0], plain.weight[1])
    assert torch.isfinite(plain.weight).all()


def test_initialisers_do_nothing_inside_and_are_back_afterwards(torch: Any) -> None:
    # Imported before, as a worker does: what is imported inside is not switched off.
    from transformers.modeling_utils import PreTrainedModel

    before = {**vars(torch.nn.init), "initialize_weights": PreTrainedModel.initialize_weights}
    with without_initialisation():
        sevens = torch.full((3, 3), 7.0)
        assert torch.nn.init.kaiming_uniform_(sevens, a=1) is sevens
        torch.nn.init.zeros_(sevens)
        torch.nn.init.trunc_normal_(sevens, std=0.1)
        assert (sevens == 7).all()
        assert PreTrainedModel.initialize_weights is not before["initialize_weights"]
    assert {**vars(torch.nn.init), "initialize_weights": PreTrainedModel.initialize_weights} == before
    assert (torch.nn.init.zeros_(torch.full((3, 3), 7.0)) == 0).all()


def test_what_is_imported_meanwhile_is_not_left_with_the_no_ops(torch: Any) -> None:
    with without_initialisation():
        kept = torch.nn.init.zeros_
        assert (kept(torch.full((3,), 7.0)) == 7).all()
    assert (kept(torch.full((3,), 7.0)) == 0).all()


TRANSFORMERS_LATE = """
import sys, torch
from assay.workloads.weights import build_seeded
def build():
    import transformers.initialization
    return torch.nn.Linear(2, 2)
assert "transformers" not in sys.modules
build_seeded(build, dtype=torch.float32, seed=0)
import transformers.initialization as initialisers
print(initialisers.ones_(torch.zeros(3)).tolist(), initialisers.zeros_(torch.ones(3)).tolist())
"""


@pytest.mark.usefixtures("torch")
def test_transformers_first_imported_by_a_build_still_initialises_later_models() -> None:
    done = subprocess.run([sys.executable, "-c", TRANSFORMERS_LATE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[1.0, 1.0, 1.0] [0.0, 0.0, 0.0]"


def test_a_build_that_fails_leaves_everything_as_it_was(torch: Any) -> None:
    from transformers.modeling_utils import PreTrainedModel

    before = {**vars(torch.nn.init), "initialize_weights": PreTrainedModel.initialize_weights}

    def fail() -> None:
        assert torch.get_default_dtype() == torch.bfloat16
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build_seeded(fail, dtype=torch.bfloat16, seed=0)
    assert {**vars(torch.nn.init), "initialize_weights": PreTrainedModel.initialize_weights} == before
    assert torch.get_default_dtype() == torch.float32
