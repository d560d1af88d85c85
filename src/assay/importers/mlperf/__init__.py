"""MLPerf: results that MLCommons published, tables that others collected of them, and LoadGen's own logs."""
