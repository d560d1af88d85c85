"""A Chromium with WebNN that needs no administrator: the one inside npm's ``@sparticuz/chromium``.

Debian builds its Chromium without WebNN; this build, meant for functions in a cloud, has WebNN's CPU backend. It is a
``headless_shell`` for Linux on x86-64, packed with Brotli, which Python cannot read and Node can (npm implies Node).
``assets.json`` pins the packed files. They are unpacked once, into the user's cache, under another name until all is
whole and the browser has said its version.

May import: core, artefacts.npm, engines.web.assets and the standard library.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from assay.artefacts.npm import Manifest, Package, PackPackage, fetch_files, read_packages
from assay.core.absence import Unavailable
from assay.core.errors import EngineError
from assay.engines.web.assets import RUNTIME, web_cache

CHROMIUM = Manifest(
    RUNTIME.path,
    what="The files of this Chromium",
    command="assay web fetch sparticuz",
    without="Without it WebNN is measured only where another browser has it.",
    file_limit_bytes=128 << 20,
    limit_s=900.0,
)
STAMP = "assay-browser.json"
EXECUTABLE = "chromium"
_LIBRARIES = "al2023/lib"
_FONTS = "fonts"
_FONT_SETTINGS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir prefix="relative">.</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
"""
"""In place of the package's own, which name folders of a cloud's machines and /tmp: the system's fonts, and these."""
_UNPACK_LIMIT_S = 300.0
_START_LIMIT_S = 60.0
_UNPACK = """
const {createReadStream, createWriteStream} = require('node:fs');
const {pipeline} = require('node:stream');
const [source, target] = process.argv.slice(1);
pipeline(createReadStream(source), require('node:zlib').createBrotliDecompress(), createWriteStream(target),
  error => { if (error) { console.error(error.message); process.exit(1); } });
"""

Unpack = Callable[[Path, Path], None]
"""Unpacks one Brotli file: from, to."""
AskVersion = Callable[[Path, Mapping[str, str]], str]
"""Starts a browser with these variables added, and returns what it says its version is. Raises EngineError."""


@dataclass(frozen=True, slots=True)
class Sparticuz:
    """An unpacked Chromium. ``environment`` is to be added to its process's: its fonts, and libraries where needed."""

    executable: Path
    version: str
    environment: Mapping[str, str]


def chromium_package() -> Package:
    """Return the npm package that holds the browser, at the version that this version of assay uses."""
    (package,) = read_packages(CHROMIUM.path, use="browser")
    return package


