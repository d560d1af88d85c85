"""Copies of the store in other databases, kept up by repeating one idempotent step.

Anything here may import: core, catalog, store, probes, assay.mirrors; drivers inside functions.
"""
