"""The rules that come with assay, each a file; docs/recommending.md lists them with their thresholds."""