def find_sparticuz() -> Sparticuz | Unavailable:
    """Return the browser where it was unpacked whole, of the version and the very files that the manifest names."""
    elsewhere = _wrong_platform()
    if elsewhere is not None:
        return elsewhere
    package = chromium_package()
    folder = _folder(package)
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
        size = (folder / EXECUTABLE).stat().st_size
        if stamp["files"] == _digests(package) and stamp["executable_bytes"] == size:
            return Sparticuz(folder / EXECUTABLE, stamp["version"], _environment(folder, stamp["needs_libraries"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return Unavailable(f"{package.name} {package.version} is not unpacked here", CHROMIUM.command)


def fetch_sparticuz(
    *, pack: PackPackage | None = None, unpack: Unpack | None = None, ask_version: AskVersion | None = None
) -> Sparticuz:
    """Return the browser, after fetching (68 MB) and unpacking it where it is not here.

    Raises AssayError where npm is missing or fails or a file is not the one named, and EngineError where this is not
    Linux on x86-64, where Node is missing or fails, and where the browser does not start.
    """
    found = find_sparticuz()
    if isinstance(found, Sparticuz):
        return found
    elsewhere = _wrong_platform()
    if elsewhere is not None:
        raise EngineError(f"{elsewhere.reason}.", hint=elsewhere.install_hint)
    package = chromium_package()
    folder = _folder(package)
    draft = folder.parent / f".draft-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        draft.mkdir(parents=True)
        fetch_files([package], draft, CHROMIUM, pack=pack)
        _unpack_all(package, draft, unpack or unpack_with_node)
        _write_stamp(package, draft, ask_version or say_version)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    except OSError as error:
        done = find_sparticuz()  # another process may have come first
        if isinstance(done, Sparticuz):
            return done
        raise EngineError(
            f"{package.name} {package.version} could not be unpacked into {folder.parent}: {error}.",
            hint="It takes 300 MB. Free some, or name another folder: ASSAY_WEB_CACHE=/path/to/folder.",
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    done = find_sparticuz()
    if isinstance(done, Unavailable):
        raise EngineError(f"{package.name} {package.version} was unpacked into {folder} and cannot be read back.")
    return done


def unpack_with_node(source: Path, target: Path) -> None:
    """Unpack a Brotli file with Node. Raises EngineError where there is none and where it fails."""
    node = shutil.which("node")
    if node is None:
        raise EngineError(
            f"{source.name} is packed with Brotli, and Node, which unpacks it, is not installed.",
            hint=f"Install it (Debian: apt-get install nodejs), then: {CHROMIUM.command}. {CHROMIUM.without}",
        )
    try:
        done = subprocess.run(
            [node, "-e", _UNPACK, str(source), str(target)],
            capture_output=True,
            text=True,
            timeout=_UNPACK_LIMIT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"Node could not unpack {source.name}: {error}.", hint=CHROMIUM.without) from error
    if done.returncode:
        said = " ".join(done.stderr.split())[-300:] or "it said nothing"
        raise EngineError(f"Node could not unpack {source.name} (exit {done.returncode}): {said}.")


def say_version(executable: Path, environment: Mapping[str, str]) -> str:
    """Have the browser say its version and end. Raises EngineError with what it said where it cannot start."""
    try:
        done = subprocess.run(
            [str(executable), "--version", "--no-sandbox"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=_START_LIMIT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"{executable.name} does not start: {error}.", hint=CHROMIUM.without) from error
    version = done.stdout.strip()
    if done.returncode or not version:
        said = " ".join(done.stderr.split())[-300:] or "it said nothing"
        raise EngineError(f"{executable.name} does not start (exit {done.returncode}): {said}.", hint=CHROMIUM.without)
    return version


def _wrong_platform() -> Unavailable | None:
    machine = platform.machine().lower()
    if sys.platform.startswith("linux") and machine in {"x86_64", "amd64"}:
        return None
    return Unavailable(
        f"the Chromium of {chromium_package().name} is for Linux on x86-64, not {platform.system()} on {machine}",
        "use Chrome or Edge, which have WebNN behind a flag",
    )


def _folder(package: Package) -> Path:
    return web_cache() / f"sparticuz-chromium-{package.version}"


def _digests(package: Package) -> dict[str, str]:
    return {file.target: file.sha512 for file in package.files}


def _unpack_all(package: Package, folder: Path, unpack: Unpack) -> None:
    """Turn ``NAME.br`` into ``NAME``, and ``NAME.tar.br`` into a folder ``NAME``; the packed files go.

    SwiftShader's libraries lie beside the executable, which looks for them there.
    """
    for file in package.files:
        packed = folder / file.target
        if packed.suffix != ".br":
            continue
        plain = packed.with_suffix("")
        unpack(packed, plain)
        packed.unlink()
        if plain.suffix != ".tar":
            plain.chmod(0o755)
            continue
        name = plain.stem
        try:
            with tarfile.open(plain, "r:") as opened:
                opened.extractall(folder if name == "swiftshader" else folder / name, filter="data")
        except tarfile.TarError as error:
            raise EngineError(f"{file.target} of {package.name} {package.version} cannot be read: {error}.") from error
        plain.unlink()
    if (folder / _FONTS).is_dir():
        (folder / _FONTS / "fonts.conf").write_text(_FONT_SETTINGS, encoding="utf-8")


def _write_stamp(package: Package, folder: Path, ask_version: AskVersion) -> None:
    """Start the browser, without and then with the libraries that it brings, and write down what it took."""
    needs_libraries = False
    try:
        version = ask_version(folder / EXECUTABLE, _environment(folder, needs_libraries))
    except EngineError:
        needs_libraries = True
        version = ask_version(folder / EXECUTABLE, _environment(folder, needs_libraries))
    stamp = {
        "package": f"{package.name} {package.version}",
        "version": version,
        "files": _digests(package),
        "executable_bytes": (folder / EXECUTABLE).stat().st_size,
        "needs_libraries": needs_libraries,
    }
    (folder / STAMP).write_text(json.dumps(stamp, indent=2) + "\n", encoding="utf-8")


def _environment(folder: Path, needs_libraries: bool) -> dict[str, str]:  # noqa: FBT001  (read back from the stamp)
    environment = {}
    if (folder / _FONTS).is_dir():
        environment["FONTCONFIG_PATH"] = str(folder / _FONTS)
    if needs_libraries:
        before = os.environ.get("LD_LIBRARY_PATH")
        environment["LD_LIBRARY_PATH"] = os.pathsep.join([str(folder / _LIBRARIES), *([before] if before else [])])
    return environment
