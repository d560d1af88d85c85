"""Time to first token and time per output token of large language models on accelerators, from published sweeps."""
