"""Speeds of language models: llama-bench, tables in documents, LLM-Pilot, vLLM, ML.ENERGY."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from assay.core.records import SampleSeries
from assay.core.words import Mark, Mode, Status
from assay.importers.base import Facts, ImportedRow, Item, Note, Refusal
from assay.importers.tables.llama_bench import split_model

Read = Callable[[str], list[Item]]
ReadItems = Callable[..., list[Item]]
Rows = Callable[[list[Item]], list[ImportedRow]]
Values = Callable[[ImportedRow], dict[str, float | None]]


def test_llama_bench_json(read_sample: Read, rows_of: Rows, values_of: Values) -> None:
    items = read_sample("llama-bench.json")
    facts = [item for item in items if isinstance(item, Facts)]
    assert [fact.hardware for fact in facts] == ["Some GPU"]
    assert facts[0].values["build_commit"] == "abc1234"
    prompt, made = rows_of(items)
    assert (prompt.place, made.place) == ("/0", "/1")
    assert prompt.case.workload == "qwen2 7B"
    assert prompt.case.precision == "Q4_K_M"
    assert prompt.case.engine == "llama.cpp"
    assert prompt.case.device == "Some GPU"
    assert prompt.case.mode is Mode.GENERATION
    assert prompt.case.shape == (("seq", 512),)
    assert dict(prompt.case.options)["flash_attn"] == 1
    assert dict(made.case.options)["new_tokens"] == 128
    assert prompt.measured_at == datetime(2025, 4, 24, 11, 57, 9, tzinfo=UTC)
    assert prompt.parameters == 7_600_000_000
    assert prompt.samples == (SampleSeries("latency", "ns", (99_000_000, 101_000_000)),)
    assert "samples_ns" not in prompt.fields
    assert values_of(prompt) == {
        "prefill_tokens_per_s.mean": 5120.0,
        "prefill_tokens_per_s.std": 51.0,
        "prefill_ns.mean": 1e8,
        "prefill_ns.std": 1e6,
        "model_bytes.mean": 4e9,
    }
    assert values_of(made)["decode_tokens_per_s.mean"] == 128.0
    assert values_of(made)["generation_ns.mean"] == 1e9


def test_llama_bench_says_the_same_in_each_form(read_sample: Read, rows_of: Rows, values_of: Values) -> None:
    ours = rows_of(read_sample("llama-bench.json"))[0]
    lines = rows_of(read_sample("llama-bench.jsonl"))
    table = rows_of(read_sample("llama-bench.csv"))
    assert [row.place for row in lines] == ["row 1", "row 2"]
    assert lines[0].case == ours.case == table[0].case
    assert values_of(lines[0]) == values_of(ours) == values_of(table[0])


def test_llama_bench_markdown(read_sample: Read, rows_of: Rows, values_of: Values) -> None:
    rows = rows_of(read_sample("llama-bench.md"))
    assert [row.place for row in rows] == ["line 3", "line 4", "line 5"]
    assert values_of(rows[0]) == {"prefill_tokens_per_s.mean": 2368.8, "prefill_tokens_per_s.std": 93.24}
    assert values_of(rows[1])["decode_tokens_per_s.mean"] == 131.42
    assert values_of(rows[2])["total_tokens_per_s.mean"] == 540.1
    assert (rows[0].case.workload, rows[0].case.precision) == ("llama 7B", "Q4_0")
    assert dict(rows[1].case.options) == {"backend": "CUDA", "n_depth": 1024, "new_tokens": 128, "ngl": 99}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"n_prompt": 0}, "n_prompt and n_gen are both 0, so nothing was timed."),
        ({"avg_ts": "fast"}, "avg_ts: 'fast' is not a number."),
        ({"avg_ts": -1}, "avg_ts: -1 1/s is negative."),
        (
            {"avg_ns": 100},
            (
                "avg_ts is 5120, but (n_prompt + n_gen) / avg_ns gives 5.12e+09: one of these numbers is not in the "
                "unit of its name."
            ),
        ),
        ({"samples_ns": [0]}, "samples_ns: a repetition of 0 ns cannot be."),
        ({"samples_ns": 7}, "samples_ns: 7 is no list."),
        ({"model_type": ""}, "model_type is empty, so it is not known what was measured."),
        ({"test_time": "yesterday"}, "test_time: 'yesterday' is no time such as 2025-04-24T11:57:09Z."),
        ({"n_prompt": 10**30}, f"n_prompt: {10**30} is more than a count can be."),
    ],
)
def test_a_broken_test_is_refused_with_its_place(
    changes: dict[str, object], error: str, samples: dict[str, tuple[str, str]], read_items: ReadItems, rows_of: Rows
) -> None:
    records = json.loads(samples["llama-bench.json"][1])
    records[0] |= changes
    items = read_items("llama-bench", json.dumps(records))
    assert [(item.place, item.error) for item in items if isinstance(item, Refusal)] == [("/0", error)]
    assert len(rows_of(items)) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("qwen2 7B Q4_K - Medium", ("qwen2 7B", "Q4_K_M")),
        ("llama 7B mostly Q4_0", ("llama 7B", "Q4_0")),
        ("llama 8B all F32", ("llama 8B", "F32")),
        ("llama 8B IQ3_S mix - 3.66 bpw", ("llama 8B", "IQ3_S")),
        ("gpt-oss 20B MXFP4 MoE", ("gpt-oss 20B", "MXFP4 MoE")),
        ("something", ("something", None)),
    ],
)
def test_models_are_parted_from_their_quantisation(text: str, expected: tuple[str, str | None]) -> None:
    assert split_model(text) == expected


def test_tables_of_speeds(read_sample: Read, rows_of: Rows, values_of: Values) -> None:
    items = read_sample("speeds.md")
    rows = rows_of(items)
    assert [row.place for row in rows] == [
        "line 7, column 8B Q4_K_M",
        "line 7, column 70B F16",
        "line 8, column 8B Q4_K_M",
        "line 8, column 70B F16",
        "line 14, column tg 512",
        "line 14, column pp 1024",
        "line 15, column tg 512",
        "line 15, column pp 1024",
    ]
    assert [row.status for row in rows] == [Status.OK, Status.OOM, *[Status.OK] * 5, Status.SKIPPED]
    assert values_of(rows[0]) == {"decode_tokens_per_s.mean": 70.94}
    assert values_of(rows[1]) == {"decode_tokens_per_s.mean": None}
    assert rows[1].reason == "the source says OOM"
    assert values_of(rows[2]) == {"decode_tokens_per_s.mean": 122.56}
    assert values_of(rows[5]) == {"prefill_tokens_per_s.mean": 5064.99}
    assert rows[0].case.workload == rows[4].case.workload == "LLaMA 3 8B"
    assert (rows[0].case.precision, rows[1].case.precision) == ("Q4_K_M", "F16")
    assert rows[0].case.engine == "llama.cpp"
    assert (rows[2].case.device, dict(rows[2].case.options)) == ("4090 24GB", {"accelerators": 2, "new_tokens": 1024})
    assert rows[6].case.device == "4080 16GB"  # named once for the rows below
    assert rows[5].case.shape == (("seq", 1024),)
    assert all(Mark.UNVERIFIED in row.marks for row in rows)
    assert [item.text for item in items if isinstance(item, Note)] == [
        "The table at line 19 (Quantization, Perplexity) has no speeds; not imported."
    ]


def test_rows_of_a_table_that_do_not_fit_are_refused(read_items: ReadItems) -> None:
    text = (
        "Speed in tokens/s\n\n| GPU | Model | tg 512 |\n|---|---|---|\n| | 8B F16 | 1 |\n| A | 8B F16 |\n"
        "| A | 8B F16 | fast |\n"
    )
    refusals = [item for item in read_items("llm-table", text) if isinstance(item, Refusal)]
    assert [(refusal.place, refusal.error) for refusal in refusals] == [
        ("line 5", "The row names no device or no model."),
        ("line 6", "2 cells, expected 3."),
        ("line 7, column tg 512", "tg 512: 'fast' is not a number."),
    ]


def test_llm_pilot(read_sample: Read, rows_of: Rows, values_of: Values) -> None:
    (row,) = rows_of(read_sample("pilot.csv"))
    assert row.place == "row 1"
    assert (row.case.workload, row.case.device, row.case.mode) == ("some/model", "A100", Mode.SERVING)
    assert dict(row.case.options) == {"accelerators": 2, "users": 16}
    values = values_of(row)
    assert values["output_tokens_per_s.mean"] == 100.0
    assert values["time_to_first_token_ns.median"] == 44e6
    assert values["inter_token_latency_ns.p99"] == 21.5e6
    assert values["score.median.median_nttft"] == 0.53
    assert values["wall_time_ns.mean"] == 120e9
    assert row.fields["mean_in_tokens"] == "112.3"


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (
            "600,100.0",
            "600,0.1",
            (
                "throughput is 0.1, but n_requests x mean_out_tokens / experiment_s gives 100: one of these numbers is "
                "not in the unit of its name."
            ),
        ),
        ("600,100.0", "6.5,100.0", "n_requests: 6.5 is not a count, expected a whole number of at least 0."),
        ("44.0", "-44.0", "median_ttft: -44 ms is negative."),
        ("2 x A100", "", "gpu is empty, so it is not known what was measured."),
    ],
)
def test_a_broken_row_of_llm_pilot_is_refused(
    old: str, new: str, error: str, samples: dict[str, tuple[str, str]], read_items: ReadItems
) -> None:
    (item,) = read_items("llm-pilot", samples["pilot.csv"][1].replace(old, new))
    assert isinstance(item, Refusal)
    assert (item.place, item.error) == ("row 1", error)


def test_vllm_serve(read_sample: Read, rows_of: Rows, values_of: Values) -> None:
    (row,) = rows_of(read_sample("serve.json"))
    assert row.place == ""
    assert (row.case.workload, row.case.engine, row.case.mode) == ("some/model-7b", "vllm", Mode.SERVING)
    assert dict(row.case.options)["request_rate"] == "inf"
    assert row.measured_at is None  # the date is of no time zone
    values = values_of(row)
    assert values["throughput_per_s.mean"] == 4.95
    assert values["output_tokens_per_s.mean"] == 1000.0
    assert values["time_to_first_token_ns.p99"] == 90.5e6
    assert values["time_to_first_token_ns.std"] == 0.0
    assert values["time_per_output_token_ns.median"] == 12e6
    assert values["serving_latency_ns.p99.9"] == 3e9
    assert row.samples == (
        SampleSeries("time_to_first_token", "ns", (50_000_000, 70_000_000)),
        SampleSeries("inter_token_latency", "ns", (10_000_000, 0, 12_000_000)),
    )
    assert "ttfts" not in row.fields
    assert row.fields["date"] == "20250131-120000"


def test_vllm_of_nothing_completed_has_failed(samples: dict[str, tuple[str, str]], read_items: ReadItems) -> None:
    content = json.loads(samples["serve.json"][1]) | {"completed": 0, "failed": 100, "request_throughput": 0.0}
    (row,) = read_items("vllm-bench", json.dumps(content))
    assert isinstance(row, ImportedRow)
    assert (row.status, row.reason) == (Status.FAILED, "no request was completed, 100 failed")


def test_vllm_of_an_api_names_no_engine(
    samples: dict[str, tuple[str, str]], read_items: ReadItems, rows_of: Rows
) -> None:
    content = json.loads(samples["serve.json"][1]) | {"backend": "openai-chat"}
    (row,) = rows_of(read_items("vllm-bench", json.dumps(content)))
    assert row.case.engine is None
    assert dict(row.case.options)["backend"] == "openai-chat"


def test_vllm_appended_lines(samples: dict[str, tuple[str, str]], read_items: ReadItems, rows_of: Rows) -> None:
    items = read_items("vllm-bench", samples["serve.jsonl"][1] + '{"broken\n{"a": 1}\n')
    assert [row.place for row in rows_of(items)] == ["row 1", "row 2"]
    refusals = [item for item in items if isinstance(item, Refusal)]
    assert [refusal.place for refusal in refusals] == ["row 3", "row 4"]
    assert refusals[1].error == "The line has not the fields of a result."


def test_vllm_latency_and_throughput(read_sample: Read, rows_of: Rows, values_of: Values) -> None:
    items = read_sample("latency.json")
    (latency,) = rows_of(items)
    assert values_of(latency) == {"latency_ns.mean": 2e9, "latency_ns.median": 2e9, "latency_ns.p99": 2.1e9}
    assert latency.samples[0].values == (1_900_000_000, 2_100_000_000)
    assert isinstance(items[0], Note)
    (throughput,) = rows_of(read_sample("throughput.json"))
    assert values_of(throughput) == {
        "throughput_per_s.mean": 5.0,
        "total_tokens_per_s.mean": 2000.0,
        "wall_time_ns.mean": 10e9,
    }


def test_ml_energy(read_sample: Read, rows_of: Rows, values_of: Values) -> None:
    writer, painter, filmer = rows_of(read_sample("energy.csv"))
    assert [row.unit_of_work for row in (writer, painter, filmer)] == ["token", "image", "video"]
    assert [row.case.mode for row in (writer, painter, filmer)] == [Mode.SERVING, Mode.INFERENCE, Mode.INFERENCE]
    assert writer.case.precision == "bf16"
    assert values_of(writer) == {
        "output_tokens_per_s.mean": 200.0,
        "energy_j_per_sample.mean": 1.5,
        "energy_j_per_call.mean": 900.0,
        "inter_token_latency_ns.median": 33.6e6,
        "inter_token_latency_ns.p90": 51.6e6,
        "inter_token_latency_ns.p95": None,
        "inter_token_latency_ns.p99": None,
        "average_power_w.mean": 300.0,
    }
    assert painter.case.shape == (("height", 1024), ("width", 768))
    assert painter.case.batch == 8
    assert values_of(painter)["latency_ns.mean"] == 4e9
    assert filmer.case.shape == (("frames", 81), ("height", 480), ("width", 832))
    assert dict(filmer.case.options)["accelerators"] == 4


def test_power_that_its_energy_contradicts_is_refused(
    samples: dict[str, tuple[str, str]], read_items: ReadItems
) -> None:
    items = read_items("ml-energy", samples["energy.csv"][1].replace("\n300.0,", "\n0.3,"))
    assert isinstance(items[0], Refusal)
    assert items[0].place == "row 1"
    assert items[0].error.startswith("avg_power_watts is 0.3, but output_throughput_tokens_per_sec x energy_per_token")
