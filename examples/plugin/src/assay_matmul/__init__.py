"""An example extension of assay: products of matrices with numpy. May import: assay, numpy inside functions."""
