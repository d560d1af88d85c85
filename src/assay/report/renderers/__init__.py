"""Renderers: a Report in, bytes out."""
