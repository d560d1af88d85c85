"""The examples of docs/api.md run, on a store that has something to show."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from assay.core.case import Case
from assay.core.records import RunBundle
from assay.store import Store
from assay.store.selection import Selection

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.mark.skipif(find_spec("torch") is None, reason="graphs are counted with torch: pip install 'assay[torch]'")
def test_the_examples_run(store: Store, make_bundle: Callable[..., RunBundle], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_STORE", store.location)
    bundle = make_bundle(cases=1)
    own = replace(bundle.results[0], case=Case.make(workload="bert/base", engine="torch", device="cpu"))
    store.append(replace(bundle, results=(own,)))
    namespace: dict[str, Any] = {}
    for body in re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL):
        exec(compile(body, "api.md", "exec"), namespace)  # noqa: S102  (our own page)
    assert namespace["medians"] == {("bert/base", "torch", 1): 1e6}
    assert namespace["slow"].to_pylist() == [{"workload": "bert/base", "engine": "torch", "ms": 1.0}]
    assert list(namespace["frame"]["workload"]) == ["bert/base"]
    assert {option.question.device.name for option in namespace["decision"].ranked} == {
        "NVIDIA L4", "NVIDIA Tesla T4", "NVIDIA A10",
    }  # fmt: skip


def test_every_field_is_explained() -> None:
    section = PAGE.partition("## Choosing results")[2].partition("\n## ")[0]
    named = {
        name
        for row in re.findall(r"^\| (`.*?) \|", section, flags=re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert named == {field.name for field in fields(Selection)} | {"limit"}
