"""Engines that run in a browser: a page does the work and reads the clock, this package starts it and asks it."""
