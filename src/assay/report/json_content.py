"""A report as plain data, and the schema of it, both read off the dataclasses so that they cannot part.

Whatever equals its default is left out inside lists (a cell that has no verdict says nothing of one); the fields of the
report itself are always there. NaN and infinities, which JSON cannot say, become null. May import: core, report.values.
"""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import Field, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from assay.report import values
from assay.report.cleaning import without_surrogates
from assay.report.values import REPORT_SCHEMA_VERSION, Facts, Figure, Report, Table, Text

_BLOCK_TYPES: dict[type, str] = {Text: "text", Facts: "facts", Table: "table", Figure: "figure"}
_PLAIN_SCHEMAS: dict[object, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    type(None): {"type": "null"},
    datetime: {"type": "string", "format": "date-time"},
}
_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def report_to_content(report: Report) -> dict[str, Any]:
    """Return a report as dictionaries, lists, strings, numbers and None."""
    return {one.name: to_content(getattr(report, one.name)) for one in fields(report)}


def to_content(value: object) -> Any:
    """Return one value of a report as plain data; blocks say their ``type``."""
    if isinstance(value, Mapping):
        return {without_surrogates(str(key)): to_content(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [to_content(one) for one in value]
    if is_dataclass(value) and not isinstance(value, type):
        content = {"type": _BLOCK_TYPES[type(value)]} if type(value) in _BLOCK_TYPES else {}
        kept = ((one.name, getattr(value, one.name)) for one in fields(value) if not _is_default(one, value))
        return content | {name: to_content(held) for name, held in kept}
    return _plain(value)


def _plain(value: object) -> str | int | float | bool | None:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, datetime):
        return (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)).isoformat()
    if value is None or isinstance(value, bool | int):
        return value
    raise TypeError(f"a report holds no {type(value).__name__}; expected the values of report.values")


def report_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a report as JSON."""
    definitions: dict[str, Any] = {}
    root = _object_schema(Report, definitions, is_root=True)
    root["properties"]["schema_version"] = {"const": REPORT_SCHEMA_VERSION}
    return {
        "$schema": _DRAFT,
        "title": "assay report",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def _object_schema(kind: type, definitions: dict[str, Any], *, is_root: bool = False) -> dict[str, Any]:
    hints = typing.get_type_hints(kind, vars(values))
    properties: dict[str, Any] = {}
    required = []
    if kind in _BLOCK_TYPES:
        properties["type"] = {"const": _BLOCK_TYPES[kind]}
        required.append("type")
    for one in fields(kind):
        schema = _schema(hints[one.name], definitions)
        if is_root or _has_no_default(one):
            required.append(one.name)
        elif one.default is not NO_DEFAULT:
            schema = {**schema, "default": to_content(one.default)}
        properties[one.name] = schema
    return {
        "description": inspect.cleandoc(kind.__doc__ or "").replace("``", "`"),
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _schema(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {types.UnionType, typing.Union}:
        return _union([_schema(one, definitions) for one in arguments])
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is tuple:
        items = [_schema(one, definitions) for one in arguments]
        return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}
    if origin is not None:  # a mapping
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions)}
    return dict(_PLAIN_SCHEMAS[hint]) if hint in _PLAIN_SCHEMAS else _reference(hint, definitions)


def _reference(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    if issubclass(kind, Enum):
        said = inspect.cleandoc(kind.__doc__ or "")
        definitions[kind.__name__] = {"description": said, "enum": [one.value for one in kind]}
    elif kind.__name__ not in definitions:
        definitions[kind.__name__] = {}  # what it holds may refer to it
        definitions[kind.__name__] = _object_schema(kind, definitions)
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _union(options: list[dict[str, Any]]) -> dict[str, Any]:
    """Several plain types are one list of types; anything else is a choice."""
    if all(set(one) == {"type"} for one in options):
        return {"type": [one["type"] for one in options]}
    return {"anyOf": options}


def _has_no_default(one: Field[Any]) -> bool:
    return one.default is NO_DEFAULT and one.default_factory is NO_DEFAULT


def _is_default(one: Field[Any], holder: object) -> bool:
    held = getattr(holder, one.name)
    if one.default is not NO_DEFAULT:
        return type(held) is type(one.default) and bool(held == one.default)
    return one.default_factory is not NO_DEFAULT and bool(held == one.default_factory())
