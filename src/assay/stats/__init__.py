"""Pure functions on numbers: intervals, percentiles, verdict arithmetic. numpy and, lazily, scipy."""
