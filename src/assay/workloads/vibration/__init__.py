"""Vibration of rotating machines: generated signals, files of recordings, windows, features, a probe of encoders."""
