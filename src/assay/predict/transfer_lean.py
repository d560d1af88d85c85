"""Along what devices lean away from each other, known of a model before it ever ran on the new one.

A device that was measured little differs from the others along few lines: how far a model is from its roofline
elsewhere, where the other devices disagree about it (two of them, two releases, two engines), how much it computes for
what it moves, how much of it is starting. A process that may lean along these needs fewer probes than one that only
knows what is near. May import: predict.graph.features, predict.transfer_process; numpy and scipy
inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.predict.graph.features import FEATURES
from assay.predict.transfer_process import Index, Software

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

_SHEETS = tuple(FEATURES.index(name) for name in ("intensity", "starting over base"))
_FARTHEST = 3.0
"""Standard deviations beyond which a model leans no more: one odd model must not turn all others."""
_MOST_APART = 1.0
"""The same of two devices that disagree, as a logarithm."""
_KEY_WORDS = 4
"""Words at the end of a key that are the setting."""


@dataclass(frozen=True, slots=True)
class View:
    """What other devices say of the models of one setting: by model, columns (c,) that are 0 where nothing is known."""

    columns: Mapping[str, Floats]
    width: int

    def take(self, models: Sequence[str], scaled: Floats) -> Floats:
        """Return how models lean, (n, c + 2); ``scaled`` (n, features) are their make-ups on the common scale."""
        import numpy as np

        nothing = np.zeros(self.width)
        known = np.array([self.columns.get(one, nothing) for one in models]).reshape(len(models), self.width)
        sheets = scaled[:, _SHEETS] * np.sqrt(scaled.shape[1])
        return np.concatenate([known, np.clip(sheets, -_FARTHEST, _FARTHEST)], axis=1)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of all devices: keys, devices, software, and the logarithm (n,) of time over roofline."""

    keys: Sequence[str]
    devices: Sequence[str]
    software: Sequence[Software]
    ratios: Floats


def model_of(key: str) -> str:
    """Return what of a key is the model and its shape."""
    return key.rsplit(" ", _KEY_WORDS)[0]


def setting_of(key: str) -> str:
    """Return what of a key is not the model: mode, precision, engine, kind of device."""
    return " ".join(key.rsplit(" ", _KEY_WORDS)[1:])


def view_from(rows: Rows, index: Index, device: str, setting: str, software: Software) -> View:
    """Look at all models of a setting from ``device``: what only its own rows say is not seen."""
    import numpy as np

    tables: dict[tuple[str, str, Software], dict[str, float]] = {}
    keys: dict[str, str] = {}
    for place, key in enumerate(rows.keys):
        where = rows.devices[place]
        if where == device:
            continue
        model, own = model_of(key), setting_of(key)
        tables.setdefault((where, own, rows.software[place]), {})[model] = float(rows.ratios[place])
        if own == setting:
            keys[model] = key
    if not keys:
        return View({}, 1 + len(tables))
    models = list(keys)
    means = np.array([index.mean(rows.ratios, index.find(keys[one], device, software), software) for one in models])
    spread = float(means.std())
    missing = float("nan")
    apart = np.array([[table.get(one, missing) for table in tables.values()] for one in models]) - means[:, None]
    middles = np.array([np.median(one[~np.isnan(one)]) if not np.isnan(one).all() else 0.0 for one in apart.T])
    apart = np.clip(np.nan_to_num(apart - middles), -_MOST_APART, _MOST_APART)
    size = float(np.sqrt((apart**2).sum(axis=1).mean()))
    far = np.clip((means - means.mean()) / (spread or 1.0), -_FARTHEST, _FARTHEST)
    found = np.concatenate([far[:, None], apart / (size or 1.0)], axis=1)
    return View(dict(zip(models, found, strict=True)), found.shape[1])


def choose_probes(scaled: Floats, leanings: Floats, count: int, seed: int) -> list[int]:
    """Return the models to measure: those nearest the middles of ``count`` groups of like make-up (k-means).

    How they lean counts as much as the make-up. All of it is known before anything runs on the new device.
    """
    import numpy as np
    from scipy.cluster.vq import kmeans2

    sizes = [float(np.sqrt((one**2).sum(axis=1).mean())) or 1.0 for one in (scaled, leanings)]
    joined = np.concatenate([one / size for one, size in zip((scaled, leanings), sizes, strict=True)], axis=1)
    middles, _ = kmeans2(joined, count, minit="++", rng=np.random.default_rng(seed))
    found: dict[int, None] = {}
    for middle in middles:
        for place in np.argsort(((joined - middle) ** 2).sum(axis=1)):
            if int(place) not in found:
                found[int(place)] = None
                break
    return list(found)
