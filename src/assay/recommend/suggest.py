"""What to measure next: the options whose measurement would most likely change the decision, or spare most regret.

The value of knowing one option exactly: by how much the expected outcome of the choice made afterwards beats that of
the choice made now (Howard 1966, "Information value theory", IEEE Transactions on Systems Science and Cybernetics 2).
May import: recommend; numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from assay.core.words import Mode
from assay.predict.strategy_memory import Strategy
from assay.recommend.decision import Decision, Option

_DRAWS = 4000
_ALONE = (Strategy.SINGLE, Strategy.REPLICAS)
_RUN_AS = {
    Strategy.DDP: "ddp", Strategy.FSDP: "fsdp2", Strategy.TENSOR: "tensor", Strategy.PIPELINE: "pipeline",
}  # fmt: skip
"""What `assay run` calls them."""
_BY_A_SERVER = "assay runs inference on one device: measure {count} with a server of yours, then assay import"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One measurement worth making.

    ``value`` is the share of the objective that knowing it is expected to spare, ``p_changes`` the probability that the
    choice changes; ``command`` is what to run on that device, or those devices: None where assay cannot measure it,
    and ``note`` says what can. ``spread_factor`` is what its number may be off by, either way, at one standard
    deviation.
    """

    option: Option
    value: float
    p_changes: float
    spread_factor: float
    command: str | None
    note: str | None = None

    @property
    def devices(self) -> int:
        """How many of the device are measured together."""
        return 1 if self.option.strategy in _ALONE else self.option.devices


def suggest_measurements(decision: Decision, *, seed: int = 0) -> list[Suggestion]:
    """Return the options worth measuring, most valuable first; none where the choice stands whatever they turn out."""
    import numpy as np

    options = [one for one in decision.ranked if one.merit(decision.objective)]
    open_ones = [one for one in options if one.provenance == "predicted"]
    if not open_ones:
        return []
    middles = np.log([one.merit(decision.objective) or math.inf for one in options])
    spreads = np.array([one.spread if one.provenance == "predicted" else 0.0 for one in options])
    means = np.exp(middles + spreads**2 / 2)
    now = int(means.argmin())
    draws = np.random.default_rng(seed).standard_normal(_DRAWS)
    found = []
    for place, one in enumerate(options):
        if one.provenance != "predicted":
            continue
        others = np.delete(means, place)
        rest = float(others.min()) if len(others) else math.inf
        outcomes = np.exp(middles[place] + spreads[place] * draws)
        # Draw by draw, what is taken unmeasured less what is taken measured: nothing where none changes the choice.
        spared = outcomes - rest if place == now else rest - outcomes
        value = float(np.maximum(spared, 0.0).mean()) / float(means[now])
        changes = float((spared > 0).mean())
        command = command_for(one)
        note = None if command else _BY_A_SERVER.format(count=one.devices)
        found.append(Suggestion(one, value, changes, math.exp(one.spread), command, note))
    # Devices that know nothing of each other are measured as one alone: the most valuable stands for all of them.
    best: dict[tuple[str, int, str | None], Suggestion] = {}
    for wanted in sorted((one for one in found if one.value > 0), key=lambda one: -one.value):
        best.setdefault((wanted.option.question.device.name, wanted.devices, wanted.command), wanted)
    return list(best.values())


def command_for(one: Option) -> str | None:
    """Return what measures an option: on several devices a training is run by as many ranks.

    Devices that know nothing of each other are as good as one. None for inference that devices share, which assay does
    not run.
    """
    conditions = one.question.conditions
    words = ["assay run", f"--model {one.question.workload}", f"--batch {conditions.batch}"]
    words += [f"--precision {conditions.precision}", f"--engine {conditions.engine}"]
    is_training = conditions.mode == Mode.TRAINING.value
    if is_training:
        words.append("--mode training")
    if one.devices > 1 and one.strategy not in _ALONE:
        if not is_training:
            return None
        words.append(f"--option ranks={one.devices} --option strategy={_RUN_AS[one.strategy]}")
    return " ".join(words)


def describe(found: Sequence[Suggestion]) -> list[dict[str, object]]:
    """As plain rows."""
    return [
        {
            "device": one.option.question.device.name, "workload": one.option.question.workload,
            "precision": one.option.question.conditions.precision, "batch": one.option.question.conditions.batch,
            "engine": one.option.question.conditions.engine, "value": one.value, "p_changes": one.p_changes,
            "spread_factor": one.spread_factor, "command": one.command, "devices": one.devices,
            "strategy": one.option.strategy.value, "note": one.note,
        }
        for one in found
    ]  # fmt: skip
