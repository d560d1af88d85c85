"""What was asked on the command line of ``assay run``, as a suite: flags alone, or laid over a suite's entries."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assay.core.case import Scalar
from assay.core.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from assay.runner.suite_model import Suite

_DEFAULT_SUITE = "quick"
_MOST_DIGITS = 18


def complete_model(incomplete: str) -> list[str]:
    """Names of workloads that begin so, for the shell."""
    from assay.workloads.base import families

    names = [f"{name}/{size}" for name in families.names() for size in families.get(name).sizes]
    return [name for name in names if name.startswith(incomplete)]


def complete_suite(incomplete: str) -> list[str]:
    """Names of shipped suites that begin so, for the shell."""
    from assay.runner.suite_model import suite_names

    return [name for name in suite_names() if name.startswith(incomplete)]


def complete_engine(incomplete: str) -> list[str]:
    """Names of engines that begin so, for the shell."""
    from assay.engines.base import engines

    return [name for name in engines.names() if name.startswith(incomplete)]


def split_values(values: Sequence[str] | None) -> list[str]:
    """``["a,b", "c"]`` -> ``["a", "b", "c"]``."""
    return [part.strip() for value in values or () for part in value.split(",") if part.strip()]


def read_integers(option: str, values: Sequence[str] | None) -> list[int]:
    """Read whole numbers of at least 1. Raises UsageError naming the option."""
    parts = split_values(values)
    for part in parts:
        if not part.isdecimal() or len(part) > _MOST_DIGITS or int(part) < 1:
            raise UsageError(f"--{option} got {part[:40]!r}; expected whole numbers of at least 1, such as 1,8.")
    return [int(part) for part in parts]


def read_shape(
    *, seq: Sequence[str] | None, image: Sequence[str] | None, others: Sequence[str] | None
) -> dict[str, list[int]]:
    """Sizes asked for, by dimension; ``others`` are ``name=size``. Raises UsageError."""
    shape = {"seq": read_integers("seq", seq), "image": read_integers("image", image)}
    for part in split_values(others):
        name, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"--shape got {part!r}; expected a dimension and its size, such as seconds=10.")
        shape.setdefault(name, []).extend(read_integers(f"shape {name}", [value]))
    return {name: sizes for name, sizes in shape.items() if sizes}


def read_options(values: Sequence[str] | None) -> dict[str, list[Scalar]]:
    """Case options asked for, by name: ``hint=latency,throughput``. Raises UsageError or UnknownNameError."""
    from assay.engines.options import read_option

    options: dict[str, list[Scalar]] = {}
    for text in values or ():
        name, equals, rest = text.partition("=")
        if not equals:
            raise UsageError(f"--option got {text!r}; expected a name and its value, such as hint=throughput.")
        for part in rest.split(","):
            number = float(part) if part.replace(".", "", 1).isdecimal() else None
            options.setdefault(name.strip(), []).append(read_option(name.strip(), part if number is None else number))
    return options


def read_mode_options(scenario: Sequence[str] | None, new_tokens: Sequence[str] | None) -> dict[str, list[Scalar]]:
    """Options that have flags of their own. Raises UsageError."""
    from assay.engines.options import read_option

    options: dict[str, list[Scalar]] = {}
    if scenario:
        options["scenario"] = [read_option("scenario", word) for word in split_values(scenario)]
    if new_tokens:
        options["new_tokens"] = list(read_integers("new-tokens", new_tokens))
    return options


_PIPELINE, _LOADER = "pipeline", "loader"


def implied_mode(scenario: Sequence[str] | None, new_tokens: Sequence[str] | None) -> list[str]:
    """The mode that a flag which only one mode has stands for; none where there is no such flag."""
    return [mode for mode, flag in (("serving", scenario), ("generation", new_tokens)) if flag]


def imply(asked: dict[str, Any]) -> dict[str, Any]:
    """Fill in the mode that an option belongs to, and the engine that reads data, where nothing was said of them.

    ``-o target=0.95`` can only mean training, and ``pipeline/...`` only data through the engine ``loader``.
    """
    from assay.core.words import Mode
    from assay.engines.options import OPTIONS

    implied: dict[str, Any] = {}
    models = asked.get("model") or []
    if models and all(model.partition("/")[0] == _PIPELINE for model in models):
        implied = {"mode": [Mode.DATA.value], "engine": [_LOADER]}
    else:
        only = {OPTIONS[name].modes for name in asked.get("options") or {} if name in OPTIONS}
        modes = {modes[0].value for modes in only if len(modes) == 1}
        if len(modes) == 1:
            implied = {"mode": sorted(modes)}
    return {**implied, **{key: value for key, value in asked.items() if value}}


def complete_mode(incomplete: str) -> list[str]:
    """Modes that begin so, for the shell."""
    from assay.core.words import Mode

    return [mode.value for mode in Mode if mode.value.startswith(incomplete)]


def complete_scenario(incomplete: str) -> list[str]:
    """Serving scenarios that begin so, for the shell."""
    from assay.engines.options import OPTIONS

    return [word for word in OPTIONS["scenario"].choices if word.startswith(incomplete)]


def complete_option(incomplete: str) -> list[str]:
    """Options that begin so, with their values where there are few, for the shell."""
    from assay.engines.options import OPTIONS

    texts = [f"{option.name}={value}" for option in OPTIONS.values() for value in option.choices or ("",)]
    return [text for text in texts if text.startswith(incomplete)]


COMPRESSIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "bf16": {"precision": ["bf16"]},
    "fp16": {"precision": ["fp16"]},
    "int8": {"precision": ["int8"]},
    "int8-dynamic": {"precision": ["int8"], "options": {"quantization": ["dynamic"]}},
    "int8-static": {"precision": ["int8"], "options": {"quantization": ["static"]}},
    "int8-weight": {"precision": ["int8"], "options": {"quantization": ["weight-only"]}},
    "int4-weight": {"precision": ["int4"], "options": {"quantization": ["weight-only"]}},
}
"""What ``--compress`` takes, and the case keys that each word stands for; ``prune-KIND:SHARE`` beside them."""

_PRUNE = "prune-"


def complete_compression(incomplete: str) -> list[str]:
    """Words for ``--compress`` that begin so, for the shell."""
    words = [*COMPRESSIONS, f"{_PRUNE}magnitude:0.5", f"{_PRUNE}structured:0.3"]
    return [word for word in words if word.startswith(incomplete)]


def compress_suite(suite: Suite, words: Sequence[str]) -> Suite:
    """Return the suite with every entry once as it is and once for each compression. Raises UsageError."""
    from assay.runner.suite_flags import FlagPositions
    from assay.runner.suite_model import build_suite, suite_to_dict

    content = suite_to_dict(suite)
    variants = [_read_compression(word) for word in dict.fromkeys(["none", *words])]
    content["cases"] = [_lay_compression(entry, variant) for entry in content["cases"] for variant in variants]
    return build_suite(content, positions=FlagPositions())


def _read_compression(word: str) -> dict[str, Any]:
    if word.startswith(_PRUNE):
        from assay.engines.options import read_option

        return {"options": {"prune": [read_option("prune", word.removeprefix(_PRUNE))]}}
    if word not in COMPRESSIONS:
        raise UnknownNameError("compression", word, [*COMPRESSIONS, "prune-magnitude:SHARE", "prune-structured:SHARE"])
    return COMPRESSIONS[word]


def _lay_compression(entry: dict[str, Any], variant: dict[str, Any]) -> dict[str, Any]:
    options = {**entry.get("options", {}), **variant.get("options", {})}
    return {**entry, **variant, **({"options": options} if options else {})}


def choose_suite(suite: str | None, asked: dict[str, Any], max_size: str | None) -> Suite:
    """Make the suite meant: models alone are one of their own, anything else goes over a named suite or ``quick``.

    Raises UsageError or SuiteError.
    """
    from assay.runner.suite_flags import FlagPositions
    from assay.runner.suite_model import build_suite, load_suite, suite_to_dict

    if suite is None and "model" in asked:
        chosen = build_suite({"name": "command-line", "cases": [asked]}, positions=FlagPositions())
    else:
        chosen = load_suite(suite or _DEFAULT_SUITE)
        if asked:
            content = suite_to_dict(chosen)
            content["cases"] = [_merge(entry, asked) for entry in content["cases"]]
            chosen = build_suite(content, positions=FlagPositions())
    return _limit_size(chosen, max_size) if max_size else chosen


def _merge(entry: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """A flag replaces the suite's key; dimensions replace one by one."""
    merged = {**entry, **asked}
    for key in ("shape", "options"):
        if key in asked:
            merged[key] = {**entry.get(key, {}), **asked[key]}
    return merged


