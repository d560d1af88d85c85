"""Mapping files: every fault is said with its place, and with the names that are near."""

from __future__ import annotations

import pytest

from assay.importers.tables.mapping import parse_mapping
from assay.importers.tables.mapping_yaml import MappingError, load_mapping_yaml

GOOD = "workload: {column: model}\nmetrics:\n  - {metric: latency_ns, column: ms, unit: ms}\n"


def fault(text: str) -> str:
    with pytest.raises(MappingError) as caught:
        parse_mapping(text, "map.yaml")
    return str(caught.value)


def test_the_smallest_mapping() -> None:
    form = parse_mapping(GOOD, "map.yaml").form
    assert form.workload.column == "model"
    assert (form.metrics[0].stat, form.metrics[0].phase, form.metrics[0].zero_is_unknown) == ("mean", "steady", True)


def test_an_unknown_metric_names_those_that_are_near() -> None:
    assert fault(GOOD.replace("latency_ns", "latency_n")) == (
        "map.yaml:3:14: unknown metric 'latency_n'. Did you mean 'latency_ns' or 'serving_latency_ns'?\n"
        "    3 |   - {metric: latency_n, column: ms, unit: ms}\n"
        "      |              ^"
    )


def test_an_unknown_unit_names_those_that_there_are() -> None:
    assert fault(GOOD.replace("unit: ms", "unit: millis")).splitlines()[0] == (
        "map.yaml:3:44: unknown unit 'millis' for latency_ns. Expected one of: ns, us, µs, ms, s, min, h."
    )


def test_an_unknown_key_names_those_that_are_near() -> None:
    assert fault(GOOD + "presision: {value: fp16}\n").splitlines()[0] == (
        "map.yaml:4:1: unknown key 'presision'. Did you mean 'precision'?"
    )
    assert fault(GOOD.replace("unit: ms}", "unit: ms, start: mean}")).splitlines()[0] == (
        "map.yaml:3:48: unknown key 'start'. Did you mean 'stat'?"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "map.yaml: expected keys such as 'workload' and 'metrics'."),
        ("- a\n", "map.yaml:1:1: expected keys such as 'workload' and 'metrics'."),
        ("metrics: []\nworkload: {value: x}\n", "map.yaml:1:10: expected a list of at least one entry."),
        (GOOD.replace("workload: {column: model}\n", ""), "map.yaml:1:1: the key 'workload' is missing."),
        (GOOD.replace(", unit: ms", ""), "map.yaml:3:5: the key 'unit' is missing."),
        (
            GOOD.replace("{column: model}", "model"),
            "map.yaml:1:11: got 'model', expected '{column: ...}' or '{value: ...}'.",
        ),
        (
            GOOD.replace("{column: model}", "{column: model, value: x}"),
            "map.yaml:1:11: expected either 'column' or 'value'.",
        ),
        (GOOD.replace("{column: model}", "{value: x, words: {a: b}}"), "map.yaml:1:11: 'words' goes with 'column'."),
        (GOOD + "mode: {value: trainin}\n", "map.yaml:4:15: unknown mode 'trainin'. Did you mean 'training'?"),
        (
            GOOD + "timestamp: {column: t, zone: Europe/Nowhere}\n",
            "map.yaml:4:30: unknown time zone 'Europe/Nowhere', expected one such as 'UTC'.",
        ),
        (
            GOOD + "timestamp: {column: t, format: epoch}\n",
            "map.yaml:4:32: 'epoch' is neither one of epoch_s, epoch_ms, epoch_us, epoch_ns nor a pattern.",
        ),
        (
            GOOD + "status: {column: s, ok: [Yes], failed: ['yes']}\n",
            "map.yaml:4:9: 'yes' is there more than once; case does not count.",
        ),
        (
            GOOD + "  - {metric: latency_ns, column: other, unit: s}\n",
            "map.yaml:4:5: 'latency_ns' (mean, steady) is already metrics[0].",
        ),
        (
            GOOD + "samples: {column: runs, unit: J}\n",
            "map.yaml:4:31: unknown unit 'J' for latency_ns. Expected one of: ns, us, µs, ms, s, min, h.",
        ),
        (GOOD + "skip: [{column: kind, equals: []}]\n", "map.yaml:4:31: expected a list of at least one entry."),
        (GOOD.replace("ms, unit", "7, unit"), "map.yaml:3:34: got 7: Input should be a valid string."),
        (GOOD + "delimiter: ab\n", "map.yaml:4:12: got 'ab': String should have at most 1 character."),
        (GOOD + "shape: {seq: 128}\n", "map.yaml:4:14: got 128, expected '{column: ...}' or '{value: ...}'."),
    ],
)
def test_faults(text: str, message: str) -> None:
    assert fault(text).splitlines()[0] == message


def test_all_faults_are_said_in_the_order_of_the_file() -> None:
    text = "nonsense: 1\n" + GOOD.replace("unit: ms", "unit: ms, no: 1")
    heads = [line for line in fault(text).splitlines() if line.startswith("map.yaml")]
    assert [head.split(": ")[0] for head in heads] == ["map.yaml:1:1", "map.yaml:4:48"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "map.yaml:2:1: the key 'a' is there twice."),
        ("a: &x 1\nb: *x\n", "map.yaml:1:4: anchors and aliases are not read; write the value out."),
        ("a: !!python/object:os.system 1\n", "map.yaml:1:4: tags are not read; write a plain value."),
        ("a: 1\n---\nb: 2\n", "map.yaml:2:1: a second document begins here, expected one."),
        ("a: [[[[[[[[[1]]]]]]]]]\n", "map.yaml:1:11: nested deeper than 8 levels."),
        ("a: {b: 1\n", "map.yaml:2:1: not YAML: expected ',' or '}', but got '<stream end>'."),
        ("? [a]\n: 1\n", "map.yaml:1:3: expected a key that is a plain word."),
        ("<<: {a: 1}\n", "map.yaml:1:1: expected a key that is a plain word."),
    ],
)
def test_yaml_that_is_not_read(text: str, message: str) -> None:
    with pytest.raises(MappingError) as caught:
        load_mapping_yaml(text, "map.yaml")
    assert str(caught.value).splitlines()[0] == message


def test_words_of_yaml_are_what_they_say() -> None:
    content, places = load_mapping_yaml("a: no\nb: 010\nc: 1e3\nd: true\ne: null\nf: 'true'\n", "map.yaml")
    assert content == {"a": "no", "b": 10, "c": 1000.0, "d": True, "e": None, "f": "true"}
    assert places.values["c",] == (3, 4)


def test_columns_are_looked_for_in_the_header() -> None:
    mapping = parse_mapping(GOOD + "status: {column: State, ok: [ok], reason: why}\n", "map.yaml")
    mapping.check_columns(["model", "ms", "State", "why"])
    with pytest.raises(MappingError) as caught:
        mapping.check_columns(["model_name", "ms", "state", "other"])
    heads = [line for line in str(caught.value).splitlines() if line.startswith("map.yaml")]
    assert heads == [
        "map.yaml:1:20: unknown column 'model'. Did you mean 'model_name'?",
        "map.yaml:4:18: unknown column 'State'. Did you mean 'state'?",
        "map.yaml:4:43: unknown column 'why'. Expected one of: model_name, ms, state, other.",
    ]
    with pytest.raises(MappingError, match=r"The header is one column: is 'delimiter' right\?"):
        mapping.check_columns(["model;ms;State;why"])
