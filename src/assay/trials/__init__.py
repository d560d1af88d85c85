"""Launches made to answer a question: A against B, or A against itself, interleaved."""
