"""``assay show RUN --explain``: what bounds each result, and how near it comes to what the device gave the probe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from assay.recommend.explain import ExplainedResult, arithmetic_of, explain_results

if TYPE_CHECKING:
    from assay.catalog.hardware.environment import DeviceMatch
    from assay.core.records import EnvironmentRecord, ResultRecord
    from assay.stats.roofline import Explanation
    from assay.store import Store
    from assay.workloads.cost_count import Cost


def print_explanations(results: Sequence[ResultRecord], environment: EnvironmentRecord, store: Store) -> None:
    """Print one line a result."""
    from rich.text import Text

    from assay.cli.output import make_console

    console = make_console()
    console.print(Text("what bounds each result", style="bold"))
    explained = explain_results(results, environment, store)
    for line in [*explain_lines(explained), *catalogue_lines(explained)]:
        console.print(Text(line), soft_wrap=True)


def explain_lines(explained: Sequence[ExplainedResult]) -> list[str]:
    """One line a result, and below them what the words mean and which probe the roofs are of."""
    lines = []
    for one in explained:
        figures = f": {_figures(one.cost, one.explanation)}" if one.cost is not None else ""
        lines.append(f"  {one.result.case.label}{figures}{'; ' if figures else ': '}{one.text}")
    if any(one.explanation is not None for one in explained):
        lines.append(
            "  share: least possible time under the roofs of `assay probe`, over the measured time; bytes: what any "
            "execution must move (weights once, inputs, outputs), in parentheses what one operation at a time moves"
        )
    return lines


def catalogue_lines(explained: Sequence[ExplainedResult]) -> list[str]:
    """What the data sheet of each device in the catalogue says, and how near to it the probe came."""
    lines = [_catalogue_line(one, one.hardware) for one in explained if one.hardware and one.hardware.hardware]
    return list(dict.fromkeys(lines))


def explain_row(one: ExplainedResult) -> dict[str, Any]:
    """An explanation as plain values, for ``--json``."""
    cost, found = one.cost, one.explanation
    return {
        "result_id": one.result.result_id,
        "text": one.text,
        "flops": cost.flops if cost else None,
        "bytes_compulsory": cost.bytes_compulsory if cost else None,
        "bytes_unfused": cost.bytes_unfused if cost else None,
        "kernels": cost.kernels if cost else None,
        "uncounted": list(cost.uncounted) if cost else None,
        "flops_per_s": found.flops_per_s if found else None,
        "bytes_per_s": found.bytes_per_s if found else None,
        "bound": found.bound.value if found else None,
        "share": found.share if found else None,
        "attainable_ns": found.attainable_ns if found else None,
        "roof_flops_per_s": found.roofline.flops_per_s if found else None,
        "roof_bytes_per_s": found.roofline.bytes_per_s if found else None,
        "hw_id": one.hardware.match.hw_id if one.hardware else None,
        "peak_flops_per_s": one.hardware.peak(arithmetic_of(one.result)) if one.hardware else None,
        "peak_bytes_per_s": one.hardware.bandwidth() if one.hardware else None,
    }


def _catalogue_line(one: ExplainedResult, known: DeviceMatch) -> str:
    from assay.core.units import format_significant

    precision = arithmetic_of(one.result)
    roof = one.explanation.roofline if one.explanation is not None else None
    parts = []
    for what, unit, peak, reached in (
        (precision, "GFLOP/s", known.peak(precision), None if roof is None else roof.flops_per_s),
        ("memory", "GB/s", known.bandwidth(), None if roof is None else roof.bytes_per_s),
    ):
        if peak is None:
            parts.append(f"{what} peak unknown")
        else:
            share = "" if reached is None else f", of which the probe reached {100 * reached / peak:.0f} %"
            parts.append(f"{what} {format_significant(peak / 1e9)} {unit}{share}")
    whole = " (the whole chip)" if known.device == "cpu" else ""
    return f"  catalogue: {known.device} is {known.describe()}: {'; '.join(parts)}{whole}"


def _figures(cost: Cost, found: Explanation | None) -> str:
    from assay.core.units import format_bytes, format_significant

    parts = [f"{format_significant(cost.flops / 1e9)} GFLOP"]
    moved = f"{format_bytes(cost.bytes_compulsory)} ({format_bytes(cost.bytes_unfused)}) a call"
    if found is None:
        return ", ".join([*parts, moved])
    parts += [
        moved,
        f"{format_significant(found.flops_per_s / 1e9)} GFLOP/s",
        f"{format_significant(found.bytes_per_s / 1e9)} GB/s",
    ]
    return ", ".join(parts)
