"""Templates are valid suites, with and without what they leave as comments."""

from __future__ import annotations

import pytest

from assay.core.errors import UnknownNameError, UsageError
from assay.runner.suite_model import Suite, parse_suite
from assay.runner.suite_templates import render_template
from assay.runner.suite_yaml import load_yaml
from assay.runner.timing import Timing
from assay.workloads.base import Family, Size, Tier, families, find_workload


@pytest.mark.parametrize("family", families.names())
def test_a_template_of_every_family_is_a_suite_with_its_defaults(family: str) -> None:
    for size in families.get(family).sizes:
        workload = find_workload(f"{family}/{size}")
        suite = parse_suite(render_template(family, size))
        matrix = suite.cases[0]
        assert matrix.models == (workload.name,)
        assert matrix.batches == workload.batches
        assert matrix.shape == tuple(sorted((name, (value,)) for name, value in workload.resolve_shape({}).items()))
        assert suite.timing == Timing()
        assert suite.launches == Suite("x", ()).launches


@pytest.mark.parametrize("family", families.names())
def test_the_other_sizes_and_threads_only_need_uncommenting(family: str) -> None:
    suite = parse_suite(render_template(family).replace("# - ", "- ").replace("# threads", "threads"))
    assert suite.cases[0].models == tuple(f"{family}/{size}" for size in families.get(family).sizes)
    assert suite.cases[0].threads == (1, 2)


def test_without_a_family_it_is_all_of_them() -> None:
    text = render_template(None)
    general = {name for name in families.names() if families.get(name).is_general}
    assert {model.partition("/")[0] for model in parse_suite(text).cases[0].models} == general
    assert parse_suite(text.replace("# batch", "batch")).cases[0].batches == (1, 8)


def test_every_line_is_explained() -> None:
    lines = render_template("bert").splitlines()
    assert all(
        "#" in line or line.startswith(("name:", "description:", "cases:", "  - model:", "      seq:"))
        for line in lines
    )


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown workload family 'brt'\. Did you mean 'bert'"):
        render_template("brt")
    with pytest.raises(UnknownNameError, match=r"Unknown size of bert 'bas'\. Did you mean 'base'"):
        render_template("bert", "bas")
    with pytest.raises(UsageError, match="Got the size 'base' without a family"):
        render_template(None, "base")


def test_text_of_a_plugin_cannot_break_out_of_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    bert = families.get("bert")
    hostile = Family(
        **{field: getattr(bert, field) for field in bert.__dataclass_fields__}
        | {
            "name": "1e5: #x",
            "task": "a\nlaunches: 0",
            "reference": "\x85cases: []",
            "sizes": {"t é\u2028": Size(tier=Tier.TINY, config={}, parameters=1, source="")},
            "default_shape": {"no: 1": 2, "12": 3},
        }
    )
    monkeypatch.setitem(families._loaded, hostile.name, hostile)
    text = render_template(hostile.name)
    entry = load_yaml(text, path="x.yaml")[0]["cases"][0]
    assert entry["model"] == ["1e5: #x/t é\u2028"]
    assert entry["shape"] == {"no: 1": 2, "12": 3}
    assert load_yaml(text, path="x.yaml")[0]["launches"] == Suite("x", ()).launches


def test_a_template_of_a_pipeline_can_be_run_as_it_is() -> None:
    text = render_template("pipeline", "texts")
    (matrix,) = parse_suite(text).cases
    assert (matrix.engines, matrix.modes) == (("loader",), ("data",))
    assert "JPEG images decoded" in text
