"""Read small YAML files that people write, as plain data, remembering where every value stands.

Such a file may come from anywhere, so nothing of YAML that runs code, grows or hides things is read: no tags, anchors,
merge keys, second documents; repeated keys are faults. Plain scalars are numbers, ``true``, ``false``, ``null`` or text
(``no`` is text, as in YAML 1.2). May import: core; yaml inside functions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from assay.core.errors import UsageError

Where = tuple[str | int, ...]
"""Keys and indices from the top to a value: ``("metrics", 0, "unit")``."""

_MAX_BYTES = 256 * 1024
_MAX_DEPTH = 8
_SHOWN_COLUMNS = 100
_INTEGER = re.compile(r"[-+]?[0-9]{1,300}")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Mapping[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd]")


@dataclass(slots=True)
class Places:
    """Where the keys and values of one file stand: line and column, both from 1. Faults are raised as ``error``."""

    name: str
    error: type[UsageError] = UsageError
    lines: tuple[str, ...] = ()
    keys: dict[Where, tuple[int, int]] = field(default_factory=dict)
    values: dict[Where, tuple[int, int]] = field(default_factory=dict)

    def describe(self, message: str, where: Where, *, at_key: bool = False) -> str:
        """``name:line:column: message`` and the line with a caret; of a missing value, what is around it."""
        place = self.keys.get(where) if at_key else None
        while place is None:
            place = self.values.get(where)
            if place is None and not where:
                return f"{self.name}: {message}"
            where = where[:-1]
        return self.describe_at(message, *place)

    def describe_at(self, message: str, line: int, column: int) -> str:
        """As ``describe``, for a place by its numbers."""
        head = f"{self.name}:{line}:{column}: {message}"
        if not 1 <= line <= len(self.lines) or not self.lines[line - 1].strip():
            return head
        shown = _UNPRINTABLE.sub("?", self.lines[line - 1])
        start = max(0, column - 1 - _SHOWN_COLUMNS // 2) if len(shown) > _SHOWN_COLUMNS else 0
        gutter = f"{line:>5} | "
        return (
            f"{head}\n{gutter}{shown[start : start + _SHOWN_COLUMNS]}\n"
            f"{' ' * (len(gutter) - 2)}| {' ' * (column - 1 - start)}^"
        )


def load_strict_yaml(
    text: str, name: str, *, what: str = "file", error: type[UsageError] = UsageError
) -> tuple[Any, Places]:
    """Return the plain data of a file and the place of each value. ``what`` is what people call such a file.

    Raises ``error``, its message with file, line and column.
    """
    import yaml

    places = Places(name, error, tuple(text.splitlines()))
    if len(text) > _MAX_BYTES:
        raise error(f"{name}: {len(text)} characters, more than the {_MAX_BYTES} that a {what} may have.")
    try:
        documents = 0
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            mark: Any = event.start_mark
            at = (mark.line + 1, mark.column + 1)
            documents += isinstance(event, yaml.DocumentStartEvent)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if documents > 1:
                _fail(places, at, "a second document begins here, expected one.")
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                _fail(places, at, "anchors and aliases are not read; write the value out.")
            if getattr(event, "tag", None):
                _fail(places, at, "tags are not read; write a plain value.")
            if depth > _MAX_DEPTH:
                _fail(places, at, f"nested deeper than {_MAX_DEPTH} levels.")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        at = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        _fail(places, at, f"not YAML: {' '.join(str(fault.problem or fault.context).split())}.")
    except (yaml.YAMLError, ValueError, OverflowError) as fault:
        raise error(f"{name}: not YAML: {' '.join(str(fault).split())}.") from None
    return (None if root is None else _value_of(root, (), places)), places


def _value_of(node: Any, where: Where, places: Places) -> Any:
    import yaml

    places.values[where] = (node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.ScalarNode):
        return node.value if node.style is not None else _scalar(node.value)
    if isinstance(node, yaml.SequenceNode):
        return [_value_of(inner, (*where, index), places) for index, inner in enumerate(node.value)]
    content: dict[str, Any] = {}
    for key, value in node.value:
        at = (key.start_mark.line + 1, key.start_mark.column + 1)
        if not isinstance(key, yaml.ScalarNode) or (key.value == "<<" and key.style is None):
            _fail(places, at, "expected a key that is a plain word.")
        if key.value in content:
            _fail(places, at, f"the key {key.value!r} is there twice.")
        places.keys[*where, key.value] = at
        content[key.value] = _value_of(value, (*where, key.value), places)
    return content


def _scalar(text: str) -> object:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _REAL.fullmatch(text) else text


def _fail(places: Places, at: tuple[int, int], message: str) -> NoReturn:
    raise places.error(places.describe_at(message, *at))
