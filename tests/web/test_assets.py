"""Fetching the scripts of the pages, with archives composed here in place of npm's: nothing is downloaded."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import subprocess
import sys
import tarfile
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from assay.core.errors import AssayError
from assay.web import assets
from assay.web.assets import (
    AssetFile,
    Package,
    digest,
    fetch_assets,
    main,
    missing_files,
    pack_with_npm,
    read_assets,
    read_member,
)

ROOT = Path(__file__).parents[2]
SCRIPT = b"export const answer = 42;\n"
LICENCE = b"Do as you like.\n"
PACKAGE = Package(
    "some-scripts", "1.2.3", "0BSD", "pages",
    (
        AssetFile("dist/some.min.js", "some.min.js", digest(SCRIPT)),
        AssetFile("LICENSE", "some.LICENSE.txt", digest(LICENCE)),
    ),
)  # fmt: skip
FILES = {"package/dist/some.min.js": SCRIPT, "package/LICENSE": LICENCE, "package/evil.js": b"boom()"}

Pack = Callable[[str, str, Path], Path]


def archive(path: Path, files: Mapping[str, bytes], *others: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as opened:
        for entry in others:
            opened.addfile(entry)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            opened.addfile(entry, io.BytesIO(content))
    return path


@pytest.fixture
def packed() -> tuple[Pack, list[str]]:
    """What stands in for npm, and what it was asked for."""
    asked: list[str] = []

    def pack(name: str, version: str, folder: Path) -> Path:
        asked.append(f"{name}@{version}")
        return archive(folder / "some.tgz", FILES)

    return pack, asked


def test_what_is_missing_is_fetched_and_nothing_else_of_the_package(
    packed: tuple[Pack, list[str]], tmp_path: Path
) -> None:
    pack, asked = packed
    folder = tmp_path / "vendor"
    assert fetch_assets([PACKAGE], folder, pack=pack) == ("some.min.js", "some.LICENSE.txt")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "some.min.js": SCRIPT,
        "some.LICENSE.txt": LICENCE,
    }
    assert asked == ["some-scripts@1.2.3"]
    assert list(missing_files([PACKAGE], folder)) == []
    assert fetch_assets([PACKAGE], folder, pack=pack) == ()
    assert len(asked) == 1


def test_a_file_that_somebody_changed_here_is_fetched_again(packed: tuple[Pack, list[str]], tmp_path: Path) -> None:
    pack, _ = packed
    fetch_assets([PACKAGE], tmp_path, pack=pack)
    (tmp_path / "some.min.js").write_bytes(b"changed")
    assert [file.target for _, file in missing_files([PACKAGE], tmp_path)] == ["some.min.js"]
    fetch_assets([PACKAGE], tmp_path, pack=pack)
    assert (tmp_path / "some.min.js").read_bytes() == SCRIPT


def test_a_file_that_is_not_the_one_named_is_refused_and_not_written(tmp_path: Path) -> None:
    def pack(_name: str, _version: str, folder: Path) -> Path:
        return archive(folder / "some.tgz", FILES | {"package/dist/some.min.js": SCRIPT + b"steal();"})

    with pytest.raises(
        AssayError, match=r"dist/some\.min\.js of some-scripts 1\.2\.3 is not the file .* expected sha512-"
    ):
        fetch_assets([PACKAGE], tmp_path / "vendor", pack=pack)
    assert not (tmp_path / "vendor").exists()


def test_only_plain_files_inside_the_package_are_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    link = tarfile.TarInfo("package/dist/some.min.js")
    link.type, link.linkname = tarfile.SYMTYPE, str(secret)
    device = tarfile.TarInfo("package/dist/device")
    device.type = tarfile.CHRTYPE
    path = archive(tmp_path / "some.tgz", {"package/../../escape": b"x", "/absolute": b"x"}, link, device)
    for member in ("dist/some.min.js", "dist/device", "absolute"):
        with pytest.raises(AssayError, match="has no file"):
            read_member(path, member, "some-scripts 1.2.3")
    assert sorted(tmp_path.iterdir()) == [secret, path]


def test_a_file_that_is_too_large_and_a_broken_archive_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(tmp_path / "some.tgz", FILES)
    monkeypatch.setattr(assets, "FILE_LIMIT_BYTES", 10)
    with pytest.raises(AssayError, match="has 26 bytes, over 10"):
        read_member(path, "dist/some.min.js", "some-scripts 1.2.3")
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(AssayError, match=r"The archive of some-scripts 1\.2\.3 cannot be read"):
        read_member(path, "LICENSE", "some-scripts 1.2.3")


def test_writing_leaves_nothing_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        fetch_assets([PACKAGE], tmp_path / "vendor", pack=lambda _n, _v, folder: archive(folder / "a.tgz", FILES))
    assert list((tmp_path / "vendor").iterdir()) == []


def fake_npm(folder: Path, body: str) -> Path:
    path = folder / "npm"
    path.write_text(f"#!{sys.executable}\nimport sys, pathlib\n{body}\n")
    path.chmod(0o755)
    return path


posix_only = pytest.mark.skipif(os.name != "posix", reason="the stand-in for npm is a script with a shebang")


def test_without_npm_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AssayError, match=r"npm, which fetches them, is not installed\. Install npm .* dashboard works"):
        pack_with_npm("some-scripts", "1.2.3", tmp_path)


@posix_only
def test_npm_is_asked_for_the_archive_and_runs_no_script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here, place = tmp_path / "bin", tmp_path / "place"
    here.mkdir()
    place.mkdir()
    fake_npm(here, "pathlib.Path(sys.argv[-1], 'got.tgz').write_text(' '.join(sys.argv[1:-1]))")
    monkeypatch.setenv("PATH", str(here), prepend=os.pathsep)
    got = pack_with_npm("some-scripts", "1.2.3", place)
    assert got == place / "got.tgz"
    assert got.read_text() == "pack some-scripts@1.2.3 --silent --ignore-scripts --pack-destination"


@posix_only
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("sys.exit(1)", "it said nothing, as it does without a network"),
        ("print('E404 not found', file=sys.stderr); sys.exit(1)", "E404 not found"),
        ("pass", "it said nothing"),
    ],
)
def test_when_npm_fails_what_it_said_is_in_the_message(
    body: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_npm(tmp_path, body)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(AssayError, match=rf"npm could not fetch some-scripts 1\.2\.3 \(exit [01]\): {said}"):
        pack_with_npm("some-scripts", "1.2.3", tmp_path)


def test_the_command_line(
    packed: tuple[Pack, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = {"packages": [as_json(PACKAGE), as_json(PACKAGE) | {"name": "for-tests", "use": "tests"}]}
    path = tmp_path / "assets.json"
    path.write_text(json.dumps(manifest))
    monkeypatch.setattr(assets, "read_assets", lambda: read_assets(path))
    monkeypatch.setattr(assets, "VENDOR", tmp_path / "vendor")
    monkeypatch.setattr(assets, "pack_with_npm", packed[0])

    assert main(["--check"]) == 1
    assert "Not in" in capsys.readouterr().err
    assert main(["--tests", str(tmp_path / "for_tests")]) == 0
    assert "fetched some.min.js, some.LICENSE.txt" in capsys.readouterr().out
    assert packed[1] == ["some-scripts@1.2.3", "for-tests@1.2.3"]
    assert main(["--check", "--tests", str(tmp_path / "for_tests")]) == 0
    assert main([]) == 0
    assert capsys.readouterr().out.count("everything is here") == 3


def as_json(package: Package) -> dict[str, Any]:
    return {
        "name": package.name, "version": package.version, "licence": package.licence, "use": package.use,
        "files": [{"member": file.member, "target": file.target, "sha512": file.sha512} for file in package.files],
    }  # fmt: skip


# -- what this project names -----------------------------------------------------------------------------------


def test_every_file_that_is_named_has_a_digest_and_its_licence_lies_beside_it() -> None:
    packages = read_assets()
    targets = [file.target for package in packages for file in package.files]
    assert len(set(targets)) == len(targets)
    for package in packages:
        assert package.use in {"pages", "tests"}
        assert all(file.sha512.startswith("sha512-") and len(file.sha512) == 95 for file in package.files)
        assert any("LICENSE" in file.target for file in package.files), package.name
        assert all(Path(file.target).name == file.target for file in package.files)


def test_the_manifest_and_the_sources_name_no_host() -> None:
    for path in (assets.MANIFEST, Path(assets.__file__), ROOT / "hatch_build.py"):
        assert "://" not in path.read_text(encoding="utf-8")


def test_nothing_here_turns_text_into_code() -> None:
    """A strict policy forbids eval, and the charts must work under it."""
    for package in read_assets():
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
    (tmp_path / "src" / "assay" / "web").mkdir(parents=True)
    package = tmp_path / "src" / "assay"
    for place in (package, package / "web"):
        (place / "__init__.py").touch()
    (package / "web" / "assets.py").write_text("import sys; sys.stderr.write('npm is missing'); sys.exit(1)")
    data: dict[str, Any] = {"artifacts": []}
    with pytest.raises(SystemExit, match=r"The wheel would lack the scripts of its pages\. npm is missing"):
        hook(tmp_path).initialize("standard", data)
    editable = hook(tmp_path)
    editable.initialize("editable", data)
    assert editable.warnings == ["npm is missing"]
    assert data == {"artifacts": []}
    (package / "web" / "assets.py").write_text("")
    hook(tmp_path).initialize("standard", data)
    assert data == {"artifacts": ["/src/assay/web/static/vendor/*"]}


def test_fetching_needs_the_standard_library_alone() -> None:
    """The build's environment has nothing else."""
    code = "import sys, assay.web.assets; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) - sys.stdlib_module_names == {"assay", "__main__"}
