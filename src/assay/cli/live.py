"""What a person sees while a run goes on: cases, launches, the live median, the time left.

On stderr: drawn on a terminal; elsewhere (a log of CI) a line a minute, so that a run of an hour does not look dead.

It draws when something happens, or once a second: the supervisor must leave the processor to the worker.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from assay.cli.launch_clock import LaunchClock
from assay.cli.output import new_table
from assay.cli.tables import verdict_text
from assay.core.records import ResultRecord
from assay.core.units import format_duration_ns, format_elapsed
from assay.core.words import Status
from assay.runner.execute import Event, LaunchBegan, LaunchEnded, LaunchSaid, Preparing
from assay.runner.protocol import PhaseBegan, SamplesSoFar

if TYPE_CHECKING:
    from rich.table import Table

    from assay.runner.plan import PlannedCase

_DRAW_EVERY_S = 0.9
_SAY_EVERY_S = 60.0
"""Where nothing can be drawn over."""
_FRAME_LINES = 6  # title, header, rules, progress line
_BAR_WIDTH = 24


class LiveRun:
    """Listens to a run and draws it, as a context manager; where ``console`` is no terminal it says a line a minute."""

    def __init__(self, console: Console, cases: Sequence[PlannedCase], *, title: str, expected_launch_s: float) -> None:
        self._console = console
        self._title = title
        self._rows = {planned.case.case_id: _Row(planned.case.label) for planned in cases}
        self._clock = LaunchClock(list(self._rows), expected_s=expected_launch_s)
        self._begin = time.monotonic()
        self._drawn = 0.0
        self._said = self._begin
        self._done, self._total = 0, 0
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Take in one event of the run."""
        planned = event.planned if isinstance(event, Preparing) else event.scheduled.planned
        row = self._rows[planned.case.case_id]
        urgent = True
        match event:
            case Preparing(_, what):
                row.activity = f"making {what}"
            case LaunchBegan(_, number, total):
                self._done, self._total = number - 1, total
                row.activity = "starting"
                self._clock.begin(planned.case.case_id, time.monotonic())
            case LaunchSaid(_, PhaseBegan(phase)):
                row.activity = phase
            case LaunchSaid(_, SamplesSoFar(samples, median_ns, half_width)):
                width = f" ±{100 * half_width:.1f} %" if half_width is not None else ""
                row.activity = f"{format_duration_ns(median_ns)}{width}, {samples} samples"
                urgent = False
            case LaunchEnded(_, launch, result):
                self._done += 1
                self._clock.end(planned.case.case_id, (launch.wall_ns or 0) / 1e9)
                row.activity, row.result = "", result
            case _:
                urgent = False
        if self._live is None:
            self._say(row)
        else:
            self._draw(urgent=urgent)

    def _say(self, row: _Row) -> None:
        now = time.monotonic()
        if now - self._said < _SAY_EVERY_S:
            return
        self._said = now
        spent = format_elapsed(now - self._begin)
        left = format_elapsed(self._clock.left_s(self._total - self._done, now))
        doing = f"{row.label}: {row.activity}" if row.activity else row.label
        self._console.print(
            f"{self._done}/{self._total} launches · {spent} · about {left} left · {doing}", soft_wrap=True
        )

    def _draw(self, *, urgent: bool) -> None:
        now = time.monotonic()
        if self._live is None or (not urgent and now - self._drawn < _DRAW_EVERY_S):
            return
        self._drawn = now
        self._live.update(Group(self._table(), self._progress(now)), refresh=True)

    def _table(self) -> Table:
        table = new_table(self._title)
        table.add_column("case", no_wrap=True)
        table.add_column("launches", justify="right")
        table.add_column("median so far", justify="right")
        table.add_column("state")
        for row in self._visible_rows():
            table.add_row(row.label, row.launches, row.median, row.state)
        return table

    def _visible_rows(self) -> list[_Row]:
        """As many rows as the terminal has room for, those with something to show first."""
        room = max(3, self._console.height - _FRAME_LINES)
        rows = list(self._rows.values())
        if len(rows) <= room:
            return rows
        busy = [row for row in rows if row.activity or row.result]
        return busy[-room:] if len(busy) >= room else (busy + [row for row in rows if row not in busy])[:room]

    def _progress(self, now: float) -> Text:
        share = self._done / self._total if self._total else 0.0
        filled = round(_BAR_WIDTH * share)
        bar = "━" * filled + "╌" * (_BAR_WIDTH - filled)
        spent = format_elapsed(now - self._begin)
        left = format_elapsed(self._clock.left_s(self._total - self._done, now))
        text = f"{bar} {self._done}/{self._total} launches · {spent} · about {left} left"
        return Text(text + " · Ctrl-C keeps what is done", style="dim")


class _Row:
    """One line of the display."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.activity = ""
        self.result: ResultRecord | None = None

    @property
    def launches(self) -> str:
        return f"{self.result.launches_ok}/{self.result.launches_planned}" if self.result else ""

    @property
    def median(self) -> str:
        latency = self.result.metric("latency_ns") if self.result else None
        return format_duration_ns(latency.value) if latency else ""

    @property
    def state(self) -> Text:
        if self.activity:
            return Text(self.activity, style="cyan")
        if self.result is None:
            return Text("waiting", style="dim")
        if self.result.status is Status.OK and self.result.launches_ok < self.result.launches_planned:
            return Text.assemble(verdict_text(self.result), " so far")
        return verdict_text(self.result)
