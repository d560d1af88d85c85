"""What a page says of the browser it is in, read with care: a visitor's page may say anything. May import: core."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from assay.core.errors import EngineError

_LONGEST_TEXT = 300
_IN_USER_AGENT = {
    "Firefox": "Firefox", "FxiOS": "Firefox", "EdgiOS": "Microsoft Edge", "EdgA": "Microsoft Edge",
    "Edg": "Microsoft Edge", "OPR": "Opera", "OPT": "Opera", "SamsungBrowser": "Samsung Internet",
    "CriOS": "Google Chrome", "Chrome": "Chromium", "Version": "Safari",
}  # fmt: skip
"""What browsers without `navigator.userAgentData` call themselves, those first that name others beside themselves.

Safari names itself by ``Version/17.4 ... Safari``; so does every page that an app of Apple's systems shows."""
_PRODUCT = re.compile(r"([A-Za-z]+)/([\d.]+)")


@dataclass(frozen=True, slots=True)
class Hello:
    """One page's first answer. ``brand`` and ``version`` are the browser's name and version, where it says them.

    ``clock_resolution_ns`` is the smallest step of its clock; ``is_isolated`` whether it may have threads and a fine
    clock; ``has_webgpu`` and ``has_webnn`` say that the interfaces are there, not that they work.
    """

    user_agent: str
    brand: str | None
    version: str | None
    platform: str | None
    is_mobile: bool | None
    is_isolated: bool
    is_secure: bool
    hardware_concurrency: int | None
    clock_resolution_ns: int
    has_webgpu: bool
    has_webnn: bool
    visibility: str

    @classmethod
    def read(cls, said: Any) -> Self:
        """Read the answer to ``hello``. Raises EngineError where it is none."""
        if not isinstance(said, Mapping) or not isinstance(said.get("user_agent"), str):
            raise EngineError(f"The page's first answer was {str(said)[:100]!r}, expected what it says of its browser.")
        user_agent = _text(said["user_agent"]) or "unknown"
        brand, version = _read_user_agent(user_agent)
        return cls(
            user_agent=user_agent,
            brand=_text(said.get("brand")) or brand,
            version=_text(said.get("version")) or version,
            platform=_text(said.get("platform")),
            is_mobile=said["is_mobile"] if isinstance(said.get("is_mobile"), bool) else None,
            is_isolated=said.get("cross_origin_isolated") is True,
            is_secure=said.get("is_secure") is True,
            hardware_concurrency=_whole(said.get("hardware_concurrency")),
            clock_resolution_ns=_whole(said.get("clock_resolution_ns")) or 1,
            has_webgpu=said.get("has_webgpu") is True,
            has_webnn=said.get("has_webnn") is True,
            visibility=_text(said.get("visibility")) or "unknown",
        )

    def facts(self) -> dict[str, str]:
        """Return it as facts of a launch; what the browser does not say is left out."""
        known = {
            "browser": self.brand,
            "browser_version": self.version,
            "user_agent": self.user_agent,
            "browser_platform": self.platform,
            "cross_origin_isolated": str(self.is_isolated).lower(),
            "clock_resolution_ns": str(self.clock_resolution_ns),
            "hardware_concurrency": None if self.hardware_concurrency is None else str(self.hardware_concurrency),
        }
        return {name: value for name, value in known.items() if value is not None}


def _read_user_agent(user_agent: str) -> tuple[str | None, str | None]:
    """Name and version by the user agent, for Firefox and Safari, which say them nowhere else."""
    versions: dict[str, str] = dict(_PRODUCT.findall(user_agent))
    for product, name in _IN_USER_AGENT.items():
        if product in versions and (name != "Safari" or "Safari" in versions):
            return name, versions[product]
    return None, None


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return None
    return "".join(letter if letter.isprintable() else "?" for letter in value.strip())[:_LONGEST_TEXT]


def _whole(value: Any) -> int | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return int(value) if is_number and 0 < value < 1 << 53 else None
