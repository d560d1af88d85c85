"""The predictor ``power``: what systems and boards that nobody measured would draw. May import: predict."""

from __future__ import annotations

from assay.core.errors import UnknownNameError
from assay.predict.base import Gathered, Payload, PredictorKind, predictors
from assay.predict.power.walls import BOARD, METRIC, POWER, WALL, gather_power
from assay.predict.scores import SplitOutcome
from assay.predict.system.domains import DomainModel, fit_domains, load_domains
from assay.predict.system.fit import FEWEST
from assay.predict.system.systems import PREFIX
from assay.predict.values import Example

KIND = "power"
GOAL = 0.15
_SPLITS = {
    "device": "power at the wall of servers with an accelerator that nobody measured",
    "device-all": "the same, with embedded modules among them",
    "board": "power of a board in training that nobody measured, under limits",
    "vendor": "power at the wall of systems of a maker that nobody measured",
    "temporal": "power at the wall in a later round, from all earlier ones",
    "random": "power of a result of which others published the like",
}
_HELD = {
    "device": "device",
    "device-all": "device",
    "board": "device",
    "vendor": "vendor",
    "temporal": "round",
    "random": "random",
}
_NOTES = {
    "board": "four boards: too few to calibrate on, so that nothing is said at 80 and 90 % of a fifth one",
    "vendor": "shown to say why: a maker of which nothing was published gets an abstention",
    "random": "rows of the same system stand on both sides: shown beside the others, never alone",
}


def fit_power(gathered: Gathered, seed: int) -> DomainModel:
    """Learn from published power. Raises AssayError where there is too little."""
    return fit_domains(POWER, gathered, seed)


def load_power(payload: Payload) -> DomainModel:
    """Read back a payload. Raises AssayError where it is not sound."""
    return load_domains(POWER, payload)


def validate_power(gathered: Gathered, split: str, seed: int) -> SplitOutcome:
    """Hold out and foretell. Raises UnknownNameError for another split, AssayError for too little."""
    from assay.predict.system.validate import validate_recipe

    if split not in _SPLITS:
        raise UnknownNameError("split", split, _SPLITS)
    scope = BOARD if split == "board" else WALL
    examples = tuple(one for one in gathered.examples if one.groups["scope"] == scope)
    own = Gathered(examples, gathered.uses, gathered.notes)
    return validate_recipe(
        POWER, own, split, seed, hold_out=_HELD[split], question=_SPLITS[split],
        only=_is_server if split == "device" else lambda _: True, strata=("benchmark", "scenario", "form"),
        goal=GOAL if split == "device" else None, notes=(_NOTES[split],) if split in _NOTES else (),
    )  # fmt: skip


def _is_server(one: Example) -> bool:
    return one.groups["form"] == "server"


predictors.add(
    KIND,
    PredictorKind(
        name=KIND,
        title="Power of systems and boards",
        metrics=(METRIC,),
        splits=_SPLITS,
        gather=gather_power,
        fit=fit_power,
        load=load_power,
        validate=validate_power,
        fewest=FEWEST,
        packages=("scipy",),
        prefix=PREFIX,
    ),
)
