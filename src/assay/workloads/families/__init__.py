"""One file a family. Each registers a ``Family`` value and imports its framework inside ``build``."""
