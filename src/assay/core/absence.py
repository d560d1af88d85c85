"""Absence as a value: why something cannot be used here, and what would make it usable."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A thing this machine lacks. ``install_hint`` is a command or a sentence, or None where nothing helps."""

    reason: str
    install_hint: str | None = None

    def __str__(self) -> str:
        return f"{self.reason} ({self.install_hint})" if self.install_hint else self.reason
