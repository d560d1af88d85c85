"""What answers questions for pages and API: every predictor of a store, loaded once for each of its states.

May import: core, predict, store, web.reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.predict.layers import Estimator
    from assay.store import Store
    from assay.web.reading import Readings, State


def estimator_of(store: Store, readings: Readings | None) -> Estimator:
    """Return what answers, loaded anew only after the store or a predictor changed. Raises StoreError."""
    from assay.predict.layers import open_estimator

    if readings is None:
        return open_estimator(store)
    return readings.get("part estimator", lambda: open_estimator(store), (*readings.states.read(), *shelf_state(store)))


def shelf_state(store: Store) -> State:
    """Return which version of each predictor answers, as part of a state."""
    from assay.predict.models import list_models, shelf_of

    return tuple((f"predictor {one.path}", int(one.is_active)) for one in list_models(shelf_of(store.location)))
