"""Which models to measure on a device that nobody measured, so that all others can be brought over to it.

The predictor ``transfer`` names them: the middles of groups of like models, chosen before anything ran on the device
(docs/predict-devices.md). Here they become commands, with what they are worth by the predictor's own held-out devices.
May import: recommend, predict, workloads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from assay.predict.layers import Estimator, LoadedKind
from assay.predict.transfer import TransferModel, key_of
from assay.predict.transfer_lean import model_of, setting_of
from assay.predict.values import Layer, Question
from assay.recommend.decision import Decision

_SHAPE = re.compile(r"(?:[a-z_]+\d+)(?:,[a-z_]+\d+)*")
_FLAGS = ("seq", "image")
_ONE = re.compile(r"([a-z_]+)(\d+)")


@dataclass(frozen=True, slots=True)
class ProbeWanted:
    """One model to measure on ``device``: ``command`` None where assay has no such model, and ``note`` says so.

    ``error_now`` and ``error_then`` are mean errors (shares) of held-out devices without and with as many probes as are
    wanted here; None where the predictor was not held against any.
    """

    device: str
    workload: str
    shape: tuple[tuple[str, int], ...]
    question: Question
    command: str | None
    error_now: float | None
    error_then: float | None
    note: str | None = None


def suggest_probes(decision: Decision, estimator: Estimator) -> list[ProbeWanted]:
    """Return the models to measure on each device whose answers were brought over from others; none without such."""
    kind = next((one for one in estimator.kinds if isinstance(one.fitted, TransferModel)), None)
    if kind is None or not isinstance(kind.fitted, TransferModel):
        return []
    found: dict[tuple[str, str], list[ProbeWanted]] = {}
    for option in (*decision.ranked, *decision.lost):
        question = option.question
        place = question.device.name, setting_of(key_of(question))
        if option.answer.layer is Layer.TRANSFER and place not in found:
            found[place] = list(_wanted(question, kind, kind.fitted))
    return [one for wanted in found.values() for one in wanted]


def _wanted(question: Question, kind: LoadedKind, model: TransferModel) -> list[ProbeWanted]:
    device, setting = question.device.name, setting_of(key_of(question))
    done = {
        model_of(key)
        for key, where in zip(model.keys, model.devices, strict=True)
        if where == device and setting_of(key) == setting
    }
    now, then = _error(kind, "device"), _error(kind, "device-10")
    found = []
    for name in model.probes.get(setting, ()):
        if name in done:
            continue
        workload, shape = _read(name)
        command = _command(workload, shape, question)
        note = None if command else f"{workload} is published under this name, and assay has no such model"
        found.append(ProbeWanted(device, workload, shape, question, command, now, then, note))
    return found


def _error(kind: LoadedKind, split: str) -> float | None:
    outcome = kind.record.outcome(split)
    return None if outcome is None else outcome.own.mean_error


def _read(name: str) -> tuple[str, tuple[tuple[str, int], ...]]:
    """A model, and the shape that its name ends with: ``bert/base seq128``."""
    workload, _, last = name.rpartition(" ")
    if not workload or not _SHAPE.fullmatch(last):
        return name, ()
    return workload, tuple((word, int(size)) for word, size in _ONE.findall(last))


def _command(workload: str, shape: tuple[tuple[str, int], ...], question: Question) -> str | None:
    from assay.workloads.base import families

    is_own = workload.startswith((".", "/", "~", "hf:")) or ":" in workload
    if workload.partition("/")[0] not in families.names() and not is_own:
        return None
    conditions = question.conditions
    words = [f"assay run --model {workload} --batch {conditions.batch} --precision {conditions.precision}"]
    words += [f"--engine {conditions.engine}"]
    if conditions.mode != "inference":
        words.append(f"--mode {conditions.mode}")
    words += [f"--{name} {size}" if name in _FLAGS else f"--shape {name}={size}" for name, size in shape]
    return " ".join(words)


def describe_probes(found: list[ProbeWanted]) -> list[dict[str, object]]:
    """As plain rows, like those of `assay.recommend.suggest.describe`."""
    return [
        {
            "device": one.device, "workload": one.workload, "shape": dict(one.shape),
            "precision": one.question.conditions.precision, "batch": one.question.conditions.batch,
            "engine": one.question.conditions.engine, "error_now": one.error_now, "error_then": one.error_then,
            "command": one.command, "note": one.note,
        }
        for one in found
    ]  # fmt: skip
