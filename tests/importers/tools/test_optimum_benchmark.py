from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.words import Mark, Mode
from assay.importers.base import Facts, ImportFileError, Note, Refusal
from assay.importers.source import Source
from assay.importers.tools.optimum_benchmark import OptimumBenchmark

MakeSource = Callable[..., Source]
LABEL = "optimum-benchmark"


def read(source: Source) -> list[Any]:
    return list(OptimumBenchmark().read(source))


def values_of(row: Any) -> dict[tuple[str, str, str], float | None]:
    return {(one.name, one.stat, one.phase): one.value for one in row.metrics}


def test_a_run_is_a_row_with_the_numbers_of_its_targets(content: Callable[[str], Any], source: MakeSource) -> None:
    facts, row = read(source(content(LABEL)))
    assert isinstance(facts, Facts)
    assert (facts.hardware, row.place) == ("Some GPU", "/report")
    assert row.case.to_dict() == {
        "workload": "org/tiny", "engine": "torch", "device": "cuda", "mode": "generation", "precision": "bf16",
        "batch": 2, "shape": {"seq": 16},
        "options": {
            "library": "transformers", "new_tokens": 11, "num_beams": 1, "quantization": "bnb",
            "task": "text-generation", "torch_compile": True,
        },
    }  # fmt: skip
    values = values_of(row)
    steady_means = {name: value for (name, stat, phase), value in values.items() if (stat, phase) == ("mean", "steady")}
    assert steady_means == {
        "load_ns": 2.5e9, "first_infer_ns": 0.5e9, "generation_ns": 20e6, "prefill_ns": 20e6,
        "inter_token_latency_ns": 20e6, "decode_tokens_per_s": 1000.0,
    }  # fmt: skip
    assert values["latency_ns", "p99", "decode"] == pytest.approx(29.8e6)
    assert values["prefill_ns", "median", "steady"] == 20e6
    assert values["throughput_per_s", "mean", "prefill"] == 100.0
    assert ("load_ns", "std", "steady") not in values
    names = {series.name: series.values for series in row.samples}
    assert names["decode_latency_ns"] == (10_000_000, 20_000_000, 30_000_000)
    assert (names["load_ns"], len(names)) == ((2_500_000_000,), 6)
    assert "values" not in row.fields["report"]["prefill"]["latency"]


def test_memory_is_in_bytes_by_who_counted_it(content: Callable[[str], Any], source: MakeSource) -> None:
    values = values_of(read(source(content(LABEL)))[1])
    assert values["memory_used_bytes", "max", "prefill"] == 800.5e6
    assert values["device_memory_peak_bytes", "max", "prefill"] == 256e6
    assert values["device_memory_driver_bytes", "max", "prefill"] == 1024e6
    assert values["memory_used_bytes", "max", "prefill.reserved"] == 512e6
    assert ("memory_used_bytes", "max", "prefill.process_vram") not in values


def test_energy_is_in_joules_of_a_call_and_of_a_sample(content: Callable[[str], Any], source: MakeSource) -> None:
    row = read(source(content(LABEL)))[1]
    values = values_of(row)
    assert values["energy_j_per_call", "mean", "prefill"] == pytest.approx(12.6)
    assert values["energy_j_per_call", "mean", "prefill.gpu"] == pytest.approx(7.2)
    assert values["energy_j_per_sample", "mean", "prefill"] == pytest.approx(6.3)
    assert Mark.DERIVED in row.marks


def test_the_rate_of_generations_that_counts_tokens_is_put_right(
    content: Callable[[str], Any], source: MakeSource
) -> None:
    row = read(source(content(LABEL)))[1]
    assert values_of(row)["throughput_per_s", "mean", "generate"] == 100.0
    assert row.marks[Mark.CORRECTED] == (
        "generate/throughput is 1000 samples/s in the file, which counts tokens; read as 100"
    )
    assert row.conversions["throughput_per_s.mean.generate"].factor == 0.1
    right = content(LABEL)
    right["report"]["generate"]["throughput"]["value"] = 100.0
    row = read(source(right))[1]
    assert values_of(row)["throughput_per_s", "mean", "generate"] == 100.0
    assert Mark.CORRECTED not in row.marks


