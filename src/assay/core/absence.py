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


def installed_version(distribution: str) -> str | None:
    """The version of an installed package, read from its metadata without importing it; None where it is absent."""
    import importlib.metadata

    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def is_installed(distribution: str) -> bool:
    """Whether a package is installed, by its metadata."""
    return installed_version(distribution) is not None
