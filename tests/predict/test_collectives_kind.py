"""The predictor of exchanges: what it learns of made-up systems, how it is held out, and the published ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from assay.core.errors import AssayError, UnknownNameError
from assay.predict.base import ExampleSource, Gathered, Payload
from assay.predict.collectives import Collective, Link, LinkKind, LinkTerms, MeasuredLink, time_exchange
from assay.predict.collectives_data import Timing, gather_collectives
from assay.predict.collectives_kind import fit_collectives, validate_collectives
from assay.predict.collectives_model import METRIC, CollectivesModel, ExchangeTime, load_collectives
from assay.predict.devices import find_profile
from assay.predict.values import Abstention, Conditions, Prediction, Question

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
TERMS = LinkTerms(15e3, 3e3, {"all-reduce": 0.6, "send": 0.9})
SIZES = [2.0**power for power in range(11, 27)]


def make_timings(noise: float = 0.1) -> Gathered:
    random = np.random.default_rng(0)
    timings = []
    for system, rate in (("p100_a", 80e9), ("v100_a", 150e9), ("a100_a", 300e9), ("h100_a", 450e9)):
        for collective, counts in ((Collective.ALL_REDUCE, (2, 4, 8)), (Collective.SEND, (2,))):
            for ranks in counts:
                link = Link(LinkKind.DIRECT, rate, ranks, "made up")
                odd = float(random.lognormal(0, noise))
                for size in SIZES:
                    value = time_exchange(TERMS, link, collective, size, ranks) * odd * random.lognormal(0, noise / 2)
                    timings.append(Timing(system, collective, ranks, ranks, size, float(value), link))
    return Gathered(tuple(timings), ())


def ask(size: float | None, ranks: int, name: str = "nvidia-a100-sxm4-80gb", metric: str = METRIC) -> Question:
    options = () if size is None else (("bytes", size),)
    return Question("all-reduce", "", find_profile(name), Conditions(devices=ranks, options=options), metric)


def test_what_was_learned_answers_with_intervals_and_is_read_back_to_the_same(
    through_file: Callable[[Payload], Payload],
) -> None:
    model = fit_collectives(make_timings(), 0)
    answer, refused, many = model.answer([ask(2.0**26, 8), ask(None, 8), ask(1e6, 16)])
    assert isinstance(answer, Prediction)
    assert answer.value == pytest.approx(0.6 * 300e9, rel=0.2)  # bus bandwidth of a large message
    held = answer.interval(0.9)
    assert held is not None
    assert held.lo < answer.value < held.hi
    assert answer.calibration_groups == 16
    assert isinstance(refused, Abstention)
    assert isinstance(many, Abstention)
    assert "no network is known" in many.reason
    again = load_collectives(through_file(model.payload()))
    assert again.answer([ask(1e6, 4)]) == model.answer([ask(1e6, 4)])
    with pytest.raises(AssayError, match="cannot be read"):
        load_collectives(Payload({"terms": {"nowhere": 1}}))


def test_it_beats_bytes_over_bandwidth_on_a_device_held_out() -> None:
    found = validate_collectives(make_timings(), "device", 0)
    assert found.own.mean_error < 0.2
    assert found.beaten_by == ()
    assert set(found.methods) == {"assay", "bytes / bandwidth", "ring at full bandwidth"}
    assert 0.8 <= found.own.coverage[0.9] <= 1.0
    link = validate_collectives(make_timings(), "link", 0)
    assert link.own.mean_error < link.methods["bytes / bandwidth of the largest"].mean_error
    with pytest.raises(UnknownNameError):
        validate_collectives(make_timings(), "devise", 0)
    with pytest.raises(AssayError, match="expected at least 3"):
        validate_collectives(Gathered(make_timings().examples[:64], ()), "device", 0)


def test_a_link_that_was_measured_here_goes_before_the_sheet() -> None:
    device = find_profile("nvidia-l4")
    own = {(device.name, 2): MeasuredLink(2, ((1e3, 50e3), (1e6, 90e3)), "result 1")}
    model = fit_collectives(make_timings(), 0)
    found = model.exchange(device, Collective.ALL_REDUCE, 1e6, 2, own)
    assert isinstance(found, ExchangeTime)
    assert found.value_ns == pytest.approx(90e3)
    assert "measured here (result 1)" in found.reason


def test_without_anything_learned_the_full_bandwidth_is_taken_and_it_is_said() -> None:
    found = CollectivesModel().exchange(find_profile("nvidia-l4"), Collective.ALL_REDUCE, 31.5e9, 2)
    assert isinstance(found, ExchangeTime)
    assert found.value_ns == pytest.approx(1e9)
    assert found.intervals == ()
    assert any("nothing was learned" in flag for flag in found.flags)
    other = fit_collectives(make_timings(), 0).exchange(find_profile("amd-instinct-mi300x"), Collective.SEND, 1e6, 2)
    assert isinstance(other, ExchangeTime)
    assert any("AMD" in flag for flag in other.flags)


def test_the_published_timings_hold_what_the_page_says() -> None:
    gathered = gather_collectives(ExampleSource(None, (SHARED,)))
    if not gathered.examples:
        pytest.skip("the published timings are not at hand: the shared data folder is not beside this checkout")
    assert any("repeats" in note for note in gathered.notes), "two systems share one file of sends"
    topology = validate_collectives(gathered, "topology", 0)
    assert topology.beaten_by == ()
    assert topology.own.mean_error < 0.3
    assert 0.85 <= topology.own.coverage[0.9] <= 0.97
    assert validate_collectives(gathered, "link", 0).own.mean_error < 0.15
