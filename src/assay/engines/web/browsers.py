"""The browsers that assay can start: where their executables lie, and what they are told on their command line.

Nothing is started to find one. What a browser can do is asked of its page (`assay.engines.web.detect`). Flags that
tools share are explained in GoogleChrome/chrome-launcher, docs/chrome-flags-for-tools.md.
May import: core, engines.web.sparticuz.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from assay.core.absence import Unavailable
from assay.core.errors import UnknownNameError
from assay.engines.web.firefox import write_preferences

EXECUTABLE_VARIABLE = "ASSAY_BROWSER_{name}"
"""Environment variable that names a browser's executable, ``ASSAY_BROWSER_CHROME`` for instance."""
WINDOW_VARIABLE = "ASSAY_BROWSER_WINDOW"
"""``on`` starts browsers with a window, as Linux gives some of them a GPU with a window only."""
SANDBOX_VARIABLE = "ASSAY_BROWSER_SANDBOX"
"""``off`` starts Chromium without its sandbox, which it cannot make in some containers."""
PROFILE_VARIABLE = "ASSAY_BROWSER_PROFILE"
"""Set by assay in a browser's own environment, and thereby in that of all its processes."""
_VERSION_LIMIT_S = 20.0
_SMALL_SHARED_MEMORY = 1 << 30
_WINDOWS_ROOTS = ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")


@dataclass(frozen=True, slots=True)
class Browser:
    """One kind of browser: ``commands`` are looked for on the path, ``mac`` and ``windows`` are installers' places.

    Those of Windows are below the folders for programs. ``headless`` is the flag for a run without a window.
    """

    name: str
    title: str
    is_firefox: bool = False
    commands: tuple[str, ...] = ()
    mac: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()
    headless: str = "--headless=new"
    install_hint: str | None = None


