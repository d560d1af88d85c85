"""Runs that are going on: a page, and a stream of events that says when it changed. May import: core, report, web."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002  (FastAPI reads the annotation)
from starlette.responses import StreamingResponse

from assay.report.running import progress_of, report_of_running
from assay.web.live import LiveState, LiveWatch, watch_of
from assay.web.navigation import Place
from assay.web.page import Ask, Page
from assay.web.reports import Lesson
from assay.web.views import add_page

router = APIRouter()

_RETRY_MS = 3000
_LESSON = Lesson(
    "A run appears here while it measures. Start one in a terminal:",
    ("assay run --suite quick", "assay run --model bert/tiny --batch 1,8"),
)


def build_live(ask: Ask) -> Page:
    """Show what the journals say now."""
    state = LiveState(0, (), ()) if ask.settings.is_static else watch_of(ask.store.location).look()
    report = report_of_running(state.runs, state.ended, datetime.now(UTC))
    bars = {
        f"run-{run.run_id}": {"label": section.title, "done": progress[0], "all": progress[1]}
        for run, section in zip(sorted(state.runs, key=lambda one: not one.is_alive), report.sections, strict=False)
        if (progress := progress_of(run)) is not None
    }
    parts: dict[str, Any] = {"bars": bars, "problem": state.problem}
    if not state.runs:
        parts["teach"] = (_LESSON,)
    return Page(report, Place.LIVE, template="live.html", parts=parts)


add_page(router, "/live", build_live, name="live", is_live=True, is_kept=False)


@router.get("/live/events", include_in_schema=False)
async def stream(request: Request) -> StreamingResponse:
    """Send an event for each newer state (server-sent events), and a comment now and then so that nobody hangs up."""
    watch: LiveWatch = request.app.state.live
    states = watch.states(seen=_seen(request.headers.get("last-event-id"), watch.boot))
    # The first state is taken before the answer begins, so that "too many" is an answer and no broken stream.
    first = await anext(states)
    return StreamingResponse(
        _events(first, states, watch.boot),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def _events(first: LiveState | None, states: AsyncIterator[LiveState | None], boot: str) -> AsyncIterator[str]:
    yield f"retry: {_RETRY_MS}\n\n"
    yield _event(first, boot)
    async for state in states:
        yield _event(state, boot)


def _event(state: LiveState | None, boot: str) -> str:
    if state is None:
        return ": still here\n\n"
    # JSON holds no line end, so the data is one line.
    content = json.dumps(_content(state), ensure_ascii=True, allow_nan=False, default=str)
    return f"id: {boot}-{state.version}\nevent: state\ndata: {content}\n\n"


def _content(state: LiveState) -> dict[str, Any]:
    """What a client is told: of each run all but its launches and cases, which the page has."""
    now = datetime.now(UTC)
    runs = []
    for run in state.runs:
        entry = asdict(run)
        del entry["launches"], entry["results"]
        runs.append(entry | {"remaining_s": run.remaining_s(now)})
    return {"version": state.version, "runs": runs, "ended": state.ended, "problem": state.problem}


def _seen(last: str | None, boot: str) -> int:
    """The version a client has from this server; -1 where it has none, or another server's."""
    head, _, number = (last or "").partition("-")
    return int(number) if head == boot and number.isascii() and number.isdecimal() and len(number) < 12 else -1  # noqa: PLR2004
