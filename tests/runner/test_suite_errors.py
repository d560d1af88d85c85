"""Everything that can be wrong with a suite, and the message that says so."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.errors import SuiteError, UsageError
from assay.runner.suite_check import MAX_CASES
from assay.runner.suite_model import build_suite, parse_suite
from assay.workloads.base import families

HEAD = "name: x\n"


def refusal(text: str) -> str:
    with pytest.raises(SuiteError) as caught:
        parse_suite(text, path="s.yaml")
    return str(caught.value)


def heads(text: str) -> list[str]:
    """The messages without their excerpts."""
    return [line for line in refusal(text).splitlines() if line.startswith("s.yaml")]


TOP = [
    ("", "s.yaml: got an empty file, expected a mapping with keys such as 'name' or 'cases'."),
    ("- a", "s.yaml:1:1: got a list, expected a mapping with keys such as 'name' or 'cases'."),
    ("hello", "s.yaml:1:1: got 'hello', expected a mapping with keys such as 'name' or 'cases'."),
    ("cases: [{model: bert}]", "s.yaml:1:1: the key 'name' is missing, expected a short name for the suite"),
    ("name: x", "s.yaml:1:1: the key 'cases' is missing, expected a list of what to measure"),
    ("name: x\ncases: []", "s.yaml:2:8: cases: got an empty list, expected a list of at least one entry."),
    ("name: x\ncases: 3", "s.yaml:2:8: cases: got 3, expected a list of at least one entry."),
    ("name: x\ncases: {model: bert}", "s.yaml:2:8: cases: got a mapping, expected a list of at least one entry."),
    ("name: x\ncases: [7]", "s.yaml:2:9: cases[0]: got 7, expected a mapping with keys such as 'model' or 'families'."),
    ("name: Quick!", "s.yaml:1:7: name: got 'Quick!', expected lower-case letters, digits and hyphens"),
    ("name: 3", "s.yaml:1:7: name: got 3, expected lower-case letters, digits and hyphens (in quotes where only"),
    ("name:", "s.yaml:1:6: name: got nothing, expected lower-case letters"),
    ('name: "x\\n"', "s.yaml:1:7: name: got 'x\\n', expected lower-case letters"),
    ("description: [a]", "s.yaml:1:14: description: got a list, expected one line of text, at most 500 characters."),
    ("description: |\n  a\n  b", "description: got 'a\\nb', expected one line of text"),
    ("version: 1.0", "s.yaml:1:10: version: got 1.0, expected a whole number from 1 to 2147483647."),
    ("version: true", "s.yaml:1:10: version: got true (a boolean), expected a whole number from 1"),
    ("launches: 0", "s.yaml:1:11: launches: got 0, expected a whole number from 1"),
    ("launches: 99999999999", "s.yaml:1:11: launches: got 99999999999, expected a whole number from 1 to 2147483647."),
    ("launches: '3'", "s.yaml:1:11: launches: got '3', expected a whole number from 1"),
    ("lanches: 3", "s.yaml:1:1: lanches: unknown key 'lanches'. Did you mean 'launches'?"),
    ("repeats: 3", "s.yaml:1:1: repeats: unknown key 'repeats'. Did you mean 'launches'?"),
    ("precision: fp32", "s.yaml:1:1: precision: unknown key 'precision'. It belongs in an entry of 'cases'."),
    ("min_time_s: 1", "s.yaml:1:1: min_time_s: unknown key 'min_time_s'. It belongs under 'timing'."),
    ("qqq: 1", "s.yaml:1:1: qqq: unknown key 'qqq'. Expected one of: name, description, version, launches, timing,"),
    ("no: 1", "s.yaml:1:1: no: unknown key 'no'."),
    ("seed: -1", "s.yaml:1:7: seed: got -1, expected a whole number from 0 to 4294967295."),
    ("launch_limit_s: 0", "s.yaml:1:17: launch_limit_s: got 0, expected a number of seconds above 0"),
    ("launch_limit_s: .inf", "s.yaml:1:17: launch_limit_s: got inf, expected a number of seconds above 0"),
    ("launch_limit_s: 30", "s.yaml:1:17: launch_limit_s: got a launch limit of 30 s, expected more than the 30 s that"),
    ("timing: 3", "s.yaml:1:9: timing: got 3, expected a mapping with keys such as 'min_time_s' or 'max_time_s'."),
    ("timing:", "s.yaml:1:8: timing: got nothing, expected a mapping with keys such as 'min_time_s'"),
    ("timing: {min_time: 3}", "s.yaml:1:10: timing.min_time: unknown key 'min_time'. Did you mean 'min_time_s'"),
    ("timing: {launches: 3}", "s.yaml:1:10: timing.launches: unknown key 'launches'. It belongs at the top of the"),
    ("timing: {min_time_s: 2s}", "s.yaml:1:22: timing.min_time_s: got '2s', expected a number of seconds above 0"),
    ("timing: {min_time_s: .nan}", "s.yaml:1:22: timing.min_time_s: got nan, expected a number of seconds above 0"),
    ("timing: {target_ci: 1}", "s.yaml:1:21: timing.target_ci: got 1, expected a fraction between 0 and 1"),
    ("timing: {target_ci: true}", "s.yaml:1:21: timing.target_ci: got true (a boolean), expected a fraction"),
    ("timing: {min_samples: 1e3}", "s.yaml:1:23: timing.min_samples: got 1000.0, expected a whole number"),
    ("timing: {warmup_min_s: -1}", "s.yaml:1:24: timing.warmup_min_s: got -1, expected a number of seconds from 0"),
    ("timing: {max_time_s: 1}", "s.yaml:1:22: timing.max_time_s: got 1, expected at least min_time_s, 2 by default."),
    ("timing: {min_time_s: 30}", "s.yaml:1:22: timing.min_time_s: got 30, expected at most max_time_s, 20 by default."),
    (
        "timing: {min_time_s: 3, max_time_s: 2}",
        "s.yaml:1:37: timing.max_time_s: got 2, expected at least min_time_s, 3.",
    ),
    ("timing: {warmup_max_s: 0.1}", "s.yaml:1:24: timing.warmup_max_s: got 0.1, expected at least warmup_min_s, 0.5"),
    ("timing: {max_time_s: 700}", "s.yaml:1:9: timing: got a launch limit of 600 s, expected more than the 710 s"),
    ("targets: latency_ms <= 5", "s.yaml:1:10: targets: "),
    ("targets: [latancy_ms <= 5]", "s.yaml:1:11: targets[0]: Unknown metric 'latancy_ms'. Did you mean 'latency_ms'"),
    ("targets: [{target: load_s <= 5, wait: 2}]", "s.yaml:1:11: targets[0]: Unknown key of a target 'wait'"),
    ("defaults: [a]", "s.yaml:1:11: defaults: got a list, expected a mapping with keys such as 'model' or 'families'."),
    ("defaults: {engin: torch}", "s.yaml:1:12: defaults.engin: unknown key 'engin'. Did you mean 'engine'?"),
    ("defaults: {batch: 0}", "s.yaml:1:19: defaults.batch: got 0, expected a whole number from 1"),
]


@pytest.mark.parametrize(("text", "message"), TOP, ids=[text[:40] for text, _ in TOP])
def test_faults_of_the_file(text: str, message: str) -> None:
    assert any(head.startswith(message) or message in head for head in heads(text))


ENTRIES = [
    ("{}", "s.yaml:3:3: cases[0]: got no 'model', expected it (or 'families' with 'tiers' or 'max_size')."),
    ("workload: bert/tiny", "s.yaml:3:3: cases[0].workload: unknown key 'workload'. Did you mean 'model'?"),
    ("model: brt/tiny", "s.yaml:3:10: cases[0].model: Unknown workload family 'brt'. Did you mean 'bert'?"),
    (
        "model: [bert/tiny, bert/tny]",
        "s.yaml:3:22: cases[0].model[1]: Unknown size of bert 'tny'. Did you mean 'tiny'?",
    ),
    ("model: 3", "s.yaml:3:10: cases[0].model: got 3, expected a model such as bert/tiny, hf:owner/name"),
    ('model: ""', "s.yaml:3:10: cases[0].model: got '', expected a model such as"),
    ('model: "hf:a\\nb"', "s.yaml:3:10: cases[0].model: got 'hf:a\\nb', expected a model such as"),
    ("model: []", "s.yaml:3:10: cases[0].model: got an empty list, expected at least one value"),
    ("model:", "s.yaml:3:9: cases[0].model: got nothing, expected a model such as"),
    ("model: {a: b}", "s.yaml:3:10: cases[0].model: got a mapping, expected a model such as"),
    ("model: [[bert/tiny]]", "s.yaml:3:11: cases[0].model[0]: got a list, expected a model such as"),
    ("model: [bert, bert/tiny]", "s.yaml:3:17: cases[0].model[1]: got 'bert/tiny' twice in one list"),
    ("model: bert\n  families: bert", "s.yaml:4:3: cases[0].families: got 'families' beside 'model', expected one way"),
    (
        "families: brt\n  tiers: tiny",
        "s.yaml:3:13: cases[0].families: Unknown workload family 'brt'. Did you mean 'bert'?",
    ),
    ("families: bert", "s.yaml:3:13: cases[0].families: got families without sizes, expected 'tiers' or 'max_size'"),
    ("families: [all, bert]\n  tiers: tiny", "s.yaml:3:13: cases[0].families: got 'all' beside other families"),
    (
        "families: resnet\n  tiers: large",
        "s.yaml:3:13: cases[0].families: resnet has no size of tier 'large'; it has: tiny",
    ),
    ("tiers: [tiny, huge]", "s.yaml:3:17: cases[0].tiers[1]: Unknown tier 'huge'. Expected one of: base, large, small"),
    ("max_size: tiy", "s.yaml:3:13: cases[0].max_size: Unknown tier 'tiy'. Did you mean 'tiny'?"),
    ("max_size: [tiny]", "s.yaml:3:13: cases[0].max_size: got a list, expected one of tiny, small, base, large."),
    ("max_size: tiny\n  tiers: base", "s.yaml:3:3: cases[0].max_size: got 'max_size' beside 'tiers'"),
    ("model: bert\n  engine: toch", "s.yaml:4:11: cases[0].engine: Unknown engine 'toch'. Did you mean 'torch'?"),
    ("model: bert\n  device: CUDA", "s.yaml:4:11: cases[0].device: got 'CUDA', expected a device such as auto, cpu"),
    ("model: bert\n  device: 'cuda:'", "s.yaml:4:11: cases[0].device: got 'cuda:', expected a device such as"),
    ("model: bert\n  mode: infer", "s.yaml:4:9: cases[0].mode: Unknown mode 'infer'. Did you mean 'inference'?"),
    (
        "model: bert\n  precison: fp32",
        "s.yaml:4:3: cases[0].precison: unknown key 'precison'. Did you mean 'precision'?",
    ),
    ("model: bert\n  dtype: fp32", "s.yaml:4:3: cases[0].dtype: unknown key 'dtype'. Did you mean 'precision'?"),
    ("model: bert\n  launches: 3", "s.yaml:4:3: cases[0].launches: unknown key 'launches'. It belongs at the top"),
    ("model: bert\n  precision: [fp32, fp61]", "s.yaml:4:21: cases[0].precision[1]: Unknown precision 'fp61'. Did you"),
    ("model: bert\n  precision: [fp32, fp32]", "s.yaml:4:21: cases[0].precision[1]: got 'fp32' twice in one list"),
    (
        "model: bert\n  precision: [fp32, int8]\n  mode: training",
        "s.yaml:4:21: cases[0].precision[1]: got 'int8' in an",
    ),
    ("model: bert\n  batch: [1, 0]", "s.yaml:4:14: cases[0].batch[1]: got 0, expected a whole number from 1"),
    ("model: bert\n  batch: 1.5", "s.yaml:4:10: cases[0].batch: got 1.5, expected a whole number from 1"),
    ("model: bert\n  batch: [8, 1, 8]", "s.yaml:4:17: cases[0].batch[2]: got 8 twice in one list, expected it once."),
    ("model: bert\n  threads: no", "s.yaml:4:12: cases[0].threads: got 'no', expected a whole number from 1"),
    ("model: bert\n  shape: 128", "s.yaml:4:10: cases[0].shape: got 128, expected dimensions and their sizes, such as"),
    ("model: bert\n  shape: {}", "s.yaml:4:10: cases[0].shape: got an empty mapping, expected at least one dimension."),
    ("model: bert\n  shape: {seq: []}", "s.yaml:4:16: cases[0].shape.seq: got an empty list, expected at least one"),
    ("model: bert\n  shape: {seq: [0]}", "s.yaml:4:17: cases[0].shape.seq[0]: got 0, expected a whole number from 1"),
    ("model: bert\n  shape: {seq: [1, 1]}", "s.yaml:4:20: cases[0].shape.seq[1]: got 1 twice in one list"),
    ("model: bert\n  shape: {sek: 1}", "s.yaml:4:11: cases[0].shape.sek: bert/tiny has no dimension 'sek'. Did you"),
    (
        "model: bert\n  shape: {'a b': 1}",
        "s.yaml:4:11: cases[0].shape.'a b': bert/tiny has no dimension 'a b'. Expected",
    ),
    ("model: [bert, vit]\n  shape: {sek: 1}", "s.yaml:4:11: cases[0].shape.sek: none of bert/tiny, vit/tiny has a"),
]


@pytest.mark.parametrize(("entry", "message"), ENTRIES, ids=[entry[:40] for entry, _ in ENTRIES])
def test_faults_of_an_entry(entry: str, message: str) -> None:
    found = heads(f"{HEAD}cases:\n- {entry}\n")
    assert len(found) == 1, found
    assert found[0].startswith(message)


def test_the_line_is_shown_with_a_caret() -> None:
    assert refusal(HEAD + "cases: [{model: bert, batch: 0}]") == (
        "s.yaml:2:30: cases[0].batch: got 0, expected a whole number from 1 to 2147483647.\n"
        "    2 | cases: [{model: bert, batch: 0}]\n"
        "      |                              ^"
    )


def test_all_faults_come_at_once_and_in_order() -> None:
    found = heads(
        "name: Bad Name\nlaunches: 0\ntiming: {max_time_s: 1}\ndefaults: {engine: toch}\n"
        "cases:\n- model: [brt, bert]\n  shape: {seq: 0}\n- model: vit\n  precision: fp8\n  shape: {seq: 4}\n- {}\n"
    )
    assert [head.split(": ")[1] for head in found] == [
        "name",
        "launches",
        "timing.max_time_s",
        "defaults.engine",
        "cases[0].model[0]",
        "cases[0].shape.seq",
        "cases[1].precision",
        "cases[1].shape.seq",
        "cases[2]",
    ]


def test_very_many_faults_are_counted() -> None:
    assert heads(HEAD + "cases:\n" + "- {model: bert, batch: 0}\n" * 80)[-1] == "s.yaml: and 30 more faults."


def test_more_cases_than_anyone_waits_for() -> None:
    hundred = list(range(1, 101))
    text = f"{HEAD}cases:\n- {{model: bert}}\n- {{model: bert, batch: {hundred}, threads: {hundred}}}"
    assert heads(text)[0].startswith(f"s.yaml:4:3: cases[1]: got 10001 cases up to here, expected at most {MAX_CASES}")


def test_a_fault_among_the_defaults_is_placed_there() -> None:
    text = f"{HEAD}defaults: {{mode: training, precision: int8}}\ncases: [{{model: bert}}]"
    assert heads(text)[0].startswith("s.yaml:2:39: defaults.precision: got 'int8' in an entry with mode 'training'")


def test_a_family_that_cannot_be_imported_is_a_fault_of_the_line_that_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    broken = EntryPoint("broken", "assay.no_such_module", "assay.workload")
    monkeypatch.setattr(families, "_declared", {**families._entry_points(), "broken": broken})
    message = "The workload 'broken' (assay.no_such_module) could not be imported"
    assert f"s.yaml:2:17: cases[0].model: {message}" in refusal(HEAD + "cases: [{model: broken/tiny}]")
    assert f"s.yaml:2:20: cases[0].families: {message}" in refusal(HEAD + "cases: [{families: broken, tiers: tiny}]")
    assert f"s.yaml:2:20: cases[0].families: {message}" in refusal(HEAD + "cases: [{families: all, tiers: tiny}]")


def test_values_without_a_file_are_held_to_the_same_rules() -> None:
    with pytest.raises(SuiteError) as caught:
        build_suite({"name": "x", "cases": [{"model": "bert", "batch": 0, 7: 1}], 3: 4})
    assert "command line: cases[0].batch: got 0, expected a whole number from 1" in str(caught.value)


_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(),
    st.floats(),
    st.sampled_from(
        ["bert", "bert/tiny", "resnet/50", "all", "tiny", "fp32", "training", "int8", "torch", "cpu", "hf:x"]
    ),
    st.text(max_size=5),
)
_KEYS = """name cases timing defaults launches launch_limit_s seed version model families tiers max_size engine device
mode precision batch shape threads min_time_s max_time_s warmup_min_s warmup_max_s target_ci seq image"""
_keys = st.one_of(st.sampled_from(_KEYS.split()), st.text(max_size=4))
_data = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_keys, inner, max_size=5)),
    max_leaves=25,
)
_entry = st.dictionaries(_keys, _data, max_size=5)
_suites = st.fixed_dictionaries(
    {"name": st.just("x") | _data, "cases": st.lists(_entry, max_size=3) | _data},
    optional={"timing": _data, "defaults": _entry, "launches": _scalars, "launch_limit_s": _scalars},
)


@settings(max_examples=150, deadline=None)
@given(_suites | _data)
def test_any_data_is_a_suite_or_a_usage_error(content: object) -> None:
    try:
        suite = build_suite(content)
    except UsageError as error:
        str(error).encode("utf-8", "backslashreplace")
    else:
        assert all(matrix.models for matrix in suite.cases)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=100))
def test_any_text_is_a_suite_or_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        parse_suite(text)
