"""CSV and Parquet of any make, as a mapping says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.core.records import SampleSeries
from assay.core.words import Mark, Mode, Status
from assay.importers.base import ImportedRow, ImportFileError, Item, Note, Refusal, importers
from assay.importers.source import Source
from assay.importers.tables.mapping import parse_mapping
from assay.importers.tables.mapping_yaml import MappingError
from assay.importers.tables.suggest import suggest_mapping

ReadItems = Callable[..., list[Item]]
Rows = Callable[[list[Item]], list[ImportedRow]]
Values = Callable[[ImportedRow], dict[str, float | None]]

MAPPING = """\
workload: {column: model, words: {bert: bert/base}}
engine: {value: onnxruntime}
device: {column: gpu}
mode: {column: kind, words: {infer: inference, train: training}}
precision: {column: dtype, words: {float16: fp16}}
batch: {column: bs}
shape: {seq: {column: seq}}
options: {threads: {column: threads}, graph: {value: true}}
hardware: {column: gpu}
parameters: {column: params}
unit_of_work: {value: sequence}
units_per_call: {column: bs}
metrics:
  - {metric: latency_ns, column: lat, unit: ms, stat: median}
  - {metric: energy_j_per_call, column: joules, unit: mJ}
  - {metric: accuracy, column: acc, unit: "%", zero_is_unknown: false}
