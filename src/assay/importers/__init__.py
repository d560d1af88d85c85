"""Others' results, read into the store: one file a format, and the pipeline that they share."""
