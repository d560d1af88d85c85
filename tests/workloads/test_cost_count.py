"""The cost model: counts that have been published, an independent counter, and every rule of what counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from assay.core.errors import UnsupportedError
from assay.workloads.base import Family, Size, Tier, UnitOfWork, Workload, families, find_workload, per_sample
from assay.workloads.cost_count import Cost, OpCost, count_cost
from assay.workloads.torch_build import build_torch_model

BUILTIN = ("bert", "clap", "clip", "detr", "llama", "llava", "llava_next", "qwen2", "resnet", "t5", "unet", "vit",
           "wav2vec2", "whisper", "xclip")  # fmt: skip
GATHERED = 4


def own(make: Callable[[int], tuple[Any, Any]], form: str = "torch") -> Workload:
    """A model of somebody's own: ``make(batch)`` gives it and its inputs."""

    def call(model: Any, inputs: Any) -> Any:
        return model(**inputs) if isinstance(inputs, dict) else model(*inputs)

    size = Size(tier=Tier.BASE, config={}, parameters=None, source="test")
    family = Family(
        name="own", task="", modality="", unit=UnitOfWork.SAMPLE, units_per_call=per_sample, sizes={"own": size},
        inputs=(), default_shape={}, default_batches=(1,), build=lambda _size: None, forward=call, reference="",
        bring=lambda _size, batch, _shape, _dtype: make(batch), format=form,
    )  # fmt: skip
    return Workload("own", family, size)


def cost_of(module: nn.Module, *inputs: torch.Tensor) -> Cost:
    return count_cost(own(lambda _batch: (module, inputs)), 1, {})