def test_training_and_other_tasks(content: Callable[[str], Any], source: MakeSource) -> None:
    changed = content(LABEL)
    one = changed["report"]["generate"]
    changed["report"] = {
        "overall": one,
        "warmup": one,
        "train": {**one, "throughput": {"unit": "samples/s", "value": 5}},
    }
    changed["config"]["scenario"] = {"name": "training", "training_arguments": {"per_device_train_batch_size": 4}}
    changed["config"]["backend"] |= {"device": "cpu", "torch_dtype": None, "task": "fill-mask"}
    facts, row = read(source(changed))
    assert facts.hardware == "Some CPU"
    assert (row.case.mode, row.case.batch, row.case.precision) == (Mode.TRAINING, 4, None)
    values = values_of(row)
    assert values["throughput_per_s", "mean", "steady"] == 5
    assert values["latency_ns", "mean", "warmup"] == values["latency_ns", "mean", "steady"] == 20e6


def test_a_report_alone_does_not_name_its_model(files: dict[str, Any], source: MakeSource) -> None:
    opened = source(files["optimum-benchmark, report"][2])
    note, row = read(opened)
    assert isinstance(note, Note)
    assert row.case.workload == "unnamed"
    assert row.case.options == (("report", opened.sha256[:12]),)
    assert Mark.CORRECTED not in row.marks


def test_a_configuration_alone_has_no_row(files: dict[str, Any], source: MakeSource) -> None:
    facts, note = read(source(files["optimum-benchmark, config"][2]))
    assert isinstance(facts, Facts)
    assert isinstance(note, Note)


def test_several_kinds_of_gpu_are_no_hardware(content: Callable[[str], Any], source: MakeSource) -> None:
    changed = content(LABEL)
    changed["config"]["environment"]["gpu"] = ["One", "Other"]
    assert read(source(changed))[0].hardware is None


@pytest.mark.parametrize(
    ("target", "group", "key", "value", "error"),
    [
        (
            "prefill",
            "latency",
            "unit",
            "parsec",
            "latency/unit is 'parsec', expected one of ns, us, µs, ms, s, min, h.",
        ),
        ("prefill", "latency", "mean", -1, "prefill/latency/mean: -1 s is negative."),
        ("prefill", "latency", "values", [float("nan")], "latency/values[0] is nan, expected a number of at least 0."),
        (
            "prefill",
            "latency",
            "count",
            1.5,
            "latency/count: 1.5 is not a count, expected a whole number of at least 0.",
        ),
        ("prefill", "memory", "unit", None, "memory/unit is None, expected one of B, KB, MB, GB, KiB, MiB, GiB."),
        ("prefill", "energy", "total", -1e-6, "prefill/energy/total: -1e-06 kWh is negative."),
        ("prefill", "efficiency", "unit", "samples", "efficiency/unit is 'samples', expected something per kWh."),
        ("decode", "throughput", "unit", 5, "throughput/unit is 5, expected something per s."),
    ],
)
def test_what_is_wrong_is_named(
    target: str,
    group: str,
    key: str,
    value: object,
    error: str,
    content: Callable[[str], Any],
    source: MakeSource,
) -> None:
    changed = content(LABEL)
    changed["report"][target][group][key] = value
    refused = read(source(changed))[-1]
    assert isinstance(refused, Refusal)
    assert (refused.place, refused.error) == ("/report", f"{target}: {error}")


def test_a_model_that_is_not_named_and_a_report_without_numbers(
    content: Callable[[str], Any], source: MakeSource
) -> None:
    changed = content(LABEL)
    del changed["config"]["backend"]["model"]
    assert read(source(changed))[-1].error == "model is missing."
    changed = content(LABEL)
    changed["report"] = {"forward": dict.fromkeys(("memory", "latency", "throughput", "energy", "efficiency"))}
    assert read(source(changed))[-1].error == "it has no number (nothing that is known)."
    with pytest.raises(ImportFileError, match="neither a report nor a configuration"):
        read(source({"a": 1}))


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.floats(1e-9, 1e6), min_size=2, max_size=20), mean=st.floats(1e-9, 1e6))
def test_numbers_written_are_numbers_read(
    files: dict[str, Any], source: MakeSource, values: list[float], mean: float
) -> None:
    latency = {"unit": "s", "values": values, "count": len(values), "mean": mean}
    row = read(source({**files[LABEL][2], "report": {"forward": {"latency": latency}}}))[1]
    assert values_of(row) == {("latency_ns", "mean", "steady"): mean * 1e9}
    assert row.samples[0].values == tuple(round(value * 1e9) for value in values)
