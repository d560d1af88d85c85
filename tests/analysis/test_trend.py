"""Histories composed for the purpose: where they are cut, where they change, and what is left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.loading import load_module

from assay.analysis import trend_points
from assay.analysis.trend import Begin, Trend, find_series, find_trends
from assay.core.errors import NotFoundError, UnknownNameError
from assay.core.records import MetricValue
from assay.core.words import Direction, Fidelity, Provenance, Status, Verdict
from assay.store import Store
from assay.store.annotations import annotate, retract
from assay.store.query import fetch_rows
from assay.store.selection import Selection

history = load_module("analysis.trend_history")
noisy, steps, environment = history.noisy, history.steps, history.environment
ENV = environment()
Keep = Callable[..., tuple[Store, Any]]


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    def store(*histories: Sequence[Any]) -> tuple[Store, Any]:
        kept: tuple[Store, Any] = history.store_history(tmp_path / "store", *histories)
        return kept

    return store


def only(store: Store, **more: Any) -> Trend:
    (found,) = find_trends(store, Selection(), **more)
    return found


def starts(trend: Trend) -> list[tuple[int, Begin]]:
    return [(segment.places[0], segment.begun_by) for segment in trend.segments]


def test_a_steady_history_is_one_segment(keep: Keep) -> None:
    store, bundles = keep(steps(noisy([(30, 1e6)]), ENV))
    trend = only(store)
    assert (trend.case_label, trend.hardware) == ("bert/base torch cpu fp32 b8 seq128", "some cpu 2c 8GiB")
    assert (trend.metric, trend.stat, trend.unit, trend.direction) == ("latency_ns", "median", "ns", Direction.LOWER)
    assert [point.result_id for point in trend.points] == [one.results[0].result_id for one in bundles]
    assert starts(trend) == [(0, Begin.FIRST)]
    assert trend.segments[0].places == tuple(range(30))
    assert trend.segments[0].level == pytest.approx(1e6, rel=0.005)
    assert trend.segments[0].sd_log == pytest.approx(0.01, abs=0.004)
    assert (trend.changes, trend.breaks) == ((), ())
    assert trend.level == trend.segments[0].level
    assert trend.newest == trend.points[-1]


def test_a_change_names_runs_commits_and_whether_it_is_worse(keep: Keep) -> None:
    store, bundles = keep(steps(noisy([(20, 1e6), (10, 1.06e6)]), ENV))
    trend = only(store)
    (change,) = trend.changes
    assert change.ratio == pytest.approx(1.06, abs=0.01)
    assert change.is_worse is True
    assert change.p <= 0.001
    assert (change.before, change.after) == (19, 20)
    before, after = trend.between(change)
    assert (before.run_id, after.run_id) == (bundles[19].run.run_id, bundles[20].run.run_id)
    assert (before.git_commit, after.git_commit) == (history.commit(19), history.commit(20))
    assert starts(trend) == [(0, Begin.FIRST), (20, Begin.CHANGE)]
    assert (change.accepted, change.muted) == (None, None)


def test_the_same_step_in_throughput_is_better(keep: Keep) -> None:
    values = noisy([(20, 100.0), (12, 108.0)])
    more = [[MetricValue("throughput_per_s", value, "1/s")] for value in values]
    store, _ = keep([replace(step, more=one) for step, one in zip(steps([1e6] * 32, ENV), more, strict=True)])
    (change,) = only(store, metric="throughput_per_s").changes
    assert (change.is_worse, change.after) == (False, 20)
    assert only(store).changes == ()


def test_a_new_environment_is_a_break_and_no_change(keep: Keep) -> None:
    values = noisy([(20, 1e6), (20, 1.2e6)])
    store, _ = keep(steps(values[:20], ENV), steps(values[20:], environment("2.13.0"), begin=20))
    trend = only(store)
    assert trend.changes == ()
    assert starts(trend) == [(0, Begin.FIRST), (20, Begin.ENVIRONMENT)]
    (found,) = trend.breaks
    assert (found.kind, found.before, found.after, found.is_return) == (Begin.ENVIRONMENT, 19, 20, False)
    assert found.text == "torch 2.12.0 -> 2.13.0"


def test_packages_of_the_users_own_are_no_break(keep: Keep) -> None:
    values = noisy([(12, 1e6)])
    store, _ = keep(*(steps(values[day : day + 1], environment(), begin=day) for day in range(12)))
    trend = only(store)
    assert len({point.env_id for point in trend.points}) == 12
    assert (trend.breaks, len(trend.segments)) == ((), 1)


def test_environments_in_turns_have_a_level_each_and_a_change_is_found_in_both(keep: Keep) -> None:
    old, new = environment("2.12.0"), environment("2.13.0")
    a, b = noisy([(15, 1e6), (10, 1.1e6)], seed=1), noisy([(15, 2e6), (10, 2.2e6)], seed=2)
    turns = [
        replace(steps([value], env)[0], day=2 * day + number)
        for day, pair in enumerate(zip(a, b, strict=True))
        for number, (value, env) in enumerate(zip(pair, (old, new), strict=True))
    ]
    store, _ = keep(turns)
    trend = only(store)
    assert [change.after for change in trend.changes] == [30, 31]
    assert [round(segment.level / 1e5) for segment in trend.segments] == [10, 20, 11, 22]
    assert trend.segments[0].places == tuple(range(0, 30, 2))
    assert [found.is_return for found in trend.breaks[:3]] == [False, True, True]


def test_what_cannot_be_used_is_a_point_that_says_why_and_moves_nothing(keep: Keep) -> None:
    values = steps(noisy([(30, 1e6)]), ENV)
    odd: dict[int, dict[str, Any]] = {
        5: {"value": 5e6, "verdict": Verdict.CONTAMINATED},
        9: {"status": Status.FAILED},
        11: {"value": 4e6, "tags": ("trial",)},
        12: {"value": 4e6, "tags": ("trial:abc", "side:A")},
        13: {"value": 4e6, "changes": {"launches_ok": 2}},
        15: {"value": 4e6, "changes": {"fidelity": Fidelity.FAILED, "fidelity_reason": "off by 3"}},
        17: {"value": -1.0},
    }
    store, _ = keep([replace(step, **odd.get(place, {})) for place, step in enumerate(values)])
    trend = only(store)
    left_out = {place: point.left_out for place, point in enumerate(trend.points) if not point.is_used}
    trial = "launches of a trial, perhaps of another state of the code"
    assert left_out == {
        5: "contaminated", 9: "failed: it broke", 11: trial, 12: trial, 13: "2 of 5 launches",
        15: "not usable: off by 3", 17: "-1.0 has no logarithm",
    }  # fmt: skip
    assert trend.points[5].value == 5e6
    assert trend.points[9].value is None
    assert trend.segments[0].places == tuple(sorted(set(range(30)) - set(odd)))
    assert trend.changes == ()


def test_a_series_of_which_nothing_can_be_used_has_points_and_nothing_else(keep: Keep) -> None:
    store, _ = keep(steps([1e6] * 3, ENV, status=Status.FAILED))
    trend = only(store)
    assert len(trend.points) == 3
    assert (trend.segments, trend.newest, trend.level) == ((), None, None)


def test_an_accepted_change_is_marked_and_stays_where_it_is(keep: Keep) -> None:
    store, bundles = keep(steps(noisy([(20, 1e6), (10, 1.06e6)]), ENV))
    annotate(
        store.location, kind="accept", subject_kind="run", subject_id=bundles[22].run.run_id, text="new tokenizer",
        author="ada",
    )  # fmt: skip
    trend = only(store)
    assert [(change.after, change.accepted) for change in trend.changes] == [(20, "new tokenizer (ada)")]
    assert starts(trend) == [(0, Begin.FIRST), (20, Begin.CHANGE)]
    assert trend.breaks == ()


def test_an_acceptance_long_after_a_change_covers_it(keep: Keep) -> None:
    store, bundles = keep(steps(noisy([(20, 1e6), (20, 1.06e6)]), ENV))
    annotate(
        store.location, kind="accept", subject_kind="result", subject_id=bundles[35].results[0].result_id,
        text="known", author="ada",
    )  # fmt: skip
    trend = only(store)
    assert [(change.after, change.accepted) for change in trend.changes] == [(20, "known (ada)")]
    # Nothing changed at the accepted result itself, so its level begins there by word alone.
    assert starts(trend) == [(0, Begin.FIRST), (20, Begin.CHANGE), (35, Begin.ACCEPT)]


def test_an_acceptance_does_not_cover_what_comes_later(keep: Keep) -> None:
    store, bundles = keep(steps(noisy([(20, 1e6), (20, 1.06e6), (20, 1.13e6)]), ENV))
    subject = bundles[21].run.run_id
    annotate(store.location, kind="accept", subject_kind="run", subject_id=subject, text="known", author="ada")
    assert [change.accepted for change in only(store).changes] == ["known (ada)", None]


def test_an_accepted_level_too_young_to_be_seen_begins_a_segment(keep: Keep) -> None:
    store, bundles = keep(steps(noisy([(20, 1e6), (3, 1.2e6)]), ENV))
    annotate(
        store.location, kind="accept", subject_kind="series", subject_id=bundles[0].results[0].series_id,
        text="as wanted", author="ada",
    )  # fmt: skip
    trend = only(store)
    assert trend.changes == ()
    # A series is accepted as of its newest result, which is what the person saw.
    assert starts(trend) == [(0, Begin.FIRST), (22, Begin.ACCEPT)]
    assert [(found.kind, found.text) for found in trend.breaks] == [(Begin.ACCEPT, "as wanted (ada)")]


def test_a_split_begins_anew_and_what_is_taken_back_does_not(keep: Keep) -> None:
    store, bundles = keep(steps(noisy([(20, 1e6), (20, 1.06e6)]), ENV))
    said = annotate(
        store.location, kind="split", subject_kind="run", subject_id=bundles[20].run.run_id, text="other data",
        author="ada",
    )  # fmt: skip
    trend = only(store)
    assert trend.changes == ()
    assert starts(trend) == [(0, Begin.FIRST), (20, Begin.SPLIT)]
    assert [(one.kind, one.before, one.after, one.text) for one in trend.breaks] == [
        (Begin.SPLIT, 19, 20, "other data (ada)")
    ]
    retract(store.location, said.annotation_id, text="a mistake")
    assert [change.after for change in only(store).changes] == [20]


def test_a_mute_is_shown_with_its_change_and_only_of_its_metric(keep: Keep) -> None:
    store, bundles = keep(steps(noisy([(20, 1e6), (10, 1.06e6)]), ENV))
    subject = bundles[21].run.run_id
    annotate(
        store.location, kind="mute", subject_kind="run", subject_id=subject, text="other metric", author="ada",
        metric="memory_peak_bytes",
    )  # fmt: skip
    assert [change.muted for change in only(store).changes] == [None]
    annotate(store.location, kind="mute", subject_kind="run", subject_id=subject, text="waits", author="ada")
    assert [change.muted for change in only(store).changes] == ["waits (ada)"]


def test_a_mute_of_a_series_is_about_its_newest_change_then(keep: Keep) -> None:
    store, bundles = keep(steps(noisy([(20, 1e6), (20, 1.06e6), (20, 1.13e6)]), ENV))
    subject = bundles[0].results[0].series_id
    annotate(store.location, kind="mute", subject_kind="series", subject_id=subject, text="waits", author="ada")
    assert [change.muted for change in only(store).changes] == [None, "waits (ada)"]


def test_series_are_chosen_by_id_words_and_selection(keep: Keep) -> None:
    store, bundles = keep(steps([1e6] * 3, ENV), steps([2e6] * 2, ENV, case=history.OTHER))
    by_label = {one.case_label: one.series_id for one in find_series(store, Selection())}
    bert, resnet = "bert/base torch cpu fp32 b8 seq128", "resnet/50 onnxruntime cpu fp32 b1 image224"
    assert list(by_label) == [bert, resnet]
    for words in (["BERT"], ["seq128", "fp32"], [by_label[bert][:6]], ["bert", "8GiB"]):
        assert [one.case_label for one in find_series(store, Selection(), words)] == [bert]
    assert len(find_series(store, Selection(), ["cpu"])) == 2
    with pytest.raises(NotFoundError, match="None of the 2 series fits 'bert onnxruntime'"):
        find_series(store, Selection(), ["bert", "onnxruntime"])
    assert [one.case_label for one in find_trends(store, Selection(engine="onnxruntime"))] == [resnet]
    later = Selection(since=history.BEGIN + timedelta(days=1))
    assert [len(one.points) for one in find_trends(store, later)] == [2, 1]
    assert find_trends(store, Selection(workload="nothing/at-all")) == ()
    assert bundles[0].results[0].series_id == by_label[bert]


def test_imported_results_have_no_trend(keep: Keep) -> None:
    imported = {"provenance": Provenance.IMPORTED, "source": "a file"}
    store, _ = keep(steps([1e6] * 3, ENV, changes=imported))
    assert find_trends(store, Selection()) == ()


def test_a_metric_of_the_list_is_read_in_its_steady_phase_and_unit(keep: Keep) -> None:
    values = steps([1e6] * 4, ENV)
    more: list[list[MetricValue]] = [
        [MetricValue("load_ns", 5e8, "ns"), MetricValue("load_ns", 1.0, "ns", phase="load")],
        [MetricValue("load_ns", None, "ns", reason="the engine does not say")],
        [MetricValue("load_ns", 0.5, "s")],
        [MetricValue("load_ns", 1.0, "ns", phase="a"), MetricValue("load_ns", 2.0, "ns", phase="b")],
    ]
    store, _ = keep([replace(step, more=one) for step, one in zip(values, more, strict=True)])
    trend = only(store, metric="load_ns")
    assert [point.value for point in trend.points[:3]] == [5e8, None, None]
    assert [point.left_out for point in trend.points] == [
        None, "the engine does not say", "it has no such number", "it has this metric in several phases",
    ]  # fmt: skip


def test_many_series_take_as_many_queries_as_one(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = keep(*(steps([1e6] * 3, ENV, case=replace(history.CASE, batch=batch)) for batch in range(1, 31)))
    asked: list[str] = []

    def count(location: str, sql: str, *given: Any, **more: Any) -> Any:
        asked.append(sql)
        return fetch_rows(location, sql, *given, **more)

    monkeypatch.setattr(trend_points, "fetch_rows", count)
    assert len(find_trends(store, Selection())) == 30
    assert len(asked) == 3


@pytest.mark.parametrize(("metric", "stat"), [("latency", None), ("latency_ns", "mean")])
def test_an_unknown_metric_is_refused(keep: Keep, metric: str, stat: str | None) -> None:
    store, _ = keep(steps([1e6], ENV))
    with pytest.raises(UnknownNameError):
        find_trends(store, Selection(), metric=metric, stat=stat)