def _limit_size(suite: Suite, max_size: str) -> Suite:
    from assay.workloads.base import Tier
    from assay.workloads.resolve import resolve_workload

    if max_size not in {tier.value for tier in Tier}:
        raise UnknownNameError("size limit", max_size, [tier.value for tier in Tier])
    limit = Tier(max_size)
    matrices = []
    for matrix in suite.cases:
        models = tuple(name for name in matrix.models if resolve_workload(name).size.tier.fits(limit))
        if models:
            matrices.append(replace(matrix, models=models))
    return replace(suite, cases=tuple(matrices))


def override_suite(
    suite: Suite,
    launches: int | None,
    min_time: float | None,
    max_time: float | None,
    launch_limit: str | None,
    seed: int | None,
) -> Suite:
    """Replace what the flags give; None leaves the suite's own. Raises SuiteError for values that cannot be."""
    from assay.runner.suite_flags import FlagPositions
    from assay.runner.suite_model import build_suite, suite_to_dict

    timing = {"min_time_s": min_time, "max_time_s": max_time}
    given: dict[str, Any] = {
        "launches": launches,
        "launch_limit_s": None if launch_limit is None else read_duration("launch-limit", launch_limit),
        "seed": seed,
    }
    given = {key: value for key, value in given.items() if value is not None}
    timing = {key: value for key, value in timing.items() if value is not None}
    if not given and not timing:
        return suite
    content = suite_to_dict(suite) | given
    content["timing"] = {**content["timing"], **timing}
    made = build_suite(content, positions=FlagPositions())
    return replace(made, positions=suite.positions, entry_numbers=suite.entry_numbers)


def read_duration(option: str, text: str) -> float:
    """Seconds of ``90s`` or ``7d``. Raises UsageError naming the option."""
    from assay.core.units import parse_duration_s

    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise UsageError(f"--{option}: {error}") from error


def in_utf8(value: str | list[str] | None) -> Any:
    """Return what somebody typed as they meant it, where the locale is not UTF-8 and the terminal is.

    Python keeps bytes that it cannot read as halves of surrogate pairs; nearly always they are UTF-8.
    """
    if isinstance(value, list):
        return [in_utf8(one) for one in value]
    if isinstance(value, str):
        with contextlib.suppress(UnicodeError):
            return value.encode("utf-8", "surrogateescape").decode("utf-8")
    return value
