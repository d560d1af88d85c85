"""Strategies: the same gradients as one process, silent where they should be; and what can be told without any rank."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="ranks are PyTorch's")

from assay.core.errors import EngineError, UnsupportedError  # noqa: E402
from assay.core.words import Precision  # noqa: E402
from assay.engines.base import LoadRequest  # noqa: E402
from assay.engines.parallel import Place, choose_parallel, find_blocks, make_buckets  # noqa: E402
from assay.engines.parallel_pipeline import check_pipeline, find_cut_points  # noqa: E402
from assay.engines.parallel_tensor import find_cuts, share_columns  # noqa: E402
from assay.workloads.resolve import resolve_workload  # noqa: E402

nn = torch.nn
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    """What two ranks found out, started by torchrun itself."""
    script = Path(__file__).with_name("parallel_ranks.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


@pytest.mark.parametrize("strategy", ["ddp", "ddp, overlap off", "fsdp2", "tensor"])
def test_gradients_are_those_of_one_process(said: dict[str, Any], strategy: str) -> None:
    assert said[strategy]["names"]
    assert said[strategy]["error"] < 1e-4


@pytest.mark.parametrize("strategy", ["ddp", "ddp, overlap off", "fsdp2"])
def test_after_silence_gradients_are_exchanged_again(said: dict[str, Any], strategy: str) -> None:
    assert said[strategy]["after_silence"] < 1e-4


def test_silence_leaves_each_rank_with_its_own_gradient(said: dict[str, Any]) -> None:
    assert said["ddp"]["silent_differs"]
    assert said["ddp, overlap off"]["silent_differs"]


def test_ranks_agree_on_what_rank_0_says_and_gather_in_order(said: dict[str, Any]) -> None:
    assert said["agree"] == 40
    assert said["gather"] == [0, 1]


def test_messages_of_every_size_are_timed(said: dict[str, Any]) -> None:
    assert list(said["messages"]) == ["4.00 KiB", "64.0 KiB", "1.00 MiB", "16.0 MiB"]
    assert min(said["messages"].values()) >= 5


def test_a_model_is_cut_at_its_layers(said: dict[str, Any]) -> None:
    assert said["cuts"] == ["layers.1"]
    model = nn.Module()
    model.few, model.many = nn.ModuleList([nn.Linear(1, 1)] * 2), nn.ModuleList([nn.Linear(1, 1)] * 6)
    assert find_cut_points(model, "some", 4) == ["many.1", "many.3", "many.4"]
    with pytest.raises(UnsupportedError, match="6 layers, which cannot be cut into 7"):
        find_cut_points(model, "some", 7)


def test_blocks_are_members_of_the_outermost_lists() -> None:
    inner = nn.Sequential(nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)]))
    model = nn.Sequential(nn.Embedding(3, 2), nn.ModuleList([inner, nn.ReLU()]))
    assert find_blocks(model) == [inner]


def test_buckets_hold_every_gradient_and_no_more_than_their_size() -> None:
    parameters = [torch.empty(300), torch.empty(500), torch.empty(400), torch.empty(9, dtype=torch.float64)]
    buckets = make_buckets(parameters, most_bytes=4 * 1000)
    assert [(one.numel(), one.dtype) for one in buckets] == [
        (9, torch.float64), (900, torch.float32), (300, torch.float32),
    ]  # fmt: skip
    large = make_buckets([torch.empty(5000)], most_bytes=4)
    assert [one.numel() for one in large] == [5000]


def test_layers_are_found_by_the_ends_of_their_names() -> None:
    model = nn.Module()
    model.attention = nn.Module()
    model.attention.self = nn.ModuleDict({name: nn.Linear(2, 2) for name in ("query", "key", "value")})
    model.attention.output = nn.ModuleDict({"dense": nn.Linear(2, 2)})
    model.intermediate = nn.ModuleDict({"dense": nn.Linear(2, 2)})
    columns, rows = find_cuts(model, "bert")
    assert columns == [f"attention.self.{name}" for name in ("query", "key", "value")] + ["intermediate.dense"]
    assert rows == ["attention.output.dense"]
    with pytest.raises(UnsupportedError, match="lacks them"):
        find_cuts(nn.Linear(1, 1), "llama")


def test_heads_that_cannot_be_shared_are_refused() -> None:
    model = nn.Module()
    model.q_proj, model.o_proj = nn.Linear(3, 3), nn.Linear(3, 3)
    model.config = SimpleNamespace(num_attention_heads=3)
    with pytest.raises(UnsupportedError, match="num_attention_heads 3, which 2 ranks cannot share"):
        share_columns(model, family="llama", device="cpu", ranks=2)


def test_an_unknown_strategy_is_refused_and_data_is_shared_by_data_parallel_ones_only() -> None:
    place = Place(1, 2, CPU, "bert")
    with pytest.raises(EngineError, match="no strategy 'zero'"):
        choose_parallel("zero", place)
    assert choose_parallel("ddp", place).shard.ranks == 2
    assert choose_parallel("tensor", place).shard.ranks == 1
    pipeline = choose_parallel("pipeline", place)
    assert (pipeline.loss_rank, pipeline.has_parts) == (1, False)


def test_what_a_pipeline_does_not_do_is_refused() -> None:
    workload = resolve_workload("bert/tiny")

    def ask(precision: Precision = Precision.FP32, **options: str) -> None:
        check_pipeline(LoadRequest(workload, "cpu", precision, 1, {"seq": 8}, 1, 0, options))

    ask()
    with pytest.raises(UnsupportedError, match="not in bf16"):
        ask(Precision.BF16)
    with pytest.raises(UnsupportedError, match="option tune"):
        ask(tune="lora")