@dataclass(frozen=True, slots=True)
class FoundBrowser:
    """A browser that is here. ``environment`` is added to its process's own."""

    browser: Browser
    executable: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name in the option ``browser``."""
        return self.browser.name

    @property
    def version(self) -> str | None:
        """What the executable says, ``150.0.7204.92``; asked once (0.1 s), None where it does not say."""
        try:
            changed_ns = self.executable.stat().st_mtime_ns
        except OSError:
            return None
        return _ask_version(self.executable, changed_ns, tuple(sorted(self.environment.items())))


@dataclass(frozen=True, slots=True)
class LaunchFlags:
    """How a browser is started.

    ``webgpu`` and ``webnn`` switch on what this browser has behind flags. ``has_sandbox`` None keeps it except as root,
    where Chromium refuses to start with one, and where `SANDBOX_VARIABLE` says off. ``is_headless`` None means without
    a window, except where `WINDOW_VARIABLE` says on. ``extra`` come last.
    """

    is_headless: bool | None = None
    webgpu: bool = True
    webnn: bool = True
    has_sandbox: bool | None = None
    extra: tuple[str, ...] = ()


BROWSERS: dict[str, Browser] = {
    browser.name: browser
    for browser in (
        Browser(
            "chromium",
            "Chromium",
            commands=("chromium", "chromium-browser"),
            mac=("Chromium.app/Contents/MacOS/Chromium",),
            windows=("Chromium/Application/chrome.exe",),
            install_hint="apt-get install chromium, or: assay web fetch sparticuz",
        ),
        Browser(
            "chrome",
            "Google Chrome",
            commands=("google-chrome-stable", "google-chrome", "chrome"),
            mac=("Google Chrome.app/Contents/MacOS/Google Chrome",),
            windows=("Google/Chrome/Application/chrome.exe",),
            install_hint="install it from google.com/chrome",
        ),
        Browser(
            "edge",
            "Microsoft Edge",
            commands=("microsoft-edge-stable", "microsoft-edge", "msedge"),
            mac=("Microsoft Edge.app/Contents/MacOS/Microsoft Edge",),
            windows=("Microsoft/Edge/Application/msedge.exe",),
            install_hint="install it from microsoft.com/edge",
        ),
        Browser(
            "firefox",
            "Firefox",
            is_firefox=True,
            commands=("firefox", "firefox-esr"),
            mac=("Firefox.app/Contents/MacOS/firefox",),
            windows=("Mozilla Firefox/firefox.exe",),
            headless="--headless",
            install_hint="apt-get install firefox-esr",
        ),
        Browser(
            "sparticuz",
            "Chromium of npm's @sparticuz/chromium",
            headless="--headless=shell",
            install_hint="assay web fetch sparticuz",
        ),
    )
}
"""Every browser that can be started, in the order in which one is chosen where none is asked for."""


def find_browser(name: str | None = None, environ: Mapping[str, str] | None = None) -> FoundBrowser | Unavailable:
    """Find a browser's executable, or the first of all browsers where no name is given; starts nothing.

    A variable ``ASSAY_BROWSER_NAME`` (upper case) says where it lies. Raises UnknownNameError for a name that is none.
    """
    environ = os.environ if environ is None else environ
    if name is None:
        for browser in BROWSERS.values():
            found = _find(browser, environ)
            if isinstance(found, FoundBrowser):
                return found
        return Unavailable(f"no browser was found ({', '.join(BROWSERS)})", BROWSERS["chromium"].install_hint)
    if name not in BROWSERS:
        raise UnknownNameError("browser", name, BROWSERS)
    return _find(BROWSERS[name], environ)


def build_command(found: FoundBrowser, url: str, profile: Path, flags: LaunchFlags) -> list[str]:
    """Return the command line that opens a page in a profile of its own, and write what the profile needs."""
    window = (found.browser.headless,) if runs_headless(flags) else ()
    if found.browser.is_firefox:
        write_preferences(profile, webgpu=flags.webgpu)
        return [str(found.executable), *window, "--no-remote", "--profile", str(profile), *flags.extra, url]
    return [str(found.executable), *window, *_chromium_flags(profile, flags), *flags.extra, url]


def runs_headless(flags: LaunchFlags) -> bool:
    """Whether a browser that is started so has no window."""
    if flags.is_headless is not None:
        return flags.is_headless
    return os.environ.get(WINDOW_VARIABLE, "").casefold() != "on"


def build_environment(found: FoundBrowser, profile: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of the browser's process. Reports of crashes go into the profile, to nobody else's.

    The profile is named in it as well, so that helpers which leave the browser's tree are still known.
    """
    clean = dict(os.environ if environ is None else environ)
    # What libraries of the native engines are told is not meant for a browser's own.
    for name in ("LD_PRELOAD", "OMP_NUM_THREADS", "MOZ_LOG", "SSLKEYLOGFILE", "CHROMIUM_FLAGS"):
        clean.pop(name, None)
    if found.browser.is_firefox:
        clean["MOZ_CRASHREPORTER_DISABLE"] = "1"
    else:
        clean["BREAKPAD_DUMP_LOCATION"] = str(profile)
    return {**clean, PROFILE_VARIABLE: str(profile), **found.environment}


def _find(browser: Browser, environ: Mapping[str, str]) -> FoundBrowser | Unavailable:
    variable = EXECUTABLE_VARIABLE.format(name=browser.name.upper())
    named = environ.get(variable)
    if named:
        executable = shutil.which(os.path.expanduser(named), path=environ.get("PATH"))  # noqa: PTH111  (a command, perhaps)
        if executable is None:
            return Unavailable(f"{variable} names {named}, which is no executable here", f"unset or correct {variable}")
        return FoundBrowser(browser, Path(executable))
    if browser.name == "sparticuz":
        from assay.engines.web.sparticuz import find_sparticuz

        unpacked = find_sparticuz()
        if isinstance(unpacked, Unavailable):
            return unpacked
        return FoundBrowser(browser, unpacked.executable, unpacked.environment)
    for candidate in _candidates(browser, environ):
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return FoundBrowser(browser, candidate)
    return Unavailable(f"{browser.title} is not installed", browser.install_hint)


