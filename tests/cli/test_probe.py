"""``assay probe`` and what explains a result, by a probe made up here."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from assay.cli import probe as command
from assay.cli.explain import explain_lines, explain_row
from assay.cli.main import app
from assay.core.absence import Unavailable
from assay.core.case import Case
from assay.core.errors import UnknownNameError, UsageError
from assay.core.ids import new_id
from assay.core.records import (
    EnvironmentRecord,
    LaunchRecord,
    MetricValue,
    ResultRecord,
    RunBundle,
    RunRecord,
    SampleSeries,
)
from assay.core.words import Provenance, RunStatus, Status, Verdict
from assay.probes.environment import collect_environment
from assay.recommend.explain import cached_cost, explain_results
from assay.report.base import ReportRequest
from assay.report.kinds.run import build as build_run_report
from assay.report.values import Table
from assay.runner import probe_device
from assay.runner.probe_device import ProbeProgress
from assay.runner.probe_process import Probed, ProbeJob, ProbeOutcome, Rate
from assay.runner.protocol import Failed
from assay.store import Store
from assay.workloads.cost_count import Cost, OpCost

NOW = datetime(2026, 11, 22, 5, tzinfo=UTC)
GFLOP = 10**9


def probed(**fields: Any) -> Probed:
    given: dict[str, Any] = {
        "rates": (
            Rate("gemm_flops_per_s", "fp32", 100e9, 110e9),
            Rate("cache_bandwidth_bytes_per_s", "16KiB", 200e9, 210e9),
            Rate("cache_bandwidth_bytes_per_s", "256MiB", 20e9, 21e9),
            Rate("copy_bandwidth_bytes_per_s", "steady", 18e9, 19e9),
            Rate("launch_overhead_ns", "steady", 1500.0, 1400.0),
        ),
        "series": (SampleSeries("gemm fp32 256", "ns", (1, 2, 3), 7),),
        "missing": {"gemm fp16": "RuntimeError: not implemented"},
        "costs_ns": {},
        "witnesses": {"clock_before_mhz": 2450.0},
        "facts": {"sync_check": "passed: by a double"},
        "threads": 2,
        "hardware": "",
    }
    return Probed(**(given | fields))


Probe = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Probe:
    """Run ``assay probe`` with launches that answer at once."""

    def invoke(*arguments: str, answer: Probed | Failed | None = None) -> Result:
        def launch(_job: ProbeJob, *, limit_s: float, on_phase: Callable[[str], None]) -> ProbeOutcome:
            del limit_s
            on_phase("copy")
            return ProbeOutcome(answer or probed(), NOW, 10**9, 0.0)

        original = probe_device.run_probe
        with monkeypatch.context() as patch:
            patch.setattr(probe_device, "run_probe", functools.partial(original, launcher=launch))
            app = typer.Typer()
            command.register(app)
            app.callback()(lambda: None)
            return CliRunner().invoke(app, ["probe", "--store", str(tmp_path / "store"), *arguments])

    return invoke


def test_the_table_has_rates_peaks_and_a_verdict(run: Probe) -> None:
    done = run()
    assert done.exit_code == 0, done.output
    assert re.search(r"matrix product fp32 +100 GFLOP/s +100 GFLOP/s … 100 GFLOP/s +110 GFLOP/s", done.output)
    assert re.search(r"read 16KiB again and again +200 GB/s", done.output)
    assert re.search(r"start of an operation +1.50 µs", done.output)
    assert "matrix product fp16: RuntimeError: not implemented" in done.output
    assert "verdict: ✓ trusted" in done.output
    assert "sync self-test passed: by a double" in done.output


def test_json_holds_the_run_the_result_and_every_sample(run: Probe) -> None:
    done = run("--json", "--launches", "2")
    content = json.loads(done.stdout)
    assert content["run"]["suite"] == "probe"
    assert [launch["samples"][0]["values"] for launch in content["launches"]] == [[1, 2, 3]] * 2
    named = {(one["name"], one["stat"], one["phase"]): one["value"] for one in content["results"][0]["metrics"]}
    assert named["copy_bandwidth_bytes_per_s", "median", "steady"] == 18e9
    assert {one["phase"] for one in content["peaks"]} >= {"fp32", "fp16"}


def test_a_terminal_is_told_what_is_being_measured_and_a_pipe_is_not() -> None:
    for is_terminal in (True, False):
        written = io.StringIO()
        console = Console(file=written, force_terminal=is_terminal, width=120)
        with command._Progress(console, "some CPU") as progress:
            progress(ProbeProgress(2, 3, "gemm fp32 512"))
        assert ("some CPU · launch 2/3 · gemm fp32 512" in written.getvalue()) is is_terminal
        assert bool(written.getvalue()) is is_terminal


def test_a_failed_probe_exits_4_and_says_why(run: Probe) -> None:
    done = run(answer=Failed(Status.FAILED, "the worker ended", "copy"))
    assert done.exit_code == 4
    assert "launch 1 of 3: the worker ended" in done.output


def test_an_unknown_precision_or_device_is_a_usage_error(run: Probe) -> None:
    assert isinstance(run("--precision", "fp33").exception, UnknownNameError)
    assert isinstance(run("--device", "cuda:99").exception, UnknownNameError)


def test_a_peak_is_computed_only_where_the_design_is_known(run: Probe) -> None:
    done = run()
    milan = {"vendor": "AMD", "model": "m", "family_model_stepping": "25-1-1", "isa": ["fma"], "max_mhz": None}
    environment = collect_environment()
    environment = dataclasses.replace(environment, facts={**environment.facts, "cpu": milan})
    store = Store.open(str(done.output.partition("kept in ")[2].split(" ")[0]))
    result = store.results()[-1]
    peaks = command.find_peaks(result, store.launches(run_id=result.run_id), environment)
    assert peaks["gemm_flops_per_s", "fp32"] == (
        2 * 2.45e9 * 32,
        "157 GFLOP/s, computed peak: 2 x 2.45 GHz (clock as read) x 32 FLOP/cycle",
    )
    assert peaks["gemm_flops_per_s", "fp16"][0] is None


# -- explaining ------------------------------------------------------------------------------------------------


def cost(_result: ResultRecord) -> Cost:
    return Cost(
        {"matmul": OpCost(flops=GFLOP, kernels=10, elements_read=3_000_000, elements_written=1_000_000)},
        parameters=1_000_000,
        weight_elements=1_000_000,
        edge_elements=1000,
        edge_other_bytes=0,
    )


@pytest.fixture
def environment() -> EnvironmentRecord:
    return collect_environment()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def keep(store: Store, environment: EnvironmentRecord, case: Case, **fields: Any) -> ResultRecord:
    """Put a run with one result of 20 ms into the store."""
    run_id, result_id = new_id(), new_id()
    given: dict[str, Any] = {
        "status": Status.OK, "verdict": Verdict.TRUSTED, "launches_ok": 1, "launches_planned": 1,
        "metrics": (MetricValue("latency_ns", 20e6, "ns", n=1),),
    }  # fmt: skip
    result = ResultRecord(
        result_id=result_id, run_id=run_id, series_id="s", case=case, measured_at=NOW, **(given | fields)
    )
    launch = LaunchRecord(
        launch_id=new_id(), run_id=run_id, result_id=result_id, origin_run_id=run_id, ordinal=0, status=Status.OK,
        started_at=NOW, wall_ns=1, threads=2,
    )  # fmt: skip
    run = RunRecord(
        run_id=run_id, suite="test", status=RunStatus.OK, started_at=NOW, finished_at=NOW, env_id=environment.env_id,
        config={}, cases_planned=1, assay_version="0", source_hash="0",
    )  # fmt: skip
    store.append(RunBundle(run, environment, (result,), (launch,)))
    return result


def case(**fields: Any) -> Case:
    return Case.make(**({"workload": "bert/tiny", "engine": "torch", "device": "cpu"} | fields))


def test_a_result_is_held_to_the_roofs_of_the_newest_probe(
    run: Probe, store: Store, environment: EnvironmentRecord
) -> None:
    assert run().exit_code == 0
    result = keep(store, environment, case())
    [one] = explain_results([result], environment, store, find_cost=cost)
    assert one.text == "compute bound: 50 % of measured fp32 GEMM rate (50.0 of 100 GFLOP/s)"
    [line, _legend] = explain_lines([one])
    assert line == (
        "  bert/tiny torch cpu fp32 b1: 1.00 GFLOP, 3.82 MiB (15.3 MiB) a call, 50.0 GFLOP/s, 0.200 GB/s; " + one.text
    )
    row = explain_row(one)
    assert (row["bound"], row["share"], row["kernels"]) == ("compute", pytest.approx(0.5), 10)
    assert json.dumps(row)


def test_without_a_probe_the_cost_is_shown_and_the_command_named(store: Store, environment: EnvironmentRecord) -> None:
    plain = keep(store, environment, case())
    threaded = keep(store, environment, case(options={"threads": 2}))
    gpu = keep(store, environment, case(device="cuda:0"))
    texts = [one.text for one in explain_results([plain, threaded, gpu], environment, store, find_cost=cost)]
    assert texts == [
        "no probe of this device with 2 threads in the store: run `assay probe`",
        "no probe of this device with 2 threads in the store: run `assay probe --threads 2`",
        "no probe of this device in the store: run `assay probe --device cuda:0`",
    ]


def test_an_unknown_cost_says_why(run: Probe, store: Store, environment: EnvironmentRecord) -> None:
    run()
    result = keep(store, environment, case())
    [one] = explain_results([result], environment, store, find_cost=lambda _result: Unavailable("a plain function"))
    assert one.text == "cost unknown: a plain function"
    assert explain_row(one)["flops"] is None


def test_what_is_not_one_plain_call_is_not_explained(store: Store, environment: EnvironmentRecord) -> None:
    generated = keep(store, environment, case(options={"new_tokens": 16}))
    served = keep(store, environment, case(mode="serving"))
    texts = [one.text for one in explain_results([generated, served], environment, store, find_cost=cost)]
    assert texts == [
        "cost unknown: only one plain call is counted, and this has new_tokens=16",
        "cost unknown: only one call of inference is counted, and this is serving",
    ]


def test_failures_and_probes_themselves_are_left_out(run: Probe, store: Store, environment: EnvironmentRecord) -> None:
    run()
    failed = keep(store, environment, case(), status=Status.FAILED, reason="crashed", metrics=())
    results = [failed, *store.results()]
    assert explain_results(results, environment, store, find_cost=cost) == []


def test_the_precision_is_the_one_that_ran(run: Probe, store: Store, environment: EnvironmentRecord) -> None:
    run()
    fell_back = keep(store, environment, case(precision="bf16"), effective_precision="fp32")
    truly = keep(store, environment, case(precision="bf16"), effective_precision="bf16")
    weight_only = keep(store, environment, case(precision="int8", options={"quantization": "weight-only"}))
    first, second, third = explain_results([fell_back, truly, weight_only], environment, store, find_cost=cost)
    assert "of measured fp32 GEMM rate" in first.text
    assert second.text == "the probe measured no bf16 rate (it has: fp32) (assay probe --precision bf16)"
    assert "of measured fp32 GEMM rate" in third.text
    assert third.cost is not None
    assert third.cost.bytes_compulsory == 1_000_000 + 4000


def test_what_weakens_an_explanation_is_said(run: Probe, store: Store, environment: EnvironmentRecord) -> None:
    run(answer=probed(witnesses={"other_cpu_share": 0.9}))
    twin = dataclasses.replace(environment, env_id="another", host_id="another")
    result = keep(store, twin, case())

    def doubtful(result: ResultRecord) -> Cost:
        return dataclasses.replace(cost(result), uncounted=("my.op",), guesses=2)

    [one] = explain_results([result], twin, store, find_cost=doubtful)
    assert one.text.endswith(
        "; operations not counted: my.op; 2 values were guessed while counting; the probe itself is contaminated; "
        "the probe is of another machine of this class"
    )


def test_the_cost_is_counted_in_a_process_of_its_own_and_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: Store, environment: EnvironmentRecord
) -> None:
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path / "cache"))
    result = keep(store, environment, case(workload="unet/tiny", shape={"image": 32}))
    first = cached_cost(result)
    assert isinstance(first, Cost), first
    assert first.parameters == 486_562
    monkeypatch.setattr("assay.runner.supervise.run_launch", lambda *_args, **_kwargs: pytest.fail("counted twice"))
    assert cached_cost(result) == first


def test_a_report_says_what_bounds_a_case_by_what_was_counted_before(
    run: Probe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: Store, environment: EnvironmentRecord
) -> None:
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path / "cache"))
    run()
    counted = keep(store, environment, case(workload="unet/tiny", shape={"image": 32}))
    foreign = keep(store, environment, case(workload="my_model:make"))

    def bounds_of(result: ResultRecord) -> dict[str, Any] | None:
        report = build_run_report(store, ReportRequest(run_ids=(result.run_id,)))
        tables = {block.key: block for one in report.sections for block in one.blocks if isinstance(block, Table)}
        if "bounds" not in tables:
            return None
        (row,) = tables["bounds"].rows
        return dict(zip((column.key for column in tables["bounds"].columns), row, strict=True))

    with monkeypatch.context() as patch:
        patch.setattr("assay.runner.supervise.run_launch", lambda *_args, **_kwargs: pytest.fail("a report counts"))
        assert bounds_of(counted) is None, "nothing was counted yet"
        assert bounds_of(foreign) is None, "a name in a store imports nobody's module"
    assert isinstance(cached_cost(counted), Cost)
    row = bounds_of(counted)
    assert row is not None
    assert row["bound"].value in ("compute", "memory", "overhead")
    assert 0 < row["share"].value < 1
    assert row["share"].provenance is Provenance.MEASURED
    assert row["attainable"].value < 20e6
    assert row["bound"].reason is not None
    assert "of measured" in row["bound"].reason or "GB/s" in row["bound"].reason


def test_a_model_that_is_gone_has_no_cost(store: Store, environment: EnvironmentRecord) -> None:
    missing = cached_cost(keep(store, environment, case(workload="./nowhere")))
    assert isinstance(missing, Unavailable)
    assert "nowhere" in missing.reason


def test_without_pytorch_it_says_what_to_install_and_records_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "assay.engines.torch_common.check_availability",
        lambda _label, _kind: Unavailable("PyTorch is not installed", "pip install 'assay[torch]'"),
    )
    said = CliRunner().invoke(app, ["probe", "--store", str(tmp_path / "store")])
    assert isinstance(said.exception, UsageError)
    assert said.exception.message == "A probe of cpu is impossible here: PyTorch is not installed."
    assert said.exception.hint == "pip install 'assay[torch]'"
    assert not (tmp_path / "store").exists()
