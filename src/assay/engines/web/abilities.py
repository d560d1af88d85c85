"""What a browser said that it can do, as values: WebAssembly, WebGPU, WebNN. May import: core.

The page answers with JSON (``hello`` and ``features``). It runs in somebody's browser, where an extension may have
changed it, so nothing is taken for granted: what is missing is None, and what is no number is no limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HARDWARE, SOFTWARE, UNKNOWN = "hardware", "software", "unknown"
"""Kinds of adapter. What a software one takes says nothing of any GPU."""
WEBNN_DEVICES = ("cpu", "gpu", "npu")
_NO_REASON = "the page gave no reason"


@dataclass(frozen=True, slots=True)
class WasmAbilities:
    """What WebAssembly can do there. ``has_threads`` takes an isolated page; None is: it was not said."""

    has_simd: bool | None
    has_threads: bool | None
    is_isolated: bool | None
    clock_resolution_ns: int | None
    cores: int | None
    others: tuple[str, ...] = ()
    """Other features by name, such as ``relaxed_simd`` and ``jspi``."""


@dataclass(frozen=True, slots=True)
class WebGpuAbilities:
    """The adapter that a page gets, or ``absence``: why it gets none."""

    adapter: str | None
    kind: str
    has_f16: bool
    features: tuple[str, ...]
    limits: Mapping[str, int]
    absence: str | None = None


@dataclass(frozen=True, slots=True)
class WebNnAbilities:
    """Devices on which WebNN really computed, and of the others why not."""

    devices: tuple[str, ...]
    refused: Mapping[str, str]
    absence: str | None = None


@dataclass(frozen=True, slots=True)
class BrowserAbilities:
    """One browser of this machine. Where ``problem`` is set it could not be asked, and the three abilities are None.

    ``advice`` is what would help, where something would.
    """

    browser: str
    executable: str | None = None
    version: str | None = None
    user_agent: str | None = None
    wasm: WasmAbilities | None = None
    webgpu: WebGpuAbilities | None = None
    webnn: WebNnAbilities | None = None
    problem: str | None = None
    advice: str | None = None
    is_missing: bool = False
    """The browser is not there, which is no fault."""
    answers: Mapping[str, Any] = field(default_factory=dict)
    """What the page said, word for word."""


def read_abilities(
    browser: str, answers: Mapping[str, Any], *, executable: str | None = None, version: str | None = None
) -> BrowserAbilities:
    """Make values of what the page answered to ``hello`` and ``features``. Never raises."""
    hello, features = _mapping(answers.get("hello")), _mapping(answers.get("features"))
    return BrowserAbilities(
        browser=browser,
        executable=executable,
        version=version,
        user_agent=_text(hello.get("user_agent")),
        wasm=_read_wasm(_mapping(features.get("wasm")), hello),
        webgpu=_read_webgpu(_mapping(features.get("webgpu"))),
        webnn=_read_webnn(_mapping(features.get("webnn"))),
        answers=dict(answers),
    )


def _read_wasm(said: Mapping[str, Any], hello: Mapping[str, Any]) -> WasmAbilities:
    known = {"simd", "threads"}
    return WasmAbilities(
        has_simd=_truth(said.get("simd")),
        has_threads=_truth(said.get("threads")),
        is_isolated=_truth(hello.get("cross_origin_isolated")),
        clock_resolution_ns=_whole(hello.get("clock_resolution_ns")),
        cores=_whole(hello.get("hardware_concurrency")),
        others=tuple(sorted(name for name, has in said.items() if name not in known and has is True)),
    )


def _read_webgpu(said: Mapping[str, Any]) -> WebGpuAbilities:
    if said.get("available") is not True:
        return WebGpuAbilities(None, UNKNOWN, has_f16=False, features=(), limits={}, absence=_reason(said))
    kind = said.get("kind")
    limits = {str(name): _whole(value) for name, value in _mapping(said.get("limits")).items()}
    return WebGpuAbilities(
        adapter=_text(said.get("adapter")) or "an adapter without a name",
        kind=kind if kind in (HARDWARE, SOFTWARE) else UNKNOWN,
        has_f16=said.get("f16") is True,
        features=_texts(said.get("features")),
        limits={name: value for name, value in limits.items() if value is not None},
    )


def _read_webnn(said: Mapping[str, Any]) -> WebNnAbilities:
    answers = {name: _mapping(one) for name, one in _mapping(said.get("devices")).items() if name in WEBNN_DEVICES}
    if said.get("present") is not True:
        return WebNnAbilities((), {}, absence=_reason(answers.get("cpu", said)))
    works = tuple(name for name in WEBNN_DEVICES if answers.get(name, {}).get("works") is True)
    refused = {name: _reason(one) for name, one in answers.items() if name not in works}
    bare = {_without_device(reason, name) for name, reason in refused.items()}
    if not works and len(refused) == len(WEBNN_DEVICES) and len(bare) == 1:
        return WebNnAbilities((), refused, absence=bare.pop())
    return WebNnAbilities(works, refused)


def _without_device(reason: str, device: str) -> str:
    """A reason without the device it was given for: where all three fail alike, one sentence says it."""
    return reason.replace(f" for {device}", "", 1)


def _reason(said: Mapping[str, Any]) -> str:
    return _text(said.get("reason")) or _NO_REASON


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    """Printable text of sensible length: it is shown on a terminal."""
    if not isinstance(value, str):
        return None
    return "".join(letter for letter in value if letter.isprintable()).strip()[:200] or None


def _texts(value: object) -> tuple[str, ...]:
    found = (_text(one) for one in value) if isinstance(value, (list, tuple)) else ()
    return tuple(sorted(one for one in found if one is not None))


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return int(value)
    except (OverflowError, ValueError):
        return None
