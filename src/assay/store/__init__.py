"""Where runs live: Delta tables, DuckDB reads, and the journal that survives kill -9.

Opening a store imports neither deltalake nor duckdb nor pyarrow. May import: core and catalog.
"""

from assay.store.journal import Journal
from assay.store.maintenance import CheckReport, Problem, StoreInfo
from assay.store.recovery import Outcome, RecoveredRun
from assay.store.results import ResultSet
from assay.store.store import Store

__all__ = ["CheckReport", "Journal", "Outcome", "Problem", "RecoveredRun", "ResultSet", "Store", "StoreInfo"]
