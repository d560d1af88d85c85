"""Which browsers of this machine can do what: found by opening the page in each, and asking it.

Lists of what a version supports are wrong in both directions: builds lack parts, flags add them, drivers refuse. So
each browser is started once, asked what really works, and closed. Answers are kept for a day, under everything that
could change them. May import: core, probes, engines.web.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay import __version__
from assay.core.absence import Unavailable
from assay.core.errors import AssayError
from assay.core.ids import content_hash
from assay.engines.web.abilities import BrowserAbilities, read_abilities

if TYPE_CHECKING:
    from assay.engines.web.browsers import FoundBrowser

KEPT_FOR_S = 24 * 3600.0
"""Drivers and policies change without a browser's knowledge, so answers grow old."""
LIMIT_S = 60.0
_LAYOUT = 1

Find = Callable[[str], "FoundBrowser | Unavailable"]
Ask = Callable[["FoundBrowser"], Mapping[str, Any]]


def detect_browsers(
    names: Sequence[str] | None = None,
    *,
    again: bool = False,
    find: Find | None = None,
    ask: Ask | None = None,
    machine: object = None,
    on_start: Callable[[str], None] = lambda _name: None,
) -> tuple[BrowserAbilities, ...]:
    """Ask every browser that is here what it can do; one that is absent or fails says so in its place. Never raises.

    ``names`` are those to look for, all that are known by default. ``again`` asks although answers are kept. ``find``
    and ``ask`` look for one and ask one; tests replace them. ``machine`` is what else the answers depend on, by default
    the GPUs with their drivers and the system. ``on_start`` is told before each browser is started, which takes a
    second or two.
    """
    from assay.engines.web.browsers import BROWSERS, find_browser

    find = find or find_browser
    found = [(name, find(name)) for name in names or BROWSERS]
    if machine is None and not all(isinstance(one, Unavailable) for _, one in found):
        machine = _describe_machine()
    return tuple(
        BrowserAbilities(name, problem=one.reason, advice=one.install_hint, is_missing=True)
        if isinstance(one, Unavailable)
        else _detect(one, ask or ask_browser, machine, again=again, on_start=on_start)
        for name, one in found
    )


def ask_browser(found: FoundBrowser) -> Mapping[str, Any]:
    """Start a browser, open the page, ask ``hello`` and ``features``, and close it. Raises EngineError."""
    from assay.engines.web.page import PageRequest, open_page

    with contextlib.closing(open_page(PageRequest(browser=found))) as page:
        return {
            "hello": page.call("hello", {}, limit_s=LIMIT_S),
            "features": page.call("features", {}, limit_s=LIMIT_S),
        }


def kept_answers() -> Path:
    """The file that answers are kept in."""
    from assay.engines.web.assets import web_cache

    return web_cache() / "browsers.json"


def _describe_machine() -> list[object]:
    from assay.probes.devices import find_gpus

    return [platform.release(), *(gpu.to_facts() for gpu in find_gpus())]


def _detect(
    found: FoundBrowser, ask: Ask, machine: object, *, again: bool, on_start: Callable[[str], None]
) -> BrowserAbilities:
    key = _key(found, machine)
    answers = None if again else _recall(key)
    if answers is None:
        on_start(found.name)
        try:
            answers = ask(found)
        except AssayError as error:
            return BrowserAbilities(
                found.name, str(found.executable), found.version, problem=error.message, advice=error.hint
            )
        _keep(key, answers)
    return read_abilities(found.name, answers, executable=str(found.executable), version=found.version)


def _key(found: FoundBrowser, machine: object) -> str:
    """Hash of what the answers depend on: the executable as it lies there, its version, our page, the machine."""
    try:
        status = found.executable.resolve().stat()
        stamp = [status.st_size, status.st_mtime_ns]
    except OSError:
        stamp = []
    page = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in _page_files()]
    return content_hash({
        "layout": _LAYOUT, "assay": __version__, "browser": found.name, "executable": str(found.executable),
        "version": found.version, "stamp": stamp, "page": page, "machine": machine,
    })  # fmt: skip


def _page_files() -> list[Path]:
    return sorted(Path(__file__).with_name("page").glob("*.*"))


def _recall(key: str, *, now: Callable[[], float] = time.time) -> Mapping[str, Any] | None:
    entry = _read_kept().get(key)
    if not isinstance(entry, dict) or not isinstance(entry.get("answers"), dict):
        return None
    asked_at = entry.get("asked_at")
    is_fresh = isinstance(asked_at, (int, float)) and 0 <= now() - asked_at <= KEPT_FOR_S
    answers: dict[str, Any] = entry["answers"]
    return answers if is_fresh else None


def _keep(key: str, answers: Mapping[str, Any], *, now: Callable[[], float] = time.time) -> None:
    """Write the answers down, and drop the old ones. What cannot be written is asked again another time."""
    moment = now()
    entries = {
        name: entry
        for name, entry in _read_kept().items()
        if isinstance(entry, dict) and isinstance(entry.get("asked_at"), (int, float))
        and 0 <= moment - entry["asked_at"] <= KEPT_FOR_S
    }  # fmt: skip
    entries[key] = {"asked_at": moment, "answers": dict(answers)}
    path = kept_answers()
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(entries), encoding="utf-8")
        draft.replace(path)


def _read_kept() -> dict[str, Any]:
    try:
        content = json.loads(kept_answers().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
