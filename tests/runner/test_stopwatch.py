"""Calls that another program makes and times, on clocks that only its calls move: no time passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.errors import EngineError
from assay.engines.base import Session
from assay.runner.measure import Timed, WarmUp, take_samples, time_call, warm_up
from assay.runner.stopwatch import fit_calls, make_calls
from assay.runner.timing import Timing

US = 1_000
MS = 1_000_000
S = 1_000_000_000


@dataclass
class Program:
    """A program whose calls take what ``durations`` says and whose clock has steps; a round trip takes 3 ms."""

    durations: Iterator[int]
    resolution_ns: int = 5 * US
    round_trip_ns: int = 3 * MS
    now: int = 0
    asked: list[tuple[int, int, int | None]] = field(default_factory=list)

    def clock(self) -> int:
        """The worker's clock."""
        return self.now

    def time_calls(self, samples: int, *, calls_per_sample: int = 1, limit_ns: int | None = None) -> Sequence[int]:
        self.asked.append((samples, calls_per_sample, limit_ns))
        begin, read = self.now, []
        for _ in range(samples):
            start = self._read()
            for _ in range(calls_per_sample):
                self.now += next(self.durations)
            read.append(self._read() - start)
            if limit_ns is not None and self.now - begin >= limit_ns:
                break
        self.now += self.round_trip_ns
        return read

    def _read(self) -> int:
        return self.now // self.resolution_ns * self.resolution_ns

    def session(self) -> Session:
        return Session(
            infer=refuse_to_be_timed,
            unload=lambda: None,
            effective_precision="fp32",
            threads=1,
            hardware="",
            parameters=None,
            facts={},
            stopwatch=self,
        )


def refuse_to_be_timed() -> None:
    raise AssertionError("calls of another program are not made here")


def warm(program: Program, *, least_calls: int = 3, least_s: float = 0.0, **timing: float) -> WarmUp:
    return warm_up(
        program.session(),
        Timing(**timing),  # type: ignore[arg-type]  # floats where counts are
        program.clock,
        least_calls=least_calls,
        least_s=least_s,
    )


def sample(program: Program, *, call_ns: int, **timing: float) -> Timed:
    return take_samples(program.session(), Timing(**timing), call_ns=call_ns, clock=program.clock)  # type: ignore[arg-type]


# --- one call, and what is no answer --------------------------------------------------------------------------


def test_one_call_is_one_round_trip() -> None:
    program = Program(repeat(20 * MS))
    assert time_call(program.session(), program.clock) == 20 * MS
    assert program.asked == [(1, 1, None)]


@pytest.mark.parametrize("answer", [[], [1, 2, 3], [5, -1]])
def test_what_is_no_answer_is_the_engines_fault(answer: list[int]) -> None:
    class Broken(Program):
        def time_calls(self, samples: int, *, calls_per_sample: int = 1, limit_ns: int | None = None) -> Sequence[int]:
            del samples, calls_per_sample, limit_ns
            return answer

    with pytest.raises(EngineError, match=f"answered {len(answer)} durations"):
        make_calls(Broken(repeat(MS)), 2)


# --- warm-up --------------------------------------------------------------------------------------------------


def test_warm_up_is_made_in_series_and_by_the_same_rule() -> None:
    program = Program(repeat(20 * MS))
    found = warm(program)  # 0.5 s is reached in the third series of ten
    assert (found.calls, found.converged, found.last_call_ns) == (30, True, 20 * MS)
    assert [samples for samples, _, _ in program.asked] == [10, 10, 10]


def test_a_runtime_that_compiles_gets_its_calls_and_its_time_whatever_the_suite_says() -> None:
    hurried: dict[str, Any] = {"warmup_min_s": 0.0, "warmup_max_s": 0.01, "warmup_max_calls": 1}
    slow = warm(Program(repeat(300 * MS)), least_calls=20, least_s=2.0, **hurried)
    assert slow.calls == 20
    fast = Program(repeat(MS))
    assert warm(fast, least_calls=20, least_s=2.0, **hurried).wall_ns >= 2 * S
    assert fast.now < 2.5 * S
    plain = Program(repeat(300 * MS))
    assert warm(plain, **hurried).calls < 20


def test_calls_that_are_needed_after_the_time_is_up_are_counted_out() -> None:
    program = Program(repeat(S))
    found = warm(program, least_calls=20, least_s=2.0)
    assert (found.calls, found.converged) == (20, True)
    assert [samples for samples, _, _ in program.asked] == [10, 10]


