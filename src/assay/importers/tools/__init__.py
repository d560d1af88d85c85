"""Importers of other benchmark tools' own files: one module a format, which registers itself when it is imported."""
