"""A mapping file's YAML: plain data, and where every value stands. May import: core, catalog."""

from __future__ import annotations

from typing import Any

from assay.catalog.strict_yaml import Places, Where, load_strict_yaml
from assay.core.errors import UsageError

__all__ = ["MappingError", "Places", "Where", "load_mapping_yaml"]


class MappingError(UsageError):
    """A mapping file that cannot be used; the message carries file, line and column."""


def load_mapping_yaml(text: str, name: str) -> tuple[Any, Places]:
    """Return the plain data of a mapping file and the place of each value. Raises MappingError."""
    return load_strict_yaml(text, name, what="mapping file", error=MappingError)
