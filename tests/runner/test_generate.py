"""Timing generations and summarising them, on a clock that only the steps move: no time passes and none is asserted."""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest

from assay.core.records import LaunchRecord, MetricValue, SampleSeries
from assay.core.words import Status
from assay.engines.base import Session
from assay.engines.generation import GenerationSession
from assay.runner.generate import DECODE_STEP, GENERATION, PREFILL, measure_generation
from assay.runner.generate_summary import compare_tokens, summarise_generation
from assay.runner.timing import Timing
from assay.workloads.generation import Generation

MS = 1_000_000


class FakeModel:
    """Prompts take 50 ms, each further token 10 ms and 1 ms more than the one before."""

    def __init__(self, new_tokens: int, *, device_ms: int | None = None) -> None:
        self.now = 0
        self.done: list[str] = []
        self.collecting: set[bool] = set()
        self.new_tokens = new_tokens
        self._device_ms = device_ms

    def clock(self) -> int:
        return self.now

    def prefill(self) -> Generation:
        self.done.append("prefill")
        self.collecting.add(gc.isenabled())
        self.now += 50 * MS
        return Generation(cache=0)

    def decode(self, state: Generation) -> Generation:
        self.done.append("decode")
        self.now += (10 + state.cache) * MS
        state.cache += 1
        return state

    def synchronize(self) -> None:
        self.done.append("sync")
        self.now += (self._device_ms or 0) * MS

    def session(self) -> GenerationSession:
        base = Session(
            infer=lambda: None,
            unload=lambda: None,
            effective_precision="fp32",
            threads=1,
            hardware="",
            parameters=None,
            facts={},
            synchronize=None if self._device_ms is None else self.synchronize,
        )
        return GenerationSession(self.prefill, self.decode, self.new_tokens, batch=2, prompt_tokens=20, session=base)


def make_launch(**series: tuple[int, ...]) -> LaunchRecord:
    return LaunchRecord(
        launch_id="l",
        run_id="r",
        result_id="x",
        origin_run_id="r",
        ordinal=0,
        status=Status.OK,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        wall_ns=1,
        samples=tuple(SampleSeries(name=name, unit="ns", values=values) for name, values in series.items()),
    )


def find(metrics: tuple[MetricValue, ...], name: str, stat: str = "median") -> MetricValue:
    (hit,) = [metric for metric in metrics if (metric.name, metric.stat) == (name, stat)]
    return hit


# --- measuring ------------------------------------------------------------------------------------------------


def test_every_token_of_every_generation_has_its_time() -> None:
    model = FakeModel(4)
    found = measure_generation(model.session(), Timing(), clock=model.clock)
    n = len(found.total_ns)
    assert n >= 24  # 2 s of 83 ms, and until the median is known
    assert set(found.prefill_ns) == {50 * MS}
    assert found.decode_step_ns == (10 * MS, 11 * MS, 12 * MS) * n
    assert found.total_ns == (83 * MS,) * n
    assert found.median_ns == 83 * MS
    assert found.stop_reason == "precise enough"


def test_series_and_rules_are_handed_on_as_the_worker_reports_them() -> None:
    model = FakeModel(4)
    found = measure_generation(model.session(), Timing(), clock=model.clock).measured
    assert [series.name for series in found.series] == [PREFILL, DECODE_STEP, GENERATION]
    assert len(found.series[1].values) == 3 * len(found.series[0].values)
    assert found.warmup_converged is True
    assert found.warmup_calls >= 20


def test_a_generation_of_one_token_has_no_steps() -> None:
    model = FakeModel(1)
    found = measure_generation(model.session(), Timing(), clock=model.clock)
    assert found.decode_step_ns == ()
    assert [series.name for series in found.series] == [PREFILL, GENERATION]
    assert "decode" not in model.done


def test_the_device_is_waited_for_after_the_prompt_and_after_each_token() -> None:
    model = FakeModel(3, device_ms=100)
    found = measure_generation(model.session(), Timing(max_time_s=3), clock=model.clock)
    assert model.done[:6] == ["prefill", "sync", "decode", "sync", "decode", "sync"]
    assert model.done.count("sync") == model.done.count("prefill") + model.done.count("decode")
    assert found.prefill_ns[0] == 150 * MS
    assert found.decode_step_ns[:2] == (110 * MS, 111 * MS)


