"""``assay probe``: what a device really gives, measured in a minute, kept in the store, and shown beside its peak."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from assay.cli.output import JsonOption, StoreOption, make_console, new_table, print_json
from assay.core.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from assay.core.records import EnvironmentRecord, LaunchRecord, MetricValue, ResultRecord
    from assay.runner.probe_device import FinishedProbe, ProbeProgress
    from assay.store import Store

EXIT_FAILED_RESULTS = 4
EXIT_INTERRUPTED = 130
_COPY = "copy_bandwidth_bytes_per_s"
_PROBED_PRECISIONS = ("fp32", "tf32", "bf16", "fp16", "int8")


def probe(
    device: Annotated[str, typer.Option("--device", "-d", help="cpu, cuda:0, mps ...")] = "cpu",
    store: StoreOption = None,
    precision: Annotated[
        list[str] | None,
        typer.Option("--precision", "-p", help="fp32, tf32, bf16, fp16, int8. Default: what the device has natively."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="CPU threads. Default: physical cores.")
    ] = None,
    launches: Annotated[int, typer.Option("--launches", "-n", min=1, help="Fresh processes.")] = 3,
    as_json: JsonOption = False,
) -> None:
    """Measure what a device gives: arithmetic, bandwidth, overhead, caches. Takes about a minute.

    For example:

      assay probe

      assay probe --device cuda:0 --precision fp32,tf32,bf16
    """
    from assay.cli.flags import split_values
    from assay.probes.environment import collect_environment
    from assay.runner.plan import default_threads
    from assay.runner.probe_device import ProbeRequest, run_probe
    from assay.store import Store

    precisions = tuple(dict.fromkeys(split_values(precision)))
    for name in precisions:
        if name not in _PROBED_PRECISIONS:
            raise UnknownNameError("precision of the probe", name, _PROBED_PRECISIONS)
    found = _find_device(device)
    _check_runnable(found)
    opened = Store.open(store)
    environment = collect_environment()
    request = ProbeRequest(
        device=found,
        threads=threads or default_threads(),
        precisions=precisions,
        launches=launches,
        is_threads_asked=threads is not None,
    )
    with _Progress(make_console(stderr=True), environment.hardware_class) as progress:
        finished = run_probe(request, environment, opened, listener=progress)
    if as_json:
        print_json(_as_json(finished, environment))
    else:
        print_probe(finished.result, finished.launches, environment, opened)
    _exit_for(finished)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("probe")(probe)


def print_probe(
    result: ResultRecord, launches: Sequence[LaunchRecord], environment: EnvironmentRecord, store: Store
) -> None:
    """The table of a probe and what is to be said of it."""
    from rich.text import Text

    from assay.cli.output import short_id
    from assay.cli.tables import result_notes, verdict_text
    from assay.core.units import MISSING

    console = make_console()
    table = new_table(f"device probe · {result.case.device} · {result.hardware}")
    for header in ("what", "effective", "95 % CI", "best", "peak", "share of peak"):
        table.add_column(header, justify="left" if header in {"what", "peak"} else "right", overflow="fold")
    peaks = find_peaks(result, launches, environment)
    for metric in result.metrics:
        if metric.stat != "median":
            continue
        peak = peaks.get((metric.name, metric.phase))
        share = f"{100 * metric.value / peak[0]:.0f} %" if peak and peak[0] and metric.value else MISSING
        best = result.metric(metric.name, "best", metric.phase)
        table.add_row(
            _describe(metric), _value(metric.value, metric.unit), _interval(metric),
            _value(best.value if best else None, metric.unit), peak[1] if peak else "unknown", share,
        )  # fmt: skip
    console.print(table)
    for metric in result.metrics:
        if metric.value is None and metric.reason:
            console.print(Text(f"  – {_describe(metric)}: {metric.reason}", style="dim"), soft_wrap=True)
    console.print(Text.assemble("verdict: ", verdict_text(result)))
    for note in result_notes([result]):
        console.print(Text(f"  ! {note}", style="yellow"), soft_wrap=True)
    for line in [*_footnotes(launches), _catalogue_note(environment, result.own_case.device)]:
        console.print(Text(line, style="dim"), soft_wrap=True)
    console.print(Text(f"kept in {store.location} · run {short_id(result.run_id)}", style="dim"), soft_wrap=True)


def find_peaks(
    result: ResultRecord, launches: Sequence[LaunchRecord], environment: EnvironmentRecord
) -> dict[tuple[str, str], tuple[float | None, str]]:
    """Return the peak of each rate, or why it is unknown: a CPU's computed for its threads, others of the catalogue.

    A CPU's memory bandwidth is the catalogue's too, and that of the whole socket.
    """
    from assay.catalog.hardware.environment import find_match

    found = _computed_peaks(result, launches, environment) if result.case.device == "cpu" else {}
    known = find_match(environment.facts, result.own_case.device)
    if known is None or known.hardware is None:
        return found
    whose = known.describe() + (", whole socket" if known.device == "cpu" else "")
    for metric in result.metrics:
        key = (metric.name, metric.phase)
        if key in found:
            continue
        if metric.unit == "FLOP/s":
            peak = known.peak(metric.phase)
        elif metric.name == _COPY:
            peak = known.bandwidth()
        else:
            continue
        text = "unknown: not in the catalogue" if peak is None else f"{_value(peak, metric.unit)}, data sheet: {whose}"
        found[key] = (peak, text)
    return found


def _computed_peaks(
    result: ResultRecord, launches: Sequence[LaunchRecord], environment: EnvironmentRecord
) -> dict[tuple[str, str], tuple[float | None, str]]:
    from assay.core.absence import Unavailable
    from assay.probes.rates.peak import compute_cpu_peak

    clocks = [
        launch.witnesses[name]
        for launch in launches
        for name in ("clock_before_mhz", "clock_after_mhz")
        if name in launch.witnesses
    ]
    threads = next((launch.threads for launch in launches if launch.threads is not None), None)
    found: dict[tuple[str, str], tuple[float | None, str]] = {}
    for metric in result.metrics:
        if metric.unit != "FLOP/s" or threads is None:
            continue
        peak = compute_cpu_peak(
            environment.facts["cpu"], threads=threads, clock_mhz=max(clocks, default=None), precision=metric.phase
        )
        if isinstance(peak, Unavailable):
            found[metric.name, metric.phase] = (None, f"unknown: {peak.reason}")
        else:
            text = f"{_value(peak.flops_per_s, 'FLOP/s')}, computed peak: {peak.formula}"
            found[metric.name, metric.phase] = (peak.flops_per_s, text)
    return found


class _Progress:
    """One line on a terminal's standard error that says what is being measured; nothing where it is piped.

    It draws when the worker says something and never by itself: the processor belongs to the worker.
    """

    def __init__(self, console: Console, title: str) -> None:
        from rich.live import Live
        from rich.text import Text

        self._title = title
        first = Text(f"probe of {title}", style="dim")
        self._live = Live(first, console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, progress: ProbeProgress) -> None:
        from rich.text import Text

        if self._live is not None:
            text = f"probe of {self._title} · launch {progress.number}/{progress.total} · {progress.phase}"
            self._live.update(Text(f"{text} · Ctrl-C keeps what is done", style="dim"), refresh=True)


def _find_device(name: str) -> str:
    from assay.probes.devices import detect_devices, find_device

    if name == "auto":
        raise UsageError("--device auto was given; a probe is of one device.", hint="What there is: assay doctor")
    return find_device(name, detect_devices()).name


def _check_runnable(device: str) -> None:
    """Refuse before anything is recorded what no launch could do. Raises UsageError."""
    from assay.engines.torch_common import check_availability

    missing = check_availability("the probe", device.partition(":")[0])
    if missing is not None:
        raise UsageError(f"A probe of {device} is impossible here: {missing.reason}.", hint=missing.install_hint)


def _as_json(finished: FinishedProbe, environment: EnvironmentRecord) -> dict[str, Any]:
    from assay.cli.plain import launch_row, result_row, run_row

    peaks = find_peaks(finished.result, finished.launches, environment)
    return {
        "run": run_row(finished.run),
        "results": [result_row(finished.result)],
        "launches": [launch_row(launch) for launch in finished.launches],
        "peaks": [
            {
                "name": name,
                "phase": phase,
                "flops_per_s": None if name == _COPY else value,
                "bytes_per_s": value if name == _COPY else None,
                "text": text,
            }
            for (name, phase), (value, text) in peaks.items()
        ],
    }


_WORDS = {
    "gemm_flops_per_s": "matrix product {phase}",
    "convolution_flops_per_s": "convolution {phase}",
    _COPY: "copy, in memory",
    "cache_bandwidth_bytes_per_s": "read {phase} again and again",
    "launch_overhead_ns": "start of an operation",
}


def _describe(metric: MetricValue) -> str:
    return _WORDS.get(metric.name, metric.name).format(phase=metric.phase)


def _value(value: float | None, unit: str) -> str:
    from assay.core.units import MISSING, format_duration_ns, format_significant

    if value is None:
        return MISSING
    if unit == "ns":
        return format_duration_ns(value)
    return f"{format_significant(value / 1e9)} G{unit}"


def _interval(metric: MetricValue) -> str:
    from assay.core.units import MISSING

    if metric.value is None or metric.ci_lo is None or metric.ci_hi is None:
        return MISSING
    return f"{_value(metric.ci_lo, metric.unit)} … {_value(metric.ci_hi, metric.unit)}"


def _footnotes(launches: Sequence[LaunchRecord]) -> list[str]:
    checks = [launch.engine_facts.get("sync_check") for launch in launches]
    threads = {launch.threads for launch in launches if launch.threads is not None}
    legend = (
        "effective: median over launches, each a fresh process, with PyTorch; interval by Student's t on logs; "
        "copy counts bytes read and written"
    )
    lines = [legend]
    if threads:
        lines.append(f"{' or '.join(map(str, sorted(threads)))} CPU threads")
    lines += [f"sync self-test {check}" for check in checks[:1] if check]
    return lines


def _catalogue_note(environment: EnvironmentRecord, device: str) -> str:
    from assay.catalog.hardware.environment import find_match

    known = find_match(environment.facts, device)
    return f"catalogue: {known.describe() if known is not None else 'the environment does not describe this device'}"


def _exit_for(finished: FinishedProbe) -> None:
    from assay.core.words import RunStatus

    if finished.run.status is RunStatus.INTERRUPTED:
        sys.exit(EXIT_INTERRUPTED)
    if finished.result.status.is_failure:
        sys.exit(EXIT_FAILED_RESULTS)
