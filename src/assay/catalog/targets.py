"""Targets: what a number must be, written as a person would: ``p99_latency_ms <= 50``, ``speedup(cuda/cpu) >= 5``.

A target names a metric of the registry, a statistic of it and a bound; units may be any of the metric's kind. Three
are over several results: ``speedup(NEW/OLD)``, ``saving(NEW/OLD)`` of memory, ``largest(SIZE)`` that ran. Read here,
because suites hold them; judged in ``assay.analysis.targets``. Grammar and meaning: docs/targets.md. May import: core
and catalog.metrics.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from assay.catalog.metrics import metrics
from assay.core.errors import UnknownNameError, UsageError
from assay.core.words import Direction

_EXPRESSION = re.compile(
    r"""\s*(?:(?P<pair>speed-?up|saving)\s*\(\s*(?P<new>[^/()]+?)\s*/\s*(?P<old>[^/()]+?)\s*\)
        |largest\s*\(\s*(?P<size>[A-Za-z][\w-]*)\s*\)|(?P<name>[A-Za-z][\w.-]*))
        \s*(?P<sign><=|>=|<|>|≤|≥)\s*
        (?P<number>[+-]?(?:\d+(?:[_,]\d{3})*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*(?P<unit>\S.*?)?\s*""",
    re.VERBOSE,
)
_SIGNS = {"≤": "<=", "≥": ">="}
_STATISTICS = {
    "p50": "median", "median": "median", "p90": "p90", "p95": "p95", "p99": "p99", "best": "best", "min": "best",
    "mean": "mean", "max": "max", "worst": "worst",
}  # fmt: skip
_TIMES = {"ns": 1.0, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9, "min": 60e9}
_SIZES = {
    "b": 1.0, "bytes": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
    "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30, "tib": 2.0**40,
}  # fmt: skip
_ENERGIES = {"uj": 1e-6, "µj": 1e-6, "mj": 1e-3, "j": 1.0, "kj": 1e3, "wh": 3600.0}
_POWERS = {"mw": 1e-3, "w": 1.0, "kw": 1e3}
_BYTE_RATES = {f"{unit}/s": factor for unit, factor in _SIZES.items()}
_SCALES = {"ns": _TIMES, "B": _SIZES, "B/s": _BYTE_RATES, "J": _ENERGIES, "W": _POWERS}
"""What a bound in each unit is multiplied by to be in the registry's."""
_DEFAULT_STATISTIC = {"B": "max"}
_FIDELITY = "fidelity_"
_RATE_SUFFIX = "_per_s"
_KEYS = ("target", "name", "group", "where", "by_hardware", "weight")
SPEEDUP, SAVING, LARGEST = "speedup", "saving", "largest"
OVER_SEVERAL = (SPEEDUP, SAVING, LARGEST)
"""Quantities of several results together, which no metric of a single one holds."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One inequality: ``metric`` and ``stat`` of the registry, ``sign`` (``<=``, ``<``, ``>=``, ``>``) and a bound.

    ``bound`` is in the registry's unit. ``counted`` is what a rate counts, in the person's word (``windows``), None
    where that was not said. Of a speed-up ``metric`` is ``speedup`` and ``new`` and ``old`` name its two sides.
    ``text`` is what was written.
    """

    text: str
    metric: str
    stat: str
    sign: str
    bound: float
    unit: str
    counted: str | None = None
    new: str | None = None
    old: str | None = None
    size: str | None = None

    def holds(self, value: float) -> bool:
        """True where a value in the registry's unit meets the bound."""
        return {
            "<=": value <= self.bound,
            "<": value < self.bound,
            ">=": value >= self.bound,
            ">": value > self.bound,
        }[self.sign]

    @property
    def wants_less(self) -> bool:
        """True for an upper bound."""
        return self.sign in ("<=", "<")


@dataclass(frozen=True, slots=True)
class Target:
    """A bound, the cases that it is for, and how much it weighs.

    ``where`` holds patterns (``*`` and ``?``) by field of a case; none: every case that has the metric.
    ``by_hardware`` holds other bounds for some classes of hardware, by pattern, of which the first that fits counts;
    None there: no target on such hardware. ``group`` is the heading that it is scored under, none where empty.
    """

    bound: Bound
    name: str = ""
    where: tuple[tuple[str, str], ...] = ()
    by_hardware: tuple[tuple[str, Bound | None], ...] = ()
    weight: float = 1.0
    group: str = ""

    @property
    def label(self) -> str:
        """What it is called: its name, else what was written."""
        return self.name or self.bound.text

    def bound_for(self, hardware: str | None) -> Bound | None:
        """Return the bound on a class of hardware; None where there is none for it."""
        for pattern, bound in self.by_hardware:
            if fnmatchcase((hardware or "").casefold(), pattern.casefold()):
                return bound
        return self.bound


@dataclass(frozen=True, slots=True)
class _Name:
    """A quantity as read: the metric, the statistic, and the unit that its name ended in."""

    metric: str
    stat: str
    scale: float | None = field(default=None)


def parse_bound(text: str) -> Bound:
    """Read one inequality. Raises UsageError, or UnknownNameError for a metric that nobody knows."""
    found = _EXPRESSION.fullmatch(text)
    if found is None:
        raise UsageError(
            f"The target {text!r} cannot be read.",
            hint="Expected a metric, a sign, a number: p99_latency_ms <= 50, throughput >= 1000 samples/s, "
            "speedup(cuda/cpu) >= 5, saving(fp16/fp32) >= 50 %, largest(batch) >= 128.",
        )
    number = float(found["number"].replace("_", "").replace(",", ""))
    if not math.isfinite(number):
        raise UsageError(f"The target {text!r} has the bound {found['number']}; expected a finite number.")
    sign = _SIGNS.get(found["sign"], found["sign"])
    if found["pair"]:
        return _pair(text, found, sign, number)
    if found["size"]:
        return _largest(text, found, sign, number)
    name = _read_name(found["name"], text)
    unit = metrics.get(name.metric).unit
    factor, counted = _read_unit(name, unit, found["unit"], text)
    bound = Bound(" ".join(text.split()), name.metric, name.stat, sign, number * factor, unit, counted)
    _refuse_wrong_way(bound)
    return bound


def parse_target(content: object) -> Target:
    """Read a target in the form of a suite: an inequality, or a mapping with ``target`` and what narrows it.

    Raises UsageError.
    """
    if isinstance(content, str):
        return Target(parse_bound(content))
    if not isinstance(content, Mapping):
        raise UsageError(f"A target is {content!r}; expected an inequality such as latency_ms <= 50, or a mapping.")
    for key in content:
        if key not in _KEYS:
            raise UnknownNameError("key of a target", str(key), _KEYS)
    if not isinstance(content.get("target"), str):
        raise UsageError("A target has no 'target'; expected an inequality there, such as latency_ms <= 50.")
    return Target(
        parse_bound(content["target"]),
        name=str(content.get("name") or ""),
        group=str(content.get("group") or ""),
        where=tuple(sorted((key, _pattern(value, key)) for key, value in _mapping(content, "where").items())),
        by_hardware=tuple(
            (pattern, None if value is None else parse_bound(str(value)))
            for pattern, value in _mapping(content, "by_hardware").items()
        ),
        weight=_weight(content.get("weight", 1.0)),
    )


def _mapping(content: Mapping[str, object], key: str) -> Mapping[str, object]:
    given = content.get(key)
    if given is not None and not (isinstance(given, Mapping) and all(isinstance(one, str) for one in given)):
        raise UsageError(f"The target {content['target']!r} has {key!r} {given!r}; expected a mapping.")
    return given or {}


def _pattern(value: object, key: str) -> str:
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)
    raise UsageError(f"A target has where.{key} {value!r}; expected a text, which may have * in it, or a number.")


def _weight(value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf:
        return float(value)
    raise UsageError(f"A target has the weight {value!r}; expected a number above 0.")


def target_to_content(target: Target) -> str | dict[str, object]:
    """Return what :func:`parse_target` reads back."""
    if target == Target(target.bound):
        return target.bound.text
    content: dict[str, object] = {"target": target.bound.text}
    if target.name:
        content["name"] = target.name
    if target.group:
        content["group"] = target.group
    if target.where:
        content["where"] = dict(target.where)
    if target.by_hardware:
        content["by_hardware"] = {pattern: bound and bound.text for pattern, bound in target.by_hardware}
    if target.weight != 1.0:
        content["weight"] = target.weight
    return content


def _pair(text: str, found: re.Match[str], sign: str, number: float) -> Bound:
    word = (found["unit"] or "").strip()
    written, new, old = " ".join(text.split()), found["new"], found["old"]
    if found["pair"] == SAVING:
        if word not in ("", "%"):
            raise UsageError(f"The target {text!r} has the unit {word!r}; a saving is a share: 50 % or 0.5.")
        share = number / 100 if word else number
        if not 0 <= share < 1:
            raise UsageError(f"The target {text!r} asks to save {share:.0%}; expected at least 0 % and below 100 %.")
        bound = Bound(written, SAVING, "max", sign, share, "1", new=new, old=old)
    else:
        if word not in ("", "x", "×", "times"):
            raise UsageError(f"The target {text!r} has the unit {word!r}; a speed-up is a plain number.")
        if number <= 0:
            raise UsageError(f"The target {text!r} has the bound {number:g}; a speed-up is above 0.")
        bound = Bound(written, SPEEDUP, "median", sign, number, "1", new=new, old=old)
    _refuse_wrong_way(bound)
    return bound


def _largest(text: str, found: re.Match[str], sign: str, number: float) -> Bound:
    if found["unit"]:
        raise UsageError(f"The target {text!r} has the unit {found['unit']!r}; a size is a plain number.")
    if number <= 0:
        raise UsageError(f"The target {text!r} has the bound {number:g}; a size is above 0.")
    bound = Bound(" ".join(text.split()), LARGEST, "max", sign, number, "1", size=found["size"].lower())
    _refuse_wrong_way(bound)
    return bound


def _read_name(written: str, text: str) -> _Name:
    """``p99_latency_ms`` -> metric ``latency_ns``, statistic ``p99``, and how a number of it is scaled."""
    stat, rest = None, written.lower()
    head, _, tail = rest.partition("_")
    if head in _STATISTICS and tail:
        stat, rest = _STATISTICS[head], tail
    known = set(metrics.names())
    for name, scale in _candidates(rest):
        if name in known:
            unit = metrics.get(name).unit
            default = "worst" if name.startswith(_FIDELITY) else _DEFAULT_STATISTIC.get(unit, "median")
            return _Name(name, stat or default, scale)
    valid = sorted({_shown(name) for name in known})
    raise UnknownNameError("metric", rest, valid, hint=f"In the target {text!r}.")


def _candidates(rest: str) -> list[tuple[str, float | None]]:
    """Every metric that a name may stand for, likeliest first, with the scale of the unit at its end."""
    found: list[tuple[str, float | None]] = [(rest, 1.0)]
    base, _, suffix = rest.rpartition("_")
    for scales, ending in ((_TIMES, "ns"), (_SIZES, "bytes"), (_POWERS, "w")):
        if base and suffix in scales:
            found.append((f"{base}_{ending}", scales[suffix]))
        found.append((f"{rest}_{ending}", None))
    found.append((f"{rest}{_RATE_SUFFIX}", None))
    energy = re.fullmatch(r"(energy(?:_net)?)_(\w+?)_per_(\w+)", rest)
    if energy and energy[2] in _ENERGIES:
        found.append((f"{energy[1]}_j_per_{energy[3]}", _ENERGIES[energy[2]]))
    found.append((rest.replace("energy_per_", "energy_j_per_").replace("energy_net_per_", "energy_net_j_per_"), None))
    return found


def _shown(name: str) -> str:
    """A metric's name as people write it in targets."""
    return re.sub(r"_ns$", "_ms", name)


def _read_unit(name: _Name, unit: str, written: str | None, text: str) -> tuple[float, str | None]:
    """What the number is multiplied by, and what a rate counts."""
    if written is None:
        if name.scale is None and unit in _SCALES:
            raise UsageError(
                f"The target {text!r} says no unit.",
                hint=f"Write it at the name or the number: one of {', '.join(_SCALES[unit])}.",
            )
        return name.scale or 1.0, None
    word = written.strip()
    if unit == "1/s":
        counted, slash, per = word.partition("/")
        if slash and per.strip() in ("s", "sec", "second"):
            return 1.0, None if counted.strip() in ("", "1") else counted.strip()
        raise UsageError(f"The target {text!r} has the unit {word!r}; expected one a second, such as samples/s.")
    scales = _SCALES.get(unit, {"": 1.0, "%": 0.01})
    factor = scales.get(word) or scales.get(word.lower())
    if factor is None:
        raise UsageError(
            f"The target {text!r} has the unit {word!r}; expected one of: {', '.join(filter(None, scales))}."
        )
    if name.scale is not None and not name.metric.startswith(_FIDELITY) and name.scale not in (factor, 1.0):
        raise UsageError(f"The target {text!r} says two units, at the name and at the number; expected one.")
    return factor, None


def _refuse_wrong_way(bound: Bound) -> None:
    """A floor under a latency is a slip: nobody wants a model to be at least so slow."""
    wanted = Direction.HIGHER if bound.metric in OVER_SEVERAL else metrics.get(bound.metric).direction
    if (wanted is Direction.LOWER and not bound.wants_less) or (wanted is Direction.HIGHER and bound.wants_less):
        better = "less" if wanted is Direction.LOWER else "more"
        sign = "<=" if wanted is Direction.LOWER else ">="
        raise UsageError(f"The target {bound.text!r} bounds the wrong side: {better} is better.", hint=f"Use {sign}.")
