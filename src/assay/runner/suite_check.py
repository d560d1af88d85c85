"""Hold a suite's plain values to its form and to sense, and expand them to matrices.

The form (types, bounds, names) is pydantic's to check. What concerns several keys at once is checked here, on
whatever of the values is sound, so that a misspelt precision does not hide an impossible shape. May import: core,
workloads.base, the suite modules, pydantic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from assay.core.errors import AssayError, SuiteError, join_or, nearest_names
from assay.core.words import Mode, Precision
from assay.runner.suite_faults import Faults, translate_error
from assay.runner.suite_model import CaseMatrix
from assay.runner.suite_schema import ALL_FAMILIES, EntryForm, SuiteForm, TimingForm, describe_value, is_reference
from assay.runner.suite_yaml import DataPath, Positions
from assay.workloads.base import Family, Tier, families, find_workload

MAX_CASES = 10_000
"""Cases in one suite, omitted batches and threads counted as one. At 5 launches of 10 s each, six days."""

_MAX_NAMED = 3
_SELECTING = ("families", "tiers", "max_size")
_NAMED_LISTS = ("shape", "options")
_NO_GRADIENT = (Precision.INT8, Precision.INT4)


def check_content(content: Any, positions: Positions) -> tuple[SuiteForm, tuple[CaseMatrix, ...]]:
    """Return the validated form and its expanded entries. Raises SuiteError listing every fault in file order."""
    faults = Faults(content)
    form = None
    try:
        form = SuiteForm.model_validate(content)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            faults.add(translate_error(details, content))
    matrices: tuple[CaseMatrix, ...] = ()
    if isinstance(content, Mapping):
        _check_times(faults, content)
        matrices = tuple(_check_entries(faults, content))
    if form is None or faults:
        raise SuiteError(faults.render(positions))
    return form, matrices


# --- times ------------------------------------------------------------------------------------------------------


def _check_times(faults: Faults, content: Mapping[str, Any]) -> None:
    given = content.get("timing", {})
    if not isinstance(given, Mapping):
        return
    for low, high in (("min_time_s", "max_time_s"), ("warmup_min_s", "warmup_max_s")):
        if faults.concern(("timing", low)) or faults.concern(("timing", high)):
            continue
        if _time(given, high) < _time(given, low):
            blamed, other, bound = (high, low, "at least") if high in given else (low, high, "at most")
            faults.refuse(
                ("timing", blamed), f"got {_say(given, blamed)}, expected {bound} {other}, {_say(given, other)}."
            )
    spending = ("warmup_max_s", "max_time_s")
    if faults.concern(("launch_limit_s",)) or any(faults.concern(("timing", key)) for key in spending):
        return
    limit = content.get("launch_limit_s", SuiteForm.model_fields["launch_limit_s"].default)
    needed = sum(_time(given, key) for key in spending)
    if limit <= needed:
        faults.refuse(
            ("launch_limit_s",) if "launch_limit_s" in content else ("timing",),
            f"got a launch limit of {limit:g} s, expected more than the {needed:g} s that warm-up and sampling alone "
            "may take (warmup_max_s + max_time_s).",
        )


def _time(given: Mapping[str, Any], key: str) -> float:
    return float(given.get(key, TimingForm.model_fields[key].default))


def _say(given: Mapping[str, Any], key: str) -> str:
    return f"{_time(given, key):g}" + ("" if key in given else " by default")


# --- entries ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Given:
    """The values of one case key and where they were written. ``sound`` is False where the form refused one."""

    where: DataPath
    values: tuple[Any, ...]
    sound: bool


_Entry = Mapping[str, _Given]


def _check_entries(faults: Faults, content: Mapping[str, Any]) -> Iterator[CaseMatrix]:
    """Check every entry with the defaults laid under it; yield those that are whole."""
    defaults = _read_entry(faults, ("defaults",), content.get("defaults", {}))
    entries = content.get("cases")
    total = 0
    for index, raw in enumerate(entries if isinstance(entries, (list, tuple)) else ()):
        where: DataPath = ("cases", index)
        entry = _read_entry(faults, where, raw)
        if not isinstance(raw, Mapping):
            continue
        matrix = _expand(faults, where, _lay_over(entry, defaults))
        if matrix is None:
            continue
        total += matrix.combinations
        if total > MAX_CASES:
            faults.refuse(where, f"got {total} cases up to here, expected at most {MAX_CASES} in a suite.")
            return
        yield matrix


def _read_entry(faults: Faults, where: DataPath, raw: Any) -> _Entry:
    """The known keys of an entry, each as a tuple of values (``shape`` and ``options`` as pairs), held together."""
    if not isinstance(raw, Mapping):
        return {}
    entry: dict[str, _Given] = {}
    for key in EntryForm.model_fields:
        if key in raw:
            place = (*where, key)
            values = _read_named(raw[key]) if key in _NAMED_LISTS else _as_tuple(raw[key])
            entry[key] = _Given(place, values, sound=not faults.concern(place))
    _check_exclusive(faults, where, entry)
    for key, given in entry.items():
        if key in _NAMED_LISTS:
            for name, sizes in given.values:
                _check_repeats(faults, (*given.where, name), sizes)
        else:
            _check_repeats(faults, given.where, given.values)
    return entry


def _read_named(value: Any) -> tuple[tuple[Any, tuple[Any, ...]], ...]:
    return tuple((name, _as_tuple(sizes)) for name, sizes in value.items()) if isinstance(value, Mapping) else ()


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def _check_exclusive(faults: Faults, where: DataPath, entry: _Entry) -> None:
    if "model" in entry:
        for key in _SELECTING:
            if key in entry:
                text = f"got {key!r} beside 'model', expected one way of selecting; make it two entries."
                faults.refuse((*where, key), text, at_key=True)
    if "tiers" in entry and "max_size" in entry:
        faults.refuse((*where, "max_size"), "got 'max_size' beside 'tiers', expected one of them.", at_key=True)
    names = entry.get("families")
    if names and ALL_FAMILIES in names.values and len(names.values) > 1:
        faults.refuse(names.where, f"got {ALL_FAMILIES!r} beside other families, expected it alone.")


def _check_repeats(faults: Faults, where: DataPath, values: tuple[Any, ...]) -> None:
    """A value written twice would only ask for the same cases again: it is a slip."""
    seen: set[Any] = set()
    for index, value in enumerate(values):
        if faults.concern((*where, index)) or isinstance(value, (list, tuple, Mapping)):
            continue
        meant = _complete_name(value) if where[-1] == "model" else value
        if meant in seen:
            faults.refuse((*where, index), f"got {describe_value(meant)} twice in one list, expected it once.")
        seen.add(meant)


def _complete_name(model: Any) -> Any:
    """``bert`` -> ``bert/tiny``, as on the command line; what is no registered name stays as it is."""
    if not isinstance(model, str) or is_reference(model):
        return model
    try:
        return find_workload(model).name
    except AssayError:
        return model  # Already refused by the form.


def _lay_over(entry: _Entry, defaults: _Entry) -> _Entry:
    """An entry's keys replace the defaults'; what it selects by also drops the other ways of selecting."""
    dropped: set[str] = set()
    if "model" in entry:
        dropped.update(_SELECTING)
    if any(key in entry for key in _SELECTING):
        dropped.add("model")
    if "tiers" in entry:
        dropped.add("max_size")
    if "max_size" in entry:
        dropped.add("tiers")
    return {key: given for key, given in defaults.items() if key not in dropped} | dict(entry)


def _expand(faults: Faults, where: DataPath, entry: _Entry) -> CaseMatrix | None:
    """The matrix of an entry, or None where something in it is at fault."""
    models = _select_models(faults, where, entry)
    if models and "shape" in entry:
        _check_shape(faults, entry["shape"], models)
    _check_training(faults, entry)
    if not models or faults.concern(where) or any(faults.concern(given.where) for given in entry.values()):
        return None
    values = {key: given.values for key, given in entry.items()}
    optional: dict[str, Any] = {
        "engines": values.get("engine"),
        "devices": values.get("device"),
        "modes": tuple(map(Mode, values.get("mode", ()))),
        "precisions": tuple(map(Precision, values.get("precision", ()))),
        "batches": values.get("batch"),
        "shape": tuple(sorted(values.get("shape", ()))),
        "threads": values.get("threads"),
        "options": tuple(sorted(values.get("options", ()))),
    }
    is_quick = all(values.get("quick", ()))
    return CaseMatrix(models=models, is_quick=is_quick, **{key: value for key, value in optional.items() if value})


def _select_models(faults: Faults, where: DataPath, entry: _Entry) -> tuple[str, ...] | None:
    """The models an entry asks for, by name or by family and tier; None where that cannot be told."""
    if "model" in entry:
        given = entry["model"]
        return tuple(map(_complete_name, given.values)) if given.sound else None
    if not any(key in entry for key in _SELECTING):
        # A misspelt key may be the very one that is missing: one fault is enough.
        if not faults.concern(where):
            faults.refuse(where, "got no 'model', expected it (or 'families' with 'tiers' or 'max_size').")
        return None
    if "tiers" not in entry and "max_size" not in entry:
        text = "got families without sizes, expected 'tiers' or 'max_size' beside them."
        faults.refuse(entry["families"].where, text)
        return None
    if any(not entry[key].sound for key in _SELECTING if key in entry):
        return None
    if "tiers" in entry:
        tiers = tuple(map(Tier, entry["tiers"].values))
    else:
        tiers = tuple(tier for tier in Tier if tier.fits(Tier(entry["max_size"].values[0])))
    return _list_sizes(faults, where, entry, tiers)


def _list_sizes(faults: Faults, where: DataPath, entry: _Entry, tiers: tuple[Tier, ...]) -> tuple[str, ...]:
    """Every size of the entry's families in the tiers asked for."""
    wanted = entry.get("families")
    named = wanted is not None and ALL_FAMILIES not in wanted.values
    names = wanted.values if wanted is not None and named else families.names()
    models: list[str] = []
    found: set[Tier] = set()
    for index, name in enumerate(names):
        place = where if wanted is None else (*wanted.where, index) if named else wanted.where
        try:
            family: Family = families.get(name)
        except AssayError as error:
            faults.refuse(place, str(error))
            continue
        if not (named or family.is_general):
            continue
        sizes = [(label, size.tier) for label, size in family.sizes.items() if size.tier in tiers]
        if named and not sizes:
            have = ", ".join(dict.fromkeys(size.tier.value for size in family.sizes.values()))
            faults.refuse(place, f"{name} has no size of tier {join_or(tier.value for tier in tiers)}; it has: {have}.")
        found.update(tier for _, tier in sizes)
        models.extend(f"{name}/{label}" for label, _ in sizes)
    if wanted is not None and faults.concern(wanted.where):
        return ()  # The tiers may be right and the families wrong.
    for index, tier in enumerate(tiers if "tiers" in entry else ()):
        if tier not in found:
            faults.refuse((*entry["tiers"].where, index), f"none of these families has a size of tier {tier.value!r}.")
    return tuple(models)


