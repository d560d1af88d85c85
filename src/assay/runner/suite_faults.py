"""Collect every fault of a suite and say each one in place: what was got, what was expected, what is near.

Apart from ``suite_check`` so that what is wrong and how it is said can be read one at a time. May import: core, the
suite modules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.core.errors import join_or, nearest_names
from assay.runner.suite_schema import EntryForm, Form, SuiteForm, TimingForm, describe_value
from assay.runner.suite_yaml import DataPath, Positions

_MAX_SHOWN = 50
_MAX_WORD = 60
# Words that other benchmark tools use for the same thing.
_SYNONYMS: Mapping[str, str] = {
    "workload": "model",
    "workloads": "model",
    "dtype": "precision",
    "backend": "engine",
    "repeats": "launches",
    "iterations": "min_samples",
}
_REQUIRED: Mapping[str, str] = {
    "name": "a short name for the suite, such as 'name: my-suite'",
    "cases": "a list of what to measure, such as 'cases: [{model: bert/tiny}]'",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and where: at the value, or at the key itself."""

    where: DataPath
    message: str
    at_key: bool = False


class Faults:
    """The faults found so far, and which values they concern."""

    def __init__(self, content: Any) -> None:
        self._content = content
        self._faults: dict[Fault, None] = {}
        self._broken: set[DataPath] = set()

    def __bool__(self) -> bool:
        return bool(self._faults)

    def add(self, fault: Fault) -> None:
        """Note a fault; the same one twice counts once."""
        self._faults[fault] = None
        self._broken.update(fault.where[:length] for length in range(len(fault.where) + 1))

    def refuse(self, where: DataPath, message: str, *, at_key: bool = False) -> None:
        """Note a fault in the words given, at what the file has: a bare value has no index."""
        self.add(Fault(_find_existing(where, self._content), message, at_key))

    def concern(self, where: DataPath) -> bool:
        """True where the value, or something in it, has a fault."""
        return where in self._broken

    def render(self, positions: Positions) -> str:
        """All faults in the order of the file, each with its place and line."""
        ordered = sorted(self._faults, key=lambda fault: positions.find(fault.where, at_key=fault.at_key) or (0, 0))
        texts = [
            positions.describe(
                (_name_place(fault.where) if positions.names_places else "") + fault.message,
                fault.where,
                at_key=fault.at_key,
            )
            for fault in ordered[:_MAX_SHOWN]
        ]
        if len(ordered) > _MAX_SHOWN:
            texts.append(f"{positions.path}: and {len(ordered) - _MAX_SHOWN} more faults.")
        return "\n".join(texts)


def translate_error(details: Any, content: Any) -> Fault:
    """Turn one of pydantic's error details into the place in the file and words of ours."""
    where = _find_existing(details["loc"], content)
    got = describe_value(details["input"])
    match details["type"]:
        case "assay":
            return Fault(where, details["ctx"]["message"])
        case "missing":
            key = str(details["loc"][-1])
            return Fault(where, f"the key {key!r} is missing, expected {_REQUIRED[key]}.")
        case "extra_forbidden":
            return Fault(where, _explain_unknown_key(where), at_key=True)
        case "model_type" | "dict_type":
            got = "an empty file" if details["input"] is None and not where else got
            return Fault(where, f"got {got}, expected {_describe_mapping(where)}.")
        case "list_type" | "too_short":
            expected = "at least one dimension" if where[-1:] == ("shape",) else "a list of at least one entry"
            return Fault(where, f"got {got}, expected {expected}.")
        case _:
            return Fault(where, f"got {got}: {details['msg']}.")


def _find_existing(location: tuple[Any, ...], content: Any) -> DataPath:
    """The part of a location that the content has: a bare value has no index, a missing key no place."""
    where: DataPath = ()
    for step in location:
        known = step in content if isinstance(content, Mapping) else isinstance(content, (list, tuple))
        if not known or not isinstance(step, int | str):
            break
        content = content[step]
        where = (*where, step)
    return where


def _name_place(where: DataPath) -> str:
    """``("cases", 0, "shape", "seq")`` -> ``cases[0].shape.seq: ``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{_show_key(step)}" for step in where)
    return f"{text.removeprefix('.')}: " if text else ""


def _show_key(key: object) -> str:
    """A key as it is where it is a short word; quoted and clipped where it is anything else."""
    is_word = isinstance(key, str) and key.isidentifier() and key.isascii() and len(key) <= _MAX_WORD
    return str(key) if is_word else describe_value(key)


def _form_at(where: DataPath) -> type[Form]:
    if where[:1] == ("timing",):
        return TimingForm
    return EntryForm if where[:1] in (("defaults",), ("cases",)) else SuiteForm


def _describe_mapping(where: DataPath) -> str:
    if where[-1:] == ("shape",):
        return "dimensions and their sizes, such as {seq: 128}"
    form = _form_at(where)
    examples = tuple(_REQUIRED) if form is SuiteForm else tuple(form.model_fields)[:2]
    return f"a mapping with keys such as {join_or(examples)}"


def _explain_unknown_key(where: DataPath) -> str:
    key = str(where[-1])
    form = _form_at(where[:-1])
    valid = tuple(form.model_fields)
    text = f"unknown key {describe_value(key)}."
    homes: dict[type[Form], str] = {
        SuiteForm: "at the top of the file",
        TimingForm: "under 'timing'",
        EntryForm: "in an entry of 'cases'",
    }
    for other, home in homes.items():
        if key in other.model_fields:
            return f"{text} It belongs {home}."
    synonym = _SYNONYMS.get(key)
    near = (synonym,) if synonym in valid else nearest_names(key, valid)
    if near:
        return f"{text} Did you mean {join_or(near)}?"
    return f"{text} Expected one of: {', '.join(valid)}."
