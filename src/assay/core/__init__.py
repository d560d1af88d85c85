"""Values, units, identifiers and errors: the words every other layer uses. Standard library only."""
