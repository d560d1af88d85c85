"""Read YAML as data and remember where every value stood.

PyYAML's own loaders follow YAML 1.1 (``no`` is false, ``1e-4`` is text), let a later duplicate key win silently,
expand aliases without a bound and recurse as deep as the text says. So only PyYAML's event stream is used here, and
plain values are built from it by the rules of YAML 1.2's core schema (section 10.3.2), within limits. May import:
core; yaml inside functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from assay.core.errors import SuiteError

DataPath = tuple[str | int, ...]
"""Keys and indices from the root to a value: ``("cases", 0, "batch")``."""

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 16
MAX_NODES = 20_000
"""Values in one file, each use of an alias counting as all that it stands for."""

_SHOWN_COLUMNS = 100
# Where PyYAML ends a line; splitting elsewhere would put the caret under another line.
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_UNPRINTABLE = re.compile("[^\x20-\x7e\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufeff\uff00-\uffef\U00010000-\U0001fffd]")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_PREFIXED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Mapping[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


@dataclass(frozen=True, slots=True)
class Positions:
    """Where the values of one text stand: data path -> (line, column), both from 1.

    ``values`` and ``keys`` hold the start of each value and of each mapping key. What an alias stands for has no
    place of its own: it is found at the alias. ``path`` names the file in messages.
    """

    path: str
    lines: tuple[str, ...] = ()
    values: Mapping[DataPath, tuple[int, int]] = field(default_factory=dict)
    keys: Mapping[DataPath, tuple[int, int]] = field(default_factory=dict)
    names_places: bool = True
    """Whether a message also needs the path of the value (``cases[0].batch: ``) to be understood."""

    def find(self, where: DataPath, *, at_key: bool = False) -> tuple[int, int] | None:
        """Line and column of a value (or of its key), else of the nearest thing around it; None without a text."""
        if at_key and where in self.keys:
            return self.keys[where]
        for length in range(len(where), -1, -1):
            if where[:length] in self.values:
                return self.values[where[:length]]
        return None

    def locate(self, where: DataPath, *, at_key: bool = False) -> str:
        """``file:line:column`` of a value; only the file's name where there is no text."""
        found = self.find(where, at_key=at_key)
        return self.path if found is None else f"{self.path}:{found[0]}:{found[1]}"

    def describe(self, message: str, where: DataPath, *, at_key: bool = False) -> str:
        """Put the place before a message, and the offending line with a caret under it."""
        return describe_fault(message, self.path, self.lines, self.find(where, at_key=at_key))


def load_yaml(text: str, *, path: str) -> tuple[Any, Positions]:
    """Return the plain data of one YAML document and the place of each value in it.

    Mappings become dicts with text keys, sequences lists, scalars None, bool, int, float or str. An empty text is
    None. Raises SuiteError (``path:line:column: ...``, the line, a caret) for text that is not YAML, and for tags,
    merge keys, duplicate keys, a second document, and anything over the limits of this module.
    """
    refuse_large(len(text.encode("utf-8", "surrogatepass")), path)
    text = text.removeprefix("\ufeff")
    return _Builder(text, path).build()


def refuse_large(size_bytes: int, path: str) -> None:
    """Raise SuiteError for a text that is longer than any honest suite."""
    if size_bytes > MAX_BYTES:
        raise SuiteError(
            f"{path}: got more than {MAX_BYTES} bytes, expected a suite file of at most that.",
            hint="Use lists in an entry of 'cases' instead of writing every combination out.",
        )


