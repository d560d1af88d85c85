"""Figures, each defined once: data in, a ``Figure`` out. Nothing here draws."""
