"""What ``assay compare`` is given, as sides: stored runs, or flags, refs and interpreters to launch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer  # noqa: TC002  (typer reads the annotations of a completion when it runs)

from assay.core.errors import UsageError

if TYPE_CHECKING:
    from assay.trials.values import SideSpec

_STORED_PREFIXES = ("baseline:", "tag:")
AS_IT_IS = "as it is"
"""Label of the side that has no flags, ref or interpreter of its own."""
_NEWEST_OFFERED = 15


@dataclass(frozen=True, slots=True)
class Asked:
    """The sides in the order given: names of stored runs, or what is to be launched. One of the two is empty."""

    stored: tuple[str, ...] = ()
    specs: tuple[SideSpec, ...] = ()


def read_sides(words: Sequence[str], refs: Sequence[str], pythons: Sequence[str]) -> Asked:
    """Tell stored runs from what is to be launched. One ref, interpreter or set of flags alone stands beside what is.

    Raises UsageError for a mixture.
    """
    flags = [word for word in words if _is_flags(word)]
    stored = tuple(word for word in words if not _is_flags(word))
    launched = [*map(_read_flags, flags), *(_of_ref(ref) for ref in refs), *(_of_python(path) for path in pythons)]
    if stored and launched:
        raise UsageError(
            f"{stored[0]!r} is a stored run, and {launched[0].label!r} would be launched: they cannot be interleaved.",
            hint="Give two runs (with --fresh both are launched again), or only flags, --ref or --python.",
        )
    if len(launched) == 1:
        beside = _spec(AS_IT_IS)
        # A ref alone is what was before; flags or another environment alone are what is tried.
        launched = [launched[0], beside] if refs else [beside, launched[0]]
    return Asked(stored, _tell_apart(launched))


def put_first(labels: Sequence[str], baseline: str | None) -> list[int]:
    """Return the order of the sides with the baseline first. Raises UsageError for a baseline that is no side."""
    if baseline is None:
        return list(range(len(labels)))
    if baseline not in labels:
        raise UsageError(f"--baseline {baseline!r} is none of the sides.", hint=f"They are {', '.join(labels)}.")
    first = labels.index(baseline)
    return [first, *(place for place in range(len(labels)) if place != first)]


def complete_run(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of runs that begin so, for the shell: ``last``, ``baseline:NAME``, ``tag:NAME``, ends of ids."""
    from assay.cli.output import open_for_reading, short_id
    from assay.core.errors import AssayError

    try:
        store = open_for_reading(ctx.params.get("store"))
        runs = store.runs(limit=_NEWEST_OFFERED)
        names = ["last", *(f"last~{place}" for place in range(1, len(runs)))]
        names += [f"baseline:{one.name}" for one in store.baselines()]
        names += dict.fromkeys(f"tag:{tag}" for run in runs for tag in run.tags)
        names += [short_id(run.run_id) for run in runs]
    except AssayError:  # there is nothing to offer, and nowhere to say why
        return []
    return [name for name in names if name.startswith(incomplete)]


def complete_metric(incomplete: str) -> list[str]:
    """Names of metrics that begin so, for the shell."""
    from assay.catalog.metrics import metrics

    return [name for name in metrics.names() if name.startswith(incomplete)]


def complete_field(incomplete: str) -> list[str]:
    """Fields of a case that begin so, for the shell."""
    from assay.engines.options import OPTIONS

    names = ("engine", "device", "precision", "batch", "mode", "workload", "hardware", "seq", "image", *OPTIONS)
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]


def _is_flags(word: str) -> bool:
    return "=" in word and not word.startswith(_STORED_PREFIXES)


def _read_flags(text: str) -> SideSpec:
    """Read ``precision=bf16,batch=1,8``: what has no equals sign is one more value of the key before it."""
    keys: dict[str, str] = {}
    last = ""
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if equals:
            last = name.strip()
            keys[last] = value.strip()
        elif last:
            keys[last] += f",{part.strip()}"
    ref, python = keys.pop("ref", None), keys.pop("python", None)
    spec = _spec(text)
    return replace(spec, keys=keys, ref=ref, python=None if python is None else Path(python))


def _of_ref(ref: str) -> SideSpec:
    return replace(_spec(ref), ref=ref)


def _of_python(path: str) -> SideSpec:
    return replace(_spec(path), python=Path(path))


def _spec(label: str) -> SideSpec:
    from assay.trials.values import SideSpec

    return SideSpec(label)


def _tell_apart(specs: Sequence[SideSpec]) -> tuple[SideSpec, ...]:
    """Number sides that are called the same: two equal ones are how a person sees what noise alone does."""
    seen: dict[str, int] = {}
    found = []
    for spec in specs:
        seen[spec.label] = seen.get(spec.label, 0) + 1
        found.append(spec if seen[spec.label] == 1 else replace(spec, label=f"{spec.label} ({seen[spec.label]})"))
    return tuple(found)
