"""The smallest relative change that counts for a series: 3 %, or more where calibration showed that equals differ more.

May import: core, catalog, stats, store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assay.catalog.launch_metrics import RATES
from assay.core.records import CalibrationRecord
from assay.stats.change import DEFAULT_FLOOR

if TYPE_CHECKING:
    from assay.store import Store

_Key = tuple[str, str, str | None]


@dataclass(frozen=True, slots=True)
class Floors:
    """The newest calibration of each series, metric and environment, and of each series and metric anywhere."""

    newest: Mapping[_Key, CalibrationRecord] = field(default_factory=dict)

    def floor(self, series_id: str | None, metric: str, env_id: str | None = None) -> float:
        """Return the floor as a share (0.03): max(3 %, the calibration's); METHOD 6."""
        found = self.calibration(series_id, metric, env_id)
        return DEFAULT_FLOOR if found is None else max(DEFAULT_FLOOR, found.floor)

    def calibration(self, series_id: str | None, metric: str, env_id: str | None = None) -> CalibrationRecord | None:
        """Return the newest calibration of this environment, or else the newest of the same series in another one.

        An environment changes with every package, and a series is of one kind of hardware: an older one of the same
        hardware says more of its noise than none.
        """
        if series_id is None:
            return None
        for name in (metric, RATES.get(metric, metric)):  # work over time has the noise of the time
            for environment in (env_id, None):
                found = self.newest.get((series_id, name, environment))
                if found is not None:
                    return found
        return None


def read_floors(store: Store) -> Floors:
    """Return the floors that calibrations set; without any it is 3 % everywhere. Raises StoreError."""
    return choose_newest(store.calibrations())


def choose_newest(calibrations: Iterable[CalibrationRecord]) -> Floors:
    """Keep of some calibrations, oldest first, those that count."""
    newest: dict[_Key, CalibrationRecord] = {}
    for one in calibrations:
        newest[one.series_id, one.metric, one.env_id] = one
        newest[one.series_id, one.metric, None] = one
    return Floors(newest)
