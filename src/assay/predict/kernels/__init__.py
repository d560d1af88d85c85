"""Kernels of matrices and vectors on GPUs that were not measured, and whole models as the sum of their kernels."""
