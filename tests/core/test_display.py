from __future__ import annotations

from collections.abc import Mapping

import pytest

from assay.core.display import Displayed, present, presenters
from assay.core.errors import AssayError


class Shown(Displayed):
    def __repr__(self) -> str:
        return "<shown>"


@pytest.fixture(autouse=True)
def _own_presenters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presenters, "_loaded", {})
    monkeypatch.setattr(presenters, "_declared", {})


def test_a_value_that_nobody_knows_is_its_own_text() -> None:
    assert Shown()._repr_mimebundle_() == {"text/plain": "<shown>"}
    assert Shown()._repr_html_() is None


def test_the_first_presenter_that_knows_a_value_draws_it() -> None:
    asked: list[object] = []

    def ignorant(value: object) -> Mapping[str, str] | None:
        asked.append(value)
        return None

    presenters.add("a", ignorant)
    presenters.add("b", lambda _value: {"text/html": "<b>shown</b>"})
    value = Shown()
    assert present(value) == {"text/plain": "<shown>", "text/html": "<b>shown</b>"}
    assert value._repr_html_() == "<b>shown</b>"
    assert asked == [value, value]


def test_a_presenter_that_fails_is_passed_over() -> None:
    def broken(_value: object) -> Mapping[str, str] | None:
        raise AssayError("no template")

    presenters.add("a", broken)
    presenters.add("b", lambda _value: {"text/plain": "by b"})
    assert present(Shown()) == {"text/plain": "by b"}


def test_nothing_is_imported_before_a_value_is_shown() -> None:
    import subprocess
    import sys

    code = "import assay.store, sys; print([name for name in sys.modules if name.startswith('assay.report')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
