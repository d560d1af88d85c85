"""Data to train on: real files of the user's, what packages carry, and stand-ins labelled synthetic."""
