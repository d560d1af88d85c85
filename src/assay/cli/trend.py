"""``assay trend``: a case over time, with the levels it had, what broke them, and where it changed by itself."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.compare_sides import complete_metric
from assay.cli.flags import complete_engine, complete_model, split_values
from assay.cli.output import (
    AsOfOption,
    CsvOption,
    Form,
    JsonOption,
    StatusLine,
    StoreOption,
    choose_form,
    make_console,
    open_for_reading,
    print_csv,
    print_json,
)
from assay.core.errors import UsageError

if TYPE_CHECKING:
    from assay.analysis.trend import Trend, TrendChange

_PIPED_WIDTH = 100
SERIES_COLUMNS = (
    "series_id", "case", "hardware", "metric", "stat", "unit", "results", "used", "newest_value", "newest_at",
    "newest_run_id", "level", "changes", "last_change_ratio", "last_change_at", "last_change_is_worse",
)  # fmt: skip
POINT_COLUMNS = (
    "series_id", "case", "hardware", "metric", "stat", "unit", "measured_at", "value", "is_used", "left_out", "level",
    "verdict", "run_id", "result_id", "git_commit", "git_dirty", "env_id",
)  # fmt: skip
CHANGE_COLUMNS = (
    "series_id", "case", "hardware", "metric", "stat", "at", "ratio", "p", "is_worse", "accepted", "muted",
    "before_run_id", "after_run_id", "before_commit", "after_commit", "after_result_id",
)  # fmt: skip


def trend(  # noqa: PLR0913  (a command has as many options as people need)
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="SERIES", help="A series' id, or words of its case and hardware."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="Workloads; by commas, '*' allowed.", autocompletion=complete_model),
    ] = None,
    engine: Annotated[
        list[str] | None, typer.Option("--engine", "-e", help="Engines.", autocompletion=complete_engine)
    ] = None,
    device: Annotated[list[str] | None, typer.Option("--device", "-d", help="Devices.")] = None,
    precision: Annotated[list[str] | None, typer.Option("--precision", "-p", help="Precisions.")] = None,
    hardware: Annotated[list[str] | None, typer.Option("--hardware", help="Hardware classes, '*' allowed.")] = None,
    suite: Annotated[list[str] | None, typer.Option("--suite", "-s", help="Results of these suites.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="Results of runs with this tag.")] = None,
    metric: Annotated[
        str, typer.Option("--metric", help="Which number: latency_ns, latency_ns.p90.", autocompletion=complete_metric)
    ] = "latency_ns",
    since: Annotated[
        str | None, typer.Option("--since", help="Only results since then: 30d, 2026-11-01.", show_default=False)
    ] = None,
    changes_only: Annotated[bool, typer.Option("--changes-only", help="A line for each change, nothing else.")] = False,
    width: Annotated[
        int | None, typer.Option("--width", min=60, max=400, help="Columns to draw in.", show_default=False)
    ] = None,
    store: StoreOption = None,
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show how measured cases developed: a line for each series, or a plot of the one that is chosen.

    A change point is where the level of a series moved by at least 3 % and stayed there for five results. A change of
    the environment is a break and never a regression.

    For example:

      assay trend

      assay trend bert/base fp32 b8

      assay trend --model 'bert/*' --changes-only --since 30d
    """
    from assay.analysis.trend import find_series, find_trends
    from assay.store.selection import Selection

    form = choose_form(as_json=as_json, as_csv=as_csv)
    name, _, stat = metric.partition(".")
    opened = open_for_reading(store, as_of)
    asked: dict[str, Any] = {
        "workload": split_values(model), "engine": split_values(engine), "device": split_values(device),
        "precision": split_values(precision), "hardware": split_values(hardware), "suite": split_values(suite),
        "tag": tag, "since": None if since is None else read_moment("since", since),
    }  # fmt: skip
    selection = Selection.of({key: value for key, value in asked.items() if value})
    series = find_series(opened, selection, words or ())
    if not series and form is Form.TABLE:
        _say_empty(opened.location, asked)
        return
    with StatusLine(f"{len(series)} series"):
        trends = find_trends(opened, selection, metric=name, stat=stat or None, series=series)
    if form is Form.JSON:
        print_json([trend_row(one) for one in trends])
    elif form is Form.CSV:
        _print_csv(trends, changes_only=changes_only)
    else:
        _print(trends, changes_only=changes_only, width=width)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("trend")(trend)


