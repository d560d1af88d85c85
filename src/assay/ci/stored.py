"""A check that was made earlier, read back from the store: its findings, and what surrounded it.

May import: core, store, analysis.values, ci.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from assay.analysis.against import read_run
from assay.analysis.values import CheckReport
from assay.ci.lines import sort_findings
from assay.ci.values import CheckContext
from assay.core.errors import NotFoundError, UsageError
from assay.core.records import FindingRecord, RunRecord
from assay.core.units import format_bytes
from assay.core.words import Change
from assay.store import Store
from assay.store.query import fetch_rows
from assay.store.schema import FINDINGS

LAST = "last"
_BACK = re.compile(r"last(?:~(\d+))?")
_SHOWN = 8
_UNKNOWN_SUITE = "unknown"
_WITHOUT_BREAK = frozenset({Change.MISSING, Change.NEW})
"""Of these there is nothing on one of the two sides, so an environment that changed does not show in them."""
_PACKAGES_SHOWN = 12
_FIRST_PACKAGES = ("torch", "transformers", "onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt", "numpy")
"""What a reader asks for first, where there is more than can be shown."""


def read_report(store: Store, ref: str = LAST) -> CheckReport:
    """Return the check that ``ref`` names: ``last``, ``last~N``, a check, or the newest check of a run.

    Checks and runs are named by their id, or a beginning or end of it that is unique. ``notes`` of the report are not
    kept by the store, so there are none. Raises NotFoundError, and UsageError where several fit.
    """
    check_id = _find_check(store, ref)
    findings = _newest_of_each(store.findings(check_id=check_id))
    run_id = findings[0].run_id
    run = _find_run(store, run_id)
    # Ids of runs begin with their time, so the greatest is the newest.
    reference_id = max((one.reference_run_id for one in findings if one.reference_run_id is not None), default=None)
    references = [one for one in findings if one.reference_run_id == reference_id]
    breaks = {one.environment_break for one in findings if one.change not in _WITHOUT_BREAK}
    return CheckReport(
        check_id=check_id, run_id=run_id, created_at=max(one.created_at for one in findings),
        suite=run.suite if run else _UNKNOWN_SUITE, against=_common([one.against for one in findings]),
        findings=tuple(sort_findings(findings)), expected=sum(one.change is not Change.NEW for one in findings),
        git_commit=run.git_commit if run else findings[0].git_commit, git_branch=run.git_branch if run else None,
        git_dirty=run.git_dirty if run else None, reference_run_id=reference_id,
        reference_git_commit=references[0].reference_git_commit if reference_id else None,
        environment_break=breaks.pop() if len(breaks) == 1 else None,
    )  # fmt: skip


def read_context(
    store: Store, report: CheckReport, *, link: str | None = None, commit_url: str | None = None
) -> CheckContext:
    """Return what surrounded a check, as far as the store knows: the environment of its run, the reference's branch."""
    run = _find_run(store, report.run_id)
    reference = _find_run(store, report.reference_run_id) if report.reference_run_id else None
    facts: Mapping[str, Any] = {}
    if run is not None:
        with contextlib.suppress(NotFoundError):
            facts = store.environment(run.env_id).facts
    branch = reference.git_branch if reference else None
    return CheckContext(describe_environment(facts), branch, link, commit_url)


def read_feed_findings(store: Store, ref: str | None = None) -> tuple[list[FindingRecord], dict[str, str]]:
    """Return the findings of one check, or of all, and the suite of each run that the store has."""
    findings = store.findings() if ref is None else list(read_report(store, ref).findings)
    rows = fetch_rows(store.location, "SELECT run_id, suite FROM runs", tables=(), versions=store.versions)
    return findings, {row["run_id"]: row["suite"] for row in rows}


