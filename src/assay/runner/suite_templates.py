"""Write a commented suite file to start from, out of what a family registered about itself.

The text comes from the registered sizes, batches and dimensions, so it cannot fall behind them, and it reads back with
``parse_suite``. May import: core, workloads.base, the suite modules.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from assay.core.errors import UsageError
from assay.core.units import format_count
from assay.runner import suite_model
from assay.runner.suite_yaml import resolve_plain
from assay.runner.timing import Timing
from assay.workloads.base import Workload, families, find_workload

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]*")
_COMMENT_COLUMN = 28


def render_template(family: str | None, size: str | None = None) -> str:
    """Return the text of a valid suite: one family at ``size`` (its tiny one by default), or every family at tiny.

    The family's other sizes are there as comments. Raises UnknownNameError for a family or size that is not
    registered, UsageError for a size without a family.
    """
    if family is None:
        if size is not None:
            raise UsageError(f"Got the size {size!r} without a family, expected both or neither.")
        return _join(_write_head("my-suite", "Every family at its tiny size."), _write_all_families())
    workload = find_workload(family if size is None else f"{family}/{size}")
    head = _write_head(_make_slug(workload.name), f"{workload.name} at its default batches.", about=workload)
    return _join(head, _write_workload(workload))


def _write_head(name: str, description: str, *, about: Workload | None = None) -> Iterable[str]:
    from assay.runner.suite_schema import SuiteForm, TimingForm

    meaning = {key: info.description or "" for key, info in SuiteForm.model_fields.items()}
    if about is not None:
        yield f"# {_one_line(f'{about.family.name}: {about.family.task} ({about.family.reference})')}"
    yield "# Every key is explained in docs/suites.md."
    yield f"name: {name}"
    yield f"description: {json.dumps(description)}"
    yield _remark("version: 1", meaning["version"])
    yield _remark(f"launches: {suite_model.DEFAULT_LAUNCHES}", meaning["launches"])
    yield _remark(f"launch_limit_s: {suite_model.DEFAULT_LAUNCH_LIMIT_S:g}", meaning["launch_limit_s"])
    yield _remark(f"seed: {suite_model.DEFAULT_SEED}", meaning["seed"])
    yield _remark("timing:", "These are the defaults: what is left out keeps them.")
    for key, value in Timing().to_dict().items():
        yield _remark(f"  {key}: {value:g}", TimingForm.model_fields[key].description or "")
    yield "cases:"
    yield "  # Each entry is the product of its lists; add entries for what should not be multiplied."


def _write_workload(workload: Workload) -> Iterable[str]:
    is_data = workload.family.format == "data"
    yield "  - model:"
    for label, size in workload.family.sizes.items():
        name = f"{workload.family.name}/{label}"
        item = f"- {_quote(name)}"
        facts = size.source if is_data else f"{format_count(size.parameters)} parameters, tier {size.tier}"
        yield _remark(f"      {item}" if name == workload.name else f"      # {item}", facts)
    yield from _write_common(*(("loader", "data") if is_data else ()))
    yield _remark(
        f"    batch: [{', '.join(map(str, workload.batches))}]", "Samples in one call. These are the defaults."
    )
    shape = workload.resolve_shape({})
    if shape:
        yield _remark("    shape:", "Dimensions of the inputs: one size or a list. These are the defaults.")
        yield from (f"      {_quote(name)}: {size}" for name, size in shape.items())
    yield _remark("    # threads: [1, 2]", "CPU threads. Left out, the physical cores this process may use.")


def _write_all_families() -> Iterable[str]:
    general = [name for name in families.names() if families.get(name).is_general]
    yield _remark("  - families: all", f"Or a list of: {', '.join(general)}.")
    yield _remark("    max_size: tiny", "Or small, base, large: sizes up to that tier.")
    yield from _write_common()
    yield _remark("    # batch: [1, 8]", "Samples in one call. Left out, each workload's own.")


def _write_common(engine: str = suite_model.DEFAULT_ENGINE, mode: str = "inference") -> Iterable[str]:
    yield _remark(f"    engine: {engine}", "What executes the model.")
    yield _remark(f"    device: {suite_model.DEFAULT_DEVICE}", "Or cpu, cuda, cuda:0, mps ...; a list for several.")
    yield _remark(f"    mode: {mode}", "What kind of work is timed.")
    yield _remark("    precision: fp32", "Or a list: [fp32, bf16].")


def _remark(text: str, comment: str) -> str:
    return f"{text:<{_COMMENT_COLUMN}}  # {_one_line(comment)}" if comment else text


def _one_line(text: str) -> str:
    """Text of others (a plugin's family) made fit for a comment."""
    return "".join(character if character.isprintable() else " " for character in text)


def _quote(text: str) -> str:
    """A scalar that reads back as this very text; JSON's quoting is valid YAML."""
    return text if _PLAIN.fullmatch(text) and isinstance(resolve_plain(text), str) else json.dumps(text)


def _make_slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "my-suite"


def _join(*parts: Iterable[str]) -> str:
    return "".join(f"{line}\n" for part in parts for line in part)
