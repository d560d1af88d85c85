"""Vibration of rotating machines: generated signals, files of recordings, windows, features, and a probe of encoders."""
