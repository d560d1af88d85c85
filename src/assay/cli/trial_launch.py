"""Launching a trial from the command line: with a live display, or only said where nothing is to be launched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from assay.cli.output import Form, make_console, new_table, print_csv, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.runner.plan import Plan
    from assay.store import Store
    from assay.trials.values import Trial, TrialRequest

PLAN_COLUMNS = ("side", "case", "case_id", "launches", "threads", "obstacle")


def launch_trial(request: TrialRequest, store: Store) -> Trial:
    """Launch every side in turns and draw it on a terminal. Raises what ``run_trial`` raises."""
    from assay.cli.trial_live import LiveTrial
    from assay.trials.ab import run_trial

    labels = [spec.label for spec in request.sides]
    title = f"{request.suite.name}: {' | '.join(labels)}, {request.suite.launches} launches a side, in turns"
    with LiveTrial(make_console(stderr=True), labels, title=title) as live:
        return run_trial(request, store, listener=live, on_planned=live.begin)


def print_trial_plan(request: TrialRequest, store: Store, form: Form) -> None:
    """Say which cases would be launched on which side, and how long that takes; launch nothing."""
    from assay.core.units import format_elapsed
    from assay.runner.estimate import estimate_plan

    plans = _plan_only(request, store)
    rows: list[dict[str, Any]] = [
        {
            "side": spec.label, "case": planned.case.label, "case_id": planned.case.case_id,
            "launches": 0 if planned.obstacle else plan.suite.launches, "threads": planned.threads,
            "obstacle": planned.obstacle.reason if planned.obstacle else None,
        }
        for spec, plan in zip(request.sides, plans, strict=True)
        for planned in plan.cases
    ]  # fmt: skip
    estimates = [estimate_plan(plan, {}) for plan in plans]
    lo_s, hi_s = sum(one.lo for one in estimates), sum(one.hi for one in estimates)
    if form is Form.JSON:
        print_json({"suite": request.suite.name, "launches": rows, "total_lo_s": lo_s, "total_hi_s": hi_s})
    elif form is Form.CSV:
        print_csv(rows, PLAN_COLUMNS)
    else:
        table = new_table(f"trial of suite {request.suite.name}")
        for header in ("side", "case", "launches"):
            table.add_column(header, overflow="fold", justify="right" if header == "launches" else "left")
        for row in rows:
            table.add_row(row["side"], row["case"], row["obstacle"] or str(row["launches"]))
        make_console().print(table)
        count = sum(row["launches"] for row in rows)
        typer.echo(
            f"{count} launches in turns: {format_elapsed(lo_s)} to {format_elapsed(hi_s)}. Nothing was launched."
        )


class _PlannedEnough(Exception):  # noqa: N818  (not an error: the way out before the first launch)
    """Carries the plans of the sides out of the trial."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        super().__init__()
        self.plans = tuple(plans)


def _plan_only(request: TrialRequest, store: Store) -> tuple[Plan, ...]:
    """Have the sides opened and planned as a trial does it, commits checked out and all, and leave."""
    from assay.trials.ab import run_trial

    def leave(plans: tuple[Plan, ...]) -> None:
        raise _PlannedEnough(plans)

    try:
        run_trial(request, store, on_planned=leave)
    except _PlannedEnough as planned:
        return planned.plans
    raise AssertionError("a trial that was never planned cannot have ended")
