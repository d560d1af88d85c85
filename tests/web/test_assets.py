"""What the pages and browsers load: the manifests of this project, the command, and what building adds."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.artefacts import npm
from assay.artefacts.npm import digest, read_packages
from assay.engines.web import assets as runtime
from assay.web import assets
from assay.web.assets import main

ROOT = Path(__file__).parents[2]
SCRIPT = b"export const answer = 42;\n"


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked = []

    def read(package: Path, *_: object, **__: object) -> dict[str, bytes]:
        asked.append(package.name)
        return {"dist/some.min.js": SCRIPT}

    path = tmp_path / "assets.json"
    path.write_text(json.dumps({"packages": [as_json("some-scripts", "pages"), as_json("for-tests", "tests")]}))
    monkeypatch.setattr(assets, "MANIFEST", replace(assets.MANIFEST, path=path))
    monkeypatch.setattr(assets, "VENDOR", tmp_path / "vendor")
    monkeypatch.setattr(npm, "pack_with_npm", lambda name, _version, folder, _manifest: folder / name)
    monkeypatch.setattr(npm, "read_members", read)

    assert main(["--check"]) == 1
    assert "Not in" in capsys.readouterr().err
    assert main(["--tests", str(tmp_path / "for_tests")]) == 0
    assert "fetched some-scripts.js" in capsys.readouterr().out
    assert asked == ["some-scripts", "for-tests"]
    assert main(["--check", "--tests", str(tmp_path / "for_tests")]) == 0
    assert main([]) == 0
    assert capsys.readouterr().out.count("everything is here") == 3


def as_json(name: str, use: str) -> dict[str, Any]:
    files = [{"member": "dist/some.min.js", "target": f"{name}.js", "sha512": digest(SCRIPT)}]
    return {"name": name, "version": "1.2.3", "licence": "0BSD", "use": use, "files": files}


# -- what this project names -----------------------------------------------------------------------------------


@pytest.mark.parametrize("manifest", [assets.MANIFEST, runtime.RUNTIME], ids=["pages", "engines"])
def test_every_file_that_is_named_has_a_digest_and_its_licence_lies_beside_it(manifest: npm.Manifest) -> None:
    packages = read_packages(manifest.path)
    targets = [file.target for package in packages for file in package.files]
    assert len(set(targets)) == len(targets)
    beside = [path.name for path in manifest.path.parent.glob("*LICENSE*")]
    for package in packages:
        assert package.use in {"pages", "tests", "runtime", "browser"}
        assert all(file.sha512.startswith("sha512-") and len(file.sha512) == 95 for file in package.files)
        named = [file.target for file in package.files] + [name for name in beside if name.startswith(package.name)]
        assert any("LICENSE" in name for name in named), package.name
        assert all(Path(file.target).name == file.target for file in package.files)


def test_the_manifests_and_the_sources_name_no_host() -> None:
    for path in (
        assets.MANIFEST.path, runtime.RUNTIME.path, ROOT / "hatch_build.py",
        *(Path(str(module.__file__)) for module in (assets, runtime, npm)),
    ):  # fmt: skip
        assert "://" not in path.read_text(encoding="utf-8")


def test_nothing_here_turns_text_into_code() -> None:
    """A strict policy forbids eval, and the charts must work under it."""
    for package in read_packages(assets.MANIFEST.path):
        for file in package.files:
            path = assets.VENDOR / file.target
            if package.use == "pages" and path.suffix == ".js" and "plotly" in path.name:
                if not path.is_file():
                    pytest.skip(f"{path.name} is not here; run: python -m assay.web.assets")
                text = path.read_text(encoding="utf-8")
                assert "new Function(" not in text
                assert "eval(" not in text.replace("interval(", "")


# -- the build hook --------------------------------------------------------------------------------------------


class Hook:
    """Just enough of the build's interface (hatchling is in the build's environment, not in this one)."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.warnings: list[str] = []
        self.app = types.SimpleNamespace(display_warning=self.warnings.append, abort=self._abort)

    @staticmethod
    def _abort(message: str) -> None:
        raise SystemExit(message)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Any]:
    interface = types.ModuleType("hatchling.builders.hooks.plugin.interface")
    interface.BuildHookInterface = Hook  # type: ignore[attr-defined]
    for name in ("hatchling", "hatchling.builders", "hatchling.builders.hooks", "hatchling.builders.hooks.plugin"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    found = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    hook: Callable[[Path], Any] = module.AssetsHook
    return hook


def test_a_wheel_has_the_files_or_is_not_built(hook: Callable[[Path], Any], tmp_path: Path) -> None:
    package = tmp_path / "src" / "assay"
    for place in (package, package / "web", package / "engines", package / "engines" / "web"):
        place.mkdir(parents=True, exist_ok=True)
        (place / "__init__.py").touch()
    pages, browsers = (package / "web" / "assets.py", package / "engines" / "web" / "assets.py")
    for path in (pages, browsers):
        path.write_text("import sys; sys.stderr.write('npm is missing'); sys.exit(1)")
    data: dict[str, Any] = {"artifacts": []}
    with pytest.raises(SystemExit, match=r"The wheel would lack the scripts of its pages\. npm is missing"):
        hook(tmp_path).initialize("standard", data)
    editable = hook(tmp_path)
    editable.initialize("editable", data)
    assert editable.warnings == ["npm is missing", "npm is missing"]
    assert data == {"artifacts": []}
    pages.write_text("")
    with pytest.raises(SystemExit, match=r"The wheel would lack what browsers run models with\. npm is missing"):
        hook(tmp_path).initialize("standard", {"artifacts": []})
    browsers.write_text("")
    hook(tmp_path).initialize("standard", data)
    assert data == {"artifacts": ["/src/assay/web/static/vendor/*", "/src/assay/engines/web/vendor/*"]}


@pytest.mark.parametrize("module", ["assay.web.assets", "assay.engines.web.assets"])
def test_fetching_needs_the_standard_library_alone(module: str) -> None:
    """The build's environment has nothing else."""
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) - sys.stdlib_module_names == {"assay", "__main__"}
