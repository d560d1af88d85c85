"""Pages: one file each, with a router; every page is a GET URL with ``.json`` and ``.csv`` twins."""
