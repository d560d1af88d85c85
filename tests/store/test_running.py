"""Runs that go on, as their journals tell."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from assay.core.records import RunBundle
from assay.store import Store
from assay.store.running import PROGRESS, JournalFollower, list_running

MakeBundle = Callable[..., RunBundle]


def test_a_run_is_followed_launch_by_launch(store: Store, make_bundle: MakeBundle) -> None:
    bundle = make_bundle()
    first = bundle.results[0]
    launches = [one for one in bundle.launches if one.result_id == first.result_id]
    with store.journal(bundle.run.run_id) as journal:
        journal.record(bundle.run)
        journal.record(bundle.environment)
        follower = JournalFollower(journal.path)
        assert follower.advance()
        assert not follower.advance()
        state = follower.state()
        assert (state.run_id, state.suite, state.is_alive) == (bundle.run.run_id, bundle.run.suite, True)
        assert (state.hardware, state.ended, state.number) == (bundle.environment.hardware_class, 0, None)
        assert state.remaining_s(bundle.run.started_at) is None

        began = bundle.run.started_at + timedelta(seconds=10)
        for number, launch in enumerate(launches, start=1):
            journal.write(
                PROGRESS,
                {"number": number, "total": 4, "case": first.case.label, "case_id": first.case.case_id,
                 "began_at": (bundle.run.started_at + timedelta(seconds=10 * (number - 1))).isoformat()},
            )  # fmt: skip
            journal.record(launch)
            journal.record(first)
        assert follower.advance()
        state = follower.state()
        assert (state.number, state.total, state.doing) == (len(launches), 4, first.case.label)
        assert [one.ordinal for one in state.launches] == [one.ordinal for one in reversed(launches)]
        assert state.launches[0].median_ns == launches[-1].median_ns
        (result,) = state.results
        latency = first.metric("latency_ns")
        assert latency is not None
        assert (result.case_label, result.latency_ns) == (first.case.label, latency.value)
        # One launch took ten seconds, and three of four are to come.
        assert len(launches) == 2
        assert state.remaining_s(began) == pytest.approx(30.0)
        assert state.remaining_s(began + timedelta(seconds=60)) == 0.0
        assert not state.is_publishing
        assert list_running(store.location) == (state,)
    assert [one.is_alive for one in list_running(store.location)] == [False]


def test_half_a_line_waits_for_its_other_half(store: Store, make_bundle: MakeBundle) -> None:
    bundle = make_bundle()
    with store.journal(bundle.run.run_id) as journal:
        journal.record(bundle.run)
        journal.record(bundle.environment)
        content = journal.path.read_bytes()
        copy = journal.path.with_name("copy.jsonl")
        copy.write_bytes(content[:-7])
        follower = JournalFollower(copy)
        assert follower.advance()
        assert follower.state().hardware is None
        copy.write_bytes(content)
        assert follower.advance()
        assert follower.state().hardware == bundle.environment.hardware_class


def test_rubbish_and_lines_of_a_later_version_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(
        b'{"kind":"progress","payload":7}\nnot json\n{"kind":"moon","payload":{}}\n[]\n{"kind":"result","payload":{}}\n'
    )
    follower = JournalFollower(path)
    assert follower.advance()
    assert follower.state().results == ()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        follower.advance()


def test_a_real_run_says_what_it_does_and_its_journal_is_recovered_all_the_same(
    store: Store, make_bundle: MakeBundle
) -> None:
    """The lines of progress change nothing for recovery."""
    bundle = make_bundle()
    with store.journal(bundle.run.run_id) as journal:
        journal.record(bundle.run)
        journal.record(bundle.environment)
        journal.write(PROGRESS, {"number": 1, "total": 9, "case": "x", "case_id": "y", "began_at": None})
        for launch in bundle.launches:
            journal.record(launch)
        for result in bundle.results:
            journal.record(result)
    (recovered,) = store.recover()
    assert recovered.unreadable_lines == 0
    assert store.results() == list(bundle.results)
    assert list_running(store.location) == ()


def test_looking_does_not_load_what_heavy_readers_need(store: Store, make_bundle: MakeBundle) -> None:
    bundle = replace(make_bundle())
    with store.journal(bundle.run.run_id) as journal:
        journal.record(bundle.run)
    code = (
        "import sys; from assay.store.running import list_running; "
        f"assert len(list_running({store.location!r})) == 1; "
        "assert not {'duckdb', 'pyarrow', 'deltalake', 'numpy'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 0, done.stderr
