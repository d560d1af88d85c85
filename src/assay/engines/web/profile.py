"""Profiles of the browsers that assay starts: a fresh folder for each launch, or one that is kept for its caches.

A worker that is killed cannot remove its folder, so each folder holds a lock that dies with its owner, and the next
launch removes what nobody holds. May import: core, engines.web.assets.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from assay.core.errors import EngineError, UsageError

PORT_VARIABLE = "ASSAY_BROWSER_PORT"
"""Names the port at which pages of kept profiles are served."""
KEPT_PORT = 8436
"""The usual one: beside a visitor's, and below those that systems hand out by themselves."""
_ORIGIN = "assay-origin.json"
_LAST_PORT = 65535
_PREFIX = "assay-browser-"
_LOCK = "assay.lock"
_CHROMIUM_LOCKS = ("SingletonLock", "SingletonSocket", "SingletonCookie")
_REMOVE_TRIES = 20
_REMOVE_PAUSE_S = 0.05
_YOUNG_S = 60.0


@dataclass(frozen=True, slots=True)
class Profile:
    """A folder that one browser has to itself while ``lock`` is open."""

    folder: Path
    lock: IO[bytes]
    is_kept: bool

    def release(self) -> None:
        """Give the folder up, and remove it where it is not kept. The browser must have ended."""
        self.lock.close()
        if not self.is_kept:
            _remove(self.folder)


def fresh_profile() -> Profile:
    """Make an empty profile, and remove those that dead workers left."""
    root = Path(tempfile.gettempdir())
    _sweep(root)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
    return _hold(folder, is_kept=False)


def kept_profile(folder: Path) -> Profile:
    """Take a profile that outlives launches. Raises EngineError where another launch has it now.

    Two browsers on one profile are one browser: the second hands its page to the first and ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    profile = _hold(folder, is_kept=True)
    for name in _CHROMIUM_LOCKS:
        # Left by a browser that was killed; one of another host's name, as a container's is, would be believed.
        (folder / name).unlink(missing_ok=True)
    return profile


def kept_folder(browser: str) -> Path:
    """Where a browser's kept profile lies: in the user's cache, never a person's own profile."""
    from assay.engines.web.assets import web_cache

    return web_cache() / "profiles" / browser


@dataclass(frozen=True, slots=True)
class KeptOrigin:
    """Where the pages of a kept profile are served, and how many launches the profile has served there already.

    A browser keeps what it compiled by the page's address. Chromium 156 does so by site, which has no port; that others
    leave the port out as well is not known, so it stays the same.
    """

    port: int
    launches: int


def kept_origin(folder: Path, environ: Mapping[str, str]) -> KeptOrigin:
    """Settle the port of a kept profile: as set, else as the profile remembers, else the usual. Raises UsageError."""
    known = _read_origin(folder)
    text = environ.get(PORT_VARIABLE)
    if not text:
        return known or KeptOrigin(KEPT_PORT, 0)
    if not text.isdecimal() or not 0 < int(text) <= _LAST_PORT:
        raise UsageError(f"{PORT_VARIABLE} is {text!r}; expected a port, 1 to {_LAST_PORT}.")
    return known if known is not None and known.port == int(text) else KeptOrigin(int(text), 0)


def note_launch(folder: Path, origin: KeptOrigin) -> None:
    """Remember in a kept profile that one more launch was served at its origin. The profile must be held."""
    (folder / _ORIGIN).write_text(json.dumps({"port": origin.port, "launches": origin.launches + 1}), encoding="utf-8")


def _read_origin(folder: Path) -> KeptOrigin | None:
    """What a profile remembers; None of a new one, and of one whose note cannot be read."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        said = json.loads((folder / _ORIGIN).read_text(encoding="utf-8"))
        origin = KeptOrigin(int(said["port"]), int(said["launches"]))
        return origin if 0 < origin.port <= _LAST_PORT else None
    return None


def _hold(folder: Path, *, is_kept: bool) -> Profile:
    lock = (folder / _LOCK).open("wb")
    if not _lock(lock):
        lock.close()
        raise EngineError(
            f"The browser profile {folder} is in use by another launch.",
            hint="Wait for it, or measure with -o shader_cache=cold, which makes a profile of its own.",
        )
    return Profile(folder, lock, is_kept)


def _lock(file: IO[bytes]) -> bool:
    """Lock a file for as long as it is open; True where that worked, or where this system has no such lock."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sweep(root: Path) -> None:
    """Remove the folders of workers that were killed: old enough to have a lock, and nobody holds it."""
    if os.name == "nt":
        return
    for folder in root.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime < _YOUNG_S or folder.stat().st_uid != os.getuid():
                continue
            with (folder / _LOCK).open("rb+") as lock:
                if _lock(lock):
                    _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder whose last writer may still be ending."""
    for _ in range(_REMOVE_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(_REMOVE_PAUSE_S)
