"""Where runs live: Delta tables, DuckDB reads, and the journal that survives kill -9."""
