"""What ``assay kpi`` prints: the same rows as tables for people and as plain values for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assay.cli.output import make_console, new_table, print_table

if TYPE_CHECKING:
    from assay.analysis.hardware_clusters import DeviceClusters
    from assay.analysis.hardware_columns import HardwareColumn
    from assay.analysis.hardware_fronts import DeviceFront
    from assay.analysis.hardware_matrix import DeviceMatrix
    from assay.analysis.hardware_stats import DeviceCorrelations
    from assay.analysis.hardware_tiers import DeviceTiers
    from assay.analysis.hardware_trends import DeviceTrend
    from assay.stats.growth import Growth
    from assay.stats.rank_association import Association

_DASH = "–"
_MOST_NAMED = 6


# -- correlations --------------------------------------------------------------------------------------------------


def correlation_rows(found: DeviceCorrelations) -> dict[str, Any]:
    """Every pair, the strongest first, with what was accounted for."""
    return {
        "devices": found.devices,
        "given": [column.key for column in found.given],
        "figures": _figures(found.columns),
        "pairs": [
            {
                "one": one.key, "other": other.key, "r": cell.r, "lo": cell.lo, "hi": cell.hi, "level": cell.level,
                "n": cell.n, "architectures": cell.groups, "reason": cell.reason,
            }
            for one, other, cell in found.pairs()
        ],
    }  # fmt: skip


def print_correlations(found: DeviceCorrelations, limit: int) -> None:
    """The matrix, then the strongest pairs with intervals."""
    given = ", ".join(column.key for column in found.given)
    what = f"partial rank correlations, given {given}" if given else "Spearman's rank correlations"
    table = new_table(f"{what}, of {found.devices} devices")
    table.padding = (0, 1, 0, 0)
    table.add_column("", no_wrap=True)
    for number in range(1, len(found.columns) + 1):
        table.add_column(str(number), justify="right", no_wrap=True)
    for number, (column, line) in enumerate(zip(found.columns, found.cells, strict=True), 1):
        table.add_row(f"{number} {column.key}", *(_short(cell.r) for cell in line))
    print_table(table)
    pairs = [pair for pair in found.pairs() if pair[2].r is not None]
    listed = new_table("the strongest pairs")
    for header in ("one", "other", "r", "95 % interval", "n", "architectures"):
        listed.add_column(header, justify="left" if header in {"one", "other"} else "right")
    for one, other, cell in pairs[:limit]:
        listed.add_row(one.key, other.key, _signed(cell.r), _interval(cell), str(cell.n), str(cell.groups))
    print_table(listed)
    silent = len(found.pairs()) - len(pairs)
    _say(f"{len(pairs)} pairs, {silent} not stated: too few devices, or arithmetic links the two.")
    _say(f"Intervals draw whole architectures anew; by chance about {0.05 * len(pairs):.1f} of them miss.")


def _signed(r: float | None) -> str:
    return _DASH if r is None else f"{r:+.2f}"


def _short(value: float | None) -> str:
    """``.94``, ``-.64``, ``1``: eleven of them fit a line."""
    if value is None:
        return _DASH
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 0.995 else f"{value:.0f}"  # noqa: PLR2004  (rounding)


def _interval(cell: Association) -> str:
    return cell.reason or _DASH if cell.lo is None or cell.hi is None else f"{cell.lo:+.2f} … {cell.hi:+.2f}"


# -- trends --------------------------------------------------------------------------------------------------------


def trend_rows(found: Sequence[DeviceTrend]) -> list[dict[str, Any]]:
    """Every trend with its records."""
    rows = []
    for trend in found:
        growth, doubling = trend.growth, trend.growth.doubling
        rows.append({
            "figure": trend.column.key, "unit": trend.unit, "group": trend.group, "n": growth.n,
            "architectures": growth.groups, "first_year": growth.first_year, "last_year": growth.last_year,
            "factor_per_year": growth.per_year, "lo": growth.lo, "hi": growth.hi, "level": growth.level,
            "word": doubling and doubling.word, "years": doubling and doubling.years,
            "years_lo": doubling and doubling.lo, "years_hi": doubling and doubling.hi, "scatter": growth.scatter,
            "reason": growth.reason,
            "records": [
                {"hw_id": one.device.hw_id, "year": one.year, "value": one.value} for one in trend.records
            ],
        })  # fmt: skip
    return rows


def print_trends(found: Sequence[DeviceTrend], *, with_records: bool) -> None:
    """A table a group, a row a figure."""
    fitted = [trend for trend in found if trend.growth.per_year is not None]
    for group in dict.fromkeys(trend.group for trend in fitted):
        _print_group(group, [trend for trend in fitted if trend.group == group])
    _say("Least squares through logarithms; intervals draw whole architectures anew. Scatter: how far a device")
    _say("typically is off its line. Figures are dense peaks of data sheets, of the fastest format of a width.")
    if len(fitted) < len(found):
        _say(f"{len(found) - len(fitted)} more have too few devices, or too few years between them; --json names them.")
    if with_records:
        for trend in found:
            if trend.records:
                named = ", ".join(f"{one.device.name} ({int(one.year)})" for one in trend.records)
                _say(f"{trend.column.key}, {trend.group}: {named}")


def _print_group(group: str, trends: Sequence[DeviceTrend]) -> None:
    years = [year for trend in trends for year in (trend.growth.first_year, trend.growth.last_year) if year is not None]
    table = new_table(f"growth of {group}, released {int(min(years))} to {int(max(years))}")
    table.padding = (0, 1, 0, 0)
    for header in ("figure", "n", "arch.", "times a year", "doubles in years", "scatter"):
        table.add_column(header, justify="left" if header == "figure" else "right", no_wrap=True)
    for trend in trends:
        growth = trend.growth
        bounds = "" if growth.lo is None or growth.hi is None else f" ({growth.lo:.2f} … {growth.hi:.2f})"
        table.add_row(
            trend.column.key, str(growth.n), str(growth.groups), f"{growth.per_year:.2f}{bounds}", _doubling(growth),
            _DASH if growth.scatter is None else f"×{growth.scatter:.2f}",
        )  # fmt: skip
    print_table(table)


def _doubling(growth: Growth) -> str:
    """``2.3 (1.5 … 4.4)``, ``halves 3.4 (2.1 … 8.8)``, or what is not known."""
    from assay.core.units import format_significant

    doubling = growth.doubling
    if doubling is None:
        return _DASH
    if growth.lo is not None and growth.hi is not None and growth.lo < 1 < growth.hi:
        return "may stand still"
    said = f"{'halves ' if doubling.word == 'halves' else ''}{format_significant(doubling.years, 2)}"
    if doubling.lo is None or doubling.hi is None:
        return said
    return f"{said} ({format_significant(doubling.lo, 2)} … {format_significant(doubling.hi, 2)})"


# -- tiers ---------------------------------------------------------------------------------------------------------


def tier_rows(found: DeviceTiers) -> dict[str, Any]:
    """The rule, how stable it is, and every device."""
    return {
        "rule": {"name": found.rule.name, "tiers": list(found.rule.tiers), "words": list(found.rule.words())},
        "stability": [
            {"shaken": one.shaken.value, "adjusted_rand": one.adjusted_rand, "kept": one.kept, "firm": one.firm,
             "draws": one.draws}
            for one in found.stability
        ],
        "devices": [
            {"hw_id": one.device.hw_id, "tier": one.tier, "score": one.score, "kept": one.kept,
             "instead": one.instead, "reason": one.reason}
            for one in found.devices
        ],
    }  # fmt: skip


def print_tiers(found: DeviceTiers, limit: int) -> None:
    """The rule, the devices from the top, and how far the tiers hold."""
    from assay.analysis.hardware_tiers import say_shaken

    for line in found.rule.words():
        _say(line)
    table = new_table(f"{found.rule.title} tiers")
    tiered = [one for one in found.devices if one.tier is not None]
    has_score = any(one.score is not None for one in tiered)
    for header in ("tier", "device", *(["score"] if has_score else []), "kept", "otherwise"):
        table.add_column(header, justify="right" if header in {"score", "kept"} else "left")
    for one in tiered[:limit]:
        kept = _DASH if one.kept is None else f"{100 * one.kept:.0f} %"
        score = [_DASH if one.score is None else f"{one.score:.3f}"] if has_score else []
        table.add_row(one.tier, one.device.name, *score, kept, one.instead or "")
    print_table(table)
    counts = ", ".join(f"{tier} {found.count(tier)}" for tier in found.rule.tiers)
    without = len(found.devices) - len(tiered)
    _say(f"{len(tiered)} devices: {counts}. {without} without a tier, as a figure is not known.")
    if len(tiered) > limit:
        _say(f"The first {limit} are shown; --limit shows more, --json all.")
    shaken = new_table("how far the tiers hold")
    for header in ("what is shaken", "adjusted Rand", "keep their tier", "firm devices"):
        shaken.add_column(header, justify="left" if header == "what is shaken" else "right")
    for judged in found.stability:
        shaken.add_row(
            say_shaken(found.rule, judged.shaken), f"{judged.adjusted_rand:.2f}", f"{100 * judged.kept:.0f} %",
            f"{100 * judged.firm:.0f} %",
        )  # fmt: skip
    print_table(shaken)
    draws = found.stability[0].draws if found.stability else 0
    _say(f"Of {draws} draws each. Kept: the least over what is shaken. Firm: keeps its tier in 9 draws of 10.")


# -- clusters ------------------------------------------------------------------------------------------------------


def cluster_rows(found: DeviceClusters) -> dict[str, Any]:
    """The evidence for the number of clusters, and the clusters."""
    from assay.analysis.hardware_clusters import RULE

    return {
        "figures": _figures(found.columns), "rule": RULE, "k": found.k, "reason": found.reason,
        "is_forced": found.is_forced, "devices": found.devices, "distinct": found.distinct, "left_out": found.left_out,
        "agreement": dict(found.agreement),
        "tries": [
            {"k": one.k, "smallest": one.smallest, "silhouette": one.silhouette,
             "cloud_silhouette_p95": one.cloud_silhouette, "p": one.p, "stability": one.stability, "is_fit": one.is_fit}
            for one in found.tries
        ],
        "clusters": [
            {"number": one.number, "typical": one.typical.hw_id, "means": dict(one.means),
             "categories": dict(one.categories), "devices": [each.hw_id for each in one.devices]}
            for one in found.clusters
        ],
    }  # fmt: skip


def print_clusters(found: DeviceClusters) -> None:
    """The evidence, then the clusters."""
    from assay.analysis.hardware_clusters import RULE
    from assay.report.display import format_number

    _say(RULE)
    table = new_table(
        f"clusters of {found.devices} devices ({found.distinct} distinct, {found.left_out} left out) "
        f"by {', '.join(column.key for column in found.columns)}"
    )
    for header in ("clusters", "smallest", "silhouette", "one cloud, p95", "p", "stability", "fits"):
        table.add_column(header, justify="right")
    for one in found.tries:
        table.add_row(
            str(one.k), str(one.smallest), f"{one.silhouette:.3f}", f"{one.cloud_silhouette:.3f}", f"{one.p:.3f}",
            f"{one.stability:.2f}", "yes" if one.is_fit else "no",
        )  # fmt: skip
    print_table(table)
    _say(f"Chosen: {'no number' if found.k is None else found.k}; {found.reason}.")
    if not found.clusters:
        _say("--k 4 cuts the cloud into 4 all the same: pieces to speak of, and no kinds.")
        return
    listed = new_table("clusters, geometric means")
    for header in ("", "devices", *(column.key for column in found.columns)):
        listed.add_column(header, justify="left" if not header else "right")
    for cluster in found.clusters:
        means = [format_number(cluster.means[column.key], column.unit) for column in found.columns]
        listed.add_row(str(cluster.number), str(len(cluster.devices)), *means)
    print_table(listed)
    for cluster in found.clusters:
        kinds = ", ".join(f"{count} {name}" for name, count in cluster.categories[:_MOST_NAMED])
        _say(f"{cluster.number}: like {cluster.typical.name}; {kinds}")
    agree = ", ".join(f"{what} {value:.2f}" for what, value in found.agreement.items())
    _say(f"Agreement with what is known anyway (adjusted Rand, 1 the same, 0 chance): {agree}.")


# -- fronts --------------------------------------------------------------------------------------------------------


def front_rows(found: DeviceFront) -> dict[str, Any]:
    """Every device that has all figures, by layer."""
    keys = [column.key for column in found.columns]
    return {
        "figures": _figures(found.columns, found.units), "left_out": dict(found.left_out), "draws": found.draws,
        "devices": [
            {"hw_id": one.device.hw_id, "layer": one.layer, "kept": one.kept,
             "beaten_by": one.beaten_by and one.beaten_by.hw_id, **dict(zip(keys, one.values, strict=True))}
            for one in found.devices
        ],
    }  # fmt: skip


def print_front(found: DeviceFront, limit: int, *, every: bool) -> None:
    """The front, or all devices with the layer that they are in."""
    from assay.report.display import format_number

    shown = found.devices if every else found.front
    table = new_table(f"front of {', '.join(f'{column.key} ({column.direction})' for column in found.columns)}")
    headers = ["device", *(column.key for column in found.columns), "on the front"]
    for header in [*headers, *(["layer", "beaten by"] if every else [])]:
        table.add_column(header, justify="left" if header in {"device", "beaten by"} else "right")
    for one in shown[:limit]:
        values = [format_number(value, unit) for value, unit in zip(one.values, found.units, strict=True)]
        more = [str(one.layer), one.beaten_by.name if one.beaten_by else ""] if every else []
        table.add_row(one.device.name, *values, f"{100 * one.kept:.0f} %", *more)
    print_table(table)
    _say(
        f"{len(found.front)} of {len(found.devices)} devices are on the front; on it in so many of {found.draws} draws"
    )
    _say("with each figure but memory size off by 5 % (sources of data sheets differ by as much).")
    if found.left_out:
        lacking = ", ".join(f"{key} of {count}" for key, count in found.left_out.items())
        _say(f"Left out, as not known: {lacking} devices.")
    if len(shown) > limit:
        _say(f"The first {limit} of {len(shown)} are shown; --limit shows more, --json all.")


# -- matrices ------------------------------------------------------------------------------------------------------


def matrix_rows(found: DeviceMatrix) -> dict[str, Any]:
    """Every device that has any of the figures."""
    keys = [column.key for column in found.columns]
    return {
        "name": found.name, "norm": found.norm.value, "rule": found.rule,
        "figures": _figures(found.columns, found.units), "left_out": list(found.left_out),
        "rows": [
            {"hw_id": row.device.hw_id, "score": row.score, "reason": row.reason,
             "values": dict(zip(keys, row.values, strict=True)), "scaled": dict(zip(keys, row.scaled, strict=True))}
            for row in found.rows
        ],
    }  # fmt: skip


def print_matrix(found: DeviceMatrix, limit: int) -> None:
    """Scaled figures, the highest score first, and the rule."""
    table = new_table(f"{found.name}: devices by figures")
    keys = [column.key for column in found.columns]
    room = make_console().width - max(len(row.device.name) for row in found.rows[:limit])
    is_narrow = sum(len(key) + 3 for key in keys) + len("score") > room
    table.add_column("device")
    for number, key in enumerate(keys, 1):
        table.add_column(str(number) if is_narrow else key, justify="right", no_wrap=True)
    if is_narrow:
        table.padding = (0, 1, 0, 0)
    table.add_column("score", justify="right", style="bold", no_wrap=True)
    for row in found.rows[:limit]:
        table.add_row(row.device.name, *(_scaled(value) for value in row.scaled), _scaled(row.score))
    print_table(table)
    if is_narrow:
        _say(", ".join(f"{number} {key}" for number, key in enumerate(keys, 1)))
    _say(found.rule)
    scored = sum(row.score is not None for row in found.rows)
    _say(f"{len(found.rows)} devices have some of the figures, {scored} all; {found.without_any} have none.")
    if found.left_out:
        _say(f"Known of no device: {', '.join(found.left_out)}.")
    if len(found.rows) > limit:
        _say(f"The first {limit} are shown; --limit shows more, --json all with their raw figures.")


def _scaled(value: float | None) -> str:
    if value is None:
        return _DASH
    return f"{value:.3f}".removeprefix("0") if value < 10 else f"{value:.1f}"  # noqa: PLR2004  (digits)


def say_layers(layers: Mapping[str, int]) -> None:
    """Say whose figures were used, where not all are the shipped catalogue's."""
    if set(layers) - {"shipped"}:
        _say(f"Of the figures {', '.join(f'{count} are {layer}' for layer, count in layers.items())}.")


def _figures(columns: Sequence[HardwareColumn], units: Sequence[str | None] | None = None) -> list[dict[str, Any]]:
    shown = units or [column.unit for column in columns]
    return [
        {
            "key": column.key,
            "title": column.title,
            "unit": unit,
            "better": column.direction.value,
            "rule": column.formula,
        }
        for column, unit in zip(columns, shown, strict=True)
    ]


def _say(text: str) -> None:
    from rich.text import Text

    make_console().print(Text(text, style="dim"), soft_wrap=True)
