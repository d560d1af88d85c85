"""The look into a wheel, on wheels made here."""

from __future__ import annotations

import importlib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
Make = Callable[..., Path]


@pytest.fixture(scope="module")
def tool() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "tools")
        yield importlib.import_module("check_wheel")


@pytest.fixture
def make_wheel(tool: Any, tmp_path: Path) -> Make:
    """Write a wheel as building would, but for what is named."""

    def make(*, without: str = "", beside: tuple[str, ...] = (), points: str | None = None) -> Path:
        import tomllib

        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        file = tmp_path / "assay-0.1.0-py3-none-any.whl"
        groups = {"console_scripts": project["scripts"], **project["entry-points"]}
        lines = [
            line
            for group, names in groups.items()
            for line in (f"[{group}]", *(f"{a} = {b}" for a, b in names.items()))
        ]
        extras = "".join(f"Provides-Extra: {name}\n" for name in project["optional-dependencies"])
        with zipfile.ZipFile(file, "w") as archive:
            for name in sorted(tool._expected() | {*tool.BUILT[:2], f"{tool.BUILT[2]}ort.mjs", *beside}):
                if not without or not name.startswith(without):
                    archive.writestr(name, b"")
            info = "assay-0.1.0.dist-info"
            archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.4\nName: assay\nVersion: 0.1.0\n{extras}")
            archive.writestr(f"{info}/entry_points.txt", points if points is not None else "\n".join(lines))
            archive.writestr(f"{info}/licenses/LICENSE", b"")
        return file

    return make


def test_a_whole_wheel_is_fine(tool: Any, make_wheel: Make) -> None:
    assert list(tool.find_problems(make_wheel())) == []
    assert "packed" in next(tool.describe(make_wheel()))


@pytest.mark.parametrize(
    ("without", "said"),
    [
        ("assay/web/static/vendor/plotly", "built without npm's files"),
        ("assay/engines/web/vendor/", "built without npm's files"),
        ("assay/web/templates/", "is not in it"),
        ("assay/py.typed", "assay/py.typed is not in it"),
        ("assay/engines/torch_eager.py", "an entry point names assay.engines.torch_eager"),
    ],
)
def test_what_is_missing_is_named(tool: Any, make_wheel: Make, without: str, said: str) -> None:
    assert any(said in problem for problem in tool.find_problems(make_wheel(without=without)))


@pytest.mark.parametrize("beside", ["assay/x/__pycache__/a.pyc", "tests/test_x.py", "assay/data.pkl"])
def test_what_is_too_much_is_named(tool: Any, make_wheel: Make, beside: str) -> None:
    assert any("should not be in it" in problem for problem in tool.find_problems(make_wheel(beside=(beside,))))


def test_entry_points_have_to_be_those_of_the_project(tool: Any, make_wheel: Make) -> None:
    wheel = make_wheel(points="[assay.engine]\ntorch = assay.engines.torch_eager\n")
    assert any("entry points of assay.engine are not" in problem for problem in tool.find_problems(wheel))
