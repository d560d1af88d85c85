"""Copies of the store in other databases, kept up by repeating one idempotent step."""
