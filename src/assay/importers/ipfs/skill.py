"""Shape F: tests of one model (``hf_<model>_performance_*.json``) or many (``performance_test_results_*.json``).

Each has words for each platform, and examples timed once. Much of it is mocked, and some times are constants of the
program that wrote them; what says so is kept with the row. May import: core, importers.base, importers.numbers,
importers.ipfs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from assay.core.case import ForeignCase
from assay.core.words import Mark, Status
from assay.importers.base import Facts, ImportedRow, Item, RowError, importers
from assay.importers.ipfs.checks import by_platform, is_failure, says_simulated, simulation_evidence, verdict
from assay.importers.ipfs.common import (
    CLOCK,
    JsonImporter,
    add_mean,
    cut,
    guarded,
    keys_without,
    members,
    moment,
    not_an_object,
    number_of,
    outcome,
    required,
    text_of,
    text_or_none,
)
from assay.importers.numbers import Numbers, read_count
from assay.importers.plain import pointer

_ONCE = "one timed call"
_MIB_NOTE = "MB of the source are MiB: its values are whole multiples of 512 bytes"
_TIMES = ("inference_time", "generation_time", "total_time")
_EXAMPLE, _TIME, _BENCHMARK = "_example", "_time", "_benchmark"
_CLOCK_DIGITS = 4


def _fits(content: dict[str, Any]) -> bool:
    metadata, results = content.get("metadata"), content.get("results")
    return (
        isinstance(metadata, dict)
        and isinstance(results, dict)
        and ("test_file" in metadata or "test_files" in metadata)
    )


def _items(content: dict[str, Any]) -> Iterator[Item]:
    yield CLOCK
    metadata, results = content["metadata"], content["results"]
    if "test_file" in metadata:
        yield from _one_model(metadata, results)
        return
    yield Facts(keys_without(metadata, "timestamp"))
    for file, record in results.items():
        place = pointer("results", file)
        if isinstance(record, dict):
            test = _Test(file.rpartition("/")[2].removeprefix("test_").removesuffix(".py"), metadata.get("timestamp"))
            yield guarded(place, record, lambda: _whole(test, record, record.get("status"), place))  # noqa: B023
            platforms = record.get("performance_metrics")
            for platform, group in platforms.items() if isinstance(platforms, dict) else ():
                yield from _platform(test, platform, group, f"{place}/performance_metrics{pointer(platform)}")
        else:
            yield not_an_object(place, record)


@dataclass(frozen=True, slots=True)
class _Test:
    """What the rows of one test share."""

    model: str
    at: object
    options: Mapping[str, str | None] = field(default_factory=dict)

    def case(self, platform: str | None, **options: str | None) -> ForeignCase:
        return ForeignCase.make(workload=self.model, device=platform, options={**self.options, **options})


def _one_model(metadata: dict[str, Any], results: dict[str, Any]) -> Iterator[Item]:
    inner = results.get("metadata")
    inner = inner if isinstance(inner, dict) else {}
    if inner:
        yield Facts(keys_without(inner, "test_timestamp"))
    model = text_or_none(metadata, "model") or str(metadata["test_file"])
    test = _Test(model, metadata.get("timestamp"), {"model_name": text_or_none(inner, "model_name")})
    words, place = results.get("status"), "/results/status"
    if not isinstance(words, dict):
        words, place = {key: value for key, value in results.items() if key != "metadata"}, "/results"
    groups, others = by_platform(words)
    record = {**metadata, "words": others}
    yield guarded("/metadata", metadata, lambda: _whole(test, record, others.get("init"), "/metadata"))
    examples = results.get("examples")
    for index, example in enumerate(examples if isinstance(examples, list) else []):
        where = pointer("results", "examples", index)
        yield guarded(where, example, lambda: _listed_example(test, example, where))  # noqa: B023
    for platform, group in groups.items():
        yield from _platform(test, platform, group, place)


def _whole(test: _Test, record: Mapping[str, Any], said: object, place: str) -> ImportedRow:
    """Take the test program as a whole: how long it took, and whether it ended well."""
    numbers = Numbers()
    numbers.add("wall_time_ns", required(record, "execution_time"), field="execution_time", unit="s")
    words = said if isinstance(said, str) else None
    succeeded = words is None or words.casefold().startswith("success")
    return ImportedRow(
        place=place,
        case=test.case(None, check="test program"),
        status=Status.OK if succeeded or words is None else outcome(words),
        reason=None if succeeded else words,
        measured_at=moment(record.get("timestamp", test.at)),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=keys_without(record, "performance_metrics"),
        marks={Mark.SINGLE_SHOT: "one run of the test program"},
    )


def _platform(test: _Test, platform: str, group: object, place: str) -> Iterator[Item]:
    """Give the words of one platform as one row, and each time in them as one more."""
    if not isinstance(group, dict):
        yield not_an_object(place, group)
        return
    listed = group.get("examples")
    named = {key: value for key, value in group.items() if key.endswith(_EXAMPLE)}
    examples: list[tuple[str, object, str | None]] = []
    for index, each in enumerate(listed if isinstance(listed, list) else []):
        key = next((key for key, value in named.items() if value == each), None)
        named.pop(key or "", None)
        examples.append((f"{place}/examples/{index}", each, _without_ends(platform, key)))
    examples += [(place + pointer(key), value, _without_ends(platform, key)) for key, value in named.items()]
    for key, value in group.items():
        where = place + pointer(key)
        if key.endswith(_BENCHMARK) and isinstance(value, dict):
            yield guarded(where, value, lambda: _benchmark(test, platform, key, value, where))  # noqa: B023
        elif key.endswith(_TIME) and isinstance(value, (int, float)):
            name = _without_ends(platform, key) or key
            record = {"elapsed_time": value, "words": {each: group[each] for each in group if each.endswith(name)}}
            yield guarded(where, value, lambda: _example(test, platform, record, where, name, key))  # noqa: B023
    for where, each, what in examples:
        if isinstance(each, dict) and _time_of(each) is None:
            continue  # an example without a time is in the fields of the platform's row
        yield guarded(where, each, lambda: _example(test, platform, each, where, what, None))  # noqa: B023
    status, reason, marks = verdict(group)
    yield ImportedRow(
        place=f"{place} ({platform})",
        case=test.case(platform, check="platform"),
        status=status,
        reason=reason,
        measured_at=_moment_or_none(test.at),
        fields=keys_without(group),
        simulated=says_simulated(group),
        marks=marks,
    )


def _without_ends(platform: str, key: str | None) -> str | None:
    """``cpu_text_example`` of the CPU is about ``text``."""
    if key is None:
        return None
    return key.removeprefix(f"{platform}_").removesuffix(_EXAMPLE).removesuffix(_TIME)


def _moment_or_none(raw: object) -> Any:
    try:
        return moment(raw)
    except RowError:
        return None


def _listed_example(test: _Test, raw: object, place: str) -> ImportedRow:
    record = members(raw, "the example")
    return _example(
        test, text_of(record, "platform").casefold(), record, place, text_or_none(record, "test_type"), None
    )


def _example(test: _Test, platform: str, raw: object, place: str, what: str | None, key: str | None) -> ImportedRow:
    record = members(raw, "the example")
    found = _time_of(record)
    if found is None:
        raise RowError("There is no 'elapsed_time', and no time of an inference either.")
    name, value = found
    numbers = Numbers()
    add_mean(numbers, value, field=key or name, unit="s", n=1)
    case = test.case(platform, example=what)
    row = _timed(test, case, record, place, numbers)
    return replace(row, marks={**row.marks, **_round_time(key or name, value)})


def _benchmark(test: _Test, platform: str, key: str, record: Mapping[str, Any], place: str) -> ImportedRow:
    numbers = Numbers()
    count = read_count(record.get("iterations"))
    value = required(record, "average_inference_time")
    add_mean(numbers, value, field="average_inference_time", unit="s", n=count)
    if f"{platform}_memory_used_mb" in record:
        numbers.add(
            "memory_used_bytes", record[f"{platform}_memory_used_mb"], field=f"{platform}_memory_used_mb", unit="MiB",
            phase="device", note=_MIB_NOTE,
        )  # fmt: skip
    row = _timed(test, test.case(platform, example=key), record, place, numbers)
    marks = dict(row.marks)
    if count is None or count > 1:
        del marks[Mark.SINGLE_SHOT]
    return replace(row, hardware=text_or_none(record, f"{platform}_device"), marks={**marks, **_round_time(key, value)})


def _timed(test: _Test, case: ForeignCase, record: Mapping[str, Any], place: str, numbers: Numbers) -> ImportedRow:
    evidence = simulation_evidence(record)
    marks = {Mark.SINGLE_SHOT: _ONCE}
    if evidence:
        marks[Mark.SIMULATED] = evidence
    failure = _failed_output(record)
    return ImportedRow(
        place=place,
        case=case,
        status=outcome(failure) if failure else Status.OK,
        reason=failure,
        measured_at=moment(record.get("timestamp", test.at)),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=keys_without(record),
        simulated=says_simulated(record),
        marks=marks,
    )


def _failed_output(record: Mapping[str, Any]) -> str | None:
    """Return an output that is the message of an error: what was timed is then the way to it."""
    output = record.get("output")
    texts = list(output.values()) if isinstance(output, dict) else [output]
    return next((cut(each, 500) for each in texts if isinstance(each, str) and is_failure(each)), None)


def _time_of(record: Mapping[str, Any]) -> tuple[str, object] | None:
    """Find the time of an example: the whole call, or what it says of the inference."""
    if "elapsed_time" in record:
        return "elapsed_time", record["elapsed_time"]
    for place in ("performance", "performance_metrics", "timing"):
        inner = record.get(place)
        inner = inner if isinstance(inner, dict) else {}
        for name in _TIMES:
            if name in inner:
                return f"{place}.{name}", inner[name]
    return None


def _round_time(name: str, raw: object) -> dict[Mark, str]:
    """Recognise a time that no clock read: differences of two readings have far more digits than four."""
    value = number_of(raw, name)
    if value is None or round(value, _CLOCK_DIGITS) != value:
        return {}
    return {Mark.CONSTANT: f"{cut(name, 60)} is {value:g} s, rounder than any difference of two clock readings"}


importers.add(
    "ipfs-skill",
    JsonImporter(
        "ipfs-skill",
        "ipfs_accelerate_py test of a model",
        "an object with 'results' and 'metadata' that has 'test_file' or 'test_files'",
        _fits,
        _items,
    ),
)
