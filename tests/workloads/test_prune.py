"""Pruning: exactly the weights asked for, only where it is sound, and the same every time."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from assay.core.errors import UsageError, WorkloadError
from assay.workloads.base import find_workload
from assay.workloads.outputs import flatten_tensors
from assay.workloads.prune import PruneKind, PruneRequest, describe_pruned, parse_prune, prune_model
from assay.workloads.torch_build import build_torch_model


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch", reason="pruning changes torch modules: pip install 'assay[torch]'")


def _numbers(torch: Any, *shape: int, seed: int = 0) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _build(name: str) -> tuple[Any, Any]:
    pytest.importorskip("transformers", reason="families need transformers: pip install 'assay[torch]'")
    workload = find_workload(name)
    built = build_torch_model(workload, dtype="float32", batch=2, shape=workload.resolve_shape({}), seed=7)
    return built.module, functools.partial(workload.family.forward, built.module, built.inputs)


# -- what is asked for ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("magnitude:0.5", PruneRequest(PruneKind.MAGNITUDE, 0.5)),
        ("structured:.25", PruneRequest(PruneKind.STRUCTURED, 0.25)),
    ],
)
def test_a_kind_and_an_amount_are_read(text: str, request_: PruneRequest) -> None:
    assert parse_prune(text) == request_
    assert parse_prune(str(request_)) == request_


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("random:0.5", "prune='random:0.5' is not a kind and an amount; kinds are magnitude and structured."),
        ("magnitude", "prune='magnitude' is not a kind and an amount; kinds are magnitude and structured."),
        ("magnitude:half", "The amount 'half' of prune='magnitude:half' is not a number."),
        ("magnitude:0", "The amount of prune='magnitude:0' must lie between 0 and 1."),
        ("structured:1", "The amount of prune='structured:1' must lie between 0 and 1."),
        ("structured:nan", "The amount of prune='structured:nan' must lie between 0 and 1."),
    ],
)
def test_what_says_nothing_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_prune(text)
    assert caught.value.message == message
    assert "Expected for example magnitude:0.5" in str(caught.value)


# -- magnitude -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_smallest_weights_of_the_whole_model_go(torch: Any, amount: float, dtype: str) -> None:
    kind = getattr(torch, dtype)
    model = torch.nn.Sequential(torch.nn.Linear(64, 48), torch.nn.ReLU(), torch.nn.Linear(48, 8)).to(kind)
    with torch.no_grad():
        model[0].weight.copy_(_numbers(torch, 48, 64))
        model[2].weight.copy_(_numbers(torch, 8, 48, seed=1) * 3)
    before = torch.cat([model[0].weight.flatten(), model[2].weight.flatten()]).float().detach().clone()
    report = prune_model(model, f"magnitude:{amount}")
    after = torch.cat([model[0].weight.flatten(), model[2].weight.flatten()]).float().detach()
    gone = after == 0
    assert report.zeroed_weights == int(gone.sum()) == round(amount * before.numel())
    assert report.parameters_after == report.parameters_before
    assert before[gone].abs().max() <= before[~gone].abs().min()
    assert torch.equal(after[~gone], before[~gone])


def test_equal_weights_do_not_make_it_more(torch: Any) -> None:
    model = torch.nn.Linear(10, 10)
    torch.nn.init.constant_(model.weight, 0.5)
    report = prune_model(model, "magnitude:0.33")
    assert report.zeroed_weights == 33
    assert int((model.weight == 0).sum()) == 33
    assert describe_pruned(model, "magnitude:0.33") == {"prune": "magnitude:0.33", "zero_weights": "33 of 100"}


def test_biases_norms_and_what_an_embedding_shares_stay(torch: Any) -> None:
    model = torch.nn.ModuleDict({
        "words": torch.nn.Embedding(16, 8),
        "inner": torch.nn.Conv1d(8, 8, 3),
        "norm": torch.nn.LayerNorm(8),
        "head": torch.nn.Linear(8, 16, bias=False),
    })  # fmt: skip
    model["head"].weight = model["words"].weight
    others = [model["words"].weight, model["inner"].bias, model["norm"].weight]
    before = [one.detach().clone() for one in others]
    report = prune_model(model, "magnitude:0.5")
    assert report.prunable_weights == 8 * 8 * 3
    assert int((model["inner"].weight == 0).sum()) == 96
    assert all(torch.equal(one, other) for one, other in zip(others, before, strict=True))


def test_a_model_without_layers_to_prune_is_refused(torch: Any) -> None:
    with pytest.raises(WorkloadError, match="no linear layers or convolutions"):
        prune_model(torch.nn.LayerNorm(4), "magnitude:0.5")
    with pytest.raises(WorkloadError, match="A plain function cannot be pruned"):
        prune_model(len, "magnitude:0.5")


# -- structured ----------------------------------------------------------------------------------------------


def test_the_neurons_with_the_smallest_norm_go_and_the_others_compute_as_before(torch: Any) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(6, 10), torch.nn.GELU(), torch.nn.Linear(10, 4))
    with torch.no_grad():
        weak = [1, 4, 8]
        model[0].weight[weak] *= 1e-4
        model[2].weight[:, weak] *= 1e-4
        model[0].bias[weak] = 0
    data = _numbers(torch, 5, 6)
    before = model(data)
    report = prune_model(model, "structured:0.3", lambda: model(data))
    assert (report.groups, report.parameters_before, report.parameters_after) == (1, 114, 81)
    assert report.removed_weights == 33
    assert (model[0].out_features, model[2].in_features) == (7, 7)
    assert tuple(model[0].weight.shape) == (7, 6)
    assert torch.allclose(model(data), before, atol=1e-5)


def test_filters_go_with_their_norm_through_pooling_and_transposed_convolutions(torch: Any) -> None:
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3, padding=1, bias=False),
        torch.nn.BatchNorm2d(16),
        torch.nn.ReLU(inplace=True),
        torch.nn.MaxPool2d(2),
        torch.nn.ConvTranspose2d(16, 12, 2, stride=2),
        torch.nn.SiLU(),
        torch.nn.Conv2d(12, 2, 1),
    ).eval()
    data = _numbers(torch, 1, 3, 8, 8)
    report = prune_model(model, "structured:0.5", lambda: model(data))
    assert report.groups == 2
    assert tuple(model[0].weight.shape) == (8, 3, 3, 3)
    assert (model[1].num_features, tuple(model[1].running_var.shape)) == (8, (8,))
    assert tuple(model[4].weight.shape) == (8, 6, 2, 2)
    assert tuple(model[6].weight.shape) == (2, 6, 1, 1)
    assert tuple(model(data).shape) == (1, 2, 8, 8)


def test_what_something_else_reads_stays_whole(torch: Any) -> None:
    class Residual(torch.nn.Module):  # type: ignore[misc]  # torch is not followed by mypy (pyproject)
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Linear(8, 8)
            self.second = torch.nn.Linear(8, 8)

        def forward(self, data: Any) -> Any:
            made = self.first(data).relu()
            return self.second(made) + made

    model = Residual()
    with pytest.raises(WorkloadError, match="No neurons can be removed"):
        prune_model(model, "structured:0.5", lambda: model(torch.ones(1, 8)))
    assert model.first.out_features == 8


def test_layers_that_are_tied_or_used_twice_stay_whole(torch: Any) -> None:
    class Twice(torch.nn.Module):  # type: ignore[misc]  # torch is not followed by mypy (pyproject)
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down = torch.nn.Linear(4, 8), torch.nn.Linear(8, 4)

        def forward(self, data: Any) -> Any:
            return self.down(self.up(self.down(self.up(data))))

    twice = Twice()
    with pytest.raises(WorkloadError, match="No neurons can be removed"):
        prune_model(twice, "structured:0.5", lambda: twice(torch.ones(1, 4)))
    tied = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 8))
    tied[2].weight = tied[0].weight
    with pytest.raises(WorkloadError, match="No neurons can be removed"):
        prune_model(tied, "structured:0.5", lambda: tied(torch.ones(1, 8)))


def test_a_model_that_counts_on_the_number_of_neurons_is_refused(torch: Any) -> None:
    class Counting(torch.nn.Module):  # type: ignore[misc]  # torch is not followed by mypy (pyproject)
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down = torch.nn.Linear(4, 8), torch.nn.Linear(8, 4)
            self.register_buffer("scales", torch.ones(8))

        def forward(self, data: Any) -> Any:
            return self.down(self.up(data) * self.scales)

    model = Counting()
    with pytest.raises(WorkloadError, match="cannot be called any more with neurons removed"):
        prune_model(model, "structured:0.5", lambda: model(torch.ones(1, 4)))


def test_a_way_to_call_the_model_is_needed(torch: Any) -> None:
    with pytest.raises(WorkloadError, match="must run the model once"):
        prune_model(torch.nn.Linear(2, 2), "structured:0.5")


def test_frozen_weights_stay_frozen_and_large_layers_keep_multiples_of_eight(torch: Any) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 100), torch.nn.ReLU(), torch.nn.Linear(100, 2)).requires_grad_(
        requires_grad=False
    )
    prune_model(model, "structured:0.3", lambda: model(torch.ones(1, 4)))
    assert model[0].out_features == 72
    assert not any(parameter.requires_grad for parameter in model.parameters())


# name -> groups that lose neurons: each feed-forward block, each inner convolution, and what else has one reader
_GROUPS = {"bert": 2, "llama": 3, "resnet": 16, "t5": 4, "unet": 14, "detr": 15, "clip": 4, "llava_next": 6}


@pytest.mark.parametrize("name", sorted(_GROUPS))
def test_families_shrink_and_still_compute(torch: Any, name: str) -> None:
    module, call = _build(name)
    report = prune_model(module, "structured:0.3", call)
    assert report.groups == _GROUPS[name]
    assert 0 < report.removed_weights < 0.5 * report.parameters_before
    with torch.no_grad():
        outputs = [tensor for _, tensor in flatten_tensors(call())]
    assert all(bool(torch.isfinite(tensor).all()) for tensor in outputs if tensor.is_floating_point())


@pytest.mark.parametrize("text", ["magnitude:0.5", "structured:0.3"])
def test_the_same_weights_lose_the_same_parts(torch: Any, text: str) -> None:
    states = []
    for _ in range(2):
        module, call = _build("bert")
        prune_model(module, text, call)
        states.append(module.state_dict())
    assert all(torch.equal(one, states[1][name]) for name, one in states[0].items())