def test_long_generations_are_few_but_five_and_collection_is_off_meanwhile() -> None:
    model = FakeModel(60)  # 2.3 s each
    phases: list[str] = []

    def began(phase: str) -> None:
        phases.append(phase)
        model.collecting.clear()

    found = measure_generation(model.session(), Timing(max_time_s=1), clock=model.clock, began=began)
    assert phases == ["warmup", "measure"]
    assert len(found.total_ns) == 5
    assert model.collecting == {False}
    assert gc.isenabled()


# --- metrics --------------------------------------------------------------------------------------------------


@pytest.fixture
def launches() -> list[LaunchRecord]:
    """Three launches of three generations of 4 tokens; the second launch is the typical one."""
    return [
        make_launch(prefill=(first,) * 3, decode_step=(step, step, 4 * step) * 3, generation=(first + 6 * step,) * 3)
        for first, step in ((40, 9), (50, 10), (90, 30))
    ]


def test_metrics_are_what_the_docs_define(launches: list[LaunchRecord]) -> None:
    metrics = summarise_generation(launches, batch=2, new_tokens=4, prompt_tokens=20)
    values = {metric.name: metric.value for metric in metrics if metric.stat == "median"}
    assert values == pytest.approx(
        {
            "time_to_first_token_ns": 50,
            "prefill_ns": 50,
            "prefill_tokens_per_s": 2 * 20 * 1e9 / 50,
            "generation_ns": 110,
            "output_tokens_per_s": 2 * 4 * 1e9 / 110,
            "total_tokens_per_s": 2 * (20 + 4) * 1e9 / 110,
            "time_per_output_token_ns": 20,  # (10 + 10 + 40) / 3
            "inter_token_latency_ns": 10,
            "decode_tokens_per_s": 2 * 1e9 / 20,
        }
    )
    rate = find(metrics, "output_tokens_per_s")
    assert rate.ci_lo is not None
    assert rate.ci_hi is not None
    assert rate.ci_lo < 2 * 4 * 1e9 / 110 < rate.ci_hi
    assert rate.n == 3


def test_tails_are_over_all_steps_and_are_not_guessed(launches: list[LaunchRecord]) -> None:
    metrics = summarise_generation(launches, batch=2, new_tokens=4, prompt_tokens=20)
    tail = find(metrics, "inter_token_latency_ns", "p90")
    assert (tail.value, tail.n, tail.reason) == (None, 27, "needs 46 samples, has 27")
    many = [make_launch(prefill=(5,) * 50, decode_step=tuple(range(1, 51)), generation=(9,) * 50)]
    metrics = summarise_generation(many, batch=1, new_tokens=2, prompt_tokens=20)
    assert find(metrics, "inter_token_latency_ns", "p90").value == 46
    assert find(metrics, "inter_token_latency_ns", "p99").value is None
    assert find(metrics, "generation_ns", "p90").value == 9


def test_what_cannot_be_known_says_why() -> None:
    one = [make_launch(prefill=(5, 5), generation=(5, 5))]
    metrics = summarise_generation(one, batch=1, new_tokens=1, prompt_tokens=None)
    reasons = {metric.name: metric.reason for metric in metrics if metric.value is None and metric.stat == "median"}
    assert reasons == {
        "prefill_tokens_per_s": "the prompt is not made of tokens",
        "total_tokens_per_s": "the prompt is not made of tokens",
        "time_per_output_token_ns": "a generation of one token has no second",
        "inter_token_latency_ns": "a generation of one token has no second",
        "decode_tokens_per_s": "a generation of one token has no second",
    }


@pytest.mark.parametrize("launches", [[], [make_launch(latency=(1, 2))]])
def test_launches_without_generations_have_no_such_metrics(launches: list[LaunchRecord]) -> None:
    assert summarise_generation(launches, batch=1, new_tokens=4, prompt_tokens=20) == ()


# --- texts ----------------------------------------------------------------------------------------------------


def test_texts_are_compared_up_to_their_first_difference() -> None:
    reference = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    same = compare_tokens(reference, reference)
    assert (same.share, same.exact, same.before) == (1.0, 1.0, 4)
    differs = compare_tokens(np.array([[1, 2, 9, 4], [5, 6, 7, 8]]), reference)
    assert (differs.share, differs.exact, differs.before) == (7 / 8, 0.5, 2)


@pytest.mark.parametrize("shape", [(2, 3), (1, 4), (2, 0)])
def test_texts_of_other_shapes_cannot_be_compared(shape: tuple[int, int]) -> None:
    make: Callable[[tuple[int, int]], np.ndarray] = lambda size: np.zeros(size, dtype=np.int64)  # noqa: E731
    with pytest.raises(ValueError, match="expected"):
        compare_tokens(make(shape), make((2, 4) if shape != (2, 0) else shape))
