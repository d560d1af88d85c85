"""Data about the world, each with its source: metrics, device sheets, prices and what a kWh brings with it."""
