"""Old data goes; what people named stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assay.core.errors import NotFoundError, UsageError
from assay.core.records import RunBundle
from assay.store import Store
from assay.store.annotations import annotate, pin_baseline, read_annotations, read_baselines, retract
from assay.store.retention import Policy, apply_retention, plan_retention

MakeBundle = Callable[..., RunBundle]
NOW = datetime(2026, 11, 22, tzinfo=UTC)
YEAR = Policy(runs_older_than=timedelta(days=365), keep_last=0)


@pytest.fixture
def runs(store: Store, make_bundle: MakeBundle) -> list[str]:
    """Five runs, 500, 400, 300, 200 and 100 days old."""
    made = []
    for days in (500, 400, 300, 200, 100):
        bundle = make_bundle(cases=1, started_at=NOW - timedelta(days=days))
        ended = replace(bundle.run, finished_at=NOW - timedelta(days=days))
        store.append(replace(bundle, run=ended))
        made.append(bundle.run.run_id)
    return made


def test_old_runs_go_whole(store: Store, runs: list[str]) -> None:
    plan = plan_retention(store.location, YEAR, now=NOW)
    assert (plan.remove, plan.thin) == (tuple(sorted(runs[:2])), ())
    assert (plan.rows["runs"], plan.rows["results"], plan.rows["launches"]) == (2, 2, 4)
    assert len(store.runs()) == 5
    apply_retention(store.location, plan)
    assert {run.run_id for run in store.runs()} == set(runs[2:])
    assert store.query("SELECT count(*) AS n FROM raw.samples").to_pylist() == [{"n": 6}]
    assert store.check().clean
    assert plan_retention(store.location, YEAR, now=NOW).remove == ()


def test_raw_readings_go_and_results_stay(store: Store, runs: list[str]) -> None:
    policy = Policy(samples_older_than=timedelta(days=150), keep_last=0)
    plan = plan_retention(store.location, policy, now=NOW)
    assert plan.thin == tuple(sorted(runs[:4]))
    apply_retention(store.location, plan)
    assert len(store.results()) == 5
    (launch, _) = store.launches(run_id=runs[0], with_samples=True)
    assert (launch.samples, launch.telemetry) == ((), ())
    assert launch.median_ns is not None
    assert all(one.samples for one in store.launches(run_id=runs[4], with_samples=True))
    assert store.check().clean
    assert plan_retention(store.location, policy, now=NOW).thin == ()


def test_what_is_named_stays_and_says_why(store: Store, runs: list[str], make_bundle: MakeBundle) -> None:
    place = store.location
    annotate(place, kind="note", subject_kind="run", subject_id=runs[0], text="first on the new machine", author="ann")
    pin_baseline(place, "main", runs[1])
    tagged = make_bundle(cases=1, started_at=NOW - timedelta(days=600))
    store.append(replace(tagged, run=replace(tagged.run, tags=("paper",), finished_at=NOW - timedelta(days=600))))
    plan = plan_retention(place, replace(YEAR, keep_tags=("paper", "demo")), now=NOW)
    assert plan.remove == ()
    assert plan.protected == {
        runs[0]: "annotated (note) by ann",
        runs[1]: "baseline 'main'",
        tagged.run.run_id: "tagged paper",
    }


def test_the_newest_of_each_suite_stay(store: Store, runs: list[str]) -> None:
    plan = plan_retention(store.location, replace(YEAR, runs_older_than=timedelta(days=1), keep_last=3), now=NOW)
    assert plan.remove == tuple(sorted(runs[:2]))
    assert plan.protected[runs[4]] == "among the newest 3 of its suite"


def test_a_policy_that_says_nothing_is_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="Nothing is said about what may go"):
        plan_retention(store.location, Policy())
    with pytest.raises(UsageError, match="--keep-last -1 is negative"):
        plan_retention(store.location, replace(YEAR, keep_last=-1))


def test_annotations_hold_until_they_are_taken_back_or_expire(store: Store, runs: list[str]) -> None:
    place = store.location
    muted = annotate(
        place, kind="mute", subject_kind="run", subject_id=runs[0], text="known", author="ann", metric="latency_ns",
        expires_at=datetime.now(UTC) - timedelta(seconds=1),
    )  # fmt: skip
    note = annotate(place, kind="note", subject_kind="result", subject_id=store.results()[0].result_id, text=" odd ")
    assert store.annotations() == [note]
    assert note.text == "odd"
    assert store.annotations(include_ended=True) == [muted, note]
    back = retract(place, note.annotation_id, text="it was the cable")
    assert read_annotations(place) == []
    assert read_annotations(place, include_ended=True)[-1] == back
    with pytest.raises(NotFoundError, match="that holds"):
        retract(place, note.annotation_id, text="again")


def test_a_baseline_is_the_newest_of_its_name(store: Store, runs: list[str]) -> None:
    place = store.location
    pin_baseline(place, "main", runs[0])
    newer = pin_baseline(place, "main", runs[1], note="after the fix")
    assert store.baselines() == [newer]
    pin_baseline(place, "main", None)
    assert store.baselines() == []
    assert len(read_baselines(place, include_ended=True)) == 3
    with pytest.raises(NotFoundError, match="There is no baseline 'main'"):
        pin_baseline(place, "main", None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "shout"}, "'shout' is no kind of annotation"),
        ({"subject_kind": "machine"}, "'machine' cannot be annotated"),
        ({"text": "  "}, "without a text says nothing"),
        ({"subject_id": "x"}, "There is no run 'x'"),
    ],
)
def test_an_annotation_must_say_something_of_something(
    store: Store, runs: list[str], given: dict[str, str], message: str
) -> None:
    whole: dict[str, Any] = {"kind": "note", "subject_kind": "run", "subject_id": runs[0], "text": "hello"}
    with pytest.raises((UsageError, NotFoundError), match=message):
        annotate(store.location, **(whole | given))