def _check_shape(faults: Faults, shape: _Given, models: tuple[str, ...]) -> None:
    """Every dimension must be one that some model of the entry has; the others then keep their own dimensions."""
    if any(map(is_reference, models)):
        return  # What a reference has is known when it is resolved.
    known = {model: find_workload(model).resolve_shape({}) for model in models}
    valid = tuple(dict.fromkeys(dimension for dimensions in known.values() for dimension in dimensions))
    shown = ", ".join(models[:_MAX_NAMED]) + (f" and {len(models) - _MAX_NAMED} more" * (len(models) > _MAX_NAMED))
    for name, _ in shape.values:
        if name in valid or not isinstance(name, str):
            continue
        near = nearest_names(name, valid)
        advice = f"Did you mean {join_or(near)}?" if near else f"Expected one of: {', '.join(valid) or 'none at all'}."
        subject = f"{shown} has" if len(models) == 1 else f"none of {shown} has"
        negation = "no" if len(models) == 1 else "a"
        text = f"{subject} {negation} dimension {describe_value(name)}. {advice}"
        faults.refuse((*shape.where, name), text, at_key=True)


def _check_training(faults: Faults, entry: _Entry) -> None:
    mode, precision = entry.get("mode"), entry.get("precision")
    if mode is None or precision is None or Mode.TRAINING.value not in mode.values:
        return
    for index, value in enumerate(precision.values):
        if value in _NO_GRADIENT:
            text = (
                f"got {value!r} in an entry with mode 'training', which cannot exist: integer weights have no gradient."
            )
            faults.refuse((*precision.where, index), text)
