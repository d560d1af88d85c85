"""Data about the world, each with its source: metrics now; device sheets and prices later."""
