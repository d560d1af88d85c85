"""One side's keys, laid over every entry of a suite: ``engine`` -> ``onnxruntime``, ``hint`` -> ``throughput``.

A key of a side is a word that an entry of ``cases`` may have, an option of a case, or a dimension of its inputs. May
import: core, engines.options, runner, workloads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.core.case import Scalar
from assay.core.errors import UnknownNameError, UsageError
from assay.engines.options import OPTIONS, read_option
from assay.runner.suite_model import Suite, build_suite, suite_to_dict
from assay.runner.suite_yaml import Positions
from assay.workloads.base import families

_WORDS = ("model", "engine", "device", "mode", "precision")
_NUMBERS = ("batch", "threads")
_NAMED = ("shape", "options")
_MOST_DIGITS = 18


def lay_keys(suite: Suite, keys: Mapping[str, str], *, label: str) -> Suite:
    """Return the suite with ``keys`` in place of what its entries say; several values of one by commas.

    Dimensions and options replace one by one. ``label`` is the side's name in messages. Raises UnknownNameError,
    UsageError, or SuiteError for what cannot be.
    """
    if not keys:
        return suite
    laid: dict[str, Any] = {}
    for name, text in keys.items():
        _read_key(name, text, label, laid)
    content = suite_to_dict(suite)
    content["cases"] = [_lay(entry, laid) for entry in content["cases"]]
    return build_suite(content, positions=Positions(f"side {label!r}"))


def known_keys() -> tuple[str, ...]:
    """Return every word that a side's key may be, sorted."""
    dimensions: set[str] = set()
    for family in map(families.get, families.names()):
        dimensions.update(family.default_shape, *(size.shape or {} for size in family.sizes.values()))
    return tuple(sorted({*_WORDS, *_NUMBERS, *OPTIONS, *dimensions}))


def _read_key(name: str, text: str, label: str, laid: dict[str, Any]) -> None:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise UsageError(f"Side {label!r} gives {name!r} no value.", hint=f"Write it as {name}=VALUE.")
    if name in _WORDS:
        laid[name] = parts
    elif name in _NUMBERS:
        laid[name] = _whole_numbers(name, parts, label)
    elif name in OPTIONS:
        laid.setdefault("options", {})[name] = [_read_option(name, part, label) for part in parts]
    elif name in known_keys():
        laid.setdefault("shape", {})[name] = _whole_numbers(name, parts, label)
    else:
        raise UnknownNameError(f"key of side {label!r}", name, known_keys())


def _read_option(name: str, part: str, label: str) -> Scalar:
    is_number = part.replace(".", "", 1).isdecimal()
    try:
        return read_option(name, float(part) if is_number else part)
    except UsageError as error:
        raise UsageError(f"Side {label!r}: {error.message}", hint=error.hint) from error


def _whole_numbers(name: str, parts: list[str], label: str) -> list[int]:
    for part in parts:
        if not part.isdecimal() or len(part) > _MOST_DIGITS or int(part) < 1:
            raise UsageError(f"Side {label!r}: {name} got {part[:40]!r}; expected whole numbers of at least 1.")
    return [int(part) for part in parts]


def _lay(entry: dict[str, Any], laid: dict[str, Any]) -> dict[str, Any]:
    merged = {key: laid.get(key, entry.get(key)) for key in {**entry, **laid} if key not in _NAMED}
    for key in _NAMED:
        both = {**entry.get(key, {}), **laid.get(key, {})}
        if both:
            merged[key] = both
    return merged
