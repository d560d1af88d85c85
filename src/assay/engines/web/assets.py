"""What a page runs models with: onnxruntime-web, from npm, one version, held to its SHA-512.

``assets.json`` names the files. A wheel has them in ``vendor`` beside this module, put there when it is built; a
checkout gets them from ``make assets``, and any other installation at first use, into the user's cache. A file that is
not the one named is never run: it is said, and only ``assay web fetch`` replaces it.

Runs as ``python -m assay.engines.web.assets``, from a build hook too, before anything is installed. May import: core,
artefacts.npm and the standard library; platformdirs inside a function.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from assay.artefacts.npm import Manifest, Package, PackPackage, bring_files, digest_file, fetch_files, read_packages
from assay.core.absence import Unavailable
from assay.core.errors import AssayError, EngineError

RUNTIME = Manifest(
    Path(__file__).with_name("assets.json"),
    what="The files of onnxruntime-web",
    command="assay web fetch",
    without="Without them the engines that run models in a browser cannot; all others can.",
    file_limit_bytes=64 << 20,
    limit_s=600.0,
)
VENDOR = Path(__file__).parent / "vendor"
WASM_BUNDLE = "ort.wasm.min.mjs"
"""Imports ``ort-wasm-simd-threaded.mjs`` and ``.wasm`` beside it: the CPU alone, half as large."""
WEBGPU_BUNDLE = "ort.webgpu.min.mjs"
"""Imports ``ort-wasm-simd-threaded.asyncify.mjs`` and ``.wasm`` beside it: WebGPU and WebNN."""


def runtime_package() -> Package:
    """Return the package of onnxruntime-web that this version of assay uses."""
    (package,) = read_packages(RUNTIME.path, use="runtime")
    return package


def web_cache() -> Path:
    """Return ``$ASSAY_WEB_CACHE``, or else ``web`` in the user's cache folder of this platform."""
    chosen = os.environ.get("ASSAY_WEB_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("assay", appauthor=False)) / "web"


def find_runtime() -> Path | Unavailable:
    """Return the folder that holds onnxruntime-web, every file read and found to be the one named.

    The package's own folder counts before the user's cache. Reading 41 MB takes 0.1 s, once a process.
    """
    package = runtime_package()
    for folder in _places(package):
        changed = _changed_files(package, folder)
        if changed:
            return Unavailable(
                f"{', '.join(changed)} in {folder}: not the file{'s' if len(changed) > 1 else ''} of "
                f"{package.name} {package.version} that {RUNTIME.path.name} names (another SHA-512)",
                f"find out who changed it, then: {RUNTIME.command}",
            )
        if _has_all(package, folder):
            return folder
    return Unavailable(f"{package.name} {package.version} is not here", RUNTIME.command)


def runtime_absence() -> Unavailable | None:
    """Say cheaply why onnxruntime-web cannot be had here; None where it lies here, or npm can bring it at first use.

    Nothing is read, so a file that somebody changed is found by whoever asks for the folder.
    """
    package = runtime_package()
    if any(_has_all(package, folder) for folder in _places(package)) or shutil.which("npm"):
        return None
    return Unavailable(
        f"{package.name} {package.version} is not here, and npm, which brings it, is not installed",
        f"install npm, then: {RUNTIME.command}",
    )


def fetch_runtime(*, replace: bool = False, pack: PackPackage | None = None) -> Path:
    """Return the folder that holds onnxruntime-web, after bringing what is missing.

    It comes into ``vendor`` where that is begun, and else into the user's cache. With ``replace`` a file that is not
    the one named is fetched again; without, it is refused. Raises EngineError for that, and AssayError where npm is
    missing or fails.
    """
    found = find_runtime()
    if isinstance(found, Path):
        return found
    package = runtime_package()
    begun = [folder for folder in _places(package) if folder.is_dir()]
    if not replace and any(_changed_files(package, folder) for folder in begun):
        raise EngineError(f"{found.reason}.", hint=f"It was not run. {_as_sentence(found.install_hint)}")
    target = next((folder for folder in begun if _changed_files(package, folder)), None)
    target = target or (begun[0] if begun else _places(package)[-1])
    fetch_files([package], target, RUNTIME, pack=pack)
    return target


def _places(package: Package) -> tuple[Path, Path]:
    return VENDOR, web_cache() / f"{package.name}-{package.version}"


def _has_all(package: Package, folder: Path) -> bool:
    return all((folder / file.target).is_file() for file in package.files)


def _changed_files(package: Package, folder: Path) -> list[str]:
    return [
        file.target
        for file in package.files
        if (folder / file.target).is_file() and _digest_of(folder / file.target) != file.sha512
    ]


def _digest_of(path: Path) -> str:
    facts = path.stat()
    return _read_digest(path, facts.st_ino, facts.st_size, facts.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _read_digest(path: Path, _node: int, _size: int, _changed_ns: int) -> str:
    """Read a file once for as long as it stays as it is."""
    return digest_file(path)


def _as_sentence(hint: str | None) -> str:
    return f"{hint[:1].upper()}{hint[1:]}." if hint else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch into ``vendor`` or check, say what was done, and return the exit status: 1 where a file is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m assay.engines.web.assets", description="Fetch what a browser runs models with."
    )
    parser.add_argument("--check", action="store_true", help="only say whether it is here")
    chosen = parser.parse_args(arguments)
    try:
        sys.stdout.write(bring_files([runtime_package()], VENDOR, RUNTIME, is_check=chosen.check))
    except AssayError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
