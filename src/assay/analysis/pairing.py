"""Which results of two or more sides belong together: the same case, but for what the sides differ in on purpose.

May import: core.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from assay.core.case import Scalar
from assay.core.errors import UnknownNameError
from assay.core.records import ResultRecord
from assay.core.words import Mode

HARDWARE = "hardware"
_DEVICE = "device"
_OF_THE_WORK = ("workload", "mode", "batch")
"""Fields that change the work itself, as dimensions do: two sides are never paired across them unasked."""
_MOST_SHOWN = 4

Key = tuple[tuple[str, Scalar | None], ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """One case on every side; None where a side has it not. ``repeated`` counts the older results it has beside."""

    label: str
    results: tuple[ResultRecord | None, ...]
    repeated: tuple[int, ...]


def case_fields(result: ResultRecord) -> dict[str, Scalar | None]:
    """Return what tells cases apart, by name: fields of the case, its dimensions and options, the hardware."""
    case = result.case
    return {
        "workload": case.workload, "engine": case.engine, _DEVICE: case.device, "mode": case.mode.value,
        "precision": None if case.precision is None else str(case.precision), "batch": case.batch,
        **dict(case.shape), **dict(case.options), HARDWARE: result.hardware,
    }  # fmt: skip


def pair_results(sides: Sequence[Sequence[ResultRecord]], varied: Iterable[str] = ()) -> list[Pair]:
    """Pair results by their case without the ``varied`` fields, in the order of the first side's plan.

    Cases that only later sides have come last. Where a side has several results of one case the newest counts. Where
    the device varies the hardware does.
    """
    dropped = set(varied)
    dropped |= {HARDWARE} if _DEVICE in dropped else set()
    found: dict[Key, list[list[ResultRecord]]] = {}
    for place, side in enumerate(sides):
        for result in sorted(side, key=lambda one: one.result_id):  # ids are made in the order of the plan
            found.setdefault(_key_of(result, dropped), [[] for _ in sides])[place].append(result)
    labels = _label_keys(found, {name for side in sides for result in side for name, _ in result.case.shape})
    return [
        Pair(
            labels[key],
            tuple(max(results, key=_age, default=None) for results in places),
            tuple(max(0, len(results) - 1) for results in places),
        )
        for key, places in found.items()
    ]


def find_varied(sides: Sequence[Sequence[ResultRecord]], across: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the fields in which the sides differ on purpose: those asked for, and those found by themselves.

    Found is a field of which each side has exactly one value, and not all the same: engine, device, precision,
    hardware, an option. Never the workload, mode, batch or a dimension: who means these says so. Raises
    UnknownNameError for a field that no result has.
    """
    fields = [[case_fields(result) for result in side] for side in sides]
    names = dict.fromkeys(name for side in fields for one in side for name in one)
    asked = tuple(dict.fromkeys(across))
    for name in asked:
        if name not in names:
            raise UnknownNameError("field of a case", name, names)
    of_the_work = {*_OF_THE_WORK, *(name for side in sides for result in side for name, _ in result.case.shape)}
    found = []
    for name in names:
        values = [{one.get(name) for one in side} for side in fields]
        is_one_each = all(len(one) == 1 for one in values) and len(set().union(*values)) > 1
        if is_one_each and name not in of_the_work and name not in asked:
            found.append(name)
    return (*asked, *found)


def explain_no_pair(sides: Sequence[Sequence[ResultRecord]], labels: Sequence[str]) -> dict[str, str]:
    """Say of each field in which the sides have nothing in common what each has: ``batch`` -> ``1 in A, 8 in B``."""
    fields = [[case_fields(result) for result in side] for side in sides]
    names = dict.fromkeys(name for side in fields for one in side for name in one)
    found = {}
    for name in names:
        values = [{one.get(name) for one in side} for side in fields]
        if all(values) and not set.intersection(*values):
            found[name] = ", ".join(f"{_list(one)} in {label}" for one, label in zip(values, labels, strict=True))
    return found


def _key_of(result: ResultRecord, dropped: set[str]) -> Key:
    fields = case_fields(result)
    return tuple((name, value) for name, value in fields.items() if name not in dropped and value is not None)


def _age(result: ResultRecord) -> tuple[str, str]:
    return ("" if result.measured_at is None else result.measured_at.isoformat(), result.result_id)


def _label_keys(keys: Iterable[Key], dimensions: set[str]) -> dict[Key, str]:
    """Words for each case as ``Case.label`` has them, with its hardware only where the rest is not enough."""
    without = {key: _label(key, dimensions) for key in keys}
    often = Counter(without.values())
    return {key: text if often[text] == 1 else f"{text} on {dict(key).get(HARDWARE)}" for key, text in without.items()}


def _label(key: Key, dimensions: set[str]) -> str:
    words = []
    for name, value in key:
        if name in {"workload", "engine", _DEVICE, "precision"} or (name == "mode" and value != Mode.INFERENCE):
            words.append(str(value))
        elif name == "batch":
            words.append(f"b{value}")
        elif name in dimensions:
            words.append(f"{name}{value}")
        elif name not in {"mode", HARDWARE}:
            words.append(f"{name}={value}")
    return " ".join(words) or "every case"


def _list(values: Iterable[Scalar | None]) -> str:
    texts = sorted("none" if value is None else str(value) for value in values)
    more = f" and {len(texts) - _MOST_SHOWN} more" if len(texts) > _MOST_SHOWN else ""
    return ", ".join(texts[:_MOST_SHOWN]) + more
