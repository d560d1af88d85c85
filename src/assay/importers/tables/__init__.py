"""Formats that come as tables: speeds of language models, training throughputs, and CSV or Parquet of any make."""