def _candidates(browser: Browser, environ: Mapping[str, str]) -> Sequence[Path]:
    on_path = [shutil.which(command, path=environ.get("PATH")) for command in browser.commands]
    places = [Path(place) for place in on_path if place is not None]
    if sys.platform == "darwin":
        roots = (Path("/Applications"), Path.home() / "Applications")
        places += [root / place for root in roots for place in browser.mac]
    if sys.platform == "win32":
        folders = [Path(environ[root]) for root in _WINDOWS_ROOTS if environ.get(root)]
        places += [folder / place for folder in folders for place in browser.windows]
    return places


@functools.cache
def _ask_version(executable: Path, changed_ns: int, environment: tuple[tuple[str, str], ...]) -> str | None:
    del changed_ns  # a browser that was updated is another key
    if sys.platform == "win32":
        # There `--version` opens a window; the installer names a folder after the version.
        versions = [found[0] for place in executable.parent.iterdir() if (found := _find_version(place.name))]
        return max(versions, key=lambda version: [int(part) for part in version.split(".")], default=None)
    try:
        done = subprocess.run(
            [str(executable), "--version"],
            env={**os.environ, **dict(environment)},
            capture_output=True,
            text=True,
            timeout=_VERSION_LIMIT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _find_version(done.stdout)
    return found[0] if found else None


def _find_version(text: str) -> re.Match[str] | None:
    return re.search(r"\d+(\.\d+)+", text)


def _chromium_flags(profile: Path, flags: LaunchFlags) -> list[str]:
    """What every browser made of Chromium is told: its own profile, no visits elsewhere, nothing slowed down."""
    off = ["Translate", "MediaRouter", "OptimizationHints", "CalculateNativeWinOcclusion",
           "SpareRendererForSitePerProcess", "PreloadTopChromeWebUI"]  # fmt: skip
    on = ["WebMachineLearningNeuralNetwork"] if flags.webnn else []
    given = [
        f"--user-data-dir={profile}",
        "--no-first-run", "--no-default-browser-check", "--disable-search-engine-choice-screen",
        "--disable-extensions", "--disable-component-extensions-with-background-pages", "--disable-component-update",
        "--disable-background-networking", "--disable-sync", "--disable-field-trial-config", "--disable-breakpad",
        "--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows",
        "--disable-renderer-backgrounding", "--disable-hang-monitor", "--hide-crash-restore-bubble",
        "--password-store=basic", "--use-mock-keychain", "--mute-audio",
    ]  # fmt: skip
    if flags.webgpu:
        # Without a GPU this brings an adapter in software, labelled as such. Its shaders compile longer than the
        # watchdog waits before it kills the GPU process.
        given += ["--enable-unsafe-webgpu", "--disable-gpu-watchdog"]
        if sys.platform.startswith("linux") and _has_gpu():
            on += ["Vulkan"]
            given += ["--ignore-gpu-blocklist"]
    if not _keeps_sandbox(flags):
        given.append("--no-sandbox")
    if _shared_memory_bytes() < _SMALL_SHARED_MEMORY:
        given.append("--disable-dev-shm-usage")
    return [*given, f"--disable-features={','.join(off)}", *([f"--enable-features={','.join(on)}"] if on else [])]


def _keeps_sandbox(flags: LaunchFlags) -> bool:
    if flags.has_sandbox is not None:
        return flags.has_sandbox
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0 and sys.platform.startswith("linux")
    return not is_root and os.environ.get(SANDBOX_VARIABLE, "").casefold() != "off"


def _has_gpu() -> bool:
    """Whether the kernel offers a GPU to draw or compute with."""
    return any(Path("/dev/dri").glob("renderD*")) or Path("/dev/nvidia0").exists()


def _shared_memory_bytes() -> float:
    """Free bytes of /dev/shm, which containers keep small; endless where there is none to be short of."""
    try:
        return shutil.disk_usage("/dev/shm").free  # noqa: S108  (asked about, nothing is written)
    except OSError:
        return float("inf")