def read_moment(option: str, text: str) -> datetime:
    """Read a time (ISO 8601, of this machine's zone unless it says another) or an age. Raises UsageError."""
    from datetime import UTC, timedelta

    from assay.core.units import parse_duration_s

    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except ValueError:
        pass
    try:
        return datetime.now(UTC) - timedelta(seconds=parse_duration_s(text))
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"--{option} got {text[:40]!r}, which is no time and no age.", hint="Expected 2026-11-01 or 30d."
        ) from error


def _say_empty(location: str, asked: Mapping[str, Any]) -> None:
    narrowed = " with these options" if any(asked.values()) else ""
    typer.echo(f"No measured results{narrowed} in {location}. Make some with: assay run")


# -- for programs ----------------------------------------------------------------------------------------------


def trend_row(one: Trend) -> dict[str, Any]:
    """A trend as plain values: its series, points, segments, changes and breaks; places count the points from 0."""
    return {
        **_identity(one),
        "direction": one.direction.value,
        "points": _point_rows(one),
        "segments": [
            {
                "begun_by": segment.begun_by.value, "places": list(segment.places), "level": segment.level,
                "sd_log": segment.sd_log, "env_id": segment.env_id,
            }
            for segment in one.segments
        ],
        "changes": [change_row(one, change) for change in one.changes],
        "breaks": [
            {
                "kind": found.kind.value, "before": found.before, "after": found.after, "text": found.text,
                "is_return": found.is_return,
            }
            for found in one.breaks
        ],
    }  # fmt: skip


def change_row(one: Trend, change: TrendChange) -> dict[str, Any]:
    """A change point as plain values."""
    before, after = one.between(change)
    return {
        **_identity(one), "at": after.measured_at, "before": change.before, "after": change.after,
        "ratio": change.ratio, "p": change.p, "is_worse": change.is_worse, "accepted": change.accepted,
        "muted": change.muted, "before_run_id": before.run_id, "after_run_id": after.run_id,
        "before_commit": before.git_commit, "after_commit": after.git_commit, "after_result_id": after.result_id,
    }  # fmt: skip


def _identity(one: Trend) -> dict[str, Any]:
    return {
        "series_id": one.series_id, "case": one.case_label, "hardware": one.hardware, "metric": one.metric,
        "stat": one.stat, "unit": one.unit,
    }  # fmt: skip


def _point_rows(one: Trend) -> list[dict[str, Any]]:
    levels = {place: segment.level for segment in one.segments for place in segment.places}
    return [
        {
            **_identity(one), "measured_at": point.measured_at, "value": point.value, "is_used": point.is_used,
            "left_out": point.left_out, "level": levels.get(place),
            "verdict": point.verdict.value if point.verdict else None, "run_id": point.run_id,
            "result_id": point.result_id, "git_commit": point.git_commit, "git_dirty": point.git_dirty,
            "env_id": point.env_id,
        }
        for place, point in enumerate(one.points)
    ]  # fmt: skip


def _series_row(one: Trend) -> dict[str, Any]:
    newest, last = one.newest, one.changes[-1] if one.changes else None
    return {
        **_identity(one), "results": len(one.points), "used": sum(point.is_used for point in one.points),
        "newest_value": newest.value if newest else None, "newest_at": newest.measured_at if newest else None,
        "newest_run_id": newest.run_id if newest else None, "level": one.level, "changes": len(one.changes),
        "last_change_ratio": last.ratio if last else None,
        "last_change_at": one.between(last)[1].measured_at if last else None,
        "last_change_is_worse": last.is_worse if last else None,
    }  # fmt: skip


def _print_csv(trends: Sequence[Trend], *, changes_only: bool) -> None:
    if changes_only:
        print_csv([change_row(one, change) for one in trends for change in one.changes], CHANGE_COLUMNS)
    elif len(trends) == 1:
        print_csv(_point_rows(trends[0]), POINT_COLUMNS)
    else:
        print_csv([_series_row(one) for one in trends], SERIES_COLUMNS)


# -- for people ------------------------------------------------------------------------------------------------


def _print(trends: Sequence[Trend], *, changes_only: bool, width: int | None) -> None:
    from rich.text import Text

    from assay.cli import trend_text
    from assay.cli.plot import choose_glyphs

    console = make_console()
    glyphs = choose_glyphs(sys.stdout.encoding)
    columns = width or (console.width if console.is_terminal else _PIPED_WIDTH)
    if changes_only:
        parts = trend_text.changes_of_all(trends, glyphs)
    elif len(trends) == 1:
        parts = trend_text.picture_of_one(trends[0], columns, glyphs)
    else:
        parts = trend_text.line_for_each(trends, glyphs)
    for part in parts:
        console.print(part, width=width, soft_wrap=isinstance(part, Text))