def describe_environment(facts: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the facts of an environment that a reader asks for, in words; what is not known is left out."""
    cpu, memory, system, python, threads, tool = (
        _mapping(facts.get(name)) for name in ("cpu", "memory", "os", "python", "threads", "assay")
    )
    gpus = facts.get("gpus")
    cores = cpu.get("usable_cores")
    described = {
        "CPU": _words(cpu.get("model"), f"{cores} cores" if cores else None),
        "memory": format_bytes(memory["total_bytes"]) if memory.get("total_bytes") else "",
        "GPU": ", ".join(_describe_gpu(_mapping(gpu)) for gpu in gpus) if isinstance(gpus, list) else "",
        "system": _words(system.get("distribution") or system.get("system"), system.get("kernel")),
        "machine": _words(system.get("virtualisation"), system.get("container")),
        "Python": _words(python.get("version")),
        "packages": _describe_packages(_mapping(python.get("packages"))),
        "threads": ", ".join(f"{name}={value}" for name, value in threads.items() if value),
        "assay": _words(tool.get("version")),
    }
    return tuple((name, text) for name, text in described.items() if text)


def _describe_gpu(gpu: Mapping[str, Any]) -> str:
    limit = gpu.get("power_limit_w")
    words = (gpu.get("name"), gpu.get("driver") and f"driver {gpu['driver']}", limit and f"{limit:g} W")
    return " ".join(str(word) for word in words if word)


def _describe_packages(packages: Mapping[str, str]) -> str:
    first = [name for name in _FIRST_PACKAGES if name in packages]
    names = [*first, *(name for name in packages if name not in first)]
    rest = f", and {len(names) - _PACKAGES_SHOWN} more" if len(names) > _PACKAGES_SHOWN else ""
    return ", ".join(f"{name} {packages[name]}" for name in names[:_PACKAGES_SHOWN]) + rest


def _mapping(value: object) -> Mapping[str, Any]:
    """Return what should be a mapping, or an empty one: facts may be of an older assay or of an imported file."""
    return value if isinstance(value, Mapping) else {}


def _words(*words: object) -> str:
    return ", ".join(str(word) for word in words if word)


# -- which check -----------------------------------------------------------------------------------------------


def _find_check(store: Store, ref: str) -> str:
    checks = _checks(store)
    wanted = ref.strip().lower()
    if not checks:
        raise NotFoundError(f"There is no check in the store {store.location}.", hint="`assay check` makes one.")
    if back := _BACK.fullmatch(wanted):
        index = int(back[1] or 0)
        if index >= len(checks):
            raise NotFoundError(f"There is no check {ref!r}: the store holds {len(checks)}.")
        return checks[index][0]
    hits = [check for check, _ in checks if _fits(check, wanted)]
    if not hits:
        # Newest first, so the first check of a run is its newest; runs that were never checked do not take part.
        runs = dict.fromkeys(run for _, run in checks if _fits(run, wanted))
        hits = [next(check for check, of in checks if of == run) for run in runs]
    exact = [check for check in hits if check == wanted]
    if len(exact or hits) == 1:
        return (exact or hits)[0]
    if hits:
        listed = ", ".join(hits[:_SHOWN]) + (", ..." if len(hits) > _SHOWN else "")
        raise UsageError(f"{ref!r} fits {len(hits)} checks: {listed}.", hint="Give more characters.")
    newest = ", ".join(check for check, _ in checks[:3])
    raise NotFoundError(f"There is no check {ref!r}, nor one of a run {ref!r}.", hint=f"The newest: {newest}.")


def _fits(identifier: str, wanted: str) -> bool:
    return bool(wanted) and (identifier.lower().startswith(wanted) or identifier.lower().endswith(wanted))


def _checks(store: Store) -> list[tuple[str, str]]:
    """Return (check, judged run), newest first."""
    rows = fetch_rows(
        store.location,
        "SELECT check_id, any_value(run_id) AS run_id FROM findings GROUP BY check_id "
        "ORDER BY max(created_at) DESC, check_id DESC",
        [],
        tables=[FINDINGS],
        versions=store.versions,
    )
    return [(row["check_id"], row["run_id"]) for row in rows]


def _find_run(store: Store, run_id: str) -> RunRecord | None:
    """Return a run; None where it is not kept any more, which must not cost the findings."""
    with contextlib.suppress(NotFoundError):
        return read_run(store, run_id)
    return None


def _newest_of_each(findings: Sequence[FindingRecord]) -> list[FindingRecord]:
    """Keep the last word on each series and metric: one check may say more than one of a series."""
    return list({(one.series_id, one.metric, one.stat): one for one in findings}.values())


def _common(texts: Sequence[str]) -> str:
    """Return the text that all share, or the most frequent of several with their number."""
    different = sorted(set(texts), key=lambda text: (-texts.count(text), text))
    return different[0] if len(different) == 1 else f"{different[0]} and {len(different) - 1} more"