def describe_fault(message: str, path: str, lines: tuple[str, ...], place: tuple[int, int] | None) -> str:
    """``path:line:column: message``, then the line and a caret, made safe to print."""
    if place is None:
        return f"{path}: {message}"
    line, column = place
    head = f"{path}:{line}:{column}: {message}"
    if not 1 <= line <= len(lines) or not lines[line - 1].strip():
        return head
    shown, caret = lines[line - 1], column - 1
    start = max(0, caret - _SHOWN_COLUMNS // 2) if len(shown) > _SHOWN_COLUMNS else 0
    shown = _UNPRINTABLE.sub("?", shown[start : start + _SHOWN_COLUMNS])
    gutter = f"{line:>5} | "
    return f"{head}\n{gutter}{shown}\n{' ' * (len(gutter) - 2)}| {' ' * (caret - start)}^"


class _Builder:
    """State of one reading: the events still to come, the anchors seen, the places found."""

    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._path = path
        self._lines = tuple(_LINE_BREAK.split(text))
        self._values: dict[DataPath, tuple[int, int]] = {}
        self._keys: dict[DataPath, tuple[int, int]] = {}
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0
        self._place = (1, 1)
        self._events = self._read_events()

    def build(self) -> tuple[Any, Positions]:
        import yaml

        content = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._fail("got a second document, expected one suite in a file")
            elif isinstance(event, yaml.NodeEvent):
                content = self._build_node(event, ())
        return content, Positions(self._path, self._lines, self._values, self._keys)

    def _read_events(self) -> Iterator[Any]:
        """Yield PyYAML's events with the current place kept; turn every way it fails into a SuiteError."""
        import yaml

        try:
            for event in yaml.parse(self._text, Loader=yaml.SafeLoader):
                self._place = _place_of(event.start_mark)
                yield event
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self._place = _place_of(mark) if mark else self._place
            self._fail(_explain(error, self._lines))
        except yaml.reader.ReaderError as error:
            before = _LINE_BREAK.split(self._text[: error.position])
            self._place = len(before), len(before[-1]) + 1
            self._fail(f"got the character U+{_code_of(error.character):04X}, which YAML does not allow")
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            # PyYAML lets chr() and int() refuse "\UFFFFFFFF" and absurd version numbers, and keeps no place then.
            self._fail(f"not YAML: {error}, in what follows this place")

    def _build_node(self, event: Any, where: DataPath) -> Any:
        """Return the value that begins with ``event``."""
        import yaml

        self._values[where] = self._place
        if isinstance(event, yaml.AliasEvent):
            return self._use_alias(str(event.anchor))
        if event.tag is not None:
            self._fail(f"got the tag {_clip(event.tag)!r}, expected a plain value; tags are not accepted")
        if event.anchor is not None and event.anchor in self._anchors:
            self._fail(f"the anchor '&{_clip(event.anchor)}' is already defined above")
        before = self._nodes
        self._count(1)
        if len(where) >= MAX_DEPTH:
            self._fail(f"nested deeper than {MAX_DEPTH} levels")
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = self._read_scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._build_list(where)
        else:
            value = self._build_mapping(where)
        if event.anchor is not None:
            # Registered when complete, so that an alias inside its own anchor is an unknown one.
            self._anchors[event.anchor] = (value, self._nodes - before)
        return value

    def _build_list(self, where: DataPath) -> list[Any]:
        import yaml

        items: list[Any] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._build_node(event, (*where, len(items))))
        return items

    def _build_mapping(self, where: DataPath) -> dict[str, Any]:
        import yaml

        content: dict[str, Any] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._read_key(event, where, content)
            content[key] = self._build_node(next(self._events), (*where, key))
        return content

    def _read_key(self, event: Any, where: DataPath, seen: Mapping[str, Any]) -> str:
        """A key is the text as written, whatever else it looks like."""
        import yaml

        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
            self._fail("got a key that is not a plain word, expected 'key: value'")
        key = str(event.value)
        if key == "<<" and event.style is None:
            self._fail("got the merge key '<<', which YAML 1.2 does not have; put shared keys under 'defaults'")
        self._refuse_surrogates(key)
        if key in seen:
            line, column = self._keys[(*where, key)]
            self._fail(f"the key {_clip(key)!r} is already given at {self._path}:{line}:{column}; write it once")
        self._keys[(*where, key)] = self._place
        return key

    def _read_scalar(self, event: Any) -> Any:
        text = str(event.value)
        if event.style is not None:
            self._refuse_surrogates(text)
            return text
        try:
            return resolve_plain(text)
        except ValueError:
            self._fail(f"got a number of {len(text)} digits, expected a shorter one")

    def _use_alias(self, name: str) -> Any:
        if name not in self._anchors:
            self._fail(f"the alias '*{_clip(name)}' refers to no anchor above it")
        value, nodes = self._anchors[name]
        self._count(nodes)
        return value

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            self._fail(f"got more than {MAX_NODES} values (aliases counted as what they stand for), expected fewer")

    def _refuse_surrogates(self, text: str) -> None:
        if any("\ud800" <= character <= "\udfff" for character in text):
            self._fail("got half of a surrogate pair, which is no character")

    def _fail(self, message: str) -> NoReturn:
        raise SuiteError(describe_fault(f"{message}.", self._path, self._lines, self._place))


def resolve_plain(text: str) -> object:
    """What an unquoted scalar means in YAML 1.2: ``1e-4`` a number, ``no`` and ``on`` text, ``010`` ten.

    Raises ValueError for an integer of more digits than Python converts.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _PREFIXED.fullmatch(text):
        return int(text, 0)
    return float(text) if _REAL.fullmatch(text) else text


def _explain(error: Any, lines: tuple[str, ...]) -> str:
    """PyYAML's problem in a sentence, with what to do for the commonest slip."""
    problem = " ".join(str(error.problem or error.context).split())
    mark = error.problem_mark
    at = lines[mark.line][mark.column : mark.column + 1] if mark and mark.line < len(lines) else ""
    if at == "\t":
        return "got a tab, expected spaces: YAML is not indented with tabs"
    context = f" {' '.join(str(error.context).split())}" if error.context and error.context != error.problem else ""
    return f"not YAML: {problem}{context}"


def _place_of(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1


def _code_of(character: Any) -> int:
    return character if isinstance(character, int) else ord(character)


def _clip(text: str) -> str:
    return text if len(text) <= _SHOWN_COLUMNS else text[:_SHOWN_COLUMNS] + "..."