class Lambda(nn.Module):  # type: ignore[misc]  # torch is not followed by mypy (pyproject)
    """A module of one function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(*inputs)


# -- against what is known -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "multiply_adds"),
    [
        # torchvision's model cards name 4.09 (ResNet-50) and 17.56 (ViT-B/16); BERT-base at 128 tokens is 12 layers
        # of 4 x 128 x 768^2 + 2 x 128^2 x 768 + 2 x 128 x 768 x 3072, and the pooler's 768^2.
        ("resnet/50", 4.09e9),
        ("vit/base", 17.56e9),
        ("bert/base", 12 * (4 * 128 * 768**2 + 2 * 128**2 * 768 + 2 * 128 * 768 * 3072) + 768**2),
    ],
)
def test_published_counts(name: str, multiply_adds: float) -> None:
    workload = find_workload(name)
    cost = count_cost(workload, 1, workload.resolve_shape({}))
    assert cost.flops == pytest.approx(2 * multiply_adds, rel=2e-3)
    assert cost.parameters == workload.size.parameters


@pytest.mark.parametrize("name", BUILTIN)
def test_every_family_counts_what_pytorchs_own_counter_sees_in_a_real_call(name: str) -> None:
    workload = find_workload(name)
    shape = workload.resolve_shape({})
    cost = count_cost(workload, 1, shape)
    built = build_torch_model(workload, dtype="float32", batch=1, shape=shape, seed=0)
    if hasattr(built.module, "set_attn_implementation"):
        built.module.set_attn_implementation("eager")  # that counter misses fused attention on the CPU
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        workload.family.forward(built.module, built.inputs)
    # It does not count products of a matrix and a vector, of which X-CLIP has one.
    assert cost.flops == pytest.approx(counter.get_total_flops(), rel=3e-5)
    assert cost.parameters == workload.size.parameters
    assert (cost.guesses, cost.uncounted) == (0, ())
    assert cost.bytes_compulsory < cost.bytes_unfused


def test_all_families_are_tried() -> None:
    assert set(BUILTIN) <= set(families.names())


def test_the_cost_grows_with_batch_and_shape() -> None:
    workload = find_workload("bert/tiny")
    one, eight = (count_cost(workload, batch, {"seq": 128}) for batch in (1, 8))
    longer = count_cost(workload, 1, {"seq": 256})
    assert eight.flops == 8 * one.flops
    assert eight.kernels == one.kernels
    assert longer.flops > 2 * one.flops  # attention grows with the square


def test_a_large_model_is_counted_without_its_memory() -> None:
    workload = find_workload("llama/7b")
    cost = count_cost(workload, 1, {"seq": 8}, 2.0)
    assert cost.parameters == workload.size.parameters
    # Every weight but the embedding's meets every token; two bytes each.
    assert cost.flops == pytest.approx(2 * 8 * (cost.parameters - 32000 * 4096), rel=1e-3)
    assert cost.bytes_compulsory == pytest.approx(2 * cost.parameters, rel=0.03)


# -- rules -----------------------------------------------------------------------------------------------------


def test_a_linear_layer() -> None:
    cost = cost_of(nn.Linear(64, 32), torch.randn(2, 64))
    assert cost.by_op_class == {
        "matmul": OpCost(flops=2 * 2 * 64 * 32, kernels=1, elements_read=2 * 64 + 64 * 32 + 32, elements_written=2 * 32)
    }
    assert cost.bytes_read == 4 * (2 * 64 + 64 * 32 + 32)
    assert cost.bytes_written == 4 * 64
    assert cost.bytes_compulsory == cost.bytes_unfused == cost.bytes_read + cost.bytes_written


@pytest.mark.parametrize(
    ("layer", "flops"),
    [
        (nn.Conv2d(8, 16, 3, padding=1, bias=False), 2 * 16 * 10 * 10 * 8 * 9),
        (nn.Conv2d(8, 16, 3, padding=1, groups=4), 2 * 16 * 10 * 10 * 2 * 9),
        (nn.Conv2d(8, 16, 3, stride=2, padding=1), 2 * 16 * 5 * 5 * 8 * 9),
        (nn.ConvTranspose2d(8, 16, 2, stride=2), 2 * 8 * 10 * 10 * 16 * 4),
    ],
)
def test_convolutions(layer: nn.Module, flops: int) -> None:
    cost = cost_of(layer, torch.randn(1, 8, 10, 10))
    assert cost.flops == cost.by_op_class["convolution"].flops == flops


def test_attention_is_one_operation_with_both_products() -> None:
    def attend(query: Any, key: Any, value: Any) -> Any:
        return nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)

    query, key, value = torch.randn(2, 4, 10, 16), torch.randn(2, 4, 12, 16), torch.randn(2, 4, 12, 8)
    cost = cost_of(Lambda(attend), query, key, value)
    assert cost.by_op_class["attention"].flops == 2 * 2 * 4 * 10 * 12 * (16 + 8)
    assert cost.kernels == 1
    assert cost.by_op_class["attention"].elements_written == 2 * 4 * 10 * 8


def test_fused_and_eager_attention_are_the_same_arithmetic() -> None:
    workload = find_workload("bert/tiny")
    fused = count_cost(workload, 2, {"seq": 64})

    def make(batch: int) -> tuple[Any, Any]:
        built = build_torch_model(workload, dtype="float32", batch=batch, shape={"seq": 64}, seed=0)
        built.module.set_attn_implementation("eager")
        return built.module, built.inputs

    eager = count_cost(own(make), 2, {})
    assert fused.flops == eager.flops
    assert fused.by_op_class["attention"].kernels == 2
    assert "attention" not in eager.by_op_class
    assert fused.kernels < eager.kernels


def test_views_are_free_and_work_in_place_reads_and_writes() -> None:
    def work(x: torch.Tensor) -> torch.Tensor:
        return x.view(4, 25).t()[1:].unsqueeze(0).expand(3, -1, -1).relu_() if x.dim() == 0 else x.view(4, 25).relu_()

    cost = cost_of(Lambda(work), torch.randn(100))
    assert cost.by_op_class == {"elementwise": OpCost(kernels=1, elements_read=100, elements_written=100)}
    assert cost_of(Lambda(lambda x: x.view(4, 25).t()[1:].expand(24, 4)), torch.randn(100)).kernels == 0


def test_what_is_expanded_is_read_once() -> None:
    cost = cost_of(Lambda(lambda x: x.expand(10, 8) + 1), torch.randn(1, 8))
    assert cost.by_op_class["elementwise"].elements_read == 8
    assert cost.by_op_class["elementwise"].elements_written == 80


def test_of_a_table_only_the_rows_looked_up_are_compulsory() -> None:
    cost = cost_of(nn.Embedding(1000, 16), torch.arange(GATHERED))
    assert cost.weight_elements == GATHERED * 16
    assert cost.edge_elements == GATHERED * 16
    assert cost.edge_other_bytes == GATHERED * 8
    assert cost.parameters == 16_000


def test_a_weight_used_twice_is_compulsory_once() -> None:
    layer = nn.Linear(32, 32, bias=False)
    cost = cost_of(nn.Sequential(layer, layer), torch.randn(1, 32))
    assert cost.flops == 2 * 2 * 32 * 32
    assert cost.weight_elements == 32 * 32


def test_a_precision_changes_bytes_and_nothing_else() -> None:
    full = cost_of(nn.Linear(64, 32), torch.randn(2, 64))
    half = full.with_sizes(weight_bytes=2, activation_bytes=2)
    small = full.with_sizes(weight_bytes=1, activation_bytes=4)
    assert half.bytes_unfused == full.bytes_unfused / 2
    assert small.bytes_compulsory == 64 * 32 + 32 + 4 * (2 * 64 + 2 * 32)
    assert small.flops == full.flops


def test_a_cost_survives_json() -> None:
    workload = find_workload("clip/tiny")
    cost = count_cost(workload, 2, workload.resolve_shape({}), 2.0)
    assert Cost.from_dict(json.loads(json.dumps(cost.to_dict()))) == cost


# -- values that a model asks for ------------------------------------------------------------------------------


def test_values_that_follow_from_integer_inputs_are_the_true_ones() -> None:
    weight = torch.randn(8, 8)

    class Picky(nn.Module):  # type: ignore[misc]  # torch is not followed by mypy (pyproject)
        """Does as many products as its input says, and looks at it in every way there is."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(weight)

        def forward(self, sizes: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            first, second = sizes.tolist()
            kept = (sizes > first).nonzero()
            mask = torch.zeros(4, dtype=torch.bool)
            mask[1:3] = True
            assert bool(mask.any())
            assert not mask.all()
            for _ in range(int(sizes.max()) + kept.shape[0] + int(mask.sum()) + second - first):
                x = x @ self.weight
            return x

    cost = cost_of(Picky(), torch.tensor([2, 3]), torch.randn(1, 8))
    # 3 (the largest) + 1 (greater than the first) + 2 (marked) + 1 (the difference)
    assert cost.by_op_class["matmul"].kernels == 7
    assert cost.guesses == 0


def test_what_only_weights_could_tell_is_a_guess_and_is_counted() -> None:
    cost = cost_of(Lambda(lambda x: x * 2 if x.sum() > 0 else x), torch.randn(4))
    assert cost.guesses == 1


def test_a_known_value_that_is_overwritten_by_an_unknown_one_is_not_known_any_more() -> None:
    def work(x: torch.Tensor) -> torch.Tensor:
        ones = torch.ones(4)
        ones[:2] = x[:2]
        return x * float(ones.sum())

    assert cost_of(Lambda(work), torch.randn(4)).guesses == 1


# -- what cannot be counted ------------------------------------------------------------------------------------


def test_operations_of_other_libraries_are_named() -> None:
    with torch.library._scoped_library("assay_test", "FRAGMENT") as library:
        library.define("mystery(Tensor x) -> Tensor")
        library.impl("mystery", torch.empty_like, "Meta")
        cost = cost_of(Lambda(torch.ops.assay_test.mystery), torch.randn(4))
    assert cost.uncounted == ("assay_test.mystery.default",)


def test_a_plain_function_has_no_cost() -> None:
    with pytest.raises(UnsupportedError, match="a plain function"):
        count_cost(own(lambda _batch: (torch.relu, (torch.randn(2),))), 1, {})


@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_a_file_of_another_form_has_no_cost(form: str) -> None:
    with pytest.raises(UnsupportedError, match=f"a model in {form} form"):
        count_cost(own(lambda _batch: (nn.ReLU(), (torch.randn(2),)), form), 1, {})


def test_a_weight_that_is_no_parameter_counts_all_the_same() -> None:
    hidden = torch.randn(4, 4)
    cost = cost_of(Lambda(lambda x: x @ hidden), torch.randn(1, 4))
    assert cost.flops == 2 * 4 * 4
    assert cost.weight_elements == 16
    assert cost.parameters == 0


def test_a_model_that_leaves_pytorch_says_so() -> None:
    with pytest.raises(UnsupportedError, match="on tensors without values it fails with") as error:
        cost_of(Lambda(lambda x: torch.from_numpy(x.numpy() * 2)), torch.randn(1, 4))
    assert error.value.hint is not None
    assert "outside its parameters" in error.value.hint


def test_weights_set_to_zero_are_multiplied_all_the_same() -> None:
    workload = find_workload("bert/tiny")
    whole = count_cost(workload, 1, {"seq": 32})
    assert count_cost(workload, 1, {"seq": 32}, options={"prune": "magnitude:0.5"}) == whole
