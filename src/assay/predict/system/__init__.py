"""Published systems: what their results say of accelerators that nobody submitted."""
