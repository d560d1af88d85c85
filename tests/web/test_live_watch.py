"""Watching runs: one thread for all, states and not queues, nothing left behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assay.core.records import RunRecord
from assay.core.words import RunStatus
from assay.store import Store
from assay.web import live
from assay.web.live import LiveState, LiveWatch, TooManyListenersError


def header(run_id: str) -> RunRecord:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return RunRecord(run_id, "quick", RunStatus.INTERRUPTED, now, now, "env", {}, 1, "0", "hash")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name == "assay-live"]


async def next_state(states: AsyncGenerator[LiveState | None]) -> LiveState:
    while True:
        state = await asyncio.wait_for(anext(states), 20)
        if state is not None:
            return state


def test_a_run_appears_goes_on_and_ends(store: Store) -> None:
    watch = LiveWatch(store.location, interval_s=0.02)

    async def follow() -> None:
        states = watch.states(heartbeat_s=0.05)
        assert (await next_state(states)).runs == ()
        journal = store.journal("run-1")
        journal.record(header("run-1"))
        state = await next_state(states)
        while not (state.runs and state.runs[0].suite):
            state = await next_state(states)
        assert (state.runs[0].run_id, state.runs[0].is_alive) == ("run-1", True)
        journal.remove()
        while state.runs:
            state = await next_state(states)
        assert state.ended == ("run-1",)
        await states.aclose()

    asyncio.run(follow())
    assert watch.listeners == 0


def test_nobody_watching_leaves_no_thread(store: Store) -> None:
    watch = LiveWatch(store.location, interval_s=0.02)

    async def many() -> None:
        streams = [watch.states() for _ in range(50)]
        for stream in streams:
            await next_state(stream)
        assert threads() == ["assay-live"]
        for stream in streams:
            await stream.aclose()

    for _ in range(3):
        asyncio.run(many())
    for thread in threading.enumerate():
        if thread.name == "assay-live":
            thread.join(10)
    assert threads() == []


def test_silence_is_filled_with_heartbeats_and_stopping_ends_streams(store: Store) -> None:
    watch = LiveWatch(store.location, interval_s=0.02)

    async def follow() -> list[Any]:
        heard: list[Any] = []
        async for state in watch.states(heartbeat_s=0.02):
            heard.append(state)
            if len(heard) == 3:
                watch.stop()
        return heard

    first, *beats = asyncio.run(asyncio.wait_for(follow(), 20))
    assert first.runs == ()
    assert beats[0] is None


def test_a_version_seen_before_is_not_sent_again(store: Store) -> None:
    watch = LiveWatch(store.location, interval_s=0.02)
    version = watch.look().version

    async def follow() -> LiveState | None:
        return await anext(watch.states(seen=version, heartbeat_s=0.02))

    assert asyncio.run(follow()) is None


def test_too_many_are_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_LISTENERS", 1)
    watch = LiveWatch(store.location, interval_s=0.02)

    async def follow() -> None:
        one = watch.states()
        await anext(one)
        with pytest.raises(TooManyListenersError, match="1 clients"):
            await anext(watch.states())
        await one.aclose()

    asyncio.run(follow())
