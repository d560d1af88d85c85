"""What was learned of kernels: a law for each family, trees for what its shape changes, and errors of unseen devices.

May import: core, predict, stats; numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import AssayError
from assay.predict.base import Payload
from assay.predict.kernels.features import FEATURES, describe_shapes
from assay.predict.kernels.law import CONSTANTS, Rates, expect_ns
from assay.predict.kernels.table import FAMILIES, PRODUCTS, Kernels
from assay.predict.trees import Forest, read_forest
from assay.predict.values import LEVELS, Abstention, Answer, Question
from assay.stats.conformal import Calibration

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

OVERHEAD = "overhead_ns"
_LEAST_NS = 1_000.0
"""A kernel among others takes at least this: starting one from a queue that is never empty."""
_MOST_CHANGE = math.log(4.0)
"""Trees say by how much the shape changes a law's time; beyond a factor of four they have seen nothing."""
_SCORES = 400


@dataclass(frozen=True, slots=True)
class KernelModel:
    """``constants`` and ``forests`` by family. ``calibration``: errors on devices held out; None where too few."""

    constants: Mapping[str, Array]
    forests: Mapping[str, Forest]
    calibration: Calibration | None
    devices: tuple[str, ...]
    rows: int

    def overhead_ns(self, family: str) -> float:
        """What starting a kernel took where they were timed one by one."""
        place = CONSTANTS[family in PRODUCTS].index(OVERHEAD)
        return float(self.constants[family][place])

    def predict_ns(self, kernels: Kernels, rates: Rates) -> Array:
        """Return the time of each kernel as if timed alone, (n,) ns. ``rates`` are of one device, or one a kernel."""
        import numpy as np

        found = np.empty(len(kernels))
        for family in FAMILIES:
            own = kernels.family == family
            if not own.any():
                continue
            asked, given = kernels.take(own), take_rates(rates, own)
            law = expect_ns(family, self.constants[family], asked, given)
            rows = describe_shapes(family, asked, given, self.overhead_ns(family))
            change = np.clip(self.forests[family].predict(rows), -_MOST_CHANGE, _MOST_CHANGE)
            found[own] = law * np.exp(change)
        return found

    def predict_in_chain_ns(self, kernels: Kernels, rates: Rates) -> Array:
        """Return the time of each kernel among others, (n,) ns: starting one is hidden behind the one before."""
        import numpy as np

        starting = np.array([self.overhead_ns(str(family)) for family in kernels.family])
        return np.asarray(np.maximum(self.predict_ns(kernels, rates) - starting, _LEAST_NS))

    def widths(self) -> dict[float, float]:
        """By level the factor that the interval reaches up and down; a level that devices are too few for is absent."""
        if self.calibration is None:
            return {}
        halves = {level: self.calibration.half_width(level) for level in LEVELS}
        return {level: math.exp(half) for level, half in halves.items() if math.isfinite(half)}

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Abstain: questions come with sums over graphs, and kernels need the sizes of each."""
        return [
            Abstention(one.metric, "kernels need the sizes of each operation", ("assay predict neusight",))
            for one in questions
        ]

    def payload(self) -> Payload:
        """Return constants, trees and errors as plain data."""
        import numpy as np

        arrays: dict[str, Any] = {f"constants/{name}": values for name, values in self.constants.items()}
        for name, forest in self.forests.items():
            arrays |= forest.arrays(f"forest/{name}/")
        meta: dict[str, Any] = {"devices": list(self.devices), "rows": self.rows, "groups": 0}
        if self.calibration is not None:
            thin = self.calibration.thinned(_SCORES)
            meta["groups"] = thin.groups
            arrays |= {"scores": np.array(thin.scores), "weights": np.array(thin.weights)}
        return Payload(meta, arrays)


def take_rates(rates: Rates, places: Array) -> Rates:
    """Rates of some kernels, where there is one for each; those of a single device stay."""
    import numpy as np

    fields = (rates.flops_per_s, rates.bandwidth_bytes_per_s, rates.units, rates.power_share)
    return Rates(*(one[places] if np.ndim(one) else one for one in fields))


def load_kernels(payload: Payload) -> KernelModel:
    """Read back what ``payload`` gave. Raises AssayError where it is not sound."""
    try:
        return _read(payload)
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise AssayError(f"The predictor kernels is not sound: {error}.", hint="Learn it anew.") from error


def _read(payload: Payload) -> KernelModel:
    import numpy as np

    constants = {name: np.asarray(payload.arrays[f"constants/{name}"], dtype=np.float64) for name in FAMILIES}
    if any(len(values) != len(CONSTANTS[name in PRODUCTS]) for name, values in constants.items()):
        raise ValueError("a law has another number of constants")
    forests = {name: read_forest(payload.arrays, f"forest/{name}/") for name in FAMILIES}
    if any(one.features != len(FEATURES[name in PRODUCTS]) for name, one in forests.items()):
        raise ValueError("trees are of other features")
    groups = int(payload.meta["groups"])
    calibration = None
    if groups:
        scores, weights = (np.asarray(payload.arrays[name], dtype=np.float64) for name in ("scores", "weights"))
        if len(scores) != len(weights) or not len(scores):
            raise ValueError("errors and their weights are not as many")
        calibration = Calibration(tuple(scores.tolist()), tuple(weights.tolist()), groups)
    return KernelModel(
        constants, forests, calibration, tuple(map(str, payload.meta["devices"])), int(payload.meta["rows"])
    )
