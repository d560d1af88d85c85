"""The software that executes: one file or folder each, found through the engine registry in `base`."""