samples: {column: runs, unit: us}
status: {column: state, ok: [done], failed: [error], oom: [OOM], reason: why}
timestamp: {column: when, zone: Europe/Berlin}
simulated: {column: sim, yes: [true], no: [false]}
skip: [{column: kind, equals: [warmup]}]
"""
HEADER = "model,gpu,kind,dtype,bs,seq,threads,params,lat,joules,acc,runs,state,why,when,sim,extra\n"
GOOD = "bert,A100,infer,float16,8,128,4,110000000,1.5,20,0,[1500; 1600],done,,2026-01-31T12:00:00,false,x\n"
GOOD = GOOD.replace("[1500; 1600]", "1500; 1600")


def test_a_row_says_what_the_mapping_makes_of_it(read_items: ReadItems, rows_of: Rows, values_of: Values) -> None:
    (row,) = rows_of(read_items("csv", HEADER + GOOD, mapping=MAPPING))
    assert row.place == "row 1"
    case = row.case
    assert (case.workload, case.engine, case.device, case.mode) == ("bert/base", "onnxruntime", "A100", Mode.INFERENCE)
    assert (case.precision, case.batch, case.shape) == ("fp16", 8, (("seq", 128),))
    assert case.options == (("graph", True), ("threads", 4))
    assert (row.hardware, row.parameters, row.unit_of_work, row.units_per_call) == (
        "A100",
        110_000_000,
        "sequence",
        8.0,
    )
    assert values_of(row) == {"latency_ns.median": 1.5e6, "energy_j_per_call.mean": 0.02, "accuracy.mean": 0.0}
    assert row.conversions["energy_j_per_call.mean"].factor == 1e-3
    assert row.samples == (SampleSeries("latency", "ns", (1_500_000, 1_600_000)),)
    assert row.measured_at == datetime(2026, 1, 31, 11, tzinfo=UTC)
    assert row.simulated is False
    assert row.fields["extra"] == "x"
    assert "runs" not in row.fields


def test_states_skips_and_simulation(read_items: ReadItems, rows_of: Rows, values_of: Values) -> None:
    failed = GOOD.replace("1.5,20,0", "ERR,0,").replace("done,", "Error,no such kernel").replace("false", "TRUE")
    text = HEADER + GOOD.replace("infer", "warmup") + failed + GOOD.replace("done", "oom")
    items = read_items("csv", text, mapping=MAPPING)
    error, full = rows_of(items)
    assert (error.place, error.status, error.reason) == ("row 2", Status.FAILED, "no such kernel")
    assert set(values_of(error).values()) == {None}
    assert (error.simulated, error.marks) == (True, {Mark.SIMULATED: "the source says so"})
    assert (full.status, full.reason) == (Status.OOM, "state is oom")
    assert items[-1] == Note("1 row passed over, as the mapping's 'skip' says: kind is warmup.")


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("1.5,", "fast,", "lat: 'fast' is not a number."),
        ("1.5,", "-1.5,", "lat: -1.5 ms is negative."),
        ("bert,", ",", "model is empty, so it is not known what was measured."),
        (
            "infer",
            "dream",
            (
                "mode: 'dream' is none of inference, generation, training, data, serving; give it among the words of "
                "the mapping."
            ),
        ),
        (",8,128,", ",8.5,128,", "bs: 8.5 is not a count, expected a whole number of at least 0."),
        ("done", "unclear", "state: 'unclear' is in no list of the mapping's status (done, error, oom)."),
        ("2026-01-31T12", "31.1.", "when: '31.1.:00:00' is no time, expected ISO 8601, such as 2026-01-31T12:00:00Z."),
        ("1500; 1600", "1500; 0", "runs: a reading is missing, zero or negative."),
        ("1500; 1600", "[1500", "runs: '[1500' is no list of numbers."),
        ("1500; 1600", "1e300", "1e+300 is no time that can have been measured."),
    ],
)
def test_a_broken_row_is_refused_and_the_others_are_taken(
    old: str, new: str, error: str, read_items: ReadItems, rows_of: Rows
) -> None:
    items = read_items("csv", HEADER + GOOD.replace(old, new, 1) + GOOD, mapping=MAPPING)
    assert [(item.place, item.error) for item in items if isinstance(item, Refusal)] == [("row 1", error)]
    assert [row.place for row in rows_of(items)] == ["row 2"]


def test_times_by_format_and_without_a_zone(read_items: ReadItems, rows_of: Rows) -> None:
    base = "workload: {value: w}\nmetrics: [{metric: score, column: a, unit: '1'}]\ntimestamp: "
    text = "a,t\n1,1700000000000\n"
    (row,) = rows_of(read_items("csv", text, mapping=base + "{column: t, format: epoch_ms}\n"))
    assert row.measured_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    mapping = base + "{column: t, format: '%d.%m.%Y %H:%M', zone: UTC}\n"
    (row,) = rows_of(read_items("csv", "a,t\n1,31.01.2026 12:30\n", mapping=mapping))
    assert row.measured_at == datetime(2026, 1, 31, 12, 30, tzinfo=UTC)
    (item,) = read_items("csv", "a,t\n1,2026-01-31\n", mapping=base + "{column: t}\n")
    assert isinstance(item, Refusal)
    assert item.error == "t: '2026-01-31' has no time zone; give one in the mapping."


def test_a_delimiter_of_its_own(read_items: ReadItems, rows_of: Rows, values_of: Values) -> None:
    mapping = "workload: {value: w}\nmetrics: [{metric: score, column: b, unit: '1'}]\ndelimiter: ';'\n"
    (row,) = rows_of(read_items("csv", "a;b\nx,y;2\n", mapping=mapping))
    assert values_of(row) == {"score.mean": 2.0}
    assert row.fields == {"a": "x,y", "b": "2"}


def test_parquet_says_the_same(tmp_path: Path, values_of: Values) -> None:
    mapping = tmp_path / "map.yaml"
    mapping.write_text(MAPPING.replace("zone: Europe/Berlin", "zone: UTC"))
    columns = {
        "model": ["bert", None], "gpu": ["A100", "A100"], "kind": ["infer", "infer"], "dtype": ["float16", None],
        "bs": [8, 8], "seq": [128.0, None], "threads": [4, None], "params": [110_000_000, 1],
        "lat": [1.5, float("nan")], "joules": [20, 20], "acc": [0.0, 1.0], "runs": [[1500.0, 1600.0], None],
        "state": ["done", "done"], "why": [None, None], "when": [datetime(2026, 1, 31, 12, tzinfo=UTC), None],
        "sim": [False, None], "blob": [b"\x01", None],
    }  # fmt: skip
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table(columns), path)
    source = Source(path, "table.parquet", path.stat().st_size, mapping=mapping)
    importer = importers.get("parquet")
    assert importer.recognise(source)
    assert not importers.get("csv").recognise(source)
    row, refusal = list(importer.read(source))
    assert isinstance(row, ImportedRow)
    assert values_of(row) == {"latency_ns.median": 1.5e6, "energy_j_per_call.mean": 0.02, "accuracy.mean": 0.0}
    assert row.case.shape == (("seq", 128),)
    assert row.samples[0].values == (1_500_000, 1_600_000)
    assert row.measured_at == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert row.simulated is False
    assert row.fields["blob"] == "01"
    assert isinstance(refusal, Refusal)
    assert (refusal.place, refusal.error) == ("row 2", "model is empty, so it is not known what was measured.")


def test_parquet_that_is_cut_is_refused_as_a_whole(make_source: Callable[..., Source]) -> None:
    source = make_source(b"PAR1" + b"\0" * 40, mapping=MAPPING)
    assert importers.get("parquet").recognise(source)
    with pytest.raises(ImportFileError, match="is no Parquet file that can be read"):
        list(importers.get("parquet").read(source))


def test_without_a_mapping_nothing_is_known(make_source: Callable[..., Source]) -> None:
    source = make_source(HEADER + GOOD)
    assert not importers.get("csv").recognise(source)
    with pytest.raises(ImportFileError, match="needs a mapping file that says what its columns mean"):
        list(importers.get("csv").read(source))


def test_a_column_that_is_not_there_is_a_fault_of_the_mapping(read_items: ReadItems) -> None:
    with pytest.raises(MappingError, match=r"map.yaml:5:21: unknown column 'dtype'. Did you mean 'dtypes'\?"):
        read_items("csv", HEADER.replace("dtype", "dtypes") + GOOD, mapping=MAPPING)


def test_a_suggested_mapping_reads_its_table(
    make_source: Callable[..., Source], read_items: ReadItems, rows_of: Rows, values_of: Values
) -> None:
    text = (
        "model,backend,gpu,batch_size,seq_len,p95_latency_ms,throughput,peak_memory_gb,success,timestamp,odd: name\n"
        "m,onnx,A100,4,64,2.0,2000,1.5,true,2026-01-31T12:00:00,7\n"
    )
    mapping = suggest_mapping(make_source(text))
    assert "# Columns that are kept as they are, among the fields of the row:\n#   odd: name  # such as 7" in mapping
    (row,) = rows_of(read_items("csv", text, mapping=mapping))
    assert (row.case.workload, row.case.engine, row.case.device, row.case.batch) == ("m", "onnx", "A100", 4)
    assert row.case.shape == (("seq", 64),)
    assert values_of(row) == {
        "latency_ns.p95": 2e6,
        "throughput_per_s.mean": 2000.0,
        "memory_used_bytes.max": 1.5e9,
    }
    assert row.measured_at == datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("header", ['"a\nb","c""d",\x07', "x", "model,model,latency_us,latency_us", "ü;latency;é"])
def test_whatever_the_header_a_suggestion_can_be_read(header: str, make_source: Callable[..., Source]) -> None:
    parse_mapping(suggest_mapping(make_source(f"{header}\n")), "map.yaml")


def test_nothing_is_suggested_for_an_empty_file(make_source: Callable[..., Source]) -> None:
    with pytest.raises(ImportFileError):
        suggest_mapping(make_source(""))
