"""Work shared out over devices: memory, times and what is said of them, on a made-up model whose numbers are plain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from assay.core.errors import UsageError
from assay.predict.base import Payload
from assay.predict.collectives import Collective, LinkKind, LinkTerms, MeasuredLink
from assay.predict.collectives_model import CollectivesModel
from assay.predict.layers import Estimator, LoadedKind
from assay.predict.model_file import ModelRecord
from assay.predict.strategy import (
    NOT_VALIDATED,
    Plan,
    Surroundings,
    bubble_share,
    make_plan,
    plan_strategies,
)
from assay.predict.strategy_blocks import Blocks, find_blocks, read_blocks
from assay.predict.strategy_memory import TENSOR_KEPT, Strategy, cut_graph, estimate_part
from assay.predict.values import (
    LEVELS,
    Abstention,
    Answer,
    Conditions,
    DeviceProfile,
    GraphProfile,
    Interval,
    Layer,
    OpWork,
    Prediction,
    Question,
)

# 1 G parameters in 10 layers: 4 GB in fp32; 1e12 flops of products, 1e10 of norms.
GRAPH = GraphProfile(
    "big/one", "big", {"matmul": OpWork(100, 1e12, 2e9, 0, 1e9), "norm": OpWork(20, 1e10, 1e8)}, batch=8,
    shape=(("seq", 128),), parameters=1e9, weight_elements=1e9, activation_peak_elements=1e8, saved_elements=1e9,
    units_per_call=8.0,
)  # fmt: skip
BLOCKS = Blocks(10, 1000, 16, 8, 128)
LINKED = CollectivesModel({LinkKind.HOST: LinkTerms(10e3, 0.0, {"all-reduce": 0.5, "send": 0.5})})
AROUND = Surroundings(LINKED, {}, BLOCKS)


@dataclass(frozen=True)
class Flops:
    """A tera-flop a second, three times the work in training; a tenth either way at every level."""

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        return [self._one(one) for one in questions]

    def payload(self) -> Payload:
        return Payload({})

    def _one(self, question: Question) -> Answer:
        if question.metric != "latency_ns" or question.graph is None:
            return Abstention(question.metric, "only times")
        value = question.graph.flops / 1e3 * (3 if question.conditions.mode == "training" else 1)
        held = tuple(Interval(level, value / 1.1, value * 1.1) for level in LEVELS)
        return Prediction("latency_ns", value, "ns", held, Layer.LEARNED, ("work",))


def make_estimator() -> Estimator:
    record = ModelRecord("flops", datetime(2026, 1, 1, tzinfo=UTC), "0", Payload({}), version="0" * 12)
    return Estimator((LoadedKind(record, Flops()),))


def ask(memory_gb: float = 16, mode: str = "inference", precision: str = "fp32", **options: str) -> Question:
    device = DeviceProfile(
        "card", "card", "NVIDIA", "Ampere", flops_per_s={"fp32": 1e12, "fp16": 1e12}, memory_bytes=memory_gb * 1e9
    )
    conditions = Conditions(precision=precision, batch=8, mode=mode, options=tuple(options.items()))
    return Question("big/one", "big", device, conditions, "latency_ns", GRAPH)


def plan(strategy: Strategy, devices: int, around: Surroundings = AROUND, **asked: object) -> Plan:
    return make_plan(ask(**asked), strategy, devices, make_estimator(), around)  # type: ignore[arg-type]  # by name


def test_the_bubble_is_that_of_the_papers() -> None:
    assert bubble_share(4, 1) == 0.75
    assert bubble_share(4, 12) == pytest.approx(0.2)
    assert bubble_share(1, 5) == 0
    with pytest.raises(ValueError, match="0 micro-batches"):
        bubble_share(2, 0)


def test_a_part_holds_and_computes_its_share() -> None:
    tensor = cut_graph(GRAPH, Strategy.TENSOR, 4, BLOCKS)
    assert tensor.workload != GRAPH.workload, "what is stored of the whole model must not answer for a part"
    assert tensor.work["matmul"].flops == 0.25e12
    assert tensor.work["matmul"].count == 100, "every rank starts every operation"
    assert tensor.work["norm"].flops == 1e10
    assert tensor.saved_elements == pytest.approx(1e9 * (TENSOR_KEPT + (1 - TENSOR_KEPT) / 4))
    stage = cut_graph(GRAPH, Strategy.PIPELINE, 4, BLOCKS)
    assert stage.flops == pytest.approx(GRAPH.flops * 0.3), "of 10 layers the longest of 4 stages has 3"
    assert stage.work["matmul"].count == pytest.approx(30)
    assert cut_graph(GRAPH, Strategy.DDP, 4, None) is GRAPH


def test_memory_of_a_device_in_training_by_strategy() -> None:
    conditions = replace(ask().conditions, mode="training")

    def total(strategy: Strategy, devices: int, micro: int = 1) -> float:
        return estimate_part(GRAPH, conditions, strategy, devices, BLOCKS, micro_batches=micro).value_bytes

    whole = total(Strategy.SINGLE, 1)
    assert whole == pytest.approx(16e9 + 4e9)  # weights, gradients, two moments; activations
    assert total(Strategy.DDP, 4) == pytest.approx(whole + 4e9)
    # A quarter of the state, all activations, and two of ten layers gathered.
    assert total(Strategy.FSDP, 4) == pytest.approx(4e9 + 4e9 + 0.8e9)
    assert total(Strategy.TENSOR, 4) == pytest.approx(4e9 + 4e9 * (TENSOR_KEPT + (1 - TENSOR_KEPT) / 4))
    # 3 of 10 layers; 4 of 8 micro-batches are under way in the first stage.
    assert total(Strategy.PIPELINE, 4, 8) == pytest.approx(16e9 * 0.3 + 4e9 * 0.3 * 4 / 8)


def test_replicas_take_as_long_and_do_more() -> None:
    one, four = plan(Strategy.SINGLE, 1), plan(Strategy.REPLICAS, 4)
    assert four.latency_ns == one.latency_ns
    assert one.rate_per_s is not None
    assert four.rate_per_s == pytest.approx(4 * one.rate_per_s)
    assert four.is_validated
    assert "4 independent devices: 4 times the rate of one" in four.reasons


def test_tensor_parallel_adds_two_all_reduces_a_layer_and_is_not_validated() -> None:
    found = plan(Strategy.TENSOR, 4)
    # 8 x 128 tokens of 1000 fp32 numbers: 4.096 MB, 1.5 times over half of 31.5 GB/s, and 10 us.
    each = 10e3 + 1.5 * 4.096e6 / 15.75
    assert found.exchange_ns == pytest.approx(20 * each)
    assert found.hideable_ns == 0
    assert found.compute_ns == pytest.approx((0.25e12 + 1e10) / 1e3)
    assert found.latency_ns == pytest.approx(found.compute_ns + found.exchange_ns)
    assert not found.is_validated
    assert found.flags[0] == NOT_VALIDATED
    assert found.bounds == (), "the exchange has no tested interval here"
    trained = plan(Strategy.TENSOR, 4, mode="training")
    assert trained.exchange_ns == pytest.approx(40 * each)


def test_a_pipeline_fills_and_empties() -> None:
    found = plan(Strategy.PIPELINE, 2)
    assert found.micro_batches in (1, 2, 4, 8)
    ticks = found.micro_batches + 1
    stage = GRAPH.flops / 2 / found.micro_batches / 1e3
    assert found.compute_ns == pytest.approx(ticks * stage)
    assert found.bubble == pytest.approx(1 / ticks)
    assert found.rate_per_s is not None
    assert found.latency_ns is not None
    assert found.rate_per_s == pytest.approx(8 / (found.latency_ns * (1 - found.bubble)) * 1e9)
    trained = plan(Strategy.PIPELINE, 2, mode="training")
    assert trained.rate_per_s == pytest.approx(8 / (trained.latency_ns or 1) * 1e9)


def test_ddp_says_what_may_hide_and_counts_on_none_of_it() -> None:
    found = plan(Strategy.DDP, 2, mode="training", memory_gb=80)
    whole = 10e3 + 1.0 * 4e9 / 15.75
    assert found.exchange_ns == pytest.approx(whole)
    assert found.latency_ns == pytest.approx(found.compute_ns + whole)
    # The backward pass, 2 s, could hide all of 0.25 s but the last bucket.
    assert found.hideable_ns == pytest.approx(whole * (1 - (25 << 20) / 4e9))
    assert found.rate_per_s == pytest.approx(2 * 8 / (found.latency_ns or 1) * 1e9)


def test_zero_3_moves_half_as_much_again_as_ddp() -> None:
    ddp, fsdp = (plan(one, 2, mode="training", memory_gb=80) for one in (Strategy.DDP, Strategy.FSDP))
    assert fsdp.exchange_ns == pytest.approx(1.5 * ddp.exchange_ns, rel=1e-3)
    assert fsdp.hideable_ns == pytest.approx(fsdp.exchange_ns * 0.9)


def test_bounds_are_those_of_both_parts() -> None:
    own = {("card", 4): MeasuredLink(4, ((1e3, 20e3), (1e8, 5e6)), "result 1")}
    bare = plan(Strategy.TENSOR, 4, Surroundings(LINKED, own, BLOCKS))
    assert any("measured here (result 1)" in one for one in bare.reasons)
    held = plan(Strategy.TENSOR, 4, Surroundings(_tested(), {}, BLOCKS))
    assert [one.level for one in held.bounds] == list(LEVELS)
    assert held.bounds[-1].lo < (held.latency_ns or 0) < held.bounds[-1].hi


def _tested() -> CollectivesModel:
    from assay.stats.conformal import calibrate

    errors = [0.01 * one for one in range(1, 41)]
    held = calibrate(errors, [f"group {place % 20}" for place in range(40)])
    return CollectivesModel(LINKED.terms, {"small": held, "large": held}, frozenset({"NVIDIA"}))


def test_what_fits_comes_first_and_what_does_not_says_so() -> None:
    found = plan_strategies(ask(4), (1, 2, 4), make_estimator(), AROUND)
    assert found[0].is_answered
    assert found[0].devices > 1
    single = next(one for one in found if one.strategy is Strategy.SINGLE)
    assert single.refused is not None
    assert single.refused.startswith("it does not fit: each device holds about")
    trained = plan_strategies(ask(16, "training"), (1, 2, 8), make_estimator(), AROUND)
    assert trained[0].is_answered
    assert trained[0].strategy in (Strategy.FSDP, Strategy.TENSOR, Strategy.PIPELINE)
    ddp = next(one for one in trained if one.strategy is Strategy.DDP)
    assert ddp.refused is not None
    assert "does not fit" in ddp.refused


def test_a_smaller_optimizer_makes_room() -> None:
    wide, narrow = (plan(Strategy.DDP, 2, mode="training", memory_gb=21, optimizer=one) for one in ("adamw", "sgd"))
    assert wide.memory is not None
    assert narrow.memory is not None
    assert wide.memory.value_bytes - narrow.memory.value_bytes == pytest.approx(4e9)


def test_what_cannot_be_cut_says_why() -> None:
    assert plan(Strategy.TENSOR, 3).refused == "16 attention heads cannot be shared out evenly over 3"
    assert plan(Strategy.TENSOR, 16).refused == "8 heads of keys and values cannot be shared out evenly over 16"
    assert plan(Strategy.PIPELINE, 11).refused == "10 layers make no 11 stages"
    none = plan(Strategy.TENSOR, 2, Surroundings(LINKED, {}, None))
    assert none.refused is not None
    assert "no transformer" in none.refused
    far = plan(Strategy.DDP, 16, mode="training", memory_gb=80)
    assert far.refused is not None
    assert "more than one machine" in far.refused


def test_slips_are_named() -> None:
    with pytest.raises(UsageError, match="latency_ns"):
        plan_strategies(replace(ask(), metric="memory_peak_bytes"), (1,), make_estimator(), AROUND)
    with pytest.raises(UsageError, match="counts from 1"):
        plan_strategies(ask(), (0,), make_estimator(), AROUND)


def test_layers_are_read_from_configurations() -> None:
    text = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 2}
    assert read_blocks(text, GRAPH) == Blocks(4, 64, 8, 2, 128)
    assert read_blocks({"text_config": text, "hidden_size": 1}, GRAPH) == Blocks(4, 64, 8, 2, 128)
    picture = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 8, "patch_size": 16, "image_size": 224}
    assert read_blocks(picture, replace(GRAPH, shape=())) == Blocks(4, 64, 8, None, 197)
    both = {"d_model": 64, "num_layers": 6, "num_decoder_layers": 6, "num_heads": 8}
    assert read_blocks(both, GRAPH) == Blocks(12, 64, 8, None, 128)
    assert read_blocks({"depths": [1, 2]}, GRAPH) is None


def test_layers_of_families_are_those_of_their_configurations() -> None:
    assert find_blocks("bert/base", replace(GRAPH, shape=(("seq", 64),))) == Blocks(12, 768, 12, None, 64)
    assert find_blocks("resnet/50", GRAPH) is None


def test_a_send_goes_between_two_whatever_the_stages() -> None:
    found = plan(Strategy.PIPELINE, 4)
    assert any(f"{Collective.SEND} of" in one and "between 2" in one for one in found.reasons)
