"""Extensions enter by one door: named by package metadata, imported when asked for, explained when broken."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from assay.core.errors import AssayError, UnknownNameError
from assay.core.registry import Registry

Install = Callable[[Mapping[str, str], str], str]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Lay out an installed distribution: modules by name, and its entry points of one kind. Returns that kind.

    ``{kind}`` in the text of a module stands for the kind, which is new for each test, so that nothing of one
    test is imported in another. The module ``{kind}_home`` holds the registry.
    """
    kind = f"probe{uuid.uuid4().hex[:8]}"

    def lay_out(modules: Mapping[str, str], points: str) -> str:
        home = "from assay.core.registry import Registry\nshapes: Registry[object] = Registry('{kind}')\n"
        for name, text in {"{kind}_home": home, **modules}.items():
            file = tmp_path / f"{name.format(kind=kind)}.py"
            file.write_text(text.format(kind=kind), encoding="utf-8")
        metadata = tmp_path / f"{kind}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {kind}\nVersion: 1.0\n", encoding="utf-8")
        text = f"[assay.{kind}]\n{points.format(kind=kind)}\n"
        (metadata / "entry_points.txt").write_text(text, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        return kind

    return lay_out


def _registry(kind: str) -> Registry[object]:
    __import__(f"{kind}_home")
    shapes: Registry[object] = sys.modules[f"{kind}_home"].shapes
    return shapes


REGISTERS = "from {kind}_home import shapes\n@shapes.register('square')\ndef area(side): return side * side\n"


def test_names_come_from_metadata_and_import_nothing(install: Install) -> None:
    kind = install({"{kind}_square": REGISTERS}, "square = {kind}_square\ncircle = {kind}_missing")
    shapes = _registry(kind)
    assert shapes.names() == ("circle", "square")
    assert f"{kind}_square" not in sys.modules
    assert callable(shapes.get("square"))
    assert f"{kind}_square" in sys.modules
    assert shapes.get("square") is shapes.get("square")


def test_a_module_that_is_not_there_breaks_its_own_name_only(install: Install) -> None:
    kind = install({"{kind}_square": REGISTERS}, "square = {kind}_square\ncircle = {kind}_missing")
    shapes = _registry(kind)
    expected = f"The {kind} 'circle' ({kind}_missing) could not be imported: ModuleNotFoundError: No module named"
    with pytest.raises(AssayError, match="could not be imported") as caught:
        shapes.get("circle")
    assert str(caught.value).startswith(expected)
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    assert callable(shapes.get("square"))


def test_a_module_that_raises_says_what(install: Install) -> None:
    kind = install({"{kind}_bad": "raise RuntimeError('operator does not exist')\n"}, "bad = {kind}_bad")
    with pytest.raises(AssayError, match=r"could not be imported: RuntimeError: operator does not exist\.$"):
        _registry(kind).get("bad")


def test_a_module_that_registers_another_name_is_told_which_is_missing(install: Install) -> None:
    kind = install({"{kind}_square": REGISTERS}, "sqare = {kind}_square")
    expected = f"{kind}_square is declared as {kind} 'sqare' but registers no such name"
    with pytest.raises(AssayError, match=expected) as caught:
        _registry(kind).get("sqare")
    assert caught.value.hint == f"Decorate it with the {kind} registry's register('sqare')."


def test_an_unknown_name_is_told_the_nearest(install: Install) -> None:
    kind = install({"{kind}_square": REGISTERS}, "square = {kind}_square")
    with pytest.raises(UnknownNameError, match=f"Unknown {kind} 'sqare'. Did you mean 'square'?"):
        _registry(kind).get("sqare")
    with pytest.raises(UnknownNameError, match="None is installed"):
        Registry[int]("nothing-of-this-kind").get("square")


def test_what_is_registered_needs_no_entry_point_and_the_last_wins() -> None:
    shapes: Registry[int] = Registry("nothing-of-this-kind")
    assert shapes.names() == ()
    assert shapes.add("two", 2) == 2
    assert shapes.register("one")(1) == 1
    assert shapes.names() == ("one", "two")
    shapes.add("one", 11)
    assert shapes.get("one") == 11


def test_listing_what_is_built_in_imports_no_framework() -> None:
    code = (
        "import sys\n"
        "from assay.engines.base import engines\n"
        "from assay.workloads.base import families\n"
        "print('torch' in engines.names(), 'bert' in families.names())\n"
        "print(sorted({'torch', 'transformers', 'scipy', 'assay.engines.torch_eager'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["True True", "[]"]
