"""Which hardware first: the order, the limits, what is the same for all, and why the others lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.loading import load_module

from assay.analysis.device_names import DeviceName
from assay.analysis.ranking import rank_hardware, read_prices
from assay.analysis.ranking_prices import HourPrice, PriceBook
from assay.analysis.ranking_values import Objective, Ranking, RankingRequest
from assay.catalog.hardware.prices import Price, PriceKind, Terms
from assay.core.errors import UsageError
from assay.core.words import Provenance, Verdict
from assay.store import Store
from assay.store.catalogue import CatalogueImport, append_prices

composed = load_module("analysis.ranked_results")
H100, A100, L4, CPU = composed.H100, composed.A100, composed.L4, composed.CPU


@pytest.fixture
def results(tmp_path: Path) -> Any:
    return composed.Results(Store.open(tmp_path / "store"))


def rank(results: Any, workload: str = "bert/base", **asked: Any) -> Ranking:
    return rank_hardware(results.keep(), RankingRequest(workload, **asked))


def labels(ranking: Ranking) -> list[str]:
    return [one.label for one in ranking.ranked]


def test_devices_stand_in_order_with_how_many_times_worse_they_are(results: Any) -> None:
    results.imported("bert/base", hardware=L4, throughput_per_s=100.0)
    results.imported("bert/base", hardware=H100, throughput_per_s=400.0)
    results.imported("bert/base", hardware=A100, throughput_per_s=200.0)
    ranking = rank(results)
    assert labels(ranking) == [H100, A100, L4]
    assert [one.times_worse for one in ranking.ranked] == [1.0, 2.0, 4.0]
    assert [one.rank for one in ranking.ranked] == [1, 2, 3]
    assert not any(one.is_level for one in ranking.ranked)


def test_each_device_stands_with_the_settings_in_which_it_does_best(results: Any) -> None:
    for batch, rate in ((1, 50.0), (8, 300.0), (32, 250.0)):
        results.measured("bert/base", batch=batch, throughput_per_s=rate)
    (only,) = rank(results).ranked
    assert only.throughput.value == 300.0
    assert only.subject.batch == 8


def test_by_latency_only_one_batch_is_ranked_and_the_others_are_named(results: Any) -> None:
    results.imported("bert/base", hardware=L4, batch=1, latency_ns=5e6)
    results.imported("bert/base", hardware=H100, batch=1, latency_ns=2e6)
    results.imported("bert/base", hardware=A100, batch=64, latency_ns=1e6)
    ranking = rank(results, objective=Objective.LATENCY)
    assert labels(ranking) == [H100, L4]
    assert ranking.basis is not None
    assert ranking.basis.batch == 1
    assert [(basis.batch, count) for basis, count in ranking.other_bases] == [(64, 1)]


def test_measured_and_imported_are_ranked_together_and_stay_apart(results: Any) -> None:
    results.measured("bert/base", hardware=L4, throughput_per_s=110.0)
    results.imported("bert/base", hardware=L4, throughput_per_s=90.0)
    ranking = rank(results)
    assert [(one.label, one.provenance) for one in ranking.ranked] == [
        (L4, Provenance.MEASURED),
        (L4, Provenance.IMPORTED),
    ]


def test_units_and_scenarios_are_never_ranked_together(results: Any) -> None:
    results.mlperf("llama", hardware=H100, throughput_per_s=1000.0, unit_of_work="token")
    results.mlperf("llama", hardware=A100, throughput_per_s=500.0, unit_of_work="token")
    results.mlperf("llama", hardware=L4, throughput_per_s=9000.0, unit_of_work="sample")
    results.mlperf("llama", hardware=L4, throughput_per_s=8000.0, unit_of_work="token", options={"scenario": "Server"})
    ranking = rank(results, "llama")
    assert labels(ranking) == [f"8 × {H100}", f"8 × {A100}"]
    assert sum(count for _, count in ranking.other_bases) == 2
    server = rank(results, "llama", scenario="server")
    assert labels(server) == [f"8 × {L4}"]


def test_rates_of_open_loop_scenarios_rank_where_that_is_what_there_is(results: Any) -> None:
    results.mlperf("bert", throughput_per_s=10.0)
    for hardware, rate in ((H100, 300.0), (A100, 200.0)):
        results.mlperf(
            "bert", hardware=hardware, serving_rate_per_s=rate, unit_of_work="query", options={"scenario": "Server"}
        )
    ranking = rank(results, "bert")
    assert ranking.throughput_metric == "serving_rate_per_s"
    assert labels(ranking) == [f"8 × {H100}", f"8 × {A100}"]


def test_limits_leave_devices_out_and_say_why(results: Any) -> None:
    results.imported("bert/base", hardware=H100, throughput_per_s=400.0, latency_ns=40e6)
    results.imported("bert/base", hardware=A100, throughput_per_s=200.0, latency_ns=10e6)
    results.imported("bert/base", hardware=L4, throughput_per_s=100.0)
    ranking = rank(results, max_latency_ns=20e6, min_throughput_per_s=150.0)
    assert labels(ranking) == [A100]
    assert {one.label: one.misses for one in ranking.lost} == {
        H100: ("latency 40.0 ms is above the limit of 20.0 ms",),
        L4: (
            "its latency is not known, so the limit cannot be judged",
            "throughput 100/s is below the limit of 150/s",
        ),
    }


def test_a_limit_is_kept_only_where_the_interval_keeps_it(results: Any) -> None:
    results.measured("bert/base", latency_ns=(10e6, 9e6, 11e6), throughput_per_s=100.0)
    assert rank(results, max_latency_ns=11e6).ranked
    assert not rank(results, max_latency_ns=10.5e6).ranked


def test_among_settings_that_keep_the_limit_the_best_counts(results: Any) -> None:
    results.measured("bert/base", batch=1, latency_ns=5e6, throughput_per_s=200.0)
    results.measured("bert/base", batch=32, latency_ns=80e6, throughput_per_s=400.0)
    (only,) = rank(results, max_latency_ns=10e6).ranked
    assert only.subject.batch == 1


def test_overlapping_intervals_are_level(results: Any) -> None:
    results.imported("bert/base", hardware=H100, throughput_per_s=(100.0, 90.0, 110.0))
    results.imported("bert/base", hardware=A100, throughput_per_s=(95.0, 88.0, 101.0))
    results.imported("bert/base", hardware=L4, throughput_per_s=(50.0, 49.0, 51.0))
    assert [one.is_level for one in rank(results).ranked] == [False, True, False]


def test_energy_is_as_given_or_power_over_throughput(results: Any) -> None:
    results.mlperf("resnet", hardware=H100, throughput_per_s=1000.0, average_power_w=5000.0)
    results.mlperf("resnet", hardware=A100, throughput_per_s=500.0, average_power_w=2000.0)
    results.mlperf("resnet", hardware=L4, throughput_per_s=100.0)
    ranking = rank(results, "resnet", objective=Objective.ENERGY)
    assert [(one.label, one.energy.value) for one in ranking.ranked] == [(f"8 × {A100}", 4.0), (f"8 × {H100}", 5.0)]
    assert ranking.ranked[0].energy.reason == "derived: mean power over throughput"
    assert [(one.label, one.misses) for one in ranking.lost] == [
        (f"8 × {L4}", ("no energy is known under these conditions",))
    ]


def test_energy_of_a_call_is_never_mixed_with_that_of_a_unit(results: Any) -> None:
    stream = {"scenario": "SingleStream"}
    results.mlperf("resnet", hardware=H100, energy_j_per_call=2.0, options=stream)
    results.mlperf("resnet", hardware=A100, throughput_per_s=10.0, average_power_w=10.0, options=stream)
    ranking = rank(results, "resnet", objective=Objective.ENERGY)
    assert ranking.is_energy_of_a_call
    assert labels(ranking) == [f"8 × {H100}"]


def test_cost_takes_prices_that_are_given_and_says_where_there_is_none(results: Any) -> None:
    results.mlperf("resnet", hardware=H100, throughput_per_s=1000.0)
    results.mlperf("resnet", hardware=A100, throughput_per_s=500.0)
    prices = read_prices("nvidia-h100-pcie-80gb=3.6")
    ranking = rank(results, "resnet", objective=Objective.COST, prices_usd_per_h=prices)
    (first,) = ranking.ranked
    assert first.cost_usd.value == pytest.approx(8 * 3.6 / 3600 / 1000 * 1e6)
    assert first.cost_usd.reason == "derived: 28.8 USD an hour (as given) over throughput"
    assert [one.misses for one in ranking.lost] == [("no price of an hour of it is stored or given",)]
    unpriced = rank(results, "resnet", objective=Objective.COST)
    assert unpriced.ranked == ()
    assert unpriced.lost[0].misses == ("no price of an hour of it is stored or given",)


def test_cost_falls_back_to_stored_prices_and_says_whose_they_are(results: Any) -> None:
    results.mlperf("resnet", hardware=H100, throughput_per_s=1000.0)
    results.mlperf("resnet", hardware=A100, throughput_per_s=500.0)
    results.mlperf("resnet", hardware="NVIDIA A30", throughput_per_s=100.0)
    offers = [
        Price(
            hw_id=hw_id, device_text=hw_id, kind=PriceKind.CLOUD, provider="A Cloud", region="north", instance="big",
            n_devices=2, usd=usd, per_hour=True, terms=terms, as_of="2026-11", source="list.csv", source_row=1,
        )
        for hw_id, usd, terms in (
            ("nvidia-h100-pcie-80gb", 6.0, Terms.ON_DEMAND),
            ("nvidia-a100-pcie-80gb", 2.0, Terms.ON_DEMAND),
            ("nvidia-a30", 0.5, Terms.SPOT),
        )
    ]  # fmt: skip
    append_prices(results.store, offers, CatalogueImport("list.csv", "csv", "0" * 64, 3, 0))
    ranking = rank(results, "resnet", objective=Objective.COST, prices_usd_per_h=read_prices(f"{H100}=0.8"))
    assert {label: (price.usd, price.offer) for label, price in ranking.prices.items()} == {
        H100: (0.8, None),
        A100: (1.0, offers[1]),
    }
    by_label = {one.label: one.cost_usd for one in ranking.ranked}
    assert by_label[f"8 × {H100}"].reason == "derived: 6.4 USD an hour (as given) over throughput"
    stored = by_label[f"8 × {A100}"]
    assert stored.value == pytest.approx(8 * 1.0 / 3600 / 500 * 1e6)
    assert stored.reason == (
        "derived: 8 USD an hour (A Cloud big north, on demand, 2026-11, stored from list.csv) over throughput"
    )
    assert [one.misses for one in ranking.lost] == [("no price of an hour of it is stored or given",)]


def test_a_slice_does_not_cost_what_the_whole_device_costs() -> None:
    book = PriceBook({"nvidia-l4": 0.7, "a slice": 0.1})
    assert book.price_of(DeviceName("NVIDIA L4", "nvidia-l4")) == HourPrice(0.7)
    assert book.price_of(DeviceName("a slice", "nvidia-l4", "1/4")) == HourPrice(0.1)
    assert "part of a device" in str(book.price_of(DeviceName("another", "nvidia-l4", "1/8")))
    assert book.price_of(DeviceName("nobody's")) == "no price of an hour of it is stored or given"


@pytest.mark.parametrize("text", ["nvidia-l4", "nvidia-l4=much", "=1", "nvidia-l4=0", "nvidia-l4=inf", "a=-1"])
def test_prices_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not understood"):
        read_prices(text)


def test_prices_are_read_by_name_and_id() -> None:
    assert read_prices(" nvidia-l4=0.71 , NVIDIA A30=1.1,") == {"nvidia-l4": 0.71, "NVIDIA A30": 1.1}
    assert read_prices("") == {}


def test_what_may_not_be_ranked_takes_no_part(results: Any) -> None:
    results.imported("bert/base", hardware=L4, throughput_per_s=100.0)
    results.imported("bert/base", hardware=H100, throughput_per_s=900.0, marks=composed.marked())
    results.measured("bert/base", hardware=A100, throughput_per_s=900.0, verdict=Verdict.CONTAMINATED)
    ranking = rank(results)
    assert labels(ranking) == [L4]
    assert sum(one.count for one in ranking.left_out) == 2


def test_devices_measured_with_other_work_are_named_as_not_measured(results: Any) -> None:
    results.imported("bert/base", hardware=L4, throughput_per_s=100.0)
    results.imported("resnet/50", hardware=H100, throughput_per_s=100.0)
    assert rank(results).unmeasured == (H100,)


def test_a_workload_without_numbers_has_no_basis(results: Any) -> None:
    results.imported("resnet/50", hardware=H100, throughput_per_s=100.0)
    ranking = rank(results, "nothing")
    assert ranking.basis is None
    assert ranking.candidates == ()


def test_only_systems_of_so_many_devices(results: Any) -> None:
    results.mlperf("resnet", throughput_per_s=800.0)
    results.mlperf("resnet", throughput_per_s=90.0, options={"accelerators_per_node": 1})
    assert labels(rank(results, "resnet")) == [f"8 × {H100}", H100]
    assert labels(rank(results, "resnet", accelerators=1)) == [H100]
