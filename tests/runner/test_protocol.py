"""What supervisor and worker say to each other arrives as it was said, and nothing else is taken for it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.case import Case
from assay.core.words import Mode, Precision, Status
from assay.runner.protocol import (
    Failed,
    Job,
    Measured,
    Message,
    PhaseBegan,
    SamplesSoFar,
    decode,
    encode,
    make_printable,
)
from assay.runner.timing import Timing

TEXT = st.text(max_size=40)
COUNT = st.integers(0, 2**63)
TIME = st.floats(0, 1e15, allow_nan=False)
VALUES = st.lists(COUNT, max_size=20).map(tuple)
NAMES = st.dictionaries(TEXT, COUNT, max_size=4)

MEASURED = st.builds(
    Measured,
    values=VALUES,
    device_values=VALUES,
    calls_per_sample=COUNT,
    stop_reason=TEXT,
    median_ns=TIME,
    warmup_calls=COUNT,
    warmup_converged=st.none() | st.booleans(),
    costs_ns=NAMES,
    memory_bytes=NAMES,
    witnesses=st.dictionaries(TEXT, TIME, max_size=4),
    effective_precision=TEXT,
    threads=COUNT,
    hardware=TEXT,
    parameters=st.none() | COUNT,
    facts=st.dictionaries(TEXT, TEXT, max_size=4),
)
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(PhaseBegan, TEXT),
    st.builds(SamplesSoFar, COUNT, TIME, st.none() | TIME),
    st.builds(Failed, st.sampled_from(Status), TEXT, TEXT),
    MEASURED,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(MESSAGES)
def test_every_message_arrives_as_it_was_said(message: Message) -> None:
    line = encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == message


@given(
    st.builds(
        Job,
        case=st.builds(
            Case.make,
            workload=TEXT,
            engine=TEXT,
            device=TEXT,
            mode=st.sampled_from(Mode),
            precision=st.sampled_from(Precision),
            batch=COUNT,
            shape=NAMES,
            options=st.dictionaries(TEXT, COUNT | TEXT | st.booleans(), max_size=3),
        ),
        shape=NAMES,
        threads=COUNT,
        seed=COUNT,
        timing=st.builds(Timing, min_time_s=TIME, min_samples=COUNT),
        spawned_ns=COUNT,
    )
)
def test_a_job_arrives_as_it_was_given(job: Job) -> None:
    line = job.to_line()
    assert "\n" not in line
    assert Job.from_line(line) == job


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_rubbish_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (json words it in many ways)
        decode(line)


@settings(deadline=None)
@given(JSON)
def test_json_of_somebody_else_is_a_value_error(content: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        decode(json.dumps(content).encode())


@settings(deadline=None)
@given(MESSAGES, st.data())
def test_a_message_with_a_wrong_field_is_a_value_error_or_a_message(message: Message, data: st.DataObject) -> None:
    content = json.loads(encode(message))
    content[data.draw(st.sampled_from(sorted(content)))] = data.draw(JSON)
    try:
        said = decode(json.dumps(content).encode())
    except ValueError:
        return
    assert encode(said)  # what passes can be used and sent on


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"[]", "expected an object, got list"),
        (b'{"is": "Farewell"}', "unknown kind of message"),
        (b'{"is": ["PhaseBegan"]}', "unknown kind of message"),
        (b'{"is": {}, "phase": "load"}', "unknown kind of message"),
        (b'{"is": "PhaseBegan"}', "phase"),
        (b'{"is": "PhaseBegan", "phase": 3}', "phase cannot be int"),
        (b'{"is": "PhaseBegan", "phase": "load", "and": 1}', "and"),
        (b'{"is": "Failed", "status": "tired", "reason": "", "phase": ""}', "tired"),
        (b'{"is": "SamplesSoFar", "samples": 3, "median_ns": "4", "half_width": null}', "median_ns cannot be str"),
        (b'{"is": "SamplesSoFar", "samples": true, "median_ns": 4, "half_width": null}', "samples cannot be bool"),
        (b'{"is": "SamplesSoFar", "samples": 3, "median_ns": null, "half_width": null}', "median_ns cannot be None"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff\xfe\n", "decode"),
    ],
)
def test_the_error_says_what_is_wrong(line: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        decode(line)


def test_text_for_terminals_has_no_colours_and_nothing_unprintable() -> None:
    assert make_printable("\x1b[1;31mfehlt\x1b[0m: ü 重み \udcff\x00\x1b]0;title\x07") == (
        "fehlt: ü 重み \ufffd\ufffd\ufffd]0;title\ufffd"
    )
