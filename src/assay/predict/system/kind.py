"""The predictor ``system``: throughput of systems with accelerators that nobody submitted. May import: predict."""

from __future__ import annotations

from assay.core.errors import UnknownNameError
from assay.predict.base import Gathered, Payload, PredictorKind, predictors
from assay.predict.scores import SplitOutcome
from assay.predict.system.domains import DomainModel, fit_domains, load_domains
from assay.predict.system.fit import FEWEST
from assay.predict.system.systems import MAKERS, METRIC, PREFIX, SYSTEM, gather_systems
from assay.predict.values import Example

KIND = "system"
GOAL = 0.206
"""Mean error that the nearest accelerator times the ratio of 8-bit peaks reached in a first try."""
_SPLITS = {
    "device": "an accelerator that nobody submitted, Offline, with software tuned by its maker",
    "device-all": "an accelerator that nobody submitted, in all scenarios and with all software",
    "vendor": "a maker that never submitted",
    "temporal": "a later round, from all earlier ones",
    "random": "a result of which others published the like",
}
_HELD = {"device": "device", "device-all": "device", "vendor": "vendor", "temporal": "round", "random": "random"}
_NOTES = {
    "random": "rows of the same system stand on both sides: shown beside the others, never alone",
    "vendor": "shown to say why: a maker of which nothing was published gets an abstention",
}


def fit_system(gathered: Gathered, seed: int) -> DomainModel:
    """Learn from published systems. Raises AssayError where they are too few."""
    return fit_domains(SYSTEM, gathered, seed)


def load_system(payload: Payload) -> DomainModel:
    """Read back a payload. Raises AssayError where it is not sound."""
    return load_domains(SYSTEM, payload)


def validate_system(gathered: Gathered, split: str, seed: int) -> SplitOutcome:
    """Hold out and foretell. Raises UnknownNameError for another split, AssayError for too little."""
    from assay.predict.system.validate import validate_recipe

    if split not in _SPLITS:
        raise UnknownNameError("split", split, _SPLITS)
    return validate_recipe(
        SYSTEM, gathered, split, seed, hold_out=_HELD[split], question=_SPLITS[split],
        only=_is_tuned_offline if split == "device" else lambda _: True,
        strata=("benchmark", "scenario", "software"), goal=GOAL if split == "device" else None,
        notes=(_NOTES[split],) if split in _NOTES else (),
    )  # fmt: skip


def _is_tuned_offline(one: Example) -> bool:
    return one.groups["scenario"] == "Offline" and one.groups["software"] in MAKERS


predictors.add(
    KIND,
    PredictorKind(
        name=KIND,
        title="Published systems",
        metrics=(METRIC,),
        splits=_SPLITS,
        gather=gather_systems,
        fit=fit_system,
        load=load_system,
        validate=validate_system,
        fewest=FEWEST,
        packages=("scipy",),
        prefix=PREFIX,
    ),
)
