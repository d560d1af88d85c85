"""A trial as it goes on: the display of a run, with a row for each case of each side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from assay.cli.live import LiveRun
from assay.runner.request import Event, Preparing

if TYPE_CHECKING:
    from rich.console import Console

    from assay.runner.plan import Plan, PlannedCase


class LiveTrial:
    """A context manager that learns the plans of the sides, listens to the trial and draws it.

    ``labels`` are the sides' in their order. Does nothing where ``console`` is no terminal.
    """

    def __init__(self, console: Console, labels: Sequence[str], *, title: str) -> None:
        self._console = console
        self._labels = labels
        self._title = title
        self._live: LiveRun | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)

    def begin(self, plans: Sequence[Plan]) -> None:
        """Take in the plans of the sides, before the first launch."""
        from assay.runner.estimate import estimate_plan

        cases = [self._name(planned, side) for side, plan in enumerate(plans) for planned in plan.cases]
        count = sum(len(plan.ready) * plan.suite.launches for plan in plans)
        whole_s = sum(estimate_plan(plan, {}).lo for plan in plans)
        self._live = LiveRun(self._console, cases, title=self._title, expected_launch_s=whole_s / max(1, count))
        self._live.__enter__()

    def __call__(self, event: Event) -> None:
        """Take in one event of the trial."""
        if self._live is None:
            return
        if isinstance(event, Preparing):
            self._live(replace(event, planned=self._name(event.planned, event.side)))
        else:
            scheduled = replace(event.scheduled, planned=self._name(event.scheduled.planned, event.side))
            self._live(replace(event, scheduled=scheduled))

    def _name(self, planned: PlannedCase, side: int) -> PlannedCase:
        """The same case on two sides is two rows: its label begins with the side's."""
        return replace(planned, case=replace(planned.case, workload=f"{self._labels[side]}: {planned.case.workload}"))
