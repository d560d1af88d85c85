"""assay: measure AI workloads on the hardware at hand, and keep every number with its provenance.

Importing this package imports nothing else, so that ``assay --help`` and the workers start fast.
"""

__version__ = "0.1.0"