def test_after_half_a_minute_everything_is_compiled_however_few_the_calls() -> None:
    program = Program(repeat(4 * S))
    found = warm(program, least_calls=20, least_s=2.0)
    assert (found.calls, found.converged) == (8, None)
    assert [limit // S for _, _, limit in program.asked if limit is not None] == [10, 17]


def test_calls_of_this_process_get_what_the_runtime_needs_too() -> None:
    now = 0

    def infer() -> None:
        nonlocal now
        now += 300 * MS

    session = Session(infer, lambda: None, "fp32", 1, "", None, {})
    assert warm_up(session, Timing(warmup_max_s=0.5), lambda: now).calls == 2
    assert warm_up(session, Timing(warmup_max_s=0.5), lambda: now, least_calls=20).calls == 20
    assert warm_up(session, Timing(warmup_max_s=0.5), lambda: now, least_s=2.0).wall_ns >= 2 * S


def test_code_that_a_second_compiler_makes_faster_is_waited_for() -> None:
    program = Program(chain(repeat(50 * MS, 25), repeat(10 * MS)))
    found = warm(program, least_calls=20, least_s=2.0)
    assert (found.converged, found.last_call_ns) == (True, 10 * MS)


@pytest.mark.parametrize("resolution_ns", [5 * US, 100 * US, MS])
@pytest.mark.parametrize("call_ns", [700, 40 * US, 900 * US])
def test_calls_that_the_clock_cannot_tell_are_made_in_longer_samples(resolution_ns: int, call_ns: int) -> None:
    program = Program(repeat(call_ns), resolution_ns)
    found = warm(program, warmup_min_s=0.01)
    assert found.last_call_ns == pytest.approx(call_ns, rel=0.03)
    assert found.converged is True


def test_a_call_far_longer_than_the_whole_warm_up_is_made_once() -> None:
    program = Program(repeat(60 * S))
    assert (warm(program).calls, len(program.asked)) == (1, 1)


def test_a_clock_that_stands_still_is_told_and_not_waited_for() -> None:
    class Stopped(Program):
        def time_calls(self, samples: int, *, calls_per_sample: int = 1, limit_ns: int | None = None) -> Sequence[int]:
            super().time_calls(samples, calls_per_sample=calls_per_sample, limit_ns=limit_ns)
            return [0] * samples

    with pytest.raises(EngineError, match="stands still: it read 0 ns"):
        warm(Stopped(repeat(MS)))


# --- sampling -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resolution_ns", "call_ns", "calls_per_sample"),
    [(5 * US, 2 * MS, 1), (5 * US, 100 * US, 10), (100 * US, 2 * MS, 5), (100 * US, 20 * MS, 1), (MS, 2 * MS, 50)],
)
def test_a_sample_lasts_a_hundred_steps_of_the_clock_and_a_millisecond(
    resolution_ns: int, call_ns: int, calls_per_sample: int
) -> None:
    timed = sample(Program(repeat(call_ns), resolution_ns), call_ns=call_ns)
    assert timed.calls_per_sample == calls_per_sample
    assert min(timed.values) >= max(MS, 99 * resolution_ns)
    assert timed.median_call_ns == pytest.approx(call_ns, rel=0.01)


def test_samples_come_a_quarter_of_a_second_at_a_time() -> None:
    program = Program(repeat(20 * MS))
    timed = sample(program, call_ns=20 * MS)
    assert {samples for samples, _, _ in program.asked} == {12}
    assert timed.stop_reason == "precise enough"
    assert 2 * S <= timed.wall_ns < 2.5 * S
    assert len(timed.values) == 12 * len(program.asked)


def test_calls_that_become_slower_do_not_overrun_the_cap() -> None:
    timed = sample(Program(chain(repeat(MS, 100), repeat(S))), call_ns=MS)
    assert timed.stop_reason == "time cap"
    assert 20 * S <= timed.wall_ns <= 21 * S


def test_calls_longer_than_the_cap_give_five_samples_all_the_same() -> None:
    timed = sample(Program(repeat(60 * S)), call_ns=60 * S)
    assert (len(timed.values), timed.stop_reason) == (5, "time cap")


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(MS, 500 * MS), min_size=5, max_size=40))
def test_every_sample_is_kept_in_the_order_taken(durations: list[int]) -> None:
    program = Program(chain(durations, repeat(10 * MS)), resolution_ns=1)
    timed = sample(program, call_ns=10 * MS, min_time_s=0.05, max_time_s=2.0, min_samples=5)
    assert list(timed.values) == [*durations, *repeat(10 * MS, len(timed.values))][: len(timed.values)]


@pytest.mark.parametrize(
    ("durations", "calls", "fitting"),
    [([0, 0], 1, 10), ([0, 10], 4, 40), ([50, 50], 1, 10), ([100, 100], 10, 50), ([500, 500], 5, 5), ([900], 90, 50)],
)
def test_samples_grow_tenfold_at_most_until_they_are_long_enough(
    durations: list[int], calls: int, fitting: int
) -> None:
    assert fit_calls(durations, calls, 500, took_ns=MS) == fitting


def test_samples_that_became_too_short_for_the_clock_are_made_again_longer() -> None:
    program = Program(chain(repeat(20 * MS, 3), repeat(10 * US)), resolution_ns=100 * US)
    timed = sample(program, call_ns=20 * MS)
    assert min(timed.values) >= 5 * MS, "half of a hundred steps of that clock"
    assert timed.median_call_ns == pytest.approx(10 * US, rel=0.05)


def test_the_clock_of_the_worker_is_read_between_series_only() -> None:
    program, readings = Program(repeat(MS)), 0

    def clock() -> int:
        nonlocal readings
        readings += 1
        return program.now

    take_samples(program.session(), Timing(), call_ns=MS, clock=clock)
    assert readings < 5 * len(program.asked)
