"""What a browser runs models with: found, fetched at first use, and refused where somebody changed it."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from assay.artefacts.npm import digest, read_packages
from assay.core.absence import Unavailable
from assay.core.errors import AssayError, EngineError
from assay.engines.web import assets
from assay.engines.web.assets import (
    WASM_BUNDLE,
    WEBGPU_BUNDLE,
    fetch_runtime,
    find_runtime,
    main,
    runtime_absence,
    runtime_package,
    web_cache,
)
from assay.engines.web.backends import WASM
from assay.engines.web.engine import WebEngine
from assay.workloads.base import find_workload

BUNDLE = b"export const run = () => 42;\n"
CODE = b"\0asm\1\0\0\0"

Pack = Callable[[str, str, Path], Path]


def pack_as(bundle: bytes = BUNDLE, code: bytes = CODE) -> Pack:
    """What stands in for npm: a package of two files."""

    def pack(_name: str, _version: str, folder: Path) -> Path:
        path = folder / "some.tgz"
        with tarfile.open(path, "w:gz") as opened:
            for name, content in (("package/dist/run.mjs", bundle), ("package/dist/run.wasm", code)):
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                opened.addfile(entry, io.BytesIO(content))
        return path

    return pack


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with neither folder, a package of two small files, and no npm."""
    files = [("run.mjs", BUNDLE), ("run.wasm", CODE)]
    path = tmp_path / "assets.json"
    path.write_text(
        json.dumps({
            "packages": [{
                "name": "some-runtime", "version": "1.2.3", "licence": "MIT", "use": "runtime",
                "files": [{"member": f"dist/{name}", "target": name, "sha512": digest(data)} for name, data in files],
            }]
        })
    )  # fmt: skip
    monkeypatch.setattr(assets, "RUNTIME", replace(assets.RUNTIME, path=path))
    monkeypatch.setattr(assets, "VENDOR", tmp_path / "vendor")
    monkeypatch.setenv("ASSAY_WEB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    return tmp_path


def test_at_first_use_it_comes_into_the_cache(here: Path) -> None:
    absent = find_runtime()
    assert absent == Unavailable("some-runtime 1.2.3 is not here", "assay web fetch")
    folder = fetch_runtime(pack=pack_as())
    assert folder == here / "cache" / "some-runtime-1.2.3" == find_runtime()
    assert (folder / "run.wasm").read_bytes() == CODE
    assert runtime_absence() is None
    assert fetch_runtime(pack=None) == folder  # nothing is missing, so nobody is asked


def test_without_npm_it_is_said_before_and_when_it_is_needed(here: Path) -> None:
    absent = runtime_absence()
    assert absent is not None
    assert "npm, which brings it, is not installed" in absent.reason
    with pytest.raises(AssayError, match=r"The files of onnxruntime-web are not here, and npm, .* is not installed"):
        fetch_runtime()
    (here / "empty").mkdir()
    (here / "empty" / "npm").write_text("")
    (here / "empty" / "npm").chmod(0o755)
    assert runtime_absence() is None


def test_a_wheel_s_own_files_come_before_the_cache(here: Path) -> None:
    fetch_runtime(pack=pack_as())
    vendor = here / "vendor"
    vendor.mkdir()
    for name, content in (("run.mjs", BUNDLE), ("run.wasm", CODE)):
        (vendor / name).write_bytes(content)
    assert find_runtime() == vendor


@pytest.mark.parametrize("place", ["vendor", "cache/some-runtime-1.2.3"])
def test_a_file_that_somebody_changed_is_refused_until_a_person_replaces_it(here: Path, place: str) -> None:
    folder = here / place
    folder.mkdir(parents=True)
    (folder / "run.mjs").write_bytes(BUNDLE)
    (folder / "run.wasm").write_bytes(CODE + b"more")
    found = find_runtime()
    assert isinstance(found, Unavailable)
    assert "run.wasm in" in found.reason
    assert "not the file of some-runtime 1.2.3 that assets.json names (another SHA-512)" in found.reason
    with pytest.raises(EngineError, match=r"run\.wasm in .* It was not run\. Find out who changed it, then: assay web"):
        fetch_runtime(pack=pack_as())
    assert (folder / "run.wasm").read_bytes() == CODE + b"more"
    assert fetch_runtime(replace=True, pack=pack_as()) == folder == find_runtime()
    assert (folder / "run.wasm").read_bytes() == CODE


@pytest.mark.usefixtures("here")
def test_a_change_of_as_many_bytes_is_noticed_too() -> None:
    folder = fetch_runtime(pack=pack_as())
    assert find_runtime() == folder
    (folder / "run.mjs").write_bytes(BUNDLE.replace(b"42", b"43"))
    assert isinstance(find_runtime(), Unavailable)


def test_a_package_that_somebody_changed_is_refused_and_nothing_of_it_written(here: Path) -> None:
    with pytest.raises(AssayError, match=r"dist/run\.wasm of some-runtime 1\.2\.3 is not the file"):
        fetch_runtime(pack=pack_as(code=CODE + b"steal"))
    assert not (here / "cache").exists()


def test_what_was_begun_in_the_checkout_is_completed_there(here: Path) -> None:
    (here / "vendor").mkdir()
    assert fetch_runtime(pack=pack_as()) == here / "vendor"


def test_the_command_of_the_build_hook(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 1
    assert "run.mjs, run.wasm" in capsys.readouterr().err
    assert main([]) == 1
    assert "npm, which fetches them, is not installed" in capsys.readouterr().err
    fetch_runtime(pack=pack_as())
    (here / "cache" / "some-runtime-1.2.3").rename(here / "vendor")
    assert main([]) == 0
    assert "everything is here" in capsys.readouterr().out


def test_the_cache_is_the_user_s_or_the_one_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ASSAY_WEB_CACHE", str(tmp_path))
    assert web_cache() == tmp_path
    monkeypatch.delenv("ASSAY_WEB_CACHE")
    assert web_cache().parts[-2:] == ("assay", "web")


def test_the_bundles_that_engines_ask_for_are_named_with_what_they_import() -> None:
    targets = {file.target for file in runtime_package().files}
    for bundle in (WASM_BUNDLE, WEBGPU_BUNDLE):
        assert bundle in targets
    assert {Path(name).suffix for name in targets} == {".mjs", ".wasm"}
    assert len(read_packages(assets.RUNTIME.path)) == 2


def test_each_bundle_imports_the_files_that_are_named() -> None:
    folder = find_runtime()
    if isinstance(folder, Unavailable):
        pytest.skip(f"{folder}")
    assert "ort-wasm-simd-threaded.mjs" in (folder / WASM_BUNDLE).read_text(encoding="utf-8")
    assert "ort-wasm-simd-threaded.asyncify.mjs" in (folder / WEBGPU_BUNDLE).read_text(encoding="utf-8")
    for name in ("ort-wasm-simd-threaded", "ort-wasm-simd-threaded.asyncify"):
        assert f"{name}.wasm" in (folder / f"{name}.mjs").read_text(encoding="utf-8")
        assert (folder / f"{name}.wasm").read_bytes().startswith(b"\0asm")


# -- the engines -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("here")
def test_an_engine_refuses_a_changed_runtime_before_it_loads_anything() -> None:
    pytest.importorskip("onnx", reason="the engines read models with it")
    engine = WebEngine("web-wasm", WASM)
    workload = find_workload("bert/tiny")
    folder = fetch_runtime(pack=pack_as())
    engine.import_libraries(workload)
    (folder / "run.wasm").write_bytes(CODE + b"more")
    with pytest.raises(EngineError, match=r"run\.wasm in .*another SHA-512.* It was not run"):
        engine.import_libraries(workload)


@pytest.mark.usefixtures("here")
def test_an_engine_says_while_planning_that_nothing_can_bring_the_runtime() -> None:
    pytest.importorskip("onnx", reason="the engines read models with it")
    absent = WebEngine("web-wasm", WASM).availability("cpu")
    assert absent is not None
    assert "npm, which brings it, is not installed" in absent.reason
