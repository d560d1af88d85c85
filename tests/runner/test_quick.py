"""A quick suite has one launch, short windows, a name of its own and fewer entries; and still knows its places."""

from __future__ import annotations

import pytest

from assay.core.errors import SuiteError, UsageError
from assay.runner.quick import QUICK, quicken
from assay.runner.suite_model import build_suite, load_suite, parse_suite, suite_names, suite_to_dict

TEXT = """\
name: mine
launches: 5
cases:
  - {model: bert/tiny, quick: false}
  - {model: vit/tiny, device: nowhere}
targets: [latency <= 5 ms]
"""


def test_entries_that_are_spared_are_left_out() -> None:
    suite = parse_suite(TEXT, path="my.yaml")
    assert [matrix.is_quick for matrix in suite.cases] == [False, True]
    quick = quicken(suite)
    assert (quick.name, quick.launches, quick.timing) == ("mine-quick", 1, QUICK)
    assert [matrix.models for matrix in quick.cases] == [("vit/tiny",)]
    assert quick.targets == suite.targets
    assert quick.timing.is_shortened, "tables say so"
    assert quicken(quick) is quick


def test_faults_are_still_found_at_their_place() -> None:
    assert quicken(parse_suite(TEXT, path="my.yaml")).position_of(0, "device") == "my.yaml:5:31"


def test_what_is_spared_is_written_and_read_back() -> None:
    suite = parse_suite(TEXT)
    content = suite_to_dict(suite)
    assert [entry.get("quick") for entry in content["cases"]] == [False, None]
    assert build_suite(content) == suite


def test_a_suite_that_spares_everything_is_refused() -> None:
    with pytest.raises(UsageError, match="Every entry of the suite x says 'quick: false'"):
        quicken(parse_suite("name: x\ncases: [{model: bert/tiny}]\ndefaults: {quick: false}"))
    with pytest.raises(SuiteError, match=r"quick: got 'no', expected true or false"):
        parse_suite("name: x\ncases: [{model: bert/tiny, quick: 'no'}]")


@pytest.mark.parametrize("name", suite_names())
def test_every_shipped_suite_has_a_quick_form(name: str) -> None:
    assert quicken(load_suite(name)).cases
